"""test_gone.py -- whoever records that somebody has graduated or left: their offices are vacant from that day on."""

import pytest

from api.given import check_problem, membership, new_key, person, union
from load import Lock, send, wait_blocked
from membership.recruiting import applied, campaign
from membership.staff import appoint, appointed, grant, standing_office, today

GONE = ["graduated", "left"]


def by_patch(client, one, status):
    client.patch(f"/v1/people/{one['id']}", {"status": status}, etag="*").expect(200)


def by_roster(client, one, status, **query):
    text = f"学号,状态\n{one['student_number']},{status}\n"
    return client.post("/v1/people:import", raw=text.encode(), type="text/csv", query=query).expect(200).json()["rows"][0]


WAYS = {"patch": by_patch, "roster": by_roster}


def vacant(client, top):
    rows = client.get("/v1/vacancies", query={"within": top, "state": "vacant"}).expect(200).json().get("vacancies", [])
    return {row["office_id"] for row in rows}


def end(client, path):
    told = client.get(path).expect(200).json()
    return told.get("until"), told.get("reason")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", GONE)
def test_who_goes_leaves_all_that_they_held(campus, client, status, way):
    top = union(client)
    one = person(client, top)
    chair, head = standing_office(client, top)["id"], standing_office(client, f"{top}.learning", "head")["id"]
    held = appointed(client, chair, one["id"], since="2025-09-01", term_until="2099-08-31")["id"]
    planned = appointed(client, head, one["id"], since=today(campus, 30))["id"]
    member = membership(client, one["id"], top, since="2024-01-01")["id"]
    coming = membership(client, one["id"], f"{top}.learning", since=today(campus, 30))["id"]
    honoured = membership(client, one["id"], f"{top}.sports", since="2024-01-01", kind="honorary")["id"]
    grant(campus, one["id"], ["membership.people.read"], top)
    application, = applied(campus, client, campaign(client, top, tracks=[{"organisation": f"{top}.sports"}])["id"])
    campus.sql(f"UPDATE membership.application SET person_id = '{one['id']}' WHERE id = '{application}'")
    assert chair not in vacant(client, top)

    WAYS[way](client, one, status)
    assert client.get(f"/v1/people/{one['id']}").json()["status"] == status
    assert end(client, f"/v1/appointments/{held}") == (today(campus), status)
    assert end(client, f"/v1/appointments/{planned}") == (today(campus, 30), status)
    assert end(client, f"/v1/memberships/{member}") == (today(campus), status)
    assert end(client, f"/v1/memberships/{coming}") == (today(campus, 30), status)
    assert end(client, f"/v1/memberships/{honoured}") == (None, None)
    assert client.get(f"/v1/applications/{application}").json()["state"] == "withdrawn"
    assert {chair, head} <= vacant(client, top)
    facts = campus.sql(f"""SELECT type, count(*) FROM membership.fact
                            WHERE subject IN ('{held}', '{planned}', '{member}', '{coming}', '{application}')
                               OR data->>'person_id' = '{one['id']}' AND type = 'grant.revoked'
                            GROUP BY type HAVING type NOT LIKE '%.started' ORDER BY type""")
    assert facts == [["application.withdrawn", "1"], ["appointment.ended", "2"], ["grant.revoked", "1"], ["membership.ended", "2"]]
    successor = person(client, top)["id"]
    appointed(client, chair, successor)


def test_what_had_ended_before_stays_as_it_was(campus, client):
    top = union(client)
    one = person(client, top)
    over = appointed(client, standing_office(client, top)["id"], one["id"], since="2024-09-01")["id"]
    client.post(f"/v1/appointments/{over}:end", {"reason": "resigned", "until": "2025-09-01"}).expect(200)
    before = client.get(f"/v1/appointments/{over}").json()
    by_patch(client, one, "left")
    assert client.get(f"/v1/appointments/{over}").json() == before


@pytest.mark.parametrize("way", WAYS)
def test_who_is_gone_already_goes_no_more(campus, client, way):
    """Their record is kept on, and what they were given since stays."""
    top = union(client)
    one = person(client, top)
    WAYS[way](client, one, "graduated")
    grant(campus, one["id"], ["membership.people.read"], top)
    client.patch(f"/v1/people/{one['id']}", {"status": "graduated", "class_name": "2201班"}, etag="*").expect(200)
    text = f"学号,状态,班级\n{one['student_number']},毕业,2202班\n"
    row = client.post("/v1/people:import", raw=text.encode(), type="text/csv").expect(200).json()["rows"][0]
    assert row["outcome"] == "updated"
    assert campus.sql(f"SELECT until FROM membership.role_grant WHERE person_id = '{one['id']}'") == [[None]]


@pytest.mark.parametrize("way", WAYS)
def test_who_is_on_leave_keeps_their_office(client, way):
    top = union(client)
    one = person(client, top)
    held = appointed(client, standing_office(client, top)["id"], one["id"])["id"]
    WAYS[way](client, one, "on_leave")
    assert end(client, f"/v1/appointments/{held}") == (None, None)


def test_who_comes_back_is_appointed_anew(client):
    top = union(client)
    one = person(client, top)
    chair = standing_office(client, top)["id"]
    held = appointed(client, chair, one["id"])["id"]
    by_patch(client, one, "left")
    by_patch(client, one, "active")
    assert end(client, f"/v1/appointments/{held}")[1] == "left" and chair in vacant(client, top)
    appointed(client, chair, one["id"])


def test_a_dry_run_ends_nothing(client):
    top = union(client)
    one = person(client, top)
    held = appointed(client, standing_office(client, top)["id"], one["id"])["id"]
    assert by_roster(client, one, "left", dry_run="true")["outcome"] == "updated"
    assert end(client, f"/v1/appointments/{held}") == (None, None)


@pytest.mark.parametrize("status", GONE)
def test_nobody_unseats_who_may_do_more(campus, client, status):
    """The record's keeper is no less than those whose offices would fall vacant."""
    top = union(client)
    one = person(client, top)
    chair = standing_office(client, top, roles=["chair"])["id"]
    held = appointed(client, chair, one["id"])["id"]
    with campus.client(new_key(client, "membership.people.write", top)["secret"]) as keeper:
        check_problem(keeper.patch(f"/v1/people/{one['id']}", {"status": status}, etag="*"), 403, "authority_exceeds_yours")
        row = by_roster(keeper, one, status)
        assert (row["code"], row["field"]) == ("authority_exceeds_yours", "status")
    assert end(client, f"/v1/appointments/{held}") == (None, None)


@pytest.mark.parametrize("way", WAYS)
def test_who_is_appointed_meanwhile(campus, client, admin, way):
    """Either comes first; in neither order does somebody who is gone hold an office."""
    top = union(client)
    one = person(client, top)
    chair = standing_office(client, top)["id"]
    with Lock(campus, f"SELECT FROM membership.office WHERE id = '{chair}' FOR UPDATE") as held:
        asked = {"office_id": chair, "person_id": one["id"], "chosen": "election"}
        made = send(campus, admin, "POST", "/v1/appointments", json=asked)
        wait_blocked(campus)
        WAYS[way](client, one, "left")
        held.release()
        check_problem(made.answer(), 409, "person_not_enrolled")
    assert appoint(client, chair, person(client, top)["id"]).status == 201
