"""test_offices.py -- offices and appointments: one holder a seat, inside the office's life, and who held what on any day."""

import concurrent.futures

import pytest

from api.given import NOBODY, check_problem, committee, ids, new_key, organisation, person
from membership.staff import acting_as, appoint, office, today


@pytest.fixture(scope="module")
def top(campus, admin):
    with campus.client(admin) as client:
        return committee(client)


def test_an_office_is_shown_with_who_holds_it(client, campus, top):
    made = office(client, top, "chair", title="主席", title_en="Chair", roles=["chair", f"supervisor@{top}", "auditor@"], seats=2)
    assert made["roles"] == ["chair", f"supervisor@{top}", "auditor@"] and made["version"] == 1
    one = person(client, top)
    held = appoint(client, made["id"], one["id"], resolution="2026-1", term_until=today(campus, 365)).expect(201).json()
    assert (held["seat"], held["title"], held["since"], held["until"]) == (1, "主席", today(campus), today(campus, 365))
    shown = client.get(f"/v1/offices/{made['id']}").expect(200).json()
    assert shown["state"] == "held" and shown["roles"] == ["auditor@", "chair", "supervisor"]  # what holds at home has no @
    assert [(h["person_id"], h["name"], h["seat"]) for h in shown["holders"]] == [(one["id"], "李雷", 1)]
    before = client.get(f"/v1/offices/{made['id']}", query={"as_of": today(campus, -1)}).expect(200).json()
    assert before["state"] == "vacant" and "holders" not in before


@pytest.fixture(scope="module")
def history(campus, admin):
    """An office that changed hands: one until 2025-03-01, then another."""
    with campus.client(admin) as client:
        path = committee(client)
        place = office(client, path, "head", established_on="2020-01-01")
        one, other = person(client, path), person(client, path)
        first = appoint(client, place["id"], one["id"], since="2024-09-01", resolution="2024-7").expect(201).json()
        second = client.post(f"/v1/offices/{place['id']}:transfer", {
            "person_id": other["id"], "on": "2025-03-01", "chosen": "competition", "resolution": "2025-2"}).expect(200).json()
    return path, place, first, second


@pytest.mark.parametrize("day, holder, resolution", [("2025-02-28", 0, "2024-7"), ("2025-03-01", 1, "2025-2")])
def test_who_held_it_on_a_day_and_by_which_resolution(client, history, day, holder, resolution):
    path, place, *appointments = history
    found = client.get("/v1/appointments", query={"organisation": path, "kind": "head", "as_of": day, "count": "exact"})
    reply = found.expect(200).json()
    assert reply["total_count"] == 1
    assert reply["appointments"][0]["person_id"] == appointments[holder]["person_id"]
    assert reply["appointments"][0]["resolution"] == resolution
    shown = client.get("/v1/offices", query={"organisation": path, "as_of": day}).expect(200).json()["offices"]
    assert [h["person_id"] for h in shown[0]["holders"]] == [appointments[holder]["person_id"]]


def test_a_transfer_ends_one_and_begins_the_other_in_the_same_seat(client, history):
    _, _, first, second = history
    ended = client.get(f"/v1/appointments/{first['id']}").expect(200).json()
    assert (ended["until"], ended["reason"]) == (second["since"], "transferred") and ended["seat"] == second["seat"]


def test_states(client, campus, top):
    place = office(client, top, "vice_chair", carries_over=True, established_on="2020-01-01")
    state = lambda: client.get(f"/v1/offices/{place['id']}").expect(200).json()["state"]
    assert state() == "vacant"
    appoint(client, place["id"], person(client, top)["id"], acting=True).expect(201)
    assert state() == "acting"
    old = appoint(client, place["id"], person(client, top)["id"], since="2020-01-01", term_until="2021-01-01").expect(201).json()
    assert "until" not in old
    assert state() == "acting"  # somebody was asked to act while the term is over
    client.post(f"/v1/appointments/{client.get('/v1/offices/' + place['id']).json()['holders'][-1]['appointment_id']}:end",
                {"reason": "resigned"}).expect(200)
    assert state() == "carried_over"
    vacant = [one["id"] for one in client.pages("/v1/offices", "offices", {"within": top, "state": "carried_over"})]
    assert place["id"] in vacant
    # A successor ends it.
    appoint(client, place["id"], person(client, top)["id"]).expect(201)
    assert state() == "held"
    ended = client.get(f"/v1/appointments/{old['id']}").expect(200).json()
    assert (ended["reason"], ended["until"]) == ("succeeded", today(campus))


