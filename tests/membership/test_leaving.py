"""test_leaving.py -- leaving, expulsion and bans; and every refusal."""

from api.given import NOBODY, check_problem, membership, new_key, organisation, person, union
from load import Sent
from membership.recruiting import act, applied, branches, campaign, draft, somebody, submitted
from membership.staff import acting_as, grant, officer, today


def post(client, made, verb, **fields):
    return client.post(f"/v1/memberships/{made['id']}:{verb}", fields)


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_a_member_leaves(campus, client):
    top = union(client)
    with somebody(campus, client) as anyone, somebody(campus, client) as other:
        made = membership(client, anyone.person["id"], top, since="2024-01-01")
        check_problem(post(other, made, "leave"), 404)
        check_problem(post(anyone, made, "leave", until="2023-12-31"), 422, "until_before_since", {"/until": "until_before_since"})
        told = post(anyone, made, "leave").expect(200).json()
        assert told["until"] == today(campus) and told["reason"] == "left"
        check_problem(post(anyone, made, "leave"), 409, "already_ended")
        again = membership(client, anyone.person["id"], top)
        with campus.client(new_key(client, "membership.memberships.write", union(client))["secret"]) as elsewhere:
            check_problem(post(elsewhere, again, "leave"), 404)
        with campus.client(new_key(client, "membership.memberships.write", top)["secret"]) as secretary:
            post(secretary, again, "leave", until=today(campus, 9)).expect(200)
    assert campus.value(f"SELECT count(*) FROM membership.fact WHERE type = 'membership.ended' AND subject = '{made['id']}'") == "1"


def test_a_system_leaves_nothing(campus, client):
    made = membership(client, person(client, union(client))["id"], union(client))
    with campus.client(new_key(client, "membership.people.read")["secret"]) as system:
        check_problem(post(system, made, "leave"), 403, "permission_denied")


# -- expulsion ---------------------------------------------------------------------------------------------------------


def test_expelled_for_a_reason_and_banned(campus, client):
    top, first, _ = branches(client)
    with somebody(campus, client, email="lilei@campus.example") as anyone:
        made = membership(client, anyone.person["id"], first, since="2024-01-01")
        told = post(client, made, "expel", expulsion_reason="伪造记录", ban_until=today(campus, 30)).expect(200).json()
        assert told["reason"] == "expelled" and told["until"] == today(campus) and told["expulsion_reason"] == "伪造记录"
        assert anyone.get(f"/v1/memberships/{made['id']}").json()["expulsion_reason"] == "伪造记录"
        bans = anyone.get("/v1/bans").json()["bans"]
        assert [(one["organisation"], one["since"], one["until"], one["reason"]) for one in bans] == [
            (first, today(campus), today(campus, 30), "伪造记录")]
        check_problem(client.post("/v1/memberships", {"person_id": anyone.person["id"], "organisation": first}), 409, "banned")
        membership(client, anyone.person["id"], top)  # elsewhere they can
    assert campus.value(f"SELECT kind FROM membership.mail WHERE subject_id = '{made['id']}'") == "member_expelled"
    stored = campus.value("SELECT string_agg(rows::text, '') FROM membership.answer WHERE method = 'ExpelMember'")
    assert "伪造记录" not in stored
    facts = campus.sql("SELECT type, data->>'reason' FROM membership.fact "
                       f"WHERE data->>'person_id' = '{anyone.person['id']}' AND method = 'ExpelMember' ORDER BY type")
    assert facts == [["ban.created", None], ["membership.ended", "expelled"]]


def test_what_expulsion_refuses(campus, client):
    top, first, _ = branches(client)
    expel = ["membership.memberships.expel", "membership.memberships.read"]
    with somebody(campus, client, top, expel, first) as head:
        made = membership(client, head.person["id"], first, since="2024-01-01")
        other = membership(client, person(client, top)["id"], first, since="2024-01-01")

        def refused(status, code, **fields):
            check_problem(post(head, other, "expel", **{"expulsion_reason": "a", **fields}), status, code)

        check_problem(post(head, made, "expel", expulsion_reason="a"), 403, "own_membership")
        refused(422, "already_past", ban_until=today(campus))
        refused(422, "ban_needs_an_end", ban_within=first)
        refused(403, "ban_not_yours", ban_within=top, ban_until=today(campus, 9))
        refused(422, "organisation_unknown", ban_within=f"{first}.none", ban_until=today(campus, 9))
        refused(422, "until_before_since", until="2023-12-31")
        check_problem(post(head, other, "expel"), 422, "invalid", {"/expulsion_reason": "required"})
        check_problem(post(head, other, "end", reason="expelled"), 403)
        check_problem(post(client, other, "end", reason="expelled"), 422, "invalid", {"/reason": "wrong_type"})
        client.post(f"/v1/memberships/{other['id']}:end", {"reason": "left", "until": today(campus, 9)}).expect(200)
        post(head, other, "expel", expulsion_reason="a").expect(200)  # sooner than planned
        refused(409, "already_ended")
    with campus.client(new_key(client, "membership.memberships.write")["secret"]) as secretary:
        check_problem(post(secretary, made, "expel", expulsion_reason="a"), 403, "permission_denied")
    with campus.client(new_key(client, expel, union(client))["secret"]) as elsewhere:
        check_problem(post(elsewhere, made, "expel", expulsion_reason="a"), 404)


