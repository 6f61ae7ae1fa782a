"""test_campaigns.py -- who recruits, when, whom and for what; and every refusal."""

import pytest

from api.given import NOBODY, check_problem, new_key, organisation, union
from harness import wait_until
from load import BLOCKED, Sent
from membership.recruiting import (OPEN, PLANNED, QUESTIONS, act, applied, branches, campaign, draft, reviewer, somebody, submitted)


def test_a_campaign_is_told_as_it_was_made(client):
    top, first, second = branches(client)
    asked = {"organisation": top, "title": "秋季招新", "description": "一\n二", **PLANNED, "quota": 40,
             "tracks": [{"organisation": first, "quota": 12}, {"organisation": second}], "audience_homes": [top],
             "audience_grades": [2025, 2026], "audience_statuses": ["active", "on_leave"], "questions": QUESTIONS,
             "gives": "probationary"}
    answer = client.post("/v1/campaigns", asked).expect(201)
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/campaigns/{made['id']}"
    assert made == {**asked, **{name: made[name] for name in ("id", "created_at", "updated_at")}, "state": "planned", "version": 1}
    assert client.get(f"/v1/campaigns/{made['id']}").expect(200).json() == made


def test_without_tracks_it_is_for_the_organisation(client):
    top = union(client)
    made = campaign(client, top)
    assert made["tracks"] == [{"organisation": top}] and made["state"] == "open"
    assert made["gives"] == "member" and made["audience_statuses"] == ["active"]


def make(client, path, **more):
    return client.post("/v1/campaigns", {"organisation": path, "title": "a", **OPEN, **more})


def question(**more):
    return [{"id": "a", "text": "a", "kind": "text", **more}]


UNSOUND = [question(kind="choice"), question(kind="choice", choices=["a"]), question(choices=["a", "b"]),
           question(kind="yes_no", most=1), question(least=3, most=2), question(kind="number", least=3, most=2),
           question(kind="choice", choices=["a", "b"], most=0), question(least=-1)]


@pytest.mark.parametrize("questions", UNSOUND)
def test_questions_that_do_not_fit_together(client, questions):
    check_problem(make(client, union(client), questions=questions), 422, "question_unsound", {"/questions": "question_unsound"})


def test_the_shape_of_a_question_is_the_contracts(client):
    answer = make(client, union(client), questions=[{"id": "A", "text": "", "kind": "essay"}, {"kind": "text"}])
    check_problem(answer, 422)
    answer = make(client, union(client), questions=[{"id": "A", "text": "a", "kind": "text"}, {"kind": "text"}])
    check_problem(answer, 422, "invalid", {"/questions/0/id": "bad_format", "/questions/1/id": "required",
                                           "/questions/1/text": "required"})


def test_what_cannot_be_planned(client):
    top, first, _ = branches(client)
    other = union(client)
    gone = organisation(client, f"{top}.gone")["path"]
    client.post(f"/v1/organisations/{gone}:dissolve").expect(200)
    check_problem(make(client, gone), 422, "organisation_unknown", {"/organisation": "organisation_unknown"})
    check_problem(make(client, "no.such"), 422, "organisation_unknown")
    check_problem(make(client, top, closes_at="2021-01-01T00:00:00Z"), 422, "already_past", {"/closes_at": "already_past"})
    check_problem(make(client, top, opens_at="2091-01-01T00:00:00Z"), 422, "closes_before_it_opens")
    for track in (other, gone, "no.such"):
        check_problem(make(client, top, tracks=[{"organisation": first}, {"organisation": track}]), 422, "track_unknown")
    check_problem(make(client, top, tracks=[{"organisation": first}, {"organisation": first}]), 422, "track_twice")
    check_problem(make(client, top, audience_homes=["no.such"]), 422, "home_unknown")
    check_problem(make(client, top, questions=question() * 2), 422, "question_twice")
    assert client.get("/v1/campaigns", query={"within": top}).json()["campaigns"] == []


