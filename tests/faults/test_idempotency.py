"""A WRITE under an Idempotency-Key is done once and answered alike, whoever dies in between; a refusal is not remembered."""

import hashlib
import itertools
import threading

import pytest

from harness import wait_until
from load import found, holder, key_header, Lock, lock_home, person, send, Sent, wait_blocked, wait_quiet

AT_ONCE = 8


@pytest.fixture(scope="module")
def split(new_campus):
    # Longer than a test holds a lock, shorter than a test waits for an answer.
    return new_campus(split=True, settings={"CAMPUS_LOCK_MS": "4000", "CAMPUS_STATEMENT_MS": "20000",
                                            "CAMPUS_REQUEST_MS": "20000"})


@pytest.fixture(scope="module", autouse=True)
def homes(split, split_admin):
    with split.client(split_admin) as client:
        found(client, "su", "su.learning", "su.sports")


def create(client, body, key):
    return client.post("/v1/people", body, headers=key_header(key))


def people(campus, body):
    return int(campus.value(f"SELECT count(*) FROM membership.person WHERE student_number = '{body['student_number']}'"))


def facts(campus, subject):
    return int(campus.value(f"SELECT count(*) FROM membership.fact WHERE subject = '{subject}'"))


def answers(campus):
    return int(campus.value("SELECT count(*) FROM membership.answer"))