def test_who_has_left_is_not_expelled_by_a_day_before(campus, client):
    top = union(client)
    made = membership(client, person(client, top)["id"], top, since="2024-01-01")
    client.post(f"/v1/memberships/{made['id']}:end", {"reason": "left", "until": "2025-01-01"}).expect(200)
    check_problem(post(client, made, "expel", expulsion_reason="a", until="2024-06-01"), 409, "already_ended")


def test_who_has_resigned_is_not_removed_by_a_day_before(campus, client):
    top = union(client)
    one, _, held = officer(client, top, term={"since": "2024-01-01"})
    made = membership(client, one["id"], top, since="2024-01-01")
    client.post(f"/v1/appointments/{held['id']}:end", {"reason": "resigned", "until": "2025-01-01"}).expect(200)
    post(client, made, "expel", expulsion_reason="a", until="2024-06-01").expect(200)
    shown = client.get(f"/v1/appointments/{held['id']}").json()
    assert (shown["until"], shown["reason"]) == ("2025-01-01", "resigned")


def test_expelled_beyond_the_organisations_life(campus, client):
    """An end that is set lies within the organisation's life; so must a sooner one, which it does, and a later one is none."""
    top = union(client)
    made = membership(client, person(client, top)["id"], top, since="2024-01-01")
    client.post(f"/v1/organisations/{organisation(client, f'{top}.x')['path']}:dissolve").expect(200)
    campus.sql("ALTER TABLE membership.organisation DISABLE TRIGGER organisation_rules;"
               f"UPDATE membership.organisation SET dissolved_on = campus.today() + 5 WHERE path = '{top}';"
               "ALTER TABLE membership.organisation ENABLE TRIGGER organisation_rules")
    for verb, more in (("leave", {}), ("expel", {"expulsion_reason": "a"})):
        check_problem(post(client, made, verb, until=today(campus, 6), **more), 422, "outside_organisation_life")


# -- bans --------------------------------------------------------------------------------------------------------------


def ban(client, person_id, path, until="2090-01-01", **more):
    return client.post("/v1/bans", {"person_id": person_id, "organisation": path, "until": until, "reason": "原因", **more})


def test_a_ban_keeps_from_joining_and_is_lifted(campus, client):
    top, first, _ = branches(client)
    made, other = campaign(client, first), campaign(client, first)
    with somebody(campus, client) as anyone:
        me = anyone.person["id"]
        waiting, begun = submitted(anyone, made["id"]), draft(anyone, other["id"])
        answer = ban(client, me, top).expect(201)
        one = answer.json()
        assert answer.headers["Location"] == f"/v1/bans/{one['id']}" and one["since"] == today(campus) and one["reason"] == "原因"
        check_problem(anyone.post("/v1/applications", {"campaign_id": campaign(client, top)["id"]}), 403, "banned")
        check_problem(act(anyone, begun, "submit"), 403, "banned")
        check_problem(act(client, waiting, "accept"), 409, "banned")
        check_problem(client.post("/v1/memberships", {"person_id": me, "organisation": first}), 409, "banned",
                      {"/person_id": "banned"})
        assert anyone.get(f"/v1/applications/{waiting['id']}").json()["state"] == "submitted"  # it is kept
        told = client.post(f"/v1/bans/{one['id']}:lift", {"lifted_reason": "申诉成立"}).expect(200).json()
        assert told["lifted_at"]
        mine = anyone.get(f"/v1/bans/{one['id']}").expect(200).json()
        assert mine["reason"] == "原因" and mine["lifted_reason"] == "申诉成立" and mine["version"] == 2
        act(client, waiting, "accept").expect(200)
        act(anyone, begun, "submit").expect(200)
    facts = campus.sql(f"SELECT type FROM membership.fact WHERE subject = '{one['id']}' ORDER BY id")
    assert [row[0] for row in facts] == ["ban.created", "ban.lifted"]


