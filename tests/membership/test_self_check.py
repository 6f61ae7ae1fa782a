"""test_self_check.py -- organisations are held against the rules, as they are, were and would be. It is the autumn of 2026."""

import threading

import pytest

import harness
from api.given import NOBODY, check_problem, committee, ids, membership, new_key, organisation, person
from membership.staff import acting_as, appointed, officer, standing_office

ATTESTED = ("academic_rank", "no_failed_course", "party_or_league_member")


@pytest.fixture(scope="module", autouse=True)
def autumn(campus):
    campus.sql("UPDATE campus.clock SET shift = timestamptz '2026-09-15 12:00+08' - now()")


@pytest.fixture
def union(client):
    """A union with the departments `a` and `b`; its path."""
    top = f"{committee(client)}.su"
    organisation(client, top, "union")
    organisation(client, f"{top}.a")
    organisation(client, f"{top}.b")
    return top


def home(path):
    return path.split(".", maxsplit=1)[0]


def student(client, path, **more):
    return person(client, home(path), **{"grade": 2024, **more})["id"]


def check(client, path, **query):
    report = client.get(f"/v1/organisations/{path}:self_check", query=query).expect(200).json()
    return {finding["rule"]: finding for finding in report["findings"]}


def what_if(client, path, pairs=(), **more):
    asked = {"office_ids": [one for one, _ in pairs], "person_ids": [other for _, other in pairs], **more}
    reply = client.post(f"/v1/organisations/{path}:what_if", asked).expect(200).json()
    return {finding["rule"]: finding for finding in reply.get("findings", [])}, reply.get("refused", [])


def brief(finding):
    return finding["outcome"], finding.get("found"), finding.get("limit")


# -- what is counted ---------------------------------------------------------------------------------------------------


def test_a_union_in_order(client, union):
    for path, kind in ((union, "chair"), (f"{union}.a", "head"), (f"{union}.b", "head")):
        appointed(client, standing_office(client, path, kind)["id"], student(client, union))
    report = client.get(f"/v1/organisations/{union}:self_check").expect(200).json()
    assert (report["kind"], report["as_of"], report["rule_pack"], report["exceeded"]) == ("union", "2026-09-15", "2020", 0)
    found = check(client, union)
    assert brief(found["staff_at_most"]) == ("ok", 3, 40) and len(found["staff_at_most"]["person_ids"]) == 3
    assert brief(found["presidium_at_most"]) == ("ok", 1, 5) and brief(found["departments_at_most"]) == ("ok", 2, 6)
    assert found["departments_at_most"]["organisations"] == [f"{union}.a", f"{union}.b"]
    assert found["members_at_least"]["outcome"] == "not_applicable" and "found" not in found["members_at_least"]
    assert found["staff_at_most"]["text_en"] == "At most 40 people on the staff." and found["staff_at_most"]["source"]
    for rule in ATTESTED:
        assert (found[rule]["outcome"], found[rule]["unknown"]) == ("unknown", 3)
    assert report["unknown"] == 3


def test_a_union_out_of_order(client, union):
    for label in "cdefg":
        organisation(client, f"{union}.{label}")
    deep = organisation(client, f"{union}.a.deep")["path"]
    branch = organisation(client, f"{union}.branch", "college_branch")["path"]
    organisation(client, f"{branch}.x")
    presidium = standing_office(client, union, "vice_chair", seats=6)
    for _ in range(6):
        appointed(client, presidium["id"], student(client, union))
    secretary, place, _ = officer(client, deep, "secretary")
    officer(client, f"{branch}.x", "secretary")  # a branch checks itself
    fresh = student(client, union, grade=2026)
    appointed(client, standing_office(client, union, "officer")["id"], fresh)
    membership(client, fresh, f"{union}.b")
    membership(client, student(client, union), f"{union}.b")
    found = check(client, union)
    assert brief(found["departments_at_most"]) == ("exceeded", 7, 6)
    assert brief(found["presidium_at_most"]) == ("exceeded", 6, 5) and len(found["presidium_at_most"]["person_ids"]) == 6
    assert brief(found["staff_at_most"]) == ("ok", 9, 40)
    assert brief(found["titles_allowed"]) == ("exceeded", 1, 0) and found["titles_allowed"]["office_ids"] == [place["id"]]
    assert brief(found["no_freshmen"]) == ("exceeded", 1, 0) and found["no_freshmen"]["person_ids"] == [fresh]
    assert found["no_freshmen"]["unknown_person_ids"] == [secretary["id"]]  # has no grade
    assert brief(found["leader_in_office"]) == ("exceeded", 1, 0) and found["leader_in_office"]["organisations"] == [union]
    client.patch(f"/v1/people/{fresh}", {"grade": 2025}, etag="*").expect(200)
    assert brief(check(client, union)["no_freshmen"]) == ("unknown", 0, 0)


