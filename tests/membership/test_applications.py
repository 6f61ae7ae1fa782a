"""test_applications.py -- from a draft to a member: applicants, reviewers, decisions; and every refusal."""

import threading

import pytest

from api.given import NOBODY, check_problem, membership, new_key, person, union
from load import Lock, PATIENT, Sent, send, wait_blocked
from membership.recruiting import (PLANNED, QUESTIONS, act, applied, branches, campaign, draft, reviewer, somebody,
                                   submitted)
from membership.staff import acting_as, grant

ANSWERS = [{"question": "why", "text": "喜欢"}, {"question": "days", "choices": ["mon", "wed"]},
           {"question": "hours", "number": 2.5}, {"question": "again", "yes": False}]
SHUT = {"closes_at": "2020-02-01T00:00:00Z"}


@pytest.fixture(scope="module")
def campus(new_campus):
    return new_campus(settings=PATIENT)


def shut(client, made):
    client.patch(f"/v1/campaigns/{made['id']}", SHUT, etag="*").expect(200)


# -- the applicant -----------------------------------------------------------------------------------------------------


def test_from_a_draft_to_a_member(campus, client):
    top, first, second = branches(client)
    made = campaign(client, top, tracks=[{"organisation": first}, {"organisation": second}], questions=QUESTIONS,
                    gives="probationary")
    with somebody(campus, client) as anyone:
        answer = anyone.post("/v1/applications", {"campaign_id": made["id"]}).expect(201)
        id_ = answer.json()["id"]
        path = f"/v1/applications/{id_}"
        assert answer.headers["Location"] == path and answer.json()["state"] == "draft"
        check_problem(client.get(path), 404)  # nobody else sees a draft
        anyone.patch(path, {"choices": [second, first], "answers": ANSWERS}, etag='"1"').expect(200)
        told = act(anyone, id_, "submit").expect(200).json()
        assert told["state"] == "submitted" and told["version"] == 3
        mine = anyone.get(path).expect(200).json()
        assert mine["choices"] == [second, first] and mine["answers"] == ANSWERS and mine["person_id"] == anyone.person["id"]
        when = {"interview_at": "2050-01-01T10:00:00Z", "interview_place": "201"}
        act(client, id_, "interview", **when).expect(200)
        accepted = act(client, id_, "accept", since="2026-01-02").expect(200).json()
        assert accepted["state"] == "accepted" and accepted["track"] == second
        mine = anyone.get(path).json()
        assert mine["membership_id"] == accepted["membership_id"] and mine["decided_at"] and when.items() <= mine.items()
        joined = client.get(f"/v1/memberships/{accepted['membership_id']}").json()
        assert (joined["organisation"], joined["kind"], joined["since"]) == (second, "probationary", "2026-01-02")
    facts = campus.sql("SELECT type FROM membership.fact WHERE subject IN "
                       f"('{id_}', '{accepted['membership_id']}') ORDER BY id")
    assert [row[0] for row in facts] == ["application.submitted", "application.interview_set", "application.accepted",
                                         "membership.started"]