def test_what_a_ban_refuses(campus, client):
    top = union(client)
    one = person(client, top)["id"]
    check_problem(ban(client, NOBODY, top), 422, "person_unknown", {"/person_id": "person_unknown"})
    check_problem(ban(client, one, "no.such"), 422, "organisation_unknown")
    check_problem(ban(client, one, top, today(campus)), 422, "already_past")
    check_problem(ban(client, one, top, today(campus, 1), since=today(campus, 1)), 422, "until_before_since")
    check_problem(client.post("/v1/bans", {}), 422, "invalid", {
        "/person_id": "required", "/organisation": "required", "/until": "required", "/reason": "required"})
    made = ban(client, one, top).expect(201).json()
    check_problem(client.post(f"/v1/bans/{made['id']}:lift", {}), 422, "invalid", {"/lifted_reason": "required"})
    client.post(f"/v1/bans/{made['id']}:lift", {"lifted_reason": "a"}).expect(200)
    check_problem(client.post(f"/v1/bans/{made['id']}:lift", {"lifted_reason": "a"}), 409, "already_lifted")
    campus.sql(f"UPDATE membership.ban SET since = '2020-01-01', until = '2020-02-01', lifted_at = NULL, lifted_reason = NULL "
               f"WHERE id = '{made['id']}'")
    check_problem(client.post(f"/v1/bans/{made['id']}:lift", {"lifted_reason": "a"}), 409, "already_over")


def test_whose_bans(campus, client):
    top, first, _ = branches(client)
    write = ["membership.bans.write", "membership.bans.read"]
    with somebody(campus, client) as anyone, campus.client(new_key(client, write, first)["secret"]) as below:
        me = anyone.person["id"]
        check_problem(ban(below, me, top), 403, "permission_denied")
        ones = [ban(client, me, top).expect(201).json()["id"], ban(below, me, first).expect(201).json()["id"]]
        for one, status in zip(ones, (404, 200)):
            below.get(f"/v1/bans/{one}").expect(status)
        check_problem(below.post(f"/v1/bans/{ones[0]}:lift", {"lifted_reason": "a"}), 404)
        assert [one["id"] for one in anyone.pages("/v1/bans", "bans", {"page_size": 1})] == ones
        assert below.get("/v1/bans", query={"count": "exact", "person_id": me}).json()["total_count"] == 1
        assert [one["id"] for one in client.pages("/v1/bans", "bans", {"within": top, "page_size": 1})] == ones
        assert client.get("/v1/bans", query={"within": first, "count": "exact"}).json()["total_count"] == 1
        client.post(f"/v1/bans/{ones[0]}:lift", {"lifted_reason": "a"}).expect(200)
        query = {"active": "true", "count": "exact"}
        assert [one["id"] for one in client.get("/v1/bans", query={**query, "person_id": me}).json()["bans"]] == ones[1:]
        assert client.get("/v1/bans", query={**query, "within": top}).json()["total_count"] == 1
        check_problem(anyone.post(f"/v1/bans/{ones[1]}:lift", {"lifted_reason": "a"}), 403, "permission_denied")
        grant(campus, me, write)
        with acting_as(campus, me) as powerful:
            check_problem(powerful.post(f"/v1/bans/{ones[1]}:lift", {"lifted_reason": "a"}), 403, "own_ban")
    with somebody(campus, client) as other:
        check_problem(other.get(f"/v1/bans/{ones[0]}"), 404)
        assert other.get("/v1/bans", query={"person_id": me, "count": "exact"}).json() == {"bans": [], "total_count": 0}


def test_a_ban_ends_by_itself(new_campus):
    campus = new_campus()
    with campus.client(campus.key()) as client:
        top = union(client)
        one = person(client, top)["id"]
        ban(client, one, top, today(campus, 10), since=today(campus, 5)).expect(201)
        statuses = []
        for days in (4, 5, 9, 10):
            campus.sql(f"UPDATE campus.clock SET shift = interval '{days} days'")
            asked = client.post("/v1/memberships", {"person_id": one, "organisation": organisation(client, f"{top}.d{days}")["path"]})
            statuses.append(asked.status)
        assert statuses == [201, 409, 409, 201]


def test_banned_and_accepted_at_once(campus, client, admin):
    """One waits for the other: the acceptance comes first, or is refused for the ban."""
    made = campaign(client, union(client))
    for one in applied(campus, client, made["id"], 4):
        who = client.get(f"/v1/applications/{one}").json()["person_id"]

        def send(ask):
            with campus.client(admin) as caller:
                return ask(caller)

        banned, accepted = [Sent(lambda ask=ask: send(ask)) for ask in (
            lambda c: ban(c, who, made["organisation"]), lambda c: act(c, one, "accept"))]
        banned.answer().expect(201)
        answer = accepted.answer()
        if answer.status != 200:
            check_problem(answer, 409, "banned")
        check_problem(client.post("/v1/memberships", {"person_id": who, "organisation": made["organisation"], "kind": "honorary"}),
                      409, "banned")
