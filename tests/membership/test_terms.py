"""test_terms.py -- until when memberships run, how they are renewed and expire. The clock stands where each test puts it."""

import pytest

from api.given import check_problem, membership, new_key, organisation, person, union
from harness import wait_until
from load import BLOCKED, Sent
from membership.recruiting import PLANNED, branches, somebody


@pytest.fixture(autouse=True)
def clock(campus):
    """Sets the day; at first it is 1 June 2030."""
    def set_day(day):
        campus.sql(f"UPDATE campus.clock SET shift = timestamptz '{day} 12:00+08' - pg_catalog.now()")

    set_day("2030-06-01")
    yield set_day


def term(client, path, **more):
    asked = {"renewal": "yearly", "month": 9, "day": 30, "opens_days": 60, "grace_days": 10, **more}
    return client.put(f"/v1/membership_terms/{path}", {name: value for name, value in asked.items() if value is not None})


def post(client, made, verb, **fields):
    return client.post(f"/v1/memberships/{made['id']}:{verb}", fields)


def bulk(client, verb, **fields):
    return client.post(f"/v1/memberships:{verb}", fields)


def renew_by(client, made):
    return client.get(f"/v1/memberships/{made['id']}").json().get("renew_by")


def test_terms_reach_down_to_the_next(campus, client):
    top, first, second = branches(client)
    below = organisation(client, f"{second}.below")["path"]
    check_problem(client.get(f"/v1/membership_terms/{top}"), 404)
    ones = {path: membership(client, person(client, top)["id"], path) for path in (top, first, second, below)}
    honoured = membership(client, person(client, top)["id"], top, kind="honorary")
    assert renew_by(client, ones[top]) is None
    told = term(client, second, month=3, day=1).expect(200).json()
    assert told["memberships"] == 2 and renew_by(client, ones[below]) == "2031-03-01"
    told = term(client, top).expect(200).json()
    assert told["memberships"] == 2 and told["version"] == 1 and told["organisation"] == told["set_for"] == top
    assert [renew_by(client, ones[path]) for path in (top, first, second)] == ["2030-09-30", "2030-09-30", "2031-03-01"]
    assert renew_by(client, honoured) is None
    assert client.get(f"/v1/membership_terms/{first}").expect(200).json() == {
        "organisation": first, "set_for": top, "renewal": "yearly", "month": 9, "day": 30, "opens_days": 60, "grace_days": 10,
        "version": 1, "updated_at": told["updated_at"]}
    told = term(client, top, renewal="none", month=None, day=None).expect(200).json()
    assert told["version"] == 2 and told["memberships"] == 2 and renew_by(client, ones[first]) is None
    assert membership(client, person(client, top)["id"], first).get("renew_by") is None
    assert membership(client, person(client, top)["id"], below)["renew_by"] == "2031-03-01"
    assert campus.value(f"SELECT count(*) FROM membership.fact WHERE type = 'membership_term.set' AND subject = '{top}'") == "2"


def test_a_term_that_is_set_again_undoes_no_renewal(campus, client, clock):
    top = union(client)
    term(client, top).expect(200)
    renewed, overdue = (membership(client, person(client, top)["id"], top) for _ in range(2))
    clock("2030-09-01")
    assert post(client, renewed, "renew").expect(200).json()["renew_by"] == "2031-09-30"
    assert term(client, top, grace_days=20).expect(200).json()["memberships"] == 0
    clock("2030-10-05")
    term(client, top, grace_days=10).expect(200)
    assert (renew_by(client, renewed), renew_by(client, overdue)) == ("2031-09-30", "2030-09-30")
    clock("2030-10-10")
    assert [row["id"] for row in bulk(client, "expire", within=top).expect(200).json()["rows"]] == [overdue["id"]]
    assert term(client, top, month=12, day=1).expect(200).json()["memberships"] == 1


def test_who_names_the_day_on_which_they_leave_still_renews(campus, client, clock):
    """Else a day in the far future would do for all renewals."""
    top = union(client)
    term(client, top).expect(200)
    with somebody(campus, client) as anyone:
        made = membership(client, anyone.person["id"], top)
        check_problem(post(anyone, made, "leave", until="2099-01-01"), 422, "until_beyond_renewal", {"/until": "until_beyond_renewal"})
        post(anyone, made, "leave", until="2030-09-30").expect(200)
        late = membership(client, anyone.person["id"], top, kind="probationary")
        clock("2030-10-05")
        post(anyone, late, "leave").expect(200)
        free = membership(client, anyone.person["id"], union(client))
        post(anyone, free, "leave", until="2099-01-01").expect(200)


