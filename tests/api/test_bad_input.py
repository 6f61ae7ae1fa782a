"""Every kind of bad input gets a problem document that names what is at fault, and shows nothing of the inside."""

import json

import pytest

from api.given import NOBODY, check_problem, committee, new_label, new_number, organisation, person, union

JSON = "application/json"


@pytest.fixture(scope="module")
def home(campus, admin):
    with campus.client(admin) as client:
        return committee(client)


def post_raw(client, path, body, type=JSON, **more):
    return client.request("POST", path, raw=body, type=type, **more)


# -- what is no JSON ---------------------------------------------------------------------------------------------------

BROKEN_JSON = {
    "only spaces": b"  \n",
    "ends in an object": b'{"name":',
    "ends in a string": b'{"name":"a',
    "ends in an escape": b'{"name":"\\',
    "ends in an array": b'{"name":[1',
    "no colon": b'{"name" "a"}',
    "no comma": b'{"name":"a" "home":"b"}',
    "comma at the end": b'{"name":"a",}',
    "comma at the start": b'{,"name":"a"}',
    "comma at an array's end": b'{"name":[1,]}',
    "single quotes": b"{'name':'a'}",
    "a key without quotes": b'{name:"a"}',
    "a number for a key": b'{1:"a"}',
    "leading zero": b'{"grade":01}',
    "plus sign": b'{"grade":+1}',
    "no digit before the point": b'{"grade":.5}',
    "no digit behind the point": b'{"grade":1.}',
    "no digit in the exponent": b'{"grade":1e}',
    "hexadecimal": b'{"grade":0x10}',
    "minus alone": b'{"grade":-}',
    "NaN": b'{"grade":NaN}',
    "Infinity": b'{"grade":Infinity}',
    "half a word": b'{"name":tru}',
    "word in capitals": b'{"name":TRUE}',
    "a comment": b'{/* x */"name":"a"}',
    "two documents": b"{}{}",
    "text behind": b"{}x",
    "NUL behind": b"{}\0",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "wrong bracket": b'{"name":[1}}',
    "bracket behind": b"{}]",
    "no-break space": b'{\xc2\xa0"name":"a"}',
    "raw control character": b'{"name":"a\x01b"}',
    "raw line feed": b'{"name":"a\nb"}',
    "unknown escape": b'{"name":"\\x41"}',
    "short escape": b'{"name":"\\u12"}',
    "escape without digits": b'{"name":"\\uzzzz"}',
    "escaped NUL": b'{"name":"a\\u0000b"}',
    "raw NUL": b'{"name":"a\0b"}',
    "lone high surrogate": b'{"name":"\\ud800"}',
    "lone low surrogate": b'{"name":"\\udc00"}',
    "high surrogate before text": b'{"name":"\\ud800x"}',
    "two high surrogates": b'{"name":"\\ud800\\ud800"}',
    "stray continuation byte": b'{"name":"\x80"}',
    "byte FF": b'{"name":"\xff"}',
    "overlong slash": b'{"name":"\xc0\xaf"}',
    "overlong NUL": b'{"name":"\xc0\x80"}',
    "surrogate in UTF-8": b'{"name":"\xed\xa0\x80"}',
    "beyond U+10FFFF": b'{"name":"\xf4\x90\x80\x80"}',
    "a character cut off": b'{"name":"\xe5\xbc"}',
    "GBK": '{"name":"张三"}'.encode("gbk"),
    "bad UTF-8 in a key": b'{"\xff":1}',
    "bad UTF-8 in what is unknown": b'{"unknown":"\xff"}',
    "NUL in a key": b'{"a\\u0000":1}',
    "bad UTF-8 deep in what is unknown": b'{"unknown":{"a":["\xff"]}}',
    "broken behind other complaints": b'{"unknown":1,"name":2,"name":3,',
}


