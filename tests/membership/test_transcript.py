"""test_transcript.py -- the ledger of credits: append-only, fed by facts once and in order, objected to, and certified so that others
can check it with tools of their own."""

import base64
import concurrent.futures
import contextlib
import json
import random
import re
import subprocess

import pytest

import harness
from api.given import NOBODY, check_problem, new_key, new_label, new_number, organisation, person
from membership.staff import stand_for
from harness import wait_until

ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: an Ed25519 public key's DER before its 32 bytes


@pytest.fixture(scope="module")
def home(campus, admin):
    with campus.client(admin) as client:
        path = organisation(client, new_label("u"), "university")["path"]
        organisation(client, f"{path}.cs", "college")
        organisation(client, f"{path}.art", "college")
    return path


@pytest.fixture
def somebody(client, home):
    return person(client, f"{home}.cs", name="张三")["id"]


def self_key(campus, client, person_id):
    """The secret of a key that stands for a person and holds nothing else."""
    key = new_key(client, "membership.*")
    campus.sql(f"UPDATE membership.api_key SET person_id = '{person_id}' WHERE id = '{key['id']}'")
    return key["secret"]


@pytest.fixture
def own(campus, client, somebody):
    with campus.client(self_key(campus, client, somebody)) as caller:
        yield caller


def record(client, person_id, credits=100, **more):
    asked = {"kind": "contest", "module": "innovation", "credits": credits, **more}
    return client.post(f"/v1/people/{person_id}/credits", asked).expect(201).json()


def together(campus, key, acts):
    """The answers of acts(client), each on a connection of its own at the same time."""
    def act(one):
        with campus.client(key) as caller:
            return one(caller)
    with concurrent.futures.ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))


# -- the ledger --------------------------------------------------------------------------------------------------------


def test_a_line_is_recorded_and_taken_back_once(client, somebody):
    line = record(client, somebody, 150, minutes=90, earned_on="2026-10-18", evidence="18号", subject="x")
    assert line["person_id"] == somebody and line["source"] == "membership" and line["term"] == "2026-2027-1"
    assert (line["credits"], line["minutes"], line["policy_version"]) == (150, 90, 1)
    back = client.post(f"/v1/credits/{line['id']}:reverse", {"reason": "重复登记"}).expect(201).json()
    assert (back["credits"], back["minutes"], back["reversal_of"], back["earned_on"]) == (-150, -90, line["id"], "2026-10-18")
    check_problem(client.post(f"/v1/credits/{line['id']}:reverse", {"reason": "a"}), 409, "already_reversed")
    shown = client.get(f"/v1/people/{somebody}/credits").expect(200).json()["lines"]
    assert [one["id"] for one in shown] == [back["id"], line["id"]] and shown[1]["reversed_by"] == back["id"]
    assert client.get(f"/v1/people/{somebody}/transcript").json()["credits"] == 0
    again = client.post(f"/v1/credits/{back['id']}:reverse", {"reason": "未重复"}).expect(201).json()
    assert again["credits"] == 150 and again["reversal_of"] == back["id"]
    assert client.get(f"/v1/people/{somebody}/transcript").json()["credits"] == 150


def test_two_who_take_one_line_back(campus, admin, client, somebody):
    line = record(client, somebody)
    answers = together(campus, admin, [lambda c: c.post(f"/v1/credits/{line['id']}:reverse", {"reason": "a"})] * 6)
    assert sorted(answer.status for answer in answers) == [201] + [409] * 5
    assert {answer.code for answer in answers if answer.status == 409} == {"already_reversed"}


def test_a_repeat_records_nothing_twice(client, somebody):
    asked = {"kind": "training", "module": "skills", "minutes": 45}
    answers = [client.post(f"/v1/people/{somebody}/credits", asked, headers={"Idempotency-Key": f"k-{somebody}"})
               for _ in range(2)]
    assert answers[0].expect(201).json() == answers[1].expect(201).json()
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert len(client.get(f"/v1/people/{somebody}/credits").json()["lines"]) == 1