def test_faults_are_told_all_at_once(campus, client):
    top, first, second = branches(client)
    made = campaign(client, top, tracks=[{"organisation": first}, {"organisation": second}], questions=[
        *QUESTIONS, {"id": "level", "text": "a", "kind": "number", "least": 3}, {"id": "most", "text": "a", "kind": "number", "most": 3},
        {"id": "one", "text": "a", "kind": "choice", "choices": ["a", "b"]}, {"id": "must", "text": "a", "kind": "yes_no", "required": True},
        {"id": "long", "text": "a", "kind": "text"}, {"id": "type", "text": "a", "kind": "text"},
        {"id": "two", "text": "a", "kind": "text"}])
    bad = [{"question": "why", "text": "a"}, {"question": "days", "choices": ["sun"]}, {"question": "hours", "number": 21},
           {"question": "again", "text": "yes"}, {"question": "level", "number": 2}, {"question": "most", "number": 4},
           {"question": "one", "choices": ["a", "b"]}, {"question": "long", "text": "长" * 1001}, {"question": "other", "yes": True},
           {"question": "type", "number": 1}, {"question": "two", "text": "a"}, {"question": "two", "text": "b"}]
    with somebody(campus, client) as anyone:
        one = draft(anyone, made["id"], answers=bad)
        told = check_problem(act(anyone, one, "submit"), 422, "application_incomplete", {
            "/choices": "required", "/answers/why": "too_short", "/answers/days": "not_a_choice", "/answers/hours": "out_of_range",
            "/answers/again": "wrong_type", "/answers/level": "out_of_range", "/answers/most": "out_of_range",
            "/answers/one": "too_many", "/answers/must": "required", "/answers/long": "too_long",
            "/answers/other": "question_unknown", "/answers/type": "wrong_type", "/answers/two": "answered_twice"})
        details = {error["pointer"]: error["detail"] for error in told["errors"]}
        assert "1 to 20" in details["/answers/hours"] and "1000" in details["/answers/long"]
        assert "true or false, in `yes`" in details["/answers/again"] and "in `text`" in details["/answers/type"]
        path = f"/v1/applications/{one['id']}"
        anyone.patch(path, {"choices": [first], "answers": [{"question": "days", "choices": ["mon", "mon"]}]}, etag="*").expect(200)
        check_problem(act(anyone, one, "submit"), 422, "application_incomplete", {
            "/answers/why": "required", "/answers/must": "required", "/answers/days": "chosen_twice"})
        empty = [{"question": "why", "text": ""}, {"question": "must", "yes": False}, {"question": "days", "choices": []}]
        anyone.patch(path, {"answers": empty}, etag="*").expect(200)
        check_problem(act(anyone, one, "submit"), 422, "application_incomplete", {"/answers/why": "required"})
        anyone.patch(path, {"answers": [{"question": "why", "text": "足够"}, *empty[1:]]}, etag="*").expect(200)
        act(anyone, one, "submit").expect(200)


def test_who_can_apply(campus, client):
    top = union(client)
    made = campaign(client, top)

    def apply(caller, campaign_id, **more):
        return caller.post("/v1/applications", {"campaign_id": campaign_id, **more})

    check_problem(apply(client, made["id"]), 403, "person_needed")
    with somebody(campus, client, top, grade=2025) as anyone:
        check_problem(apply(anyone, NOBODY), 422, "campaign_unknown")
        check_problem(apply(anyone, campaign(client, top, **PLANNED)["id"]), 422, "campaign_unknown")
        cancelled, closed = campaign(client, top), campaign(client, top)
        client.post(f"/v1/campaigns/{cancelled['id']}:cancel").expect(200)
        shut(client, closed)
        check_problem(apply(anyone, cancelled["id"]), 409, "campaign_cancelled")
        check_problem(apply(anyone, closed["id"]), 409, "campaign_closed")
        for audience in ({"audience_homes": [union(client)]}, {"audience_grades": [2024]}, {"audience_statuses": ["on_leave"]}):
            check_problem(apply(anyone, campaign(client, top, **audience)["id"]), 403, "not_in_audience")
        asked = {"audience_homes": [top], "audience_grades": [2024, 2025]}
        apply(anyone, campaign(client, top, **asked)["id"]).expect(201)
        check_problem(apply(anyone, made["id"], choices=[union(client)]), 422, "track_unknown", {"/choices": "track_unknown"})
        check_problem(apply(anyone, made["id"], choices=[top, top]), 422, "choice_twice")
        apply(anyone, made["id"]).expect(201)
        check_problem(apply(anyone, made["id"]), 409, "already_applied")
    with somebody(campus, client, top) as nobody_knows_when:
        check_problem(apply(nobody_knows_when, campaign(client, top, audience_grades=[2025])["id"]), 403, "not_in_audience")


