"""subjects.py -- what `make bench` measures: Campus on a cluster with many people, and beside it pgbench and Fastify."""

import contextlib
import http.client
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import time

import harness

HERE = pathlib.Path(__file__).resolve().parent
PEOPLE = 200_000
SERVICE, ROLE = "membership", "campus_membership"
SEARCH_PATH = "membership,campus,public"
ID_BEGINNING = "01900000-0000-7000-8"  # then 15 decimal digits: see people.sql
FIRST_DIGITS = 100_000_000_000_000
SETTINGS = {"CAMPUS_RATE_PRINCIPAL": "0", "CAMPUS_RATE_ADDRESS": "0", "CAMPUS_LOG_LEVEL": "info"}


class Cluster(harness.Cluster):
    """As deploy/cluster makes it for `make run`: fsync on, its own sizes. With room for as many clients of pgbench."""

    def __init__(self):
        super().__init__(durable=True)

    def start(self):
        subprocess.run([harness.REPOSITORY / "deploy/cluster", "start", self.folder, "max_connections=400"], check=True)
        return self

    def fill(self):
        command = self.psql("-v", f"people={PEOPLE}", "-v", f"prefix={ID_BEGINNING}", "-f", str(HERE / "people.sql"))
        subprocess.run([*command, "-o", "/dev/null"], check=True, env={**os.environ, "PGOPTIONS": "-c search_path=" + SEARCH_PATH})


def person_id(number):
    digits = str(FIRST_DIGITS + number)
    return f"{ID_BEGINNING}{digits[:3]}-{digits[3:]}"


def statement(name):
    """The service's own SQL, as its file has it."""
    queries = (harness.REPOSITORY / f"services/{SERVICE}/queries.sql").read_text()
    found = re.search(rf"^-- name: {name}\n(.*?)(?:\n--|\Z)", queries, re.M | re.S)
    return found[1].strip()


def fill_in(sql, values):
    """The statement with its :parameters replaced; a cast (::uuid) is none."""
    return re.sub(r"(?<!:):(\w+)", lambda found: values[found[1]], sql)


# -- pgbench -----------------------------------------------------------------------------------------------------------


def write_pgbench_script(folder):
    """GetPerson's own statement at random ids; pgbench knows no text, so the id is put together from a number."""
    beginning = ID_BEGINNING.replace("-", "")
    sql = fill_in(statement("get_person"), {
        "id": f"('{beginning}' || :n)", "caller_person": "NULL", "scopes": "'{\"\"}'"})
    script = folder / "point_read.pgbench"
    script.write_text(f"\\set n random({FIRST_DIGITS + 1}, {FIRST_DIGITS + PEOPLE})\n{sql};\n")
    return script


# -- Fastify -----------------------------------------------------------------------------------------------------------


def install_fastify():
    """Its packages, into the build folder; again only after package.json has changed."""
    folder = harness.BUILD / "bench/fastify"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "fastify/package.json").read_text()
    stamp = folder / "installed.json"
    if not stamp.exists() or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        shutil.copy(HERE / "fastify/package.json", folder)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"],
                              cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise harness.HarnessError(f"npm install failed: {done.stderr.strip()[-500:]}")
        stamp.write_text(wanted)
    shutil.copy(HERE / "fastify/server.js", folder)
    return folder


class Fastify:
    """server.js in its processes, with a token of its own."""

    def __init__(self, cluster):
        self.folder = install_fastify()
        self.key = secrets.token_urlsafe(32)
        self.port = free_port()
        numbered = {"id": "$1", "caller_person": "$2", "scopes": "$3"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CAMPUS_"))}
        self.environment = {
            **kept, "NODE_ENV": "production", "PORT": str(self.port), "TOKEN": self.key, "SEARCH_PATH": SEARCH_PATH,
            "STATEMENT": fill_in(statement("get_person"), numbered), "PGHOST": str(cluster.folder), "PGUSER": ROLE,
            "PGDATABASE": "campus"}
        self.child = None

    def __enter__(self):
        self.child = subprocess.Popen(["node", "server.js"], cwd=self.folder, env=self.environment)
        harness.wait_until(lambda: self.child.poll() is None and answers(self.port), "Fastify ready")
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait(10)

    def workers(self):
        """The pids of the processes that serve, without the one that started them."""
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return [int(pid) for pid in children.split()]


# -- Campus ------------------------------------------------------------------------------------------------------------


def open_campus():
    campus = harness.Campus(cluster=Cluster(), settings=SETTINGS)
    return campus


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def open_apart(whole):
    """The same campus as a process a role, over tcp with CURVE, beside the one that is whole: the same data and keys."""
    keys = harness.new_folder()
    whole.run("keys", "new", "gateway", f"--folder={keys}")
    whole.run("keys", "new", "membership", f"--folder={keys}", "--serves=membership")
    apart = harness.Campus(split=True, workers=1, cluster=whole.cluster, settings={
        **SETTINGS, "CAMPUS_BUS": f"tcp://127.0.0.1:{free_port()}", "CAMPUS_GATEWAY_KEY_FILE": str(keys / "gateway.public"),
        "CAMPUS_ALLOWED_KEYS_FILE": str(keys / "allowed")})
    for name, process in apart.processes.items():
        process.environment = {**apart.environment, "CAMPUS_BUS_KEY_FILE": str(keys / f"{name.partition('-')[0]}.secret")}
        process.start()
    try:
        apart.wait_ready()
        yield apart
    finally:
        apart.stop()


def start_seconds(campus, times):
    """From the start of the process to the first 200 of /readyz, on the same database: one figure for each start."""
    process = campus.processes["campus"]
    taken = []
    for _ in range(times):
        process.stop()
        begun = time.monotonic()
        process.start()
        while not answers(campus.port, "/readyz"):
            time.sleep(0.001)
        taken.append(time.monotonic() - begun)
    campus.wait_ready()
    return taken


# -- what both have ----------------------------------------------------------------------------------------------------


def answers(port, path="/"):
    """Whether HTTP is spoken at the port: for Campus's /readyz, whether it is ready."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return path == "/" or status == 200
    return False


def memory_mib(pid):
    """(RSS, PSS) of a process."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return tuple(int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) / 1024 for name in ("Rss", "Pss"))


@contextlib.contextmanager
def idle_connections(server, count):
    """Keeps connections open, each of which has had one answer."""
    with contextlib.ExitStack() as stack:
        for number in range(1, count + 1):
            client = stack.enter_context(harness.Client("127.0.0.1", server.port, server.key))
            client.get(f"/v1/people/{person_id(number)}").expect(200)
        yield