def test_what_is_refused(client, elsewhere, own, somebody):
    path, asked = f"/v1/people/{somebody}/credits", {"kind": "contest", "module": "innovation", "credits": 1}
    check_problem(client.post(path, {**asked, "module": "sleeping"}), 422, "module_unknown")
    check_problem(client.post(path, {**asked, "credits": 0}), 422, "nothing_earned")
    check_problem(client.post(path, {**asked, "earned_on": "2999-01-01"}), 422, "earned_in_future")
    check_problem(client.post(path, {**asked, "earned_on": "1999-12-31"}), 422, "before_any_policy")
    check_problem(client.post(path, {**asked, "credits": -1}), 422)
    check_problem(client.post(f"/v1/people/{NOBODY}/credits", asked), 404, "not_found")
    check_problem(elsewhere.post(path, asked), 404, "not_found")
    check_problem(own.post(path, asked), 403, "permission_denied")
    line = record(client, somebody)
    check_problem(elsewhere.post(f"/v1/credits/{line['id']}:reverse", {"reason": "a"}), 404, "not_found")
    check_problem(elsewhere.get(path), 404, "not_found")
    check_problem(elsewhere.get(f"/v1/people/{somebody}/transcript"), 404, "not_found")


def test_nobody_writes_their_own(campus, client, home):
    officer = person(client, f"{home}.cs")["id"]
    key = new_key(client, "membership.credits.write", f"{home}.cs")
    stand_for(campus, key, officer)
    line = record(client, officer)
    objection = client.post(f"/v1/credits/{line['id']}:object", {"text": "a"}).expect(201).json()
    with campus.client(key["secret"]) as caller:
        asked = {"kind": "office", "module": "office", "credits": 100}
        check_problem(caller.post(f"/v1/people/{officer}/credits", asked), 403, "own_credit")
        check_problem(caller.post(f"/v1/credits/{line['id']}:reverse", {"reason": "a"}), 403, "own_credit")
        decision = {"outcome": "upheld", "reason": "a"}
        check_problem(caller.post(f"/v1/credit_objections/{objection['id']}:decide", decision), 403, "own_objection")


@pytest.mark.parametrize("statement", [
    "UPDATE membership.credit_line SET credits = 1", "DELETE FROM membership.credit_line", "TRUNCATE membership.credit_line CASCADE"])
def test_the_ledger_only_grows(campus, client, somebody, statement):
    """Not for the service, which has no right to; not for the owner either."""
    record(client, somebody)
    for role in ("campus_membership", "campus_owner", "postgres"):
        with pytest.raises(harness.HarnessError, match="permission denied" if role == "campus_membership" else "append-only"):
            campus.sql(statement, role=role)


def test_a_reversal_takes_back_exactly_one_line(campus, client, somebody):
    line = record(client, somebody)
    columns = "person_id, source, kind, module, minutes, policy_version, earned_on, recorded_by"
    with pytest.raises(harness.HarnessError, match="exactly one line"):
        campus.sql(f"""INSERT INTO membership.credit_line (id, credits, reversal_of, {columns})
                       SELECT campus.new_id(), -99, id, {columns} FROM membership.credit_line WHERE id = '{line['id']}'""")


def test_caps_of_term_and_year(client, somebody):
    for day in ("2025-09-01", "2025-10-01", "2026-01-31"):  # 3.00 of 2.00 in the term
        record(client, somebody, 100, module="ideals", earned_on=day)
    record(client, somebody, 150, module="ideals", earned_on="2026-03-01")  # 1.00 is left of the year's 3.00
    record(client, somebody, 50, module="ideals", earned_on="2026-09-01")  # another year
    record(client, somebody, 5000, earned_on="2026-03-01")  # without a cap
    transcript = client.get(f"/v1/people/{somebody}/transcript").expect(200).json()
    counted = {(one["term"], one["module"]): (one["credits"], one["counted"]) for one in transcript["totals"]}
    assert counted == {("2025-2026-1", "ideals"): (300, 200), ("2025-2026-2", "ideals"): (150, 100),
                       ("2026-2027-1", "ideals"): (50, 50), ("2025-2026-2", "innovation"): (5000, 5000)}
    assert (transcript["credits"], transcript["counted"], transcript["minimum_credits"]) == (5500, 5350, 800)


