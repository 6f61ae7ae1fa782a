"""test_sign_in.py -- who signs in, who does not, and that nobody learns which logins there are or keeps another out."""

import concurrent.futures
import ctypes

import pytest

from api.given import check_problem, new_label, new_number, person
from harness import wait_until
from membership.signing import (OTHER_PASSWORD, PASSWORD, account, code_of, college, invite, now_of, second_factor, session,
                                set_up, sign_in)


@pytest.fixture(scope="module")
def campus(new_campus):
    """The test is a proxy, so that it can come from any address."""
    return new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1", "CAMPUS_RATE_ADDRESS": "100000"})


@pytest.fixture(scope="module")
def given(campus):
    """A college, for all."""
    with campus.client(campus.key()) as client:
        return college(client)


@pytest.fixture
def one(client, anonymous, given):
    return account(client, anonymous, given)


def test_session_of_a_person(campus, client, anonymous, one):
    answer = sign_in(anonymous, one["student_number"]).expect(201)
    session_of = answer.json()
    assert session_of["secret"].startswith("campus_s_") and session_of["person_id"] == one["id"]
    assert session_of["second_factor"] is False
    with campus.client(session_of["secret"]) as holder:
        seen = holder.get(f"/v1/people/{one['id']}").expect(200).json()
        assert seen["student_number"] == one["student_number"]
        check_problem(holder.get("/v1/people"), 403, "permission_denied")  # nothing is held but one's own
    assert client.get(f"/v1/people/{one['id']}/account").json()["signed_in_at"]
    hours, idle = campus.sql(f"SELECT extract(epoch FROM ends_at - created_at)::int, idle_seconds FROM membership.session"
                             f" WHERE id = '{session_of['id']}'")[0]
    assert (int(hours), int(idle)) == (12 * 3600, 1800)


def test_by_email(client, anonymous, given):
    address = f"{new_label('li')}@campus.example"
    one = account(client, anonymous, given, email=address)
    assert sign_in(anonymous, address.upper()).expect(201).json()["person_id"] == one["id"]
    person(client, given, email=address.title())  # now it is nobody's
    check_problem(sign_in(anonymous, address), 401, "credentials_wrong")
    sign_in(anonymous, one["student_number"]).expect(201)


def test_secret_is_stored_nowhere(campus, anonymous, one):
    secret = session(anonymous, one)
    dump = campus.cluster.sql("SELECT s::text FROM membership.session s UNION ALL SELECT a::text FROM membership.answer a"
                              " UNION ALL SELECT a::text FROM membership.account a UNION ALL SELECT f::text FROM membership.fact f")
    text = "\n".join(row[0] for row in dump)
    assert secret not in text and secret[9:] not in text and PASSWORD not in text
    logs = "\n".join(campus.logs().values())
    assert secret not in logs and PASSWORD not in logs and one["student_number"] not in logs


def test_nobody_is_as_much_work_as_somebody(new_campus):
    """Not by the clock: by what is done. Each attempt computes one hash, and counts two failures."""
    campus = new_campus()
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        home = college(client)
        one, locked, left = (account(client, anonymous, home) for _ in range(3))
        client.post(f"/v1/people/{locked['id']}/account:lock", {"reason": "test"}).expect(200)
        client.patch(f"/v1/people/{left['id']}", {"status": "left"}, etag="*").expect(200)
        bare = person(client, home)  # has no account
        asked = [(one["student_number"], OTHER_PASSWORD)]
        asked += [(login, PASSWORD) for login in (new_number(), *(p["student_number"] for p in (bare, locked, left)))]
        told = []
        for n, (login, password) in enumerate(asked, 1):
            problem = check_problem(sign_in(anonymous, login, password), 401, "credentials_wrong")
            told.append({name: value for name, value in problem.items() if name != "request_id"})
            assert campus.value("SELECT sum(count) FROM membership.sign_in_failure") == str(2 * n), login
            hashes = 3 + n  # three passwords were set
            wait_until(lambda hashes=hashes: int(campus.metric("campus_password_hashes_total")) == hashes, f"a hash for {login}")
        assert all(each == told[0] for each in told), told


def test_statuses(campus, client, anonymous, given):
    """Who has graduated signs in, who has left does not, with an old session neither; the policy says so."""
    one = account(client, anonymous, given)
    secret = session(anonymous, one)
    client.patch(f"/v1/people/{one['id']}", {"status": "graduated"}, etag="*").expect(200)
    sign_in(anonymous, one["student_number"]).expect(201)
    client.patch(f"/v1/people/{one['id']}", {"status": "left"}, etag="*").expect(200)
    check_problem(sign_in(anonymous, one["student_number"]), 401, "credentials_wrong")
    with campus.client(secret) as holder:
        check_problem(holder.get("/v1/me"), 401, "unauthenticated")