def test_many_are_counted_and_fifty_named(client, campus, union):
    place = standing_office(client, union, "officer", seats=100)
    campus.sql(f"""
        SET search_path = membership, campus, public;
        WITH one AS (INSERT INTO person (id, student_number, name, home)
                     SELECT new_id(), 'M' || n || '{home(union)}', '某', '{home(union)}' FROM generate_series(1, 61) n RETURNING id)
        INSERT INTO appointment (id, office_id, organisation, person_id, seat, since, chosen)
        SELECT new_id(), '{place["id"]}', '{union}', id, row_number() OVER (), '2026-09-01', 'election' FROM one""")
    staff = check(client, union)["staff_at_most"]
    assert brief(staff) == ("exceeded", 61, 40) and len(staff["person_ids"]) == 50


def test_a_society(client, union):
    path = organisation(client, f"{union}.go", "society")["path"]
    chair = student(client, union)
    place = standing_office(client, path, carries_over=True)
    for _ in range(19):
        membership(client, student(client, union), path)
    membership(client, student(client, union), path, kind="honorary")
    found = check(client, path)
    assert brief(found["members_at_least"]) == ("exceeded", 19, 20) and brief(found["leader_in_office"]) == ("exceeded", 1, 0)
    assert found["leader_in_office"]["office_ids"] == [place["id"]] and found["staff_at_most"]["outcome"] == "not_applicable"
    membership(client, chair, path)
    held = appointed(client, place["id"], chair, since="2025-01-01", term_until="2026-01-01")
    found = check(client, path)
    assert brief(found["members_at_least"]) == ("ok", 20, 20) and brief(found["leader_in_office"]) == ("ok", 0, 0)
    assert brief(found["terms_not_overdue"]) == ("exceeded", 1, 0) and found["terms_not_overdue"]["person_ids"] == [held["person_id"]]
    client.patch(f"/v1/people/{chair}", {"status": "on_leave"}, etag="*").expect(200)
    assert check(client, path)["officers_enrolled"]["person_ids"] == [chair]


def test_offices_that_a_later_rule_keeps_apart(client, campus, union):
    both = student(client, union)
    for kind in ("deputy_head", "adviser"):
        appointed(client, standing_office(client, f"{union}.{'a' if kind == 'adviser' else 'b'}", kind)["id"], both)
    assert brief(check(client, union)["offices_compatible"]) == ("ok", 0, 0)
    rule = {"kind": "deputy_head", "other_kind": "adviser", "reach": "tree", "reason": "试"}
    made = client.post("/v1/incompatibilities", rule).expect(201).json()
    found = check(client, union)["offices_compatible"]
    assert brief(found) == ("exceeded", 1, 0) and found["person_ids"] == [both] and len(found["office_ids"]) == 2
    assert brief(check(client, f"{union}.a")["offices_compatible"]) == ("exceeded", 1, 0)  # the other one is elsewhere
    client.delete(f"/v1/incompatibilities/{made['id']}").expect(200)