@pytest.mark.parametrize("body", BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_broken_json(client, body):
    check_problem(post_raw(client, "/v1/people", body), 400, "bad_json", {"": "bad_json"})


@pytest.mark.parametrize("body", [b"[" * 5000, b'{"a":' * 5000, b'{"unknown":' + b"[" * 33 + b"]" * 33 + b"}",
                                  b'{"name":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}"],
                         ids=["arrays", "objects", "inside what is unknown", "inside a wrong type"])
def test_too_deep(client, body):
    check_problem(post_raw(client, "/v1/people", body), 400, "too_deep", {"": "too_deep"})


@pytest.mark.parametrize("body", [b"[]", b'"name"', b"1", b"null", b"true", b'[{"name":"a"}]'])
def test_json_that_is_no_object(client, body):
    check_problem(post_raw(client, "/v1/people", body), 422, "invalid", {"": "wrong_type"})


@pytest.mark.parametrize("body", [b'{"name":"a","name":"b"}', b'{"name":"a","n\\u0061me":"b"}', b'{"name":null,"name":"b"}',
                                  b'{"name":"a","name":"a"}'])
def test_duplicate_keys(client, body):
    check_problem(post_raw(client, "/v1/people", body), 400, "duplicate_key", {"/name": "duplicate_key"})


# -- fields ------------------------------------------------------------------------------------------------------------


def person_with(**fields):
    """The fields of a person that are right but for these, as JSON. A value that is bytes stands as it is."""
    asked = {"student_number": "X1", "name": "a", "home": "no.such", **fields}
    return "{%s}" % ",".join(f'"{name}":{value.decode() if isinstance(value, bytes) else json.dumps(value)}'
                             for name, value in asked.items() if value is not ...)


PEOPLE = [
    # (what, fields, complaints)
    ("unknown field", {"nickname": "a"}, {"/nickname": "unknown_field"}),
    ("unknown field that holds more", {"nickname": {"a": [1, {"b": None}]}}, {"/nickname": "unknown_field"}),
    ("unknown empty name", {"": 1}, {"/": "unknown_field"}),
    ("a name in capitals", {"Name": "a"}, {"/Name": "unknown_field"}),
    ("a name in camel case", {"latinName": "a"}, {"/latinName": "unknown_field"}),
    ("a longer name", {"name2": "a"}, {"/name2": "unknown_field"}),
    ("a name to be escaped", {"a/b~c": 1}, {"/a~1b~0c": "unknown_field"}),
    ("the service's field", {"version": 3}, {"/version": "unknown_field"}),
    ("id", {"id": NOBODY}, {"/id": "unknown_field"}),
    ("required absent", {"name": ...}, {"/name": "required"}),
    ("required null", {"name": None}, {"/name": "required"}),
    ("all required absent", {"name": ..., "home": ..., "student_number": ...},
     {"/name": "required", "/home": "required", "/student_number": "required"}),
    ("number for text", {"name": 1}, {"/name": "wrong_type"}),
    ("boolean for text", {"name": True}, {"/name": "wrong_type"}),
    ("array for text", {"name": ["a"]}, {"/name": "wrong_type"}),
    ("object for text", {"name": {"a": 1}}, {"/name": "wrong_type"}),
    ("text for an integer", {"grade": "2024"}, {"/grade": "wrong_type"}),
    ("fraction for an integer", {"grade": 2024.5}, {"/grade": "wrong_type"}),
    ("exponent for an integer", {"grade": b"2e3"}, {"/grade": "wrong_type"}),
    ("beyond a double", {"grade": b"1e400"}, {"/grade": "wrong_type"}),
    ("boolean for an integer", {"grade": True}, {"/grade": "wrong_type"}),
    ("below the range", {"grade": 1949}, {"/grade": "out_of_range"}),
    ("above the range", {"grade": 2101}, {"/grade": "out_of_range"}),
    ("2^31", {"grade": 2**31}, {"/grade": "out_of_range"}),
    ("-2^31 - 1", {"grade": -(2**31) - 1}, {"/grade": "out_of_range"}),
    ("2^53 + 1", {"grade": 2**53 + 1}, {"/grade": "out_of_range"}),
    ("2^64 + 2024", {"grade": 2**64 + 2024}, {"/grade": "out_of_range"}),
    ("2^32 + 2024", {"grade": 2**32 + 2024}, {"/grade": "out_of_range"}),
    ("a thousand digits", {"grade": b"9" * 1000}, {"/grade": "out_of_range"}),
    ("unknown word of an enum", {"status": "studying"}, {"/status": "wrong_type"}),
    ("a word of an enum in capitals", {"status": "ACTIVE"}, {"/status": "wrong_type"}),
    ("number of an enum", {"status": 1}, {"/status": "wrong_type"}),
    ("empty word of an enum", {"status": ""}, {"/status": "wrong_type"}),
    ("empty name", {"name": ""}, {"/name": "too_short"}),
    ("101 characters", {"name": "张" * 101}, {"/name": "too_long"}),
    ("101 characters beyond the BMP", {"name": "𠮷" * 101}, {"/name": "too_long"}),
    ("escaped control character", {"name": "a\x01"}, {"/name": "bad_text"}),
    ("escaped tab", {"name": "a\tb"}, {"/name": "bad_text"}),
    ("escaped line feed", {"name": "a\nb"}, {"/name": "bad_text"}),
    ("DEL", {"name": "a\x7f"}, {"/name": "bad_text"}),
    ("a C1 control character", {"name": "a\x85"}, {"/name": "bad_text"}),
    ("not NFC", {"name": "Jose\u0301"}, {"/name": "bad_text"}),
    ("not NFC: angstrom", {"name": "\u212b"}, {"/name": "bad_text"}),
    ("not NFC: Hangul", {"name": "\u1112\u1161\u11ab"}, {"/name": "bad_text"}),
    ("student number with a space", {"student_number": "20 24"}, {"/student_number": "bad_format"}),
    ("student number with a line feed", {"student_number": "2024\n"}, {"/student_number": "bad_text"}),
    ("student number of 33", {"student_number": "1" * 33}, {"/student_number": "bad_format"}),
    ("student number in Chinese digits", {"student_number": "二〇二四"}, {"/student_number": "bad_format"}),
    ("full-width digits", {"student_number": "２０２４"}, {"/student_number": "bad_format"}),
    ("an address without @", {"email": "zhang.example.org"}, {"/email": "bad_format"}),
    ("an address with two @", {"email": "a@b@example.org"}, {"/email": "bad_format"}),
    ("an address of 300", {"email": "a" * 300 + "@example.org"}, {"/email": "too_long"}),
    ("a pattern's worst case", {"email": "@" + "." * 253}, {"/email": "bad_format"}),
    ("a telephone number of letters", {"phone": "one two"}, {"/phone": "bad_format"}),
    ("a path in capitals", {"home": "SU"}, {"/home": "bad_format"}),
    ("a path with an empty label", {"home": "su..x"}, {"/home": "bad_format"}),
    ("a path that begins with a dot", {"home": ".su"}, {"/home": "bad_format"}),
    ("a path that ends with a dot", {"home": "su."}, {"/home": "bad_format"}),
    ("an empty path", {"home": ""}, {"/home": "bad_format"}),
    ("a label of 41", {"home": "a" * 41}, {"/home": "bad_format"}),
    ("17 labels", {"home": ".".join("a" * 17)}, {"/home": "bad_format"}),
    ("an ltree pattern", {"home": "su.*"}, {"/home": "bad_format"}),
    ("SQL", {"home": "su'; DROP TABLE person; --"}, {"/home": "bad_format"}),
    ("several at once", {"name": 1, "grade": "x", "extra": 0}, {"/name": "wrong_type", "/grade": "wrong_type",
                                                               "/extra": "unknown_field"}),
]


@pytest.mark.parametrize("fields, complaints", [case[1:] for case in PEOPLE], ids=[case[0] for case in PEOPLE])
def test_fields_of_a_person(client, fields, complaints):
    problem = check_problem(post_raw(client, "/v1/people", person_with(**fields).encode()), 422, "invalid", complaints)
    if len(complaints) == 1:
        assert problem["detail"] == problem["errors"][0]["detail"]


OTHERS = [
    # (path, body, complaints)
    ("/v1/organisations", {"founded_on": "2024-02-30"}, {"/founded_on": "bad_format"}),
    ("/v1/organisations", {"founded_on": "2023-02-29"}, {"/founded_on": "bad_format"}),
    ("/v1/organisations", {"founded_on": "2024-13-01"}, {"/founded_on": "bad_format"}),
    ("/v1/organisations", {"founded_on": "2024-1-1"}, {"/founded_on": "bad_format"}),
    ("/v1/organisations", {"founded_on": "0000-01-01"}, {"/founded_on": "bad_format"}),
    ("/v1/organisations", {"founded_on": "2024-01-01T00:00:00Z"}, {"/founded_on": "bad_format"}),
    ("/v1/organisations", {"founded_on": "infinity"}, {"/founded_on": "bad_format"}),
    ("/v1/organisations", {"founded_on": 20240101}, {"/founded_on": "wrong_type"}),
    ("/v1/organisations", {"description": "a" * 4001}, {"/description": "too_long"}),
    ("/v1/organisations", {"description": "a\x00"}, None),
    ("/v1/organisations", {"description": "a\x0b"}, {"/description": "bad_text"}),
    ("/v1/organisations", {"kind": "club"}, {"/kind": "wrong_type"}),
    ("/v1/organisations", {"dissolved_on": "2024-01-01"}, {"/dissolved_on": "unknown_field"}),
    ("/v1/memberships", {"person_id": "1"}, {"/person_id": "bad_format"}),
    ("/v1/memberships", {"person_id": NOBODY.upper().replace("0", "A")}, {"/person_id": "bad_format"}),
    ("/v1/memberships", {"person_id": "{" + NOBODY[1:-1] + "}"}, {"/person_id": "bad_format"}),
    ("/v1/memberships", {"person_id": NOBODY.replace("-", "")}, {"/person_id": "bad_format"}),
    ("/v1/memberships", {"since": "yesterday"}, {"/since": "bad_format"}),
    ("/v1/memberships", {"until": "2024-01-01"}, {"/until": "unknown_field"}),
    ("/v1/keys", {"permissions": []}, {"/permissions": "too_few"}),
    ("/v1/keys", {"permissions": None}, {"/permissions": "too_few"}),
    ("/v1/keys", {"permissions": "*"}, {"/permissions": "wrong_type"}),
    ("/v1/keys", {"permissions": ["*", 1]}, {"/permissions/1": "wrong_type"}),
    ("/v1/keys", {"permissions": ["*", None]}, {"/permissions/1": "wrong_type"}),
    ("/v1/keys", {"permissions": ["*", ["*"]]}, {"/permissions/1": "wrong_type"}),
    ("/v1/keys", {"permissions": ["*"] * 51}, {"/permissions": "too_many"}),
    ("/v1/keys", {"permissions": ["membership.People.read"]}, {"/permissions/0": "bad_format"}),
    ("/v1/keys", {"permissions": ["membership.*.read"]}, {"/permissions/0": "bad_format"}),
    ("/v1/keys", {"permissions": ["a" * 101]}, {"/permissions/0": "too_long"}),
    ("/v1/keys", {"expires_at": "tomorrow"}, {"/expires_at": "bad_format"}),
    ("/v1/keys", {"expires_at": 1800000000}, {"/expires_at": "wrong_type"}),
    ("/v1/keys", {"expires_at": "2030-02-30T00:00:00Z"}, {"/expires_at": "bad_format"}),
    ("/v1/keys", {"expires_at": "2030-01-01T00:00:00"}, {"/expires_at": "bad_format"}),
    ("/v1/keys", {"expires_at": "2030-01-01"}, {"/expires_at": "bad_format"}),
    ("/v1/keys", {"organisation": ""}, {"/organisation": "bad_format"}),
    ("/v1/keys", {"secret": "campus_mine"}, {"/secret": "unknown_field"}),
]
RIGHT = {
    "/v1/organisations": {"path": "no.such", "kind": "department", "title": "a"},
    "/v1/memberships": {"person_id": NOBODY, "organisation": "no.such"},
    "/v1/keys": {"name": "a", "permissions": ["*"]},
}


@pytest.mark.parametrize("path, fields, complaints", OTHERS, ids=[f"{case[0][4:]}-{case[1]}"[:60] for case in OTHERS])
def test_fields_of_others(client, path, fields, complaints):
    answer = client.post(path, {**RIGHT[path], **fields})
    if complaints is None:
        check_problem(answer, 400, "bad_json")
    else:
        check_problem(answer, 422, "invalid", complaints)


def test_what_is_just_right(client, home):
    """The neighbours of what is refused above."""
    asked = {"student_number": new_number("a-Z"), "name": "𠮷" * 100, "home": home, "grade": 1950, "status": "on_leave",
             "email": "张@例子.中国", "phone": "+86 138-0013-8000", "class_name": "é", "latin_name": None}
    answer = client.post("/v1/people", asked).expect(201)
    seen = client.get(answer.headers["Location"]).expect(200).json()
    assert {name: seen.get(name) for name in asked if name != "phone"} | {"phone": asked["phone"]} == asked
    label = "a" * 40
    organisation(client, f"{home}.{label}", description="two\n\tlines", founded_on="2024-02-29", title="题" * 100)
    escaped = '{"student_number":"%s","name":"\\u5f20\\ud842\\udfb7\\/\\"\\\\","home":"%s"}' % (new_number(), home)
    answer = post_raw(client, "/v1/people", escaped.encode()).expect(201)
    assert client.get(answer.headers["Location"]).json()["name"] == '张𠮷/"\\'


def test_no_more_than_50_complaints(client):
    answer = client.post("/v1/people", {f"x{i}": i for i in range(200)})
    assert len(check_problem(answer, 422, "invalid")["errors"]) == 50


def test_all_values_of_an_enum_are_named(client):
    body = check_problem(client.post("/v1/offices", {"kind": "boss"}), 422, "invalid")
    told = next(error["detail"] for error in body["errors"] if error["pointer"] == "/kind")
    assert "chair, " in told and told.endswith(", officer."), told


def test_bad_page_sizes_and_filters_point_to_their_names(client):
    answer = client.get("/v1/people", query={"page_size": 0, "grade": 1900})
    check_problem(answer, 422, "invalid", {"page_size": "out_of_range", "grade": "out_of_range"})


# -- parameters --------------------------------------------------------------------------------------------------------

PARAMETERS = [
    # (target, status, complaints)
    ("/v1/people?colour=red", 400, {"colour": "unknown_parameter"}),
    ("/v1/people?Grade=2024", 400, {"Grade": "unknown_parameter"}),
    ("/v1/people?name=a", 400, {"name": "unknown_parameter"}),
    ("/v1/people?x=1&y=2", 400, {"x": "unknown_parameter", "y": "unknown_parameter"}),
    ("/v1/people?=1", 400, {"": "unknown_parameter"}),
    ("/v1/people?%E9%BB%84=1", 400, {"黄": "unknown_parameter"}),
    ("/v1/people?grade=2024&grade=2024", 400, {"grade": "duplicate_parameter"}),
    ("/v1/people?grade=abc", 400, {"grade": "bad_parameter"}),
    ("/v1/people?grade=", 400, {"grade": "bad_parameter"}),
    ("/v1/people?grade=2024.0", 400, {"grade": "bad_parameter"}),
    ("/v1/people?grade=+2024", 400, {"grade": "bad_parameter"}),
    ("/v1/people?grade=02024", 400, {"grade": "bad_parameter"}),
    ("/v1/people?grade=9007199254740993", 400, {"grade": "bad_parameter"}),
    ("/v1/people?grade=2e3", 400, {"grade": "bad_parameter"}),
    ("/v1/people?grade=1949", 422, {"grade": "out_of_range"}),
    ("/v1/people?status=gone", 400, {"status": "bad_parameter"}),
    ("/v1/people?status=1", 400, {"status": "bad_parameter"}),
    ("/v1/people?sort=-name", 400, {"sort": "bad_parameter"}),
    ("/v1/people?sort=phone", 400, {"sort": "bad_parameter"}),
    ("/v1/people?count=all", 400, {"count": "bad_parameter"}),
    ("/v1/people?page_size=x", 400, {"page_size": "bad_parameter"}),
    ("/v1/people?page_size=0", 422, {"page_size": "out_of_range"}),
    ("/v1/people?page_size=-1", 422, {"page_size": "out_of_range"}),
    ("/v1/people?page_size=201", 422, {"page_size": "out_of_range"}),
    ("/v1/people?q=", 422, {"q": "too_short"}),
    ("/v1/people?q=%ff", 400, {"q": "bad_parameter"}),
    ("/v1/people?q=%ed%a0%80", 400, {"q": "bad_parameter"}),
    ("/v1/people?q=%01", 422, {"q": "bad_text"}),
    ("/v1/people?q=e%cc%81", 422, {"q": "bad_text"}),
    ("/v1/people?q=" + "a" * 101, 422, {"q": "too_long"}),
    ("/v1/people?home=SU", 422, {"home": "bad_format"}),
    ("/v1/people?home=su.*", 422, {"home": "bad_format"}),
    ("/v1/people?page_token=", 400, {"page_token": "bad_page_token"}),
    ("/v1/people?page_token=x", 400, {"page_token": "bad_page_token"}),
    ("/v1/people?page_token=%E5%BC%A0", 400, {"page_token": "bad_page_token"}),
    ("/v1/people?page_token=" + "A" * 2000, 400, {"page_token": "bad_page_token"}),
    ("/v1/people?page_token=" + "A" * 2001, 422, {"page_token": "too_long"}),
    ("/v1/organisations?include_dissolved=1", 400, {"include_dissolved": "bad_parameter"}),
    ("/v1/organisations?include_dissolved=True", 400, {"include_dissolved": "bad_parameter"}),
    ("/v1/organisations?include_dissolved", 400, {"include_dissolved": "bad_parameter"}),
    ("/v1/organisations?kind=club", 400, {"kind": "bad_parameter"}),
    ("/v1/memberships?as_of=2024-02-30", 422, {"as_of": "bad_format"}),
    ("/v1/memberships?person_id=1", 422, {"person_id": "bad_format"}),
    ("/v1/me?verbose=true", 400, {"verbose": "unknown_parameter"}),
    (f"/v1/people/{NOBODY}?fields=name", 400, {"fields": "unknown_parameter"}),
    (f"/v1/people/{NOBODY}?id={NOBODY}", 400, {"id": "unknown_parameter"}),
]


@pytest.mark.parametrize("target, status, complaints", PARAMETERS, ids=[case[0][4:50] for case in PARAMETERS])
def test_parameters(client, target, status, complaints):
    check_problem(client.get(target), status, pointers=complaints)


def test_fields_of_a_body_are_no_parameters(client, home):
    right = {"student_number": new_number(), "name": "a", "home": home}
    check_problem(client.post("/v1/people?name=b", right), 400, "unknown_parameter", {"name": "unknown_parameter"})
    one = person(client, home)
    answer = client.patch(f"/v1/people/{one['id']}", {"id": NOBODY}, etag='"1"')
    check_problem(answer, 422, "invalid", {"/id": "unknown_field"})


def test_parameters_without_number(client):
    check_problem(client.get("/v1/people?" + "x=1&" * 1500), 400, "bad_target")


# -- pages -------------------------------------------------------------------------------------------------------------


def test_tokens_of_another_query(client):
    top = union(client)
    for _ in range(3):
        person(client, top, grade=2024)
    query = {"home": top, "page_size": 1}
    token = client.get("/v1/people", query=query).expect(200).json()["next_page_token"]
    assert client.get("/v1/people", query={**query, "page_token": token}).expect(200).json()["people"]
    # How long the page is may change on the way; whether its rows are counted too.
    client.get("/v1/people", query={"home": top, "page_size": 2, "page_token": token}).expect(200)
    client.get("/v1/people", query={**query, "page_token": token, "count": "exact"}).expect(200)
    others = [("/v1/people", {}), ("/v1/people", {"home": f"{top}.learning"}), ("/v1/people", {"home": top, "grade": 2024}),
              ("/v1/people", {"home": top, "sort": "name"}),
              ("/v1/people", {"home": top, "q": "李"}), ("/v1/people", {"home": top, "status": "active"}),
              ("/v1/organisations", {}), ("/v1/memberships", {}), ("/v1/keys", {})]
    for path, other in others:
        answer = client.get(path, query={**other, "page_token": token})
        check_problem(answer, 400, "bad_page_token", {"page_token": "bad_page_token"})


def test_altered_tokens(client):
    top = union(client)
    token = client.get("/v1/organisations", query={"within": top, "page_size": 1}).json()["next_page_token"]
    altered = [token[:-2], token + "AA", token[1:], token[::-1], ("A" if token[0] != "A" else "B") + token[1:], token + "=", token.swapcase(),
               token[:20] + ("A" if token[20] != "A" else "B") + token[21:], token + " "]
    for other in altered:
        answer = client.get("/v1/organisations", query={"within": top, "page_size": 1, "page_token": other})
        check_problem(answer, 400, "bad_page_token")


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "text/json",
                                  "application/merge-patch+json", "application/json; charset=gbk", "application/jsonx",
                                  "multipart/form-data; boundary=x", "", "/", "application/json, text/plain",
                                  'application/json; charset="utf-16"', "application/json; v=1; charset=gbk",
                                  "application/json;charset=utf-8;charset=gbk"])
