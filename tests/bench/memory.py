"""memory.py -- what a process costs: its start, its memory after load and with many idle connections, beside Node.js."""

import contextlib
import resource
import socket
import statistics
import time

import harness
import measure
import peers
import subjects
from report import goal, progress, table

PEOPLE = 10_000
COUNTS = (1_000, 10_000)
CONNECTIONS_AN_ADDRESS = 1_000  # within the gateway's limit for one address, and the kernel's of ports
SPARE_FILES = 1_000
STARTS = 5
FASTIFY = ("fastify 1", "fastify 2")
ROOMY = {"CAMPUS_MAX_CONNECTIONS": str(max(COUNTS) + SPARE_FILES), "CAMPUS_IDLE_MS": "600000"}


def run():
    """{"start_seconds", "counts", "processes": {name: [(RSS, PSS) idle, ... at each count, after them]}} in MiB."""
    counts = possible_counts()
    with subjects.open_campus(**ROOMY) as whole:
        whole.cluster.fill(PEOPLE)
        progress("starts")
        starts = start_seconds(whole)
        key = whole.key()
        processes = {"campus serve": of_campus(whole, key, counts)["campus"]}
        with peers.Fastify(whole.cluster) as fastify:
            pids = dict(zip(FASTIFY, fastify.workers()))
            processes |= with_both(with_connections(fastify, pids, counts))
    with subjects.open_campus(split=True, **ROOMY) as split:
        split.cluster.fill(PEOPLE)
        processes |= of_campus(split, split.key(), counts)
    return {"start_seconds": starts, "counts": counts, "processes": processes}


def possible_counts():
    """Raises our limit of open files, which all that we start inherits, as far as it goes."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    counts = [count for count in COUNTS if hard == resource.RLIM_INFINITY or count + SPARE_FILES <= hard]
    if counts != list(COUNTS):
        progress(f"this shell may open {hard:,} files (ulimit -Hn): no more than {max(counts, default=0):,} connections")
    return counts


def start_seconds(campus):
    """From the start of the process to the first 200 of /readyz, on the same database: one figure for each start."""
    process = campus.processes["campus"]
    taken = []
    for _ in range(STARTS):
        process.stop()
        begun = time.monotonic()
        process.start()
        while not subjects.answers(campus.port, "/readyz"):
            time.sleep(0.001)
        taken.append(time.monotonic() - begun)
    campus.wait_ready()
    return taken


def with_both(figures):
    """Connections are spread over both processes: a connection's cost is in their sum."""
    return {**figures, "fastify, both": [tuple(map(sum, zip(*both))) for both in zip(*figures.values())]}


def of_campus(campus, key, counts):
    server = subjects.Server(campus.port, key)
    return with_connections(server, {name: process.pid for name, process in campus.processes.items()}, counts)


def with_connections(server, pids, counts):
    """The memory of processes after load, with each number of idle connections, and when these have gone."""
    progress(f"idle connections of {', '.join(pids)}")
    measure.wrk_people(server, 64, PEOPLE)(measure.SECONDS)
    figures = {name: [subjects.memory_mib(pid)] for name, pid in pids.items()}
    with IdleConnections(server) as idle:
        for count in counts:
            idle.grow(count)
            for name, pid in pids.items():
                figures[name].append(subjects.memory_mib(pid))
        idle.check()
    for name, pid in pids.items():
        figures[name].append(subjects.memory_mib(pid))
    return figures


class IdleConnections(contextlib.ExitStack):
    """Connections that stay open, each of which has had one answer."""

    def __init__(self, server):
        super().__init__()
        self.server, self.wires = server, []

    def grow(self, count):
        while len(self.wires) < count:
            self.wires.append(self.enter_context(self.dial(len(self.wires))))

    def dial(self, number):
        source = f"127.0.0.{1 + number // CONNECTIONS_AN_ADDRESS}"
        wire = socket.create_connection(("127.0.0.1", self.server.port), timeout=30, source_address=(source, 0))
        wire.sendall(f"GET /v1/people/{subjects.person_id(1 + number % PEOPLE)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                     f"Authorization: Bearer {self.server.key}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"}"):
            part = wire.recv(65536)
            if not part:
                raise harness.HarnessError(f"connection {number + 1} was closed")
            answer += part
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise harness.HarnessError(f"connection {number + 1} had no 200: {answer[:200]}")
        wire.setblocking(False)
        return wire

    def check(self):
        """All are still open, and silent."""
        for number, wire in enumerate(self.wires, 1):
            with contextlib.suppress(BlockingIOError):
                raise harness.HarnessError(f"connection {number} was closed, or said {wire.recv(1)} more")


# -- what is told of it ------------------------------------------------------------------------------------------------


def kib_a_connection(counts, memory):
    """How much more RSS each connection brought, up to the largest number."""
    return (memory[len(counts)][0] - memory[0][0]) * 1024 / counts[-1] if counts else float("nan")


def tell(figures):
    counts = figures["counts"]
    connected = (f"{count:,} connections" for count in counts)
    table(("RSS in MiB", "after load", *connected, "when they have gone", "KiB a connection"),
          ((name, *(f"{rss:.1f}" for rss, _ in memory), f"{kib_a_connection(counts, memory):.1f}")
           for name, memory in figures["processes"].items()))


def goals(figures):
    starts, processes = figures["start_seconds"], figures["processes"]
    ours, start = processes["campus serve"], statistics.median(starts)
    theirs = [max(processes[name][i][0] for name in FASTIFY) for i in range(len(ours) - 1)]
    when = ["after load", *(f"{count:,} connections" for count in figures["counts"])]
    return [
        goal("start: process to ready below 1 s", start < 1, f"{start:.3f} s ({min(starts):.3f} .. {max(starts):.3f})"),
        *(goal(f"memory, {words}: campus serve below one Node.js process", mine[0] < other,
               f"{mine[0]:.0f} MiB; {other:.0f} MiB")
          for words, mine, other in zip(when, ours, theirs)),
    ]
