"""test_single_sign_on_faults.py -- single sign-on when the provider says what it should not, late, or nothing at all."""

import threading
import time

import pytest

import harness
from membership.providers import Key, OwnProvider, REDIRECT, encoded, settings

BEGIN, COMPLETE = "/v1/single_sign_on:begin", "/v1/single_sign_on:complete"
LOGIN = "2026000001"


@pytest.fixture(scope="module")
def provider():
    with OwnProvider() as provider:
        yield provider


def started(new_campus, provider, **more):
    campus = new_campus(settings=settings(provider.issuer, **more))
    people(campus)
    return campus


def people(campus):
    with campus.client(campus.key()) as client:
        client.post("/v1/organisations", {"path": "sso", "kind": "university", "title": "大学"}).expect(201)
        client.post("/v1/people", {"student_number": LOGIN, "name": "李雷", "home": "sso"}).expect(201)


@pytest.fixture(scope="module")
def campus(new_campus, provider):
    return started(new_campus, provider)


@pytest.fixture(autouse=True)
def usual(provider):
    """The provider as it should be again, after each test."""
    yield
    provider.reset()


def came_back(client, provider, **claims):
    begun = client.post(BEGIN, {}).expect(200).json()
    return {"flow": begun["flow"], **provider.authorize(begun["authorization_url"], claims.pop("login", LOGIN), **claims)}


def complete(client, provider, **claims):
    return client.post(COMPLETE, came_back(client, provider, **claims))


# -- what a token says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claims", [
    {}, {"aud": ["campus"]}, {"aud": ["other", "campus"], "azp": "campus"}, {"azp": "campus"},
    {"exp": lambda now: now - 30, "iat": lambda now: now - 400}, {"iat": lambda now: now + 30}, {"nbf": lambda now: now + 30},
    {"exp": lambda now: now + 300.5}, {"preferred_username": int(LOGIN)},
], ids=range(9))
def test_what_is_right(campus, anonymous, provider, claims):
    complete(anonymous, provider, **claims).expect(201)


@pytest.mark.parametrize("claims", [
    {"iss": "https://other.example.com"}, {"iss": None}, {"iss": 5}, {"aud": "other"}, {"aud": ["other"]}, {"aud": []}, {"aud": None},
    {"aud": ["campus", "other"]}, {"aud": ["campus", "other"], "azp": "other"}, {"azp": "other"}, {"azp": ["campus"]},
    {"nonce": "another"}, {"nonce": None}, {"nonce": ""}, {"exp": 1}, {"exp": lambda now: now - 61}, {"exp": None}, {"exp": "2099-01-01"}, {"exp": -1},
    {"iat": None}, {"iat": lambda now: now + 90}, {"nbf": 4102444800}, {"sub": None}, {"sub": ""}, {"sub": "s" * 256},
    {"preferred_username": None}, {"preferred_username": ""}, {"preferred_username": ["2026000001"]},
    {"preferred_username": "2" * 201},
], ids=range(29))
def test_what_is_wrong(campus, anonymous, provider, claims):
    complete(anonymous, provider, **claims).expect(403, "token_invalid")
    assert LOGIN not in campus.processes["campus"].log()


def unsigned(claims):
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def with_public_key_as_secret(provider):
    """The oldest trick: HMAC under what everybody knows."""
    import hashlib
    import hmac
    from cryptography.hazmat.primitives import serialization
    public = provider.key.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                            serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(claims):
        text = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded(claims)}"
        return f"{text}.{encoded(hmac.digest(public, text.encode(), hashlib.sha256))}"

    return sign


def tampered(provider):
    def sign(claims):
        header, _payload, signature = provider.key.sign(claims).split(".")
        return f"{header}.{encoded({**claims, 'preferred_username': 'somebody'})}.{signature}"
    return sign


@pytest.mark.parametrize("make", [
    lambda provider: unsigned,
    with_public_key_as_secret,
    tampered,
    lambda provider: lambda claims: Key().sign(claims),  # another's key of the same name
    lambda provider: lambda claims: Key("ES256").sign(claims),
    lambda provider: lambda claims: provider.key.sign(claims, alg="RS512"),
    lambda provider: lambda claims: provider.key.sign(claims, crit=["exp"]),
    lambda provider: lambda claims: provider.key.sign(claims, kid=5),
    lambda provider: lambda claims: provider.key.sign(claims)[:-2],
    lambda provider: lambda claims: provider.key.sign(claims) + "=",
    lambda provider: lambda claims: provider.key.sign(claims) + ".x",
    lambda provider: lambda claims: "a.b.c",
    lambda provider: lambda claims: "",
    lambda provider: lambda claims: None,
    lambda provider: lambda claims: provider.key.sign([claims]),
    lambda provider: lambda claims: provider.key.sign(b"{\"sub\":\"a\",\"sub\":\"b\"}"),
], ids=range(16))
def test_what_is_no_token_of_the_provider(campus, anonymous, provider, make):
    provider.on_token = make(provider)
    complete(anonymous, provider).expect(403, "token_invalid")