def test_wrong_media_types(client, type):
    problem = check_problem(post_raw(client, "/v1/people", b"{}", headers={"Content-Type": type}), 415,
                            "unsupported_media_type", {"Content-Type": "unsupported_media_type"})
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize("type", ["application/json", "APPLICATION/JSON", "application/json;charset=UTF-8",
                                  'application/json; charset="utf-8"', "application/json ;charset=utf-8",
                                  "application/json\t;\tCharset=utf-8", "application/json; v=1; charset=utf-8",
                                  "application/json;"])
def test_right_media_types(client, type):
    check_problem(post_raw(client, "/v1/people", b"{}", type=type), 422, "invalid")


def test_media_types_of_others(client):
    check_problem(post_raw(client, "/v1/people:import", b"{}"), 415, "unsupported_media_type")
    check_problem(client.request("PATCH", f"/v1/people/{NOBODY}", raw=b"{}", type="text/csv"), 415, "unsupported_media_type")
    check_problem(client.request("PATCH", f"/v1/people/{NOBODY}", raw=b"{}", type="application/json-patch+json"), 415)


def test_no_media_type(client):
    answer = client.request("POST", "/v1/people", raw=b"{}", headers={"Content-Type": None})
    check_problem(answer, 415, "unsupported_media_type")


