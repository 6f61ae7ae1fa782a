"""test_handovers.py -- what waits in an office stays there when people change; two of them sign a list of it."""

import hashlib
import threading

import pytest

import harness
from api.given import NOBODY, check_problem, committee, ids, new_key, new_label, organisation, person
from membership.staff import acting_as, appointed, officer, standing_office, today
from membership.test_plans import read_rows

ABSENT = "0" * 64


@pytest.fixture
def tree(client):
    """A committee `top` with a chair's office, and a department `top.a` with a head's."""
    top = committee(client)
    organisation(client, f"{top}.a")
    return top


def office_key(client, campus, place, person_id, **more):
    """A key that is the office's, made by its holder."""
    client.patch(f"/v1/offices/{place['id']}", {"roles": ["chair"]}, etag="*").expect(200)
    with acting_as(campus, person_id) as holder:
        asked = {"name": new_label("key "), "permissions": ["membership.people.read"], "office_id": place["id"],
                 "organisation": place["organisation"], **more}
        return holder.post("/v1/keys", asked).expect(201).json()


def items(client, office_id, **query):
    return client.get(f"/v1/offices/{office_id}/items", query=query).expect(200).json().get("items", [])


@pytest.fixture
def changing(client, campus, tree):
    """An office with a key whose holder has gone and whose successor is there: what a handover is about."""
    old, place, going = officer(client, tree, term={"since": "2025-09-01"})
    key = office_key(client, campus, place, old["id"])
    new = person(client, tree)
    coming = client.post(f"/v1/offices/{place['id']}:transfer", {"person_id": new["id"], "chosen": "election"}).expect(200).json()
    return {"office": place["id"], "key": key["id"], "old": old["id"], "new": new["id"], "going": going["id"], "coming": coming["id"],
            "top": tree}


def opened(client, changing, **more):
    asked = {"office_id": changing["office"], "outgoing_appointment_id": changing["going"],
             "incoming_appointment_id": changing["coming"], **more}
    return client.post("/v1/handovers", {name: value for name, value in asked.items() if value}).expect(201).json()


def sign(one, handover, party, hash=None):
    return one.post(f"/v1/handovers/{handover['id']}:sign", {"party": party, "hash": hash or handover["hash"]})


# -- what waits --------------------------------------------------------------------------------------------------------


def test_a_key_waits_in_its_office_whoever_holds_it(client, changing):
    assert [(item["source"], item["kind"], item["item_id"], item["of_office"]) for item in items(client, changing["office"])] == [
        ("membership", "key", changing["key"], True)]
    client.post(f"/v1/keys/{changing['key']}:revoke").expect(200)
    assert items(client, changing["office"]) == []


def test_the_holder_sees_what_waits_and_the_former_one_does_not(client, campus, changing):
    client.patch(f"/v1/offices/{changing['office']}", {"roles": []}, etag="*").expect(200)
    path = f"/v1/offices/{changing['office']}/items"
    with acting_as(campus, changing["new"]) as now, acting_as(campus, changing["old"]) as before:
        assert now.get(path).expect(200).json()["items"][0]["item_id"] == changing["key"]
        before.get(path).expect(404)
    client.get(f"/v1/offices/{NOBODY}/items").expect(404)


def test_an_office_that_nobody_holds_waits_with_who_leads(client, tree):
    chair, head, deputy = standing_office(client, tree), standing_office(client, f"{tree}.a", "head"), standing_office(client, f"{tree}.a", "deputy_head")
    assert [(i["item_id"], i["state"], i["organisation"], i["of_office"]) for i in items(client, head["id"])] == [
        (deputy["id"], "vacant", f"{tree}.a", False)]
    assert [i["item_id"] for i in items(client, chair["id"])] == [head["id"]]
    assert items(client, deputy["id"]) == []
    holder = appointed(client, deputy["id"], person(client, tree)["id"], acting=True)
    assert [(i["item_id"], i["state"]) for i in items(client, head["id"])] == [(deputy["id"], "acting")]
    client.post(f"/v1/appointments/{holder['id']}:end", {"reason": "resigned"}).expect(200)
    appointed(client, deputy["id"], person(client, tree)["id"])
    assert items(client, head["id"]) == []


