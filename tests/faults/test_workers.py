"""Workers that are killed or frozen: their requests are answered by others, once; and one request kills two at most."""

import random
import time

import pytest

from harness import wait_until
from load import (assert_kept_once, found, holder, key_header, lock_home, person, send, Traffic, wait_blocked, wait_quiet,
                  workers)

SEED = 20261121
CONNECTIONS = 15  # of a worker, in all its lanes
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'campus_membership'"
SLEPT_SECONDS = 11  # then a worker leaves what it was sent before
FROZEN_SECONDS = 3  # a frozen worker is noticed after three pings of 250 ms; the rest is for a busy machine


@pytest.fixture(scope="module")
def split(new_campus):
    return new_campus(split=True, workers=3, settings={"CAMPUS_LOCK_MS": "10000", "CAMPUS_STATEMENT_MS": "15000",
                                                       "CAMPUS_REQUEST_MS": "20000", "CAMPUS_QUEUE_MS": "2500"})


@pytest.fixture(scope="module", autouse=True)
def homes(split, split_admin):
    with split.client(split_admin) as client:
        found(client, "su", "su.learning")


def with_workers(campus, count):
    """Exactly so many run, and are known."""
    for number, worker in enumerate(workers(campus)):
        if number >= count:
            worker.stop()
        elif not worker.running():
            worker.start()
    campus.wait_ready()
    return workers(campus)[:count]


def test_killed_under_load(split, split_admin):
    two = with_workers(split, 2)
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    with Traffic(split, split_admin, writers=3, readers=3) as traffic:
        for number in range(6):
            traffic.flow(chance.randrange(20, 120))
            two[number % 2].kill()
            traffic.flow(chance.randrange(20, 120))
            split.start_process(two[number % 2].name)
    assert traffic.failures() == []
    assert_kept_once(split, traffic)
    assert not traffic.given_up


def test_frozen_under_load(split, split_admin):
    two = with_workers(split, 2)
    with Traffic(split, split_admin, writers=3, readers=3) as traffic:
        for worker in two:
            traffic.flow(60)
            worker.freeze()
            traffic.flow(200)
            worker.thaw()
            traffic.flow(60)
            split.wait_ready()
    assert traffic.failures() == []
    assert traffic.slowest() < FROZEN_SECONDS
    assert_kept_once(split, traffic)


def dropped_replies(campus):
    """Replies to nobody, counted up to now: two new pages of metrics are waited for, since the first may be under way."""
    for _ in range(2):
        before = campus.metrics()

        def changed():
            with campus.client() as client:
                client.get("/v1/me").expect(401)
            return campus.metrics() != before
        wait_until(changed, "the gateway's metrics are written anew")
    return campus.metric("campus_bus_replies_dropped_total")


def test_late_reply_reaches_nobody(split, split_admin):
    """A frozen worker's request is answered by the other; what it says when it thaws is dropped."""
    with_workers(split, 2)
    wait_quiet(split)
    dropped = dropped_replies(split)
    body = person()
    with lock_home(split) as lock:
        sent = send(split, split_admin, "POST", "/v1/people", json=body, headers=key_header("late"))
        wait_blocked(split)
        frozen = holder(split)
        frozen.freeze()
        other = holder(split, but=[frozen])
        lock.release()
        answer = sent.answer().expect(201)
    assert answer.json()["student_number"] == body["student_number"]
    assert other.running()
    # What comes next waits for an answer while the late one arrives.
    with Traffic(split, split_admin) as traffic:
        frozen.thaw()
        wait_until(lambda: dropped_replies(split) > dropped, "the late reply is dropped")
        split.wait_ready()
        traffic.flow(100)
    assert traffic.failures() == []
    traffic.acknowledged[body["student_number"]] = answer.json()["id"]
    assert_kept_once(split, traffic)


def test_refusal_is_final(split, split_admin):
    """What another worker has refused in its place, a frozen one does not do when it thaws, though the reason is gone by then."""
    with_workers(split, 2)
    wait_quiet(split)
    frozen = workers(split)[0]
    with split.client(split_admin) as client:
        people = [client.post("/v1/people", person()).expect(201).json()["id"] for _ in range(8)]
        joins = [{"person_id": id, "organisation": "su", "since": "2026-01-01"} for id in people]
        held = [client.post("/v1/memberships", join).expect(201).json()["id"] for join in joins]
        frozen.freeze()
        sent = [send(split, split_admin, "POST", "/v1/memberships", json=join, headers=key_header(f"final-{id}"))
                for id, join in zip(people, joins)]
        for one in sent:
            one.answer().expect(409, "membership_overlaps")
        for id in held:
            client.post(f"/v1/memberships/{id}:end", {"reason": "left", "until": "2026-01-01"}).expect(200)
        dropped = dropped_replies(split)
        frozen.thaw()
        wait_until(lambda: dropped_replies(split) > dropped, "the late replies are dropped")
        split.wait_ready()
        wait_quiet(split)
        for id, join in zip(people, joins):
            assert client.get("/v1/memberships", query={"person_id": id, "organisation": "su"}).json()["memberships"][1:] == []
            client.post("/v1/memberships", join).expect(201)
    sealed = split.sql("SELECT rows #>> '{}' FROM membership.answer WHERE jsonb_typeof(rows) = 'string'")
    assert sealed and all(code == "membership_overlaps" for code, in sealed)