def test_as_of(client, union):
    former = student(client, union)
    chair = standing_office(client, union)
    organisation(client, f"{union}.late", founded_on="2024-01-01")
    appointed(client, chair["id"], former, since="2024-01-01", term_until="2025-01-01")
    assert check(client, union, as_of="2024-06-01")["leader_in_office"]["outcome"] == "ok"
    assert check(client, union, as_of="2025-01-01")["leader_in_office"]["outcome"] == "exceeded"
    assert check(client, union, as_of="2023-12-31")["departments_at_most"]["found"] == 2
    assert check(client, union, as_of="2024-01-01")["departments_at_most"]["found"] == 3
    report = client.get(f"/v1/organisations/{union}:self_check", query={"as_of": "2019-01-01"}).expect(200).json()
    assert "rule_pack" not in report and report.get("findings", []) == []
    client.get(f"/v1/organisations/{union}.none:self_check").expect(404)


# -- attestations ------------------------------------------------------------------------------------------------------


def attest(client, one, rule="academic_rank", value=12, **more):
    return client.post("/v1/attestations", {"person_id": one, "rule": rule, "attested_value": value, "valid_until": "2027-09-01", **more})


def test_what_is_attested_counts(client, campus, union):
    one, two = student(client, union), student(client, union)
    held = {each: appointed(client, standing_office(client, union, "officer")["id"], each) for each in (one, two)}
    attest(client, one).expect(201)
    assert check(client, union)["academic_rank"]["unknown_person_ids"] == [two]
    attest(client, two, value=31).expect(201)
    found = check(client, union)["academic_rank"]
    assert brief(found) == ("exceeded", 1, 30) and found["person_ids"] == [two]
    attest(client, two, value=30).expect(201)
    assert brief(check(client, union)["academic_rank"]) == ("ok", 0, 30)
    assert check(client, union, as_of="2027-09-01")["academic_rank"]["outcome"] == "unknown"  # valid no more
    attest(client, one, "party_or_league_member", 0).expect(201)
    assert brief(check(client, union)["party_or_league_member"]) == ("exceeded", 1, 1)
    listed = [a["attested_value"] for a in client.pages("/v1/attestations", "attestations", {"person_id": two, "page_size": 1})]
    assert listed == [31, 30]
    with acting_as(campus, two) as herself:
        sections = {one["section"]: one["records"] for one in herself.get(f"/v1/people/{two}/export").expect(200).json()["sections"]}
    assert len(sections["attestations"]) == 2
    client.post(f"/v1/appointments/{held[two]['id']}:end", {"reason": "resigned"}).expect(200)
    erased = client.post(f"/v1/people/{two}:erase", {}).expect(200).json()["parts"]
    assert {"part": "attestations", "count": 2} in erased
    assert client.get("/v1/attestations", query={"person_id": two}).json().get("attestations", []) == []


def test_what_cannot_be_attested(client, campus, union):
    one, _, _ = officer(client, union, "head", roles=["supervisor"])
    for asked, code, field in (({"one": NOBODY}, "person_unknown", "person_id"), ({"rule": "staff_at_most"}, "rule_unknown", "rule"),
                               ({"rule": "none"}, "rule_unknown", "rule"),
                               ({"valid_until": "2026-09-15"}, "attestation_over", "valid_until")):
        check_problem(attest(client, **{"one": one["id"], **asked}), 422, code, {f"/{field}": code})
    client.post("/v1/memberships", {"person_id": one["id"], "organisation": union}).expect(201)
    with acting_as(campus, one["id"]) as herself:
        check_problem(attest(herself, one["id"]), 403, "own_attestation")
        stranger = person(client, committee(client))["id"]
        check_problem(attest(herself, stranger), 422, "person_unknown")
        attest(client, one["id"]).expect(201)
        attest(client, stranger).expect(201)
        assert {a["person_id"] for a in herself.get("/v1/attestations").json()["attestations"]} == {one["id"]}
    with acting_as(campus, stranger) as other:  # one's own is shown to everyone
        assert [a["attested_value"] for a in other.get("/v1/attestations").expect(200).json()["attestations"]] == [12]


