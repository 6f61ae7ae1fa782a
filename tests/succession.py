"""succession.py -- a campus whose processes are replaced one by one, and clients that would notice."""

import contextlib
import http.client
import shutil
import socket
import struct
import subprocess
import threading

import harness
from harness import wait_until
from load import Sent

NEWER = harness.BUILD / "tests/rolling/campus"  # the next release: see newer.patch
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: leaves no port in TIME_WAIT, of which there are not so many


class Succession(harness.Campus):
    """Whole programs or gateways that share a port. Each gateway has a bus endpoint of its own, of two; workers dial both."""

    def __init__(self, settings=None, **options):
        settings = {"CAMPUS_REUSE_PORT": "1", "CAMPUS_LOG_LEVEL": "debug", "CAMPUS_RATE_PRINCIPAL": "0",
                    "CAMPUS_RATE_ADDRESS": "0", "CAMPUS_RATE_CONNECTIONS": "0", **(settings or {})}
        super().__init__(settings=settings, **options)
        self.endpoints = [f"ipc://{self.folder}/bus-{n}" for n in "ab"]
        self.generation = 0
        self.whole = self.entrance.name == "campus"
        if not self.whole:
            self.environment["CAMPUS_BUS"] = ",".join(self.endpoints)
        self.entrance.arguments = self._entrance_arguments()
        self.newer = self.folder / "newer"
        shutil.copy(NEWER, self.newer)  # where the program's user reaches it
        self.newer.chmod(0o755)

    def _entrance_arguments(self):
        return ["serve"] if self.whole else ["serve", "gateway", f"--bus={self.endpoints[self.generation % 2]}"]

    def start_beside(self, name, *arguments, says=": ready ", path=None):
        """One more process, until it says that it answers; path is another program than the one under test."""
        process = self.processes[name] = harness.Process(name, arguments, self.folder, self.environment, path)
        process.start()

        def serves():
            if not process.running():
                raise harness.HarnessError(f"{name} did not start:\n{harness.tail(process.log())}")
            return says in process.log()
        wait_until(serves, f"{name} says{says}", harness.START_SECONDS)
        return process

    def start_worker(self, name, path=None):
        """The same, until the gateway knows it."""
        known = self.known()
        worker = self.start_beside(name, "serve", "membership", says=": serving ", path=path)
        wait_until(lambda: self.known() > known, f"the gateway knows {name}")
        return worker

    def workers(self):
        return [process for name, process in self.processes.items() if name.startswith("membership-")]

    def known(self):
        """How many workers the gateway has met."""
        return self.entrance.log().count(": worker ready ")

    def succeed(self, path=None):
        """A successor of the entrance starts beside it, which then ends in good order."""
        self.generation += 1
        former = self.entrance
        name = f"{former.name.partition('-')[0]}-{self.generation}"
        self.entrance = self.start_beside(name, *self._entrance_arguments(), path=path)
        former.stop()
        del self.processes[former.name]
        damage = former.damage()
        assert not damage, damage

    def migrate(self, path):
        done = subprocess.run(harness.as_user([path, "migrate"]), cwd=self.folder, env=self.environment,
                                      capture_output=True, text=True, check=True)
        return done.stdout


class Strangers:
    """Threads that connect anew for each request, from `with` until its end. `failures` has what went wrong."""

    REQUEST = b"GET /v1/me HTTP/1.1\r\nHost: campus\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n"

    def __init__(self, campus, key, count=3):
        self.address, self.trust = ("127.0.0.1", campus.port), campus.trust
        self.request = self.REQUEST % key.encode()
        self.count = count
        self.answered = 0
        self.failures = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()

    def __enter__(self):
        self.threads = [Sent(self._go_on) for _ in range(self.count)]
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.answer(60)

    def flow(self, more, seconds=60):
        goal = self.answered + more
        wait_until(lambda: self.answered >= goal, f"{more} more strangers are answered", seconds)

    def _go_on(self):
        while not self.stopping.is_set():
            try:
                answer = self._ask()
            except OSError as error:
                answer = error
            with self.lock:
                if isinstance(answer, bytes) and answer.startswith(b"HTTP/1.1 200 "):
                    self.answered += 1
                else:
                    self.failures.append(answer)

    def _dial(self):
        wire = socket.create_connection(self.address, 30)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        if not self.trust:
            return wire
        return self.trust.wrap_socket(wire, server_hostname=self.address[0], suppress_ragged_eofs=False)

    def _ask(self):
        with self._dial() as wire:
            wire.sendall(self.request)
            answer = b""
            while chunk := wire.recv(65536):
                answer += chunk
            return answer


class Regulars:
    """The same on connections that are kept, with a pause between requests in which they are idle."""

    PAUSE = 0.03

    def __init__(self, campus, key, count=4):
        self.campus, self.key, self.count = campus, key, count
        self.failures = []
        self.moved = 0  # how often one was told to connect anew
        self.stopping = threading.Event()

    def __enter__(self):
        self.threads = [Sent(self._go_on) for _ in range(self.count)]
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.answer(60)

    def _go_on(self):
        with self.campus.client(self.key) as client:
            while not self.stopping.wait(self.PAUSE):
                try:
                    answer = client.get("/v1/me")
                    if answer.status != 200:
                        self.failures.append(answer)
                    self.moved += answer.headers["Connection"] == "close"
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append(error)


@contextlib.contextmanager
def nobody_fails(*crowds):
    """Crowds of clients for as long as the block lasts, none of whom may be failed."""
    with contextlib.ExitStack() as stack:
        for crowd in crowds:
            stack.enter_context(crowd)
        yield crowds
    for crowd in crowds:
        failures = crowd.failures
        failures = failures() if callable(failures) else failures
        assert failures == [], type(crowd).__name__
