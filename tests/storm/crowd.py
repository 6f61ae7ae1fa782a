"""crowd.py -- clients of many kinds, who write and read through HTTP without pause and note all of it in the ledger."""

import http.client
import itertools
import random
import socket
import threading
import time

import load
from harness import Client
from storm.ledger import Attempt

PATIENCE_SECONDS = 5  # how long a client waits for an answer
PAUSE_SECONDS = 0.04  # the most between two acts of a client
RETRY_SECONDS = 0.1  # the most before the same is sent again
GIVES_UP = 0.15  # how often a client does not send again what has failed
SENDS_AGAIN = 0.1  # and how often it does, though it was answered
MOVES_ON = 0.01  # and how often it connects anew without need, so that not all end up at one gateway
SETTLE_SECONDS = 60


def may_pass(noted):
    """Whether an attempt failed as it may in a bad moment: the same may be sent again."""
    return noted.status in (None, 503, 504) or noted.code == "request_in_progress"


class Member:
    """One client of the crowd: one connection at a time, to a gateway that has not just failed it."""

    def __init__(self, crowd, number):
        self.crowd = crowd
        self.ledger = crowd.ledger
        self.chance = random.Random(f"{crowd.seed}/{number}")
        self.doors = itertools.cycle(crowd.stage.entrances())
        for _ in range(number % 2):
            next(self.doors)
        self.reads = itertools.count(1)
        self.number = number
        self.client = None
        self.move_on()

    def move_on(self):
        if self.client:
            self.client.close()
        self.client = Client(*next(self.doors), self.crowd.stage.key, timeout=PATIENCE_SECONDS)

    def cut(self):
        """By another thread: the connection breaks, wherever its request is."""
        sock = self.client.connection and self.client.connection.sock
        if sock:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already

    def pause(self, longest=PAUSE_SECONDS):
        """Also while the crowd is stopping: who asks again does so in a moment."""
        time.sleep(self.chance.uniform(0, longest))

    def attempt(self, what, request_id, request):
        """One request: its Attempt, noted, and its Response where there is one."""
        headers = {**request.get("headers", {}), "X-Request-Id": request_id}
        begun = time.monotonic()
        try:
            answer = self.client.request(**{**request, "headers": headers})
            status, code = answer.status, answer.code if answer.status >= 400 else None
            if answer.headers["X-Request-Id"] != request_id:
                self.ledger.wrong.append(f"{request_id} got the answer to {answer.headers['X-Request-Id']}")
        except (OSError, http.client.HTTPException) as error:
            answer, status, code = None, None, type(error).__name__
        noted = Attempt(what, begun, time.monotonic(), status, code)
        self.ledger.attempts.append(noted)
        if not noted.well and may_pass(noted):
            self.move_on()
        return noted, answer

    def read(self, path, **request):
        """The Response where it is well, and its Attempt."""
        request_id = f"storm-read-{self.number}-{next(self.reads)}"
        noted, answer = self.attempt("read", request_id, {"method": "GET", "path": path, **request})
        if not noted.well and not may_pass(noted):
            self.ledger.wrong.append(f"read {path}: {answer!r}")
        return (answer if noted.well else None), noted

    def write(self, what, method, path, refusals=(), watch=None, gives_up=GIVES_UP, keyed=True, **request):
        """Sends a write under one key until it is answered, or given up, which gives_up=0 forbids. Without a key it is sent
        once, and the gateway has to see to it. watch(write, attempt, answer) is told of each attempt. The Write."""
        write = self.ledger.write(what, {"method": method, "path": path, **request}, keyed)
        for number in itertools.count(1):
            noted, answer = self.attempt(what, f"{write.key}.{number}", write.request)
            if watch:
                watch(write, noted, answer)
            if noted.well:
                self._acknowledged(write, answer)
            elif may_pass(noted):
                write.uncertain = True
            else:
                write.refused = noted.code
                if noted.code not in refusals:
                    self.ledger.wrong.append(f"{write.key} ({what}): {answer!r}")
            if not may_pass(noted) or self.crowd.out_of_time() or not keyed or self.chance.random() < gives_up:
                return write
            self.pause(RETRY_SECONDS)

    def _acknowledged(self, write, answer):
        write.acknowledge(answer)
        if write.keyed and self.chance.random() < SENDS_AGAIN:
            self.send_again(write)

    def send_again(self, write):
        """What was acknowledged gets the same answer as before, or none in a bad moment. Whether it got one."""
        noted, answer = self.attempt(f"{write.what} again", f"{write.key}.again", write.request)
        same = noted.well and answer.headers["Idempotent-Replayed"] == "true" and \
            (noted.status, answer.json()) == (write.status, write.told)
        if not same and not may_pass(noted):
            self.ledger.wrong.append(f"{write.key} ({write.what}) again: {answer!r}")
        return noted.well


class Crowd:
    """Members who act, a thread each, from `with` until its end, when each finishes what it is about."""

    def __init__(self, stage, ledger, seed, acts):
        self.stage, self.ledger, self.seed = stage, ledger, seed
        self.people = []  # (student number, id) of those who are known to be there
        self.stopping = threading.Event()
        self.stopped_at = None
        self.acts = acts
        self.members = [Member(self, number) for number in range(len(acts))]

    def __enter__(self):
        self.threads = [load.Sent(lambda member=member, act=act: self._go_on(member, act))
                        for member, act in zip(self.members, self.acts)]
        return self

    def __exit__(self, *_):
        self.stopped_at = time.monotonic()
        self.stopping.set()
        for thread in self.threads:
            thread.answer(2 * SETTLE_SECONDS)

    def _go_on(self, member, act):
        while not self.stopping.is_set():
            act(member)
            member.pause()
            if member.chance.random() < MOVES_ON:
                member.move_on()

    def out_of_time(self):
        return self.stopped_at is not None and time.monotonic() > self.stopped_at + SETTLE_SECONDS

    def cut(self):
        for member in self.members:
            member.cut()