# -- exceptions --------------------------------------------------------------------------------------------------------


def test_an_exception_has_a_reason(client, union):
    path = f"/v1/organisations/{union}:justify"
    first = client.post(path, {"rule": "departments_at_most", "reason": "团委同意"}).expect(200).json()
    assert first["since"] == "2026-09-15" and first["reason"] == "团委同意"
    found = check(client, union)["departments_at_most"]
    assert found["outcome"] == "ok" and found["justification"]["reason"] == "团委同意"
    assert "justification" not in check(client, union, as_of="2026-09-14")["departments_at_most"]
    client.post(path, {"rule": "departments_at_most", "reason": "至年底", "valid_until": "2027-01-01"}).expect(200)
    assert check(client, union)["departments_at_most"]["justification"]["reason"] == "至年底"
    assert "justification" not in check(client, union, as_of="2027-01-01")["departments_at_most"]
    client.post(path, {"rule": "departments_at_most", "reason": "撤回", "valid_until": "2026-09-15"}).expect(200)
    assert "justification" not in check(client, union)["departments_at_most"]


def test_what_cannot_be_justified(client, campus, union):
    path = f"/v1/organisations/{union}:justify"
    check_problem(client.post(path, {"rule": "none", "reason": "x"}), 422, "rule_unknown", {"/rule": "rule_unknown"})
    asked = {"rule": "staff_at_most", "reason": "x"}
    check_problem(client.post(path, {**asked, "valid_until": "2026-09-14"}), 422, "justification_over")
    one, _, _ = officer(client, f"{union}.a", "head", roles=[f"supervisor@{union}"])
    with acting_as(campus, one["id"]) as own:
        check_problem(own.post(path, asked), 403, "conflict_of_interest")
    client.post(f"/v1/organisations/{union}.none:justify", asked).expect(404)


# -- what if -----------------------------------------------------------------------------------------------------------


def test_what_if_changes_nothing_and_says_what_would_be(client, campus, union):
    chair, held = standing_office(client, union), standing_office(client, f"{union}.a", "head")
    leaving = appointed(client, held["id"], student(client, union))
    fresh = student(client, union, grade=2026)
    before = (check(client, union), campus.value("SELECT count(*) FROM membership.appointment"))
    found, refused = what_if(client, union, [(chair["id"], fresh)])
    assert refused == [] and brief(found["leader_in_office"]) == ("ok", 0, 0)
    assert brief(found["no_freshmen"]) == ("exceeded", 1, 0) and found["no_freshmen"]["person_ids"] == [fresh]
    assert brief(found["staff_at_most"]) == ("ok", 2, 40)
    found, refused = what_if(client, union, ends=[leaving["id"]])
    assert refused == [] and brief(found["staff_at_most"]) == ("ok", 0, 40)
    assert (check(client, union), campus.value("SELECT count(*) FROM membership.appointment")) == before