# -- throttling --------------------------------------------------------------------------------------------------------


def fail(anonymous, login, times, address, password=OTHER_PASSWORD):
    return [sign_in(anonymous, login, password, address=address).code for _ in range(times)]


@pytest.mark.parametrize("known", [True, False])
def test_too_many_from_one_network(anonymous, one, known):
    """The same for a login that nobody has. Even the right password waits then; from elsewhere it does not."""
    login, address = one["student_number"] if known else new_number(), "198.51.100.7"
    assert fail(anonymous, login, 6, address) == ["credentials_wrong"] * 5 + ["too_many_attempts"]
    answer = sign_in(anonymous, login, address=address)
    problem = check_problem(answer, 429, "too_many_attempts")
    assert 1 <= int(answer.headers["Retry-After"]) <= 900 and problem["retry_after"] == int(answer.headers["Retry-After"])
    check_problem(sign_in(anonymous, login, OTHER_PASSWORD, address="198.51.100.8"), 401, "credentials_wrong")
    if known:
        sign_in(anonymous, login, address="198.51.100.8").expect(201)


def test_one_login_in_many_ways(client, anonymous, given):
    """An address has as many attempts however it is written, and no letter beyond ASCII stands for another."""
    label, address = new_label("liiii"), "198.51.100.10"
    login = f"{label}@campus.example"
    one = account(client, anonymous, given, email=login)
    ways = [login, login.upper(), login.title(), login.replace("l", "L"), login.replace("i", "I")]
    codes = [sign_in(anonymous, way, OTHER_PASSWORD, address=address).code for way in ways + ways[:1]]
    assert codes == ["credentials_wrong"] * 5 + ["too_many_attempts"]
    for way in (login.replace("i", "\u0130"), login.replace("i", "\u0131"), login.replace("l", "\uff4c")):
        check_problem(sign_in(anonymous, way, address="198.51.100.11"), 401, "credentials_wrong")
    sign_in(anonymous, login.upper(), address="198.51.100.11").expect(201)
    for way in (one["student_number"].translate({48 + n: 0xFF10 + n for n in range(10)}), f" {login}", "nobody", "a b", "\u674e"):
        answer = sign_in(anonymous, way, OTHER_PASSWORD, address="198.51.100.12")
        assert answer.status == (401 if way == "nobody" else 422), way


def test_success_forgives(anonymous, one):
    login, address = one["student_number"], "198.51.100.9"
    for _ in range(3):
        fail(anonymous, login, 4, address)
        sign_in(anonymous, login, address=address).expect(201)


def test_nobody_keeps_another_out(anonymous, one):
    """Failures from a hundred networks do not concern the one from which the person has signed in before; elsewhere they do."""
    login, home = one["student_number"], "203.0.113.1"
    sign_in(anonymous, login, address=home).expect(201)
    codes = [sign_in(anonymous, login, OTHER_PASSWORD, address=f"198.51.{n // 200}.{n % 200}").code for n in range(40)]
    assert codes == ["credentials_wrong"] * 30 + ["too_many_attempts"] * 10
    check_problem(sign_in(anonymous, login, address="192.0.2.99"), 429, "too_many_attempts")
    sign_in(anonymous, login, address=home).expect(201)


def test_unknown_logins_are_counted_alike(anonymous):
    login = new_number()
    codes = [sign_in(anonymous, login, OTHER_PASSWORD, address=f"198.52.{n // 200}.{n % 200}").code for n in range(32)]
    assert codes == ["credentials_wrong"] * 30 + ["too_many_attempts"] * 2


def test_known_networks_do_not_tell(anonymous, one):
    """After too many failures from anywhere, who has not the password is told the same from a network that is known: of somebody
    and of nobody, as often, and for as long."""
    home, told = "203.0.113.2", []
    sign_in(anonymous, one["student_number"], address=home).expect(201)
    for login in (one["student_number"], new_number()):
        for n in range(30):
            check_problem(sign_in(anonymous, login, OTHER_PASSWORD, address=f"198.54.0.{n}"), 401, "credentials_wrong")
        answers = [sign_in(anonymous, login, OTHER_PASSWORD, address=home) for _ in range(7)]
        told.append([(answer.code, int(answer.headers["Retry-After"]) > 900) for answer in answers])
    assert told == [[("too_many_attempts", True)] * 7] * 2


