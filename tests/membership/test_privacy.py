"""test_privacy.py -- what is kept about people: why, with whose consent, who read it; told to them, and forgotten."""

import concurrent.futures
import json

import pytest

import harness
from api.given import NOBODY, check_problem, membership, new_key, new_label, new_number, organisation, person

IDENTITY = "11010519491231002X"  # the example of GB 11643
PHONE = "+86 10 5550 0101"
WHY = {"read_reason": "通知改期"}


@pytest.fixture(scope="module")
def home(campus, admin):
    with campus.client(admin) as client:
        path = organisation(client, new_label("u"), "university")["path"]
        organisation(client, f"{path}.cs", "college")
        organisation(client, f"{path}.art", "college")
    return path


@pytest.fixture
def somebody(client, home):
    return person(client, f"{home}.cs", name="张三", phone=PHONE, email="zhang@campus.example", class_name="计科2601")["id"]


def key_of(campus, client, person_id, permissions="membership.*", path=None):
    """The secret of a key that stands for a person."""
    key = new_key(client, permissions, path)
    campus.sql(f"UPDATE membership.api_key SET person_id = '{person_id}' WHERE id = '{key['id']}'")
    return key["secret"]


@pytest.fixture
def own(campus, client, somebody):
    with campus.client(key_of(campus, client, somebody)) as caller:
        yield caller


def consent(client, person_id, field, state="given"):
    return client.post(f"/v1/people/{person_id}/consents", {"field": field, "state": state, "wording": 1})


def put(client, person_id, field, value):
    return client.put(f"/v1/people/{person_id}/sensitive/{field}", {"value": value})


def read(client, person_id, *fields):
    return client.post(f"/v1/people/{person_id}/sensitive:read", {"fields": fields, **WHY})


def reads(client, person_id):
    return client.get(f"/v1/people/{person_id}/sensitive_reads").expect(200).json().get("reads", [])


# -- why each field is kept --------------------------------------------------------------------------------------------


def personal_in(document):
    """(field, purpose) of all that the contract marks."""
    for schema in document["components"]["schemas"].values():
        yield from ((name, entry["x-personal"]) for name, entry in schema.get("properties", {}).items() if "x-personal" in entry)
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if "x-personal" in parameter.get("schema", {}):
                    yield parameter["name"], parameter["schema"]["x-personal"]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for name, entry in content["schema"].get("properties", {}).items():
                    if "x-personal" in entry:
                        yield name, entry["x-personal"]


def test_every_personal_field_has_its_row(client, anonymous):
    told = client.get("/v1/personal_fields").expect(200).json()["fields"]
    purposes = {(row["field"], row["purpose"]) for row in told}
    marked = set(personal_in(anonymous.get("/openapi.json").json()))
    assert {"name", "phone", "identity_number"} <= {name for name, _ in marked}
    assert marked <= purposes, marked - purposes
    for row in told:
        assert ("retention_days" in row) == (row["rule"] in ("after_leaving", "after_recording")), row


# -- sensitive fields --------------------------------------------------------------------------------------------------


def test_the_telephone_number_is_kept_apart(campus, client, somebody):
    path = f"/v1/people/{somebody}"
    assert "phone" not in client.get(path).expect(200).json()
    assert PHONE not in client.get("/v1/people", query={"q": "张三"}).expect(200).text
    assert campus.value(f"SELECT phone FROM membership.person WHERE id = '{somebody}'") is None
    assert read(client, somebody, "phone").expect(200).json() == {"person_id": somebody, "phone": PHONE}
    client.patch(path, {"phone": "123 456"}, etag="*").expect(200)
    assert read(client, somebody, "phone").json()["phone"] == "123 456"
    client.patch(path, {"grade": 2025}, etag="*").expect(200)
    assert read(client, somebody, "phone").json()["phone"] == "123 456"
    client.patch(path, {"phone": None}, etag="*").expect(200)
    assert "phone" not in read(client, somebody, "phone").expect(200).json()


