"""test_access.py -- rights follow from dates: what an office, a grant or a key gives, from when, until when, and why."""

import pytest

import harness
from api.given import check_problem, committee, ids, membership, new_key, organisation, person
from membership.staff import acting_as, appoint, office, today

WITHIN = 1.5  # seconds in which a revocation takes effect: the second that gateways remember, and a test's own pace


@pytest.fixture
def place(client):
    """A committee with two departments; the paths."""
    top = committee(client)
    return top, organisation(client, f"{top}.a")["path"], organisation(client, f"{top}.b")["path"]


def grant(client, person_id, role, path=None, **more):
    asked = {"person_id": person_id, "role": role, "reason": "test", **more}
    return client.post("/v1/grants", asked if path is None else {**asked, "organisation": path})


def explain(client, permission, path=None, **more):
    asked = {"permission": permission, **more}
    return client.post("/v1/access:explain", asked if path is None else {**asked, "organisation": path}).expect(200).json()


def refused(client, path):
    return client.get(path).status == 403


def test_rights_come_with_the_office_and_reach_as_far(campus, client, place):
    top, here, there = place
    head = person(client, top)["id"]
    appoint(client, office(client, here, roles=["head"])["id"], head).expect(201)
    inside, outside = person(client, here), person(client, there)
    with acting_as(campus, head) as own:
        assert inside["id"] in ids(own.get("/v1/people", query={"page_size": 200}).expect(200).json(), "people")
        assert outside["id"] not in ids(own.get("/v1/people", query={"page_size": 200}).expect(200).json(), "people")
        membership(own, outside["id"], here)
        check_problem(own.post("/v1/memberships", {"person_id": inside["id"], "organisation": there}), 403, "permission_denied")
        check_problem(own.post("/v1/people", {"student_number": "X", "name": "x", "home": here}), 403, "permission_denied")


def test_two_offices_add_up(campus, client, place):
    top, here, there = place
    one = person(client, top)["id"]
    appoint(client, office(client, here, roles=["officer"])["id"], one).expect(201)
    appoint(client, office(client, there, "officer", roles=["head"])["id"], one).expect(201)
    with acting_as(campus, one) as own:
        paths = {p["path"] for p in own.pages("/v1/organisations", "organisations", {"within": top})}
        assert paths == {top, here, there}  # everyone sees organisations
        seen = set(ids(own.get("/v1/people", query={"page_size": 200}).json(), "people"))
        assert person(client, here)["id"] not in seen  # asked before
        member = person(client, top)["id"]
        membership(own, member, there)
        check_problem(own.post("/v1/memberships", {"person_id": member, "organisation": here}), 403)


def test_an_office_that_ends_at_midnight_ends_its_rights_at_midnight(new_campus):
    """With the caller's token still in hand."""
    campus = new_campus()
    with campus.client(campus.key()) as client:
        top = committee(client)
        one = person(client, top)["id"]
        appoint(client, office(client, top, roles=["head"])["id"], one, term_until=today(campus, 1)).expect(201)
        to_midnight = "(SELECT membership.midnight(campus.today() + 1) - pg_catalog.now() - interval '%s')"
        with acting_as(campus, one) as own:
            campus.sql("UPDATE campus.clock SET shift = " + to_midnight % "1 minute")
            own.get("/v1/people").expect(200)
            campus.sql("UPDATE campus.clock SET shift = shift + interval '2 minutes'")
            harness.wait_until(lambda: refused(own, "/v1/people"), "the office to have ended", WITHIN)
            assert own.get("/v1/me").expect(200).json()["person_id"] == one  # still somebody, with the rights of everyone
            campus.sql("UPDATE campus.clock SET shift = shift - interval '2 minutes'")
            harness.wait_until(lambda: not refused(own, "/v1/people"), "yesterday", WITHIN)


def test_what_begins_tomorrow_gives_nothing_today(campus, client, place):
    one = person(client, place[0])["id"]
    appoint(client, office(client, place[1], roles=["head"])["id"], one, since=today(campus, 1)).expect(201)
    with acting_as(campus, one) as own:
        check_problem(own.get("/v1/people"), 403, "permission_denied")