def test_items_of_another_service_come_by_its_view(client, campus, tree):
    place, other = standing_office(client, tree), standing_office(client, tree, "treasurer")
    schema = new_label("tasks_")
    campus.sql(f"""
        CREATE SCHEMA {schema};
        CREATE TABLE {schema}.task (organisation ltree, office_id uuid, id text, title text, due_at timestamptz);
        INSERT INTO {schema}.task VALUES ('{tree}', NULL, '1', 'report', '2030-01-02T00:00:00Z'),
            ('{tree}', '{place["id"]}', '2', E'with a\ttab', '2030-01-01T00:00:00Z'), ('{tree}', '{other["id"]}', '3', 'books', NULL);
        CREATE VIEW {schema}.office_items AS
            SELECT organisation, office_id, 'task' AS kind, id AS item_id, title, due_at, 'open' AS state FROM {schema}.task;
        CREATE VIEW {schema}.office_items_half AS SELECT organisation FROM {schema}.task;
        GRANT SELECT ON {schema}.office_items_half TO campus_membership;
        GRANT USAGE ON SCHEMA {schema} TO campus_membership;""")
    try:
        assert [i["item_id"] for i in items(client, place["id"], kind="task")] == []  # not granted yet
        campus.sql(f"GRANT SELECT ON {schema}.office_items TO campus_membership")
        assert [(i["item_id"], i["source"]) for i in items(client, place["id"], kind="task")] == [("2", schema), ("1", schema)]
        assert [(i["item_id"], i.get("due_at")) for i in items(client, other["id"])] == [("3", None)]
        assert [i["item_id"] for i in client.pages(f"/v1/offices/{place['id']}/items", "items", {"page_size": 1, "kind": "task"})
                ] == ["2", "1"]
        vacancies = {v["office_id"]: v for v in client.pages("/v1/vacancies", "vacancies", {"within": tree, "page_size": 1})}
        assert set(vacancies) == {place["id"], other["id"]}
        assert vacancies[place["id"]]["items"] == 3 and vacancies[place["id"]]["oldest_due_at"] == "2030-01-01T00:00:00Z"
        assert vacancies[other["id"]]["items"] == 1 and "oldest_due_at" not in vacancies[other["id"]]
        going = appointed(client, place["id"], person(client, tree)["id"])
        handover = client.post("/v1/handovers", {"office_id": place["id"], "outgoing_appointment_id": going["id"]}).expect(201).json()
        assert client.get(f"/v1/handovers/{handover['id']}").json()["items"][-1]["title"] == "with a tab"
    finally:
        campus.sql(f"DROP SCHEMA {schema} CASCADE")


def test_vacancies(client, campus, tree):
    place, held = standing_office(client, tree), standing_office(client, f"{tree}.a", "head", carries_over=True)
    appointed(client, held["id"], person(client, tree)["id"], since="2024-01-01", term_until="2025-01-01")
    first, second = client.get("/v1/vacancies", query={"within": tree}).expect(200).json()["vacancies"]
    assert (first["office_id"], first["state"]) == (place["id"], "vacant") and "since" not in first
    assert (second["office_id"], second["state"], second["since"]) == (held["id"], "carried_over", "2025-01-01")
    query = {"within": tree, "state": "carried_over"}
    assert [v["office_id"] for v in client.get("/v1/vacancies", query=query).json()["vacancies"]] == [held["id"]]
    somebody = appointed(client, place["id"], person(client, tree)["id"], since="2024-01-01")
    assert len(client.get("/v1/vacancies", query={"within": tree}).json()["vacancies"]) == 1
    client.post(f"/v1/appointments/{somebody['id']}:end", {"reason": "resigned", "until": "2026-01-01"}).expect(200)
    assert client.get("/v1/vacancies", query={"within": tree}).json()["vacancies"][0]["since"] == "2026-01-01"
    with campus.client(new_key(client, "membership.handovers.read", f"{tree}.a")["secret"]) as narrow:
        assert [v["organisation"] for v in narrow.get("/v1/vacancies").json()["vacancies"]] == [f"{tree}.a"]


def test_who_never_came_leaves_no_vacancy(client, campus, tree):
    """An office is vacant since somebody has last held it, not since somebody was to."""
    place = standing_office(client, tree)

    def after_one_who_never_came(day):
        held = appointed(client, place["id"], person(client, tree)["id"], since=day)
        client.post(f"/v1/appointments/{held['id']}:end", {"reason": "resigned", "until": day}).expect(200)
        return client.get("/v1/vacancies", query={"within": tree}).json()["vacancies"][0].get("since")

    assert after_one_who_never_came("2025-06-01") is None
    held = appointed(client, place["id"], person(client, tree)["id"], since="2025-01-01", term_until="2026-01-01")
    assert held["until"] == "2026-01-01" and after_one_who_never_came("2026-02-01") == "2026-01-01"