def test_lines_by_page(client, somebody):
    made = [record(client, somebody, n, module=("ideals", "skills")[n % 2])["id"] for n in range(1, 8)]
    path = f"/v1/people/{somebody}/credits"
    assert [one["id"] for one in client.pages(path, "lines", {"page_size": 3})] == made[::-1]
    skills = client.get(path, query={"module": "skills", "count": "exact"}).expect(200).json()
    assert [one["id"] for one in skills["lines"]] == made[::2][::-1] and skills["total_count"] == 4
    assert client.get(path, query={"term": "2001-2002-1", "count": "exact"}).expect(200).json()["total_count"] == 0


def test_the_person_sees_it_all(own, client, somebody):
    line = record(client, somebody)
    assert own.get(f"/v1/people/{somebody}/credits").expect(200).json()["lines"][0]["id"] == line["id"]
    assert own.get(f"/v1/people/{somebody}/transcript").expect(200).json()["counted"] == 100


# -- the policy --------------------------------------------------------------------------------------------------------


def test_the_next_policy(new_campus):
    campus = new_campus()
    with campus.client(campus.key()) as client:
        made = client.post("/v1/credit_policies", {"in_force_from": "2030-08-01", "objection_days": 3}).expect(201).json()
        assert made["version"] == 2 and "minimum_credits" not in made and len(made["modules"]) == 7
        labour = {"title": "劳动教育", "term_cap": 50}
        client.put("/v1/credit_policies/2/modules/labour", labour).expect(200)
        told = client.put("/v1/credit_policies/2/modules/labour", {**labour, "term_cap": 80}).expect(200).json()
        assert told == {"version": 2, "module": "labour", "title": "劳动教育", "term_cap": 80}
        check_problem(client.put("/v1/credit_policies/1/modules/labour", labour), 409, "policy_in_force")
        check_problem(client.put("/v1/credit_policies/3/modules/labour", labour), 404, "not_found")
        check_problem(client.post("/v1/credit_policies", {"in_force_from": "2030-08-01"}), 409, "policy_date_taken")
        check_problem(client.post("/v1/credit_policies", {"in_force_from": "2020-08-01"}), 422, "policy_in_past")
        policies = client.get("/v1/credit_policies").expect(200).json()["policies"]
        assert [policy["version"] for policy in policies] == [2, 1]
        assert {"module": "labour", "title": "劳动教育", "term_cap": 80} in policies[0]["modules"]
        path = organisation(client, "p", "university")["path"]
        one = person(client, path)["id"]
        old = record(client, one, 900, module="ideals")
        campus.sql("UPDATE campus.clock SET shift = make_interval(days => '2030-08-02' - pg_catalog.now()::date)")
        line = client.post(f"/v1/people/{one}/credits", {"kind": "other", "module": "labour", "credits": 90}).expect(201).json()
        assert line["policy_version"] == 2
        totals = client.get(f"/v1/people/{one}/transcript").json()["totals"]
        assert [(total["module"], total["counted"], total["policy_version"]) for total in totals] == \
            [("ideals", 200, 1), ("labour", 80, 2)]
        # What may be objected to follows the line's policy too.
        check_problem(client.post(f"/v1/credits/{old['id']}:object", {"text": "a"}), 409, "objection_window_over")
        client.post(f"/v1/credits/{line['id']}:object", {"text": "a"}).expect(201)
        with campus.client(new_key(client, "membership.*", path)["secret"]) as narrow:
            asked = {"in_force_from": "2031-08-01"}
            check_problem(narrow.post("/v1/credit_policies", asked), 403, "permission_denied")
            check_problem(narrow.put("/v1/credit_policies/2/modules/labour", labour), 403, "permission_denied")
            narrow.get("/v1/credit_policies").expect(200)


# -- objections --------------------------------------------------------------------------------------------------------