def test_who_carries_a_seat_on_is_appointed_to_it_again(client, top):
    """And puts nobody out who carries another on."""
    place = office(client, top, "vice_chair", carries_over=True, established_on="2020-01-01", seats=2)
    other, mine = (appoint(client, place["id"], person(client, top)["id"], since="2020-01-01", term_until="2021-01-01")
                   .expect(201).json() for _ in range(2))
    again = appoint(client, place["id"], mine["person_id"]).expect(201).json()
    assert (mine["seat"], again["seat"]) == (2, 2)
    assert client.get(f"/v1/appointments/{mine['id']}").json()["reason"] == "succeeded"
    assert "until" not in client.get(f"/v1/appointments/{other['id']}").json()


def test_nobody_is_put_out_while_a_seat_is_vacant(client, top):
    place = office(client, top, "vice_chair", carries_over=True, established_on="2020-01-01", seats=2)
    carrying = appoint(client, place["id"], person(client, top)["id"], since="2020-01-01", term_until="2021-01-01").expect(201).json()
    second, third = (appoint(client, place["id"], person(client, top)["id"]).expect(201).json() for _ in range(2))
    assert [one["seat"] for one in (carrying, second, third)] == [1, 2, 1]
    assert client.get(f"/v1/appointments/{carrying['id']}").json()["reason"] == "succeeded"
    check_problem(appoint(client, place["id"], person(client, top)["id"]), 409, "seat_taken")


def test_nobody_carries_on_beyond_a_successor_by_an_end_of_their_own(client, campus, top):
    """Who carries an office on stays until a successor begins: an end of their own beyond the term would keep the seat."""
    place = office(client, top, "vice_chair", carries_over=True, established_on="2020-01-01")
    made = appoint(client, place["id"], person(client, top)["id"], since="2020-01-01", term_until="2021-01-01").expect(201).json()
    check_problem(end(client, made, until=today(campus, 3000)), 422, "until_beyond_end")
    appoint(client, place["id"], person(client, top)["id"]).expect(201)
    assert client.get(f"/v1/appointments/{made['id']}").json()["reason"] == "succeeded"
    running = office(client, top, "head", carries_over=True)
    now = appoint(client, running["id"], person(client, top)["id"], term_until=today(campus, 300)).expect(201).json()
    check_problem(end(client, now, until=today(campus, 301)), 422, "until_beyond_end")
    end(client, now, until=today(campus, 300)).expect(200)


def test_an_office_that_carries_nothing_over_ends_with_its_term(client, top):
    place = office(client, top, established_on="2020-01-01")
    made = appoint(client, place["id"], person(client, top)["id"], since="2020-01-01", term_until="2021-01-01").expect(201).json()
    assert made["until"] == "2021-01-01"
    assert client.get(f"/v1/offices/{place['id']}").expect(200).json()["state"] == "vacant"


def test_an_open_office_seats_as_many_as_are_appointed(client, top):
    place = office(client, top, "officer", exclusive=False)
    for _ in range(3):
        assert "seat" not in appoint(client, place["id"], person(client, top)["id"]).expect(201).json()


def test_two_at_once_for_one_seat(client, campus, admin, top):
    for _ in range(5):
        place = office(client, top, "treasurer")
        people = [person(client, top)["id"] for _ in range(4)]

        def ask(person_id):
            with campus.client(admin) as own:
                return appoint(own, place["id"], person_id)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, people))
        assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
        assert {answer.code for answer in answers if answer.status == 409} == {"seat_taken"}
        client.post(f"/v1/offices/{place['id']}:abolish").expect(200)