def assert_same(first, again):
    """The second is the answer of the first, and says so."""
    assert again.status == first.status, again
    assert again.body == first.body
    for name in ("Location", "ETag"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["Idempotent-Replayed"] == "true"


def test_again(split, split_client):
    body = person()
    first = create(split_client, body, "again").expect(201)
    assert first.headers["Idempotent-Replayed"] is None
    for _ in range(3):
        assert_same(first, create(split_client, body, "again"))
    assert people(split, body) == 1
    assert facts(split, first.json()["id"]) == 1


def test_again_with_a_patch(split, split_client):
    made = split_client.post("/v1/people", person()).expect(201)
    path, etag = made.headers["Location"], made.etag

    def patch(key):
        return split_client.patch(path, {"grade": 2025}, etag=etag, headers=key_header(key))
    first = patch("patch-again").expect(200)
    assert_same(first, patch("patch-again"))
    assert split_client.get(path).json()["version"] == 2
    assert facts(split, made.json()["id"]) == 2
    # The same change under another key is another change, and stale.
    patch("patch-anew").expect(412)


def test_again_with_a_secret(split, split_client):
    """The secret is shown again though nothing has stored it."""
    body = {"name": "a system", "permissions": ["membership.people.read"]}
    first = split_client.post("/v1/keys", body, headers=key_header("secret")).expect(201)
    again = split_client.post("/v1/keys", body, headers=key_header("secret"))
    assert_same(first, again)
    secret = first.json()["secret"]
    assert secret not in split.value("SELECT string_agg(a::text, ' ') FROM membership.answer a")
    with split.client(secret) as client:
        client.get("/v1/people").expect(200)


def test_at_once(split, split_admin):
    """All wait for the first, which waits for a lock; then all get its answer."""
    body = person()
    with lock_home(split) as lock:
        sent = [send(split, split_admin, "POST", "/v1/people", json=body, headers=key_header("at-once"))
                for _ in range(AT_ONCE)]
        wait_blocked(split, AT_ONCE)
        lock.release()
        got = [one.answer() for one in sent]
    assert [answer.status for answer in got] == [201] * AT_ONCE
    assert len({answer.body for answer in got}) == 1
    assert sum(answer.headers["Idempotent-Replayed"] is None for answer in got) == 1
    assert people(split, body) == 1
    assert facts(split, got[0].json()["id"]) == 1


def test_at_once_without_help(split, split_admin):
    """The same as it comes: keys of their own, each sent by four at one moment."""
    for round in range(20):
        body, ready = person(), threading.Barrier(4)

        def call():
            with split.client(split_admin) as client:
                client.get("/healthz")  # connected
                ready.wait(10)
                return create(client, body, f"at-once-{round}")
        got = [one.answer() for one in [Sent(call) for _ in range(4)]]
        made = [answer for answer in got if answer.status == 201]
        assert made and all(answer.status == 201 or answer.code == "request_in_progress" for answer in got), got
        assert len({answer.body for answer in made}) == 1
        assert people(split, body) == 1
        assert facts(split, made[0].json()["id"]) == 1


def test_in_progress(split, split_client):
    """One that is worked on for longer than a lock is waited for: 409, and nothing is remembered."""
    body = person()
    principal = split_client.get("/v1/me").expect(200).json()["id"]
    claim = f"""INSERT INTO membership.answer (principal, key_hash, method, fingerprint, rows, expires_at)
                VALUES ('{principal}', '\\x{hashlib.sha256(b"in-progress").hexdigest()}', 'CreatePerson', '', 'null',
                        now() + interval '1 hour')"""
    with Lock(split, claim) as lock:
        answer = create(split_client, body, "in-progress").expect(409, "request_in_progress")
        assert int(answer.headers["Retry-After"]) > 0
        lock.release()
    create(split_client, body, "in-progress").expect(201)
    assert people(split, body) == 1


DEATHS = {
    "create": ("SELECT FROM membership.organisation WHERE path = 'su' FOR UPDATE", "POST", "/v1/people"),
    "patch": ("SELECT FROM membership.person WHERE id = '{id}' FOR UPDATE", "PATCH", "/v1/people/{id}"),
    "secret": ("SELECT FROM membership.organisation WHERE path = 'su' FOR UPDATE", "POST", "/v1/keys"),
}


@pytest.mark.parametrize("what", DEATHS)
def test_worker_dies_between_commit_and_reply(split, split_admin, split_client, what):
    """The worker is stopped while its statement waits; PostgreSQL commits; the worker never tells."""
    lock, method, path = DEATHS[what]
    id = split_client.post("/v1/people", person()).expect(201).json()["id"]
    request = {"json": {"create": person(), "patch": {"grade": 2031},
                        "secret": {"name": "dies", "permissions": ["*"], "organisation": "su"}}[what],
               "headers": {**key_header(f"dies-{what}"), "If-Match": "*"}}
    before = facts(split, id), answers(split)
    wait_quiet(split)
    with Lock(split, lock.format(id=id)) as lock:
        sent = send(split, split_admin, method, path.format(id=id), **request)
        wait_blocked(split)
        victim = holder(split)
        victim.freeze()
        lock.release()
        wait_until(lambda: answers(split) == before[1] + 1, "the write is committed")
        victim.kill()
        answer = sent.answer()
    assert answer.status in (200, 201), answer
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answers(split) == before[1] + 1
    if what == "create":
        assert people(split, request["json"]) == 1
        assert facts(split, answer.json()["id"]) == 1
    if what == "patch":
        assert answer.json()["version"] == 2
        assert facts(split, id) == before[0] + 1
    if what == "secret":
        assert facts(split, answer.json()["id"]) == 1
        with split.client(answer.json()["secret"]) as client:
            client.get("/v1/me").expect(200)
    split.start_process(victim.name)
    assert_same(answer, split_client.request(method, path.format(id=id), **request))


def test_another_request_under_the_same_key(split, split_client):
    body = person()
    create(split_client, body, "reused").expect(201)
    kept = answers(split)
    create(split_client, person(), "reused").expect(422, "idempotency_key_reused")
    split_client.post("/v1/organisations", {"path": "su.reused", "kind": "department", "title": "馆阁集贤"},
                      headers=key_header("reused")).expect(422, "idempotency_key_reused")
    assert answers(split) == kept
    assert split_client.get("/v1/organisations/su.reused").status == 404


def test_patches_are_told_apart_by_what_they_name(split, split_client):
    """null for a field and no such field have the same values, but do not mean the same."""
    path = split_client.post("/v1/people", person(grade=2024)).expect(201).headers["Location"]
    headers = {"headers": {**key_header("named"), "If-Match": "*"}}
    split_client.patch(path, {"class_name": "1"}, **headers).expect(200)
    split_client.patch(path, {"class_name": "1", "grade": None}, **headers).expect(422, "idempotency_key_reused")


def test_keys_of_others_are_their_own(split, split_client):
    one, other = person(), person()
    first = create(split_client, one, "common").expect(201)
    with split.client(split.key()) as client:
        second = create(client, other, "common").expect(201)
    assert second.headers["Idempotent-Replayed"] is None
    assert first.json()["id"] != second.json()["id"]


def test_401_is_not_remembered(split, split_client):
    body = person()
    with split.client("campus_nobody") as client:
        create(client, body, "after-401").expect(401)
    create(split_client, body, "after-401").expect(201)


@pytest.mark.parametrize("lacks", ["permission", "place"])
def test_403_is_not_remembered(split, lacks):
    """By the gateway, where the permission is missing everywhere; by the service, where it does not hold here."""
    permissions = "membership.people.read" if lacks == "permission" else "*"
    body = person("su.sports")
    with split.client(split.key(permissions, "su.learning")) as client:
        me = client.get("/v1/me").expect(200).json()["id"]
        kept = answers(split)
        create(client, body, "after-403").expect(403)
        assert answers(split) == kept
        split.sql(f"UPDATE membership.api_key SET permissions = '{{*}}', organisation = 'su' WHERE id = '{me}'")
        # What the gateway knows of a key is at most a second old.
        answer = wait_until(lambda: (got := create(client, body, "after-403")).status != 403 and got, "the grant holds")
    answer.expect(201)
    assert answer.headers["Idempotent-Replayed"] is None
    assert people(split, body) == 1


def test_409_and_422_are_not_remembered(split, split_client):
    taken = person()
    id = split_client.post("/v1/people", taken).expect(201).json()["id"]
    kept = answers(split)
    create(split_client, taken, "after-409").expect(409, "student_number_taken")
    create(split_client, person("su.nowhere"), "after-422").expect(422, "home_unknown")
    assert answers(split) == kept
    split.sql(f"UPDATE membership.person SET student_number = 'moved-{id[:8]}' WHERE id = '{id}'")
    create(split_client, taken, "after-409").expect(201)


def test_429_is_not_remembered(split, split_admin):
    def restart(**rates):
        split.processes["gateway"].stop()
        split.environment.update(rates)
        split.start_process("gateway")

    numbers = itertools.count(1)
    usual = {name: split.environment[name] for name in ("CAMPUS_RATE_PRINCIPAL", "CAMPUS_RATE_BURST_S")
             if name in split.environment}
    restart(CAMPUS_RATE_PRINCIPAL="1", CAMPUS_RATE_BURST_S="1")
    try:
        with split.client(split_admin) as client:
            def refused():
                body, key = person(), f"after-429-{next(numbers)}"
                client.get("/v1/me")
                answer = create(client, body, key)
                return answer.status == 429 and (answer, body, key)
            answer, body, key = wait_until(refused, "a creation comes too soon", 60)
            assert int(answer.headers["Retry-After"]) > 0
            assert people(split, body) == 0
    finally:
        restart(**{"CAMPUS_RATE_PRINCIPAL": "0", "CAMPUS_RATE_BURST_S": "2", **usual})
    with split.client(split_admin) as client:
        assert create(client, body, key).expect(201).headers["Idempotent-Replayed"] is None
    assert people(split, body) == 1


def test_503_for_a_lock_is_not_remembered(split, split_client):
    body, kept = person(), answers(split)
    with lock_home(split):
        create(split_client, body, "after-lock").expect(503)
        assert answers(split) == kept
    answer = create(split_client, body, "after-lock").expect(201)
    assert answer.headers["Idempotent-Replayed"] is None
    assert people(split, body) == 1


def test_503_without_workers_is_not_remembered(split, split_client):
    body = person()
    for name in ("membership-1", "membership-2"):
        split.processes[name].kill()
    create(split_client, body, "after-503").expect(503)
    for name in ("membership-1", "membership-2"):
        split.start_process(name)
    answer = create(split_client, body, "after-503").expect(201)
    assert answer.headers["Idempotent-Replayed"] is None
    assert people(split, body) == 1