def test_what_would_be_refused(client, union):
    chair, treasurer = standing_office(client, union), standing_office(client, union, "treasurer")
    head = standing_office(client, f"{union}.a", "head", seats=2)
    one, two, three, gone = (student(client, union) for _ in range(4))
    now = appointed(client, chair["id"], one)
    appointed(client, head["id"], two)
    client.patch(f"/v1/people/{gone}", {"status": "graduated"}, etag="*").expect(200)
    elsewhere = standing_office(client, home(union))["id"]
    closed = standing_office(client, union, "officer")["id"]
    client.post(f"/v1/offices/{closed}:abolish").expect(200)

    def codes(pairs=(), **more):
        return [(objection.get("code"), objection.get("person_id")) for objection in what_if(client, union, pairs, **more)[1]]

    assert codes([(chair["id"], three)]) == [("seat_taken", three)]
    assert codes([(chair["id"], three)], ends=[now["id"]]) == []
    assert codes([(chair["id"], two), (chair["id"], three)], ends=[now["id"]]) == [("seat_taken", three)]
    assert codes([(head["id"], three)]) == [] and codes([(head["id"], two)]) == [("appointed_already", two)]
    assert codes([(head["id"], three), (head["id"], three)]) == [("appointed_already", three)]
    assert codes([(treasurer["id"], one)]) == [("incompatible_offices", one)]
    assert codes([(treasurer["id"], one)], ends=[now["id"]]) == []
    assert codes([(treasurer["id"], three), (chair["id"], three)], ends=[now["id"]]) == [("incompatible_offices", three)] * 2
    assert codes([(elsewhere, three), (NOBODY, three)]) == [("office_unknown", three)] * 2
    assert codes([(treasurer["id"], NOBODY), (treasurer["id"], gone)]) == [("person_unknown", NOBODY), ("person_not_enrolled", gone)]
    assert codes([(closed, three)]) == [("outside_office_life", three)]
    assert codes([(treasurer["id"], three)], on="2019-01-01") == [("outside_office_life", three)]
    assert codes(ends=[NOBODY]) == [("appointment_unknown", None)]
    found, (objection,) = what_if(client, union, [(treasurer["id"], one)])
    assert chair["title"] in objection["about"] and treasurer["title"] in objection["about"]
    assert brief(found["offices_compatible"]) == ("exceeded", 1, 0)
    wrong = client.post(f"/v1/organisations/{union}:what_if", {"office_ids": [chair["id"]]})
    check_problem(wrong, 422, "pairs_do_not_match", {"/person_ids": "pairs_do_not_match"})


def test_what_if_says_what_an_appointment_then_says(client, union):
    """The objections are those of CreateAppointment, case by case."""
    chair, treasurer = standing_office(client, union), standing_office(client, union, "treasurer")
    one, two = student(client, union), student(client, union)
    appointed(client, chair["id"], one)
    for place, somebody in ((chair, two), (treasurer, one), (chair, one), (treasurer, two), (treasurer, one)):
        foreseen = [objection["code"] for objection in what_if(client, union, [(place["id"], somebody)])[1]]
        asked = {"office_id": place["id"], "person_id": somebody, "chosen": "election"}
        answer = client.post("/v1/appointments", asked)
        codes = {"seat_taken", "appointed_already"} if (place, somebody) == (chair, one) else {answer.code}
        assert bool(foreseen) == (answer.status != 201) and (not foreseen or foreseen[0] in codes), (foreseen, answer)


def test_who_is_carried_over_makes_room(client, union):
    place = standing_office(client, union, carries_over=True)
    old = appointed(client, place["id"], student(client, union), since="2025-01-01", term_until="2026-01-01")
    found, refused = what_if(client, union, [(place["id"], student(client, union))])
    assert refused == [] and brief(found["terms_not_overdue"]) == ("ok", 0, 0) and brief(found["presidium_at_most"]) == ("ok", 1, 5)
    assert check(client, union)["terms_not_overdue"]["person_ids"] == [old["person_id"]]


def test_who_is_carried_over_may_be_planned_again(client, union):
    place = standing_office(client, union, carries_over=True)
    old = appointed(client, place["id"], student(client, union), since="2025-01-01", term_until="2026-01-01")
    found, refused = what_if(client, union, [(place["id"], old["person_id"])])
    assert refused == [] and brief(found["terms_not_overdue"]) == ("ok", 0, 0)
    appointed(client, place["id"], old["person_id"])


def test_nobody_plans_for_themselves(client, campus, union):
    one, _, _ = officer(client, union, roles=["chair"])
    place = standing_office(client, union, "vice_chair")
    with acting_as(campus, one["id"]) as chair:
        assert [objection["code"] for objection in what_if(chair, union, [(place["id"], one["id"])])[1]] == ["own_appointment"]


# -- the rules ---------------------------------------------------------------------------------------------------------

PACK = {"version": "2027", "in_force_since": "2027-01-01", "title": "新规则", "based_on": "2020", "rules": ["departments_at_most"],
        "limits": [1], "without": ["titles_allowed"], "large_campus": True}