def test_one_person_at_once_for_two_incompatible_offices(client, campus, admin):
    for _ in range(5):
        path = committee(client)
        offices = [office(client, path, kind)["id"] for kind in ("auditor", "treasurer")]
        one = person(client, path)["id"]

        def ask(office_id):
            with campus.client(admin) as own:
                return appoint(own, office_id, one)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(ask, offices))
        assert sorted(answer.status for answer in answers) == [201, 409]
        assert {answer.code for answer in answers if answer.status == 409} == {"incompatible_offices"}


def test_incompatible_offices_are_refused_with_both_named(client, top):
    audit = office(client, top, "auditor", title="审计长")
    money = office(client, top, "treasurer", title="财务长")
    one = person(client, top)["id"]
    appoint(client, audit["id"], one).expect(201)
    problem = check_problem(appoint(client, money["id"], one), 409, "incompatible_offices", {"/person_id": "incompatible_offices"})
    assert "审计长" in problem["detail"] and "财务长" in problem["detail"]


def test_incompatibility_is_policy(client):
    path = committee(client)
    one = person(client, path)["id"]
    rule = client.post("/v1/incompatibilities", {
        "kind": "head", "other_kind": "adviser", "reach": "organisation", "reason": "试行"}).expect(201).json()
    assert (rule["kind"], rule["other_kind"]) == ("adviser", "head")
    check_problem(client.post("/v1/incompatibilities", {
        "kind": "adviser", "other_kind": "head", "reach": "organisation", "reason": "again"}), 409, "incompatibility_known")
    assert rule["id"] in [one["id"] for one in client.pages("/v1/incompatibilities", "incompatibilities")]
    appoint(client, office(client, path, "head")["id"], one).expect(201)
    adviser = office(client, path, "adviser")["id"]
    check_problem(appoint(client, adviser, one), 409, "incompatible_offices")
    client.delete(f"/v1/incompatibilities/{rule['id']}").expect(200)
    appoint(client, adviser, one).expect(201)


def test_what_ends_with_an_office_and_an_organisation(client, campus):
    path = organisation(client, f"{committee(client)}.d")["path"]
    place, other = office(client, path), office(client, path)
    held = [appoint(client, one["id"], person(client, path)["id"]).expect(201).json() for one in (place, other)]
    client.post(f"/v1/offices/{place['id']}:abolish").expect(200)
    client.post(f"/v1/organisations/{path}:dissolve").expect(200)
    reasons = [client.get(f"/v1/appointments/{one['id']}").expect(200).json()["reason"] for one in held]
    assert reasons == ["abolished", "dissolved"]
    assert client.get(f"/v1/offices/{other['id']}").expect(200).json()["abolished_on"] == today(campus)


def test_an_office_of_an_organisation_that_is_to_end_ends_with_it(client, campus):
    path = committee(client)
    last = today(campus, 30)
    client.post(f"/v1/organisations/{path}:dissolve", {"dissolved_on": last}).expect(200)
    made = office(client, path)
    assert made["abolished_on"] == client.get(f"/v1/offices/{made['id']}").json()["abolished_on"] == last
    check_problem(create(client, path, established_on=last), 422, "organisation_unknown")


def test_patch_office(client, top):
    place = office(client, top, roles=["head"], seats=2)
    changed = client.patch(f"/v1/offices/{place['id']}", {"title": "改名", "roles": ["officer"]}, etag='"1"').expect(200).json()
    assert (changed["title"], changed["roles"], changed["version"], changed["seats"]) == ("改名", ["officer"], 2, 2)
    assert client.get(f"/v1/offices/{place['id']}").expect(200).json()["roles"] == ["officer"]
    check_problem(client.patch(f"/v1/offices/{place['id']}", {"seats": 3}, etag='"1"'), 412, "stale_version")


# -- refusals ----------------------------------------------------------------------------------------------------------


def weak(campus, client, path, *permissions):
    return campus.client(new_key(client, permissions, path)["secret"])


def create(client, path, **more):
    return client.post("/v1/offices", {"organisation": path, "kind": "head", "title": "部长", **more})