# -- the list and its hash ---------------------------------------------------------------------------------------------


def hash_of(client, handover):
    lines = ["\t".join((handover["office_id"], handover["outgoing_appointment_id"], str(handover["list"])))]
    for item in client.pages(f"/v1/handovers/{handover['id']}/items", "items", {"list": handover["list"], "page_size": 2}):
        due = item.get("due_at", "")
        due = due and (due[:-1] if "." in due else due[:-1] + ".").ljust(26, "0") + "Z"
        lines.append("\t".join((item["source"], item["kind"], item["item_id"], item["title"], due, item.get("state", ""))))
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def test_the_hash_is_of_what_is_shown(client, campus, changing):
    client.patch(f"/v1/offices/{changing['office']}", {"roles": ["chair"]}, etag="*").expect(200)
    with acting_as(campus, changing["new"]) as holder:
        for _ in range(3):
            holder.post("/v1/keys", {"name": "钥匙", "permissions": ["membership.people.read"], "office_id": changing["office"],
                                     "organisation": changing["top"], "expires_at": "2031-02-03T04:05:06.07Z"}).expect(201)
    handover = opened(client, changing, note="交接\n说明")
    assert handover["state"] == "open" and handover["item_count"] == 4 and handover["list"] == 1
    assert handover["hash"] == hash_of(client, handover)
    shown = client.get(f"/v1/handovers/{handover['id']}").expect(200).json()
    assert shown["note"] == "交接\n说明" and len(shown["items"]) == 4 and shown.get("added_since", []) == []
    assert shown["outgoing_person_id"] == changing["old"] and shown["incoming_person_id"] == changing["new"]


def test_what_comes_later_is_shown_beside_the_list(client, campus, changing):
    handover = opened(client, changing)
    later = office_key(client, campus, {"id": changing["office"], "organisation": changing["top"]}, changing["new"])
    shown = client.get(f"/v1/handovers/{handover['id']}").json()
    assert [i["item_id"] for i in shown["items"]] == [changing["key"]]
    assert [i["item_id"] for i in shown["added_since"]] == [later["id"]]
    renewed = client.post(f"/v1/handovers/{handover['id']}:renew_list").expect(200).json()
    assert renewed["list"] == 2 and renewed["item_count"] == 2 and renewed["hash"] == hash_of(client, renewed)
    assert client.get(f"/v1/handovers/{handover['id']}").json().get("added_since", []) == []
    assert handover["hash"] == hash_of(client, handover)  # the first list is still there to be read


def test_lists_are_only_added_to(campus):
    for table in ("handover_list", "handover_item"):
        for change in (f"UPDATE membership.{table} SET list = 9", f"DELETE FROM membership.{table}"):
            with pytest.raises(harness.HarnessError, match="permission denied"):
                campus.sql(change, role="campus_membership")


# -- signing -----------------------------------------------------------------------------------------------------------


def test_both_sign(client, campus, changing):
    handover = opened(client, changing)
    with acting_as(campus, changing["old"]) as old, acting_as(campus, changing["new"]) as new:
        check_problem(sign(old, handover, "outgoing", ABSENT), 409, "list_changed", {"/hash": "list_changed"})
        one = sign(old, handover, "outgoing").expect(200).json()
        assert one["state"] == "signed_by_one" and one["outgoing_signed_at"]
        check_problem(sign(old, handover, "outgoing"), 409, "signed_already")
        check_problem(old.post(f"/v1/handovers/{handover['id']}:renew_list"), 409, "handover_signed")
        check_problem(sign(old, handover, "incoming"), 403, "not_a_party", {"/party": "not_a_party"})
        both = sign(new, handover, "incoming").expect(200).json()
        assert both["state"] == "complete"
        check_problem(sign(new, handover, "incoming"), 409, "signed_already")
        for action in ("renew_list", "name_incoming"):
            asked = {"incoming_appointment_id": changing["coming"]} if action == "name_incoming" else {}
            check_problem(client.post(f"/v1/handovers/{handover['id']}:{action}", asked), 409, "handover_over")
        check_problem(client.post(f"/v1/handovers/{handover['id']}:close", {"reason": "x"}), 409, "handover_over")
        assert [h["state"] for h in new.get("/v1/handovers").expect(200).json()["handovers"]] == ["complete"]
    asked = {"office_id": changing["office"], "outgoing_appointment_id": changing["going"]}
    check_problem(client.post("/v1/handovers", asked), 409, "handed_over_already",
                  {"/outgoing_appointment_id": "handed_over_already"})
    facts = campus.sql(f"SELECT type FROM membership.fact WHERE subject = '{handover['id']}' ORDER BY id")
    assert [fact[0] for fact in facts] == ["handover.opened", "handover.signed", "handover.signed", "handover.completed"]


