"""Lanes: what is heavy has connections of its own, and whoever else calls does not wait for them. Nothing is timed here: the
heavy is held up for as long as the test wants, and the light is answered meanwhile."""

import threading
import time

import pytest

from harness import wait_until
from load import BLOCKED, found, Lock, lock_home, PATIENT, person, send, Sent, Traffic, wait_blocked

# More than all workers have connections for, of any lane.
MANY = 16
PEOPLE = 20_000


@pytest.fixture(scope="module")
def split(new_campus):
    return new_campus(split=True, settings={**PATIENT, "CAMPUS_RELAY_MS": "10"})


@pytest.fixture(scope="module", autouse=True)
def homes(split, split_admin):
    with split.client(split_admin) as client:
        found(client, "su", "su.learning")


def assert_flows(campus, key):
    """Reads and writes, from a key that is in use and from one that nobody knows yet."""
    with Traffic(campus, key) as traffic:
        traffic.flow(200)
    assert traffic.failures() == []
    assert not traffic.strays


def test_lists_that_wait(split, split_admin):
    """No list of memberships comes through; no person is waited for."""
    callers = [split_admin, split.key()]
    with Lock(split, "LOCK TABLE membership.membership") as lock:
        sent = [send(split, callers[i % 2], "GET", "/v1/memberships") for i in range(MANY)]
        wait_blocked(split, 4)  # all connections for what is heavy, of both workers
        assert_flows(split, split_admin)
        with split.client(split_admin) as client:
            client.get("/v1/organisations/su").expect(200)
        assert all(one.under_way() for one in sent)
        lock.release()
        assert [one.answer().status for one in sent] == [200] * MANY


def test_lists_of_one_caller_that_wait(split, split_admin):
    """Whoever asks for much that is heavy has all connections for it but one: others' lists come through."""
    other = split.key()
    with Lock(split, "LOCK TABLE membership.membership") as lock:
        sent = [send(split, split_admin, "GET", "/v1/memberships") for _ in range(MANY)]
        wait_blocked(split, 2)
        with split.client(other) as client:
            for _ in range(MANY):
                client.get("/v1/organisations").expect(200)
        assert split.value(BLOCKED) == "2"
        assert all(one.under_way() for one in sent)
        lock.release()
        assert [one.answer().status for one in sent] == [200] * MANY


def test_imports_that_wait(split, split_admin, split_client):
    """Neither reads, writes and lists, nor the relay of the facts, wait for them."""
    def roster():
        return "student_number,name,home\n{student_number},{name},su\n".format(**person()).encode()
    callers = [split_admin, split.key()]
    with Lock(split, "SELECT pg_advisory_xact_lock(hashtext('membership.import_people'))") as lock:
        sent = [send(split, callers[i % 2], "POST", "/v1/people:import", raw=roster(), type="text/csv") for i in range(MANY)]
        wait_blocked(split, 4)
        assert_flows(split, split_admin)
        split_client.get("/v1/people").expect(200)
        wait_until(lambda: split.value("SELECT count(*) FROM membership.fact WHERE pos IS NULL") == "0",
                   "the facts have their positions")
        assert all(one.under_way() for one in sent)
        lock.release()
        assert [one.answer().json()["created"] for one in sent] == [1] * MANY


def test_writes_that_wait(split, split_admin):
    """All connections for writes are held up at one organisation: reads go on, also those of a key seen first just now."""
    fresh = split.key()
    with lock_home(split, "su.learning") as lock:
        sent = [send(split, split_admin, "POST", "/v1/people", json=person("su.learning")) for _ in range(MANY)]
        wait_blocked(split, 12)
        for key in (split_admin, fresh):
            with split.client(key) as client:
                client.get("/v1/organisations/su").expect(200)
                client.get("/v1/people").expect(200)
        assert all(one.under_way() for one in sent)
        lock.release()
        assert [one.answer().status for one in sent] == [201] * MANY


def test_counts_of_a_large_table(split, split_admin):
    """While it is counted through a large table, people are read and written: not one after it, but within its time."""
    split.sql(f"""INSERT INTO membership.person (id, student_number, name, home)
                  SELECT campus.new_id(), 'many-' || n, '众' || n, 'su.learning' FROM generate_series(1, {PEOPLE}) n;
                  ANALYZE membership.person; ANALYZE membership.person_reach""")
    counts, stopping = [], threading.Event()

    def count():
        with split.client(split_admin) as client:
            while not stopping.is_set():
                begun = time.monotonic()
                told = client.get("/v1/people", query={"q": "众", "count": "exact"}).expect(200).json()
                counts.append((begun, time.monotonic(), told["total_count"]))
    with Traffic(split, split_admin, writers=1, readers=2) as traffic:
        counting = [Sent(count) for _ in range(4)]
        wait_until(lambda: len(counts) >= 12, "it is counted", 60)
        traffic.flow(100)
        stopping.set()
        for one in counting:
            one.answer()
    assert traffic.failures() == []
    assert {total for _, _, total in counts} == {PEOPLE}
    # The slowest of the counts.
    begun, ended, _ = max(counts, key=lambda one: one[1] - one[0])
    within = [outcome for outcome in traffic.outcomes if begun < outcome.begun and outcome.ended < ended]
    assert len(within) >= 5