def patch(client, path, change, **made):
    return client.patch(f"/v1/offices/{office(client, path, **made)['id']}", change, etag="*")


def abolished(client, path, **made):
    place = office(client, path, **made)
    client.post(f"/v1/offices/{place['id']}:abolish", {}).expect(200)
    return place["id"]


def held(client, path, kind="head", **more):
    place = office(client, path, kind, established_on="2020-01-01")
    return place, appoint(client, place["id"], person(client, path)["id"], **more).expect(201).json()


def twice(client, path):
    """Appoints somebody to a second seat of the same office."""
    place = office(client, path, seats=2)
    one = person(client, path)["id"]
    appoint(client, place["id"], one).expect(201)
    return place, one


def transfer(client, place, person_id, **more):
    return client.post(f"/v1/offices/{place['id']}:transfer", {"person_id": person_id, "chosen": "election", **more})


def test_nobody_hands_over_to_themselves(client):
    """A transfer that is sent again under another key would else end what it has just begun; who acts may come to hold it in full."""
    path = committee(client)
    place, made = held(client, path)
    check_problem(transfer(client, place, made["person_id"]), 409, "appointed_already", {"/person_id": "appointed_already"})
    assert len(client.get("/v1/appointments", query={"office_id": place["id"]}).expect(200).json()["appointments"]) == 1
    vacant, deputy = office(client, path), person(client, path)["id"]
    appoint(client, vacant["id"], deputy, acting=True).expect(201)
    assert not transfer(client, vacant, deputy).expect(200).json()["acting"]


def to_two(client, path):
    place = office(client, path, seats=2)
    for _ in range(2):
        appoint(client, place["id"], person(client, path)["id"]).expect(201)
    return transfer(client, place, person(client, path)["id"])


def in_audit(client, path):
    one = person(client, path)["id"]
    appoint(client, office(client, path, "auditor")["id"], one).expect(201)
    return one


def promised(client, path, day):
    place, _ = held(client, path)
    appointment = client.get(f"/v1/offices/{place['id']}").json()["holders"][0]["appointment_id"]
    client.post(f"/v1/appointments/{appointment}:end", {"until": day, "reason": "term_over"}).expect(200)
    appoint(client, place["id"], person(client, path)["id"], since=day).expect(201)
    return transfer(client, place, person(client, path)["id"])


def end(client, made, **more):
    return client.post(f"/v1/appointments/{made['id']}:end", {"reason": "resigned", **more})


def as_themselves(campus, client, path, act):
    """Somebody with the right to appoint does it for themselves."""
    one = person(client, path)["id"]
    client.post("/v1/grants", {"person_id": one, "role": "secretary", "organisation": path, "reason": "test"}).expect(201)
    with acting_as(campus, one) as own:
        return act(own, one)


def more_of_their_own(client, own, path, person_id):
    """Who holds an office may name it anew, but not give it what they can do for a time."""
    place = office(client, path)["id"]
    appoint(client, place, person_id).expect(201)
    own.patch(f"/v1/offices/{place}", {"title": place}, etag="*").expect(200)
    return own.patch(f"/v1/offices/{place}", {"roles": ["officer"]}, etag="*")