def test_an_objection_is_upheld(own, client, somebody):
    line = record(client, somebody)
    made = own.post(f"/v1/credits/{line['id']}:object", {"text": "少记了"}).expect(201).json()
    assert made["line_id"] == line["id"] and "outcome" not in made
    check_problem(own.post(f"/v1/credits/{line['id']}:object", {"text": "a"}), 409, "already_objected")
    mine = own.get("/v1/credit_objections", query={"count": "exact"}).expect(200).json()
    assert [one["text"] for one in mine["objections"]] == ["少记了"] and mine["total_count"] == 1
    path = f"/v1/credit_objections/{made['id']}:decide"
    check_problem(own.post(path, {"outcome": "upheld", "reason": "a"}), 403, "permission_denied")
    told = client.post(path, {"outcome": "upheld", "reason": "属实"}).expect(200).json()
    assert told["outcome"] == "upheld" and told["reversal_id"]
    check_problem(client.post(path, {"outcome": "dismissed", "reason": "a"}), 409, "already_decided")
    check_problem(client.post(f"/v1/credits/{line['id']}:reverse", {"reason": "a"}), 409, "already_reversed")
    assert own.get(f"/v1/people/{somebody}/credits").json()["lines"][0]["id"] == told["reversal_id"]
    # The reversal is a line like any other: it can be objected to, the line that is taken back cannot.
    own.post(f"/v1/credits/{told['reversal_id']}:object", {"text": "a"}).expect(201)


def test_an_objection_is_dismissed(client, elsewhere, own, somebody):
    line = record(client, somebody)
    made = own.post(f"/v1/credits/{line['id']}:object", {"text": "a"}).expect(201).json()
    path = f"/v1/credit_objections/{made['id']}:decide"
    check_problem(elsewhere.post(path, {"outcome": "dismissed", "reason": "a"}), 404, "not_found")
    told = client.post(path, {"outcome": "dismissed", "reason": "记录一致"}).expect(200).json()
    assert told["outcome"] == "dismissed" and "reversal_id" not in told
    assert made["id"] not in str(client.get("/v1/credit_objections", query={"person_id": somebody}).json())
    decided = client.get("/v1/credit_objections", query={"person_id": somebody, "include_decided": "true"}).json()
    assert [one["reason"] for one in decided["objections"]] == ["记录一致"]


def test_objections_are_seen_from_where_their_people_are(campus, client, elsewhere, home):
    one = person(client, home)["id"]
    made = client.post(f"/v1/credits/{record(client, one)['id']}:object", {"text": "a"}).expect(201).json()

    def seen(caller):
        return [o["id"] for o in caller.pages("/v1/credit_objections", "objections", {"page_size": 1}) if o["id"] == made["id"]]

    assert (seen(client), seen(elsewhere)) == ([made["id"]], [])
    place = organisation(client, f"{home}.{new_label('moved')}", "college")["path"]
    with campus.client(new_key(client, "membership.credits.read", place)["secret"]) as near:
        assert seen(near) == []
        client.patch(f"/v1/people/{one}", {"home": place}, headers={"If-Match": "*"}).expect(200)
        assert (seen(client), seen(near), seen(elsewhere)) == ([made["id"]], [made["id"]], [])


@pytest.mark.parametrize("outcomes", [("upheld", "upheld"), ("upheld", "dismissed")])
def test_two_who_decide_at_once(campus, admin, client, somebody, outcomes):
    line = record(client, somebody)
    objections = together(campus, admin, [lambda c: c.post(f"/v1/credits/{line['id']}:object", {"text": "a"})] * 2)
    assert sorted(answer.status for answer in objections) == [201, 409]
    made = next(answer.json() for answer in objections if answer.status == 201)
    path = f"/v1/credit_objections/{made['id']}:decide"
    decisions = together(campus, admin, [lambda c, outcome=outcome: c.post(path, {"outcome": outcome, "reason": "a"})
                                         for outcome in outcomes])
    assert sorted((answer.status, answer.code if answer.status == 409 else None) for answer in decisions) == \
        [(200, None), (409, "already_decided")]
    assert len(client.get(f"/v1/people/{somebody}/credits").json()["lines"]) <= 2


def test_objections_that_cannot_be(client, elsewhere, own, home):
    other = person(client, f"{home}.cs")["id"]
    line = record(client, other)
    for caller in (own, elsewhere):
        check_problem(caller.post(f"/v1/credits/{line['id']}:object", {"text": "a"}), 404, "not_found")
    client.post(f"/v1/credits/{line['id']}:reverse", {"reason": "a"}).expect(201)
    check_problem(client.post(f"/v1/credits/{line['id']}:object", {"text": "a"}), 409, "already_reversed")