def test_a_plan_changes_and_an_open_one_hardly(client):
    top, first, second = branches(client)
    made = campaign(client, top, **PLANNED)
    path = f"/v1/campaigns/{made['id']}"
    changed = {"title": "b", "description": "c", "opens_at": OPEN["opens_at"], "quota": 3, "audience_homes": [first],
               "audience_grades": [2024], "audience_statuses": ["on_leave"], "questions": QUESTIONS, "gives": "probationary",
               "tracks": [{"organisation": second, "quota": 2}, {"organisation": first}]}
    answer = client.patch(path, changed, etag='"1"').expect(200)
    assert answer.etag == '"2"'
    now = client.get(path).json()
    changed["tracks"].reverse()
    assert {**made, **changed, "state": "open", "version": 2, "updated_at": now["updated_at"]} == now
    check_problem(client.patch(path, {"title": "d"}, etag='"1"'), 412, "stale_version")

    def refused(code, **fields):
        check_problem(client.patch(path, fields, etag="*"), 409, code)

    refused("opening_is_frozen", opens_at=PLANNED["opens_at"])
    refused("questions_are_frozen", questions=[])
    refused("audience_is_frozen", audience_homes=[])
    refused("audience_is_frozen", audience_grades=None)
    refused("audience_is_frozen", audience_statuses=None)
    same = {name: now[name] for name in ("opens_at", "questions", "audience_homes", "audience_grades", "audience_statuses")}
    client.patch(path, same, etag="*").expect(200)
    client.patch(path, {"closes_at": "2089-01-01T00:00:00Z", "quota": None, "tracks": [{"organisation": first}]}, etag="*").expect(200)
    now = client.get(path).json()
    assert "quota" not in now and now["tracks"] == [{"organisation": first}]
    client.patch(path, {"tracks": None}, etag="*").expect(200)
    assert client.get(path).json()["tracks"] == [{"organisation": top}]


def test_what_no_change_may_make(client):
    top, first, _ = branches(client)
    made = campaign(client, top, **PLANNED)

    def refused(status, code, **fields):
        check_problem(client.patch(f"/v1/campaigns/{made['id']}", fields, etag="*"), status, code)

    refused(422, "closes_before_it_opens", closes_at=OPEN["opens_at"])
    refused(422, "track_unknown", tracks=[{"organisation": union(client)}])
    refused(422, "track_twice", tracks=[{"organisation": first}, {"organisation": first}])
    refused(422, "home_unknown", audience_homes=["no.such"])
    refused(422, "question_twice", questions=question() * 2)
    refused(422, "question_unsound", questions=UNSOUND[0])
    refused(422, "invalid", title=None)
    assert client.get(f"/v1/campaigns/{made['id']}").json()["version"] == 1


def test_a_change_in_a_dissolved_organisation(client):
    path = union(client)
    below = organisation(client, f"{path}.below")["path"]
    made = campaign(client, below, **PLANNED)
    client.post(f"/v1/organisations/{below}:dissolve").expect(200)
    answer = client.patch(f"/v1/campaigns/{made['id']}", {"audience_homes": [path]}, etag="*")
    check_problem(answer, 409, "already_cancelled")
    assert client.get(f"/v1/campaigns/{made['id']}").json()["state"] == "cancelled"


def test_no_campaign_outlives_its_organisation(campus, client):
    top = union(client)
    for path in (f"{top}.learning", f"{top}.sports"):
        client.post(f"/v1/organisations/{path}:dissolve", {"dissolved_on": "2060-01-01"}).expect(200)
    client.post(f"/v1/organisations/{top}:dissolve", {"dissolved_on": "2060-01-01"}).expect(200)
    asked = {"organisation": top, "title": "a", "opens_at": OPEN["opens_at"]}
    late, last = "2060-01-01T00:00:00+08:00", "2059-12-31T16:00:00Z"  # the same: its last midnight
    made = client.post("/v1/campaigns", {**asked, "closes_at": last}).expect(201).json()
    later = {"closes_at": "2059-12-31T16:00:01Z"}
    check_problem(client.post("/v1/campaigns", {**asked, **later}), 422, "outside_organisation_life",
                  {"/closes_at": "outside_organisation_life"})
    check_problem(client.patch(f"/v1/campaigns/{made['id']}", later, etag="*"), 422, "outside_organisation_life")
    client.patch(f"/v1/campaigns/{made['id']}", {"closes_at": late, "title": "b"}, etag="*").expect(200)


