"""test_erased.py -- who is erased stays forgotten: no method takes new words about them."""

import types

import pytest

from api.given import check_problem, membership, organisation, person
from load import Lock, send, wait_blocked
from membership.recruiting import act, applied, branches, campaign

WORDS = "张三又来了"


@pytest.fixture(scope="module")
def home(campus, admin):
    with campus.client(admin) as client:
        path = branches(client)[0]
        organisation(client, f"{path}.cs", "department")
    return path


@pytest.fixture
def known(campus, client, home):
    """Somebody of whom there is an application, a ban, a membership, two credits, one under objection."""
    wanted = campaign(client, home, tracks=[{"organisation": f"{home}.d0"}])
    application, = applied(campus, client, wanted["id"])
    one = client.get(f"/v1/applications/{application}").expect(200).json()["person_id"]
    member = act(client, application, "accept").expect(200).json()["membership_id"]
    ban = client.post("/v1/bans", {"person_id": one, "organisation": f"{home}.d1", "until": "2099-01-01", "reason": "test"})
    credit, objected = (
        client.post(f"/v1/people/{one}/credits", {"kind": "other", "module": "skills", "credits": 5}).expect(201).json()["id"]
        for _ in range(2))
    objection = client.post(f"/v1/credits/{objected}:object", {"text": "test"}).expect(201).json()["id"]
    return types.SimpleNamespace(id=one, application=application, membership=member, ban=ban.expect(201).json()["id"],
                                 credit=credit, objection=objection, home=home)


@pytest.fixture
def gone(client, known):
    """Them, erased."""
    client.post(f"/v1/people/{known.id}:erase", {}).expect(200)
    return known


# What would write about a person: a path and a body each.
SAID = {
    "CreateBan": lambda one: ("/v1/bans", {"person_id": one.id, "organisation": one.home, "until": "2099-01-01", "reason": WORDS}),
    "LiftBan": lambda one: (f"/v1/bans/{one.ban}:lift", {"lifted_reason": WORDS}),
    "ExpelMember": lambda one: (f"/v1/memberships/{one.membership}:expel", {"until": "2020-01-01", "expulsion_reason": WORDS}),
    "CreateAttestation": lambda one: ("/v1/attestations", {"person_id": one.id, "rule": "academic_rank", "attested_value": 10,
                                                           "valid_until": "2099-01-01"}),
    "CreateApplicationComment": lambda one: (f"/v1/applications/{one.application}/comments", {"text": WORDS}),
    "CreateGrant": lambda one: ("/v1/grants", {"person_id": one.id, "role": "officer", "organisation": one.home, "reason": WORDS}),
    "RecordCredit": lambda one: (f"/v1/people/{one.id}/credits", {"kind": "other", "module": "skills", "credits": 5, "evidence": WORDS}),
    "ReverseCredit": lambda one: (f"/v1/credits/{one.credit}:reverse", {"reason": WORDS}),
    "ObjectToCredit": lambda one: (f"/v1/credits/{one.credit}:object", {"text": WORDS}),
    "LockAccount": lambda one: (f"/v1/people/{one.id}/account:lock", {"reason": WORDS}),
    "ReadSensitive": lambda one: (f"/v1/people/{one.id}/sensitive:read", {"fields": ["phone"], "read_reason": WORDS}),
}

TABLES = ("ban", "membership", "attestation", "application_comment", "role_grant", "credit_line", "credit_objection", "account",
          "sensitive_reading", "answer", "fact")


def kept(campus, one):
    """How many rows of any table hold the words."""
    return sum(int(campus.value(f"SELECT count(*) FROM membership.{table} t WHERE to_jsonb(t)::text LIKE '%{WORDS}%'"))
               for table in TABLES) + int(campus.value(
                   f"""SELECT (SELECT count(*) FROM membership.attestation WHERE person_id = '{one.id}')
                            + (SELECT count(*) FROM membership.account WHERE person_id = '{one.id}')"""))


@pytest.mark.parametrize("method", SAID)
def test_nothing_new_is_said_of_who_is_erased(campus, client, gone, method):
    path, body = SAID[method](gone)
    check_problem(client.post(path, body), 409, "person_erased")
    assert kept(campus, gone) == 0


@pytest.mark.parametrize("method", SAID)
def test_nothing_is_said_of_who_is_erased_meanwhile(campus, admin, known, method):
    path, body = SAID[method](known)
    erasure = f"""SELECT FROM membership.person WHERE id = '{known.id}' FOR UPDATE; SELECT membership.erase_person('{known.id}', false)"""
    with Lock(campus, erasure) as erased:
        said = send(campus, admin, "POST", path, json=body)
        wait_blocked(campus)
        erased.session.sql("COMMIT")
        check_problem(said.answer(), 409, "person_erased")
    assert kept(campus, known) == 0


def test_why_an_objection_of_the_erased_was_decided_is_not_kept(campus, client, gone):
    decided = client.post(f"/v1/credit_objections/{gone.objection}:decide", {"outcome": "dismissed", "reason": WORDS})
    assert decided.expect(200).json()["outcome"] == "dismissed"
    assert kept(campus, gone) == 0


def test_a_roster_does_not_name_the_erased(campus, client, home, gone):
    """Their number is the id now, which a file may hold; the other lines are taken."""
    other = person(client, home)
    text = f"学号,姓名,手机\n{gone.id.replace('-', '')},{WORDS},13900990099\n{other['student_number']},李四,\n"
    reply = client.post("/v1/people:import", raw=text.encode(), type="text/csv").expect(200).json()
    assert (reply["refused"], reply["updated"]) == (1, 1)
    assert {key: reply["rows"][0][key] for key in ("code", "field")} == {"code": "person_erased", "field": "student_number"}
    assert client.get(f"/v1/people/{gone.id}").expect(200).json()["name"] == "—"


def test_who_is_not_erased_is_spoken_of_as_ever(client, home):
    """The same requests, but for the erasure."""
    one = person(client, home)["id"]
    member = membership(client, one, f"{home}.d0")["id"]
    for path, body, status in [
            ("/v1/bans", {"person_id": one, "organisation": f"{home}.d1", "until": "2099-01-01", "reason": WORDS}, 201),
            (f"/v1/memberships/{member}:expel", {"expulsion_reason": WORDS}, 200),
            (f"/v1/people/{one}/account:lock", {"reason": WORDS}, 200)]:
        client.post(path, body).expect(status)
