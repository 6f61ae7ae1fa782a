"""harness.py -- a whole Campus for black-box tests: a private PostgreSQL, the program's processes, an HTTP client.

Everything lives in one folder of its own below session_folder(), on free ports, so that tests run side by side. Root runs
PostgreSQL and the program as the user postgres, as `make run` does. Standard library only.
"""

import csv
import fcntl
import http.client
import io
import itertools
import json as jsonlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import refusals
import tls as tlslib

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / os.environ.get("CAMPUS_BUILD", "build")
SERVICES = sorted(folder.parent.name for folder in REPOSITORY.glob("services/*/schema"))
START_SECONDS = 60
STOP_SECONDS = 30
SESSION_VARIABLE = "CAMPUS_TEST_SESSION"
# What a sanitizer or a broken assertion writes; no test may cause it.
DAMAGE = re.compile(r"ERROR: \w*Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion .* failed")

_numbers = itertools.count(1)
living = []  # every Campus that was started and not closed


class HarnessError(Exception):
    """The thing under test did not do what a test needs to go on."""


def wait_until(condition, what, seconds=15, pause=0.02):
    """Polls until condition() is true and returns its value; HarnessError naming `what` when one look that began after
    `seconds` finds it false: a test that was held up looks once more."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            raise HarnessError(f"after {seconds} s still not: {what}")
        time.sleep(pause)


# -- where it all lives ------------------------------------------------------------------------------------------------


def session_open():
    """Makes the folder of this test session, unless a parent process has. Returns it, or None where it was there."""
    if SESSION_VARIABLE in os.environ:
        return None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="campus-", dir="/tmp"))
    folder.chmod(0o755)
    os.environ[SESSION_VARIABLE] = str(folder)
    # The program's user may not reach the checkout: not to read, and not to count what of a program it ran.
    os.environ["TSAN_OPTIONS"] = f"suppressions={shutil.copy(REPOSITORY / 'tests/tsan.supp', folder)}"
    os.environ["GCOV_PREFIX"] = str(folder / "counters")
    (folder / "counters").mkdir()
    give(folder / "counters")
    return folder


def session_close(folder):
    """Ends what a crashed worker may have left behind, and removes the folder."""
    for pid_file in folder.glob("*/*.pid"):
        _kill_if_ours(int(pid_file.read_text()), folder)
    for cluster in folder.glob("*/data"):
        subprocess.run([REPOSITORY / "deploy/cluster", "stop", cluster.parent], check=False)
    counters = folder / "counters" / BUILD.relative_to("/")
    if counters.exists():
        shutil.copytree(counters, BUILD / "counters", dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop(SESSION_VARIABLE, None)


def _kill_if_ours(pid, folder):
    """The number may be another's by now. Root's program lies in the folder; root in a container may not see its cwd."""
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        if bytes(folder) in command or os.readlink(f"/proc/{pid}/cwd").startswith(str(folder)):
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def session_folder():
    return pathlib.Path(os.environ[SESSION_VARIABLE])


def new_folder():
    """A fresh folder with a short path that the program's user owns."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "m")
    folder = session_folder() / f"{worker}-{next(_numbers)}"
    folder.mkdir(mode=0o755)
    give(folder)
    return folder


def give(path):
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


class _once:
    """Runs its body in one process of the session only: `with _once("name") as first: if first: ...`."""

    def __init__(self, name):
        self.done = session_folder() / f"{name}.done"
        self.lock = session_folder() / f"{name}.lock"

    def __enter__(self):
        self.file = self.lock.open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return not self.done.exists()

    def __exit__(self, error, *_):
        if error is None:
            self.done.touch()
        self.file.close()


def program():
    """The path of the program under test. Root's own copy lies where postgres can reach it."""
    built = BUILD / "campus"
    if not built.exists():
        raise HarnessError(f"{built} is not built")
    if os.geteuid() != 0:
        return built
    copy = session_folder() / "campus"
    with _once("program") as first:
        if first:
            shutil.copy(built, copy)
            copy.chmod(0o755)
    return copy