@pytest.mark.parametrize("end", ["appointment", "grant", "role", "office", "person", "key"])
def test_a_revocation_is_effective_within_a_second(campus, client, place, end):
    top, here, _ = place
    one = person(client, top)["id"]
    role = client.post("/v1/roles", {"name": f"role_{end}_{top}".translate(str.maketrans("0123456789", "abcdefghij")),
                                     "title": "试", "permissions": ["membership.people.read"]}).expect(201).json()
    if end == "grant":
        given = grant(client, one, role["name"], here).expect(201).json()
    else:
        made = office(client, here, roles=[role["name"]])
        held = appoint(client, made["id"], one).expect(201).json()
    with acting_as(campus, one) as own:
        own.get("/v1/people").expect(200)
        key = own.get("/v1/me").json()["id"]
        {"appointment": lambda: client.post(f"/v1/appointments/{held['id']}:end", {"reason": "removed"}),
         "grant": lambda: client.post(f"/v1/grants/{given['id']}:revoke"),
         "role": lambda: client.patch(f"/v1/roles/{role['name']}", {"permissions": []}, etag="*"),
         "office": lambda: client.patch(f"/v1/offices/{made['id']}", {"roles": []}, etag="*"),
         "person": lambda: client.patch(f"/v1/people/{one}", {"status": "left"}, etag="*"),
         "key": lambda: client.post(f"/v1/keys/{key}:revoke")}[end]().expect(200)
        harness.wait_until(lambda: own.get("/v1/people").status == (401 if end in ("key", "person") else 403), "the right to end", WITHIN)


def test_revocation_while_it_is_used(campus, client, place):
    """Each request either had the right or is refused for it; none fails otherwise."""
    one = person(client, place[0])["id"]
    given = grant(client, one, "head", place[1]).expect(201).json()
    with acting_as(campus, one) as own:
        seen = [own.get("/v1/people").status for _ in range(20)]
        client.post(f"/v1/grants/{given['id']}:revoke").expect(200)

        def asked():
            seen.append(own.get("/v1/people").status)
            return seen[-1] == 403

        harness.wait_until(asked, "the revocation", WITHIN)
    assert set(seen) == {200, 403} and seen == sorted(seen)


# -- why ---------------------------------------------------------------------------------------------------------------


def test_me_says_what_and_through_what(campus, client, place):
    top, here, _ = place
    one = person(client, top, name="王芳")["id"]
    made = office(client, here, roles=["head"], title="宣传部部长")
    held = appoint(client, made["id"], one, term_until=today(campus, 30)).expect(201).json()
    given = grant(client, one, "registrar").expect(201).json()
    with acting_as(campus, one) as own:
        key = own.get("/v1/me").expect(200).json()
        assert key["kind"] == "key" and key["person_id"] == one
        explained = explain(own, "membership.memberships.write", here)
    assert explained["allowed"]
    explained = explain(client, "membership.memberships.write", here, person_id=one)
    grounds = {ground["via"]: ground for ground in explained["grounds"]}
    assert explained["allowed"] and set(grounds) == {"appointment", "grant"}
    assert grounds["appointment"]["appointment_id"] == held["id"] and grounds["appointment"]["office"] == "宣传部部长"
    assert grounds["appointment"]["role"] == "head" and grounds["appointment"]["organisation"] == here
    assert grounds["appointment"]["until"].startswith(campus.value(
        f"SELECT to_char(membership.midnight('{today(campus, 30)}') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI')"))
    assert grounds["grant"]["grant_id"] == given["id"] and "organisation" not in grounds["grant"]