def test_nobody_signs_for_another(client, campus, changing):
    handover = opened(client, changing)
    check_problem(sign(client, handover, "outgoing"), 403, "not_a_party")  # an administrator's key is no person
    stranger = person(client, changing["top"])
    with acting_as(campus, stranger["id"]) as one:
        check_problem(sign(one, handover, "outgoing"), 404, "not_found")
        one.get(f"/v1/handovers/{handover['id']}").expect(404)
        one.get(f"/v1/handovers/{handover['id']}/items").expect(404)


def test_two_signatures_at_once(client, campus, changing):
    handover = opened(client, changing)
    answers = []
    with acting_as(campus, changing["old"]) as a, acting_as(campus, changing["old"]) as b, acting_as(campus, changing["new"]) as c:
        threads = [threading.Thread(target=lambda one=one, party=party: answers.append(sign(one, handover, party)))
                   for one, party in ((a, "outgoing"), (b, "outgoing"), (c, "incoming"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answer.status for answer in answers) == [200, 200, 409]
    check_problem(next(a for a in answers if a.status == 409), 409, "signed_already")
    assert client.get(f"/v1/handovers/{handover['id']}").json()["state"] == "complete"
    completed = f"SELECT count(*) FROM membership.fact WHERE type = 'handover.completed' AND subject = '{handover['id']}'"
    assert int(campus.value(completed)) == 1


def test_a_signature_sent_twice_is_one(client, campus, changing):
    handover = opened(client, changing)
    with acting_as(campus, changing["old"]) as old:
        asked = {"json": {"party": "outgoing", "hash": handover["hash"]}, "headers": {"Idempotency-Key": new_label("once")}}
        first = old.post(f"/v1/handovers/{handover['id']}:sign", **asked).expect(200)
        assert old.post(f"/v1/handovers/{handover['id']}:sign", **asked).expect(200).json() == first.json()


# -- who comes, and who cannot sign ------------------------------------------------------------------------------------


def test_who_comes_may_be_named_later(client, campus, tree):
    old, place, going = officer(client, tree, term={"since": "2025-09-01"})
    handover = client.post("/v1/handovers", {"office_id": place["id"], "outgoing_appointment_id": going["id"]}).expect(201).json()
    with acting_as(campus, old["id"]) as one:
        check_problem(sign(one, handover, "incoming"), 409, "incoming_unknown")
        sign(one, handover, "outgoing").expect(200)
    path = f"/v1/handovers/{handover['id']}:name_incoming"
    check_problem(client.post(path, {"incoming_appointment_id": NOBODY}), 422, "incoming_appointment_unknown")
    check_problem(client.post(path, {"incoming_appointment_id": going["id"]}), 422, "same_person")
    new = person(client, tree)
    coming = client.post(f"/v1/offices/{place['id']}:transfer", {"person_id": new["id"], "chosen": "election"}).expect(200).json()
    named = client.post(path, {"incoming_appointment_id": coming["id"]}).expect(200).json()
    assert named["state"] == "signed_by_one" and named["incoming_person_id"] == new["id"]
    with acting_as(campus, new["id"]) as one:
        check_problem(one.post(path, {"incoming_appointment_id": coming["id"]}), 403, "permission_denied")
        assert sign(one, handover, "incoming").expect(200).json()["state"] == "complete"


def test_who_has_come_and_signed_is_not_renamed(client, campus, changing):
    handover = opened(client, changing)
    with acting_as(campus, changing["new"]) as new:
        sign(new, handover, "incoming").expect(200)
    asked = {"incoming_appointment_id": changing["coming"]}
    check_problem(client.post(f"/v1/handovers/{handover['id']}:name_incoming", asked), 409, "signed_already")


@pytest.fixture
def early(client, campus, tree):
    """An office that is handed over before the successor's term begins."""
    old, place, going = officer(client, tree, roles=["chair"], term={"since": "2025-09-01", "term_until": today(campus, 30)})
    new = person(client, tree)
    coming = appointed(client, place["id"], new["id"], since=today(campus, 30))
    return {"office": place["id"], "old": old["id"], "new": new["id"], "going": going["id"], "coming": coming["id"], "top": tree}


def never_comes(client, campus, early):
    """Takes the successor's appointment back."""
    client.post(f"/v1/appointments/{early['coming']}:end", {"reason": "resigned", "until": today(campus, 30)}).expect(200)


def test_who_comes_signs_before_their_term_and_may_nothing_yet(client, campus, early):
    handover = opened(client, early)
    appointments = [f"/v1/appointments/{early[name]}" for name in ("going", "coming")]
    before = [client.get(path).json() for path in appointments]
    with acting_as(campus, early["old"]) as old, acting_as(campus, early["new"]) as new:
        assert sign(new, handover, "incoming").expect(200).json()["state"] == "signed_by_one"
        assert sign(old, handover, "outgoing").expect(200).json()["state"] == "complete"
        check_problem(new.get("/v1/people"), 403, "permission_denied")
        new.get(f"/v1/offices/{early['office']}/items").expect(404)
        old.get("/v1/people").expect(200)
        old.get(f"/v1/offices/{early['office']}/items").expect(200)
    assert [client.get(path).json() for path in appointments] == before
    assert client.get(f"/v1/offices/{early['office']}").json()["holders"][0]["person_id"] == early["old"]


def test_who_never_comes_does_not_sign(client, campus, early):
    """Or else who comes in their place would have nothing to sign any more."""
    handover = opened(client, early)
    with acting_as(campus, early["old"]) as old:
        sign(old, handover, "outgoing").expect(200)
    never_comes(client, campus, early)
    with acting_as(campus, early["new"]) as new:
        check_problem(sign(new, handover, "incoming"), 409, "incoming_never_came", {"/party": "incoming_never_came"})
    another = person(client, early["top"])
    coming = appointed(client, early["office"], another["id"], since=today(campus, 30))
    client.post(f"/v1/handovers/{handover['id']}:name_incoming", {"incoming_appointment_id": coming["id"]}).expect(200)
    with acting_as(campus, another["id"]) as new:
        assert sign(new, handover, "incoming").expect(200).json()["state"] == "complete"


def test_what_was_handed_over_to_who_never_came_is_handed_over_again(client, campus, early):
    handover = opened(client, early)
    with acting_as(campus, early["old"]) as old, acting_as(campus, early["new"]) as new:
        sign(new, handover, "incoming").expect(200)
        sign(old, handover, "outgoing").expect(200)
    asked = {"office_id": early["office"], "outgoing_appointment_id": early["going"]}
    check_problem(client.post("/v1/handovers", asked), 409, "handed_over_already")
    never_comes(client, campus, early)
    again = client.post("/v1/handovers", asked).expect(201).json()
    with acting_as(campus, early["old"]) as old:
        sign(old, again, "outgoing").expect(200)
    assert client.get(f"/v1/handovers/{handover['id']}").json()["state"] == "complete"


def test_what_cannot_be_opened(client, changing):
    base = {"office_id": changing["office"], "outgoing_appointment_id": changing["going"]}
    for more, code, pointer in (({"office_id": NOBODY}, "office_unknown", "/office_id"),
                                ({"outgoing_appointment_id": NOBODY}, "appointment_unknown", "/outgoing_appointment_id"),
                                ({"incoming_appointment_id": NOBODY}, "incoming_appointment_unknown", "/incoming_appointment_id"),
                                ({"incoming_appointment_id": changing["going"]}, "same_person", "/incoming_appointment_id")):
        check_problem(client.post("/v1/handovers", {**base, **more}), 422, code, {pointer: code})


def test_who_has_not_held_an_office_opens_no_handover_of_it(client, campus, tree):
    """They would read in its list what waits there."""
    place = standing_office(client, tree)
    one = person(client, tree)["id"]
    with acting_as(campus, one) as own:
        planned = appointed(client, place["id"], one, since="2090-01-01")
        asked = {"office_id": place["id"], "outgoing_appointment_id": planned["id"]}
        check_problem(own.post("/v1/handovers", asked), 403, "permission_denied")
        client.post(f"/v1/appointments/{planned['id']}:end", {"reason": "resigned", "until": "2090-01-01"}).expect(200)
        check_problem(own.post("/v1/handovers", asked), 403, "permission_denied")
    check_problem(client.post("/v1/handovers", asked), 422, "appointment_unknown")


def test_a_later_handover_supersedes(client, campus, changing):
    first = opened(client, changing)
    with acting_as(campus, changing["old"]) as old:
        sign(old, first, "outgoing").expect(200)
        second = opened(old, changing)  # who goes may do so too
        assert client.get(f"/v1/handovers/{first['id']}").json()["superseded_by"] == second["id"]
    with acting_as(campus, changing["new"]) as new:
        check_problem(sign(new, first, "incoming"), 409, "handover_over")
    listed = client.get("/v1/handovers", query={"office_id": changing["office"]}).json()
    assert ids(listed, "handovers") == [first["id"], second["id"]]
    for query, found in (({"state": "superseded", "within": changing["top"]}, [first["id"]]),
                         ({"state": "open", "office_id": changing["office"]}, [second["id"]])):
        assert ids(client.get("/v1/handovers", query=query).json(), "handovers") == found


def test_two_opened_at_once_leave_one(client, campus, admin, changing):
    answers = []

    def open_one():
        with campus.client(admin) as one:
            answers.append(opened(one, changing))

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [client.get(f"/v1/handovers/{answer['id']}").json()["state"] for answer in answers]
    assert sorted(states) == ["open", "superseded", "superseded", "superseded"]


def test_somebody_else_closes_what_cannot_be_signed(client, campus, changing):
    handover = opened(client, changing)
    client.patch(f"/v1/offices/{changing['office']}", {"roles": ["chair"]}, etag="*").expect(200)
    path = f"/v1/handovers/{handover['id']}:close"
    with acting_as(campus, changing["new"]) as new:  # a chair may close handovers, but not this one
        check_problem(new.post(path, {"reason": "x"}), 403, "own_handover")
    closed = client.post(path, {"reason": "前任已离校"}).expect(200).json()
    assert closed["state"] == "closed" and closed["close_reason"] == "前任已离校" and closed["closed_by"]
    check_problem(client.post(path, {"reason": "x"}), 409, "handover_over")


def test_who_may(client, campus, changing):
    handover = opened(client, changing)
    path = f"/v1/handovers/{handover['id']}"
    asked = {"office_id": changing["office"], "outgoing_appointment_id": changing["going"]}
    elsewhere = committee(client)
    with campus.client(new_key(client, "membership.people.read")["secret"]) as other:
        for answer in (other.get(path), other.post("/v1/handovers", asked), other.get("/v1/vacancies"),
                       other.post(f"{path}:close", {"reason": "x"}), other.get(f"/v1/offices/{changing['office']}/items")):
            check_problem(answer, 403, "permission_denied")
    with campus.client(new_key(client, "membership.handovers.*", elsewhere)["secret"]) as other:
        for answer in (other.get(path), other.get(f"{path}/items"), other.post(f"{path}:close", {"reason": "x"}),
                       other.post(f"{path}:renew_list"), other.get(f"/v1/offices/{changing['office']}/items")):
            check_problem(answer, 404, "not_found")
        check_problem(other.post("/v1/handovers", asked), 403, "permission_denied")
        assert other.get("/v1/handovers").expect(200).json().get("handovers", []) == []


# -- by plan -----------------------------------------------------------------------------------------------------------


def test_a_narrow_caller_reads_little(client, campus):
    """Among 500 organisations, what one of them is asked for is found by index."""
    top = organisation(client, new_label("wide"), "committee")["path"]
    campus.sql(f"""
        SET search_path = membership, campus, public;
        INSERT INTO organisation (path, kind, title) SELECT ('{top}.s' || n)::ltree, 'society', '社' FROM generate_series(1, 500) n;
        INSERT INTO office (id, organisation, kind, title, established_on)
        SELECT new_id(), path, k, k, '2020-01-01' FROM organisation, unnest('{{chair,officer}}'::text[]) k WHERE path <@ '{top}.s7'
            OR parent = '{top}' AND path <> '{top}.s7';
        INSERT INTO registration (id, organisation, year, supervisor)
        SELECT new_id(), path, y, '{top}' FROM organisation, generate_series(2020, 2026) y WHERE parent = '{top}';
        ANALYZE organisation, office, registration""")
    narrow = {"scopes": f"{{{top}.s7}}"}
    assert read_rows(campus, "list_registrations", "registration", **narrow) <= 20
    assert read_rows(campus, "list_overdue_registrations", "registration", year="2026", **narrow) <= 20
    chair = campus.value(f"SELECT id FROM membership.office WHERE organisation = '{top}.s7' AND kind = 'chair'")
    assert "officer" in [item["title"] for item in items(client, chair)]