def test_drafts_of_others_and_what_was_submitted(campus, client):
    made = campaign(client, union(client))
    with somebody(campus, client) as anyone, somebody(campus, client) as other:
        one = draft(anyone, made["id"])
        path = f"/v1/applications/{one['id']}"
        for caller in (other, client):
            check_problem(caller.get(path), 404)
            check_problem(caller.patch(path, {}, etag="*"), 404)
            check_problem(act(caller, one, "submit"), 404)
            check_problem(act(caller, one, "withdraw"), 404)
        check_problem(anyone.patch(path, {"choices": ["no.such"]}, etag="*"), 422, "track_unknown")
        check_problem(anyone.patch(path, {"choices": [made["organisation"]] * 2}, etag="*"), 422, "choice_twice")
        check_problem(anyone.patch(path, {}, etag='"5"'), 412)
        act(anyone, one, "submit").expect(200)
        check_problem(act(anyone, one, "submit"), 409, "already_submitted")
        check_problem(anyone.patch(path, {}, etag="*"), 409, "already_submitted")
        check_problem(act(other, one, "withdraw"), 404)
        act(anyone, one, "withdraw").expect(200)
        check_problem(act(anyone, one, "withdraw"), 409, "already_withdrawn")
        check_problem(anyone.post("/v1/applications", {"campaign_id": made["id"]}), 409, "already_applied")
    facts = campus.sql(f"SELECT type FROM membership.fact WHERE subject = '{one['id']}' ORDER BY id")
    assert [row[0] for row in facts] == ["application.submitted", "application.withdrawn"]


def test_the_window_is_asked_again_on_submission(campus, client):
    top = union(client)
    made, cancelled = campaign(client, top), campaign(client, top)
    with somebody(campus, client, top) as anyone:
        one, other = draft(anyone, made["id"]), draft(anyone, cancelled["id"])
        client.post(f"/v1/campaigns/{cancelled['id']}:cancel").expect(200)
        check_problem(act(anyone, other, "submit"), 409, "campaign_cancelled")
        campus.sql(f"UPDATE membership.campaign SET opens_at = '2089-01-01' WHERE id = '{made['id']}'")
        check_problem(act(anyone, one, "submit"), 409, "campaign_not_open")
        campus.sql(f"UPDATE membership.campaign SET opens_at = '2020-01-01' WHERE id = '{made['id']}'")
        client.patch(f"/v1/people/{anyone.person['id']}", {"status": "on_leave"}, etag="*").expect(200)
        check_problem(act(anyone, one, "submit"), 403, "not_in_audience")
        client.patch(f"/v1/people/{anyone.person['id']}", {"status": "active"}, etag="*").expect(200)
        shut(client, made)
        check_problem(act(anyone, one, "submit"), 409, "campaign_closed")


def test_own_ones_in_a_list(campus, client):
    top = union(client)
    with somebody(campus, client) as anyone:
        ones = [submitted(anyone, campaign(client, top)["id"])["id"] for _ in range(3)]
        applied(campus, client, campaign(client, top)["id"], 1)
        assert [one["id"] for one in anyone.pages("/v1/applications", "applications", {"page_size": 1})] == ones
        act(anyone, ones[1], "withdraw").expect(200)
        query = {"state": "withdrawn", "count": "exact"}
        page = anyone.get("/v1/applications", query=query).json()
        assert [one["id"] for one in page["applications"]] == [ones[1]] and page["total_count"] == 1
        assert anyone.get("/v1/applications", query={"track": top, "count": "exact"}).json()["total_count"] == 3
        assert anyone.get("/v1/applications", query={"reviewer": NOBODY, "count": "exact"}).json() == {
            "applications": [], "total_count": 0}
    with campus.client(new_key(client, "membership.people.read")["secret"]) as system:
        check_problem(system.get("/v1/applications"), 403, "permission_denied")


# -- reviewers ---------------------------------------------------------------------------------------------------------


def test_reviewers_see_what_is_theirs(campus, client):
    top, first, second = branches(client)
    made = campaign(client, top, tracks=[{"organisation": first}, {"organisation": second}])
    with somebody(campus, client) as a, somebody(campus, client) as b, somebody(campus, client) as c:
        ones = {"first": submitted(a, made["id"], choices=[first])["id"],
                "second": submitted(b, made["id"], choices=[second])["id"],
                "both": submitted(c, made["id"], choices=[second, first])["id"]}
    with somebody(campus, client) as d:
        draft(d, made["id"], choices=[first])
    seen = {top: list(ones.values()), first: [ones["first"], ones["both"]], second: [ones["second"], ones["both"]],
            union(client): []}
    for place, expected in seen.items():
        with reviewer(campus, client, place) as caller:
            query = {"campaign_id": made["id"], "count": "exact"}
            page = caller.get("/v1/applications", query=query).expect(200).json()
            assert [one["id"] for one in page["applications"]] == expected and page["total_count"] == len(expected)
            for one in ones.values():
                status = 200 if one in expected else 404
                caller.get(f"/v1/applications/{one}").expect(status)
                caller.get(f"/v1/applications/{one}/comments").expect(status)
                act(caller, one, "interview", interview_at=PLANNED["opens_at"], interview_place="a").expect(status)
                for verb, fields in (("assign", {}), ("recuse", {}), ("accept", {}), ("refuse", {"reason": "a"})):
                    if status == 404:
                        check_problem(act(caller, one, verb, **fields), 404)
                if status == 404:
                    check_problem(caller.post(f"/v1/applications/{one}/comments", {"text": "a"}), 404)
            within = caller.get("/v1/applications", query={**query, "track": first, "state": "interview"}).json()
            assert within["total_count"] == len([one for one in expected if one != ones["second"]])