def test_a_campaign_is_locked_before_its_organisation(campus, client, admin):
    """Also by whoever dissolves that: or else they and who accepts would each hold what the other waits for."""
    top = organisation(client, f"{union(client)}.below")["path"]
    made = campaign(client, top)

    def dissolve():
        with campus.client(admin) as caller:
            return caller.post(f"/v1/organisations/{top}:dissolve")

    with campus.cluster.session() as other:
        other.sql(f"BEGIN; SELECT FROM membership.campaign WHERE id = '{made['id']}' FOR UPDATE")
        asked = Sent(dissolve)
        wait_until(lambda: campus.value(BLOCKED) == "1", "it to wait")
        other.sql(f"SELECT FROM membership.organisation WHERE path = '{top}' FOR SHARE NOWAIT; COMMIT")
        asked.answer().expect(200)
    assert client.get(f"/v1/campaigns/{made['id']}").json()["state"] == "cancelled"


def test_tracks_and_quotas_that_are_used(campus, client):
    top, first, second = branches(client)
    made = campaign(client, top, quota=2, tracks=[{"organisation": first, "quota": 2}, {"organisation": second}])
    path = f"/v1/campaigns/{made['id']}"
    for one in applied(campus, client, made["id"], 2):
        act(client, one, "accept", track=first).expect(200)
    check_problem(client.patch(path, {"tracks": [{"organisation": first}]}, etag="*"), 409, "track_in_use")
    check_problem(client.patch(path, {"quota": 1}, etag="*"), 409, "quota_below_accepted")
    less = {"tracks": [{"organisation": first, "quota": 1}, {"organisation": second}]}
    check_problem(client.patch(path, less, etag="*"), 409, "quota_below_accepted")
    more = {"quota": 9, "tracks": [{"organisation": first, "quota": 3}, {"organisation": second}]}
    client.patch(path, more, etag="*").expect(200)


def test_cancelled_for_good(client):
    made = campaign(client, union(client))
    path = f"/v1/campaigns/{made['id']}"
    client.post(f"{path}:cancel").expect(200)
    assert client.get(path).json()["state"] == "cancelled"
    check_problem(client.post(f"{path}:cancel"), 409, "already_cancelled")
    check_problem(client.patch(path, {"title": "b"}, etag="*"), 409, "already_cancelled")


# -- who sees what -----------------------------------------------------------------------------------------------------


def test_open_ones_are_for_all_and_others_for_those_who_may(campus, client):
    top = union(client)
    opened, planned, cancelled = campaign(client, top), campaign(client, top, **PLANNED), campaign(client, top)
    past = campaign(client, top)
    with somebody(campus, client) as anyone:
        submitted(anyone, past["id"])
        client.post(f"/v1/campaigns/{cancelled['id']}:cancel").expect(200)
        client.patch(f"/v1/campaigns/{past['id']}", {"closes_at": "2020-02-01T00:00:00Z"}, etag="*").expect(200)
        seen = {one["id"]: anyone.get(f"/v1/campaigns/{one['id']}").status for one in (opened, planned, cancelled, past)}
        assert list(seen.values()) == [200, 404, 404, 200]  # of the past one they have been an applicant
        query = {"within": top, "count": "exact"}
        page = anyone.get("/v1/campaigns", query=query).expect(200).json()
        assert [one["id"] for one in page["campaigns"]] == [opened["id"]] and page["total_count"] == 1
        for state in ("planned", "closed", "cancelled"):
            assert anyone.get("/v1/campaigns", query={**query, "state": state}).json() == {"campaigns": [], "total_count": 0}
    with reviewer(campus, client, top) as insider:
        page = insider.get("/v1/campaigns", query=query).json()
        order = sorted((opened, planned, cancelled), key=lambda one: one["id"], reverse=True) + [past]
        assert [one["id"] for one in page["campaigns"]] == [one["id"] for one in order] and page["total_count"] == 4
        for state, one in {"open": opened, "planned": planned, "cancelled": cancelled, "closed": past}.items():
            found = insider.get("/v1/campaigns", query={"organisation": top, "state": state}).json()["campaigns"]
            assert [it["id"] for it in found] == [one["id"]], state
        paged = [one["id"] for one in insider.pages("/v1/campaigns", "campaigns", {"within": top, "page_size": 1})]
        assert paged == [one["id"] for one in order]