# -- facts of other services -------------------------------------------------------------------------------------------


EQUIP = """
    CREATE ROLE campus_events LOGIN;
    CREATE SCHEMA events;
    CALL campus.equip('events');
    GRANT USAGE ON SCHEMA events TO campus_membership;
    GRANT SELECT ON events.facts TO campus_membership;
"""


@pytest.fixture(scope="module")
def fed(new_campus):
    """A campus with a service of events, of which there is only the schema; tests tell its facts."""
    campus = new_campus(settings={"CAMPUS_RELAY_MS": "10"})
    assert "source=events" in campus.processes["campus"].log()  # left out, as there was none at the first start
    campus.sql(EQUIP)
    campus.processes["campus"].stop()
    campus.start_process("campus")
    log = campus.processes["campus"].log()
    assert "source=events" not in log and "source=volunteers" in log
    return campus


@pytest.fixture
def fed_client(fed):
    with fed.client(fed.key()) as client:
        with contextlib.suppress(AssertionError):
            organisation(client, "fed", "university")
        yield client


def tell(campus, *facts):
    """Facts of events, as its relay would publish them. (type, data) each; waited for until they are applied."""
    last = int(campus.value("SELECT coalesce(max(pos), 0) FROM events.fact"))
    rows = ", ".join(f"({last + n}, '{type}', 'event-{n}', '{json.dumps(data)}', 'someone')"
                     for n, (type, data) in enumerate(facts, 1))
    campus.sql(f"INSERT INTO events.fact (pos, type, subject, data, actor) VALUES {rows}")
    wait_until(lambda: campus.value("SELECT pos FROM membership.fact_cursor WHERE source = 'events'") == str(last + len(facts)),
               "the facts are applied")


def earned(person_id, key, **more):
    return "credit.earned", {"key": key, "person_id": person_id, "kind": "event", "module": "culture", "credits": 50,
                             "minutes": 120, "earned_on": "2026-10-18", **more}


def lines_of(client, person_id):
    return client.get(f"/v1/people/{person_id}/credits").expect(200).json().get("lines", [])


def test_facts_become_lines_once(fed, fed_client):
    one = person(fed_client, "fed")["id"]
    tell(fed, ("activity.moved", {}), earned(one, "a1"), earned(one, "a1"), earned(one, "a2", evidence="第3场"))
    lines = lines_of(fed_client, one)
    assert [(line["source"], line["credits"], line["recorded_by"]) for line in lines] == [("events", 50, "someone")] * 2
    assert lines[0]["evidence"] == "第3场" and {line["subject"] for line in lines} == {"event-2", "event-4"}
    tell(fed, ("credit.revoked", {"key": "a1", "reason": "未到场"}), ("credit.revoked", {"key": "a1"}))
    lines = lines_of(fed_client, one)
    assert len(lines) == 3 and lines[0]["credits"] == -50 and lines[0]["evidence"] == "未到场"
    assert fed_client.get(f"/v1/people/{one}/transcript").json()["counted"] == 50
    assert not fed.value(f"SELECT 1 FROM membership.credit_rejection WHERE data::text LIKE '%{one}%'")


BAD = [
    ("person_unknown", lambda one: earned(NOBODY, "b1")),
    ("module_unknown", lambda one: earned(one, "b2", module="sleeping")),
    ("nothing_earned", lambda one: earned(one, "b3", credits=0, minutes=0)),
    ("earned_is_positive", lambda one: earned(one, "b4", credits=-5)),
    ("earned_too_much", lambda one: earned(one, "b11", credits=100_001)),
    ("earned_too_much", lambda one: earned(one, "b12", minutes=2_147_483_647)),
    ("before_any_policy", lambda one: earned(one, "b5", earned_on="1990-01-01")),
    ("bad_data", lambda one: earned(one, "b6", earned_on="the day after")),
    ("bad_data", lambda one: earned(one, "b7", credits="many")),
    ("bad_data", lambda one: earned(one, "b8", kind="bribe")),
    ("bad_data", lambda one: earned("no id", "b9")),
    ("bad_data", lambda one: earned(one, None)),
    ("bad_data", lambda one: earned(one, "b10", earned_on="2999-01-01")),
    ("bad_data", lambda one: ("credit.earned", ["a", "list"])),
    ("bad_data", lambda one: earned(one, random.Random(1).randbytes(4000).hex())),  # more than an index takes
    ("line_unknown", lambda one: ("credit.revoked", {"key": "never"})),
    ("key_reused", lambda one: earned(one, "good", credits=51)),
]