def test_no_body(client, home):
    check_problem(client.post("/v1/people"), 422, "invalid",
                  {"/student_number": "required", "/name": "required", "/home": "required"})
    check_problem(client.post("/v1/people:import"), 400, "body_required")
    one = person(client, home)
    check_problem(client.request("PATCH", f"/v1/people/{one['id']}", headers={"If-Match": '"1"'}), 400, "body_required")


def test_large_bodies(client):
    """Just what is admitted is read; a byte more is not. What one method takes, another does not."""
    admitted = b'{"x":"%s"}' % (b"a" * (65536 - 8))
    assert len(admitted) == 65536
    check_problem(post_raw(client, "/v1/people", admitted), 422, "invalid", {"/x": "unknown_field"})
    post_raw(client, "/v1/people", admitted + b" ").expect(413, "too_large")
    client.close()
    post_raw(client, "/v1/people:import", b"a" * (1 << 20), type="text/csv").expect(422, "no_student_number_column")


def test_body_where_none_belongs(client):
    for method, path in (("GET", "/v1/people"), ("DELETE", "/v1/people"), ("GET", "/healthz")):
        client.request(method, path, raw=b"{}", type=JSON).expect(400, "body_not_allowed")
        client.close()


# -- paths and methods -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/people", "/v1/persons", "/V1/people", "/v1/people/", "/v1/People",
                                  f"/v1/people/{NOBODY}/x", "/v1/people:", "/v1/people:export", f"/v1/people/{NOBODY}:delete",
                                  "/v1/people;x=1", "/healthz/", "/metrics", "/openapi.yaml", "/v1/pe%6fple/", "/v1:people",
                                  "/favicon.ico", "/v1/" + "a/" * 20, "/v1/keys:revoke", "/v1/%E4%BA%BA"])
