"""`make run`: what it starts, keeps, says and refuses. deploy/run is the part of it behind packages and build."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import harness


def free_port():
    """A port that is free, and the one 1000 above it too, below the range that the system hands out."""
    start = 20000 + os.getpid() % 5000
    for port in range(start, start + 1000):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1000))
                return port
            except OSError:
                continue
    raise harness.HarnessError("no free port")


class Run:
    """One `make run`, in a VAR of its own."""

    def __init__(self, folder, port, demo="no"):
        self.folder, self.port = folder, port
        self.environment = {**os.environ, "BUILD": str(harness.BUILD), "VAR": str(folder), "PORT": str(port), "DEMO": demo}
        self.started = time.monotonic()
        self.process = subprocess.Popen([harness.REPOSITORY / "deploy/run"], env=self.environment, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self.said = ""

    def wait_ready(self):
        """Until it has said all that it has to say. Its seconds since the start."""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                return time.monotonic() - self.started
        raise harness.HarnessError(f"make run ended with status {self.process.wait()}:\n{self.said}")

    def refused(self):
        """Its last words, for a start that must fail."""
        self.said, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 1, self.said
        return self.said

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        self.said, _ = self.process.communicate(timeout=60)
        return self.process.returncode

    def client(self):
        return harness.Client("127.0.0.1", self.port, (self.folder / "admin.key").read_text().strip())


@pytest.fixture
def var():
    folder = harness.session_folder() / f"run-{os.getpid()}-{time.monotonic_ns() % 10**9}"
    yield folder
    subprocess.run([harness.REPOSITORY / "deploy/cluster", "stop", folder], check=False)


def server_runs(folder):
    return (folder / "data/postmaster.pid").exists()


def is_locked(folder):
    """Whether a `make run`, or what is left of it, holds the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(handle)


def test_first_start_serves_and_second_keeps_the_data_and_is_quick(var):
    port = free_port()
    first = Run(var, port)
    first.wait_ready()
    assert f"http://127.0.0.1:{port}" in first.said and str(var / "admin.key") in first.said
    assert first.said.count("  curl ") == 3
    assert (var / "admin.key").stat().st_mode & 0o777 == 0o600
    secrets = [(var / name).read_bytes() for name in ("admin.key", "secret.key")]
    assert len(secrets[1]) == 32
    with first.client() as client:
        client.get("/v1/organisations").expect(200)
    told = [line for line in first.said.splitlines() if "--control=" in line]
    assert [subprocess.run(["bash", "-c", line], capture_output=True, check=False).returncode for line in told] == [0, 0]
    assert first.end() == 0
    assert not server_runs(var)

    second = Run(var, port)
    seconds = second.wait_ready()
    with second.client() as client:
        client.get("/v1/organisations").expect(200)
    assert [(var / name).read_bytes() for name in ("admin.key", "secret.key")] == secrets
    assert second.end(signal.SIGTERM) == 0
    assert not server_runs(var)
    assert seconds < 10


def test_second_run_on_the_same_data_says_so(var):
    first = Run(var, free_port())
    first.wait_ready()
    said = Run(var, free_port()).refused()
    assert re.fullmatch(r"run: another make run already uses .*\n", said)
    assert first.end() == 0


def test_taken_port_is_one_line(var):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        said = Run(var, taken.getsockname()[1]).refused()
    assert re.fullmatch(r"run: port \d+ is taken; .*\n", said)


@pytest.mark.parametrize("broken, words", [
    (lambda data: (data / "PG_VERSION").write_text("14\n"), "is no cluster of PostgreSQL 15"),
    (lambda data: (data / "global/pg_control").unlink(), "could not open file"),
    (lambda data: (data / "global/pg_control").write_bytes(b"\0" * 8192), "FATAL"),
])
def test_broken_cluster_is_one_line(var, broken, words):
    cluster = harness.Cluster(var)
    var.mkdir(mode=0o700)
    harness.give(var)
    cluster.start()
    cluster.stop()
    broken(var / "data")
    said = Run(var, free_port()).refused()
    assert re.fullmatch(r"cluster: .*\n", said) and words in said


def test_folder_of_others_is_left_alone(var):
    var.mkdir()
    (var / "thesis.tex").write_text("")
    mode = var.stat().st_mode
    assert re.fullmatch(r"run: .* holds other things; .*\n", Run(var, free_port()).refused())
    assert var.stat().st_mode == mode and [file.name for file in var.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("port, demo", [("x", "no"), ("0", "no"), ("65536", "no"), ("99999999999", "no"), ("8080", "maybe")])
def test_bad_setting_is_one_line(var, port, demo):
    assert re.fullmatch(r"run: (PORT|DEMO)=.*\n", Run(var, port, demo).refused())
    assert not var.exists()


def test_killed_run_takes_the_program_along_and_the_next_one_works(var):
    port = free_port()
    first = Run(var, port)
    first.wait_ready()
    first.process.kill()
    first.process.communicate()
    # PostgreSQL stays, the program follows its parent.
    harness.wait_until(lambda: not is_locked(var), "the program ended")
    assert " stopped" in (var / "campus.log").read_text().splitlines()[-1]
    assert server_runs(var)
    second = Run(var, port)
    second.wait_ready()
    assert second.end() == 0
    assert not server_runs(var)