def test_bad_facts_hold_up_nothing(fed, fed_client):
    one = person(fed_client, "fed")["id"]
    start = int(fed.value("SELECT coalesce(max(pos), 0) FROM events.fact"))
    tell(fed, earned(one, "good"), *(fact(one) for _, fact in BAD), earned(one, "after"))
    assert [line["subject"] for line in lines_of(fed_client, one)] == [f"event-{len(BAD) + 2}", "event-1"]
    listed = [r for r in fed_client.pages("/v1/credits:rejected", "rejected", {"page_size": 5, "source": "events"})
              if r["pos"] > start]
    assert [r["reason"] for r in listed] == [reason for reason, _ in BAD]
    assert json.loads(listed[0]["data"])["person_id"] == NOBODY and listed[0]["type"] == "credit.earned"
    assert "background work refused" not in fed.processes["campus"].log()


def test_a_rejected_fact_is_tried_again(fed, fed_client):
    id = "01890000-0000-7000-8000-00000000abcd"
    tell(fed, earned(id, "early"))
    left = fed_client.post("/v1/credits:retry", {}).expect(200).json()
    assert left["applied"] == 0
    fed.sql(f"""INSERT INTO membership.person (id, student_number, name, home) VALUES ('{id}', '{new_number()}', '迟', 'fed')""")
    told = fed_client.post("/v1/credits:retry", {"source": "events"}).expect(200).json()
    assert told == {"applied": 1, "rejected": left["rejected"] - 1}
    assert len(lines_of(fed_client, id)) == 1
    shown = [r for r in fed_client.pages("/v1/credits:rejected", "rejected", {"include_applied": "true"}) if "applied_at" in r]
    assert [json.loads(r["data"])["key"] for r in shown] == ["early"]


def test_facts_of_too_much_leave_a_transcript_readable(fed, fed_client):
    one = person(fed_client, "fed")["id"]
    tell(fed, earned(one, "all", credits=100_000, minutes=1_000_000),
         *(earned(one, f"overmuch{n}", credits=2_147_483_647) for n in range(2)))
    assert fed_client.get(f"/v1/people/{one}/transcript").expect(200).json()["credits"] == 100_000


def test_the_hopeless_do_not_starve_the_rest(fed, fed_client):
    one = person(fed_client, "fed")["id"]
    fed.sql(f"""INSERT INTO membership.credit_rejection (source, pos, type, subject, data, reason)
                SELECT 'aaa', n, 'credit.revoked', 'hopeless', '{{"key": "never"}}', 'line_unknown' FROM generate_series(1, 1000) n;
                INSERT INTO membership.credit_rejection (source, pos, type, subject, data, reason)
                SELECT 'aab', 1, 'credit.earned', 'hopeful',
                       '{json.dumps({"key": "hope", "person_id": one, "kind": "event", "module": "culture", "credits": 5,
                                     "earned_on": "2026-10-18"})}', 'person_unknown'""")
    try:
        fed_client.post("/v1/credits:retry", {}).expect(200)
        fed_client.post("/v1/credits:retry", {}).expect(200)
        assert [line["subject"] for line in lines_of(fed_client, one)] == ["hopeful"]
    finally:
        fed.sql("DELETE FROM membership.credit_rejection WHERE source IN ('aaa', 'aab')")


def test_rejected_facts_are_for_the_whole_campus(fed, fed_client):
    with fed.client(new_key(fed_client, "membership.*", "fed")["secret"]) as narrow:
        check_problem(narrow.get("/v1/credits:rejected"), 403, "permission_denied")
        check_problem(narrow.post("/v1/credits:retry", {}), 403, "permission_denied")