def test_unknown_paths(client, anonymous, path):
    for who in (client, anonymous):
        for method in ("GET", "POST"):
            check_problem(who.request(method, path), 404, "not_found")


@pytest.mark.parametrize("path", [f"/v1/people/{NOBODY}", "/v1/people/1", f"/v1/people/{NOBODY.upper()[:-1]}A",
                                  "/v1/people/%E5%BC%A0", "/v1/people/%FF", "/v1/people/a%20b", f"/v1/people/{NOBODY}%0A",
                                  "/v1/organisations/no.such", "/v1/organisations/SU", "/v1/organisations/a..b",
                                  "/v1/organisations/" + "a" * 500, "/v1/organisations/*", "/v1/organisations/%27",
                                  f"/v1/memberships/{NOBODY}", "/v1/memberships/x", f"/v1/keys/{NOBODY}", "/v1/keys/-"])
def test_ids_of_nothing(client, path):
    check_problem(client.get(path), 404, "not_found")
    if not path.startswith(("/v1/memberships", "/v1/keys")):
        check_problem(client.patch(path, {}, etag='"1"'), 404, "not_found")


@pytest.mark.parametrize("method, path, allow", [
    ("DELETE", "/v1/people", "GET, HEAD, POST, OPTIONS"),
    ("PUT", "/v1/people", "GET, HEAD, POST, OPTIONS"),
    ("PATCH", "/v1/people", "GET, HEAD, POST, OPTIONS"),
    ("POST", f"/v1/people/{NOBODY}", "GET, HEAD, PATCH, OPTIONS"),
    ("DELETE", f"/v1/people/{NOBODY}", "GET, HEAD, PATCH, OPTIONS"),
    ("GET", "/v1/people:import", "POST, OPTIONS"),
    ("HEAD", "/v1/people:import", "POST, OPTIONS"),
    ("PUT", f"/v1/keys/{NOBODY}:revoke", "POST, OPTIONS"),
    ("POST", "/v1/me", "GET, HEAD, OPTIONS"),
    ("POST", "/healthz", "GET, HEAD, OPTIONS"),
    ("PATCH", "/openapi.json", "GET, HEAD, OPTIONS"),
    ("TRACE", "/v1/people", "GET, HEAD, POST, OPTIONS"),
    ("PROPFIND", "/v1/people", "GET, HEAD, POST, OPTIONS"),
    ("get", "/v1/people", "GET, HEAD, POST, OPTIONS"),
])
def test_wrong_methods(client, method, path, allow):
    answer = client.request(method, path)
    assert answer.headers["Allow"] == allow
    if method == "HEAD":
        answer.expect(405)
    else:
        check_problem(answer, 405, "method_not_allowed")


