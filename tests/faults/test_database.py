"""PostgreSQL that is restarted, killed or frozen: 503 for its time, then all is well without a restart of ours, and what was
acknowledged is there, once."""

import os
import pathlib
import signal

import pytest

from harness import Cluster, wait_until
from load import assert_kept_once, found, key_header, lock_home, person, send, Traffic, wait_blocked
from postmaster import kill_postmaster, postmaster, start_again


@pytest.fixture(scope="module")
def split(new_campus):
    return new_campus(split=True, cluster=Cluster(durable=True),
                      settings={"CAMPUS_STATEMENT_MS": "2000", "CAMPUS_LOCK_MS": "800", "CAMPUS_UNAVAILABLE_MS": "3000",
                                "CAMPUS_REQUEST_MS": "8000"})


@pytest.fixture(scope="module", autouse=True)
def homes(split, split_admin):
    with split.client(split_admin) as client:
        found(client, "su", "su.learning")


def pids(campus):
    return {name: process.pid for name, process in campus.processes.items()}


@pytest.mark.parametrize("end", [Cluster.stop, Cluster.crash, kill_postmaster])
def test_restarted_under_load(split, split_admin, end):
    before = pids(split)
    with Traffic(split, split_admin, writers=3, readers=2) as traffic:
        traffic.flow(100)
        end(split.cluster)
        wait_until(lambda: any(outcome.status == 503 for outcome in list(traffic.outcomes)), "somebody is told of it")
        start_again(split.cluster)
        traffic.flow(300)
    for outcome in traffic.failures():
        # In progress is what was sent again while the first attempt's connection was only half dead.
        assert (outcome.status, outcome.answer.code) in ((503, "unavailable"), (409, "request_in_progress")), outcome
        assert int(outcome.answer.headers["Retry-After"]) > 0
    assert_kept_once(split, traffic)
    assert pids(split) == before and all(process.running() for process in split.processes.values())


def test_short_outage_is_not_noticed(split, split_admin):
    """All connections cut, the server there: what was under way is sent again, and nobody is told."""
    with Traffic(split, split_admin, writers=3, readers=3) as traffic:
        for _ in range(3):
            traffic.flow(60)
            split.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'campus/%'")
        traffic.flow(60)
    assert traffic.failures() == []
    assert_kept_once(split, traffic)


END_SESSIONS = """DO $$
BEGIN
    FOR i IN 1 .. 500 LOOP
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'campus/%';
        PERFORM pg_sleep(0.002), pg_stat_clear_snapshot();
    END LOOP;
END $$"""


def test_sessions_ended_while_a_worker_starts(split):
    """It waits for the database, as if it were not there yet, whatever it has already asked."""
    worker = split.processes["membership-1"]
    worker.kill()
    with split.cluster.session() as other:
        other.start(END_SESSIONS)
        worker.start()
        other.finish()
    split.wait_ready()
    assert "cannot start" not in worker.log()


class Frozen:
    """A process of PostgreSQL, stopped for as long as the block lasts."""

    def __init__(self, pid):
        self.pid = int(pid)

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{self.pid}/stat")
        wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the backend is frozen")
        return self

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def __exit__(self, *_):
        self.thaw()


def test_frozen_backend_of_reads(split, split_admin):
    """Reads that a backend does not answer go to another connection within their time."""
    def given_up():
        return sum(log.count('reason="no answer"') for log in split.logs().values())
    before = given_up()
    backend = split.value("SELECT min(pid) FROM pg_stat_activity WHERE application_name = 'campus/membership/point'")
    with Frozen(backend), Traffic(split, split_admin, writers=1, readers=6) as traffic:
        wait_until(lambda: given_up() > before, "the frozen backend is given up", 30)
        traffic.flow(50)
    assert traffic.failures() == []
    assert_kept_once(split, traffic)


def test_frozen_backend_of_a_write(split, split_admin):
    """It holds its claim and its locks until it is thawed; then its write counts, once."""
    body = person("su.learning")
    request = {"json": body, "headers": key_header("frozen")}
    waits = """SELECT pid FROM pg_stat_activity
                WHERE wait_event_type = 'Lock' AND application_name = 'campus/membership/write'"""
    # It waits for a second: too short for a psql a look, on a busy machine.
    with lock_home(split, "su.learning") as lock, split.cluster.session() as looker:
        sent = send(split, split_admin, "POST", "/v1/people", **request)
        pid = wait_until(lambda: looker.sql(waits), "the write waits")[0][0]
        with Frozen(pid):
            lock.release()
            # The twin of the frozen one waits for its claim and gives up.
            answer = sent.answer()
            assert answer.status in (409, 503), answer
            assert int(answer.headers["Retry-After"]) > 0
            with split.client(split_admin) as client:
                client.post("/v1/people", person()).expect(201)
    with split.client(split_admin) as client:
        answer = wait_until(lambda: (got := client.post("/v1/people", **request)).status == 201 and got, "it is written")
    assert split.sql(f"SELECT id FROM membership.person WHERE student_number = '{body['student_number']}'") == \
        [[answer.json()["id"]]]
    assert split.value(f"SELECT count(*) FROM membership.fact WHERE subject = '{answer.json()['id']}'") == "1"


def test_all_frozen(split, split_admin):
    """A server that answers nobody: 503 within the deadline, and well when it goes on."""
    backends = [Frozen(pid) for pid, in split.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'campus/%'")]
    main = Frozen(postmaster(split.cluster))
    with main:
        for backend in backends:
            backend.__enter__()
        sent = [send(split, split_admin, "GET", "/v1/people"), send(split, split_admin, "POST", "/v1/people", json=person())]
        answers = [one.answer() for one in sent]
        for backend in backends:
            backend.thaw()
    for answer in answers:
        assert answer.status in (503, 504), answer
    with Traffic(split, split_admin) as traffic:
        traffic.flow(100)
    assert_kept_once(split, traffic)