def test_a_token_without_the_name_of_its_key(campus, anonymous, provider):
    provider.on_token = lambda claims: _without_kid(provider.key, claims)
    complete(anonymous, provider).expect(201)


def _without_kid(key, claims):
    text = f"{encoded({'alg': key.algorithm})}.{encoded(claims)}".encode()
    return f"{text.decode()}.{encoded(key.signature(text))}"


def test_keys_change(fresh):
    """New keys are fetched at once, yet for the sake of keys that nobody has not more than once a minute."""
    campus, provider = fresh
    campus.start_process("campus")
    with campus.client() as client:
        complete(client, provider).expect(201)
        provider.key = Key("ES256", kid="two")
        provider.keys = [*provider.keys, provider.key]
        complete(client, provider).expect(201)
        provider.key = Key(kid="three")
        complete(client, provider).expect(403, "token_invalid")
        provider.key = provider.keys[0]
        complete(client, provider).expect(201)
        assert provider.asked.count("/keys") == 2


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_other_algorithms(new_campus, algorithm):
    with OwnProvider() as provider:
        provider.key = Key(algorithm, kid="two")
        weak = Key(bits=1024, kid="weak")
        provider.keys = [{"kty": "oct", "k": "c2VjcmV0"}, weak.jwk, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, 5,
                         provider.key.jwk]
        provider.overrides["/keys"] = (200, {}, {"keys": provider.keys})
        with started(new_campus, provider).client() as client:
            complete(client, provider).expect(201)
            provider.on_token = weak.sign
            complete(client, provider).expect(403, "token_invalid")


# -- when the provider fails -------------------------------------------------------------------------------------------


def unavailable(answer):
    answer.expect(503, "provider_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("answer", [(500, {}, b"{}"), (503, {}, b"later"), (429, {}, b"{}"), (200, {}, b"x" * 300_000)],
                         ids=["500", "503", "429", "huge"])
def test_a_token_endpoint_that_fails(campus, anonymous, provider, answer):
    back = came_back(anonymous, provider)
    provider.overrides["/token"] = answer
    unavailable(anonymous.post(COMPLETE, back, headers={"Idempotency-Key": f"sso-{answer[0]}-{len(answer[2])}"}))
    del provider.overrides["/token"]
    anonymous.post(COMPLETE, back, headers={"Idempotency-Key": f"sso-{answer[0]}-{len(answer[2])}"}).expect(201)


@pytest.mark.parametrize("answer, code", [
    ((400, {}, {"error": "invalid_grant"}), "provider_refused"), ((401, {}, {"error": "invalid_client"}), "provider_refused"),
    ((302, {"Location": "http://127.0.0.1:1/"}, b""), "provider_refused"), ((200, {}, b"no JSON"), "token_invalid"),
    ((200, {}, {"id_token": 5}), "token_invalid"), ((200, {}, b"[]"), "token_invalid"),
], ids=["grant", "client", "redirect", "text", "number", "array"])
def test_a_token_endpoint_that_refuses(campus, anonymous, provider, answer, code):
    provider.overrides["/token"] = answer
    complete(anonymous, provider).expect(403, code)


def discovered(**other):
    def make(provider):
        return 200, {}, {**provider.discovery(), **other}
    return make


@pytest.mark.parametrize("make", [
    lambda provider: (404, {}, b"{}"),
    lambda provider: (302, {"Location": f"{provider.issuer}/elsewhere"}, b""),
    lambda provider: (200, {}, b"no JSON"),
    lambda provider: (200, {}, b"x" * 300_000),
    discovered(issuer="https://other.example.com"),
    lambda provider: (200, {}, {**provider.discovery(), "issuer": provider.issuer + "/"}),
    discovered(token_endpoint="http://sso.example.edu.cn/token"),
    discovered(token_endpoint="file:///etc/passwd"),
    discovered(authorization_endpoint=None),
    discovered(jwks_uri="ftp://127.0.0.1/keys"),
], ids=["404", "redirect", "text", "huge", "issuer", "slash", "plain", "file", "missing", "ftp"])
def test_a_discovery_that_cannot_be_believed(fresh, make):
    campus, provider = fresh
    provider.overrides["/.well-known/openid-configuration"] = make(provider)
    campus.start_process("campus")
    with campus.client() as client:
        unavailable(client.post(BEGIN, {}))
        client.post(COMPLETE, {"flow": "f", "state": "s", "code": "c"}).expect(410, "flow_unknown")


@pytest.fixture(scope="module")
def fresh_one(new_campus):
    with OwnProvider() as provider:
        yield started(new_campus, provider), provider