# -- headers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("etag", ['"0"', '"2"', '"99999999999999999999999"', "1", "W/\"1\"", '""', '"x"', '"1x"', "'1'",
                                  '"-1"', '"+1"', '" 1"', '"1', '"0x1"', '"1", "1"'])
def test_if_match_of_no_version(client, home, etag):
    one = person(client, home)
    check_problem(client.patch(f"/v1/people/{one['id']}", {"name": "b"}, etag=etag), 412, "stale_version")
    assert client.get(f"/v1/people/{one['id']}").json()["name"] == one["name"]


def test_if_match_absent(client, home):
    one = person(client, home)
    problem = check_problem(client.patch(f"/v1/people/{one['id']}", {"name": "b"}), 428, "precondition_required")
    assert "If-Match" in problem["detail"]
    check_problem(client.patch(f"/v1/organisations/{home}", {"title": "b"}), 428, "precondition_required")


@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "a\tb", "张".encode().decode("latin-1"), "\x7fa"])
def test_bad_idempotency_keys(client, home, key):
    asked = {"student_number": new_number(), "name": "a", "home": home}
    answer = client.post("/v1/people", asked, headers={"Idempotency-Key": key})
    if answer.code == "bad_request":
        check_problem(answer, 400)  # not even a header
        client.close()
    else:
        check_problem(answer, 400, "bad_header", {"Idempotency-Key": "bad_header"})


