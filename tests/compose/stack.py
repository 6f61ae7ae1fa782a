"""stack.py -- a clone of the checkout, started by docker compose as an operator would: a project, an image and a port of its
own, so that it runs beside others. Needs an engine on this machine, and root to look at the containers' processes."""

import contextlib
import csv
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess

import harness
from harness import HarnessError, wait_until

COMMAND_SECONDS = 600  # the longest builds the image
SERVICES = ("postgres", "gateway", "membership")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def docker(*arguments, check=True, **more):
    """Runs docker; its CompletedProcess with text output. HarnessError when it fails."""
    done = subprocess.run(["docker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=COMMAND_SECONDS, **more)
    if check and done.returncode:
        raise HarnessError(f"docker {' '.join(arguments)}: status {done.returncode}\n{harness.tail(done.stderr)}")
    return done


class Stack:
    """As a context manager: made, started with the demo in it, and removed with all that it left in the engine."""

    def __init__(self):
        self.folder = harness.new_folder()
        self.project = f"campus-test-{os.urandom(4).hex()}"
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "CAMPUS_"))}
        self.environment = {**kept, "COMPOSE_PROJECT_NAME": self.project, "CAMPUS_TAG": self.project,
                            "CAMPUS_PORT": str(self.port)}
        self.clone()

    def clone(self):
        """What a commit of all that is there would have."""
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                                cwd=harness.REPOSITORY, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            source = harness.REPOSITORY / name
            if source.exists():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self.folder / name)

    # Life

    def __enter__(self):
        harness.living.append(self)
        try:
            self.make_secrets()
            self.up()
            self.compose("run", "--rm", "demo")
            self.admin = self.key()
            return self
        except BaseException:
            print(harness.tail("\n".join(self.logs().values()), 100))
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def close(self):
        harness.living.remove(self)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)
        docker("image", "rm", "--force", f"campus:{self.project}", check=False)

    def make_secrets(self):
        done = subprocess.run([self.folder / "deploy/secrets"], env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        if done.returncode:
            raise HarnessError(f"deploy/secrets: {harness.tail(done.stdout + done.stderr)}")

    def up(self, *arguments):
        self.compose("up", "--detach", "--wait", *arguments)

    @contextlib.contextmanager
    def with_files(self, *files, **settings):
        """In it, these compose files stand behind the first."""
        kept = self.environment
        self.environment = {**kept, **settings, "COMPOSE_FILE": ":".join(("docker-compose.yml", *files))}
        try:
            yield
        finally:
            self.environment = kept

    def key(self):
        """A new API key's secret, of an administrator."""
        told = self.exec("membership", "campus", "key", "create", "--name=administrator", "--permissions=*").stdout
        return json.loads(told)["secret"]

    # Use

    def compose(self, *arguments, **more):
        return docker("compose", "--ansi=never", *arguments, cwd=self.folder, env=self.environment, **more)

    def exec(self, service, *command, **more):
        return self.compose("exec", "-T", service, *command, **more)

    def containers(self, *services):
        """What docker inspect says of the containers of these services, or of all."""
        ids = self.compose("ps", "--all", "--quiet", *services).stdout.split()
        return json.loads(docker("inspect", *ids).stdout) if ids else []

    def processes(self, container):
        """What runs in a container, without what has just ended, such as a health check."""
        if not container["State"]["Running"]:
            return []
        pids = docker("top", container["Id"], "-eo", "pid").stdout.split()[1:]
        found = filter(None, (process_of(int(pid)) for pid in pids))
        # The engine's own, which is about to become a health check, is not in its place yet.
        return [process for process in found if not process.status["Name"].startswith("runc")]

    def metrics(self, container):
        """The text of a container's /metrics, which only the networks of the containers reach, and this machine."""
        network = container["NetworkSettings"]["Networks"][f"{self.project}_bus"]
        with harness.Client(network["IPAddress"], 9464) as client:
            return client.get("/metrics").expect(200).text

    def workers_known(self):
        """How many workers the gateway has; 0 while it does not say."""
        try:
            return harness.sum_samples(self.metrics(self.containers("gateway")[0]), "campus_bus_workers",
                                       service="membership")
        except OSError:
            return 0

    def wait_healthy(self):
        """Until each container runs and is healthy, and the gateway answers."""
        wait_until(self.is_healthy, "all is healthy", 90, pause=0.2)

    def is_healthy(self):
        states = [container["State"] for container in self.containers(*SERVICES)]
        try:
            with self.client() as client:
                return all(state["Running"] and state["Health"]["Status"] == "healthy" for state in states) and \
                    client.get("/readyz").status == 200
        except OSError:
            return False

    def client(self, key=None):
        return harness.Client("127.0.0.1", self.port, key)

    def sql(self, statements):
        """The rows of a query, as lists of str."""
        done = self.exec("postgres", "psql", "-Xq", "--csv", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "campus",
                         "-c", statements)
        return list(csv.reader(io.StringIO(done.stdout)))

    def logs(self):
        """For the report of a test that failed."""
        return {"compose": self.compose("ps", "--all", check=False).stdout +
                self.compose("logs", "--no-color", "--timestamps", "--tail", "60", check=False).stdout}


class Process:
    """A process of a container, as this machine sees it."""

    def __init__(self, pid):
        folder = pathlib.Path(f"/proc/{pid}")
        self.pid = pid
        self.environment = (folder / "environ").read_bytes()
        self.command = (folder / "cmdline").read_bytes()
        lines = (folder / "status").read_text().splitlines()
        self.status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def process_of(pid):
    try:
        return Process(pid)
    except OSError:
        return None