REFUSALS = {
    ("CreateOffice", "organisation_unknown"): lambda k, c, p: create(c, f"{p}.none"),
    ("CreateOffice", "office_title_taken"): lambda k, c, p: create(c, p, title=office(c, p)["title"]),
    ("CreateOffice", "established_before_founded"): lambda k, c, p: create(
        c, organisation(c, f"{p}.young", founded_on="2025-01-01")["path"], established_on="2024-01-01"),
    ("CreateOffice", "role_unknown"): lambda k, c, p: create(c, p, title="a", roles=["nothing"]),
    ("CreateOffice", "role_place_unknown"): lambda k, c, p: create(c, p, title="a", roles=["head@no.such"]),
    ("CreateOffice", "roles_exceed_yours"): lambda k, c, p: create(
        weak(k, c, p, "membership.offices.write"), p, title="a", roles=["head"]),
    ("PatchOrganisation", "offices_before_founded"): lambda k, c, p: c.patch(
        f"/v1/organisations/{office(c, p, established_on='2020-01-01')['organisation']}", {"founded_on": "2020-01-02"}, etag="*"),
    ("PatchOffice", "office_title_taken"): lambda k, c, p: patch(c, p, {"title": office(c, p)["title"]}),
    ("PatchOffice", "seats_in_use"): lambda k, c, p: c.patch(
        "/v1/offices/" + (lambda o: [appoint(c, o, person(c, p)["id"]).expect(201) for _ in range(2)] and o)(
            office(c, p, seats=2)["id"]), {"seats": 1}, etag="*"),
    ("PatchOffice", "office_abolished"): lambda k, c, p: c.patch(f"/v1/offices/{abolished(c, p)}", {"title": "x"}, etag="*"),
    ("PatchOffice", "role_unknown"): lambda k, c, p: patch(c, p, {"roles": ["nothing"]}),
    ("PatchOffice", "role_place_unknown"): lambda k, c, p: patch(c, p, {"roles": ["head@no.such"]}),
    ("PatchOffice", "roles_exceed_yours"): lambda k, c, p: weak(k, c, p, "membership.offices.write").patch(
        f"/v1/offices/{office(c, p)['id']}", {"roles": ["administrator"]}, etag="*"),
    ("PatchOffice", "own_office"): lambda k, c, p: as_themselves(k, c, p, lambda own, one: more_of_their_own(c, own, p, one)),
    ("AbolishOffice", "office_abolished"): lambda k, c, p: c.post(f"/v1/offices/{abolished(c, p)}:abolish"),
    ("AbolishOffice", "abolished_before_established"): lambda k, c, p: c.post(
        f"/v1/offices/{office(c, p)['id']}:abolish", {"abolished_on": "2020-01-01"}),
    ("TransferOffice", "office_vacant"): lambda k, c, p: transfer(c, office(c, p), person(c, p)["id"]),
    ("TransferOffice", "holder_ambiguous"): lambda k, c, p: to_two(c, p),
    ("TransferOffice", "person_unknown"): lambda k, c, p: transfer(c, held(c, p)[0], NOBODY),
    ("TransferOffice", "person_not_enrolled"): lambda k, c, p: transfer(c, held(c, p)[0], person(c, p, status="left")["id"]),
    ("TransferOffice", "own_appointment"): lambda k, c, p: as_themselves(
        k, c, p, lambda own, one: transfer(own, held(c, p)[0], one)),
    ("TransferOffice", "appointed_already"): lambda k, c, p: already(c, p),
    ("TransferOffice", "seat_taken"): lambda k, c, p: promised(c, p, today(k, 30)),
    ("TransferOffice", "incompatible_offices"): lambda k, c, p: transfer(c, held(c, p, "treasurer")[0], in_audit(c, p)),
    ("TransferOffice", "term_before_since"): lambda k, c, p: transfer(c, held(c, p)[0], person(c, p)["id"], term_until="2020-01-01"),
    ("TransferOffice", "outside_office_life"): lambda k, c, p: doomed(k, c, p),
    ("CreateAppointment", "office_unknown"): lambda k, c, p: appoint(c, NOBODY, person(c, p)["id"]),
    ("CreateAppointment", "person_unknown"): lambda k, c, p: appoint(c, office(c, p)["id"], NOBODY),
    ("CreateAppointment", "person_not_enrolled"): lambda k, c, p: appoint(
        c, office(c, p)["id"], person(c, p, status="graduated")["id"]),
    ("CreateAppointment", "own_appointment"): lambda k, c, p: as_themselves(
        k, c, p, lambda own, one: appoint(own, office(c, p)["id"], one)),
    ("CreateAppointment", "seat_taken"): lambda k, c, p: appoint(c, held(c, p)[0]["id"], person(c, p)["id"]),
    ("CreateAppointment", "appointed_already"): lambda k, c, p: (lambda place, one: appoint(c, place["id"], one))(*twice(c, p)),
    ("CreateAppointment", "incompatible_offices"): lambda k, c, p: appoint(c, office(c, p, "treasurer")["id"], in_audit(c, p)),
    ("CreateAppointment", "term_before_since"): lambda k, c, p: appoint(
        c, office(c, p)["id"], person(c, p)["id"], term_until="2020-01-01"),
    ("CreateAppointment", "outside_office_life"): lambda k, c, p: appoint(
        c, office(c, p)["id"], person(c, p)["id"], since="2020-01-01"),
    ("EndAppointment", "already_ended"): lambda k, c, p: (lambda made: (end(c, made).expect(200), end(c, made))[1])(held(c, p)[1]),
    ("EndAppointment", "until_before_since"): lambda k, c, p: end(c, held(c, p)[1], until="2020-01-01"),
    ("EndAppointment", "until_beyond_end"): lambda k, c, p: end(
        c, held(c, p, term_until=today(k, 10))[1], until=today(k, 20)),
    ("CreateIncompatibility", "incompatibility_known"): lambda k, c, p: c.post("/v1/incompatibilities", {
        "kind": "treasurer", "other_kind": "auditor", "reach": "tree", "reason": "again"}),
}


