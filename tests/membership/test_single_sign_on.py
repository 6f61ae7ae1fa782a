"""test_single_sign_on.py -- signing in with the campus's own account, at a real provider."""

import threading
import urllib.parse

import pytest

import harness
from membership.providers import REDIRECT, RealProvider, settings, sign_in

BEGIN, COMPLETE = "/v1/single_sign_on:begin", "/v1/single_sign_on:complete"


@pytest.fixture(scope="module")
def provider():
    with RealProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def campus(new_campus, provider):
    campus = new_campus(settings=settings(provider.issuer))
    people(campus)
    return campus


def people(campus):
    with campus.client(campus.key()) as client:
        client.post("/v1/organisations", {"path": "sso", "kind": "university", "title": "大学"}).expect(201)
        for number, status in (("2026000001", "active"), ("2026000002", "active"), ("2026000003", "left")):
            client.post("/v1/people", {"student_number": number, "name": "李雷", "home": "sso", "status": status}).expect(201)


def begin(client, **more):
    return client.post(BEGIN, more).expect(200).json()


def came_back(client, login="2026000001"):
    """A sign-in up to its completion: what completing it takes."""
    begun = begin(client)
    return {"flow": begun["flow"], **sign_in(begun["authorization_url"], login)}


def test_a_person_signs_in(campus, anonymous):
    back = came_back(anonymous)
    session = anonymous.post(COMPLETE, back).expect(201).json()
    assert session["secret"].startswith("campus_s_") and session["second_factor"] is False
    with campus.client(session["secret"]) as person:
        (listed,) = [s for s in person.get("/v1/sessions").expect(200).json()["sessions"] if s["id"] == session["id"]]
        assert listed["begun_by"] == "single_sign_on" and listed["current"] is True
    number = campus.value(f"SELECT student_number FROM membership.person WHERE id = '{session['person_id']}'")
    assert number == "2026000001"
    assert campus.value(f"SELECT signed_in_at IS NOT NULL FROM membership.account WHERE person_id = '{session['person_id']}'") == "t"


def test_the_request_is_as_the_standards_have_it(anonymous, provider):
    begun = begin(anonymous, redirect_uri=REDIRECT)
    url = urllib.parse.urlparse(begun["authorization_url"])
    query = dict(urllib.parse.parse_qsl(url.query, strict_parsing=True))
    assert f"{url.scheme}://{url.netloc}" == provider.issuer
    assert {name: query.pop(name) for name in ("response_type", "client_id", "redirect_uri", "scope", "code_challenge_method")} \
        == {"response_type": "code", "client_id": "campus", "redirect_uri": REDIRECT, "scope": "openid profile",
            "code_challenge_method": "S256"}
    assert set(query) == {"state", "nonce", "code_challenge"} and {len(value) for value in query.values()} == {43}
    assert len(set(query.values())) == 3 and begun["flow"] not in begun["authorization_url"]
    again = begin(anonymous)
    assert again["flow"] != begun["flow"] and query["state"] not in again["authorization_url"]


def test_a_repetition_gets_the_same_answer(campus, anonymous):
    back = came_back(anonymous)
    first = anonymous.post(COMPLETE, back, headers={"Idempotency-Key": "sso-1"}).expect(201).json()
    assert anonymous.post(COMPLETE, back, headers={"Idempotency-Key": "sso-1"}).expect(201).json() == first
    assert campus.value(f"SELECT count(*) FROM membership.session WHERE id = '{first['id']}'") == "1"


def test_a_sign_in_is_completed_once(anonymous):
    back = came_back(anonymous)
    anonymous.post(COMPLETE, back).expect(201)
    anonymous.post(COMPLETE, back).expect(410, "flow_unknown")


