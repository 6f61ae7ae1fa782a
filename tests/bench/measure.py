"""measure.py -- how a figure is taken: one run of wrk or of pgbench, and runs in turns, of which pairs are compared."""

import os
import pathlib
import re
import statistics
import subprocess

import harness
import subjects

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = int(os.environ.get("BENCH_SECONDS", "2"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
WARM_UP_SECONDS = 1


class Run:
    """One run: requests a second; where known, latencies in milliseconds."""

    def __init__(self, rate, p50=None, p99=None):
        self.rate, self.p50, self.p99 = rate, p50, p99


def threads_for(connections):
    return str(min(2, connections))


def wrk(server, connections, path, *numbers):
    """A runner that requests one path, or people between two numbers; every answer must be 200."""
    def run(seconds):
        command = ["wrk", "-t", threads_for(connections), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s",
                   "-s", HERE / "wrk.lua", f"http://127.0.0.1:{server.port}", "--", server.key, path, *map(str, numbers)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = re.search(r"^told (\d+) (\S+) (\S+) (\S+) (\d+)$", done.stdout, re.M)
        if not told or int(told[5]) or int(told[1]) == 0:
            raise harness.HarnessError(f"not every answer was 200:\n{done.stdout}{done.stderr}")
        return Run(int(told[1]) / float(told[2]), float(told[3]) / 1000, float(told[4]) / 1000)
    return run


def wrk_people(server, connections, people):
    return wrk(server, connections, f"/v1/people/{subjects.ID_BEGINNING}", 1, people)


def pgbench(cluster, script, clients):
    """A runner of a script of pgbench, which tells no percentiles. It counts the time in which the clients connect against its
    duration, though not in its rate: a second more for each 64 of them."""
    command = ["/usr/lib/postgresql/15/bin/pgbench", "-n", "-M", "prepared", "-f", script, "-c", str(clients),
               "-j", threads_for(clients), "-h", str(cluster.folder), "-U", subjects.ROLE, "campus"]
    options = f"-c search_path={subjects.SEARCH_PATH} -c jit=off"

    def run(seconds):
        done = subprocess.run([*command, "-T", str(seconds + clients // 64)], capture_output=True, text=True, check=True,
                              env={**os.environ, "PGOPTIONS": options})
        return Run(float(re.search(r"^tps = (\S+)", done.stdout, re.M)[1]))
    return run


def in_pairs(ours, others, seconds=SECONDS):
    """{name: [(our run, its run), ...]} of runners: ours, other, ours, other ..., so that what disturbs the machine disturbs
    both. Each warms up first."""
    for runner in (ours, *others.values()):
        runner(WARM_UP_SECONDS)
    pairs = {name: [] for name in others}
    for _ in range(ROUNDS):
        for name, other in others.items():
            pairs[name].append((ours(seconds), other(seconds)))
    return pairs


def median(runs, what):
    return statistics.median(getattr(run, what) for run in runs)


def ours(pairs):
    """All our runs beside all others."""
    return [pair[0] for several in pairs.values() for pair in several]


def theirs(several):
    return [pair[1] for pair in several]


class Ratio:
    """Ours to theirs, pair by pair: the median, and between which values all lie."""

    def __init__(self, pairs, what="rate"):
        ratios = [getattr(a, what) / getattr(b, what) for a, b in pairs]
        self.median, self.least, self.most = statistics.median(ratios), min(ratios), max(ratios)

    def __str__(self):
        digits = 2 if self.median < 10 else 1
        return f"{self.median:.{digits}f} x ({self.least:.{digits}f} .. {self.most:.{digits}f})"
