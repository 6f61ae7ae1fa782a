"""test_registrations.py -- societies register each year, and their supervisor reviews them. It is the autumn of 2026."""

import threading

import pytest

import harness
from api.given import NOBODY, check_problem, committee, ids, membership, new_key, new_label, organisation, person
from membership.staff import acting_as, officer

YEAR = 2026


def set_day(campus, day):
    campus.sql(f"UPDATE campus.clock SET shift = timestamptz '{day} 12:00+08' - now()")


@pytest.fixture(scope="module", autouse=True)
def autumn(campus):
    set_day(campus, "2026-09-15")


@pytest.fixture
def tree(client):
    """A federation with a department that supervises, and a society."""
    top = committee(client)
    organisation(client, f"{top}.sf", "federation")
    organisation(client, f"{top}.sf.supervision")
    organisation(client, f"{top}.sf.chess", "society")
    client.put(f"/v1/supervisions/{top}.sf", {"supervisor": f"{top}.sf.supervision"}).expect(200)
    return f"{top}.sf"


def begun(client, path, year=YEAR, **more):
    asked = {"organisation": path, "year": year, "report": "报告", "plan": "计划", **more}
    return client.post("/v1/registrations", {name: value for name, value in asked.items() if value}).expect(201).json()


def submitted(client, path):
    one = begun(client, path)
    return client.post(f"/v1/registrations/{one['id']}:submit").expect(200).json()


def decide(client, registration, decision="approved", **more):
    return client.post(f"/v1/registrations/{registration['id']}:decide", {"decision": decision, **more})


# -- the course of it --------------------------------------------------------------------------------------------------


def test_from_draft_to_approval(client, campus, tree):
    chair, _, _ = officer(client, f"{tree}.chess", roles=["chair"])
    officer(client, f"{tree}.chess", "treasurer")
    for _ in range(3):
        membership(client, chair["id"] if not _ else person(client, tree.split(".", maxsplit=1)[0])["id"], f"{tree}.chess")
    reviewer, _, _ = officer(client, f"{tree}.supervision", "head", roles=["supervisor"])
    with acting_as(campus, chair["id"]) as society, acting_as(campus, reviewer["id"]) as supervisor:
        draft = begun(society, f"{tree}.chess", report=None)
        assert draft["state"] == "draft" and draft["supervisor"] == f"{tree}.supervision" and draft["round"] == 0
        path = f"/v1/registrations/{draft['id']}"
        check_problem(society.post(f"{path}:submit"), 422, "report_missing", {"/report": "report_missing"})
        society.patch(path, {"report": "本年度", "plan": None}, etag="*").expect(200)
        check_problem(society.post(f"{path}:submit"), 422, "plan_missing", {"/plan": "plan_missing"})
        society.patch(path, {"plan": "明年"}, etag="*").expect(200)
        check_problem(decide(supervisor, draft), 409, "not_submitted")
        sent = society.post(f"{path}:submit").expect(200).json()
        assert (sent["members"], sent["offices"], sent["offices_held"], sent["officers"]) == (3, 2, 2, 2)
        assert sent["figures_on"] == "2026-09-15" and sent["late"] is False
        check_problem(society.post(f"{path}:submit"), 409, "not_a_draft")
        check_problem(society.patch(path, {"plan": "x"}, etag="*"), 409, "not_a_draft")
        check_problem(decide(supervisor, sent, "returned"), 422, "comment_missing", {"/comment": "comment_missing"})
        assert decide(supervisor, sent, "returned", comment="请补充").expect(200).json()["state"] == "draft"
        membership(client, person(client, tree.split(".", maxsplit=1)[0])["id"], f"{tree}.chess")
        society.patch(path, {"report": "补充"}, etag="*").expect(200)
        assert society.post(f"{path}:submit").expect(200).json()["members"] == 4
        approved = decide(supervisor, sent).expect(200).json()
        assert approved["state"] == "approved" and approved["decision"] == "approved" and approved["round"] == 2
        check_problem(decide(supervisor, sent), 409, "not_submitted")
        shown = supervisor.get(path).expect(200).json()
    first, second = shown["rounds"]
    assert (first["members"], first["report"], first["decision"], first["comment"]) == (3, "本年度", "returned", "请补充")
    assert (second["members"], second["report"], second["decision"]) == (4, "补充", "approved")
    facts = [row[0] for row in campus.sql(f"SELECT type FROM membership.fact WHERE subject = '{draft['id']}' ORDER BY id")]
    assert facts == [f"registration.{what}" for what in ("created", "submitted", "returned", "submitted", "approved")]