def test_whose_campaigns(campus, client):
    top, first, _ = branches(client)
    made = campaign(client, top, **PLANNED)
    write = ["membership.campaigns.write", "membership.campaigns.read"]
    with campus.client(new_key(client, write, first)["secret"]) as below:
        check_problem(make(below, top), 403, "permission_denied")
        check_problem(below.patch(f"/v1/campaigns/{made['id']}", {}, etag="*"), 404)
        check_problem(below.post(f"/v1/campaigns/{made['id']}:cancel"), 404)
        check_problem(below.get(f"/v1/campaigns/{made['id']}:figures"), 404)
        check_problem(below.get(f"/v1/campaigns/{NOBODY}"), 404)
        own = make(below, first).expect(201).json()
        below.get(f"/v1/campaigns/{own['id']}:figures").expect(200)
    with campus.client(new_key(client, "membership.people.read")["secret"]) as other:
        check_problem(make(other, top), 403, "permission_denied")
        check_problem(other.get(f"/v1/campaigns/{made['id']}:figures"), 403, "permission_denied")


def test_figures(campus, client):
    top, first, second = branches(client)
    made = campaign(client, top, quota=9, tracks=[{"organisation": first, "quota": 5}, {"organisation": second}])
    ones = applied(campus, client, made["id"], 5)
    act(client, ones[0], "accept").expect(200)
    act(client, ones[1], "refuse", reason="a").expect(200)
    act(client, ones[2], "interview", interview_at=PLANNED["opens_at"], interview_place="a").expect(200)
    with somebody(campus, client) as anyone:
        act(anyone, submitted(anyone, made["id"], choices=[first]), "withdraw").expect(200)
    with somebody(campus, client) as anyone:
        draft(anyone, made["id"], choices=[second])
    figures = client.get(f"/v1/campaigns/{made['id']}:figures").expect(200).json()
    assert figures == {
        "id": made["id"], "quota": 9, "total": 7, "draft": 1, "submitted": 2, "interview": 1, "accepted": 1, "refused": 1,
        "withdrawn": 1, "tracks": [{"organisation": first, "quota": 5, "chosen": 5, "accepted": 1},
                                   {"organisation": second, "chosen": 5, "accepted": 0}]}


def test_it_opens_and_closes_by_itself(new_campus):
    campus = new_campus()
    with campus.client(campus.key()) as client:
        made = campaign(client, union(client), opens_at="2050-01-01T00:00:00Z", closes_at="2050-02-01T00:00:00Z")
        states = []
        for day in ("2049-12-31 23:59", "2050-01-01 00:00:01", "2050-01-31 23:59", "2050-02-01 00:00:01"):
            campus.sql(f"UPDATE campus.clock SET shift = timestamptz '{day}+00' - pg_catalog.now()")
            states.append(client.get(f"/v1/campaigns/{made['id']}").expect(200).json()["state"])
        assert states == ["planned", "open", "open", "closed"]


def test_made_once(client):
    body = {"organisation": union(client), "title": "a", **OPEN}
    answers = [client.post("/v1/campaigns", body, headers={"Idempotency-Key": "campaign-once"}).expect(201) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