def test_who_comes_in_while_a_term_is_set_has_it(campus, client, admin):
    """Or it is set behind them, and theirs would run on."""
    top = union(client)
    one = person(client, top)["id"]

    def send(ask):
        with campus.client(admin) as caller:
            return ask(caller)

    with campus.cluster.session() as other:
        # The same membership, and nobody's in the end: who comes in stands at the last step.
        other.sql("SET session_replication_role = replica; BEGIN; INSERT INTO membership.membership "
                  "(id, person_id, organisation, kind, since) "
                  f"VALUES (campus.new_id(), '{one}', '{top}', 'member', campus.today())")
        joined = Sent(lambda: send(lambda c: c.post("/v1/memberships", {"person_id": one, "organisation": top})))
        wait_until(lambda: campus.value(BLOCKED) == "1", "the membership to wait")
        told = Sent(lambda: send(lambda c: term(c, top)))
        wait_until(lambda: campus.value(BLOCKED) == "2" or not told.under_way(), "the term to be set, or to wait")
        other.sql("ROLLBACK")
        made = joined.answer().expect(201).json()
        told.answer().expect(200)
    assert renew_by(client, made) == "2030-09-30"


@pytest.mark.parametrize("act", ["erase", "recruit"])
def test_organisations_are_locked_in_the_order_of_their_paths(campus, client, admin, act):
    """As by whoever sets a term: or else each of two would hold what the other waits for."""
    top, first, second = branches(client)
    one = person(client, top)["id"]
    for path in (second, first):
        membership(client, one, path)

    def send():
        with campus.client(admin) as caller:
            if act == "erase":
                return caller.post(f"/v1/people/{one}:erase", {"dry_run": True})
            return caller.post("/v1/campaigns", {"organisation": top, "title": "a", **PLANNED,
                                                 "tracks": [{"organisation": path} for path in (second, first)]})

    lock = "SELECT FROM membership.organisation WHERE path = '{}' FOR NO KEY UPDATE NOWAIT"
    with campus.cluster.session() as other:
        other.sql(f"BEGIN; {lock.format(first)}")
        asked = Sent(send)
        wait_until(lambda: campus.value(BLOCKED) == "1", "it to wait")
        campus.sql(lock.format(second))
        other.sql("ROLLBACK")
        assert asked.answer().status in (200, 201)


def test_who_comes_later_renews_later(campus, client, clock):
    """Also where the term is set meanwhile: nobody expires before they have come."""
    top = union(client)
    made = membership(client, person(client, top)["id"], top, since="2031-01-01")
    term(client, top).expect(200)
    assert renew_by(client, made) == "2031-09-30"
    clock("2030-11-01")
    assert bulk(client, "expire", within=top).expect(200).json()["expired"] == 0


def test_no_day_of_renewal_lies_beyond_all_days(campus, client):
    top = union(client)
    term(client, top).expect(200)
    assert membership(client, person(client, top)["id"], top, since="9998-12-31")["renew_by"] == "9999-09-30"
    assert "renew_by" not in membership(client, person(client, top)["id"], top, since="9999-12-31")


def test_what_is_no_term(campus, client):
    top = union(client)
    check_problem(term(client, top, day=None), 422, "term_has_a_day")
    check_problem(term(client, top, renewal="none"), 422, "term_has_a_day")
    check_problem(term(client, top, month=2, day=29), 422, "no_such_day", {"/day": "no_such_day"})
    check_problem(term(client, top, month=9, day=31), 422, "no_such_day")
    check_problem(term(client, "no.such"), 422, "organisation_unknown")
    check_problem(term(client, top, renewal=None), 422, "invalid", {"/renewal": "required"})
    rights = ["membership.terms.write", "membership.terms.read"]
    with campus.client(new_key(client, rights, union(client))["secret"]) as elsewhere:
        check_problem(term(elsewhere, top), 403, "permission_denied")
        term(client, top).expect(200)
        check_problem(elsewhere.get(f"/v1/membership_terms/{top}"), 404)


def test_a_member_renews_in_time(campus, client, clock):
    top = union(client)
    term(client, top).expect(200)
    with somebody(campus, client) as anyone, somebody(campus, client) as other:
        made = membership(client, anyone.person["id"], top)
        assert made["renew_by"] == "2030-09-30"
        check_problem(post(other, made, "renew"), 404)
        clock("2030-07-31")
        check_problem(post(anyone, made, "renew"), 409, "renewal_not_open")
        clock("2030-08-01")
        assert post(anyone, made, "renew").expect(200).json()["renew_by"] == "2031-09-30"
        check_problem(post(anyone, made, "renew"), 409, "renewal_not_open")
        clock("2031-10-09")  # in grace
        assert post(anyone, made, "renew").expect(200).json()["renew_by"] == "2032-09-30"
        clock("2032-10-10")
        check_problem(post(anyone, made, "renew"), 409, "renewal_closed")
        with campus.client(new_key(client, "membership.memberships.write", top)["secret"]) as secretary:
            assert post(secretary, made, "renew").expect(200).json()["renew_by"] == "2033-09-30"
        post(anyone, made, "leave").expect(200)
        check_problem(post(anyone, made, "renew"), 409, "already_ended")
        free = membership(client, anyone.person["id"], union(client))
        check_problem(post(anyone, free, "renew"), 409, "no_renewal")
    facts = campus.value(f"SELECT count(*) FROM membership.fact WHERE type = 'membership.renewed' AND subject = '{made['id']}'")
    assert facts == "3"