def test_telephone_numbers_of_a_roster(client, home):
    numbers = [new_number() for _ in range(2)]

    def load(*phones):
        text = "学号,姓名,学院,手机\n" + "".join(f"{n},甲,{home}.cs,{p}\n" for n, p in zip(numbers, phones, strict=True))
        return client.post("/v1/people:import", raw=text.encode(), type="text/csv").expect(200).json()
    made = load("13800138000", "")
    assert made["created"] == 2
    first, second = (row["id"] for row in made["rows"])
    assert load("13800138000", "")["unchanged"] == 2
    changed = load("13800138001", "13800138002")
    assert changed["updated"] == 2
    assert load("", "13800138002")["unchanged"] == 2
    assert [read(client, one, "phone").json()["phone"] for one in (first, second)] == ["13800138001", "13800138002"]


def test_fields_are_kept_with_consent_and_sealed(campus, client, own, somebody):
    for field, value in (("health", "花生过敏"), ("identity_number", IDENTITY), ("ethnicity", "彝族")):
        check_problem(put(client, somebody, field, value), 403, "consent_missing")
        check_problem(read(client, somebody, field), 403, "consent_missing")
        consent(own, somebody, field).expect(201)
        assert put(client, somebody, field, value).expect(200).json() == {"person_id": somebody, "field": field}
        assert value.encode().hex() not in campus.value(
            f"SELECT sealed FROM membership.sensitive WHERE person_id = '{somebody}' AND field = '{field}'")
    assert read(client, somebody, "health", "identity_number", "ethnicity", "phone").expect(200).json() == {
        "person_id": somebody, "phone": PHONE, "ethnicity": "彝族", "health": "花生过敏", "identity_number": IDENTITY}
    for table in ("answer", "fact"):
        for value in (PHONE, "花生过敏", IDENTITY, "彝族", "通知改期"):
            assert campus.value(f"SELECT count(*) FROM membership.{table} t WHERE t::text LIKE '%{value}%'") == "0"
    assert all(value not in text for text in campus.logs().values() for value in ("花生过敏", IDENTITY))


def test_consent_is_withdrawn(campus, client, own, somebody):
    consent(own, somebody, "health").expect(201)
    put(own, somebody, "health", "花生过敏").expect(200)
    check_problem(consent(own, somebody, "phone"), 422, "consent_not_needed")
    unknown = {"field": "health", "state": "given", "wording": 9}
    check_problem(own.post(f"/v1/people/{somebody}/consents", unknown), 422, "wording_unknown")
    consent(own, somebody, "health", "withdrawn").expect(201)
    check_problem(read(client, somebody, "health"), 403, "consent_missing")
    assert campus.value(f"SELECT count(*) FROM membership.sensitive WHERE person_id = '{somebody}' AND field = 'health'") == "0"
    consent(client, somebody, "health").expect(201)  # from a signed paper
    assert "health" not in read(client, somebody, "health").expect(200).json()
    history = own.get(f"/v1/people/{somebody}/consents", query={"page_size": 2}).expect(200).json()
    assert [one["state"] for one in history["consents"]] == ["given", "withdrawn"] and history["next_page_token"]
    states = [one["state"] for one in own.pages(f"/v1/people/{somebody}/consents", "consents", {"page_size": 1})]
    assert states == ["given", "withdrawn", "given"]
    wordings = own.get("/v1/consent_wordings").expect(200).json()["wordings"]
    assert {(one["field"], one["wording"]) for one in wordings} >= {("health", 1), ("ethnicity", 1)}


@pytest.mark.parametrize("field, value, wanted", [
    ("identity_number", "110105194912310021", "GB 11643"), ("identity_number", "11010519491231002", "GB 11643"),
    ("identity_number", "1101051949123100AX", "GB 11643"), ("phone", "letters", "+86 10 5550 0101"),
    ("ethnicity", "很" * 21, "20 characters")])
def test_values_have_a_form(client, somebody, field, value, wanted):
    body = check_problem(put(client, somebody, field, value), 422, "invalid", {"/value": "bad_format"})
    assert wanted in body["detail"]


def test_fields_are_cleared(client, somebody):
    put(client, somebody, "phone", "110").expect(200)
    for _ in range(2):
        client.delete(f"/v1/people/{somebody}/sensitive/phone").expect(200)
    assert "phone" not in read(client, somebody, "phone").json()