def test_reviewers_are_assigned(campus, client):
    made = campaign(client, union(client))
    one, = applied(campus, client, made["id"])
    applicant = client.get(f"/v1/applications/{one}").json()["person_id"]
    with reviewer(campus, client, made["organisation"]) as caller:
        me = caller.person["id"]
        act(caller, one, "assign", reviewers=[me, me]).expect(200)
        assert client.get(f"/v1/applications/{one}").json()["reviewers"] == [me]
        query = {"campaign_id": made["id"], "reviewer": me, "count": "exact"}
        assert caller.get("/v1/applications", query=query).json()["total_count"] == 1
        check_problem(act(client, one, "assign", reviewers=[NOBODY]), 422, "reviewer_unknown", {"/reviewers": "reviewer_unknown"})
        gone = person(client, made["organisation"], status="left")["id"]
        check_problem(act(client, one, "assign", reviewers=[me, gone]), 422, "reviewer_unknown")
        check_problem(act(client, one, "assign", reviewers=[applicant]), 422, "applicant_reviews")
        act(caller, one, "recuse").expect(200)  # takes them from the list
        assert "reviewers" not in client.get(f"/v1/applications/{one}").json()
        check_problem(act(client, one, "assign", reviewers=[me]), 422, "reviewer_in_conflict")
        act(client, one, "assign", reviewers=[]).expect(200)


def test_comments(campus, client):
    made = campaign(client, union(client))
    with somebody(campus, client) as anyone, reviewer(campus, client, made["organisation"]) as caller:
        one = submitted(anyone, made["id"])["id"]
        path = f"/v1/applications/{one}/comments"
        answer = caller.post(path, {"text": "内部"}).expect(201).json()
        assert answer["text"] == "内部" and answer["person_id"] == caller.person["id"] and answer["shown"] is False
        client.post(path, {"text": "请带作品", "shown": True}).expect(201)
        caller.post(path, {"text": "好", "shown": True}).expect(201)
        told = [(each["text"], each.get("person_id")) for each in caller.pages(path, "comments", {"page_size": 1})]
        assert told == [("内部", caller.person["id"]), ("请带作品", None), ("好", caller.person["id"])]
        told = [(each["text"], each.get("person_id")) for each in anyone.get(path).expect(200).json()["comments"]]
        assert told == [("请带作品", None), ("好", None)]
        check_problem(anyone.post(path, {"text": "a"}), 403, "permission_denied")
        stored = campus.value("SELECT string_agg(rows::text, '') FROM membership.answer WHERE method = 'CreateApplicationComment'")
        assert "内部" not in stored


def conflicted(verb, **fields):
    return lambda caller, one: act(caller, one, verb, **fields)


WHEN = {"interview_at": PLANNED["opens_at"], "interview_place": "a"}
JUDGING = {
    "assign": conflicted("assign"), "interview": conflicted("interview", **WHEN), "accept": conflicted("accept"),
    "refuse": conflicted("refuse", reason="a"), "recuse": conflicted("recuse"),
    "comment": lambda caller, one: caller.post(f"/v1/applications/{one}/comments", {"text": "a"}),
}