def as_user(command):
    if os.geteuid() != 0:
        return [str(word) for word in command]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] + [str(w) for w in command]


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


class Cluster:
    """A private PostgreSQL in `folder`, reached by `conninfo`. fsync is off unless durable: tests pull no plugs."""

    def __init__(self, folder=None, durable=False):
        self.folder = folder or new_folder()
        self.settings = [] if durable else ["fsync=off", "full_page_writes=off"]
        self.conninfo = f"host={self.folder} dbname=campus"

    @staticmethod
    def template():
        """A stopped cluster with the database and the roles, made once a session and copied by all."""
        folder = session_folder() / "template"
        with _once("template") as first:
            if first:
                folder.mkdir()
                _deploy_cluster("start", folder, "fsync=off", "shared_buffers=16MB")
                _deploy_cluster("stop", folder)
        return folder / "data"

    def start(self):
        if not (self.folder / "data").exists():
            subprocess.run(["cp", "-a", "--reflink=auto", self.template(), self.folder / "data"], check=True)
        _deploy_cluster("start", self.folder, "shared_buffers=64MB", "autovacuum_naptime=10s", *self.settings)
        return self

    def stop(self):
        _deploy_cluster("stop", self.folder)

    def crash(self):
        """Every process of PostgreSQL ends at once, as if killed; the next start recovers."""
        command = ["/usr/lib/postgresql/15/bin/pg_ctl", "stop", "-s", "-m", "immediate", "-D", self.folder / "data"]
        subprocess.run(as_user(command), check=True, cwd="/")

    def restart(self):
        self.stop()
        self.start()

    def psql(self, *arguments, role="postgres", database="campus"):
        """The command line of a psql on this cluster, without anyone's settings."""
        return ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", role, "-d", database, *arguments]

    def sql(self, statements, role="postgres"):
        """Runs SQL in one session; the rows of the last query as lists of str or None. HarnessError on a refusal."""
        done = subprocess.run(self.psql("--csv", "-P", "null=\x01", "-t", role=role), input=statements, text=True,
                              capture_output=True, env=_environment(), check=False)
        if done.returncode:
            raise HarnessError(f"psql: {done.stderr.strip()}")
        return [[None if cell == "\x01" else cell for cell in row] for row in csv.reader(io.StringIO(done.stdout))]

    def value(self, query, role="postgres"):
        """The first column of the first row, or None."""
        rows = self.sql(query, role)
        return rows[0][0] if rows else None

    def session(self, role="postgres"):
        """A psql that stays, to hold a transaction or a lock open: see Session."""
        return Session(self.psql("--csv", "-P", "null=\x01", "-t", role=role))