def test_longest_idempotency_key(client, home):
    asked = {"student_number": new_number(), "name": "a", "home": home}
    client.post("/v1/people", asked, headers={"Idempotency-Key": "!" * 255}).expect(201)


def test_idempotency_key_of_another_request(client, home):
    key = {"Idempotency-Key": new_label("key-")}
    asked = {"student_number": new_number(), "name": "a", "home": home}
    first = client.post("/v1/people", asked, headers=key).expect(201)
    again = client.post("/v1/people", asked, headers=key).expect(201)
    assert again.json()["id"] == first.json()["id"] and again.headers["Idempotent-Replayed"] == "true"
    check_problem(client.post("/v1/people", {**asked, "name": "b"}, headers=key), 422, "idempotency_key_reused")
    check_problem(client.post("/v1/organisations", {"path": new_label(), "kind": "union", "title": "a"}, headers=key), 422,
                  "idempotency_key_reused")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer campus_", "campus_x", "",
                                    "Bearer campus_" + "A" * 43, "Bearer " + "a" * 5000, "Bearer a b"])
def test_no_valid_key(anonymous, header):
    answer = anonymous.get("/v1/me", headers={"Authorization": header})
    check_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted, chinese", [(None, False), ("en", False), ("zh", True), ("zh-CN,zh;q=0.9,en;q=0.8", True),
                                             ("en-GB, zh;q=0.5", False), ("fr, zh-Hans;q=0.2", True), ("fr", False),
                                             ("zh;q=0", False), ("en;q=0.1, zh-TW;q=0.2", True), (";;,,q=", False)])
