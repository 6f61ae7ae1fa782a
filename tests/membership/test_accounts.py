"""test_accounts.py -- how an account begins, changes and is closed; what a password may be; second factors."""

import concurrent.futures
import re

import pytest

from api.given import NOBODY, check_problem, membership, new_key, new_label, new_number, person
from harness import wait_until
from load import PATIENT, wait_blocked
from membership.signing import (OTHER_PASSWORD, PASSWORD, account, code_of, college, invite, now_of, second_factor, session,
                                set_up, sign_in)
from membership.staff import appoint, grant, office, stand_for, today

PEOPLE_ONLY = [("/v1/account:change_password", {"old_password": "a", "new_password": "b"}), ("/v1/account/totp:begin", {}),
               ("/v1/account/totp:confirm", {"code": "123456"}), ("/v1/account/totp:disable", {"password": "a"})]


@pytest.fixture(scope="module")
def campus(new_campus):
    return new_campus(settings=PATIENT)


def mails(campus, address):
    return campus.sql(f"SELECT kind, subject_id FROM membership.mail WHERE recipient = '{address}' ORDER BY created_at, id")


def stored(campus, text):
    """Whether an answer or a fact holds the text."""
    return campus.value(f"SELECT 1 FROM membership.answer a WHERE a::text LIKE '%{text}%' UNION ALL"
                        f" SELECT 1 FROM membership.fact f WHERE f::text LIKE '%{text}%' LIMIT 1")


# -- setting up --------------------------------------------------------------------------------------------------------