def test_one_a_year(client, campus, admin, tree):
    begun(client, f"{tree}.chess")
    asked = {"organisation": f"{tree}.chess", "year": YEAR}
    check_problem(client.post("/v1/registrations", asked), 409, "registered_already", {"/year": "registered_already"})
    begun(client, f"{tree}.chess", YEAR - 1)
    answers = []

    def begin():
        with campus.client(admin) as one:
            answers.append(one.post("/v1/registrations", {"organisation": f"{tree}.chess", "year": YEAR - 2}))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    again = {"json": {"organisation": f"{tree}.chess", "year": YEAR - 3}, "headers": {"Idempotency-Key": new_label("once")}}
    assert client.post("/v1/registrations", **again).expect(201).json() == client.post("/v1/registrations", **again).json()


def test_what_cannot_be_begun(client, tree):
    for path, code, status in ((f"{tree}.none", "organisation_unknown", 422), (tree, "registration_not_needed", 409)):
        check_problem(client.post("/v1/registrations", {"organisation": path, "year": YEAR}), status, code, {"/organisation": code})
    early = begun(client, f"{tree}.chess", YEAR + 1)
    check_problem(client.post(f"/v1/registrations/{early['id']}:submit"), 409, "window_not_open")
    client.get(f"/v1/registrations/{NOBODY}").expect(404)


def test_a_dissolved_society_does_not_register(client, tree):
    one = begun(client, f"{tree}.chess")
    client.post(f"/v1/organisations/{tree}.chess:dissolve").expect(200)
    check_problem(client.post(f"/v1/registrations/{one['id']}:submit"), 409, "organisation_dissolved")