def test_known_networks_are_no_place_to_guess(anonymous, one):
    """What fails there is counted there, also where nothing else is counted any more."""
    login, home = one["student_number"], "203.0.113.3"
    sign_in(anonymous, login, address=home).expect(201)
    for n in range(30):
        sign_in(anonymous, login, OTHER_PASSWORD, address=f"198.55.0.{n}")
    assert fail(anonymous, login, 4, home) == ["too_many_attempts"] * 4
    sign_in(anonymous, login, address=home).expect(201)
    assert fail(anonymous, login, 5, home) == ["too_many_attempts"] * 5
    check_problem(sign_in(anonymous, login, address=home), 429, "too_many_attempts")


def test_a_token_by_mail_opens_the_way_from_a_new_network(campus, client, anonymous, given):
    one = account(client, anonymous, given, email=f"{new_label('way')}@campus.example")
    login = one["student_number"]
    for n in range(31):
        sign_in(anonymous, login, OTHER_PASSWORD, address=f"198.53.0.{n}")
    check_problem(sign_in(anonymous, login, address="192.0.2.77"), 429, "too_many_attempts")
    token = invite(client, one["id"])["token"]
    set_up(anonymous, token, headers={"X-Forwarded-For": "192.0.2.77"}).expect(200)
    sign_in(anonymous, login, address="192.0.2.77").expect(201)


def test_many_attempts_at_once_are_no_more_than_the_limit(campus, one):
    """Their hashes are computed side by side, but they are judged one after another."""
    def attempt(n):
        with campus.client() as client:
            return sign_in(client, one["student_number"], f"{OTHER_PASSWORD} {n}", address="198.51.100.20").code
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(attempt, range(12)))
    assert codes.count("credentials_wrong") == 5 and set(codes) <= {"credentials_wrong", "too_many_attempts"}, codes


def test_networks_are_kept_as_hashes(campus, anonymous, one):
    sign_in(anonymous, one["student_number"], address="203.0.113.200").expect(201)
    fail(anonymous, one["student_number"], 1, "203.0.113.201")
    assert campus.value("SELECT bool_and(octet_length(client) = 32 OR client = '\\x00') FROM membership.sign_in_failure") == "t"
    assert campus.value("SELECT bool_and(octet_length(client) = 32) FROM membership.account_client") == "t"


def test_wait_ends(new_campus):
    campus = new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1"})
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        one = account(client, anonymous)
        fail(anonymous, one["student_number"], 6, "198.51.100.30")
        check_problem(sign_in(anonymous, one["student_number"], address="198.51.100.30"), 429, "too_many_attempts")
        campus.sql("UPDATE campus.clock SET shift = '15 minutes 1 second'")
        sign_in(anonymous, one["student_number"], address="198.51.100.30").expect(201)


def test_limits_are_policy(new_campus):
    campus = new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1"})
    campus.sql("UPDATE membership.account_policy SET failures_of_client = 2, statuses = '{active,left}'")
    with campus.client(campus.key()) as client, campus.client() as anonymous:
        one = account(client, anonymous)
        client.patch(f"/v1/people/{one['id']}", {"status": "left"}, etag="*").expect(200)
        sign_in(anonymous, one["student_number"], address="198.51.100.31").expect(201)
        assert fail(anonymous, one["student_number"], 3, "198.51.100.31")[-1] == "too_many_attempts"


# -- repeated requests -------------------------------------------------------------------------------------------------


def test_repeated_request_gives_the_same_session(campus, anonymous, one):
    key = {"Idempotency-Key": new_label("sign-in-")}
    first, again = (sign_in(anonymous, one["student_number"], headers=key).expect(201) for _ in range(2))
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"
    assert campus.value(f"SELECT count(*) FROM membership.session WHERE person_id = '{one['id']}'") == "1"


def test_a_key_that_another_used_leads_nowhere(client, anonymous, given, one):
    """Both are called as nobody."""
    other = account(client, anonymous, given)
    key = {"Idempotency-Key": new_label("shared-")}
    sign_in(anonymous, one["student_number"], headers=key).expect(201)
    check_problem(sign_in(anonymous, other["student_number"], headers=key), 422, "idempotency_key_reused")


def test_repeated_failure_counts_once(campus, anonymous, one):
    key = {"Idempotency-Key": new_label("wrong-")}
    for _ in range(7):
        check_problem(sign_in(anonymous, one["student_number"], OTHER_PASSWORD, headers=key), 401, "credentials_wrong")
    sign_in(anonymous, one["student_number"]).expect(201)


