"""bystanders.py -- those who only use Campus: reads, lists, writes and new connections at a steady pace, and how long each took.

They come from an address of their own, with keys of their own. Each kind is a process, so that none waits for another's answer;
a request that the one before it kept waiting counts from when it was due.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import random
import socket
import time

import subjects

ADDRESS = "127.0.0.2"
PEOPLE = 200_000
PACES = {"read": 100, "list": 25, "write": 25, "connect": 25}  # a second
PATIENCE_S = 5
_numbers = itertools.count(1)


class Failed(Exception):
    """An answer that a bystander does not deserve."""


class Wire:
    """Plain or TLS, from the bystanders' address, kept alive until close()."""

    def __init__(self, target):
        self.target, self.wire = target, None

    def ask(self, head, body=b""):
        if not self.wire:
            self.wire = self._dial()
        self.wire.sendall(head + body)
        status, kept = self._answer()
        if not kept:
            self.close()
        if not 200 <= status < 300:
            raise Failed(status)

    def close(self):
        if self.wire:
            self.wire.close()
        self.wire = None

    def _dial(self):
        wire = socket.create_connection(("127.0.0.1", self.target.port), PATIENCE_S, (ADDRESS, 0))
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.target.trust.wrap_socket(wire, server_hostname="127.0.0.1") if self.target.trust else wire

    def _answer(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._some()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        left = int(fields.get(b"content-length", 0)) - len(body)
        while left > 0:
            left -= len(self._some())
        return int(head[9:12]), fields.get(b"connection") != b"close"

    def _some(self):
        data = self.wire.recv(65536)
        if not data:
            raise Failed("closed")
        return data


def _head(method, path, key, *more):
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: campus", f"Authorization: Bearer {key}", *more, "", "")).encode()


def _read(wire, key):
    wire.ask(_head("GET", f"/v1/people/{subjects.person_id(random.randint(1, PEOPLE))}", key))


def _list(wire, key):
    wire.ask(_head("GET", f"/v1/people?grade={random.randint(2018, 2025)}&page_size=20", key))


def _write(wire, key):
    body = json.dumps({"student_number": f"W{os.getpid()}-{next(_numbers)}", "name": "南宫", "home": "university.cs"}).encode()
    wire.ask(_head("POST", "/v1/people", key, "Content-Type: application/json", f"Content-Length: {len(body)}"), body)


def _connect(wire, key):
    wire.close()
    _read(wire, key)


KINDS = {"read": _read, "list": _list, "write": _write, "connect": _connect}


def _go_on(kind, target, key, seconds, pipe):
    """Milliseconds of each request that was served, and a count of the others."""
    act, pause = KINDS[kind], 1 / PACES[kind]
    taken, failures, wire = [], [], Wire(target)
    due = time.monotonic() + random.random() * pause
    end = due + seconds
    while due < end and time.monotonic() < end:
        time.sleep(max(0, due - time.monotonic()))
        begun = due if time.monotonic() - due > pause else time.monotonic()
        try:
            act(wire, key)
            taken.append((time.monotonic() - begun) * 1000)
        except (OSError, Failed) as error:
            failures.append(f"{kind}: {error!r}")
            wire.close()
        due += pause
    wire.close()
    pipe.send((taken, failures))


class Figures:
    """Of each kind: p50 and p99 in milliseconds, and of how many."""

    def __init__(self, kinds, failures):
        self.kinds = {kind: {"p50": _quantile(taken, 0.5), "p99": _quantile(taken, 0.99), "count": len(taken)}
                      for kind, taken in kinds.items()}
        self.failures = failures


def _quantile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else float("inf")


def measure(target, keys, seconds):
    """Lets one of each kind go on for so long. keys: by kind."""
    fork, running = multiprocessing.get_context("fork"), {}
    for kind in KINDS:
        here, there = fork.Pipe()
        child = fork.Process(target=_go_on, args=(kind, target, keys[kind], seconds, there), daemon=True)
        child.start()
        running[kind] = (child, here)
    kinds, failures = {}, []
    for kind, (child, here) in running.items():
        with contextlib.closing(here):
            kinds[kind], failed = here.recv()
            failures += failed
        child.join()
    return Figures(kinds, failures)