@pytest.fixture
def fresh(fresh_one):
    """A campus that is stopped, so that it will know nothing of its provider."""
    campus, provider = fresh_one
    campus.processes["campus"].stop()
    campus.environment["CAMPUS_LISTEN"] = "127.0.0.1:0"  # its port may be another's by now
    provider.asked.clear()
    yield campus, provider
    provider.reset()


def test_a_provider_that_is_down_is_found_again(fresh):
    campus, provider = fresh
    provider.overrides["/.well-known/openid-configuration"] = (503, {}, b"")
    campus.start_process("campus")
    with campus.client() as client:
        unavailable(client.post(BEGIN, {}))
        asked = len(provider.asked)
        unavailable(client.post(BEGIN, {}))  # not asked again at once
        assert len(provider.asked) == asked
        provider.overrides.clear()
        harness.wait_until(lambda: client.post(BEGIN, {}).status == 200, "found again")


def test_what_is_known_is_kept(fresh):
    campus, provider = fresh
    campus.start_process("campus")
    with campus.client() as client:
        complete(client, provider).expect(201)
        provider.asked.clear()
        provider.overrides["/.well-known/openid-configuration"] = provider.overrides["/keys"] = (503, {}, b"")
        complete(client, provider).expect(201)
        assert provider.asked == ["/token"]


def test_a_silent_provider_delays_nobody_else(fresh):
    """Neither others' reads and writes nor the hashing of a password wait; and nobody waits for ever."""
    campus, provider = fresh
    campus.start_process("campus")
    with campus.client() as client:
        begun = [came_back(client, provider) for _ in range(6)]
    provider.silent.set()
    answers = []

    def wait_for(back):
        with campus.client() as client:
            start = time.monotonic()
            answers.append((client.post(COMPLETE, back), time.monotonic() - start))

    threads = [threading.Thread(target=wait_for, args=(back,)) for back in begun]
    for thread in threads:
        thread.start()
    harness.wait_until(lambda: provider.asked.count("/token") >= 4, "asked")
    slowest = 0
    with campus.client(campus.key()) as admin:
        for _ in range(20):
            start = time.monotonic()
            admin.get("/v1/organisations/sso").expect(200)
            admin.post("/v1/organisations", {"path": "sso", "kind": "university", "title": "大学"}).expect(409)
            slowest = max(slowest, time.monotonic() - start)
        admin.post("/v1/sessions", {"login": "nobody", "password": "a long password"}).expect(401, "credentials_wrong")
        assert not answers  # all that while the others waited
    for thread in threads:
        thread.join()
    provider.released.set()
    assert slowest < 2
    assert all(seconds < 21 for _answer, seconds in answers)
    assert {answer.status for answer, _seconds in answers} <= {503, 504}


# -- our own failures --------------------------------------------------------------------------------------------------


def test_a_sign_in_takes_ten_minutes_at_most(new_campus, provider):
    campus = started(new_campus, provider)
    with campus.client() as client:
        late, early = came_back(client, provider), came_back(client, provider)
        campus.sql("UPDATE campus.clock SET shift = '9 minutes 50 seconds'")
        client.post(COMPLETE, early).expect(201)
        campus.sql("UPDATE campus.clock SET shift = '10 minutes'")
        client.post(COMPLETE, late).expect(410, "flow_unknown")
        campus.sql("UPDATE campus.clock SET shift = '2 hours'")
    campus.processes["campus"].stop()
    campus.start_process("campus")
    harness.wait_until(lambda: campus.value("SELECT count(*) FROM membership.sign_on_flow") == "0", "swept")
    assert "refused" not in campus.processes["campus"].full_log()


def test_a_database_that_goes_between_code_and_answer(new_campus, provider):
    """The code is spent and nobody is signed in; it is said so, and beginning anew works."""
    campus = started(new_campus, provider)
    with campus.client() as client:
        back = came_back(client, provider)
        provider.on_redeem = campus.cluster.crash
        client.post(COMPLETE, back, headers={"Idempotency-Key": "sso-crash"}).expect(503, "unavailable")
        provider.on_redeem = None
        campus.cluster.start()
        harness.wait_until(lambda: client.get("/readyz").status == 200, "ready")
        harness.wait_until(lambda: client.post(BEGIN, {}).status == 200, "the database is back")
        client.post(COMPLETE, back, headers={"Idempotency-Key": "sso-crash"}).expect(403, "provider_refused")
        assert campus.value("SELECT count(*) FROM membership.session") == "0"
        complete(client, provider).expect(201)


def test_several_pages(new_campus, provider):
    other = "http://localhost:3000/back"
    campus = started(new_campus, provider, CAMPUS_OIDC_REDIRECT_URI=f"{REDIRECT},{other}")
    with campus.client() as client:
        client.post(BEGIN, {}).expect(422, "redirect_uri_unknown")
        begun = client.post(BEGIN, {"redirect_uri": other}).expect(200).json()
        client.post(COMPLETE, {"flow": begun["flow"], **provider.authorize(begun["authorization_url"], LOGIN)}).expect(201)
