"""abusers.py -- what one client can do to others: each kind of abuse is a function, run in a process of its own.

All come from one address. A function begins its connections, each a task of asyncio, and notes in a Counter how it was answered:
statuses, "closed" and "reset" (the gateway ended it), "refused" (nobody let it in), "open" (held to the end).
"""

import asyncio
import collections
import contextlib
import functools
import multiprocessing
import os
import random
import resource
import secrets
import socket
import ssl

import bystanders
import subjects

ADDRESS = "127.0.0.3"
NICE = 19  # it has a machine of its own elsewhere; here it shares this one with who is measured
CROWD = 10_000
SOME, MANY = 100, 2000


class Abuse:
    """What a task needs: the target, a valid key, a connection, and the tally."""

    def __init__(self, target, key):
        self.target, self.key, self.told = target, key, collections.Counter()
        self.loop = asyncio.get_running_loop()

    @contextlib.asynccontextmanager
    async def dial(self, window=None):
        """A plain connection; a small window makes a reader slow. How it ends is noted here."""
        wire = socket.socket()
        wire.setblocking(False)
        if window:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        try:
            wire.bind((ADDRESS, 0))
            await self.loop.sock_connect(wire, ("127.0.0.1", self.target.port))
            yield wire
        except ConnectionRefusedError:
            self.told["refused"] += 1
            await asyncio.sleep(0.01)
        except OSError:
            self.told["reset"] += 1
        except asyncio.CancelledError:
            self.told["open"] += 1
            raise
        finally:
            wire.close()

    async def send(self, wire, data):
        await self.loop.sock_sendall(wire, data)

    async def note(self, wire):
        """Reads what comes and notes each answer in it. False at the end of the connection."""
        data = await self.loop.sock_recv(wire, 1 << 18)
        if not data:
            self.told["closed"] += 1
        for part in data.split(b"HTTP/1.1 ")[1:]:
            self.told[part[:3].decode("latin-1")] += 1
        return bool(data)

    async def note_all(self, wire):
        while await self.note(wire):
            pass


def get(path, key=None, *more):
    fields = ["Host: campus", *([f"Authorization: Bearer {key}"] if key else []), *more]
    return "\r\n".join((f"GET {path} HTTP/1.1", *fields, "", "")).encode()


def post(path, size, key, kind):
    return (f"POST {path} HTTP/1.1\r\nHost: campus\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {size}\r\n\r\n").encode()


def person(number=1):
    return f"/v1/people/{subjects.person_id(number)}"


# -- the kinds ---------------------------------------------------------------------------------------------------------


async def idle(abuse):
    async with abuse.dial() as wire:
        await abuse.note_all(wire)


async def reconnecting(abuse):
    while True:
        async with abuse.dial() as wire:
            await abuse.send(wire, get(person(), abuse.key))
            await abuse.note(wire)


async def slow_reader(abuse):
    async with abuse.dial(window=4096) as wire:
        await abuse.send(wire, get("/v1/people?page_size=200", abuse.key) * 20)
        await asyncio.sleep(3600)


async def slow_header(abuse):
    while True:
        async with abuse.dial() as wire:
            await abuse.send(wire, get(person(), abuse.key)[:-2] + b"X: ")
            dripping = asyncio.create_task(drip(abuse, wire))
            try:
                await abuse.note_all(wire)
            finally:
                dripping.cancel()


async def slow_body(abuse):
    while True:
        async with abuse.dial() as wire:
            await abuse.send(wire, post("/v1/people", 60_000, abuse.key, "application/json"))
            dripping = asyncio.create_task(drip(abuse, wire))
            try:
                await abuse.note_all(wire)
            finally:
                dripping.cancel()


async def drip(abuse, wire):
    with contextlib.suppress(OSError):
        while True:
            await abuse.send(wire, b"a")
            await asyncio.sleep(1)


async def huge_header(abuse):
    line = b"X: " + b"a" * 8000 + b"\r\n"
    while True:
        async with abuse.dial() as wire:
            await abuse.send(wire, get("/", None)[:-2] + line * 100)
            await abuse.note_all(wire)


async def huge_body(abuse):
    """All but the last byte of the largest body there is, behind a key that nobody has asked about yet."""
    size = 8 << 20
    while True:
        async with abuse.dial() as wire:
            await abuse.send(wire, post("/v1/people:import", size, secrets.token_urlsafe(32), "text/csv"))
            await abuse.send(wire, b"a" * (size - 1))
            await abuse.note_all(wire)


