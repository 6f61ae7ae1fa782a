"""test_graduation.py -- a cohort leaves in one command."""

from api.given import check_problem, membership, new_key, person, union
from membership.staff import acting_as, appoint, office


def graduate(client, home, grade=2022, **more):
    return client.post("/v1/people:graduate", {"home": home, "grade": grade, **more})


def cohort(client, home, count=3, **more):
    return [person(client, home, **{"grade": 2022, **more}) for _ in range(count)]


def today(campus, days=0):
    return campus.value(f"SELECT campus.today() + {days}")


def test_a_cohort_graduates(campus, client):
    top = union(client)
    home = f"{top}.learning"
    a, b, c = cohort(client, home)
    away, = cohort(client, home, 1, status="on_leave")
    gone, = cohort(client, home, 1, status="left")
    younger, = cohort(client, home, 1, grade=2023)
    other, = cohort(client, top, 1)
    running = membership(client, a["id"], top, since="2024-01-01")
    honoured = membership(client, a["id"], f"{top}.sports", since="2024-01-01", kind="honorary")
    over = membership(client, b["id"], top, since="2024-01-01")
    client.post(f"/v1/memberships/{over['id']}:end", {"reason": "left", "until": "2025-01-01"}).expect(200)
    planned = membership(client, b["id"], top, since=today(campus, 30))
    ending = membership(client, b["id"], f"{top}.sports", since="2024-01-01")
    client.post(f"/v1/memberships/{ending['id']}:end", {"reason": "transferred", "until": today(campus, 30)}).expect(200)
    stays = membership(client, c["id"], top, since="2024-01-01")
    asked = {"on": "2026-06-30", "except": [c["student_number"], "NOSUCH", other["student_number"]]}

    dry = graduate(client, home, **asked, dry_run=True).expect(200).json()
    assert client.get(f"/v1/people/{a['id']}").json()["status"] == "active"
    assert {name: dry[name] for name in dry if name != "rows"} == {
        "graduated": 3, "excepted": 1, "unmatched": 2, "memberships_ended": 3, "appointments_ended": 0}
    assert {row["id"]: (row["outcome"], row["memberships"]) for row in dry["rows"]} == {
        a["id"]: ("graduated", 1), b["id"]: ("graduated", 2), away["id"]: ("graduated", 0), c["id"]: ("excepted", 0)}

    assert graduate(client, home, **asked).expect(200).json() == dry
    statuses = [client.get(f"/v1/people/{one['id']}").json()["status"] for one in (a, b, c, away, gone, younger, other)]
    assert statuses == ["graduated", "graduated", "active", "graduated", "left", "active", "active"]
    told = [client.get(f"/v1/memberships/{one['id']}").json() for one in (running, honoured, over, planned, ending, stays)]
    assert [(one.get("until"), one.get("reason")) for one in told] == [
        ("2026-06-30", "graduated"), (None, None), ("2025-01-01", "left"), (today(campus, 30), "graduated"),
        ("2026-06-30", "graduated"), (None, None)]
    facts = campus.sql("SELECT type, count(*) FROM membership.fact WHERE method = 'GraduatePeople' GROUP BY type ORDER BY type")
    assert facts == [["membership.ended", "3"], ["person.graduated", "3"]]
    check_problem(client.post("/v1/memberships", {"person_id": a["id"], "organisation": top}), 409, "person_not_enrolled")

    again = graduate(client, home, **asked).expect(200).json()
    assert (again["graduated"], again["memberships_ended"], len(again["rows"])) == (0, 0, 1)
    assert client.get(f"/v1/people/{a['id']}").json()["version"] == 2


