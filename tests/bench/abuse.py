#!/usr/bin/python3
"""abuse.py -- what `make bench-abuse` does: one client misbehaves in each way there is, and others are asked how they fare.

From the environment: BUILD; BENCH_SECONDS, how long each abuse is measured (default 5). A table goes to stdout, all figures to
$BUILD/bench-abuse.json. Campus has its own limits, but for the times of slow clients, so that their ends are seen. The
abuser has a lower priority than all others, as it would have a machine of its own.
"""

import contextlib
import json
import os
import pathlib
import platform
import sys
import threading
import time

os.environ.setdefault("CAMPUS_BUILD", os.environ.get("BUILD", "build"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import abusers
import bystanders
import harness
import subjects

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
BEFORE_SECONDS = 3
BEGIN_SECONDS = 1  # what an abuse has to come into its stride
MOST_RATIO = 3
# What one address can make the gateway hold: 2,000 connections with a head, a small body, what waits behind a request and what
# is not read yet of answers (0.4 MiB together), and large bodies of 32 MiB, copied on their way four times.
MOST_MIB = 1000
SETTINGS = {"CAMPUS_HEADER_MS": "3000", "CAMPUS_BODY_MS": "3000", "CAMPUS_WRITE_MS": "3000", "CAMPUS_LOG_LEVEL": "info"}


class Target:
    """Where Campus is, and how it is trusted; without what a process that is forked should not have."""

    def __init__(self, campus):
        self.port, self.trust = campus.port, campus.trust


class Memory(threading.Thread):
    """Looks at the resident set of a process until it is told to stop: `before` and `most`, in MiB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.file, self.done = pathlib.Path(f"/proc/{pid}/statm"), threading.Event()
        self.before = self.most = self._read()

    def _read(self):
        return int(self.file.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)

    def run(self):
        while not self.done.wait(0.05):
            self.most = max(self.most, self._read())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def machine():
    """What the figures hold for."""
    return {"cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]}


def say(text=""):
    print(text, flush=True)


def row(*cells):
    widths = (32, 18, 18, 18, 18, 8, 14)
    return (cells[0].ljust(widths[0]) + "".join(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))
            + ("  " + cells[7] if len(cells) > 7 else "")).rstrip()


HEAD = row("others' p99, before > during", *(f"{kind} ms" for kind in bystanders.KINDS), "most", "RSS MiB", "the abuser's answers")


def told_row(name, result):
    before, during = result["before"], result["during"]
    cells = [f"{before[kind]['p99']:.1f} > {during[kind]['p99']:.1f}" for kind in bystanders.KINDS]
    told = ", ".join(f"{what}: {count:,}" for what, count in sorted(result["answers"].items())) or "none"
    failed = f"; {len(result['failures'])} FAILURES of others: {result['failures'][0]}" if result["failures"] else ""
    return row(name, *cells, f"{result['ratio']:.1f} x", "{:.0f} > {:.0f}".format(*result["rss_mib"]), told + failed)


def settle(campus):
    """Until what the last abuse has left is gone."""
    harness.wait_until(lambda: campus.metric("campus_http_connections") == 0 and
                       campus.metric("campus_bus_queue_length") == 0, "the last abuser gone", 60, 0.1)
    time.sleep(1)


def suffer(campus, keys, name, kind):
    """One kind of abuse, from before it to its end."""
    settle(campus)
    target = Target(campus)
    with Memory(campus.entrance.pid) as memory:
        before = bystanders.measure(target, keys, BEFORE_SECONDS)
        with abusers.abusing(kind, target, keys["abuser"]) as answers:
            time.sleep(BEGIN_SECONDS)
            during = bystanders.measure(target, keys, SECONDS)
    ratios = {one: during.kinds[one]["p99"] / before.kinds[one]["p99"] for one in bystanders.KINDS}
    result = {"before": before.kinds, "during": during.kinds, "ratios": ratios, "ratio": max(ratios.values()),
              "rss_mib": (memory.before, memory.most), "answers": answers, "failures": before.failures + during.failures}
    say(told_row(name, result))
    return result


def suffer_all(campus, keys, kinds, wanted):
    chosen = {name: kind for name, kind in kinds.items() if not wanted or any(word in name for word in wanted)}
    if chosen:
        bystanders.measure(Target(campus), keys, 1)
    return {name: suffer(campus, keys, name, kind) for name, kind in chosen.items()}


@contextlib.contextmanager
def secured(campus):
    """The same campus behind TLS, in place of the one that is plain."""
    secure = harness.Campus(cluster=campus.cluster, settings=SETTINGS, tls=True)
    del secure.environment["CAMPUS_RATE_HANDSHAKES"]  # as it is where nobody sets it
    campus.stop()
    secure.entrance.start()
    try:
        secure.wait_ready()
        yield secure
    finally:
        secure.stop()


def bench(wanted):
    with harness.Campus(cluster=subjects.Cluster(), settings=SETTINGS) as plain:
        plain.cluster.fill(bystanders.PEOPLE)
        keys = {name: plain.key() for name in (*bystanders.KINDS, "abuser")}
        say("{cores} cores, Linux {kernel}, load {load:.1f}; ".format(**machine()) +
            f"{bystanders.PEOPLE:,} people; one abuser at {abusers.ADDRESS}, others at {bystanders.ADDRESS}\n")
        say(HEAD)
        results = suffer_all(plain, keys, abusers.PLAIN, wanted)
        with secured(plain) as secure:
            results.update(suffer_all(secure, keys, abusers.TLS, wanted))
    return results


def goals(results):
    """The issue's, for each kind of abuse."""
    ratios = {name: result["ratio"] for name, result in results.items()}
    rss = max(result["rss_mib"][1] for result in results.values())
    slow = [f"{name} ({ratio:.1f} x)" for name, ratio in ratios.items() if ratio > MOST_RATIO]
    failed = [name for name, result in results.items() if result["failures"]]
    return [
        {"goal": f"others' p99 stays within {MOST_RATIO} x", "reached": not slow, "measured": "not with " + ", ".join(slow) if slow
         else f"at most {max(ratios.values()):.1f} x"},
        {"goal": "all that others ask is answered", "reached": not failed, "measured": "not with " + ", ".join(failed) if failed else ""},
        {"goal": f"memory stays below {MOST_MIB:,} MiB", "reached": rss < MOST_MIB, "measured": f"at most {rss:.0f} MiB"},
    ]


def main():
    folder = harness.session_open()
    try:
        results = bench(sys.argv[1:])
    except harness.HarnessError as error:
        print(f"bench-abuse: {error}", file=sys.stderr)
        return 1
    finally:
        harness.session_close(folder)
    say()
    reached = goals(results)
    for each in reached:
        say(f"{'reached' if each['reached'] else 'NOT YET':9} {each['goal']:40} {each['measured']}".rstrip())
    path = harness.BUILD / "bench-abuse.json"
    told = {"machine": machine(), "seconds": SECONDS, "abuses": results, "goals": reached}
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    say(f"\nAll figures: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
