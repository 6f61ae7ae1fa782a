"""test_sessions.py -- sessions: how long they hold, how they are renewed, listed and ended."""

import concurrent.futures
import json

import pytest

from api.given import NOBODY, check_problem, new_key, person
from harness import wait_until
from load import PATIENT, wait_blocked
from membership.signing import (OTHER_PASSWORD, PASSWORD, account, college, invite, second_factor, session, set_up,
                                sign_in)


@pytest.fixture(scope="module")
def campus(new_campus):
    return new_campus(settings=PATIENT)


def works(campus, secret):
    with campus.client(secret) as caller:
        return caller.get("/v1/sessions").status == 200


def ended(campus, secret):
    """Gateways forget it within a second."""
    wait_until(lambda: not works(campus, secret), "the session's end", seconds=5)
    return True


def shown(client, **query):
    return client.get("/v1/sessions", query=query).expect(200).json().get("sessions", [])


def test_own_sessions(campus, client, anonymous, given, one, holder):
    other = account(client, anonymous, given)
    session(anonymous, other)
    second = session(anonymous, one)
    listed = shown(holder)
    assert len(listed) == 2 and [each["current"] for each in listed] == [True, False]
    assert all(each["person_id"] == one["id"] and each["begun_by"] == "password" for each in listed)
    assert all("secret" not in each for each in listed)
    with campus.client(second) as caller:
        assert [each["current"] for each in shown(caller)] == [False, True]
    assert [each["id"] for each in holder.pages("/v1/sessions", "sessions", {"page_size": 1})] == [each["id"] for each in listed]
    assert holder.get(f"/v1/sessions/{listed[0]['id']}").expect(200).json() == listed[0]
    check_problem(holder.get(f"/v1/sessions/{shown(client, person_id=other['id'])[0]['id']}"), 404, "not_found")


def test_sessions_of_others(campus, client, anonymous, given, one, holder):
    """By those who may where the record is kept; for others they are not there."""
    theirs = shown(client, person_id=one["id"])
    assert [each["current"] for each in theirs] == [False]
    with campus.client(new_key(client, "membership.sessions.read", college(client))["secret"]) as elsewhere:
        assert shown(elsewhere, person_id=one["id"]) == []
        check_problem(elsewhere.get(f"/v1/sessions/{theirs[0]['id']}"), 404, "not_found")
    with campus.client(new_key(client, "membership.people.read", given)["secret"]) as other:
        check_problem(other.get("/v1/sessions", query={"person_id": one["id"]}), 403, "permission_denied")
    assert shown(holder, person_id=account(client, anonymous, given)["id"]) == []
    check_problem(anonymous.get("/v1/sessions"), 401, "unauthenticated")


def test_renewal(campus, anonymous, one):
    old = session(anonymous, one)
    with campus.client(old) as holder:
        key = {"Idempotency-Key": "renew-1"}
        before = shown(holder)[0]
        new, again = (holder.post("/v1/session:renew", headers=key).expect(200).json() for _ in range(2))
        assert new == again and new["secret"] != old and new["id"] == before["id"] and new["ends_at"] == before["ends_at"]
    assert works(campus, new["secret"]) and works(campus, old)  # for a minute
    campus.sql(f"UPDATE membership.session SET previous_expires_at = campus.now() WHERE id = '{new['id']}'")
    assert ended(campus, old) and works(campus, new["secret"])


def test_overlap_is_a_minute(campus, holder):
    new = holder.post("/v1/session:renew").expect(200).json()
    left = campus.value("SELECT extract(epoch FROM previous_expires_at - campus.now()) FROM membership.session"
                        f" WHERE id = '{new['id']}'")
    assert 50 < float(left) <= 60


def test_sign_out(campus, anonymous, one):
    secret, other = session(anonymous, one), session(anonymous, one)
    with campus.client(secret) as holder:
        holder.post("/v1/session:sign_out").expect(200)
    assert ended(campus, secret) and works(campus, other)


def test_a_key_is_no_session(client):
    for path in ("/v1/session:renew", "/v1/session:sign_out"):
        check_problem(client.post(path), 409, "no_session")