def test_set_up(campus, client, anonymous, given):
    one = person(client, given)
    bare = client.get(f"/v1/people/{one['id']}/account").expect(200).json()
    assert bare == {"person_id": one["id"], "has_password": False, "second_factor": False, "recovery_codes_left": 0}
    invitation = invite(client, one["id"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", invitation["token"]) and invitation["person_id"] == one["id"]
    assert client.get(f"/v1/people/{one['id']}/account").json()["invited_until"] == invitation["expires_at"]
    done = set_up(anonymous, invitation["token"]).expect(200).json()
    state = client.get(f"/v1/people/{one['id']}/account").expect(200).json()
    assert state["has_password"] and state["password_set_at"] == done["password_set_at"] and "invited_until" not in state
    sign_in(anonymous, one["student_number"]).expect(201)
    facts = campus.sql(f"SELECT type FROM membership.fact WHERE subject = '{one['id']}' AND type LIKE 'account.%' ORDER BY id")
    assert facts == [["account.invited"], ["account.set_up"]]


def test_token_serves_once(client, anonymous, given):
    one = person(client, given)
    token = invite(client, one["id"])["token"]
    set_up(anonymous, token).expect(200)
    check_problem(set_up(anonymous, token, OTHER_PASSWORD), 410, "token_unknown", {"/token": "token_unknown"})
    check_problem(set_up(anonymous, "a" * 43), 410, "token_unknown")


def test_token_by_several_at_once(campus, client, given):
    one = person(client, given)
    token = invite(client, one["id"])["token"]

    def attempt(n):
        with campus.client() as other:
            return set_up(other, token, f"{PASSWORD} {n}").status
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(attempt, range(4)))
    assert sorted(statuses) == [200, 410, 410, 410]
    with campus.client() as anonymous:
        sign_in(anonymous, one["student_number"], f"{PASSWORD} {statuses.index(200)}").expect(201)


def test_a_later_token_voids_the_earlier(client, anonymous, given):
    one = person(client, given)
    first, second = (invite(client, one["id"])["token"] for _ in range(2))
    assert first != second
    check_problem(set_up(anonymous, first), 410, "token_unknown")
    set_up(anonymous, second).expect(200)


def test_token_expires(new_campus):
    campus = new_campus()
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        one = person(client, college(client))
        token = invite(client, one["id"])["token"]
        campus.sql("UPDATE campus.clock SET shift = '7 days 1 second'")
        check_problem(set_up(anonymous, token), 410, "token_unknown")
        set_up(anonymous, invite(client, one["id"])["token"]).expect(200)


def test_repeated_set_up(client, anonymous, given):
    """After its effect the token is used; the repeated request is answered as before all the same."""
    token, key = invite(client, person(client, given)["id"])["token"], {"Idempotency-Key": new_label("set-up-")}
    first, again = (set_up(anonymous, token, headers=key).expect(200) for _ in range(2))
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"


def test_repeated_invitation(client, given):
    one, key = person(client, given), {"Idempotency-Key": new_label("invite-")}
    first, again = (client.post(f"/v1/people/{one['id']}:invite", {}, headers=key).expect(200).json() for _ in range(2))
    assert first == again and first["token"]


def test_invitation_by_mail(campus, client, anonymous, given):
    address = f"{new_label('mail')}@campus.example"
    one = person(client, given, email=address)
    invitation = invite(client, one["id"], deliver="email")
    assert "token" not in invitation
    kind, token_id = mails(campus, address)[0]
    assert kind == "account_setup"
    assert campus.value(f"SELECT person_id FROM membership.account_token WHERE id = '{token_id}'") == one["id"]
    bare = person(client, given)
    check_problem(client.post(f"/v1/people/{bare['id']}:invite", {"deliver": "email"}), 409, "no_email", {"/deliver": "no_email"})


def test_invitation_refused(campus, client, anonymous, given, one):
    left = person(client, given, status="left")
    check_problem(client.post(f"/v1/people/{left['id']}:invite", {}), 409, "sign_in_not_allowed")
    check_problem(client.post(f"/v1/people/{NOBODY}:invite", {}), 404, "not_found")
    client.post(f"/v1/people/{one['id']}/account:lock", {"reason": "test"}).expect(200)
    check_problem(client.post(f"/v1/people/{one['id']}:invite", {}), 409, "account_locked")


def test_token_of_who_has_a_password(campus, client, given, one):
    """Whoever is told it can sign in as them: that takes more than to invite newcomers."""
    newcomer = person(client, given)
    with campus.client(new_key(client, "membership.accounts.write", given)["secret"]) as secretary:
        invite(secretary, newcomer["id"])
        check_problem(secretary.post(f"/v1/people/{one['id']}:invite", {}), 403, "recover_not_permitted")
    with campus.client(new_key(client, "membership.accounts.*", given)["secret"]) as registrar:
        invite(registrar, one["id"])


def test_token_of_who_may_do_more(campus, client, anonymous, given):
    """Nobody becomes somebody who may do what they may not, nor takes their second factor away: by mail it goes to the person."""
    one = account(client, anonymous, given, email=f"{new_label('chief')}@campus.example")
    stand_for(campus, new_key(client, "membership.keys.write"), one["id"])
    with campus.client(new_key(client, "membership.accounts.*", given)["secret"]) as registrar:
        check_problem(registrar.post(f"/v1/people/{one['id']}:invite", {}), 403, "authority_exceeds_yours")
        assert "token" not in invite(registrar, one["id"], deliver="email")
        with campus.client(session(anonymous, one)) as holder:
            second_factor(campus, holder)
        check_problem(registrar.post(f"/v1/people/{one['id']}/account:reset_factor"), 403, "authority_exceeds_yours")
    client.post(f"/v1/people/{one['id']}/account:reset_factor").expect(200)


def test_token_of_who_signs_in_elsewhere(campus, client, given):
    """By single sign-on alone: an account without a password is one all the same."""
    one = person(client, given)
    campus.sql(f"INSERT INTO membership.account (person_id, signed_in_at) VALUES ('{one['id']}', campus.now())")
    with campus.client(new_key(client, "membership.accounts.write", given)["secret"]) as secretary:
        check_problem(secretary.post(f"/v1/people/{one['id']}:invite", {}), 403, "recover_not_permitted")
    with campus.client(new_key(client, "membership.accounts.*", given)["secret"]) as registrar:
        invite(registrar, one["id"])


@pytest.mark.parametrize("by", ["appointment", "grant"])
def test_token_of_who_will_do_more(campus, client, given, by):
    """A token of today serves tomorrow, when the person has risen."""
    one, tomorrow = person(client, given), today(campus, 1)
    if by == "appointment":
        chair = office(client, given, "chair", roles=["registrar"])
        appoint(client, chair["id"], one["id"], since=tomorrow).expect(201)
    else:
        campus.sql("INSERT INTO membership.role_grant (id, person_id, role, organisation, since, reason, granted_by) VALUES"
                   f" (campus.new_id(), '{one['id']}', 'registrar', '{given}', '{tomorrow}', 'test', 'test')")
    with campus.client(new_key(client, "membership.accounts.*", given)["secret"]) as caller:
        check_problem(caller.post(f"/v1/people/{one['id']}:invite", {}), 403, "authority_exceeds_yours")
    invite(client, one["id"])


# -- what an account is recovered with ---------------------------------------------------------------------------------


def roster(caller, one, column, value):
    """The result of a roster's one line: its code and field."""
    file = f"student_number,{column}\n{one['student_number']},{value}\n".encode()
    row = caller.request("POST", "/v1/people:import", raw=file, type="text/csv").expect(200).json()["rows"][0]
    return row.get("code"), row.get("field")


def test_address_of_who_has_an_account(campus, client, anonymous, given):
    """Who may write records alone does not turn another's account to an address or a number of their own."""
    address = f"{new_label('mine')}@campus.example"
    one, newcomer = account(client, anonymous, given, email=address), person(client, given)
    path, other = f"/v1/people/{one['id']}", f"{new_label('other')}@campus.example"
    with campus.client(new_key(client, "membership.people.write", given)["secret"]) as keeper:
        for change in ({"email": other}, {"email": None}, {"student_number": new_number()}):
            check_problem(keeper.patch(path, change, etag="*"), 403, "recover_not_permitted")
        assert roster(keeper, one, "email", other) == ("recover_not_permitted", "email")
        same = {"email": address, "student_number": one["student_number"], "class_name": "一班"}
        keeper.patch(path, same, etag="*").expect(200)
        assert roster(keeper, one, "email", address) == (None, None)
        keeper.patch(f"/v1/people/{newcomer['id']}", {"email": other, "student_number": new_number()}, etag="*").expect(200)
    assert not [kind for kind, _ in mails(campus, address) if kind == "address_changed"]
    with campus.client(new_key(client, ["membership.people.write", "membership.accounts.recover"], given)["secret"]) as registrar:
        registrar.patch(path, {"student_number": new_number()}, etag="*").expect(200)
        registrar.patch(path, {"email": other}, etag="*").expect(200)
    assert mails(campus, address)[-1] == ["address_changed", one["id"]]


@pytest.mark.parametrize("by", ["patch", "import"])
def test_another_address_voids_tokens(campus, client, anonymous, given, by):
    """What was mailed to the old address leads nowhere, and the old address is told."""
    address, other = (f"{new_label('moved')}@campus.example" for _ in range(2))
    one = account(client, anonymous, given, email=address)
    token = invite(client, one["id"])["token"]
    if by == "patch":
        client.patch(f"/v1/people/{one['id']}", {"class_name": "二班"}, etag="*").expect(200)
        assert mails(campus, address) == []
        client.patch(f"/v1/people/{one['id']}", {"email": other}, etag="*").expect(200)
    else:
        assert roster(client, one, "class_name", "二班") == (None, None) and mails(campus, address) == []
        assert roster(client, one, "email", other) == (None, None)
    check_problem(set_up(anonymous, token, OTHER_PASSWORD), 410, "token_unknown")
    assert mails(campus, address) == [["address_changed", one["id"]]] and mails(campus, other) == []


def test_nobody_shuts_out_who_may_do_more(campus, client, anonymous, given):
    """Neither by a lock nor by saying that they have left; nor lets in whom others have shut out."""
    one = account(client, anonymous, given)
    stand_for(campus, new_key(client, "membership.keys.write"), one["id"])
    with campus.client(new_key(client, ["membership.accounts.*", "membership.people.write"], given)["secret"]) as registrar:
        check_problem(registrar.post(f"/v1/people/{one['id']}/account:lock", {"reason": "a"}), 403, "authority_exceeds_yours")
        check_problem(registrar.patch(f"/v1/people/{one['id']}", {"status": "left"}, etag="*"), 403, "authority_exceeds_yours")
        assert roster(registrar, one, "status", "left") == ("authority_exceeds_yours", "status")
        assert roster(registrar, one, "email", "a@campus.example") == ("authority_exceeds_yours", "email")
        registrar.patch(f"/v1/people/{one['id']}", {"status": "on_leave"}, etag="*").expect(200)
        client.post(f"/v1/people/{one['id']}/account:lock", {"reason": "a"}).expect(200)
        check_problem(registrar.post(f"/v1/people/{one['id']}/account:unlock"), 403, "authority_exceeds_yours")
    client.patch(f"/v1/people/{one['id']}", {"status": "left"}, etag="*").expect(200)


def test_what_is_over_is_swept(new_campus):
    """After its time; of what still matters nothing."""
    campus = new_campus()
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        one = account(client, anonymous)
        session(anonymous, one)
        sign_in(anonymous, one["student_number"], OTHER_PASSWORD)
        tables = ("account_token", "account_client", "sign_in_failure", "session")
        def counts():
            return [int(campus.value(f"SELECT count(*) FROM membership.{table}")) for table in tables]
        assert counts() == [1, 1, 2, 1]
        campus.sql("UPDATE campus.clock SET shift = '100 days'")
        wait_until(lambda: counts() == [0, 0, 0, 0], "what is over to be swept", seconds=30)
        sign_in(anonymous, one["student_number"]).expect(201)


def test_set_up_ends_sessions(client, anonymous, one, holder):
    set_up(anonymous, invite(client, one["id"])["token"], OTHER_PASSWORD).expect(200)
    check_problem(sign_in(anonymous, one["student_number"]), 401, "credentials_wrong")
    with_old = holder.get("/v1/sessions")
    assert with_old.status in (200, 401)  # gateways forget it within a second
    assert client.get("/v1/sessions", query={"person_id": one["id"]}).expect(200).json() == {"sessions": []}


def test_set_up_refused_meanwhile(campus, client, anonymous, given):
    one, other = person(client, given), person(client, given)
    tokens = [invite(client, each["id"])["token"] for each in (one, other)]
    client.patch(f"/v1/people/{one['id']}", {"status": "left"}, etag="*").expect(200)
    check_problem(set_up(anonymous, tokens[0]), 403, "sign_in_not_allowed")
    campus.sql(f"INSERT INTO membership.account (person_id, locked_at, locked_reason) VALUES ('{other['id']}', now(), 'test')")
    check_problem(set_up(anonymous, tokens[1]), 403, "account_locked")


# -- passwords ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password, code", [("short-pass9", "password_too_short"), ("password2024", "password_too_common"),
                                            ("123456789012", "password_too_common"), ("abcabcabcabc", "password_too_common"),
                                            ("NUMBER and more", "password_too_personal"),
                                            ("欧阳修远 walks home", "password_too_personal"),
                                            ("Ouyang Xiuyuan 7", "password_too_personal"),
                                            ("ouyangmail 77777", "password_too_personal")])
