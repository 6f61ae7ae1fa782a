"""peers.py -- the servers that `make bench` measures Campus beside: the same read by Fastify and by Django REST framework."""

import os
import pathlib
import secrets
import shutil
import subprocess

import harness
import subjects

HERE = pathlib.Path(__file__).resolve().parent
STOP_SECONDS = 30
# Of two, three and five workers (gunicorn's own advice for two cores) with one to eight threads each this served most there. The
# worker called sync keeps no connection alive.
GUNICORN = ("--worker-class=gthread", "--workers=2", "--threads=4", "--keep-alive=75", "--log-level=warning")


class Peer:
    """A server with a port, a token and processes of its own; it runs as a context manager.

    command      what starts it, in `folder`; PORT and what else it has to know are in its environment
    placeholder  how a parameter stands in its SQL, given the name
    """

    name = "peer"

    def __init__(self, cluster, folder, placeholder, **more):
        self.port, self.key = subjects.free_port(), secrets.token_urlsafe(32)
        self.folder = folder
        parameters = {name: placeholder(name) for name in subjects.POINT_READ_PARAMETERS}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CAMPUS_"))}
        self.environment = {
            **kept, "PORT": str(self.port), "TOKEN": self.key, "SEARCH_PATH": subjects.SEARCH_PATH,
            "STATEMENT": subjects.fill_in(subjects.statement("get_person"), parameters), "PGHOST": str(cluster.folder),
            "PGUSER": subjects.ROLE, "PGDATABASE": "campus", **more}
        self.child = None

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        self.child = subprocess.Popen(self.command(), cwd=self.folder, env=self.environment)
        try:
            harness.wait_until(self.is_ready, f"{self.name} ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()  # its workers see that they are orphans
            self.child.wait()

    def is_ready(self):
        if self.child.poll() is not None:
            raise harness.HarnessError(f"{self.name} ended with status {self.child.returncode}")
        return subjects.answers(self.port)

    def workers(self):
        """The pids of the processes that serve, without the one that started them."""
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return [int(pid) for pid in children.split()]


class Fastify(Peer):
    """fastify/server.js: two processes on one port, a prepared statement."""

    name = "fastify"

    def __init__(self, cluster):
        numbers = {name: f"${n}" for n, name in enumerate(subjects.POINT_READ_PARAMETERS, 1)}
        super().__init__(cluster, install_fastify(), numbers.get, NODE_ENV="production")

    def command(self):
        return ["node", "server.js"]


class Django(Peer):
    """django/server.py: gunicorn's processes and threads on one port, psycopg 2, which prepares nothing."""

    name = "django"

    def __init__(self, cluster):
        super().__init__(cluster, HERE / "django", "%({})s".format, PYTHONDONTWRITEBYTECODE="1")

    def command(self):
        return ["/usr/bin/gunicorn", *GUNICORN, f"--bind=127.0.0.1:{self.port}", "server:application"]


def check_same_answer(*servers):
    """All give the same fields of the same person, so that all do the same work."""
    answers = []
    for server in servers:
        with harness.Client("127.0.0.1", server.port, server.key) as client:
            answers.append(client.get(f"/v1/people/{subjects.person_id(4711)}").expect(200).json())
        with harness.Client("127.0.0.1", server.port, "no key") as stranger:
            stranger.get(f"/v1/people/{subjects.person_id(4711)}").expect(401)
    for answer in answers:
        del answer["created_at"], answer["updated_at"]  # microseconds here, milliseconds there
    if any(answer != answers[0] for answer in answers):
        raise harness.HarnessError(f"the servers do not answer the same: {answers}")


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