async def many_keys(abuse):
    async with abuse.dial() as wire:
        while True:
            await abuse.send(wire, b"".join(get(person(), secrets.token_urlsafe(32)) for _ in range(16)))
            if not await abuse.note(wire):
                return


async def bad_key(abuse):
    flood = get(person(), "nobody-has-this-key") * 64
    async with abuse.dial() as wire:
        while True:
            await abuse.send(wire, flood)
            if not await abuse.note(wire):
                return


async def expensive(abuse):
    while True:
        async with abuse.dial() as wire:
            while True:
                await abuse.send(wire, get("/v1/people?q=a&sort=name&count=exact&page_size=200", abuse.key))
                if not await abuse.note(wire):
                    break


@functools.cache
def large_roster():
    lines = "".join(map("X{},南宫,university.cs\n".format, range(200_000)))
    return f"student_number,name,home\n{lines}".encode()[:8 << 20].rpartition(b"\n")[0]


async def importing(abuse):
    roster = large_roster()
    while True:
        async with abuse.dial() as wire:
            await abuse.send(wire, post("/v1/people:import?dry_run=true", len(roster), abuse.key, "text/csv") + roster)
            await abuse.note(wire)


async def pipelining(abuse, flood):
    """As much as fits, read as fast as it comes."""
    async with abuse.dial() as wire:
        sending = asyncio.create_task(keep_sending(abuse, wire, flood))
        try:
            await abuse.note_all(wire)
        finally:
            sending.cancel()


async def keep_sending(abuse, wire, data):
    with contextlib.suppress(OSError):
        while True:
            await abuse.send(wire, data)


async def pipelined_reads(abuse):
    await pipelining(abuse, get(person(random.randint(1, bystanders.PEOPLE)), abuse.key) * 500)


async def pipelined_health(abuse):
    await pipelining(abuse, get("/healthz") * 1000)


async def handshaking(abuse):
    """Makes the gateway sign, and pays for nothing itself: the same first words again and again."""
    hello = client_hello()
    while True:
        async with abuse.dial() as wire:
            await abuse.send(wire, hello)
            if await abuse.loop.sock_recv(wire, 1 << 16):
                abuse.told["signed"] += 1
            else:
                abuse.told["closed"] += 1


@functools.cache
def client_hello():
    going = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), going, server_hostname="campus").do_handshake()
    return going.read()


# Of each kind: what one connection does, and how many there are.
PLAIN = {
    "10,000 idle connections": (idle, CROWD),
    "a request a connection": (reconnecting, MANY),
    "slow readers of large lists": (slow_reader, MANY),
    "slow headers": (slow_header, MANY),
    "slow bodies": (slow_body, MANY),
    "huge headers": (huge_header, SOME),
    "huge bodies, unknown keys": (huge_body, SOME),
    "ever new unknown keys": (many_keys, SOME),
    "one unknown key, at full speed": (bad_key, SOME),
    "expensive search and count": (expensive, 32),
    "large imports": (importing, 16),
    "pipelined reads": (pipelined_reads, SOME),
    "pipelined /healthz": (pipelined_health, SOME),
}
TLS = {
    "TLS handshakes begun": (handshaking, SOME),
}


# -- in a process of its own -------------------------------------------------------------------------------------------


async def _abuse(one, count, target, key, pipe):
    abuse = Abuse(target, key)
    tasks = [asyncio.create_task(one(abuse)) for _ in range(count)]
    stop = abuse.loop.create_future()
    abuse.loop.add_reader(pipe.fileno(), stop.set_result, None)
    await stop
    abuse.loop.remove_reader(pipe.fileno())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return dict(abuse.told)


def _run(one, count, target, key, pipe):
    os.nice(NICE)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    pipe.send(asyncio.run(_abuse(one, count, target, key, pipe)))


@contextlib.contextmanager
def abusing(kind, target, key):
    """Abuses until the end of the block. Yields a dict, filled in there: how often it was answered how."""
    one, count = kind
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    child = fork.Process(target=_run, args=(one, count, target, key, there), daemon=True)
    child.start()
    told = {}
    try:
        yield told
    finally:
        here.send("stop")
        if here.poll(30):
            told.update(here.recv())
        child.join(10)
        child.kill()