@pytest.mark.parametrize("verb", JUDGING)
def test_nobody_judges_their_own(campus, client, verb):
    """Not with a key of theirs either: who stands behind it counts."""
    made = campaign(client, union(client))
    with reviewer(campus, client, made["organisation"]) as caller:
        one = submitted(caller, made["id"])["id"]
        check_problem(JUDGING[verb](caller, one), 403, "own_application")
        assert caller.get(f"/v1/applications/{one}").json()["state"] == "submitted"
        assert "reviewers" not in caller.get(f"/v1/applications/{one}").json()
        caller.get(f"/v1/applications/{one}/comments").expect(200)
        grant(campus, caller.person["id"], ["*"])
        with acting_as(campus, caller.person["id"]) as same:
            made_by_them = same.post("/v1/keys", {"name": "a", "permissions": ["*"]}).expect(201).json()["secret"]
        with campus.client(made_by_them) as key:
            check_problem(JUDGING[verb](key, one), 403, "own_application")


@pytest.mark.parametrize("verb", JUDGING)
def test_who_is_too_near_judges_nothing(campus, client, verb):
    made = campaign(client, union(client))
    one, = applied(campus, client, made["id"])
    with reviewer(campus, client, made["organisation"]) as caller:
        client.post(f"/v1/applications/{one}/comments", {"text": "a", "shown": True}).expect(201)
        act(caller, one, "recuse").expect(200)
        check_problem(JUDGING[verb](caller, one), 403, "conflict_of_interest")
        check_problem(caller.get(f"/v1/applications/{one}/comments"), 403, "conflict_of_interest")
        caller.get(f"/v1/applications/{one}").expect(200)


def test_a_system_has_no_conflict_to_declare(campus, client):
    one, = applied(campus, client, campaign(client, union(client))["id"])
    check_problem(act(client, one, "recuse"), 403, "person_needed")


# -- decisions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["assign", "interview", "accept", "refuse"])
def test_what_is_decided_stays(campus, client, verb):
    made = campaign(client, union(client))
    accepted, refused = applied(campus, client, made["id"], 2)
    act(client, accepted, "accept").expect(200)
    act(client, refused, "refuse", reason="名额有限").expect(200)
    assert client.get(f"/v1/applications/{refused}").json()["reason"] == "名额有限"
    with somebody(campus, client) as anyone:
        withdrawn = submitted(anyone, made["id"])["id"]
        act(anyone, withdrawn, "withdraw").expect(200)
    for one, code in ((accepted, "already_decided"), (refused, "already_decided"), (withdrawn, "already_withdrawn")):
        check_problem(JUDGING[verb](client, one), 409, code)


def test_the_decided_cannot_withdraw(campus, client):
    made = campaign(client, union(client))
    with somebody(campus, client) as anyone:
        one = submitted(anyone, made["id"])
        act(client, one, "refuse", reason="名额有限").expect(200)
        check_problem(act(anyone, one, "withdraw"), 409, "already_decided")
        assert anyone.get(f"/v1/applications/{one['id']}").json()["reason"] == "名额有限"
    stored = campus.value("SELECT string_agg(rows::text, '') FROM membership.answer WHERE method = 'RefuseApplication'")
    assert "名额有限" not in stored


def test_into_which_track(campus, client):
    top, first, second = branches(client)
    made = campaign(client, top, tracks=[{"organisation": first}, {"organisation": second}])
    with somebody(campus, client) as a, somebody(campus, client) as b:
        choosy, easy = submitted(a, made["id"], choices=[first]), submitted(b, made["id"], choices=[first], any_track=True)
    check_problem(act(client, choosy, "accept", track=top), 422, "track_unknown", {"/track": "track_unknown"})
    check_problem(act(client, choosy, "accept", track=second), 409, "track_not_chosen")
    with reviewer(campus, client, first) as caller:
        check_problem(act(caller, easy, "accept", track=second), 403, "track_not_yours")
        act(caller, choosy, "accept").expect(200)
    assert act(client, easy, "accept", track=second).expect(200).json()["track"] == second
    with reviewer(campus, client, second) as caller:
        caller.get(f"/v1/applications/{easy['id']}").expect(200)  # where it was accepted