def test_appointments_end_with_the_rights_that_they_gave(campus, client):
    top = union(client)
    chair, head = cohort(client, top, 2)
    held = appoint(client, office(client, top, "chair", roles=["chair"], established_on="2020-01-01")["id"], chair["id"],
                   since="2025-09-01", term_until="2026-08-31").expect(201).json()
    planned = appoint(client, office(client, top, established_on="2020-01-01")["id"], head["id"], since=today(campus, 30)).expect(201).json()
    with acting_as(campus, chair["id"]) as own:
        own.get(f"/v1/organisations/{top}").expect(200)
        asked = {"on": "2026-06-30"}
        dry = graduate(client, top, **asked, dry_run=True).expect(200).json()
        assert dry["appointments_ended"] == 2 and client.get(f"/v1/appointments/{held['id']}").json()["version"] == 1
        assert graduate(client, top, **asked).expect(200).json() == dry
        assert {row["id"]: row["appointments"] for row in dry["rows"]} == {chair["id"]: 1, head["id"]: 1}
    told = [client.get(f"/v1/appointments/{one['id']}").json() for one in (held, planned)]
    assert [(one["until"], one["reason"]) for one in told] == [("2026-06-30", "graduated"), (today(campus, 30), "graduated")]
    ended = campus.value("SELECT count(*) FROM membership.fact WHERE type = 'appointment.ended' AND method = 'GraduatePeople'")
    assert ended == "2"


def test_today_where_no_day_is_named(campus, client):
    home = union(client)
    one, = cohort(client, home, 1)
    made = membership(client, one["id"], home, since="2024-01-01")
    graduate(client, home).expect(200)
    assert client.get(f"/v1/memberships/{made['id']}").json()["until"] == today(campus)
    assert graduate(client, home).expect(200).json()["graduated"] == 0


def test_an_expelled_one_stays_expelled(campus, client):
    home = union(client)
    one, = cohort(client, home, 1)
    made = membership(client, one["id"], home, since="2024-01-01")
    client.post(f"/v1/memberships/{made['id']}:expel", {"expulsion_reason": "a", "until": today(campus, 9)}).expect(200)
    graduate(client, home, on="2026-06-30").expect(200)
    told = client.get(f"/v1/memberships/{made['id']}").json()
    assert (told["until"], told["reason"], told["expulsion_reason"]) == ("2026-06-30", "graduated", "a")


def test_what_graduation_refuses(campus, client):
    top = union(client)
    home = f"{top}.learning"
    one, = cohort(client, home, 1)
    check_problem(graduate(client, "no.such"), 422, "home_unknown", {"/home": "home_unknown"})
    check_problem(graduate(client, home, on=today(campus, 1)), 422, "day_to_come", {"/on": "day_to_come"})
    check_problem(client.post("/v1/people:graduate", {}), 422, "invalid", {"/home": "required", "/grade": "required"})
    rights = "membership.people.graduate"
    with campus.client(new_key(client, rights, f"{top}.sports")["secret"]) as elsewhere:
        check_problem(graduate(elsewhere, home), 403, "permission_denied")
        check_problem(graduate(elsewhere, top), 403, "permission_denied")
    with campus.client(new_key(client, "membership.people.write")["secret"]) as other:
        check_problem(graduate(other, home), 403, "permission_denied")
    with campus.client(new_key(client, rights, top)["secret"]) as registrar:
        assert graduate(registrar, home).expect(200).json()["graduated"] == 1
    assert client.get(f"/v1/people/{one['id']}").json()["status"] == "graduated"


def test_great_cohorts(campus, client):
    home = union(client)
    campus.sql("SET session_replication_role = replica; INSERT INTO membership.person (id, student_number, name, home, grade) "
               f"SELECT campus.new_id(), 'G' || n, 'a', '{home}', 2022 FROM generate_series(1, 20001) n")
    check_problem(graduate(client, home), 422, "cohort_too_large", {"/home": "cohort_too_large"})
    campus.sql(f"DELETE FROM membership.person WHERE student_number IN (SELECT 'G' || n FROM generate_series(501, 20001) n)")
    told = graduate(client, home).expect(200).json()
    assert told["graduated"] == len(told["rows"]) == 500