@pytest.mark.parametrize("path", ["/v1/session:renew", "/v1/session:sign_out"])
def test_what_has_ended_is_not_renewed(campus, anonymous, one, path):
    """While a gateway still takes the session for good, which it does for a moment."""
    def met():
        with campus.client(session(anonymous, one)) as holder:
            holder.get("/v1/me").expect(200)
            campus.sql(f"UPDATE membership.session SET revoked_at = campus.now(), reason = 'revoked'"
                       f" WHERE person_id = '{one['id']}' AND revoked_at IS NULL")
            return check_problem(holder.post(path), 401)["code"] == "session_ended"
    wait_until(met, "what the service says of it")


def test_revoke_one(campus, client, anonymous, given, one, holder):
    secret = session(anonymous, one)
    victim = shown(holder)[1]["id"]
    done = holder.post(f"/v1/sessions/{victim}:revoke").expect(200).json()
    assert done["id"] == victim and ended(campus, secret)
    check_problem(holder.post(f"/v1/sessions/{victim}:revoke"), 409, "session_ended")
    assert holder.get(f"/v1/sessions/{victim}").json()["revoked_at"] == done["revoked_at"]
    check_problem(holder.post(f"/v1/sessions/{NOBODY}:revoke"), 404, "not_found")
    other = account(client, anonymous, given)
    theirs = session(anonymous, other)
    check_problem(holder.post(f"/v1/sessions/{shown(client, person_id=other['id'])[0]['id']}:revoke"), 404, "not_found")
    with campus.client(new_key(client, "membership.sessions.*", college(client))["secret"]) as elsewhere:
        check_problem(elsewhere.post(f"/v1/sessions/{shown(client, person_id=other['id'])[0]['id']}:revoke"), 404, "not_found")
    client.post(f"/v1/sessions/{shown(client, person_id=other['id'])[0]['id']}:revoke").expect(200)
    assert ended(campus, theirs)


def test_revoke_all(campus, client, anonymous, given, one, holder):
    secrets = [session(anonymous, one) for _ in range(2)]
    assert holder.post("/v1/sessions:revoke_all", {"keep_current": True}).expect(200).json() == {"revoked": 2}
    assert len(shown(holder)) == 1 and all(ended(campus, secret) for secret in secrets)
    check_problem(holder.post("/v1/sessions:revoke_all", {"person_id": account(client, anonymous, given)["id"]}), 404, "not_found")
    with campus.client(new_key(client, "membership.sessions.write", college(client))["secret"]) as elsewhere:
        check_problem(elsewhere.post("/v1/sessions:revoke_all", {"person_id": one["id"]}), 404, "not_found")
    assert client.post("/v1/sessions:revoke_all", {"person_id": one["id"]}).expect(200).json() == {"revoked": 1}
    assert shown(client, person_id=one["id"]) == []
    check_problem(client.post("/v1/sessions:revoke_all", {}), 404, "not_found")  # a key is no person


def test_last_use(campus, anonymous, one):
    """Noted once a minute at most."""
    secret = session(anonymous, one)
    where = f"membership.session WHERE person_id = '{one['id']}'"
    noted = campus.value(f"SELECT last_used_at FROM {where}")
    assert works(campus, secret) and campus.value(f"SELECT last_used_at FROM {where}") == noted
    campus.sql(f"UPDATE membership.session SET last_used_at = campus.now() - interval '2 minutes' WHERE person_id = '{one['id']}'")
    fresh = f"SELECT last_used_at > campus.now() - interval '1 minute' FROM {where}"
    wait_until(lambda: works(campus, secret) and campus.value(fresh) == "t", "its use", seconds=5)


def test_idle_and_longest(new_campus):
    """Half an hour without use ends it, and twelve hours with."""
    campus = new_campus()
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        one = account(client, anonymous)
        used, idle = session(anonymous, one), session(anonymous, one)
        for minutes in range(25, 12 * 60, 25):
            campus.sql(f"UPDATE campus.clock SET shift = '{minutes} minutes'")
            campus.sql(f"UPDATE membership.session SET last_used_at = campus.now() WHERE token_hash = sha256('{used}')")
        assert works(campus, used) and not works(campus, idle)
        campus.sql("UPDATE campus.clock SET shift = '12 hours 1 second'")
        assert ended(campus, used)


