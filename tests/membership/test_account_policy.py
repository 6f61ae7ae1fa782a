"""test_account_policy.py -- what is asked of accounts, read and changed through the API."""

import pytest

from api.given import check_problem, new_key, union
from harness import wait_until
from membership.signing import account, invite, session, set_up, sign_in

PATH = "/v1/account_policy"
FIRST = {"password_shortest": 12, "idle_seconds": 1800, "session_seconds": 43200, "overlap_seconds": 60, "setup_seconds": 604800,
         "reset_seconds": 3600, "failures_of_client": 5, "client_seconds": 900, "failures_in_all": 30, "all_seconds": 3600,
         "client_known_days": 90, "mails_at_once": 3, "mail_seconds": 3600, "statuses": ["active", "on_leave", "graduated"]}
# The most and the least of each number, as the schema has them at the table and in the contract.
BOUNDS = {"password_shortest": (10, 64), "idle_seconds": (60, 86400), "session_seconds": (300, 2592000), "overlap_seconds": (0, 600),
          "setup_seconds": (3600, 2592000), "reset_seconds": (300, 86400), "failures_of_client": (1, 100),
          "client_seconds": (60, 86400), "failures_in_all": (1, 1000), "all_seconds": (60, 86400), "client_known_days": (1, 365),
          "mails_at_once": (1, 20), "mail_seconds": (60, 86400)}


@pytest.fixture(scope="module")
def campus(new_campus):
    """A campus of its own: the policy is everybody's."""
    return new_campus()


@pytest.fixture(autouse=True)
def as_at_first(client):
    yield
    client.patch(PATH, FIRST, etag="*").expect(200)


def values(policy):
    return {name: policy[name] for name in FIRST} | {"statuses": sorted(policy["statuses"])}


def test_it_is_read_and_changed(campus, client):
    told = client.get(PATH).expect(200)
    assert values(told.json()) == FIRST | {"statuses": sorted(FIRST["statuses"])}
    assert told.etag == f'"{told.json()["version"]}"'
    changed = client.patch(PATH, {"session_seconds": 7200, "statuses": ["left", "active", "left"]}, etag=told.etag).expect(200)
    assert changed.json()["version"] == told.json()["version"] + 1
    now = client.get(PATH).expect(200)
    assert now.json() == changed.json() and now.etag == changed.etag
    assert values(now.json()) == FIRST | {"session_seconds": 7200, "statuses": ["active", "left"]}
    assert client.get(PATH, headers={"If-None-Match": now.etag}).status == 304
    fact, = campus.sql("SELECT subject, data->>'fields', method FROM membership.fact WHERE type = 'policy.changed' ORDER BY id DESC LIMIT 1")
    assert fact == ["account", '["session_seconds", "statuses"]', "PatchAccountPolicy"]


def test_who_read_another_version_changes_nothing(client):
    before = client.get(PATH).json()
    client.patch(PATH, {"mails_at_once": 2}, etag=f'"{before["version"]}"').expect(200)
    check_problem(client.patch(PATH, {"mails_at_once": 4}, etag=f'"{before["version"]}"'), 412, "stale_version")
    check_problem(client.request("PATCH", PATH, json={"mails_at_once": 4}), 428)
    assert client.get(PATH).json()["mails_at_once"] == 2


@pytest.mark.parametrize("name", BOUNDS)
def test_each_number_has_its_bounds(client, name):
    least, most = BOUNDS[name]
    for value in (least - 1, most + 1, None, "1"):
        check_problem(client.patch(PATH, {name: value}, etag="*"), 422, "invalid")
    others = {"session_seconds": 2592000} if name == "idle_seconds" else {}
    others |= {"idle_seconds": 300, "overlap_seconds": 0} if name == "session_seconds" else {}
    others |= {"overlap_seconds": 0} if name == "idle_seconds" else {}
    others |= {"failures_in_all": 1000} if name == "failures_of_client" else {}
    others |= {"failures_of_client": 1} if name == "failures_in_all" else {}
    for value in (least, most):
        assert client.patch(PATH, {**others, name: value}, etag="*").expect(200).json()[name] == value


@pytest.mark.parametrize("change, code, field", [
    ({"idle_seconds": 7200, "session_seconds": 3600}, "idle_beyond_session", "/idle_seconds"),
    ({"session_seconds": 900}, "idle_beyond_session", "/idle_seconds"),
    ({"idle_seconds": 60, "overlap_seconds": 61}, "overlap_beyond_idle", "/overlap_seconds"),
    ({"failures_in_all": 4}, "failures_in_all_too_few", "/failures_in_all"),
    ({"statuses": ["graduated"]}, "active_shut_out", "/statuses")])
def test_what_holds_between_them(client, change, code, field):
    before = client.get(PATH).json()
    check_problem(client.patch(PATH, change, etag="*"), 422, code, {field: code})
    assert client.get(PATH).json() == before


def test_statuses_are_some(client):
    for wrong in ([], None, ["retired"], "active"):
        check_problem(client.patch(PATH, {"statuses": wrong}, etag="*"), 422, "invalid")


def test_who_may(campus, client):
    """It is read by who reads policies anywhere, and changed for the whole campus."""
    top = union(client)
    def key(permission, path=None):
        return campus.client(new_key(client, f"membership.policies.{permission}", path)["secret"])
    with key("read", top) as reader, key("write", top) as local, key("write") as writer:
        reader.get(PATH).expect(200)
        check_problem(reader.patch(PATH, {"mails_at_once": 2}, etag="*"), 403, "permission_denied")
        check_problem(local.patch(PATH, {"mails_at_once": 2}, etag="*"), 403, "permission_denied")
        check_problem(local.get(PATH), 403, "permission_denied")
        writer.patch(PATH, {"mails_at_once": 2}, etag="*").expect(200)


def test_it_is_in_force_at_once(campus, client, anonymous):
    """For sessions and passwords from now on; who may not sign in any more is out."""
    one = account(client, anonymous)
    before = session(anonymous, one)
    client.patch(PATH, {"idle_seconds": 120, "session_seconds": 600, "password_shortest": 20, "setup_seconds": 3600}, etag="*").expect(200)
    lengths = """SELECT extract(epoch FROM ends_at - created_at)::int, idle_seconds FROM membership.session
                  WHERE person_id = '{}' ORDER BY id""".format(one["id"])
    sign_in(anonymous, one["student_number"]).expect(201)
    assert campus.sql(lengths) == [["43200", "1800"], ["600", "120"]]
    check_problem(set_up(anonymous, invite(client, one["id"])["token"], "黄昏 的 第七 只 鹤"), 422)
    client.patch(f"/v1/people/{one['id']}", {"status": "on_leave"}, etag="*").expect(200)
    client.patch(PATH, {"statuses": ["active"]}, etag="*").expect(200)
    with campus.client(before) as holder:
        wait_until(lambda: holder.get("/v1/me").status == 401, "the session to end")
    check_problem(sign_in(anonymous, one["student_number"]), 401, "credentials_wrong")