def test_every_read_is_noted(campus, client, own, somebody):
    """The person sees who, which fields and why; what was refused was not read."""
    me = client.get("/v1/me").json()["id"]
    read(client, somebody, "phone").expect(200)
    read(own, somebody, "phone").expect(200)
    check_problem(read(client, somebody, "phone", "health"), 403, "consent_missing")
    for body in ({"fields": ["phone"]}, {"fields": [], **WHY}, {"fields": ["phone"], "read_reason": "x"}):
        check_problem(client.post(f"/v1/people/{somebody}/sensitive:read", body), 422)
    mine, other = reads(own, somebody)
    assert (other["reader"], other["fields"], other["read_reason"]) == (me, ["phone"], "通知改期") and other["request_id"]
    assert mine["reader_person"] == somebody and "reader_person" not in other
    assert [one["id"] for one in client.pages(f"/v1/people/{somebody}/sensitive_reads", "reads", {"page_size": 1})] == \
        [mine["id"], other["id"]]


def test_reads_of_others_are_not_noted_either(campus, client, elsewhere, home, somebody):
    check_problem(read(elsewhere, somebody, "phone"), 404, "not_found")
    check_problem(put(elsewhere, somebody, "phone", "110"), 404, "not_found")
    check_problem(consent(elsewhere, somebody, "health"), 404, "not_found")
    check_problem(elsewhere.delete(f"/v1/people/{somebody}/sensitive/phone"), 404, "not_found")
    check_problem(elsewhere.get(f"/v1/people/{somebody}/sensitive_reads"), 404, "not_found")
    check_problem(read(client, NOBODY, "phone"), 404, "not_found")
    with campus.client(new_key(client, "membership.people.*")["secret"]) as caller:
        check_problem(read(caller, somebody, "phone"), 403, "permission_denied")
    other = person(client, f"{home}.cs")["id"]
    with campus.client(key_of(campus, client, other)) as caller:
        check_problem(read(caller, somebody, "phone"), 404, "not_found")
        check_problem(caller.get(f"/v1/people/{somebody}/consents"), 404, "not_found")
    assert reads(client, somebody) == []


def test_the_service_cannot_read_past_the_log(campus):
    for column in ("plain", "sealed", "*"):
        with pytest.raises(harness.HarnessError, match="permission denied"):
            campus.sql(f"SELECT {column} FROM membership.sensitive", role="campus_membership")
    with pytest.raises(harness.HarnessError, match="permission denied"):
        campus.sql("DELETE FROM membership.sensitive_reading", role="campus_membership")


def test_a_value_belongs_to_its_person_and_field(campus, client, home, somebody):
    other = person(client, f"{home}.cs")["id"]
    for one in (somebody, other):
        consent(client, one, "health").expect(201)
        put(client, one, "health", "a").expect(200)
    campus.sql(f"""UPDATE membership.sensitive SET sealed = (SELECT sealed FROM membership.sensitive
                     WHERE person_id = '{somebody}' AND field = 'health') WHERE person_id = '{other}' AND field = 'health'""")
    check_problem(read(client, other, "health"), 409, "sealed_otherwise")
    check_problem(client.get(f"/v1/people/{other}/export"), 409, "sealed_otherwise")
    assert read(client, somebody, "health").json()["health"] == "a"
    put(client, other, "health", "b").expect(200)
    assert read(client, other, "health").json()["health"] == "b"


# -- export ------------------------------------------------------------------------------------------------------------


def sections(export):
    return {f"{s['service']}/{s['section']}": [{v["name"]: v["content"] for v in r["values"]} for r in s["records"]]
            for s in export["sections"]}


def test_export_has_everything(campus, client, own, home, somebody):
    consent(own, somebody, "health").expect(201)
    put(own, somebody, "health", "花生过敏").expect(200)
    place = membership(client, somebody, f"{home}.cs")["organisation"]
    line = client.post(f"/v1/people/{somebody}/credits", {"kind": "other", "module": "skills", "credits": 5}).expect(201).json()
    own.post(f"/v1/credits/{line['id']}:object", {"text": "少了"}).expect(201)
    campus.sql("""CREATE SCHEMA IF NOT EXISTS elsewhere; GRANT USAGE ON SCHEMA elsewhere TO campus_membership;
                  CREATE OR REPLACE VIEW elsewhere.personal_export AS
                      SELECT id AS person_id, 'visits' AS section, jsonb_build_object('seat', 7, 'note', NULL) AS data
                        FROM membership.person;
                  CREATE OR REPLACE VIEW elsewhere.personal_export_secret AS SELECT * FROM elsewhere.personal_export;
                  GRANT SELECT ON elsewhere.personal_export TO campus_membership""")
    export = own.get(f"/v1/people/{somebody}/export").expect(200).json()
    assert (export["phone"], export["health"]) == (PHONE, "花生过敏") and "ethnicity" not in export and export["exported_at"]
    told = sections(export)
    assert told["membership/person"][0]["name"] == "张三" and told["membership/person"][0]["email"] == "zhang@campus.example"
    assert told["membership/memberships"][0]["organisation"] == place
    assert told["membership/credits"][0]["credits"] == "5" and told["membership/objections"][0]["text"] == "少了"
    assert told["membership/consents"][0]["field"] == "health" and told["membership/keys"]
    assert told["elsewhere/visits"] == [{"seat": "7"}]
    assert next(iter(told)) == "membership/person"
    assert reads(own, somebody)[0]["read_reason"] == "export"
    with campus.client(new_key(client, "membership.privacy.export", f"{home}.cs")["secret"]) as officer:
        assert sections(officer.get(f"/v1/people/{somebody}/export").expect(200).json())["membership/sensitive_reads"]


