"""docker-compose.yml for real: from a clone to a campus that answers, keeps to itself, grows, and gets up again."""

import json
import os
import re
import signal

import pytest

from compose.stack import SERVICES, Stack, docker
from harness import sum_samples, wait_until
from load import Traffic, assert_kept_once
from membership.mail_server import FROM, MailServer

# What each container may read, by its name below /run/secrets.
MAY_READ = {
    "postgres": {"campus_owner", "campus_membership"},
    "migrate": {"pgpass"},
    "gateway": {"bus_key", "allowed_keys"},
    "membership": {"bus_key", "gateway_public", "pgpass", "secret"},
}
CHECKPOINTER = b"postgres: checkpointer"


@pytest.fixture(scope="module")
def stack():
    with Stack() as stack:
        yield stack


@pytest.fixture
def client(stack):
    with stack.client(stack.admin) as client:
        yield client


def count_people(client):
    return client.get("/v1/people?count=exact&page_size=1").expect(200).json()["total_count"]


# -- from a clone to an answer ----------------------------------------------------------------------------------------


def test_healthy_and_answering(stack, client):
    assert stack.is_healthy()
    assert client.get("/v1/organisations?parent=su").expect(200).json()["organisations"]
    migrate, = stack.containers("migrate")
    assert migrate["State"]["Status"] == "exited" and migrate["State"]["ExitCode"] == 0


def test_operators_look_in(stack):
    assert re.search(r"^membership: 1 worker\b", stack.exec("gateway", "campus", "status").stdout, re.M)


def test_database_is_utf8(stack):
    assert stack.sql("SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database"
                     " WHERE datname = 'campus'") == [["UTF8", "C.UTF-8", "C.UTF-8"]]


# -- secrets ----------------------------------------------------------------------------------------------------------


def secret_files(stack):
    return {file.name: file for file in (stack.folder / "secrets").iterdir()}


def test_secrets_are_made_once(stack):
    def state():
        return {name: (file.read_bytes(), file.stat().st_uid) for name, file in secret_files(stack).items()}
    before = state()
    stack.make_secrets()
    assert state() == before
    assert (stack.folder / "secrets").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in secret_files(stack).values()} == {0o600}


def test_no_secret_is_shown(stack):
    """Not by docker, not by compose, not by the environment or the command line of a process, and not by a log."""
    files = secret_files(stack)
    public = {"allowed", *(name for name in files if name.endswith(".public"))}
    secrets = {stack.admin.encode()}
    for name in files.keys() - public:
        content = files[name].read_bytes()
        secrets |= {content.strip(), content.hex().encode(), *re.findall(rb"[^\s:]{32,}", content)}
    shown = [json.dumps(stack.containers()).encode(), docker("image", "inspect", f"campus:{stack.project}").stdout.encode(),
             docker("image", "history", "--no-trunc", f"campus:{stack.project}").stdout.encode(),
             stack.compose("config").stdout.encode(), stack.compose("logs").stdout.encode()]
    processes = [process for container in stack.containers() for process in stack.processes(container)]
    assert len(processes) > len(SERVICES)
    for text in [*shown, *(process.environment + process.command for process in processes)]:
        assert not [secret for secret in secrets if secret in text]


def test_each_reads_its_own_secrets_only(stack):
    for container in stack.containers():
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        mounts = {mount["Destination"] for mount in container["Mounts"]}
        assert {os.path.basename(path) for path in mounts if path.startswith("/run/secrets/")} == MAY_READ[service]
        for mount in container["Mounts"]:
            assert not mount["RW"] or mount["Destination"] == "/var/lib/postgresql/data", mount
    for service in SERVICES:
        assert set(stack.exec(service, "ls", "/run/secrets").stdout.split()) == MAY_READ[service]
        stack.exec(service, "sh", "-c", "cat /run/secrets/* >/dev/null")


def test_superuser_has_no_password(stack):
    assert stack.sql("SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NULL") == [["postgres"]]
    assert stack.sql("SELECT count(*) FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256%'") == [["2"]]


# -- what a container may do ------------------------------------------------------------------------------------------


def test_containers_are_confined(stack):
    for container in stack.containers():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] and host["NanoCpus"] and host["PidsLimit"] > 0
        assert host["LogConfig"]["Config"]["max-size"]
        assert container["Config"]["StopTimeout"] > 10  # the setting drain_ms
        assert host["RestartPolicy"]["Name"] == ("unless-stopped" if container["State"]["Running"] else "no")
        for status in (process.status for process in stack.processes(container)):
            assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), container["Name"]
            assert int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1"


def test_root_is_read_only(stack):
    for service in SERVICES:
        for folder in ("/", "/usr/local/bin", "/etc", "/run/secrets", "/campus"):
            done = stack.exec(service, "sh", "-c", f"[ ! -d {folder} ] || : >{folder}/probe", check=False)
            assert done.returncode == 0 or "Read-only file system" in done.stderr or "Permission denied" in done.stderr
            assert stack.exec(service, "test", "-e", f"{folder}/probe", check=False).returncode == 1


# -- who reaches whom -------------------------------------------------------------------------------------------------


def test_one_port_is_published(stack):
    published = {(port, place["HostIp"], place["HostPort"]) for container in stack.containers()
                 for port, places in container["NetworkSettings"]["Ports"].items() for place in places or []}
    assert published == {("8080/tcp", "127.0.0.1", str(stack.port))}


def connects(stack, network, address):
    """Whether a stranger in that network gets a connection to PostgreSQL."""
    done = docker("run", "--rm", "--network", f"{stack.project}_{network}", "--entrypoint", "timeout",
                  f"campus:{stack.project}", "3", "bash", "-c", f": </dev/tcp/{address}/5432", check=False)
    return done.returncode == 0