def test_two_decisions_at_once(client, campus, tree):
    one = submitted(client, f"{tree}.chess")
    answers = []

    def say(decision, secret):
        with campus.client(secret) as each:
            answers.append(decide(each, one, decision, comment="x"))

    threads = [threading.Thread(target=say, args=(decision, new_key(client)["secret"]))
               for decision in ("approved", "refused", "returned")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    assert {answer.code for answer in answers} == {None, "not_submitted"}
    count = f"SELECT count(*) FROM membership.registration_decision WHERE registration_id = '{one['id']}'"
    assert int(campus.value(count)) == 1


def test_evidence_is_only_added_to(campus):
    for table in ("registration_submission", "registration_decision", "registration_policy"):
        for change in (f"UPDATE membership.{table} SET created_at = NULL", f"DELETE FROM membership.{table}"):
            with pytest.raises(harness.HarnessError, match="permission denied|does not exist"):
                campus.sql(change, role="campus_membership")


# -- who decides -------------------------------------------------------------------------------------------------------


def test_who_is_too_near_does_not_decide(client, campus, tree):
    both, place, _ = officer(client, f"{tree}.supervision", "head", roles=["supervisor"])
    chair, own, _ = officer(client, f"{tree}.chess", "adviser")
    sender = new_key(client)
    with campus.client(sender["secret"]) as one:
        sent = submitted(one, f"{tree}.chess")
        check_problem(decide(one, sent), 403, "conflict_of_interest")  # has submitted it
    client.post(f"/v1/offices/{place['id']}:transfer", {"person_id": chair["id"], "chosen": "election"}).expect(200)
    with acting_as(campus, chair["id"]) as one:
        check_problem(decide(one, sent), 403, "conflict_of_interest")  # supervises, and holds an office there
    campus.sql(f"INSERT INTO membership.office_role VALUES ('{own['id']}', 'administrator', '')")
    with acting_as(campus, office_id=own["id"]) as one:
        check_problem(decide(one, sent), 403, "conflict_of_interest")  # is a key of an office there
    client.post(f"/v1/offices/{place['id']}:transfer", {"person_id": both["id"], "chosen": "election"})
    check_problem(decide(client, sent, "refused"), 422, "comment_missing")
    assert decide(client, sent, "refused", comment="不合要求").expect(200).json()["state"] == "refused"


def test_only_the_supervisor_decides(client, campus, tree):
    sent = submitted(client, f"{tree}.chess")
    with campus.client(new_key(client, "membership.*", f"{tree}.chess")["secret"]) as own:
        own.get(f"/v1/registrations/{sent['id']}").expect(200)
        check_problem(decide(own, sent), 403, "permission_denied")
    with campus.client(new_key(client, "membership.*", f"{tree}.supervision")["secret"]) as supervisor:
        assert supervisor.get(f"/v1/registrations/{sent['id']}").expect(200).json()["report"] == "报告"
        check_problem(supervisor.patch(f"/v1/registrations/{sent['id']}", {"plan": "x"}, etag="*"), 404, "not_found")
        check_problem(supervisor.post("/v1/registrations", {"organisation": f"{tree}.chess", "year": 2030}), 403, "permission_denied")
        decide(supervisor, sent).expect(200)
    with campus.client(new_key(client, "membership.*", committee(client))["secret"]) as elsewhere:
        elsewhere.get(f"/v1/registrations/{sent['id']}").expect(404)
        check_problem(decide(elsewhere, sent), 404, "not_found")
        assert elsewhere.get("/v1/registrations").json().get("registrations", []) == []
    with campus.client(new_key(client, "membership.people.read")["secret"]) as other:
        for answer in (other.get("/v1/registrations"), other.get("/v1/registrations:overdue"), decide(other, sent)):
            check_problem(answer, 403, "permission_denied")


# -- supervision and policy --------------------------------------------------------------------------------------------


def supervisor_of(campus, path):
    return campus.value(f"SELECT membership.supervisor_of('{path}')")


def test_who_supervises(client, campus, tree):
    top = tree.split(".", maxsplit=1)[0]
    assert supervisor_of(campus, f"{tree}.chess") == f"{tree}.supervision"
    assert supervisor_of(campus, f"{tree}.supervision") == tree  # not itself
    assert supervisor_of(campus, tree) == top  # not from within
    sent = submitted(client, f"{tree}.chess")
    other = organisation(client, f"{tree}.office")["path"]
    client.put(f"/v1/supervisions/{tree}.chess", {"supervisor": other}).expect(200)
    assert client.get(f"/v1/registrations/{sent['id']}").json()["supervisor"] == other  # the nearest counts
    assert ids(client.get("/v1/registrations", query={"supervisor": other}).json(), "registrations") == [sent["id"]]
    client.delete(f"/v1/supervisions/{tree}.chess").expect(200)
    assert client.get(f"/v1/registrations/{sent['id']}").json()["supervisor"] == f"{tree}.supervision"
    subtrees = [one["subtree"] for one in client.pages("/v1/supervisions", "supervisions", {"page_size": 1})]
    assert tree in subtrees and f"{tree}.chess" not in subtrees


@pytest.fixture
def associations_register(campus):
    campus.sql("INSERT INTO membership.registration_policy VALUES ('association', 2026, true, 9, 1, 10, 31, '{}')")
    yield
    campus.sql("DELETE FROM membership.registration_policy WHERE kind = 'association'")


@pytest.mark.usefixtures("associations_register")
def test_who_leads_anew_reviews_what_waits(client, campus):
    """Nothing stands above it and no row says who supervises: the committee of today does, also what was submitted to another."""
    first, second, path = committee(client), committee(client), new_label("l")
    client.post("/v1/organisations", {"path": path, "kind": "association", "title": "青协", "led_by": first}).expect(201)
    sent = submitted(client, path)
    assert sent["supervisor"] == first
    client.patch(f"/v1/organisations/{path}", {"led_by": second}, etag="*").expect(200)
    with campus.client(new_key(client, "membership.*", first)["secret"]) as before:
        check_problem(before.get(f"/v1/registrations/{sent['id']}"), 404)
    with campus.client(new_key(client, "membership.*", second)["secret"]) as now:
        assert now.get(f"/v1/registrations/{sent['id']}").expect(200).json()["supervisor"] == second
        decide(now, sent).expect(200)


@pytest.mark.usefixtures("associations_register")
def test_nobody_says_who_reviews_their_own_organisation(client, campus):
    """Who leads it is said where it is founded."""
    first, second, path = committee(client), committee(client), new_label("l")
    client.post("/v1/organisations", {"path": path, "kind": "association", "title": "青协", "led_by": first}).expect(201)
    with campus.client(new_key(client, "membership.*", path)["secret"]) as own:
        for leader in (second, None):
            check_problem(own.patch(f"/v1/organisations/{path}", {"led_by": leader}, etag="*"), 403, "led_by_not_yours")
        own.patch(f"/v1/organisations/{path}", {"led_by": first, "title": "志愿者协会"}, etag="*").expect(200)
        assert submitted(own, path)["supervisor"] == first


def test_what_supervision_cannot_be(client, campus, tree):
    for path, supervisor, code, pointer in ((f"{tree}.none", tree, "organisation_unknown", "subtree"),
                                            (tree, f"{tree}.none", "supervisor_unknown", "/supervisor"),
                                            (tree, tree, "supervises_itself", "/supervisor")):
        check_problem(client.put(f"/v1/supervisions/{path}", {"supervisor": supervisor}), 422, code, {pointer: code})
    with campus.client(new_key(client, "membership.*", tree)["secret"]) as narrow:
        check_problem(narrow.put(f"/v1/supervisions/{tree}", {"supervisor": f"{tree}.chess"}), 403, "permission_denied")
        check_problem(narrow.delete(f"/v1/supervisions/{tree}"), 403, "permission_denied")
        check_problem(narrow.post("/v1/registration_policies", POLICY), 403, "permission_denied")
    client.delete(f"/v1/supervisions/{tree}.none").expect(404)


POLICY = {"kind": "association", "since_year": 2027, "opens_month": 3, "opens_day": 1, "closes_month": 3, "closes_day": 31,
          "requires": ["plan"]}


def test_policies_hold_from_a_year_on(client, campus, tree):
    path = organisation(client, f"{tree}.youth", "association")["path"]
    assert client.post("/v1/registration_policies", POLICY).expect(201).json()["registers"] is True
    check_problem(client.post("/v1/registration_policies", POLICY), 409, "registration_policy_known")
    for change, code in (({"opens_month": 1, "closes_month": 2, "closes_day": 30}, "no_such_day"), ({"opens_month": 4}, "closes_before_it_opens")):
        check_problem(client.post("/v1/registration_policies", {**POLICY, "since_year": 2050, **change}), 422, code)
    check_problem(client.post("/v1/registrations", {"organisation": path, "year": 2026}), 409, "registration_not_needed")
    one = begun(client, path, 2027, report=None)
    client.post("/v1/registration_policies", {**POLICY, "since_year": 2028, "registers": False}).expect(201)
    check_problem(client.post("/v1/registrations", {"organisation": path, "year": 2028}), 409, "registration_not_needed")
    assert [p["since_year"] for p in client.pages("/v1/registration_policies", "policies", {"page_size": 1})] == [2027, 2028, 2000]
    campus.sql("UPDATE membership.registration_policy SET registers = false WHERE kind = 'association'")
    check_problem(client.post(f"/v1/registrations/{one['id']}:submit"), 409, "registration_not_needed")


# -- lists -------------------------------------------------------------------------------------------------------------


def test_list(client, tree):
    one = submitted(client, f"{tree}.chess")
    two = begun(client, organisation(client, f"{tree}.go", "society")["path"])
    old = begun(client, f"{tree}.chess", 2024)
    listed = [r["id"] for r in client.pages("/v1/registrations", "registrations", {"within": tree, "page_size": 1})]
    assert listed == [old["id"], one["id"], two["id"]]
    for query, found in (({"year": 2024}, [old]), ({"state": "submitted"}, [one]), ({"year": 2026, "state": "draft"}, [two])):
        assert ids(client.get("/v1/registrations", query={"within": tree, **query}).json(), "registrations") == [r["id"] for r in found]


def overdue(client, **query):
    return [(one["organisation"], one["state"], one["days_overdue"], one["due_on"])
            for one in client.pages("/v1/registrations:overdue", "overdue", {"page_size": 1, **query})]


def test_who_is_overdue(client, campus, tree):
    organisation(client, f"{tree}.go", "society")
    organisation(client, f"{tree}.done", "society")
    organisation(client, f"{tree}.gone", "society")
    organisation(client, f"{tree}.new", "society", founded_on="2026-09-10")
    client.post(f"/v1/organisations/{tree}.gone:dissolve").expect(200)
    submitted(client, f"{tree}.done")
    begun(client, f"{tree}.go")
    assert overdue(client, within=tree) == []
    with campus.client(new_key(client, "membership.registrations.read", f"{tree}.supervision")["secret"]) as supervisor:
        try:
            set_day(campus, "2026-10-31")
            assert overdue(client, within=tree) == []  # the last day is of the window
            set_day(campus, "2026-11-02")
            late = [(f"{tree}.chess", "missing", 2, "2026-10-31"), (f"{tree}.go", "draft", 2, "2026-10-31")]
            assert overdue(client, within=tree) == late
            assert overdue(supervisor, within=tree, year=2026) == late
            assert overdue(client, within=tree, year=2027) == []
            sent = submitted(client, f"{tree}.chess")
            assert sent["late"] is True
            decide(client, sent, "returned", comment="x")
            assert [one[:2] for one in overdue(client, within=tree)][0] == (f"{tree}.go", "draft")
        finally:
            set_day(campus, "2026-09-15")


def test_a_society_founded_in_the_window_registers_next_year(client, campus, tree):
    for name, day in (("before", "2026-08-31"), ("first", "2026-09-01"), ("later", "2026-09-10")):
        organisation(client, f"{tree}.{name}", "society", founded_on=day)
    try:
        set_day(campus, "2026-11-02")
        assert [one[0] for one in overdue(client, within=tree)] == [f"{tree}.before", f"{tree}.chess"]
    finally:
        set_day(campus, "2026-09-15")


# -- what waits in the offices -----------------------------------------------------------------------------------------


def test_registrations_wait_in_offices(client, tree):
    _, chair, _ = officer(client, f"{tree}.chess")
    _, head, _ = officer(client, f"{tree}.supervision", "head")

    def waiting(place):
        path = f"/v1/offices/{place['id']}/items"
        return [(i["kind"], i["item_id"], i["state"], i.get("due_at")) for i in client.get(path).expect(200).json().get("items", [])]

    assert waiting(chair) == [("registration", f"{tree}.chess/2026", "missing", "2026-10-31T16:00:00Z")]
    one = begun(client, f"{tree}.chess")
    assert waiting(chair) == [("registration", one["id"], "draft", "2026-10-31T16:00:00Z")]
    client.post(f"/v1/registrations/{one['id']}:submit").expect(200)
    assert waiting(chair) == [] and waiting(head) == [("review", one["id"], "submitted", None)]
    decide(client, one).expect(403)  # the same key has submitted it