def test_export_is_not_for_others(client, elsewhere, own, home, somebody):
    other = person(client, f"{home}.cs")["id"]
    for caller in (elsewhere, own):
        check_problem(caller.get(f"/v1/people/{other}/export"), 404, "not_found")
    assert reads(client, other) == []


def test_every_column_about_a_person_is_exported_or_known(campus):
    """Whoever adds a column to the record of people says here whether it is told."""
    columns = {row[0] for row in campus.sql("""SELECT column_name FROM information_schema.columns
                                                WHERE table_schema = 'membership' AND table_name = 'person'""")}
    told = set(json.loads(campus.value("""SELECT (SELECT jsonb_agg(k) FROM jsonb_object_keys(data) k)
                                            FROM membership.personal_export WHERE section = 'person' LIMIT 1""") or "[]"))
    assert columns - told == {"id", "phone", "version", "folded", "grams", "erased_at"}


# -- erasure -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def rich(campus, client, own, home, somebody):
    """A person with something of everything."""
    consent(own, somebody, "health").expect(201)
    put(own, somebody, "health", "花生过敏").expect(200)
    read(client, somebody, "health").expect(200)
    one = membership(client, somebody, f"{home}.cs")
    line = client.post(f"/v1/people/{somebody}/credits", {"kind": "other", "module": "skills", "credits": 5}).expect(201).json()
    own.post(f"/v1/credits/{line['id']}:object", {"text": "少了"}).expect(201)
    certificate = own.post(f"/v1/people/{somebody}/transcript:issue").expect(201).json()
    return {"membership": one["id"], "certificate": certificate}


def parts(answer):
    return {part["part"]: part["count"] for part in answer.expect(200).json()["parts"]}


def test_erasure_leaves_no_name(campus, client, own, anonymous, rich, somebody):
    number = client.get(f"/v1/people/{somebody}").json()["student_number"]
    expected = {"certificates": 1, "consents": 1, "keys": 1, "objections": 1, "sensitive_fields": 2, "sensitive_reads": 1}
    before = client.get(f"/v1/people/{somebody}").json()
    dry = client.post(f"/v1/people/{somebody}:erase", {"dry_run": True})
    assert expected.items() <= parts(dry).items() and dry.json()["dry_run"] is True
    assert client.get(f"/v1/people/{somebody}").json() == before and own.get("/v1/me").status == 200
    erased = client.post(f"/v1/people/{somebody}:erase", {})
    assert expected.items() <= parts(erased).items()
    assert (erased.json()["memberships_kept"], erased.json()["credits_kept"]) == (1, 1)
    left = client.get(f"/v1/people/{somebody}").expect(200).json()
    assert left["name"] == "—" and left["student_number"] == somebody.replace("-", "") and left["status"] == "left"
    assert not {"latin_name", "class_name", "email"} & set(left)
    for value in ("张三", number, PHONE, "zhang@campus.example", "少了", "花生过敏"):
        for table in ("person", "person_reach", "sensitive", "consent", "sensitive_reading", "credit_objection",
                      "transcript_certificate", "credit_line", "fact", "answer"):
            found = campus.value(f"""SELECT count(*) FROM membership.{table} t, to_jsonb(t) row
                                      WHERE row::text LIKE '%{value}%' AND row::text LIKE '%{somebody}%'""")
            assert found == "0", (value, table)
    assert client.get(f"/v1/memberships/{rich['membership']}").json()["reason"] == "left"
    verified = anonymous.get(f"/v1/transcripts/{rich['certificate']['number']}:verify",
                             query={"code": rich["certificate"]["code"]}).expect(200).json()
    assert verified["state"] == "revoked" and "masked_name" not in verified
    harness.wait_until(lambda: own.get("/v1/me").status == 401, "the key is forgotten")
    assert campus.sql(f"SELECT type FROM membership.fact WHERE subject IN ('{somebody}', '{rich['membership']}') "
                      "ORDER BY id DESC LIMIT 2") == [["membership.ended"], ["person.erased"]]