def test_who_cannot_be_accepted(campus, client):
    top = union(client)
    made = campaign(client, top)

    def refused(code, prepare, **fields):
        one, = applied(campus, client, made["id"])
        who = client.get(f"/v1/applications/{one}").json()["person_id"]
        prepare(who)
        check_problem(act(client, one, "accept", **fields), 409, code)
        assert client.get(f"/v1/applications/{one}").json()["state"] == "submitted"

    # From before applications were withdrawn with the rest of what somebody had.
    refused("person_not_enrolled", lambda who: campus.sql(f"UPDATE membership.person SET status = 'graduated' WHERE id = '{who}'"))
    refused("already_member", lambda who: membership(client, who, top))
    refused("already_member", lambda who: membership(client, who, top, since="2090-01-01"))
    refused("already_member", lambda who: client.post(
        f"/v1/memberships/{membership(client, who, top, since='2024-01-01')['id']}:end",
        {"reason": "left", "until": "2025-01-01"}).expect(200), since="2024-06-01")
    refused("outside_organisation_life", lambda who: client.patch(
        f"/v1/organisations/{top}", {"founded_on": "2020-01-01"}, etag="*").expect(200), since="2019-12-31")
    cancelled = campaign(client, top)
    one, = applied(campus, client, cancelled["id"])
    client.post(f"/v1/campaigns/{cancelled['id']}:cancel").expect(200)
    check_problem(act(client, one, "accept"), 409, "campaign_cancelled")
    act(client, one, "refuse", reason="取消").expect(200)


def test_who_was_a_member_or_is_honoured_can_join(campus, client):
    top = union(client)
    one, other = applied(campus, client, campaign(client, top)["id"], 2)
    people = [client.get(f"/v1/applications/{each}").json()["person_id"] for each in (one, other)]
    past = membership(client, people[0], top, since="2024-01-01")
    client.post(f"/v1/memberships/{past['id']}:end", {"reason": "left", "until": "2025-01-01"}).expect(200)
    membership(client, people[1], top, kind="honorary")
    for each in (one, other):
        act(client, each, "accept").expect(200)


def at_once(campus, secret, asked):
    """The answers to requests that are sent at one moment: asked are functions of a client."""
    barrier = threading.Barrier(len(asked))

    def send(ask):
        with campus.client(secret) as caller:
            caller.get("/v1/me").expect(200)
            barrier.wait()
            return ask(caller)

    return [sent.answer() for sent in [Sent(lambda ask=ask: send(ask)) for ask in asked]]


def test_who_was_refused_does_not_take_themselves_in(campus, client):
    top = union(client)
    rights = ["membership.applications.review", "membership.memberships.write"]
    with somebody(campus, client, permissions=rights, path=top) as head:
        one = submitted(head, campaign(client, top)["id"])
        check_problem(act(head, one, "accept"), 403, "own_application")
        act(client, one, "refuse", reason="名额有限").expect(200)
        joining = {"person_id": head.person["id"], "organisation": top}
        check_problem(head.post("/v1/memberships", joining), 403, "own_membership", {"/person_id": "own_membership"})
        membership(head, person(client, top)["id"], top)


@pytest.mark.parametrize("verb, fields", [("refuse", {"reason": "名额有限"}), ("interview", WHEN),
                                          ("comments", {"text": "李雷迟到"})])
def test_who_is_erased_while_they_are_judged_leaves_nothing(campus, client, admin, verb, fields):
    made = campaign(client, union(client))
    with somebody(campus, client, email="lilei@campus.example") as anyone:
        one, who = submitted(anyone, made["id"])["id"], anyone.person["id"]
    with Lock(campus, f"SELECT FROM membership.application WHERE id = '{one}' FOR UPDATE") as held:
        path = f"/v1/applications/{one}" + ("/comments" if verb == "comments" else f":{verb}")
        judged = send(campus, admin, "POST", path, json=fields)
        wait_blocked(campus, 1)
        erased = send(campus, admin, "POST", f"/v1/people/{who}:erase", json={})
        wait_blocked(campus, 2)
        held.release()
        assert judged.answer().status in (200, 201)
        erased.answer().expect(200)
    assert campus.value(f"SELECT count(*) FROM membership.mail WHERE subject_id = '{one}' AND recipient IS NOT NULL") == "0"
    assert campus.value(f"SELECT count(*) FROM membership.application_comment WHERE application_id = '{one}' AND text <> '—'") == "0"