def test_rate_and_keys_are_the_persons(campus, anonymous, one, holder):
    """Two sessions of one person share what a key remembers."""
    key = {"Idempotency-Key": "of-one-person"}
    first = holder.post("/v1/account/totp:begin", {"password": PASSWORD}, headers=key).expect(200)
    with campus.client(session(anonymous, one)) as other:
        again = other.post("/v1/account/totp:begin", {"password": PASSWORD}, headers=key).expect(200)
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"


# What ends the sessions of an account: given a client, nobody, the person and a session of theirs.
ENDINGS = {
    "password_changed": lambda client, anonymous, one, own: own.post(
        "/v1/account:change_password", {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}),
    "set_up_anew": lambda client, anonymous, one, own: set_up(anonymous, invite(client, one["id"])["token"], OTHER_PASSWORD),
    "locked": lambda client, anonymous, one, own: client.post(f"/v1/people/{one['id']}/account:lock", {"reason": "test"}),
    "factor_reset": lambda client, anonymous, one, own: client.post(f"/v1/people/{one['id']}/account:reset_factor"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_session_that_is_just_being_opened_ends_too(campus, client, anonymous, one, holder, ending):
    code = second_factor(campus, holder)[2][0] if ending == "factor_reset" else None
    sign_in(anonymous, one["student_number"], OTHER_PASSWORD).expect(401)
    with campus.cluster.session() as other, campus.client() as guest, concurrent.futures.ThreadPoolExecutor(2) as pool:
        other.sql("BEGIN; SELECT FROM membership.sign_in_failure FOR UPDATE")  # a sign-in forgives those
        opened = pool.submit(sign_in, guest, one["student_number"], code=code)
        wait_blocked(campus)
        with campus.client(holder.key) as own:
            ended = pool.submit(ENDINGS[ending], client, anonymous, one, own)
            wait_blocked(campus, 2)
            other.sql("COMMIT")
            id = opened.result().expect(201).json()["id"]
            ended.result().expect(200)
    assert campus.value(f"SELECT revoked_at IS NOT NULL FROM membership.session WHERE id = '{id}'") == "t"


def test_no_session_opens_behind_a_lock(campus, anonymous, one):
    with campus.cluster.session() as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
        other.sql(f"BEGIN; UPDATE membership.account SET locked_at = now(), locked_reason = 'test' WHERE person_id = '{one['id']}'")
        opened = pool.submit(sign_in, anonymous, one["student_number"])
        wait_blocked(campus)
        other.sql("COMMIT")
        check_problem(opened.result(), 401, "credentials_wrong")


def test_issued_by_the_operator(campus, client, given):
    """On a demo campus only, without an account too; not for whom the rules keep out."""
    one, left = person(client, given), person(client, given, status="left")
    refused = campus.run("call", "IssueSession", json.dumps({"person_id": one["id"]}), check=False)
    assert refused.returncode and "not_a_demo" in refused.stdout + refused.stderr
    campus.sql("INSERT INTO campus.demo DEFAULT VALUES")
    for asked in ({"person_id": one["id"]}, {"student_number": one["student_number"]}):
        done = json.loads(campus.run("call", "IssueSession", json.dumps(asked)).stdout)
        assert done["person_id"] == one["id"] and works(campus, done["secret"])
    with campus.client(done["secret"]) as holder:
        assert {each["begun_by"] for each in shown(holder)} == {"operator"}
    refused = campus.run("call", "IssueSession", json.dumps({"person_id": left["id"]}), check=False)
    assert refused.returncode and "sign_in_not_allowed" in refused.stdout + refused.stderr
    client.post(f"/v1/people/{one['id']}/account:lock", {"reason": "test"}).expect(200)
    refused = campus.run("call", "IssueSession", json.dumps({"person_id": one["id"]}), check=False)
    assert refused.returncode and "account_locked" in refused.stdout + refused.stderr
    refused = campus.run("call", "IssueSession", json.dumps({"person_id": NOBODY}), check=False)
    assert refused.returncode and "not_found" in refused.stdout + refused.stderr


def test_codes_are_the_same_in_every_language(anonymous):
    told = sign_in(anonymous, "nobody", headers={"Accept-Language": "zh"}).json()
    assert told["code"] == "credentials_wrong" and "账号" in told["detail"]
