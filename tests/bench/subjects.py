"""subjects.py -- what `make bench` measures: Campus on a cluster with many people, and pgbench on the same cluster."""

import contextlib
import http.client
import os
import pathlib
import re
import socket
import subprocess

import harness

HERE = pathlib.Path(__file__).resolve().parent
SERVICE, ROLE = "membership", "campus_membership"
SEARCH_PATH = "membership,campus,public"
ID_BEGINNING = "01900000-0000-7000-8"  # then 15 decimal digits: see people.sql
FIRST_DIGITS = 100_000_000_000_000
POINT_READ_PARAMETERS = ("id", "caller_person", "scopes")
SETTINGS = {"CAMPUS_RATE_PRINCIPAL": "0", "CAMPUS_RATE_ADDRESS": "0", "CAMPUS_RATE_CONNECTIONS": "0",
            "CAMPUS_LOG_LEVEL": "info"}


class Cluster(harness.Cluster):
    """As deploy/cluster makes it for `make run`: fsync on, its own sizes. With room for as many clients of pgbench.

    more    further settings of PostgreSQL, as NAME=VALUE
    """

    def __init__(self, *more):
        super().__init__(durable=True)
        self.more = more

    def start(self):
        command = [harness.REPOSITORY / "deploy/cluster", "start", self.folder, "max_connections=400", *self.more]
        subprocess.run(command, check=True)
        return self

    def fill(self, people, file="people.sql"):
        """Runs a file of this folder, which has :people and the beginning of their ids, :prefix."""
        command = self.psql("-v", f"people={people}", "-v", f"prefix={ID_BEGINNING}", "-o", "/dev/null", "-f", str(HERE / file))
        subprocess.run(command, check=True, env={**os.environ, "PGOPTIONS": f"-c search_path={SEARCH_PATH}"})


class Server:
    """Where a server is and what it lets in."""

    def __init__(self, port, key):
        self.port, self.key = port, key


def person_id(number):
    digits = str(FIRST_DIGITS + number)
    return f"{ID_BEGINNING}{digits[:3]}-{digits[3:]}"


def statement(name):
    """The service's own SQL, as its file has it."""
    files = sorted((harness.REPOSITORY / f"services/{SERVICE}").glob("*.sql"))
    queries = "".join(file.read_text() for file in files)
    found = re.search(rf"^-- name: {name}\n(.*?)(?:\n--|\Z)", queries, re.M | re.S)
    return found[1].strip()


def fill_in(sql, values):
    """The statement with its :parameters replaced; a cast (::uuid) is none."""
    return re.sub(r"(?<!:):(\w+)", lambda found: values[found[1]], sql)


# -- pgbench -----------------------------------------------------------------------------------------------------------


def write_pgbench_script(folder, people):
    """GetPerson's own statement at random ids; pgbench knows no text, so the id is put together from a number."""
    beginning = ID_BEGINNING.replace("-", "")
    sql = fill_in(statement("get_person"), {
        "id": f"('{beginning}' || :n)", "caller_person": "NULL", "scopes": "'{\"\"}'"})
    script = folder / "point_read.pgbench"
    script.write_text(f"\\set n random({FIRST_DIGITS + 1}, {FIRST_DIGITS + people})\n{sql};\n")
    return script


# -- Campus ------------------------------------------------------------------------------------------------------------


def open_campus(*cluster_settings, split=False, workers=1, **settings):
    """A campus that starts as a context manager, without limits of rate."""
    return harness.Campus(cluster=Cluster(*cluster_settings), split=split, workers=workers, settings={**SETTINGS, **settings})


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