def test_two_decide_at_once(campus, client, admin):
    for ones in applied(campus, client, campaign(client, union(client))["id"], 5):
        answers = at_once(campus, admin, [lambda c, one=ones: act(c, one, "accept"), lambda c, one=ones: act(c, one, "accept"),
                                          lambda c, one=ones: act(c, one, "refuse", reason="a")])
        assert sorted(answer.status for answer in answers) == [200, 409, 409]
        assert {answer.code for answer in answers if answer.status == 409} == {"already_decided"}
        members = campus.value(f"SELECT count(*) FROM membership.fact WHERE subject = '{ones}' "
                               "AND type IN ('application.accepted', 'application.refused')")
        assert members == "1"


@pytest.mark.parametrize("quotas", [{"quota": 3}, {"track": 3}, {"quota": 5, "track": 3}, {"quota": 3, "track": 5}])
def test_quotas_are_exact(campus, client, admin, quotas):
    top = union(client)
    track = {"organisation": top, **({"quota": quotas["track"]} if "track" in quotas else {})}
    made = campaign(client, top, tracks=[track], **({"quota": quotas["quota"]} if "quota" in quotas else {}))
    ones = applied(campus, client, made["id"], 10)
    answers = at_once(campus, admin, [lambda c, one=one: act(c, one, "accept") for one in ones])
    assert sorted(answer.status for answer in answers) == [200] * 3 + [409] * 7
    assert {answer.code for answer in answers if answer.status == 409} == {"quota_full"}
    assert client.get(f"/v1/campaigns/{made['id']}:figures").json()["accepted"] == 3
    assert campus.value(f"SELECT count(*) FROM membership.membership WHERE organisation = '{top}'") == "3"


def test_accepted_and_withdrawn_at_once(campus, client, admin):
    made = campaign(client, union(client))
    for _ in range(4):
        with somebody(campus, client) as anyone:
            one = submitted(anyone, made["id"])
            answers = at_once(campus, admin, [lambda c: act(c, one, "accept"), lambda c: act(anyone, one, "withdraw")])
            assert sorted(answer.status for answer in answers) == [200, 409]
            assert {answer.code for answer in answers} in ({None, "already_decided"}, {None, "already_withdrawn"})


def test_accepted_once_for_one_key(campus, client):
    one, = applied(campus, client, campaign(client, union(client))["id"])
    key = {"Idempotency-Key": f"accept-{one}"}
    answers = [client.post(f"/v1/applications/{one}:accept", {}, headers=key).expect(200).json() for _ in range(2)]
    assert answers[0] == answers[1]


def test_applying_twice_at_once(campus, client):
    made = campaign(client, union(client))
    with somebody(campus, client) as anyone:
        answers = at_once(campus, anyone.key, [lambda c: c.post("/v1/applications", {"campaign_id": made["id"]})] * 4)
        assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


# -- what waits --------------------------------------------------------------------------------------------------------


def test_applicants_are_told_by_mail(campus, client):
    made = campaign(client, union(client))
    with somebody(campus, client, email="lilei@campus.example") as a, somebody(campus, client) as b:
        ones = [submitted(caller, made["id"])["id"] for caller in (a, b)]
    for one in ones:
        act(client, one, "interview", **WHEN).expect(200)
    act(client, ones[0], "accept").expect(200)
    act(client, ones[1], "refuse", reason="a").expect(200)
    mails = campus.sql("SELECT kind, recipient, subject_id FROM membership.mail "
                       f"WHERE subject_id IN ('{ones[0]}', '{ones[1]}') ORDER BY id")
    assert mails == [[kind, "lilei@campus.example", ones[0]] for kind in ("application_interview", "application_decided")]


def test_open_items_belong_to_the_organisation(campus, client):
    made = campaign(client, union(client))
    one, other = applied(campus, client, made["id"], 2)
    act(client, one, "interview", **WHEN).expect(200)

    def waiting():
        return campus.sql("SELECT kind, item_id, title, state, due_at FROM membership.open_items_joining "
                          f"WHERE organisation = '{made['organisation']}' ORDER BY kind, item_id")

    soon, later = "2089-01-01 00:00:00+00", "2090-01-01 00:00:00+00"
    assert waiting() == [*sorted([["application", one, "招新", "interview", soon], ["application", other, "招新", "submitted", later]]),
                         ["campaign", made["id"], "招新", "open", later]]
    act(client, one, "accept").expect(200)
    act(client, other, "refuse", reason="a").expect(200)
    client.post(f"/v1/campaigns/{made['id']}:cancel").expect(200)
    assert waiting() == []