def test_of_two_that_complete_at_once_one_does(campus, anonymous):
    back = came_back(anonymous)
    answers, lock = [], threading.Barrier(4)

    def complete():
        with campus.client() as client:
            lock.wait()
            answers.append(client.post(COMPLETE, back))

    threads = [threading.Thread(target=complete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.code for answer in answers if answer.status != 201} <= {"provider_refused", "flow_unknown"}
    assert sum(answer.status == 201 for answer in answers) == 1


def test_a_code_that_was_used_is_refused(anonymous, provider):
    one, other = came_back(anonymous), came_back(anonymous)
    anonymous.post(COMPLETE, one).expect(201)
    problem = anonymous.post(COMPLETE, {**other, "code": one["code"]}).expect(403, "provider_refused")
    assert problem.pointers() == {"/code": "provider_refused"} or not problem.pointers()
    anonymous.post(COMPLETE, {**came_back(anonymous), "code": "nonsense"}).expect(403, "provider_refused")


def test_nobody_is_given_another_sign_in(anonymous):
    """Login CSRF: what the attacker came back with is of no use in the victim's browser."""
    mine, theirs = came_back(anonymous), came_back(anonymous)
    anonymous.post(COMPLETE, {**mine, "flow": theirs["flow"]}).expect(403, "state_mismatch")
    anonymous.post(COMPLETE, {**mine, "state": theirs["state"]}).expect(403, "state_mismatch")
    # A code that was given for another's challenge does not serve either.
    anonymous.post(COMPLETE, {**mine, "code": theirs["code"]}).expect(403, "provider_refused")


@pytest.mark.parametrize("spoil", [lambda flow: "nonsense", lambda flow: flow[:-1], lambda flow: "A" + flow[1:],
                                   lambda flow: flow[:-3] + ("AAA" if flow[-3:] != "AAA" else "BBB"), lambda flow: flow + "AAAA"])
def test_a_flow_that_was_not_begun_here(anonymous, spoil):
    begun = begin(anonymous)
    anonymous.post(COMPLETE, {"flow": spoil(begun["flow"]), "state": "s", "code": "c"}).expect(410, "flow_unknown")


def test_whom_the_campus_does_not_know(campus, anonymous):
    back = came_back(anonymous, "2026999999")
    before = campus.value("SELECT count(*) FROM membership.session")
    anonymous.post(COMPLETE, back, headers={"Idempotency-Key": "sso-2"}).expect(403, "person_unknown")
    anonymous.post(COMPLETE, back, headers={"Idempotency-Key": "sso-2"}).expect(403, "person_unknown")
    assert campus.value("SELECT count(*) FROM membership.session") == before


def test_who_has_left_does_not_sign_in(anonymous):
    anonymous.post(COMPLETE, came_back(anonymous, "2026000003")).expect(403, "person_left")


def test_a_locked_account_does_not_sign_in(campus, anonymous):
    anonymous.post(COMPLETE, came_back(anonymous, "2026000002")).expect(201)
    campus.sql("UPDATE membership.account SET locked_at = campus.now(), locked_reason = 'stolen' WHERE person_id = "
               "(SELECT id FROM membership.person WHERE student_number = '2026000002')")
    anonymous.post(COMPLETE, came_back(anonymous, "2026000002")).expect(403, "account_locked")


def test_only_to_pages_that_are_set_up(anonymous):
    problem = anonymous.post(BEGIN, {"redirect_uri": REDIRECT + "/"}).expect(422, "redirect_uri_unknown")
    assert problem.pointers() == {"/redirect_uri": "redirect_uri_unknown"}


def test_required_fields(anonymous):
    problem = anonymous.post(COMPLETE, {}).expect(422)
    assert set(problem.pointers()) == {"/flow", "/state", "/code"}


@pytest.mark.parametrize("client, secret, claims, auth", [("campus-public", None, "userinfo", "none"),
                                                         ("campus-post", "another", "token", "client_secret_post")])
def test_other_clients_and_algorithms(new_campus, client, secret, claims, auth):
    """EdDSA, no client secret, and the claim only in UserInfo; ES256, and the secret in the form."""
    with RealProvider(claims, auth) as provider:
        campus = new_campus(settings=settings(provider.issuer, client, secret))
        people(campus)
        with campus.client() as anonymous:
            begun = begin(anonymous)
            back = {"flow": begun["flow"], **sign_in(begun["authorization_url"], "2026000001")}
            anonymous.post(COMPLETE, back).expect(201)
            log = campus.processes["campus"].log()
            assert back["code"] not in log and back["flow"] not in log and "2026000001" not in log


def test_where_it_is_off(new_campus):
    with new_campus().client() as client:
        client.post(BEGIN, {}).expect(409, "single_sign_on_off")
        client.post(COMPLETE, {"flow": "f", "state": "s", "code": "c"}).expect(409, "single_sign_on_off")


@pytest.mark.parametrize("name, value, said", [
    ("OIDC_ISSUER", "http://sso.example.edu.cn", "oidc_issuer"), ("OIDC_ISSUER", "sso", "oidc_issuer"),
    ("OIDC_CLIENT_ID", "", "oidc_client_id"), ("OIDC_REDIRECT_URI", "", "oidc_redirect_uri"),
    ("OIDC_CLIENT_SECRET_FILE", "/nowhere", "oidc_client_secret_file"),
])
def test_settings_that_cannot_work_stop_the_start(campus, name, value, said):
    environment = {**campus.environment, f"CAMPUS_{name}": value, "CAMPUS_BUS": f"ipc://{campus.folder}/unused"}
    process = harness.Process("wrong", ["serve", "membership"], campus.folder, environment).start()
    assert process.wait() == 1
    assert f"setting {said}" in process.log()