def test_erasure_finds_what_was_said_of_them(campus, client, rich, somebody):
    objection, = client.get("/v1/credit_objections", query={"person_id": somebody}).json()["objections"]
    client.post(f"/v1/credit_objections/{objection['id']}:decide", {"outcome": "dismissed", "reason": "张三缺勤"}).expect(200)
    client.post(f"/v1/transcripts/{rich['certificate']['number']}:revoke", {"reason": "张三冒领"}).expect(200)
    said = f"""SELECT (SELECT count(*) FROM membership.credit_objection WHERE person_id = '{somebody}' AND reason LIKE '张三%')
                    + (SELECT count(*) FROM membership.transcript_certificate
                        WHERE person_id = '{somebody}' AND revoke_reason LIKE '张三%')"""
    assert campus.value(said) == "2"
    client.post(f"/v1/people/{somebody}:erase", {}).expect(200)
    assert campus.value(said) == "0"
    stored = "SELECT count(*) FROM membership.answer WHERE method IN ('DecideObjection', 'RevokeTranscript') AND rows::text "
    assert int(campus.value(stored + "LIKE '%dismissed%'")) == 1 and int(campus.value(stored + "LIKE '%张三%'")) == 0


def test_erasure_finds_mail_to_earlier_addresses(campus, client, home, somebody):
    one = membership(client, somebody, f"{home}.cs")
    client.post(f"/v1/memberships/{one['id']}:expel", {"expulsion_reason": "test"}).expect(200)
    client.patch(f"/v1/people/{somebody}", {"email": f"{new_label('later')}@campus.example"}, etag="*").expect(200)
    mails = f"SELECT count(recipient) FROM membership.mail WHERE subject_id IN ('{one['id']}', '{somebody}')"
    assert int(campus.value(mails)) == 2  # that they are expelled, and that the address has changed
    client.post(f"/v1/people/{somebody}:erase", {}).expect(200)
    assert int(campus.value(mails)) == 0


def test_nobody_signs_in_as_who_is_erased(client, home):
    graduate = person(client, f"{home}.cs", status="graduated")["id"]
    client.post(f"/v1/people/{graduate}:invite", {}).expect(200)
    client.post(f"/v1/people/{graduate}:erase", {}).expect(200)
    check_problem(client.post(f"/v1/people/{graduate}:invite", {}), 409, "sign_in_not_allowed")


def test_what_is_erased_stays_so(client, home, somebody):
    client.post(f"/v1/people/{somebody}:erase", {}).expect(200)
    check_problem(client.post(f"/v1/people/{somebody}:erase", {}), 409, "already_erased")
    check_problem(client.post(f"/v1/people/{somebody}:erase", {"dry_run": True}), 409, "already_erased")
    check_problem(client.patch(f"/v1/people/{somebody}", {"name": "张三"}, etag="*"), 409, "person_erased")
    check_problem(put(client, somebody, "phone", "110"), 409, "person_erased")
    check_problem(consent(client, somebody, "health"), 409, "person_erased")
    check_problem(client.post("/v1/memberships", {"person_id": somebody, "organisation": f"{home}.cs"}), 409)


def test_a_repeated_erasure_is_one(client, somebody):
    sent = [client.post(f"/v1/people/{somebody}:erase", {}, headers={"Idempotency-Key": f"e-{somebody}"}).expect(200)
            for _ in range(2)]
    assert sent[0].json() == sent[1].json() and sent[1].headers["Idempotent-Replayed"] == "true"


def test_two_erase_at_once(campus, admin, somebody):
    def erase(_):
        with campus.client(admin) as caller:
            return caller.post(f"/v1/people/{somebody}:erase", {})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(erase, range(4)))
    assert sorted((answer.status, answer.code if answer.status != 200 else None) for answer in answers) == \
        [(200, None)] + [(409, "already_erased")] * 3