def test_a_new_pack_holds_from_its_day_on(client, campus, union):
    made = client.post("/v1/rule_packs", PACK).expect(201)
    assert made.headers["Location"] == "/v1/rule_packs/2027"
    assert [pack["version"] for pack in client.pages("/v1/rule_packs", "rule_packs", {"page_size": 1})] == ["2020", "2027"]
    rules = {rule["code"]: rule for rule in client.get("/v1/rule_packs/2027").expect(200).json()["rules"]}
    assert rules["departments_at_most"]["limit"] == 1 and "titles_allowed" not in rules
    assert rules["staff_at_most"]["text_en"] == "At most 60 people on the staff."
    assert brief(check(client, union, as_of="2026-12-31")["departments_at_most"]) == ("ok", 2, 6)
    then = check(client, union, as_of="2027-01-01")
    assert brief(then["departments_at_most"]) == ("exceeded", 2, 1) and then["departments_at_most"]["rule_pack"] == "2027"
    assert brief(then["staff_at_most"])[2] == 60 and "titles_allowed" not in then
    for change, status, code in (({}, 409, "rule_pack_known"), ({"version": "x", "based_on": "none"}, 422, "rule_pack_unknown"),
                                 ({"version": "x", "in_force_since": "2026-09-14"}, 422, "in_force_in_the_past"),
                                 ({"version": "x"}, 409, "in_force_already"), ({"version": "x", "limits": []}, 422, "limits_do_not_match"),
                                 ({"version": "x", "rules": ["none"]}, 422, "rule_unknown"),
                                 ({"version": "x", "without": ["none"]}, 422, "rule_unknown")):
        check_problem(client.post("/v1/rule_packs", {**PACK, **change}), status, code)
    client.get("/v1/rule_packs/none").expect(404)


def test_two_packs_for_one_day(client, campus, admin):
    answers = []

    def make(version):
        with campus.client(admin) as one:
            answers.append(one.post("/v1/rule_packs", {**PACK, "version": version, "in_force_since": "2029-01-01"}))

    threads = [threading.Thread(target=make, args=(f"2029.{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [201, 409, 409]
    assert {answer.code for answer in answers} == {None, "in_force_already"}


def test_records_are_only_added_to(campus):
    for table in ("rule_pack", "rule", "attestation", "justification"):
        for change in (f"UPDATE membership.{table} SET code = ''", f"DELETE FROM membership.{table}"):
            with pytest.raises(harness.HarnessError, match="permission denied|does not exist"):
                campus.sql(change, role="campus_membership")


# -- who may -----------------------------------------------------------------------------------------------------------


def test_who_may(client, campus, union):
    organisation(client, f"{home(union)}.office")
    client.put(f"/v1/supervisions/{union}", {"supervisor": f"{home(union)}.office"}).expect(200)
    path, elsewhere = f"/v1/organisations/{union}", committee(client)
    asked = {"rule": "staff_at_most", "reason": "x"}
    with campus.client(new_key(client, "membership.reviews.*", f"{home(union)}.office")["secret"]) as supervisor:
        supervisor.get(f"{path}:self_check").expect(200)
        supervisor.post(f"{path}:what_if", {}).expect(200)
        supervisor.post(f"{path}:justify", asked).expect(200)
        supervisor.get(f"/v1/organisations/{home(union)}:self_check").expect(404)
    for permissions, place, status in ((["membership.reviews.*", "membership.policies.*"], elsewhere, 404),
                                       ("membership.people.read", None, 403)):
        with campus.client(new_key(client, permissions, place)["secret"]) as other:
            for answer in (other.get(f"{path}:self_check"), other.post(f"{path}:what_if", {}), other.post(f"{path}:justify", asked)):
                answer.expect(status)
            other.post("/v1/rule_packs", PACK).expect(403)
            listed = other.get("/v1/attestations")
            assert listed.status == 403 or ids(listed.json(), "attestations") == []
