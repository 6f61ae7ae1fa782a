"""measure.py -- how a figure is taken: one run of wrk or of pgbench, and several of them in turns."""

import os
import pathlib
import re
import statistics
import subprocess

import harness
import subjects

HERE = pathlib.Path(__file__).resolve().parent


class Run:
    """One run: requests a second; where known, latencies in milliseconds."""

    def __init__(self, rate, p50=None, p99=None, mean=None):
        self.rate, self.p50, self.p99, self.mean = rate, p50, p99, mean


def threads_for(connections):
    return str(min(2, connections))


def wrk(server, connections, seconds, path, *numbers):
    """Requests one path, or people between two numbers; every answer must be 200."""
    command = ["wrk", "-t", threads_for(connections), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s",
               "-s", HERE / "wrk.lua", f"http://127.0.0.1:{server.port}", "--", server.key, path, *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = re.search(r"^told (\d+) (\S+) (\S+) (\S+) (\d+)$", done.stdout, re.M)
    if not told or int(told[5]) or int(told[1]) == 0:
        raise harness.HarnessError(f"not every answer was 200:\n{done.stdout}{done.stderr}")
    return Run(int(told[1]) / float(told[2]), float(told[3]) / 1000, float(told[4]) / 1000)


def wrk_people(server, connections, seconds):
    return wrk(server, connections, seconds, f"/v1/people/{subjects.ID_BEGINNING}", 1, subjects.PEOPLE)


def pgbench(cluster, script, clients, seconds):
    command = ["/usr/lib/postgresql/15/bin/pgbench", "-n", "-M", "prepared", "-f", script, "-c", str(clients),
               "-j", threads_for(clients), "-T", str(seconds), "-h", str(cluster.folder), "-U", subjects.ROLE, "campus"]
    options = f"-c search_path={subjects.SEARCH_PATH} -c jit=off"
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PGOPTIONS": options})
    rate = float(re.search(r"^tps = (\S+)", done.stdout, re.M)[1])
    return Run(rate, mean=float(re.search(r"^latency average = (\S+) ms", done.stdout, re.M)[1]))


def in_turns(runners, rounds):
    """{name: [Run, ...]}: ours, peer, ours, peer ... so that what disturbs the machine disturbs all."""
    runs = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            runs[name].append(runner())
    return runs


def median(runs, what):
    values = [getattr(run, what) for run in runs]
    return None if None in values else statistics.median(values)


class Ratio:
    """Round by round: the median, and between which values all lie."""

    def __init__(self, ours, theirs, what="rate"):
        pairs = [getattr(a, what) / getattr(b, what) for a, b in zip(ours, theirs)]
        self.median, self.least, self.most = statistics.median(pairs), min(pairs), max(pairs)

    def __str__(self):
        return f"{self.median:.2f} x ({self.least:.2f} .. {self.most:.2f})"