class Session:
    """One connection to PostgreSQL.

        with campus.cluster.session() as other:
            other.sql("BEGIN; SELECT 1 FROM membership.organisation WHERE path = 'su' FOR UPDATE")
            ...                         # the lock is held here
            other.sql("ROLLBACK")
    """

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=_environment(), bufsize=1)

    def start(self, statements):
        """Sends statements without waiting, as for one that will wait for a lock; finish() has their rows."""
        self.process.stdin.write(f"{statements}\n;\n\\echo \x02\n")
        self.process.stdin.flush()

    def finish(self):
        lines = []
        for line in self.process.stdout:
            if line == "\x02\n":
                rows = csv.reader(io.StringIO("".join(lines)))
                return [[None if cell == "\x01" else cell for cell in row] for row in rows]
            lines.append(line)
        raise HarnessError("psql: " + "".join(lines).strip())

    def sql(self, statements):
        self.start(statements)
        return self.finish()

    def close(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _environment(**more):
    """Ours, without what would lead libpq or the program elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CAMPUS_"))}
    return {**kept, **more}


def _deploy_cluster(action, folder, *settings):
    done = subprocess.run([REPOSITORY / "deploy/cluster", action, folder, *settings], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise HarnessError(done.stderr.strip() or f"cluster {action} failed")


# -- the program -------------------------------------------------------------------------------------------------------


class Process:
    """One `campus serve`, or another program at `path`, its log beside it."""

    def __init__(self, name, arguments, folder, environment, path=None):
        self.name = name
        self.path = path
        self.run_in = []  # what goes before the command: another network namespace
        self.address = "127.0.0.1"
        self.arguments = arguments
        self.folder = folder
        self.environment = environment
        self.log_path = folder / f"{name}.log"
        self.child = None
        self.frozen = False
        self.checked = 0  # how much of the log damage() has seen

    @property
    def pid(self):
        return self.child.pid

    def start(self):
        """Starts it; its log goes on at the end. Does not wait for anything: see Campus.start_process."""
        self.started_at = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            command = [*self.run_in, *as_user([self.path or program(), *self.arguments])]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                          env=self.environment, start_new_session=True)
        self.frozen = False
        (self.folder / f"{self.name}.pid").write_text(str(self.child.pid))
        return self

    def running(self):
        return self.child is not None and self.child.poll() is None

    def log(self):
        """What it wrote since its last start."""
        with self.log_path.open("rb") as file:
            file.seek(self.started_at)
            return file.read().decode("utf-8", "replace")

    def full_log(self):
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def terminate(self):
        """SIGTERM without waiting, as for a drain: see wait()."""
        if self.running():
            self.child.send_signal(signal.SIGTERM)

    def wait(self, seconds=STOP_SECONDS):
        """Its exit status; killed, with a HarnessError, when it does not end."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise HarnessError(f"{self.name} did not end within {seconds} s") from None

    def stop(self):
        """A graceful stop. HarnessError unless it ends with status 0."""
        if not self.running():
            return
        self.terminate()
        status = self.wait()
        if status:
            raise HarnessError(f"{self.name} ended with status {status}:\n{tail(self.log())}")

    def kill(self):
        if self.running():
            self.child.kill()
            self.child.wait()

    def freeze(self):
        self.frozen = True
        os.kill(self.pid, signal.SIGSTOP)
        # The signal takes effect when the kernel has stopped every thread.
        wait_until(lambda: self._state() == "T", f"{self.name} frozen")

    def thaw(self):
        self.frozen = False
        os.kill(self.pid, signal.SIGCONT)

    def _state(self):
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def damage(self):
        """New lines of the log in which a sanitizer or an assertion complains, or ''."""
        log = self.full_log()
        found = DAMAGE.search(log, self.checked)
        self.checked = len(log)
        return log[found.start():found.start() + 4000] if found else ""


class Campus:
    """A running Campus: a cluster, migrated, and the program in front of it.

    split=False   `campus serve`: every role in one process, called "campus"
    split=True    "gateway", and "membership-1", "membership-2", ... (`workers` of each service), over ipc
    tls           HTTPS with a certificate of its own, `certificate`
    settings      further CAMPUS_* variables for the program, by their names

    As a context manager it is started and closed. The processes are in `processes`, by name.
    """

    def __init__(self, split=False, workers=2, settings=None, cluster=None, tls=False):
        self.cluster = cluster or Cluster()
        self.folder = self.cluster.folder
        self.secret_file = self.folder / "secret.key"
        self.certificate = tlslib.Certificate(self.folder, "server", give) if tls else None
        self.trust = self.certificate.context() if tls else None
        self.environment = _environment(
            HOME=str(self.folder),
            CAMPUS_DATABASE=self.cluster.conninfo,
            CAMPUS_LISTEN="127.0.0.1:0",
            CAMPUS_METRICS_LISTEN="127.0.0.1:0",
            CAMPUS_SECRET_FILE=str(self.secret_file),
            **({"CAMPUS_TLS_CERTIFICATE_FILE": str(self.certificate.certificate_file),
                "CAMPUS_TLS_KEY_FILE": str(self.certificate.key_file)} if tls else {}),
            **{"CAMPUS_CONTROL": f"ipc://{self.folder}/control",
               "CAMPUS_RATE_HANDSHAKES": "0",  # tests are many clients at one address
               **({"CAMPUS_BUS": f"ipc://{self.folder}/bus"} if split else {}), **(settings or {})})
        shapes = {"campus": ["serve"]}
        if split:
            shapes = {"gateway": ["serve", "gateway"]}
            shapes.update({f"{service}-{n}": ["serve", service] for service in SERVICES for n in range(1, workers + 1)})
        self.processes = {name: Process(name, arguments, self.folder, self.environment)
                          for name, arguments in shapes.items()}
        self.entrance = self.processes["gateway" if split else "campus"]
        self.address = "127.0.0.1"
        self.port = self.metrics_port = None
        self._keys = itertools.count(1)

    # Life

    def start(self):
        living.append(self)
        if not self.secret_file.exists():
            self.secret_file.write_bytes(os.urandom(32))
            self.secret_file.chmod(0o600)
            give(self.secret_file)
        self.cluster.start()
        self.run("migrate")
        for process in self.processes.values():
            process.start()
        self.wait_ready()
        return self

    def start_process(self, name):
        """Starts a process that a test ended, and waits until all is well again."""
        self.processes[name].start()
        self.wait_ready()

    def wait_ready(self, seconds=START_SECONDS):
        """Until every process has said that it is ready, and the gateway knows each worker, and none that is gone."""
        self.port = self.metrics_port = None
        self.port = int(wait_until(lambda: self._told(r" gateway: ready url=\S+:(\d+)"), "ready", seconds))
        # Whoever starts it anew finds it where it was.
        self.environment["CAMPUS_LISTEN"] = f"{self.address}:{self.port}"
        self.metrics_port = int(self._told(r": metrics port=(\d+)"))
        wait_until(self._is_ready, "/readyz", seconds)

    def _told(self, pattern):
        found = re.search(pattern, self.entrance.log())
        if not found and not self.entrance.running():
            raise HarnessError(f"{self.entrance.name} ended with status {self.entrance.child.returncode}:\n"
                               f"{tail(self.entrance.log())}")
        return found and found[1]

    def _is_ready(self):
        for process in self.processes.values():
            if process.child and process.child.poll() not in (None, 0, -signal.SIGKILL):
                raise HarnessError(f"{process.name} ended with status {process.child.returncode}:\n{tail(process.log())}")
            # A worker says that it is serving, a gateway that all its services are.
            if process.running() and not re.search(r": (serving|ready) ", process.log()):
                return False
        try:
            with self.client() as client:
                if client.get("/readyz").status != 200:
                    return False
            return all(self.metric("campus_bus_workers", service=service) == self._workers(service)
                       for service in SERVICES)
        except OSError:
            return False

    def _workers(self, service):
        """How many workers of a service the gateway should know: all that neither died nor are frozen."""
        if "campus" in self.processes:
            return 1
        return sum(name.startswith(f"{service}-") and process.running() and not process.frozen
                   for name, process in self.processes.items())

    def stop(self):
        """Graceful, the entrance first; each process must end with status 0. The cluster runs on."""
        for process in self.processes.values():
            process.stop()

    def close(self):
        """Ends everything. HarnessError when a process ended badly or a sanitizer complained."""
        troubles = []
        if self in living:
            living.remove(self)
        for process in self.processes.values():
            if process.running():
                process.thaw()
                try:
                    process.stop()
                except HarnessError as error:
                    troubles.append(str(error))
            trouble = process.damage()
            if trouble:
                troubles.append(f"{process.name}: {trouble}")
        self.cluster.stop()
        if troubles:
            raise HarnessError("\n".join(troubles))

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            # The first failure is the one to be read.
            try:
                self.close()
            except HarnessError as error:
                print(error, file=sys.stderr)
            raise

    def __exit__(self, *_):
        self.close()

    # Use

    @property
    def url(self):
        return f"{'https' if self.trust else 'http'}://{self.address}:{self.port}"

    def run(self, *arguments, input=None, check=True):
        """Runs `campus ARGUMENTS...` with this campus's settings. Its CompletedProcess, with text output."""
        done = subprocess.run(as_user([program(), *arguments]), input=input, capture_output=True, text=True, check=False,
                              cwd=self.folder, env=self.environment, timeout=120)
        if check and done.returncode:
            raise HarnessError(f"campus {arguments[0]} ended with status {done.returncode}: {done.stderr.strip()}")
        return done

    def begin(self, *arguments):
        """Starts `campus ARGUMENTS...` without waiting: a Popen with text output."""
        return subprocess.Popen(as_user([program(), *arguments]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd=self.folder, env=self.environment)

    def key(self, permissions="*", organisation=None, name=None):
        """A new API key's secret, made by `campus key create`. permissions: a comma-separated list, or a list."""
        number = next(self._keys)
        file = self.folder / f"{name or 'test'}-{number}.key"
        permissions = permissions if isinstance(permissions, str) else ",".join(permissions)
        arguments = [f"--name={name or f'test {number}'}", f"--permissions={permissions}", f"--file={file}"]
        if organisation is not None:
            arguments.append(f"--organisation={organisation}")
        self.run("key", "create", *arguments)
        return file.read_text().strip()

    def client(self, key=None):
        return Client(self.address, self.port, key, trust=self.trust)

    def metrics(self):
        """The text of /metrics."""
        with Client(self.address, self.metrics_port) as client:
            return client.get("/metrics").expect(200).text

    def metric(self, name, **labels):
        """The sum of the samples of one metric that have these labels; 0.0 where there is none."""
        return sum_samples(self.metrics(), name, **labels)

    def sql(self, statements, role="postgres"):
        return self.cluster.sql(statements, role)

    def value(self, query, role="postgres"):
        return self.cluster.value(query, role)

    def logs(self):
        """Everything that the program and PostgreSQL wrote, by name."""
        files = sorted(self.folder.glob("*.log"))
        return {file.stem: file.read_text("utf-8", "replace") for file in files}


def sum_samples(metrics, name, **labels):
    """The sum of those samples in a text of /metrics that have this name and these labels; 0.0 where there is none."""
    total = 0.0
    for line in metrics.splitlines():
        found = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
        if found and found[1] == name:
            has = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
            if all(has.get(label) == str(value) for label, value in labels.items()):
                total += float(found[3])
    return total


def tail(text, lines=40):
    return "\n".join(text.splitlines()[-lines:])


# -- HTTP --------------------------------------------------------------------------------------------------------------


class Response:
    """One answer. headers finds names in any case."""

    def __init__(self, method, path, status, headers, body):
        self.method, self.path = method, path
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return jsonlib.loads(self.body)

    @property
    def etag(self):
        return self.headers["ETag"]

    @property
    def code(self):
        """A problem document's code; None for any other answer."""
        if self.headers.get_content_type() != "application/problem+json":
            return None
        return self.json()["code"]

    def pointers(self):
        """What a problem document complains about: {pointer: code}."""
        return {error["pointer"]: error["code"] for error in self.json().get("errors", [])}

    def expect(self, status, code=None):
        """Itself, having asserted the status and, where given, the problem's code."""
        assert self.status == status, f"{self!r}: expected {status}"
        if code is not None:
            assert self.code == code, f"{self!r}: expected {code}"
        return self

    def __repr__(self):
        return f"{self.method} {self.path} -> {self.status} {self.body[:1000]!r}"


class Client:
    """An HTTP/1.1 client on one connection kept alive. Never sends anything twice of its own accord. `trust` is an
    ssl.SSLContext, for HTTPS."""

    def __init__(self, host, port, key=None, timeout=30, trust=None):
        self.host, self.port, self.key, self.timeout, self.trust = host, port, key, timeout, trust
        self.connection = None

    def request(self, method, path, json=None, raw=None, headers=None, query=None, type=None):
        """json is any value to be sent as JSON; raw is bytes, with their media type in `type`; query a dict, or pairs."""
        sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        body = None
        if json is not None:
            body = jsonlib.dumps(json, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        if raw is not None:
            body = raw
            sent["Content-Type"] = type or "application/octet-stream"
        sent.update(headers or {})
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        if self.connection is None and self.trust:
            self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.trust)
        elif self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            self.connection.request(method, path, body, {k: v for k, v in sent.items() if v is not None})
            answer = self.connection.getresponse()
            response = Response(method, path, answer.status, answer.headers, answer.read())
        except BaseException:
            self.close()
            raise
        refusals.note(method, path, response.status, response.headers.get_content_type(), response.body)
        return response

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, json=None, **more):
        return self.request("POST", path, json=json, **more)

    def put(self, path, json=None, **more):
        return self.request("PUT", path, json=json, **more)

    def patch(self, path, json=None, etag=None, **more):
        """With etag, as If-Match."""
        headers = {"Content-Type": "application/merge-patch+json", **more.pop("headers", {})}
        if etag is not None:
            headers["If-Match"] = etag
        return self.request("PATCH", path, json=json, headers=headers, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def pages(self, path, items, query=None):
        """All items of a list, page by page: the arrays called `items` of each."""
        query = dict(query or {})
        while True:
            page = self.get(path, query=query).expect(200).json()
            yield from page.get(items, [])
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]

    def dial(self, timeout=10):
        """A connection of its own, as a socket: bytes in, bytes out, plain or over TLS."""
        sock = socket.create_connection((self.host, self.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tlslib.Wire(sock, self.trust) if self.trust else sock

    def raw_request(self, data, timeout=10, half_close=False, dribble=None):
        """Sends bytes as they are on a connection of their own: a RawAnswer with all that came back until the other side
        closed, or until `timeout`. dribble: seconds to wait after each byte, for as long as the other side listens."""
        start = time.monotonic()
        with self.dial(timeout) as wire:
            try:
                if dribble is None:
                    wire.sendall(data)
                else:
                    _dribble(wire, data, dribble)
                if half_close:
                    wire.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # closed while we were sending: what it said before is what counts
            return _read_all(wire, start, timeout)

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RawAnswer:
    """data: all bytes that came; closed: whether the other side closed; seconds: how long that took."""

    def __init__(self, data, closed, seconds):
        self.data, self.closed, self.seconds = data, closed, seconds

    @property
    def statuses(self):
        """The status of each answer in it, in order."""
        return [int(status) for status in re.findall(rb"(?:^|(?<=[\n}]))HTTP/1\.[01] (\d{3}) ", self.data)]

    @property
    def status(self):
        return self.statuses[0] if self.statuses else None

    def __repr__(self):
        return f"RawAnswer({self.data[:400]!r}, closed={self.closed}, seconds={self.seconds:.2f})"


def _dribble(wire, data, pause):
    for byte in data:
        wire.sendall(bytes([byte]))
        wire.settimeout(pause)
        try:
            if wire.recv(1, socket.MSG_PEEK) is not None:
                return  # it has said something, or closed
        except (TimeoutError, socket.timeout):
            pass


def _read_all(wire, start, timeout):
    parts, closed = [], False
    while True:
        left = start + timeout - time.monotonic()
        if left <= 0:
            break
        wire.settimeout(left)
        try:
            part = wire.recv(65536)
        except (TimeoutError, socket.timeout):
            break
        except ConnectionError:
            closed = True
            break
        if not part:
            closed = True
            break
        parts.append(part)
    return RawAnswer(b"".join(parts), closed, time.monotonic() - start)