def already(client, path):
    """A transfer to somebody who holds another seat of the same office."""
    place, one = twice(client, path)
    other = appoint(client, place["id"], person(client, path)["id"]).expect(201).json()
    return transfer(client, place, one, appointment_id=other["id"])


def doomed(campus, client, path):
    """A transfer beyond the end of the office."""
    place, _ = held(client, path)
    client.post(f"/v1/offices/{place['id']}:abolish", {"abolished_on": today(campus, 10)}).expect(200)
    return transfer(client, place, person(client, path)["id"], on=today(campus, 5))


@pytest.mark.parametrize("operation, code", REFUSALS, ids=lambda name: name)
def test_refusals(campus, client, operation, code):
    path = committee(client)
    check_problem(REFUSALS[operation, code](campus, client, path), None, code)


def test_a_repeated_appointment_is_one(client, top):
    place, one = office(client, top), person(client, top)["id"]
    asked = {"office_id": place["id"], "person_id": one, "chosen": "election"}
    answers = [client.post("/v1/appointments", asked, headers={"Idempotency-Key": f"appoint-{one}"}).expect(201) for _ in range(2)]
    assert answers[0].json() == answers[1].json()


def test_offices_are_seen_and_changed_within_the_scope(client, campus, top):
    inside, outside = organisation(client, f"{top}.in")["path"], organisation(client, f"{top}.out")["path"]
    place, other = office(client, inside), office(client, outside)
    with weak(campus, client, inside, "membership.offices.*", "membership.appointments.*") as narrow:
        assert ids(narrow.get("/v1/offices").expect(200).json(), "offices") == [place["id"]]
        check_problem(narrow.get(f"/v1/offices/{other['id']}"), 404, "not_found")
        check_problem(create(narrow, outside), 403, "permission_denied")
        check_problem(narrow.patch(f"/v1/offices/{other['id']}", {"title": "x"}, etag="*"), 404, "not_found")
        check_problem(narrow.post(f"/v1/offices/{other['id']}:abolish"), 404, "not_found")
        check_problem(appoint(narrow, other["id"], person(client, top)["id"]), 403, "permission_denied")
        made = appoint(client, other["id"], person(client, top)["id"]).expect(201).json()
        check_problem(narrow.post(f"/v1/appointments/{made['id']}:end", {"reason": "resigned"}), 404, "not_found")
        check_problem(transfer(narrow, other, person(client, top)["id"]), 404, "not_found")
        appoint(narrow, place["id"], person(client, top)["id"]).expect(201)
        check_problem(narrow.post("/v1/incompatibilities", {
            "kind": "head", "other_kind": "head", "reach": "campus", "reason": "x"}), 403, "permission_denied")


def test_offices_by_page(client):
    path = committee(client)
    made = [office(client, path)["id"] for _ in range(7)]
    assert [one["id"] for one in client.pages("/v1/offices", "offices", {"within": path, "page_size": 3})] == sorted(made)