def test_password_refused(client, anonymous, given, holder, password, code):
    one = person(client, given, name="欧阳修远", latin_name="Ouyang Xiuyuan", email=f"ouyangmail@{new_label('x')}.example")
    password = password.replace("NUMBER", one["student_number"])
    token = invite(client, one["id"])["token"]
    check_problem(set_up(anonymous, token, password), 422, code, {"/password": code})
    set_up(anonymous, token).expect(200)
    if code != "password_too_personal":
        changed = holder.post("/v1/account:change_password", {"old_password": PASSWORD, "new_password": password})
        check_problem(changed, 422, code, {"/new_password": code})


def test_own_number_is_no_password(holder, one):
    asked = {"old_password": PASSWORD, "new_password": f"{one['student_number']} is mine"}
    check_problem(holder.post("/v1/account:change_password", asked), 422, "password_too_personal")


def test_limits_of_a_password(client, anonymous, given):
    token = invite(client, person(client, given)["id"])["token"]
    check_problem(set_up(anonymous, token, "kX93" * 65), 422, "invalid", {"/password": "too_long"})
    set_up(anonymous, token, "the quick fox 🦊 " + "z9" * 120).expect(200)


def test_change_password(campus, client, anonymous, given):
    address = f"{new_label('change')}@campus.example"
    one = account(client, anonymous, given, email=address)
    secrets = [session(anonymous, one) for _ in range(2)]
    with campus.client(secrets[0]) as mine:
        check_problem(mine.post("/v1/account:change_password", {"old_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}),
                      403, "password_wrong", {"/old_password": "password_wrong"})
        key = {"Idempotency-Key": new_label("change-")}
        asked = {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}
        first, again = (mine.post("/v1/account:change_password", asked, headers=key).expect(200) for _ in range(2))
        assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"
        assert [s["current"] for s in mine.get("/v1/sessions").expect(200).json()["sessions"]] == [True]  # the other has ended
    check_problem(sign_in(anonymous, one["student_number"]), 401, "credentials_wrong")
    sign_in(anonymous, one["student_number"], OTHER_PASSWORD).expect(201)
    assert mails(campus, address)[-1][0] == "password_changed"


def test_guessing_the_old_password(holder):
    """A session that somebody left open is not enough to learn the password."""
    asked = {"old_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}
    codes = [holder.post("/v1/account:change_password", asked).code for _ in range(6)]
    assert codes == ["password_wrong"] * 5 + ["too_many_attempts"]
    check_problem(holder.post("/v1/account/totp:disable", {"password": "x"}), 409, "no_second_factor")


def test_people_only(client):
    for path, body in PEOPLE_ONLY:
        check_problem(client.post(path, body), 403, "people_only")


# -- a login that is forgotten -----------------------------------------------------------------------------------------


def test_forgotten(campus, client, anonymous, given):
    """By mail alone. The answer is the same for nobody, for who has no address, and for one time too many."""
    address = f"{new_label('forgot')}@campus.example"
    one, bare = account(client, anonymous, given, email=address), account(client, anonymous, given)
    locked = account(client, anonymous, given, email=f"locked-{address}")
    client.post(f"/v1/people/{locked['id']}/account:lock", {"reason": "test"}).expect(200)
    logins = [one["student_number"], address, bare["student_number"], new_number(), f"nobody-{address}", locked["student_number"]]
    for login in logins:
        assert anonymous.post("/v1/accounts:forget", {"login": login}).expect(200).json() == {"accepted": True}
    sent = [row for row in mails(campus, address) if row[0] == "password_reset"]
    assert len(sent) == 2 and not [row for row in mails(campus, f"locked-{address}") if row[0] == "password_reset"]
    live = campus.sql(f"SELECT id FROM membership.account_token WHERE person_id = '{one['id']}' AND kind = 'reset'"
                      " AND void_at IS NULL")
    assert live == [[sent[1][1]]]  # the later one
    for _ in range(5):
        anonymous.post("/v1/accounts:forget", {"login": one["student_number"]}).expect(200)
    assert len([row for row in mails(campus, address) if row[0] == "password_reset"]) == 2 + 2  # three for this login


def test_forgetting_is_as_much_work_for_nobody(new_campus):
    """Not by the clock: by what is written. What is written for nobody serves nobody, and is swept."""
    campus = new_campus()
    written = "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname IN ('account_token', 'mail')"
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        home = college(client)
        some, bare = person(client, home, email="some@campus.example"), person(client, home)
        before = int(campus.value(written))
        for n, login in enumerate((some["student_number"], bare["student_number"], new_number(), "none@campus.example"), 1):
            anonymous.post("/v1/accounts:forget", {"login": login}).expect(200)
            wait_until(lambda n=n: int(campus.value(written)) == before + 2 * n, f"a token and a mail for {login}")
        def left():
            return campus.sql("SELECT (SELECT count(*) FROM membership.account_token), (SELECT count(*) FROM membership.mail)")
        wait_until(lambda: left() == [["1", "1"]], "what is nobody's to be swept", seconds=30)
        assert [kind for kind, _ in mails(campus, "some@campus.example")] == ["password_reset"]


def test_reset_keeps_the_second_factor(campus, client, anonymous, one, holder):
    second_factor(campus, holder)
    set_up(anonymous, invite(client, one["id"])["token"], OTHER_PASSWORD).expect(200)
    check_problem(sign_in(anonymous, one["student_number"], OTHER_PASSWORD), 401, "second_factor_required")


# -- locking -----------------------------------------------------------------------------------------------------------


def test_lock_and_unlock(campus, client, anonymous, given):
    one = account(client, anonymous, given)
    secret = session(anonymous, one)
    client.post(f"/v1/people/{one['id']}/account:lock", {"reason": "手机遗失"}).expect(200)
    state = client.get(f"/v1/people/{one['id']}/account").expect(200).json()
    assert state["locked_reason"] == "手机遗失" and state["locked_at"]
    with campus.client(secret) as holder:
        check_problem(holder.get("/v1/me"), 401, "unauthenticated")  # never asked about before
    check_problem(sign_in(anonymous, one["student_number"]), 401, "credentials_wrong")
    check_problem(client.post(f"/v1/people/{one['id']}/account:lock", {"reason": "b"}), 409, "already_locked")
    client.post(f"/v1/people/{one['id']}/account:unlock").expect(200)
    check_problem(client.post(f"/v1/people/{one['id']}/account:unlock"), 409, "not_locked")
    sign_in(anonymous, one["student_number"]).expect(201)
    with campus.client(secret) as holder:
        check_problem(holder.get("/v1/me"), 401, "unauthenticated")
    assert not stored(campus, "手机遗失")


def test_no_invitation_behind_a_lock(campus, client, one):
    with campus.cluster.session() as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
        other.sql(f"""BEGIN; SELECT FROM membership.person WHERE id = '{one['id']}' FOR NO KEY UPDATE;
                      UPDATE membership.account SET locked_at = now(), locked_reason = 'test' WHERE person_id = '{one['id']}'""")
        invited = pool.submit(client.post, f"/v1/people/{one['id']}:invite", {})
        wait_blocked(campus)
        other.sql("COMMIT")
        check_problem(invited.result(), 409, "account_locked")


def test_nobody_locks_themselves_out(campus, client, one):
    key = new_key(client, "membership.accounts.write")
    stand_for(campus, key, one["id"])
    with campus.client(key["secret"]) as own:
        check_problem(own.post(f"/v1/people/{one['id']}/account:lock", {"reason": "a"}), 409, "own_account")


def test_an_open_session_is_not_yet_the_account(campus, client, anonymous, given):
    """Not even of somebody who recovers others' accounts: password and factor are changed with the password."""
    one = account(client, anonymous, given, email=f"{new_label('chief')}@campus.example")
    grant(campus, one["id"], ["membership.accounts.*", "membership.people.*"])
    with campus.client(session(anonymous, one)) as own:
        second_factor(campus, own)
        check_problem(own.post(f"/v1/people/{one['id']}:invite", {}), 403, "own_account")
        check_problem(own.post(f"/v1/people/{one['id']}/account:reset_factor"), 403, "own_account")
        assert "token" not in invite(own, one["id"], deliver="email")
        for change in ({"email": "other@campus.example"}, {"student_number": new_label("other")}):
            check_problem(own.patch(f"/v1/people/{one['id']}", change, etag="*"), 403, "own_account")
        assert roster(own, one, "email", "other@campus.example") == ("own_account", "email")
        own.patch(f"/v1/people/{one['id']}", {"class_name": "计科2班", "email": one["email"]}, etag="*").expect(200)


# -- who may -----------------------------------------------------------------------------------------------------------

ADMINISTRATION = [("post", ":invite", {}), ("get", "/account", None), ("post", "/account:lock", {"reason": "a"}),
                  ("post", "/account:unlock", {}), ("post", "/account:reset_factor", {})]


@pytest.mark.parametrize("method, action, body", ADMINISTRATION)
def test_only_where_the_record_is_kept(campus, client, anonymous, given, one, method, action, body):
    """Not by membership elsewhere, not without the permission, not by nobody."""
    elsewhere = college(client)
    membership(client, one["id"], elsewhere.split(".", maxsplit=1)[0])
    path = f"/v1/people/{one['id']}{action}"
    def ask(caller):
        return caller.get(path) if method == "get" else caller.post(path, body)
    with campus.client(new_key(client, "membership.accounts.*", elsewhere)["secret"]) as other:
        check_problem(ask(other), 404, "not_found")
    with campus.client(new_key(client, "membership.people.*", given)["secret"]) as other:
        check_problem(ask(other), 403, "permission_denied")
    check_problem(ask(anonymous), 401, "unauthenticated")


def test_own_account_is_seen(client, anonymous, given, one, holder):
    assert holder.get(f"/v1/people/{one['id']}/account").expect(200).json()["has_password"] is True
    check_problem(holder.get(f"/v1/people/{person(client, given)['id']}/account"), 404, "not_found")
    check_problem(holder.post(f"/v1/people/{one['id']}:invite", {}), 403, "permission_denied")


# -- second factors ----------------------------------------------------------------------------------------------------


def test_totp(campus, client, anonymous, one, holder):
    key = {"Idempotency-Key": new_label("totp-")}
    begun, again = (holder.post("/v1/account/totp:begin", {"password": PASSWORD}, headers=key).expect(200).json() for _ in range(2))
    assert begun == again and re.fullmatch("[A-Z2-7]{32}", begun["secret"]) and begun["secret"] in begun["uri"]
    assert begun["uri"].startswith("otpauth://totp/Campus?")
    sign_in(anonymous, one["student_number"]).expect(201)  # nothing is asked for before it is confirmed
    at = now_of(campus)
    wrong = f"{(int(code_of(begun['secret'], at)) + 1) % 10**6:06d}"
    check_problem(holder.post("/v1/account/totp:confirm", {"code": wrong}), 422, "second_factor_wrong",
                  {"/code": "second_factor_wrong"})
    key, asked = {"Idempotency-Key": new_label("confirm-")}, {"code": code_of(begun["secret"], at)}
    done, again = (holder.post("/v1/account/totp:confirm", asked, headers=key).expect(200).json() for _ in range(2))
    assert done == again and len(set(done["recovery_codes"])) == 10
    assert all(re.fullmatch("[a-z2-7]{5}-[a-z2-7]{5}", code) for code in done["recovery_codes"])
    state = client.get(f"/v1/people/{one['id']}/account").json()
    assert state["second_factor"] is True and state["recovery_codes_left"] == 10
    check_problem(holder.post("/v1/account/totp:begin", {}), 409, "second_factor_on")
    check_problem(holder.post("/v1/account/totp:confirm", {"code": "123456"}), 409, "second_factor_on")
    assert not stored(campus, begun["secret"]) and not stored(campus, done["recovery_codes"][0])
    sealed = campus.value(f"SELECT totp_sealed FROM membership.account WHERE person_id = '{one['id']}'")
    assert len(sealed) == 2 + 2 * (24 + 16 + 20)


def test_totp_takes_the_password(campus, client, given, holder):
    """Who finds a session open shuts nobody out. Who has no password, as with single sign-on, needs none."""
    check_problem(holder.post("/v1/account/totp:begin", {}), 403, "password_wrong", {"/password": "password_wrong"})
    codes = [holder.post("/v1/account/totp:begin", {"password": OTHER_PASSWORD}).code for _ in range(5)]
    assert codes == ["password_wrong"] * 4 + ["too_many_attempts"]
    one, secret = person(client, given), "campus_s_of_somebody_without_a_password"
    campus.sql(f"SET search_path = membership, campus, public; SELECT FROM open_session(campus.new_id(), '{one['id']}',"
               f" sha256('{secret}'), '', 'single_sign_on', false)")
    with campus.client(secret) as other:
        begun = other.post("/v1/account/totp:begin", {}).expect(200).json()
        other.post("/v1/account/totp:confirm", {"code": code_of(begun["secret"], now_of(campus))}).expect(200)


def test_confirming_what_was_not_begun(holder):
    check_problem(holder.post("/v1/account/totp:confirm", {"code": "123456"}), 409, "no_pending_factor")


def test_pending_factor_expires(new_campus):
    campus = new_campus()
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        one = account(client, anonymous)
        with campus.client(session(anonymous, one)) as holder:
            secret = holder.post("/v1/account/totp:begin", {"password": PASSWORD}).expect(200).json()["secret"]
            campus.sql("UPDATE campus.clock SET shift = '10 minutes 1 second'")
            late = holder.post("/v1/account/totp:confirm", {"code": code_of(secret, now_of(campus))})
            check_problem(late, 409, "no_pending_factor")


def test_disable(campus, client, anonymous, one, holder):
    check_problem(holder.post("/v1/account/totp:disable", {"password": PASSWORD}), 409, "no_second_factor")
    second_factor(campus, holder)
    check_problem(holder.post("/v1/account/totp:disable", {"password": OTHER_PASSWORD}), 403, "password_wrong")
    holder.post("/v1/account/totp:disable", {"password": PASSWORD}).expect(200)
    assert client.get(f"/v1/people/{one['id']}/account").json()["recovery_codes_left"] == 0
    sign_in(anonymous, one["student_number"]).expect(201)


def test_disable_is_not_guessed(campus, holder):
    second_factor(campus, holder)
    codes = [holder.post("/v1/account/totp:disable", {"password": OTHER_PASSWORD}).code for _ in range(6)]
    assert codes == ["password_wrong"] * 5 + ["too_many_attempts"]


def test_reset_by_an_administrator(campus, client, anonymous, one, holder):
    check_problem(client.post(f"/v1/people/{one['id']}/account:reset_factor"), 409, "no_second_factor")
    second_factor(campus, holder)
    client.post(f"/v1/people/{one['id']}/account:reset_factor").expect(200)
    assert client.get("/v1/sessions", query={"person_id": one["id"]}).json() == {"sessions": []}
    assert sign_in(anonymous, one["student_number"]).expect(201).json()["second_factor"] is False
