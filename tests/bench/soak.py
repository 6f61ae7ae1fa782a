"""soak.py -- whether memory stays flat: mixed load as fast as it goes, while each process's memory is read every second."""

import os
import pathlib
import re
import statistics
import subprocess
import time

import harness
import subjects
from report import goal, progress, table

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = int(os.environ.get("BENCH_SOAK_SECONDS", "60"))
WARM_UP_SECONDS = 20
PEOPLE = 10_000
CONNECTIONS = 64
REQUESTS_AN_HOUR = 360_000  # an ordinary one: a hundred a second
NOISE_KIB = 256  # a pool that grows once for the longest queue so far is no leak


def run():
    """{"requests", "seconds", "rss_kib": {process: [one a second]}, "slopes": {process: KiB a million requests}}."""
    with subjects.open_campus(split=True) as campus:
        campus.cluster.fill(PEOPLE)
        server = subjects.Server(campus.port, campus.key())
        pids = {name: process.pid for name, process in campus.processes.items()}
        progress(f"mixed load, {WARM_UP_SECONDS} s and then {SECONDS} s")
        Load(server, WARM_UP_SECONDS, 1).finish()
        load, samples = Load(server, SECONDS, 2), {name: [] for name in pids}
        while load.running():
            for name, pid in pids.items():
                samples[name].append(round(subjects.memory_mib(pid)[0] * 1024))
            time.sleep(1)
        requests, seconds = load.finish()
    slopes = {name: slope(rss) / (requests / seconds) * 1_000_000 for name, rss in samples.items()}
    return {"requests": requests, "seconds": seconds, "rss_kib": samples, "slopes": slopes}


class Load:
    """One wrk with soak.lua; `number` tells its writes from those of others."""

    def __init__(self, server, seconds, number):
        command = ["wrk", "-t", "2", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--timeout", "10s", "-s", HERE / "soak.lua",
                   f"http://127.0.0.1:{server.port}", "--", server.key, subjects.ID_BEGINNING, str(PEOPLE), str(number)]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def running(self):
        return self.child.poll() is None

    def finish(self):
        """(requests, seconds). HarnessError when an answer failed, or when what should succeed did not."""
        said = self.child.communicate()[0]
        told = re.search(r"^told (\d+) (\S+) (\d+) (\d+) (\d+)$", said, re.M)
        if not told or int(told[3]) or int(told[4]) or int(told[5]) < 0.9 * int(told[1]):
            raise harness.HarnessError(f"the load was not answered as it should be:\n{said}")
        return int(told[1]), float(told[2])


def slope(samples):
    """What a sample grows by in each second, by least squares."""
    return statistics.linear_regression(range(len(samples)), samples).slope


# -- what is told of it ------------------------------------------------------------------------------------------------


def tell(figures):
    hours = figures["requests"] / REQUESTS_AN_HOUR
    title = f"RSS in MiB, {figures['requests']:,} requests: {hours:.1f} hours of {REQUESTS_AN_HOUR // 3600} requests a second"
    table((title, "first", "last", "least .. most", "KiB a million requests"),
          ((name, f"{rss[0] / 1024:.1f}", f"{rss[-1] / 1024:.1f}", f"{min(rss) / 1024:.1f} .. {max(rss) / 1024:.1f}",
            f"{figures['slopes'][name]:+.0f}") for name, rss in figures["rss_kib"].items()))


def growth_kib(samples):
    """From the first quarter of the samples to the last."""
    quarter = max(1, len(samples) // 4)
    return statistics.median(samples[-quarter:]) - statistics.median(samples[:quarter])


def goals(figures):
    bound = max(NOISE_KIB, figures["requests"] / 1024)
    return [goal(f"soak: {name} grows by less than a byte a request ({bound:.0f} KiB)", growth_kib(rss) < bound,
                 f"{growth_kib(rss):+.0f} KiB") for name, rss in figures["rss_kib"].items()]