def test_many_are_renewed_and_the_others_expire(campus, client, clock):
    top, first, second = branches(client)
    term(client, top).expect(200)
    term(client, second, month=12, day=1).expect(200)
    people = [person(client, top)["id"] for _ in range(4)]
    ones = [membership(client, people[0], top), membership(client, people[1], first), membership(client, people[2], first),
            membership(client, people[3], second)]
    elsewhere = membership(client, people[0], union(client))
    query = {"within": top, "renew_before": "2030-10-01", "count": "exact"}
    page = client.get("/v1/memberships", query=query).json()
    assert [one["id"] for one in page["memberships"]] == [one["id"] for one in ones[:3]] and page["total_count"] == 3
    asked = {"within": top, "renew_before": "2031-01-01", "except": [people[2]]}
    told = bulk(client, "renew", **asked, dry_run=True).expect(200).json()
    assert (told["renewed"], told["not_open"], told["excepted"]) == (0, 3, 1)
    clock("2030-09-01")
    told = bulk(client, "renew", **asked, dry_run=True).expect(200).json()
    outcomes = {row["id"]: (row["outcome"], row.get("renew_by")) for row in told["rows"]}
    assert outcomes == {ones[0]["id"]: ("renewed", "2031-09-30"), ones[1]["id"]: ("renewed", "2031-09-30"),
                        ones[2]["id"]: ("excepted", None), ones[3]["id"]: ("not_open", None)}
    assert renew_by(client, ones[0]) == "2030-09-30"
    again = bulk(client, "renew", **asked).expect(200).json()
    assert again == told and renew_by(client, ones[0]) == "2031-09-30"
    assert bulk(client, "renew", **asked).expect(200).json()["renewed"] == 0
    clock("2030-10-09")
    assert bulk(client, "expire", within=top).expect(200).json() == {"expired": 0}
    clock("2030-10-10")
    told = bulk(client, "expire", within=top, dry_run=True).expect(200).json()
    assert told == {"expired": 1, "rows": [{"id": ones[2]["id"], "outcome": "expired"}]}
    assert "until" not in client.get(f"/v1/memberships/{ones[2]['id']}").json()
    assert bulk(client, "expire", within=top).expect(200).json() == told
    ended = client.get(f"/v1/memberships/{ones[2]['id']}").json()
    assert ended["until"] == "2030-10-10" and ended["reason"] == "expired"
    assert bulk(client, "expire", within=top).expect(200).json() == {"expired": 0}
    assert "until" not in client.get(f"/v1/memberships/{elsewhere['id']}").json()
    facts = campus.sql(f"SELECT type FROM membership.fact WHERE subject = '{ones[2]['id']}' ORDER BY id")
    assert [row[0] for row in facts] == ["membership.started", "membership.ended"]


def test_whose_memberships(campus, client):
    top, first, _ = branches(client)
    with campus.client(new_key(client, "membership.memberships.write", first)["secret"]) as below:
        check_problem(bulk(below, "renew", within=top, renew_before="2031-01-01"), 403, "permission_denied")
        check_problem(bulk(below, "expire", within=top), 403, "permission_denied")
        bulk(below, "renew", within=first, renew_before="2031-01-01").expect(200)
    with campus.client(new_key(client, "membership.memberships.read")["secret"]) as reader:
        check_problem(bulk(reader, "expire", within=top), 403, "permission_denied")


def test_too_many_at_once(campus, client, clock):
    top = union(client)
    term(client, top).expect(200)
    # Enough of them for one person: each is over before the next begins but for the bulk's rule.
    campus.sql("SET session_replication_role = replica; INSERT INTO membership.membership (id, person_id, organisation, kind, since, "
               f"renew_by) SELECT campus.new_id(), gen_random_uuid(), '{top}', 'member', '2030-01-01', '2030-09-30' "
               "FROM generate_series(1, 20001)")
    clock("2030-09-30")
    try:
        check_problem(bulk(client, "renew", within=top, renew_before="2030-10-01"), 422, "too_many_memberships")
        check_problem(bulk(client, "expire", within=top), 422, "too_many_memberships")
    finally:
        campus.sql(f"SET session_replication_role = replica; DELETE FROM membership.membership WHERE organisation = '{top}'")