def test_wait_is_not_final(split, split_admin):
    """Who is told to wait may send the same request again then, whichever worker told them."""
    with_workers(split, 2)
    wait_quiet(split)
    keys = [key_header(f"wait-{n}") for n in range(8)]
    login = {"login": "SN90000000", "password": "x"}
    with split.client() as client:
        for _ in range(5):
            client.post("/v1/sessions", login).expect(401)
    frozen = workers(split)[0]
    frozen.freeze()
    sent = [send(split, None, "POST", "/v1/sessions", json=login, headers=key) for key in keys]
    for one in sent:
        assert one.answer().expect(429, "too_many_attempts").headers["Retry-After"]
    frozen.thaw()
    split.wait_ready()
    wait_quiet(split)
    split.sql("DELETE FROM membership.sign_in_failure")
    with split.client() as client:
        assert {client.post("/v1/sessions", login, headers=key).code for key in keys[:5]} == {"credentials_wrong"}


def test_nothing_is_done_after_a_long_sleep(split, split_admin):
    """What a worker finds that was frozen for long others have done since, and their answers may be forgotten: it does none of it."""
    with_workers(split, 2)
    wait_quiet(split)
    frozen = workers(split)[0]
    with split.client(split_admin) as client:
        people = [client.post("/v1/people", person()).expect(201).json()["id"] for _ in range(8)]
        frozen.freeze()
        begun = time.monotonic()
        sent = [send(split, split_admin, "POST", "/v1/bans",
                     json={"person_id": id, "organisation": "su", "until": "2099-01-01", "reason": "x"}) for id in people]
        for one in sent:
            one.answer().expect(201)
        split.sql("UPDATE campus.clock SET shift = '301 seconds'")  # as long as an answer is kept under a key that the gateway minted
        try:
            wait_until(lambda: time.monotonic() - begun > SLEPT_SECONDS, "it has slept for long", 2 * SLEPT_SECONDS)
            frozen.thaw()
            split.wait_ready()
            wait_quiet(split)
            assert int(split.value("SELECT count(*) FROM membership.ban")) == len(people)
        finally:
            split.sql("UPDATE campus.clock SET shift = '0'")


def test_all_gone(split, split_admin):
    two = with_workers(split, 2)
    with split.client(split_admin) as client:
        client.get("/v1/people").expect(200)
        for worker in two:
            worker.kill()
        begun = time.monotonic()
        sent = [send(split, split_admin, "GET", "/v1/people"), send(split, split_admin, "POST", "/v1/people", json=person())]
        for one in sent:
            answer = one.answer().expect(503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert time.monotonic() - begun < 10
        client.get("/healthz").expect(200)
        client.get("/readyz").expect(503)
        split.start_process(two[0].name)
        client.get("/v1/people").expect(200)
        client.post("/v1/people", person()).expect(201)


def test_all_frozen(split, split_admin):
    two = with_workers(split, 2)
    with split.client(split_admin) as client:
        client.get("/v1/people").expect(200)
        for worker in two:
            worker.freeze()
        client.get("/v1/people").expect(503, "unavailable")
        for worker in two:
            worker.thaw()
        split.wait_ready()
        client.get("/v1/people").expect(200)


def test_returns_in_time(split, split_admin):
    """A request that waits for a worker is answered by the one that comes."""
    worker, = with_workers(split, 1)
    worker.kill()
    sent = [send(split, split_admin, "GET", "/v1/people") for _ in range(5)]
    worker.start()
    assert [one.answer().status for one in sent] == [200] * 5
    split.wait_ready()


def test_worker_without_its_connections_gets_nothing(split, split_admin):
    """It has met the database, but that one admits no more of its connections: the other worker does the work alone."""
    with_workers(split, 1)
    newcomer = workers(split)[1]
    wait_until(lambda: int(split.value(CONNECTED)) == CONNECTIONS, "the other workers' connections are closed")
    split.sql(f"ALTER ROLE campus_membership CONNECTION LIMIT {CONNECTIONS + 1}")

    def turned_away():
        """Its start makes do with one connection after another, if PostgreSQL has forgotten the last one by then."""
        if not newcomer.running():
            newcomer.start()
        return " lane=" in newcomer.log()

    try:
        wait_until(turned_away, "it has started, and most of its lanes are turned away")
        with Traffic(split, split_admin, writers=3, readers=3) as traffic:
            traffic.flow(200)
    finally:
        split.sql("ALTER ROLE campus_membership CONNECTION LIMIT -1")
    assert traffic.failures() == []
    assert_kept_once(split, traffic)
    split.wait_ready()
    wait_until(lambda: split.metric("campus_bus_workers", service="membership") == 2, "it has come")


def losses(campus):
    return campus.processes["gateway"].log().count(": worker lost ")


def test_a_request_takes_two_with_it_at_most(split, split_admin):
    three = with_workers(split, 3)
    body = person("su.learning")
    request = {"json": body, "headers": key_header("deadly")}
    wait_quiet(split)
    before = losses(split)
    with lock_home(split, "su.learning") as lock:
        sent = send(split, split_admin, "POST", "/v1/people", **request)
        wait_blocked(split)
        lost = []
        for _ in range(2):
            lost.append(holder(split))
            lost[-1].kill()
        answer = sent.answer().expect(503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        alive, = [worker for worker in three if worker.running()]
        assert losses(split) == before + 2
        with split.client(split_admin) as client:
            client.post("/v1/people", person()).expect(201)
        assert alive.running()
        lock.release()
    # Whoever asked does not know what became of it, and asks again.
    with split.client(split_admin) as client:
        id = client.post("/v1/people", **request).expect(201).json()["id"]
    assert split.value(f"SELECT count(*) FROM membership.person WHERE student_number = '{body['student_number']}'") == "1"
    assert split.value(f"SELECT count(*) FROM membership.fact WHERE subject = '{id}'") == "1"