def test_the_language_asked_for(client, home, wanted, chinese):
    headers = {"Accept-Language": wanted}
    one = person(client, home)
    answers = [
        (client.get("/v1/nothing", headers=headers), 404),
        (client.post("/v1/people", {"name": 1}, headers=headers), 422),
        (client.patch(f"/v1/people/{one['id']}", {}, etag='"7"', headers=headers), 412),
        (client.post("/v1/people", {"student_number": one["student_number"], "name": "a", "home": home}, headers=headers), 409),
    ]
    for answer, status in answers:
        problem = check_problem(answer, status)
        for text in [problem["detail"]] + [error["detail"] for error in problem.get("errors", [])]:
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text) == chinese, problem


def test_values_are_not_repeated(client, anonymous, home):
    """What was sent may be personal: a refusal names the field and the rule, not the value."""
    value = "Geheimnis-4711"
    for answer in (client.post("/v1/people", {"student_number": value + " ", "name": value + "\x01", "home": value}),
                   client.get("/v1/people", query={"grade": value, "home": value}),
                   client.get("/v1/people", query={"page_token": value}),
                   client.get(f"/v1/people/{value}"),
                   post_raw(client, "/v1/people", b'{"name":' + value.encode()),
                   anonymous.get("/v1/me", headers={"Authorization": f"Bearer {value}"})):
        assert value not in answer.text and answer.status in (400, 401, 404, 422), answer