# -- the second factor -------------------------------------------------------------------------------------------------


def test_second_factor(campus, anonymous, one):
    login = one["student_number"]
    with campus.client(session(anonymous, one)) as holder:
        secret, at, codes = second_factor(campus, holder)
    check_problem(sign_in(anonymous, login, OTHER_PASSWORD, "000000"), 401, "credentials_wrong")  # tells nothing of a factor
    check_problem(sign_in(anonymous, login), 401, "second_factor_required")
    check_problem(sign_in(anonymous, login, code=code_of(secret, at)), 401, "second_factor_wrong")  # it has served already
    check_problem(sign_in(anonymous, login, code=code_of(secret, at + 3600)), 401, "second_factor_wrong")
    next_code = code_of(secret, at + 30)
    assert sign_in(anonymous, login, code=next_code).expect(201).json()["second_factor"] is True
    check_problem(sign_in(anonymous, login, code=next_code), 401, "second_factor_wrong")
    sign_in(anonymous, login, code=codes[0].upper()).expect(201)
    check_problem(sign_in(anonymous, login, code=codes[0]), 401, "second_factor_wrong")
    sign_in(anonymous, login, code=codes[1].replace("-", "")).expect(201)
    check_problem(sign_in(anonymous, login, code="aaaaa-bbbbb"), 401, "second_factor_wrong")


def test_codes_are_not_guessed(campus, anonymous, one):
    address = "198.51.100.40"
    with campus.client(session(anonymous, one, address=address)) as holder:
        second_factor(campus, holder)
    codes = [sign_in(anonymous, one["student_number"], code=f"{n:06d}", address=address).code for n in range(6)]
    assert codes == ["second_factor_wrong"] * 5 + ["too_many_attempts"]


def test_one_code_at_once(campus, client, anonymous, given):
    """The same recovery code, and the same code of the authenticator, by several at once, by both logins: one gets in."""
    one = account(client, anonymous, given, email=f"{new_label('twice')}@campus.example")
    with campus.client(session(anonymous, one)) as holder:
        secret, at, codes = second_factor(campus, holder)
    campus.sql(f"UPDATE membership.account SET totp_step = 0 WHERE person_id = '{one['id']}'")
    for code in (codes[0], code_of(secret, now_of(campus))):
        def attempt(n, code=code):
            with campus.client() as other:
                login = one["student_number"] if n % 2 else one["email"]
                return sign_in(other, login, code=code, address=f"198.51.101.{n}").status
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            statuses = sorted(pool.map(attempt, range(6)))
        assert statuses == [201] + [401] * 5


def weak_hash(password):
    """Argon2id with less memory than is used now, as a release of before might have."""
    sodium = ctypes.CDLL("libsodium.so.23")
    text, secret = ctypes.create_string_buffer(128), password.encode()
    assert sodium.crypto_pwhash_str_alg(text, secret, ctypes.c_ulonglong(len(secret)), ctypes.c_ulonglong(1),
                                        ctypes.c_size_t(8 << 20), 2) == 0
    return text.value.decode()


def test_old_hashes_are_renewed(campus, anonymous, one):
    """It is the same password still, and is kept better from then on."""
    where = f"membership.account WHERE person_id = '{one['id']}'"
    campus.sql(f"UPDATE membership.account SET password_hash = '{weak_hash(PASSWORD)}' WHERE person_id = '{one['id']}'")
    check_problem(sign_in(anonymous, one["student_number"], OTHER_PASSWORD), 401, "credentials_wrong")
    assert campus.value(f"SELECT password_hash FROM {where}").startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    for _ in range(2):
        sign_in(anonymous, one["student_number"]).expect(201)
        assert campus.value(f"SELECT password_hash FROM {where}").startswith("$argon2id$v=19$m=9216,t=4,p=1$")


def test_flood_is_told_to_come_again(campus, one):
    """More than can be hashed in time: some are refused at once, others' reads are answered meanwhile."""
    def attempt(n):
        with campus.client() as client:
            answer = sign_in(client, f"nobody-{n}", address="198.51.102.1")
            return answer.status, answer.headers.get("Retry-After")
    with concurrent.futures.ThreadPoolExecutor(80) as pool, campus.client(campus.key()) as reader:
        attempts = [pool.submit(attempt, n) for n in range(160)]
        for _ in range(20):
            reader.get(f"/v1/people/{one['id']}").expect(200)
        answers = [one.result() for one in attempts]
    assert {status for status, _ in answers} <= {401, 503} and (401, None) in answers
    assert all(wait and int(wait) >= 1 for status, wait in answers if status == 503)