def test_erasure_is_for_those_who_may(campus, client, elsewhere, own, somebody):
    check_problem(own.post(f"/v1/people/{somebody}:erase", {}), 403, "permission_denied")
    check_problem(elsewhere.post(f"/v1/people/{somebody}:erase", {}), 404, "not_found")
    check_problem(client.post(f"/v1/people/{NOBODY}:erase", {}), 404, "not_found")
    with pytest.raises(harness.HarnessError, match="permission denied"):
        campus.sql(f"SELECT membership.minimise_due('{{\"\"}}', 1)", role="campus_membership")


def test_a_noun_brings_its_own_erasure(campus, client, somebody):
    campus.sql("""CREATE FUNCTION membership.erase_visits(person uuid, dry boolean) RETURNS bigint LANGUAGE sql AS 'SELECT 3::bigint'""")
    try:
        assert parts(client.post(f"/v1/people/{somebody}:erase", {"dry_run": True}))["visits"] == 3
    finally:
        campus.sql("DROP FUNCTION membership.erase_visits")


# -- minimisation ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def old(new_campus):
    """A campus where years may pass."""
    return new_campus()


def pass_days(campus, days):
    campus.sql(f"UPDATE campus.clock SET shift = shift + make_interval(days => {days})")


def counts(answer):
    return {field["field"]: field["count"] for field in answer.expect(200).json().get("fields", [])}


def test_minimisation_follows_the_table(old):
    with old.client(old.key()) as client:
        for path in ("m", "n"):
            organisation(client, path, "university")

        def leave(home, status="graduated", **more):
            one = person(client, home, email="a@b.cn", phone=PHONE, class_name="一班", **more)["id"]
            consent(client, one, "identity_number").expect(201)
            put(client, one, "identity_number", IDENTITY).expect(200)
            if status:
                client.patch(f"/v1/people/{one}", {"status": status}, etag="*").expect(200)
            return one
        gone, other, staying = [leave("m") for _ in range(3)], leave("n", "left"), leave("m", None)
        read(client, gone[0], "phone").expect(200)

        def minimise(caller=client, **more):
            return caller.post("/v1/privacy:minimise", more)
        assert counts(minimise()) == {}
        pass_days(old, 31)
        assert counts(minimise(dry_run=True)) == {"identity_number": 4}
        assert minimise(dry_run=True).json()["people"] == 4
        with old.client(new_key(client, "membership.privacy.minimise", "n")["secret"]) as narrow:
            assert counts(minimise(narrow)) == {"identity_number": 1}
        lots = []
        while not lots or lots[-1]["more"]:
            lots.append(minimise(most=1).expect(200).json())
        assert [lot["people"] for lot in lots] == [1, 1, 1, 0]
        assert counts(minimise()) == {}
        assert "identity_number" not in read(client, gone[0], "identity_number").expect(200).json()
        assert read(client, staying, "identity_number").json()["identity_number"] == IDENTITY
        pass_days(old, 335)
        before = client.get(f"/v1/people/{gone[0]}").json()
        assert counts(minimise()) == {"email": 4, "phone": 4}
        after = client.get(f"/v1/people/{gone[0]}").json()
        assert "email" not in after and after["class_name"] == "一班" and after["version"] == before["version"] + 1
        assert "email" in client.get(f"/v1/people/{staying}").json()
        assert old.value(f"SELECT count(*) FROM membership.fact WHERE type = 'person.minimised' AND subject = '{other}'") == "2"
        # Who comes back is kept, and begins anew when they leave again.
        client.patch(f"/v1/people/{gone[1]}", {"status": "active"}, etag="*").expect(200)
        pass_days(old, 1500)
        assert counts(minimise()) == {"class_name": 3, "read_reason": 3}
        assert counts(minimise()) == {}
        client.patch(f"/v1/people/{gone[1]}", {"status": "left"}, etag="*").expect(200)
        assert counts(minimise()) == {}
        pass_days(old, 1826)
        assert counts(minimise(dry_run=True))["class_name"] == 1


def test_minimisation_is_for_those_who_may(campus, client):
    with campus.client(new_key(client, "membership.people.*")["secret"]) as caller:
        check_problem(caller.post("/v1/privacy:minimise", {}), 403, "permission_denied")