def test_only_its_network_reaches_the_database(stack):
    postgres, = stack.containers("postgres")
    address = postgres["NetworkSettings"]["Networks"][f"{stack.project}_database"]["IPAddress"]
    assert connects(stack, "database", address)
    assert not connects(stack, "outside", address)
    assert not connects(stack, "bus", address)


@pytest.mark.parametrize("role, words", [("postgres", "pg_hba.conf rejects connection"),
                                         ("campus_owner", "password authentication failed")])
def test_database_refuses(stack, role, words):
    """The superuser altogether, and others with a password that is not theirs."""
    done = docker("run", "--rm", "--network", f"{stack.project}_database", "--env", "PGPASSWORD=postgres", "--entrypoint",
                  "psql", "postgres:15-bookworm", "-h", "postgres", "-U", role, "-d", "campus", "-c", "SELECT", check=False)
    assert done.returncode == 2 and words in done.stderr


# -- growing ----------------------------------------------------------------------------------------------------------


def reads_of(stack, container):
    """How many reads of single things a worker has done."""
    return sum_samples(stack.metrics(container), "campus_database_batches_total", lane="point", outcome="done")


def test_scaling(stack):
    with Traffic(stack, stack.admin) as traffic:
        traffic.flow(50)
        stack.up("--no-recreate", "--scale", "membership=3")
        wait_until(lambda: stack.workers_known() == 3, "the gateway knows three workers")
        workers = stack.containers("membership")
        before = {worker["Id"]: reads_of(stack, worker) for worker in workers}
        traffic.flow(300)
        wait_until(lambda: all(reads_of(stack, worker) > before[worker["Id"]] for worker in workers), "each has work")
        stack.up("--no-recreate", "--scale", "membership=1")
        wait_until(lambda: stack.workers_known() == 1, "the gateway knows one worker")
        traffic.flow(50)
    assert len(before) == 3
    # The traffic may be faster than one key is allowed to be.
    assert [failure for failure in traffic.failures() if failure.status != 429] == []
    assert_kept_once(stack, traffic)


# -- getting up again -------------------------------------------------------------------------------------------------


def wait_restarted(stack, before):
    """Until the containers' main processes are new ones, and all is healthy."""
    def restarted():
        return all(container["State"]["Running"] and container["State"]["Pid"] != before[container["Id"]]
                   for container in stack.containers(*SERVICES) if container["Id"] in before)
    wait_until(restarted, "the containers run again", 60, pause=0.1)
    stack.wait_healthy()


@pytest.mark.parametrize("services", [["gateway"], ["membership"], ["postgres"], SERVICES], ids=lambda names: "+".join(names))
def test_killed(stack, services):
    """A main process killed from the host, as by the kernel, while there is traffic: all heals, nothing acknowledged is lost."""
    main = {container["Id"]: container["State"]["Pid"] for container in stack.containers(*services)}
    with Traffic(stack, stack.admin) as traffic:
        traffic.flow(100)
        for pid in main.values():
            os.kill(pid, signal.SIGKILL)
        wait_restarted(stack, main)
        traffic.flow(100)
    assert_kept_once(stack, traffic)


def test_killed_inside_postgres(stack):
    """The kernel may kill a process of PostgreSQL that is not the first: all of them begin anew, in the same container."""
    postgres, = stack.containers("postgres")
    with Traffic(stack, stack.admin) as traffic:
        traffic.flow(100)
        checkpointer, = [process for process in stack.processes(postgres) if CHECKPOINTER in process.command]
        os.kill(checkpointer.pid, signal.SIGKILL)
        traffic.flow(200)
    stack.wait_healthy()
    assert stack.containers("postgres")[0]["State"]["Pid"] == postgres["State"]["Pid"]
    assert_kept_once(stack, traffic)


def test_mail_goes_out_where_it_may(stack, client):
    """By the file that says so, and by no other. The host is a mail server outside, which is greeted and, as it offers no TLS, given
    nothing."""
    address = json.loads(docker("network", "inspect", f"{stack.project}_outside").stdout)[0]["IPAM"]["Config"][0]["Gateway"]
    person = client.post("/v1/people", {"student_number": "2026990099", "name": "李雷", "home": "university.cs",
                                        "email": "li@example.edu.cn"}).expect(201).json()
    client.post(f"/v1/people/{person['id']}:invite", {"deliver": "email"}).expect(200)
    with MailServer(address=address) as server:
        with stack.with_files("deploy/compose-mail.yml", CAMPUS_MAIL_URL=f"smtp://{address}:{server.port}", CAMPUS_MAIL_FROM=FROM,
                              CAMPUS_ACCOUNT_URL="https://campus.example.edu.cn/account#"):
            stack.up()
            wait_until(lambda: server.greetings, "membership greets the mail server", 30)
        stack.up()
    assert not server.letters
    membership, = stack.containers("membership")
    assert f"{stack.project}_outside" not in membership["NetworkSettings"]["Networks"]


def test_stop_is_graceful(stack):
    stack.compose("stop")
    assert {container["State"]["ExitCode"] for container in stack.containers()} == {0}
    stack.up()


def test_down_and_up_keep_the_data(stack, client):
    people = count_people(client)
    assert people > 20000
    organisations = client.get("/v1/organisations?parent=su").expect(200).json()
    client.close()
    stack.compose("down")
    assert not stack.containers()
    stack.up()
    assert count_people(client) == people
    assert client.get("/v1/organisations?parent=su").expect(200).json() == organisations