def test_facts_in_great_lots_and_a_killed_worker(fed, fed_client):
    one = person(fed_client, "fed")["id"]
    last = int(fed.value("SELECT coalesce(max(pos), 0) FROM events.fact"))
    fed.sql(f"""INSERT INTO events.fact (pos, type, subject, data)
                SELECT {last} + n, 'credit.earned', 'lot', jsonb_build_object('key', 'lot' || n, 'person_id', '{one}',
                       'kind', 'event', 'module', 'culture', 'minutes', n, 'earned_on', '2026-10-18')
                  FROM generate_series(1, 1500) n""")
    wait_until(lambda: fed.value(f"SELECT 1 FROM membership.fact_cursor WHERE source = 'events' AND pos > {last}"), "begun",
               pause=0.001)
    fed.processes["campus"].kill()
    fed.start_process("campus")
    wait_until(lambda: fed.value(f"SELECT 1 FROM membership.fact_cursor WHERE source = 'events' AND pos = {last} + 1500"), "done")
    assert fed.sql(f"SELECT count(*), sum(minutes) FROM membership.credit_line WHERE person_id = '{one}'") == [["1500", "1125750"]]
    minutes = fed.sql(f"SELECT minutes FROM membership.credit_line WHERE person_id = '{one}' ORDER BY recorded_at, minutes")
    assert minutes == [[str(n)] for n in range(1, 1501)]


# -- certificates ------------------------------------------------------------------------------------------------------


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl_verifies(tmp_path, public_key, statement, signature):
    for name, content in (("key.der", ED25519_PREFIX + public_key), ("statement", statement.encode()), ("signature", signature)):
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-rawin", "-in",
                           "statement", "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False)
    return done.returncode == 0


def issue(client, person_id):
    return client.post(f"/v1/people/{person_id}/transcript:issue").expect(201).json()


def verify(anonymous, number, code):
    return anonymous.get(f"/v1/transcripts/{number}:verify", query={"code": code}).expect(200).json()


def test_a_certificate_is_checked_with_other_tools(own, client, anonymous, somebody, tmp_path):
    record(client, somebody, 150)
    made = issue(own, somebody)
    assert re.fullmatch(r"\d{4}-\d{6,}", made["number"])
    keys = anonymous.get("/v1/transcript_keys").expect(200).json()["keys"]
    key, = (key for key in keys if key["id"] == made["key_id"])
    assert key["in_use"] and key["first_used"]
    assert made["statement"] == "campus transcript v1\n" + "\n".join(
        made[field] for field in ("number", "issued_on", "snapshot_hash"))
    assert made["code"] == f"{made['number']}.{made['signature']}"
    public = base64.b64decode(key["public_key"])
    signature = decode(made["signature"])
    assert openssl_verifies(tmp_path, public, made["statement"], signature)
    assert not openssl_verifies(tmp_path, public, made["statement"] + " ", signature)
    told = verify(anonymous, made["number"], made["code"])
    assert told["state"] == "valid" and told["masked_name"] == "张*" and told["issued_on"] == made["issued_on"]
    assert [(total["module"], total["credits"]) for total in told["totals"]] == [("innovation", 150)]
    assert set(told) == {"state", "masked_name", "issued_on", "totals"}
    listed, = own.get(f"/v1/people/{somebody}/transcripts").expect(200).json()["transcripts"]
    assert listed["number"] == made["number"] and not {"code", "signature"} & set(listed)
    # What is earned later is not in it.
    record(client, somebody, 700)
    assert verify(anonymous, made["number"], made["code"]) == told


def test_the_millionth_certificate_has_a_number_of_its_own(campus, client, anonymous, somebody):
    record(client, somebody)
    campus.sql("SELECT setval('membership.transcript_number', 999999)")
    made = issue(client, somebody)
    assert made["number"].endswith("-1000000") and verify(anonymous, made["number"], made["code"])["state"] == "valid"