def test_explain_says_no_and_where_else(campus, client, place):
    top, here, there = place
    one = person(client, top)["id"]
    appoint(client, office(client, here, roles=["head"])["id"], one).expect(201)
    said = explain(client, "membership.memberships.write", there, person_id=one)
    assert said == {"allowed": False, "elsewhere": [here]}
    assert explain(client, "membership.organisations.read", there, person_id=one)["grounds"][0]["via"] == "everyone"
    yesterday = campus.value("SELECT to_char((campus.now() - interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    assert not explain(client, "membership.memberships.write", here, person_id=one, at=yesterday)["allowed"]


def test_explain_is_for_those_who_may_ask(campus, client, place):
    top, here, there = place
    one, other = person(client, here)["id"], person(client, there)["id"]
    with acting_as(campus, one) as own:
        assert not explain(own, "membership.people.read")["allowed"]
        assert explain(own, "membership.people.read", person_id=one) == {"allowed": False}
        check_problem(own.post("/v1/access:explain", {"permission": "a.b.c", "person_id": other}), 404, "not_found")
    with campus.client(new_key(client, "membership.access.read", here)["secret"]) as asker:
        explain(asker, "membership.people.read", person_id=one)
        check_problem(asker.post("/v1/access:explain", {"permission": "a.b.c", "person_id": other}), 404, "not_found")
        said = explain(asker, "membership.access.read", here)
        assert said["allowed"] and said["grounds"][0]["via"] == "key"


def now(campus):
    return campus.value("SELECT to_char(campus.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")


@pytest.mark.parametrize("change", ["office", "role", "end", "transfer", "left", "grant"])
def test_who_might_do_what_stays_known(campus, client, place, change):
    """Whatever is changed or dated back later."""
    top, here, _ = place
    one = person(client, top)["id"]
    role = client.post("/v1/roles", {"name": f"past_{change}_{top}".translate(str.maketrans("0123456789", "abcdefghij")),
                                     "title": "试", "permissions": ["membership.people.read"]}).expect(201).json()["name"]
    made = office(client, here, roles=[role], established_on="2020-01-01")
    if change == "grant":
        held = grant(client, one, role, here).expect(201).json()
    else:
        held = appoint(client, made["id"], one, since="2024-01-01").expect(201).json()
    then = now(campus)
    {"office": lambda: client.patch(f"/v1/offices/{made['id']}", {"roles": []}, etag="*"),
     "role": lambda: client.patch(f"/v1/roles/{role}", {"permissions": []}, etag="*"),
     "end": lambda: client.post(f"/v1/appointments/{held['id']}:end", {"until": "2024-06-01", "reason": "removed"}),
     "transfer": lambda: client.post(f"/v1/offices/{made['id']}:transfer", {
         "person_id": person(client, top)["id"], "on": "2024-06-01", "chosen": "election"}),
     "left": lambda: campus.sql(f"UPDATE membership.person SET status = 'left', ended_on = campus.today() + 1 WHERE id = '{one}'"),
     "grant": lambda: client.post(f"/v1/grants/{held['id']}:revoke")}[change]()
    asked = {"person_id": one, "at": then}
    assert explain(client, "membership.people.read", here, **asked)["allowed"]
    if change != "left":
        assert not explain(client, "membership.people.read", here, person_id=one)["allowed"]
    assert not explain(client, "membership.people.read", here, person_id=one, at="2024-03-01T00:00:00Z")["allowed"]  # nobody had it yet


@pytest.mark.parametrize("change", ["abolish", "dissolve", "transfer"])
def test_who_had_resigned_had_nothing_whatever_is_dated_back_later(campus, client, place, change):
    top, here, _ = place
    one = person(client, top)["id"]
    made = office(client, here, roles=["head"], established_on="2020-01-01")
    held = appoint(client, made["id"], one, since="2024-01-01").expect(201).json()
    client.post(f"/v1/appointments/{held['id']}:end", {"reason": "resigned"}).expect(200)
    asked = {"person_id": one, "at": now(campus)}
    assert not explain(client, "membership.people.read", here, **asked)["allowed"]
    {"abolish": lambda: client.post(f"/v1/offices/{made['id']}:abolish", {"abolished_on": "2024-06-01"}),
     "dissolve": lambda: client.post(f"/v1/organisations/{here}:dissolve", {"dissolved_on": "2024-06-01"}),
     "transfer": lambda: client.post(f"/v1/offices/{made['id']}:transfer", {
         "person_id": person(client, top)["id"], "on": "2024-06-01", "chosen": "election"})}[change]().expect(200)
    assert not explain(client, "membership.people.read", here, **asked)["allowed"]


def test_nobody_becomes_somebody_who_may_do_more(campus, client, place):
    """With another's address a password can be mailed; with their number they sign in where the university does."""
    top, here, _ = place
    chair = person(client, here, email="chair@example.edu")["id"]
    appoint(client, office(client, top, "chair", roles=["chair"])["id"], chair).expect(201)
    with campus.client(new_key(client, ["membership.people.*", "membership.accounts.*"], here)["secret"]) as registrar:
        for change in ({"email": "mine@example.edu"}, {"student_number": "MINE1"}):
            check_problem(registrar.patch(f"/v1/people/{chair}", change, etag="*"), 403, "authority_exceeds_yours")
        registrar.patch(f"/v1/people/{chair}", {"class_name": "一班"}, etag="*").expect(200)
        number = client.get(f"/v1/people/{chair}").json()["student_number"]
        answer = registrar.post("/v1/people:import", raw=f"学号,email\n{number},mine@example.edu\n".encode(), type="text/csv").expect(200).json()
        assert answer["refused"] == 1 and answer["rows"][0]["code"] == "authority_exceeds_yours"
        check_problem(registrar.post(f"/v1/people/{chair}:invite", {}), 403, "authority_exceeds_yours")
        check_problem(client.post(f"/v1/people/{chair}:erase", {}), 409, "holds_office")


# -- grants and roles --------------------------------------------------------------------------------------------------


def test_roles_are_changed_by_api(client):
    made = client.post("/v1/roles", {"name": "editor", "title": "编辑", "permissions": ["membership.people.read"]}).expect(201).json()
    assert made["permissions"] == ["membership.people.read"] and not made["builtin"]
    changed = client.patch("/v1/roles/editor", {"permissions": ["membership.keys.read", "membership.*"]}, etag='"1"')
    assert changed.expect(200).json()["permissions"] == ["membership.*", "membership.keys.read"]
    assert client.get("/v1/roles/editor").expect(200).json()["version"] == 2
    assert "editor" in [role["name"] for role in client.pages("/v1/roles", "roles", {"page_size": 3})]
    client.delete("/v1/roles/editor").expect(200)
    client.get("/v1/roles/editor").expect(404)


def test_grants_are_listed(campus, client, place):
    top, here, _ = place
    one = person(client, top)["id"]
    made = [grant(client, one, role, here).expect(201).json()["id"] for role in ("head", "officer")]
    assert ids(client.get("/v1/grants", query={"within": top, "count": "exact"}).expect(200).json(), "grants") == made
    assert ids(client.get("/v1/grants", query={"person_id": one, "role": "head"}).json(), "grants") == made[:1]
    client.post(f"/v1/grants/{made[0]}:revoke").expect(200)
    now = campus.value("SELECT to_char(campus.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    assert ids(client.get("/v1/grants", query={"person_id": one, "as_of": now}).json(), "grants") == made[1:]
    with acting_as(campus, one) as own:  # their own they see without any right
        assert ids(own.get("/v1/grants").expect(200).json(), "grants") == made
    with campus.client(new_key(client, "membership.grants.*", place[2])["secret"]) as elsewhere:
        check_problem(elsewhere.get(f"/v1/grants/{made[1]}"), 404, "not_found")
        check_problem(elsewhere.post(f"/v1/grants/{made[1]}:revoke"), 404, "not_found")
        check_problem(grant(elsewhere, one, "officer", here), 403, "permission_denied")


def granted(client, path, role="head", **more):
    one = person(client, path)["id"]
    return one, grant(client, one, role, path, **more)


def used_role(client, path):
    office(client, path, roles=["reviewer"])
    return client.delete("/v1/roles/reviewer")


def custom_role(client, path):
    name = "used_" + path.translate(str.maketrans("0123456789", "abcdefghij"))
    client.post("/v1/roles", {"name": name, "title": "用", "permissions": []}).expect(201)
    office(client, path, roles=[name])
    return client.delete(f"/v1/roles/{name}")


def narrow_role(campus, client, change):
    with campus.client(new_key(client, ["membership.roles.write", "membership.people.read"])["secret"]) as narrow:
        return change(narrow)


def own_grant(campus, client, path):
    one, _ = granted(client, path, "chair")
    with acting_as(campus, one) as own:
        return grant(own, one, "officer", path)


def more_of_their_own_role(campus, client, path):
    """Who may do all for an hour would else keep it: by a role that is theirs for longer, or everyone's."""
    one, name = person(client, path)["id"], "own_" + path.translate(str.maketrans("0123456789", "abcdefghij"))
    client.post("/v1/roles", {"name": name, "title": "有", "permissions": ["membership.people.read"]}).expect(201)
    grant(client, one, "administrator", until=campus.value("SELECT to_json(campus.now() + interval '1 hour')").strip('"')).expect(201)
    with acting_as(campus, one) as own:
        own.patch(f"/v1/roles/{name}", {"permissions": ["membership.people.*"]}, etag="*").expect(200)  # it is others'
        check_problem(own.patch("/v1/roles/everyone", {"permissions": ["*"]}, etag="*"), 403, "own_role")
        grant(client, one, name, path).expect(201)
        own.patch(f"/v1/roles/{name}", {"title": "更", "permissions": ["membership.people.read"]}, etag="*").expect(200)
        return own.patch(f"/v1/roles/{name}", {"permissions": ["membership.people.*"]}, etag="*")


REFUSALS = {
    ("CreateRole", "role_taken"): lambda k, c, p: c.post("/v1/roles", {"name": "chair", "title": "x"}),
    ("CreateRole", "permissions_exceed_yours"): lambda k, c, p: narrow_role(
        k, c, lambda n: n.post("/v1/roles", {"name": "more", "title": "x", "permissions": ["membership.people.write"]})),
    ("PatchRole", "permissions_exceed_yours"): lambda k, c, p: narrow_role(
        k, c, lambda n: n.patch("/v1/roles/officer", {"permissions": ["*"]}, etag="*")),
    ("PatchRole", "administrator_stays"): lambda k, c, p: c.patch("/v1/roles/administrator", {"permissions": []}, etag="*"),
    ("PatchRole", "own_role"): more_of_their_own_role,
    ("DeleteRole", "role_builtin"): lambda k, c, p: c.delete("/v1/roles/chair"),
    ("DeleteRole", "role_in_use"): lambda k, c, p: custom_role(c, p),
    ("CreateGrant", "person_unknown"): lambda k, c, p: grant(c, "01890000-0000-7000-8000-000000000000", "head", p),
    ("CreateGrant", "role_unknown"): lambda k, c, p: granted(c, p, "nothing")[1],
    ("CreateGrant", "organisation_unknown"): lambda k, c, p: grant(c, person(c, p)["id"], "head", f"{p}.none"),
    ("CreateGrant", "permissions_exceed_yours"): lambda k, c, p: grant(
        k.client(new_key(c, "membership.grants.write", p)["secret"]), person(c, p)["id"], "head", p),
    ("CreateGrant", "own_grant"): lambda k, c, p: own_grant(k, c, p),
    ("CreateGrant", "until_before_since"): lambda k, c, p: granted(c, p, until="2020-01-01T00:00:00Z")[1],
    ("CreateGrant", "granted_already"): lambda k, c, p: grant(c, granted(c, p)[0], "head", p),
    ("RevokeGrant", "already_ended"): lambda k, c, p: (lambda one: [
        c.post(f"/v1/grants/{one.json()['id']}:revoke") for _ in range(2)][1])(granted(c, p)[1]),
}


@pytest.mark.parametrize("operation, code", REFUSALS, ids=lambda name: name)
def test_refusals(campus, client, place, operation, code):
    check_problem(REFUSALS[operation, code](campus, client, place[0]), None, code)


def test_roles_are_the_whole_campus_s(campus, client, place):
    with campus.client(new_key(client, "membership.*", place[0])["secret"]) as narrow:
        check_problem(narrow.post("/v1/roles", {"name": "mine", "title": "x"}), 403, "permission_denied")
        check_problem(narrow.patch("/v1/roles/chair", {"title": "x"}, etag="*"), 403, "permission_denied")
        check_problem(narrow.delete("/v1/roles/chair"), 403, "permission_denied")


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_person_s_key_can_never_do_more_than_they(campus, client, place):
    top, here, there = place
    one = person(client, top)["id"]
    given = grant(client, one, "chair", here).expect(201).json()
    with acting_as(campus, one) as own:
        made = new_key(own, ["membership.people.read", "membership.keys.read"], here)
        check_problem(own.post("/v1/keys", {"name": "more", "permissions": ["membership.people.write"], "organisation": here}),
                      403, "permissions_exceed_yours")
        check_problem(own.post("/v1/keys", {"name": "wider", "permissions": ["membership.people.read"], "organisation": top}), 403)
    with campus.client(made["secret"]) as system:
        system.get("/v1/people").expect(200)
        client.post(f"/v1/grants/{given['id']}:revoke").expect(200)
        harness.wait_until(lambda: refused(system, "/v1/people"), "the key to follow its person", WITHIN)


def test_an_office_s_key_goes_over_with_the_office(campus, client, place):
    top, here, _ = place
    one, next_one = person(client, top)["id"], person(client, top)["id"]
    made = office(client, here, "chair", roles=["chair"])
    appoint(client, made["id"], one).expect(201)
    with acting_as(campus, one) as own:
        key = new_key(own, ["membership.people.read"], here, office_id=made["id"])
        assert key["office_id"] == made["id"]
    client.post(f"/v1/offices/{made['id']}:transfer", {"person_id": next_one, "chosen": "election"}).expect(200)
    with campus.client(key["secret"]) as system:
        system.get("/v1/people").expect(200)
        with acting_as(campus, next_one) as successor:
            assert key["id"] in [one["id"] for one in successor.pages("/v1/keys", "keys")]
            fresh = successor.post(f"/v1/keys/{key['id']}:rotate", {"overlap_seconds": 0}).expect(200).json()
        harness.wait_until(lambda: system.get("/v1/people").status == 401, "the old secret to end", WITHIN)
    with campus.client(fresh["secret"]) as system:
        system.get("/v1/people").expect(200)
        client.post(f"/v1/offices/{made['id']}:abolish").expect(200)
        harness.wait_until(lambda: refused(system, "/v1/people"), "the key to end with its office", WITHIN)


def test_an_office_that_was_to_end_later_ends_with_its_organisation(campus, client, place):
    top, here, _ = place
    made = office(client, here, "chair", roles=["chair"])["id"]
    client.post(f"/v1/offices/{made}:abolish", {"abolished_on": today(campus, 300)}).expect(200)
    with acting_as(campus, office_id=made) as system:
        system.get("/v1/people").expect(200)
        client.post(f"/v1/organisations/{here}:dissolve").expect(200)
        assert client.get(f"/v1/offices/{made}").json()["abolished_on"] == today(campus)
        harness.wait_until(lambda: refused(system, "/v1/people"), "the key to end with its office", WITHIN)


def test_an_office_s_key_decides_about_nobody(campus, client, place):
    """It stands for nobody, so nobody could be told that it decides about themselves."""
    top, here, _ = place
    one = person(client, top)["id"]
    made = office(client, here, "chair", roles=["chair"])
    appoint(client, made["id"], one).expect(201)
    with acting_as(campus, one) as own:
        for wanted in ("membership.grants.write", "membership.appointments.*", "membership.applications.review", "membership.keys.write"):
            check_problem(own.post("/v1/keys", {"name": "a", "permissions": [wanted], "organisation": here, "office_id": made["id"]}), 403)
        answer = own.post("/v1/keys", {"name": "a", "permissions": ["membership.keys.write"], "organisation": here, "office_id": made["id"]})
        check_problem(answer, 403, "people_only")


def test_a_key_does_with_what_is_its_person_s_own_what_it_names(campus, client, place):
    one = person(client, place[0])["id"]
    for named, status in (("membership.organisations.read", 403), ("membership.people.read", 200), ("membership.*", 200)):
        key = new_key(client, named)
        campus.sql(f"UPDATE membership.api_key SET person_id = '{one}' WHERE id = '{key['id']}'")
        with campus.client(key["secret"]) as own:
            own.get(f"/v1/people/{one}").expect(status)


@pytest.mark.parametrize("end", [{"status": "left"}, "lock"])
def test_a_person_s_key_ends_with_their_right_to_sign_in(campus, client, place, end):
    one = person(client, place[0])["id"]
    with acting_as(campus, one) as own:
        own.get("/v1/me").expect(200)
        if end == "lock":
            campus.sql(f"INSERT INTO membership.account (person_id) VALUES ('{one}')")
            client.post(f"/v1/people/{one}/account:lock", {"reason": "test"}).expect(200)
        else:
            client.patch(f"/v1/people/{one}", end, etag="*").expect(200)
        harness.wait_until(lambda: own.get("/v1/me").status == 401, "the key to end", WITHIN)


def test_a_key_s_addresses_bind_the_keys_that_it_makes(new_campus):
    campus = new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1"})
    with campus.client(campus.key()) as client:
        narrow = new_key(client, "*", allowed_addresses=["192.0.2.0/24"])
    there = {"X-Forwarded-For": "192.0.2.7"}
    with campus.client(narrow["secret"]) as holder:
        asked = {"name": "a", "permissions": ["*"]}
        assert holder.post("/v1/keys", asked, headers=there).expect(201).json()["allowed_addresses"] == ["192.0.2.0/24"]
        wider = holder.post("/v1/keys", {**asked, "allowed_addresses": ["192.0.0.0/16"]}, headers=there)
        check_problem(wider, 403, "addresses_exceed_yours")
        holder.post("/v1/keys", {**asked, "allowed_addresses": ["192.0.2.9"]}, headers=there).expect(201)


def test_a_key_s_addresses_bind_the_keys_that_it_rotates(new_campus):
    campus = new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1"})
    with campus.client(campus.key()) as client:
        narrow = new_key(client, "*", allowed_addresses=["192.0.2.0/24"])
        others = [new_key(client, "*", allowed_addresses=addresses)["id"] for addresses in ([], ["192.0.0.0/16"], ["192.0.2.9"])]
        with campus.client(narrow["secret"]) as holder:
            there = {"X-Forwarded-For": "192.0.2.7"}
            for wider in others[:2]:
                refused = holder.post(f"/v1/keys/{wider}:rotate", headers={**there, "If-Match": "*"})
                check_problem(refused, 403, "addresses_exceed_yours")
            for own in (others[2], narrow["id"]):
                holder.post(f"/v1/keys/{own}:rotate", headers={**there, "If-Match": "*"}).expect(200)
        client.post(f"/v1/keys/{others[0]}:rotate", headers={"If-Match": "*"}).expect(200)


def test_nobody_rotates_a_key_that_stands_for_another(campus, client, place):
    one = person(client, place[0])["id"]
    grant(client, one, "chair", place[1]).expect(201)
    with acting_as(campus, one) as own:
        made = new_key(own, ["membership.people.read"], place[1])
        check_problem(client.post(f"/v1/keys/{made['id']}:rotate"), 403, "key_of_another")
        own.post(f"/v1/keys/{made['id']}:rotate").expect(200)


def test_nobody_takes_a_key_that_outlasts_their_rights(campus, client, place):
    """A system's key ends with nobody's office; an office's is for those who hold it."""
    top, here, _ = place
    one, other = person(client, top)["id"], person(client, top)["id"]
    held = office(client, here, "chair", roles=["chair"])["id"]
    appoint(client, held, one).expect(201)
    grant(client, other, "chair", here).expect(201)
    with acting_as(campus, one) as own, acting_as(campus, other) as another:
        of_office = new_key(own, ["membership.people.read"], here, office_id=held)["id"]
        of_system = new_key(client, ["membership.people.read"], here)["id"]
        for holder in (own, another):
            check_problem(holder.post(f"/v1/keys/{of_system}:rotate"), 403, "key_of_a_system")
        check_problem(another.post(f"/v1/keys/{of_office}:rotate"), 403, "office_not_yours")
        own.post(f"/v1/keys/{of_office}:rotate").expect(200)
        another.post(f"/v1/keys/{of_system}:revoke").expect(200)  # to end it is anybody's who may


def test_a_key_is_of_use_from_its_addresses_only(new_campus):
    campus = new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1"})
    with campus.client(campus.key()) as client:
        made = new_key(client, "*", allowed_addresses=["192.0.2.0/24", "2001:db8::/32"])
    with campus.client(made["secret"]) as holder:
        for address, status in (("192.0.2.77", 200), ("2001:db8::1", 200), ("192.0.3.1", 403), ("2001:db9::1", 403)):
            answer = holder.get("/v1/me", headers={"X-Forwarded-For": address})
            answer.expect(status, "address_not_allowed" if status == 403 else None)
        holder.get("/v1/me").expect(403, "address_not_allowed")