def test_a_retry_shows_the_same_code_and_nothing_stores_it(campus, own, client, somebody):
    record(client, somebody)
    one, two = (own.post(f"/v1/people/{somebody}/transcript:issue", headers={"Idempotency-Key": f"t-{somebody}"}).expect(201)
                for _ in range(2))
    assert one.json() == two.json() and two.headers["Idempotent-Replayed"] == "true"
    for table in ("answer", "fact", "transcript_certificate"):
        for secret in (one.json()["signature"], decode(one.json()["signature"]).hex()):
            assert campus.value(f"SELECT count(*) FROM membership.{table} t WHERE t::text LIKE '%{secret}%'") == "0"


def test_what_is_not_good_is_unknown(client, anonymous, home):
    """Another code, another number, no such number: one answer."""
    first, second = (issue(client, id) for id in [person(client, f"{home}.cs")["id"] for _ in range(2)]
                     if record(client, id))
    forged = first["code"][:-1] + ("A" if first["code"][-1] != "A" else "Q")
    flipped = first["code"].replace(first["signature"], second["signature"])
    missing = first["number"][:5] + "999999"
    for number, code in ((first["number"], forged), (first["number"], flipped), (first["number"], second["code"]),
                         (second["number"], first["code"]), (missing, first["code"].replace(first["number"], missing)),
                         (first["number"], f"{first['number']}.{'A' * 86}"), (missing, f"{missing}.{'A' * 86}")):
        assert verify(anonymous, number, code) == {"state": "unknown"}, (number, code)
    check_problem(anonymous.get(f"/v1/transcripts/{first['number']}:verify"), 422)
    assert verify(anonymous, first["number"], first["code"])["state"] == "valid"


def test_a_certificate_is_revoked(campus, client, elsewhere, anonymous, own, somebody):
    record(client, somebody)
    made = issue(client, somebody)
    path = f"/v1/transcripts/{made['number']}:revoke"
    check_problem(elsewhere.post(path, {"reason": "a"}), 404, "not_found")
    check_problem(own.post(path, {"reason": "a"}), 403, "permission_denied")
    client.post(path, {"reason": "登记有误"}).expect(200)
    check_problem(client.post(path, {"reason": "a"}), 409, "already_revoked")
    told = verify(anonymous, made["number"], made["code"])
    assert told["state"] == "revoked" and told["revoked_on"] == campus.value("SELECT campus.today()")
    assert "登记有误" not in str(told)
    assert own.get(f"/v1/people/{somebody}/transcripts").json()["transcripts"][0]["revoke_reason"] == "登记有误"


def test_certificates_that_are_refused(client, elsewhere, own, home, somebody):
    check_problem(client.post(f"/v1/people/{somebody}/transcript:issue"), 409, "nothing_recorded")
    other = person(client, f"{home}.cs")["id"]
    record(client, other)
    for caller in (elsewhere, own):
        check_problem(caller.post(f"/v1/people/{other}/transcript:issue"), 404, "not_found")
        check_problem(caller.get(f"/v1/people/{other}/transcripts"), 404, "not_found")


@pytest.mark.parametrize("name, masked", [("张三丰", "张**"), ("Zhang San", "Z**** S**"), ("欧阳 修", "欧* *"), ("王", "*")])
def test_names_are_masked(campus, name, masked):
    assert campus.value(f"SELECT membership.mask_name('{name}')") == masked


def test_certificates_outlive_a_change_of_keys(new_campus, tmp_path):
    """The server's secret is another one; what was signed before stays good, and what is signed now has another key."""
    campus = new_campus()
    key = campus.key()
    with campus.client(key) as client:
        path = organisation(client, "k", "university")["path"]
        one = person(client, path)["id"]
        record(client, one)
        first = issue(client, one)
    campus.processes["campus"].stop()
    campus.secret_file.write_bytes(bytes(range(32)))
    campus.start_process("campus")
    with campus.client(key) as client, campus.client() as anonymous:
        second = issue(client, one)
        assert second["key_id"] != first["key_id"]
        for made in (first, second):
            assert verify(anonymous, made["number"], made["code"])["state"] == "valid"
        keys = {entry["id"]: entry for entry in anonymous.get("/v1/transcript_keys").json()["keys"]}
        assert [keys[made["key_id"]]["in_use"] for made in (first, second)] == [False, True]
        assert openssl_verifies(tmp_path, base64.b64decode(keys[first["key_id"]]["public_key"]), first["statement"],
                                decode(first["signature"]))
