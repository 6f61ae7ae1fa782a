"""A walk through the API as its document describes it: organisations, people, memberships, keys; and every refusal that it
declares."""

import datetime
import re

import pytest

from api.given import (NOBODY, UUID, check_problem, committee, ids, membership, new_key, new_label, new_number, organisation,
                       person, union)
from harness import wait_until

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


@pytest.fixture(scope="module")
def today(campus):
    """The day it is where the campus stands. Memberships last for days, so a test that runs over midnight is unlucky."""
    return datetime.date.fromisoformat(campus.value("SELECT campus.today()"))


def day(today, offset):
    return (today + datetime.timedelta(days=offset)).isoformat()


def listed(client, path, items, **query):
    """All of a list, page by page."""
    return list(client.pages(path, items, query))


def instant(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- organisations -----------------------------------------------------------------------------------------------------

# What may stand under what, as the comments of Organisation.Kind say it.
STANDS_UNDER = {
    "university": {"top"},
    "college": {"university"},
    "committee": {"top", "committee", "college"},
    "union": {"top", "committee"},
    "federation": {"top", "committee"},
    "association": {"top", "committee", "union", "federation"},
    "society": {"committee", "union", "federation", "association"},
    "college_branch": {"committee", "union", "federation", "association"},
    "department": {"committee", "union", "federation", "association", "society", "college_branch", "department"},
}


@pytest.fixture(scope="module")
def one_of_each(campus, admin):
    """An organisation of each kind: {kind: path}."""
    paths = {}
    with campus.client(admin) as client:
        for kind in ("university", "committee", "union", "federation", "association"):
            paths[kind] = organisation(client, new_label("k"), kind)["path"]
        paths["college"] = organisation(client, f"{paths['university']}.college", "college")["path"]
        for kind in ("society", "college_branch", "department"):
            paths[kind] = organisation(client, f"{paths['union']}.{kind}", kind)["path"]
    return paths


@pytest.mark.parametrize("kind", STANDS_UNDER)
def test_what_stands_under_what(client, one_of_each, kind):
    for above, path in [("top", None), *one_of_each.items()]:
        asked = {"path": (f"{path}." if path else "") + new_label("x"), "kind": kind, "title": "a"}
        answer = client.post("/v1/organisations", asked)
        if above in STANDS_UNDER[kind]:
            answer.expect(201)
        else:
            check_problem(answer, 422, "kind_not_allowed_here", {"/kind": "kind_not_allowed_here"})
            client.get(f"/v1/organisations/{asked['path']}").expect(404)


def test_organisation_is_made_and_read(client):
    top, leader = new_label("u"), committee(client)
    asked = {"path": top, "kind": "union", "title": "学生会", "title_en": "Student Union", "description": "两行\n文字",
             "led_by": leader, "founded_on": "1956-09-01"}
    answer = client.post("/v1/organisations", asked).expect(201)
    assert answer.headers["Location"] == f"/v1/organisations/{top}" and answer.etag == '"1"'
    made = answer.json()
    assert {name: made[name] for name in asked} == asked and made["version"] == 1
    assert INSTANT.fullmatch(made["created_at"]) and made["created_at"] == made["updated_at"]
    answer = client.get(answer.headers["Location"]).expect(200)
    assert answer.json() == made and answer.etag == '"1"'


def test_organisations_are_listed(client):
    top = new_label("u")
    organisation(client, top, "union", title="学生会", title_en="Student Union")
    for label, title, title_en in (("learning", "学习部", "Learning"), ("arts", "文艺部", "Arts"), ("liaison", "外联部", "Liaison")):
        organisation(client, f"{top}.{label}", title=title, title_en=title_en)
    organisation(client, f"{top}.club", "society", title="棋社")
    organisation(client, f"{top}.arts.choir", title="合唱团 100%")
    organisation(client, f"{top}x", "union", title="别的会")  # its label begins alike

    def paths(**query):
        found = listed(client, "/v1/organisations", "organisations", **{"within": top, **query})
        return [one["path"].removeprefix(top).removeprefix(".") for one in found]

    everything = ["", "arts", "arts.choir", "club", "learning", "liaison"]
    assert paths() == paths(sort="path") == everything
    assert paths(page_size=1) == everything
    assert paths(parent=top) == ["arts", "club", "learning", "liaison"]
    assert paths(parent=f"{top}.arts") == ["arts.choir"] and paths(parent=f"{top}.club") == []
    assert paths(kind="society") == ["club"] and paths(kind="union") == [""]
    assert paths(q="部") == ["arts", "learning", "liaison"] and paths(q="学") == ["", "learning"]
    assert paths(q="liais") == paths(q="LIAIS") == paths(q="外联") == ["liaison"]
    assert paths(q="union student") == [""] and paths(q="0%") == ["arts.choir"] and paths(q="_") == []
    # By pinyin: heguchangtuan, qishe, wailianbu, wenyibu, xuehenghui, xuexibu.
    assert paths(sort="title", parent=top) == ["club", "liaison", "arts", "learning"]
    assert paths(sort="title", page_size=2) == ["arts.choir", "club", "liaison", "arts", "", "learning"]
    reply = client.get("/v1/organisations", query={"within": top, "page_size": 2, "count": "exact", "q": "部"}).json()
    assert reply["total_count"] == 3 and len(reply["organisations"]) == 2
    assert "total_count" not in client.get("/v1/organisations", query={"within": top, "count": "none"}).json()
    assert paths(within="no.such") == []


def test_organisation_is_patched(client):
    """A merge patch (RFC 7396): null clears, absent keeps, null on what is required is refused."""
    path = f"/v1/organisations/{organisation(client, new_label('u'), 'union', title_en='A', description='b')['path']}"
    first = client.get(path)
    answer = client.patch(path, {"title": "新名", "title_en": None}, etag=first.etag).expect(200)
    now = answer.json()
    assert now["title"] == "新名" and "title_en" not in now and now["description"] == "b"
    assert now["version"] == 2 and answer.etag == '"2"' and now["created_at"] == first.json()["created_at"]
    assert now == client.get(path).json()
    check_problem(client.patch(path, {"title": "c"}, etag=first.etag), 412, "stale_version")
    check_problem(client.patch(path, {"title": None}, etag='"2"'), 422, "invalid", {"/title": "required"})
    check_problem(client.patch(path, {"kind": "society"}, etag='"2"'), 422, "invalid", {"/kind": "unknown_field"})
    assert client.patch(path, {"title": "d"}, etag="*").expect(200).etag == '"3"'
    assert client.patch(path, {"title_en": None}, etag='"3"', headers={"Content-Type": "application/json"}).status == 200
    assert client.get(path).json()["title"] == "d"


def test_organisation_is_dissolved(client, today):
    top, home = union(client), committee(client)
    path, successor = f"{top}.learning", f"{top}.sports"
    people = [person(client, home) for _ in range(3)]
    open_one = membership(client, people[0]["id"], path, since=day(today, -30))
    planned = membership(client, people[1]["id"], path, since=day(today, 30))
    ended = membership(client, people[2]["id"], path, since=day(today, -30))
    client.post(f"/v1/memberships/{ended['id']}:end", {"reason": "left", "until": day(today, -10)}).expect(200)
    now = client.post(f"/v1/organisations/{path}:dissolve", {"successor": successor}).expect(200).json()
    assert now["dissolved_on"] == day(today, 0) and now["successor"] == successor and now["version"] == 2
    assert client.get(f"/v1/organisations/{path}").expect(200).json() == now
    ends = {one: client.get(f"/v1/memberships/{one}").json() for one in (open_one["id"], planned["id"], ended["id"])}
    assert [(one["until"], one["reason"]) for one in ends.values()] == \
        [(day(today, 0), "dissolved"), (day(today, 30), "dissolved"), (day(today, -10), "left")]
    shown = [one["path"] for one in listed(client, "/v1/organisations", "organisations", within=top)]
    assert shown == [top, successor]
    shown = [one["path"] for one in listed(client, "/v1/organisations", "organisations", within=top, include_dissolved="true")]
    assert shown == [top, path, successor]


def test_organisation_is_dissolved_later(client, today):
    """Until that day it lives on, but nothing new is founded under it and nobody joins for longer."""
    path = union(client)
    for child in ("learning", "sports"):
        client.post(f"/v1/organisations/{path}.{child}:dissolve", {"dissolved_on": day(today, 5)}).expect(200)
    assert client.post(f"/v1/organisations/{path}:dissolve", {"dissolved_on": day(today, 5)}).expect(200)
    assert len(listed(client, "/v1/organisations", "organisations", within=path)) == 3
    client.post("/v1/organisations", {"path": f"{path}.arts", "kind": "department", "title": "a"}).expect(409, "parent_dissolved")
    client.post("/v1/people", {"student_number": new_number(), "name": "a", "home": path}).expect(201)


# -- people ------------------------------------------------------------------------------------------------------------


def test_person_is_made_and_read(client):
    home = committee(client)
    asked = {"student_number": new_number(), "name": "张三", "latin_name": "Zhang San", "home": home, "grade": 2024,
             "class_name": "计科2401", "status": "on_leave", "email": "z@example.org", "phone": "+86 138 0013 8000"}
    answer = client.post("/v1/people", asked).expect(201)
    made = answer.json()
    assert UUID.fullmatch(made["id"]) and answer.headers["Location"] == f"/v1/people/{made['id']}" and answer.etag == '"1"'
    del asked["phone"]  # which is kept apart
    assert {name: made[name] for name in asked} == asked and "phone" not in made
    answer = client.get(answer.headers["Location"]).expect(200)
    assert answer.json() == made and answer.etag == '"1"'
    assert person(client, home)["status"] == "active"


def test_person_is_patched(client):
    home = committee(client)
    one = person(client, home, email="a@example.org", grade=2023, latin_name="Li Lei")
    path = f"/v1/people/{one['id']}"
    reply = client.patch(path, {"email": None, "latin_name": "Li L.", "status": "graduated"}, etag='"1"').expect(200)
    assert set(reply.json()) == {"id", "version", "updated_at"} and reply.etag == '"2"'
    now = client.get(path).json()
    assert "email" not in now and now["latin_name"] == "Li L." and now["status"] == "graduated"
    assert now["grade"] == 2023 and now["name"] == one["name"] and now["version"] == 2
    check_problem(client.patch(path, {"grade": None}, etag='"1"'), 412, "stale_version")
    check_problem(client.patch(path, {name: None for name in ("name", "home", "student_number", "status")}, etag='"2"'), 422,
                  "invalid", {f"/{name}": "required" for name in ("name", "home", "student_number", "status")})
    assert client.get(path).json() == now
    # Found by what it is now called, and no more by what it was.
    client.patch(path, {"name": "韩梅梅", "latin_name": None}, etag='"2"').expect(200)
    assert [len(listed(client, "/v1/people", "people", home=home, q=q)) for q in ("韩梅", "李雷", "Li L.")] == [1, 0, 0]


def test_not_modified(client):
    """RFC 9110 13.1.2."""
    path = f"/v1/people/{person(client, committee(client))['id']}"
    for sent, status in (('"1"', 304), ('W/"1"', 304), ("*", 304), ('"7", "1"', 304), ('"2"', 200), ('"11"', 200), ('""', 200)):
        answer = client.get(path, headers={"If-None-Match": sent}).expect(status)
        assert answer.etag == '"1"' and (answer.body == b"") == (status == 304)
    client.patch(path, {"grade": 2022}, etag='"1"').expect(200)
    client.get(path, headers={"If-None-Match": '"1"'}).expect(200)


@pytest.fixture(scope="module")
def crowd(campus, admin):
    """A committee with people of several kinds, homes and names."""
    with campus.client(admin) as client:
        top = committee(client)
        organisation(client, f"{top}.a")
        organisation(client, f"{top}.b")
        organisation(client, f"{top}.ab")
        names = [("张三", "Zhang San", "a", 2023, "active"), ("张三丰", "Zhang Sanfeng", "a", 2024, "active"),
                 ("欧阳修", "Ouyang Xiu", "ab", 2023, "graduated"), ("李四", None, "b", 2024, "on_leave"),
                 ("Ștefan Müller", None, "b", 2022, "active"), ("阿卜杜拉", "Abdulla", "", 2023, "left"),
                 ("单雄信", "Shan Xiongxin", "", 2024, "active")]
        for i, (name, latin_name, label, grade, status) in enumerate(names):
            person(client, f"{top}.{label}" if label else top, student_number=f"{top}-{9 - i}", name=name, grade=grade,
                   status=status, **({"latin_name": latin_name} if latin_name else {}))
        members = {one["name"]: one["id"] for one in listed(client, "/v1/people", "people", home=top)}
        membership(client, members["李四"], f"{top}.a")
        membership(client, members["单雄信"], f"{top}.ab", kind="probationary")
    return top


CROWD = ["张三", "张三丰", "欧阳修", "李四", "Ștefan Müller", "阿卜杜拉", "单雄信"]
FILTERS = [
    ({}, CROWD),
    ({"sort": "id"}, CROWD),
    ({"sort": "student_number"}, CROWD[::-1]),
    ({"grade": 2023}, ["张三", "欧阳修", "阿卜杜拉"]),
    ({"status": "active"}, ["张三", "张三丰", "Ștefan Müller", "单雄信"]),
    ({"grade": 2024, "status": "active"}, ["张三丰", "单雄信"]),
    ({"grade": 1999}, []),
    ({"home": "@.a"}, ["张三", "张三丰"]),
    ({"home": "@.b", "grade": 2024}, ["李四"]),
    ({"organisation": "@.a"}, ["李四"]),
    ({"organisation": "@"}, ["李四", "单雄信"]),
    ({"organisation": "@", "home": "@.b"}, ["李四"]),
    ({"organisation": "@.b"}, []),
    ({"q": "张"}, ["张三", "张三丰"]),
    ({"q": "张三丰"}, ["张三丰"]),
    ({"q": "三丰"}, ["张三丰"]),
    ({"q": "丰三"}, []),
    ({"q": "zhang san"}, ["张三", "张三丰"]),
    ({"q": "san zhang"}, ["张三", "张三丰"]),
    ({"q": "ZHANG"}, ["张三", "张三丰"]),
    ({"q": "zhangsanf"}, ["张三丰"]),
    ({"q": "三 zhang"}, ["张三", "张三丰"]),
    ({"q": "h"}, ["张三", "张三丰", "单雄信"]),
    ({"q": "müll"}, ["Ștefan Müller"]),
    ({"q": "MÜLLER ș"}, ["Ștefan Müller"]),
    ({"q": "李四"}, ["李四"]),
    ({"q": "%"}, []),
    ({"q": "_"}, []),
    ({"q": "\\"}, []),
    ({"q": "'"}, []),
    ({"q": "@-"}, CROWD),
    ({"q": "@-3"}, ["单雄信"]),
    ({"q": "@-", "sort": "student_number"}, CROWD[::-1]),
    ({"q": "张", "grade": 2023}, ["张三"]),
    ({"q": "张", "home": "@.b"}, []),
    ({"q": "h", "organisation": "@.ab"}, ["单雄信"]),
    ({"q": "h", "status": "active", "sort": "name"}, ["单雄信", "张三", "张三丰"]),
]


@pytest.mark.parametrize("query, names", FILTERS, ids=[str(case[0]) for case in FILTERS])
def test_people_are_listed(client, crowd, query, names):
    """As one page, and a page a person; counted alike."""
    query = {name: value.replace("@", crowd) if isinstance(value, str) else value for name, value in query.items()}
    query = {"home": crowd, **query}
    for page_size in (200, 1):
        assert [one["name"] for one in listed(client, "/v1/people", "people", **query, page_size=page_size)] == names
    reply = client.get("/v1/people", query={**query, "count": "exact", "page_size": 1}).expect(200).json()
    assert reply["total_count"] == len(names)
    assert "total_count" not in client.get("/v1/people", query=query).json()


def test_people_by_name_are_in_the_order_of_pinyin(client, crowd):
    names = [one["name"] for one in listed(client, "/v1/people", "people", home=crowd, sort="name", page_size=2)]
    chinese = [name for name in names if name > "\u4e00"]
    assert sorted(names) == sorted(CROWD) and chinese.index("阿卜杜拉") < chinese.index("李四") < chinese.index("欧阳修")
    assert chinese.index("欧阳修") < chinese.index("张三") < chinese.index("张三丰")


def test_page_sizes(client):
    home = committee(client)
    text = "学号,姓名,学院\n" + "".join(f"{new_number()},人{i},{home}\n" for i in range(205))
    client.request("POST", "/v1/people:import", raw=text.encode(), type="text/csv").expect(200)
    for page_size, sizes in ((None, [50, 50, 50, 50, 5]), (200, [200, 5]), (41, [41] * 5), (205 // 5 * 2, [82, 82, 41])):
        query, found, pages = {"home": home}, [], []
        if page_size:
            query["page_size"] = page_size
        while True:
            reply = client.get("/v1/people", query=query).expect(200).json()
            pages.append(len(reply["people"]))
            found += ids(reply, "people")
            if "next_page_token" not in reply:
                break
            query["page_token"] = reply["next_page_token"]
        assert pages == sizes and len(set(found)) == 205


@pytest.mark.parametrize("query", [{}, {"sort": "name"}, {"sort": "student_number"}, {"q": "学生"}, {"q": "学生", "sort": "name"},
                                   {"q": "学生", "sort": "student_number"}], ids=str)
def test_pages_while_rows_come_and_go(client, query):
    """No gap and no double: who was there throughout is seen once, wherever others are put meanwhile."""
    home, start = committee(client), new_label("P")
    text = "学号,姓名,学院\n" + "".join(f"{start}-{i * 37 % 100:03d},学生{i * 53 % 100:02d},{home}\n" for i in range(100))
    client.request("POST", "/v1/people:import", raw=text.encode(), type="text/csv").expect(200)
    there = set(ids(client.get("/v1/people", query={"home": home, "page_size": 200}).json(), "people"))
    query, seen = {"home": home, "page_size": 7, **query}, []
    for number in range(1000):
        reply = client.get("/v1/people", query=query).expect(200).json()
        seen += ids(reply, "people")
        if "next_page_token" not in reply:
            break
        query["page_token"] = reply["next_page_token"]
        if number < 15:  # before, behind, and among what is being read
            for place in ("000", "050", "099"):
                person(client, home, student_number=f"{start}-{place}-{number}", name=f"学生{place[1:]}{number}")
    assert len(seen) == len(set(seen)) and there <= set(seen) and len(there) == 100


def test_figures(client):
    """Of active people by home and year; groups of fewer than five are not told."""
    top = committee(client)
    organisation(client, f"{top}.a")
    text = "学号,姓名,学院,年级,状态\n"
    for home, grade, status, count in ((top, 2023, "在读", 5), (top, 2024, "在读", 4), (top, 2024, "毕业", 3), (f"{top}.a", 2023, "在读", 7)):
        text += "".join(f"{new_number()},a,{home},{grade},{status}\n" for _ in range(count))
    client.request("POST", "/v1/people:import", raw=text.encode(), type="text/csv").expect(200)
    for home, groups in ((top, [(top, 5), (f"{top}.a", 7)]), (f"{top}.a", [(f"{top}.a", 7)]), ("no.such", [])):
        told = client.get("/v1/people:figures", query={"home": home}).expect(200).json().get("groups", [])
        assert sorted((group["home"], group["people"]) for group in told) == groups
        assert all(group["grade"] == 2023 for group in told)


# -- memberships -------------------------------------------------------------------------------------------------------


def test_membership_from_join_to_leave(client, today):
    home, path = committee(client), f"{union(client)}.learning"
    one = person(client, home)
    answer = client.post("/v1/memberships", {"person_id": one["id"], "organisation": path}).expect(201)
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/memberships/{made['id']}" and answer.etag == '"1"'
    assert made["kind"] == "member" and made["since"] == day(today, 0) and "until" not in made and "reason" not in made
    assert client.get(answer.headers["Location"]).json() == made
    assert client.get(answer.headers["Location"], headers={"If-None-Match": '"1"'}).status == 304
    ended = client.post(f"/v1/memberships/{made['id']}:end", {"reason": "transferred"}).expect(200).json()
    assert ended["until"] == day(today, 0) and ended["reason"] == "transferred" and ended["version"] == 2
    assert client.get(answer.headers["Location"]).json() == ended
    membership(client, one["id"], path)  # the same day, since the first held on no day


def test_membership_needs_a_reason_to_end(client, today):
    made = membership(client, person(client, committee(client))["id"], union(client))
    check_problem(client.post(f"/v1/memberships/{made['id']}:end"), 422, "invalid", {"/reason": "required"})
    check_problem(client.post(f"/v1/memberships/{made['id']}:end", {"reason": "dissolved"}), 422, "invalid",
                  {"/reason": "wrong_type"})


def test_memberships_overlap(client, today):
    """Of one kind in one organisation no two hold on one day; half-open, so the day of the end is free again."""
    one, path = person(client, committee(client)), union(client)
    first = membership(client, one["id"], path, since=day(today, -100))
    client.post(f"/v1/memberships/{first['id']}:end", {"reason": "left", "until": day(today, -50)}).expect(200)

    def joins(**more):
        return client.post("/v1/memberships", {"person_id": one["id"], "organisation": path, **more})

    for offset in (-100, -99, -51, -200):
        check_problem(joins(since=day(today, offset)), 409, "membership_overlaps", {"/since": "membership_overlaps"})
    joins(since=day(today, -50)).expect(201)
    joins(since=day(today, -100), kind="honorary").expect(201)
    joins(since=day(today, 0), organisation=f"{path}.learning").expect(201)
    check_problem(joins(since=day(today, 100)), 409, "membership_overlaps")


def test_history_as_of_a_day(client, today):
    home, top = committee(client), union(client)
    people = [person(client, home)["id"] for _ in range(3)]
    spans = [(0, "learning", -300, -200, "member"), (0, "learning", -200, None, "member"), (1, "learning", -250, -100, "probationary"),
             (2, "sports", -150, None, "honorary"), (2, None, 50, None, "member")]
    made = []
    for who, label, since, until, kind in spans:
        path = f"{top}.{label}" if label else top
        made.append(membership(client, people[who], path, since=day(today, since), kind=kind)["id"])
        if until:
            client.post(f"/v1/memberships/{made[-1]}:end", {"reason": "left", "until": day(today, until)}).expect(200)

    def which(**query):
        found = [made.index(one["id"]) for one in listed(client, "/v1/memberships", "memberships", **query)]
        assert found == [made.index(one["id"]) for one in listed(client, "/v1/memberships", "memberships", page_size=1, **query)]
        counted = client.get("/v1/memberships", query={**query, "count": "exact"}).json()["total_count"]
        assert counted == len(found)
        return found

    learning, within = {"organisation": f"{top}.learning"}, {"within": top}
    assert which(**within) == [0, 1, 2, 3, 4] and which(organisation=top) == [4]
    assert which(**learning) == [0, 1, 2]
    expected = {-301: [], -300: [0], -251: [0], -250: [0, 2], -201: [0, 2], -200: [1, 2], -101: [1, 2], -100: [1], 0: [1], 999: [1]}
    for offset, rows in expected.items():
        assert which(**learning, as_of=day(today, offset)) == rows, offset
    assert which(**within, as_of=day(today, 0)) == [1, 3] and which(**within, as_of=day(today, 50)) == [1, 3, 4]
    assert which(**within, kind="member") == [0, 1, 4] and which(**within, kind="honorary", as_of=day(today, -151)) == []
    assert which(person_id=people[2]) == [3, 4] and which(person_id=people[2], **learning) == []
    assert which(person_id=people[0], as_of=day(today, -250)) == [0]
    assert which(person_id=NOBODY) == []


# -- keys --------------------------------------------------------------------------------------------------------------


def me(campus, secret):
    with campus.client(secret) as client:
        return client.get("/v1/me").status


def test_key_shows_its_secret_once(campus, client):
    path = union(client)
    asked = {"name": "library", "permissions": ["membership.people.read", "membership.organisations.*"], "organisation": path}
    replayed = {"Idempotency-Key": new_label("key-")}
    answer = client.post("/v1/keys", asked, headers=replayed).expect(201)
    made = answer.json()
    secret = made.pop("secret")
    assert re.fullmatch(r"campus_[\w-]{43}", secret) and answer.headers["Location"] == f"/v1/keys/{made['id']}"
    assert "no-store" in answer.headers["Cache-Control"] or "private" in answer.headers["Cache-Control"]
    # Who lost the answer asks again with the same key, and is told the same.
    again = client.post("/v1/keys", asked, headers=replayed).expect(201)
    assert again.json()["secret"] == secret and again.json()["id"] == made["id"]
    for shown in (client.get(f"/v1/keys/{made['id']}").expect(200).text,
                  *(str(one) for one in listed(client, "/v1/keys", "keys", within=path))):
        assert secret not in shown and "hash" not in shown and made["id"] in shown
    assert campus.value(f"SELECT count(*) FROM membership.answer WHERE rows::text LIKE '%{secret}%'") == "0"
    for name, text in campus.logs().items():
        assert secret not in text, name
    with campus.client(secret) as holder:
        mine = holder.get("/v1/me").expect(200).json()
    grounds = mine.pop("grounds")
    assert mine == {**asked, "id": made["id"], "kind": "key"}
    assert grounds == [{"via": "key", "permissions": sorted(asked["permissions"]), "organisation": path}]


def test_keys_are_listed(campus, client):
    path = union(client)
    keys = [new_key(client, "membership.people.read", where) for where in (path, f"{path}.learning", f"{path}.sports")]
    client.post(f"/v1/keys/{keys[1]['id']}:revoke").expect(200)
    shown = [one["id"] for one in listed(client, "/v1/keys", "keys", within=path)]
    assert shown == [keys[0]["id"], keys[2]["id"]]
    shown = [one["id"] for one in listed(client, "/v1/keys", "keys", within=path, include_ended="true", page_size=1)]
    assert shown == [one["id"] for one in keys]
    counted = client.get("/v1/keys", query={"within": path, "count": "exact", "include_ended": "true"}).json()
    assert counted["total_count"] == 3
    assert me(campus, keys[2]["secret"]) == 200
    assert INSTANT.fullmatch(client.get(f"/v1/keys/{keys[2]['id']}").json()["last_used_at"])


def test_key_is_revoked_within_a_second(campus, client):
    key = new_key(client)
    with campus.client(key["secret"]) as holder:
        holder.get("/v1/me").expect(200)
        revoked = client.post(f"/v1/keys/{key['id']}:revoke").expect(200).json()
        wait_until(lambda: holder.get("/v1/me").status == 401, "401", seconds=2)
        assert INSTANT.fullmatch(revoked["revoked_at"]) and "secret" not in revoked


def test_key_is_rotated(campus, client):
    key = new_key(client)
    old = key["secret"]
    answer = client.post(f"/v1/keys/{key['id']}:rotate", {"overlap_seconds": 3600}).expect(200)
    new = answer.json()
    assert new["secret"] != old and new["version"] == 2 and INSTANT.fullmatch(new["previous_expires_at"])
    assert me(campus, old) == me(campus, new["secret"]) == 200
    # Another time: the first secret ends, whatever its overlap was; the second has none.
    newest = client.post(f"/v1/keys/{key['id']}:rotate", {"overlap_seconds": 0}).expect(200).json()["secret"]
    wait_until(lambda: me(campus, old) == me(campus, new["secret"]) == 401, "the secrets before ended", seconds=5)
    assert me(campus, newest) == 200
    # An overlap that passes.
    last = client.post(f"/v1/keys/{key['id']}:rotate", {"overlap_seconds": 1}).expect(200).json()["secret"]
    assert me(campus, last) == 200
    wait_until(lambda: me(campus, newest) == 401, "the overlap passed", seconds=5)
    assert me(campus, last) == 200


def test_key_expires(campus, client):
    key = new_key(client, expires_at=instant(2))
    assert me(campus, key["secret"]) == 200
    # Never past the end, though the gateway remembers keys for a second.
    wait_until(lambda: me(campus, key["secret"]) == 401, "expired", seconds=2.7)
    assert key["id"] not in [one["id"] for one in listed(client, "/v1/keys", "keys")]


def test_key_gives_no_more_than_it_has(campus, client):
    top, elsewhere = union(client), union(client)
    held = ["membership.keys.*", "membership.people.read"]
    end = instant(3600)
    with campus.client(new_key(client, held, top, expires_at=end)["secret"]) as holder:
        for permissions in (["membership.people.write"], ["membership.people.*"], ["*"], ["membership.*"],
                            ["membership.people.read", "membership.organisations.read"], ["membership.peopl.read"]):
            answer = holder.post("/v1/keys", {"name": "a", "permissions": permissions, "organisation": top})
            check_problem(answer, 403, "permissions_exceed_yours", {"/permissions": "permissions_exceed_yours"})
        for path in (elsewhere, f"{elsewhere}.learning"):
            answer = holder.post("/v1/keys", {"name": "a", "permissions": held, "organisation": path})
            check_problem(answer, 403, "permission_denied")
        check_problem(holder.post("/v1/keys", {"name": "a", "permissions": held}), 403, "permission_denied")
        check_problem(holder.post("/v1/keys", {"name": "a", "permissions": held, "organisation": top, "expires_at": instant(7200)}),
                      403, "expiry_exceeds_yours", {"/expires_at": "expiry_exceeds_yours"})
        child = new_key(holder, ["membership.keys.write"], f"{top}.learning")
        assert child["expires_at"] == client.get(f"/v1/keys/{child['id']}").json()["expires_at"]
        assert child["expires_at"][:19] == end[:19]
        # The secret of a key that can more is not to be had by giving it a new one.
        stronger = new_key(client, "*", top, expires_at=instant(60))
        check_problem(holder.post(f"/v1/keys/{stronger['id']}:rotate"), 403, "permissions_exceed_yours")


# -- every refusal that is declared ------------------------------------------------------------------------------------


def make(client, **more):
    return client.post("/v1/organisations", {"path": new_label("u"), "kind": "union", "title": "a", **more})


def dissolved(client, **more):
    path = organisation(client, new_label("u"), "union")["path"]
    client.post(f"/v1/organisations/{path}:dissolve", more).expect(200)
    return path


def dissolve(client, path, **more):
    return client.post(f"/v1/organisations/{path}:dissolve", more)


def patch_organisation(client, path, **fields):
    return client.patch(f"/v1/organisations/{path}", fields, etag="*")


def create_person(client, **fields):
    return client.post("/v1/people", {"student_number": new_number(), "name": "a", **fields})


def patch_person(client, **fields):
    return client.patch(f"/v1/people/{person(client, committee(client))['id']}", fields, etag="*")


def join(client, person_id=None, path=None, **more):
    person_id = person_id or person(client, committee(client))["id"]
    return client.post("/v1/memberships", {"person_id": person_id, "organisation": path or committee(client), **more})


def end(client, made, **more):
    return client.post(f"/v1/memberships/{made['id']}:end", {"reason": "left", **more})


def member(client, path=None, **more):
    return membership(client, person(client, committee(client))["id"], path or committee(client), **more)


def banned(client):
    """The id of a person, and the path of what they cannot join."""
    path = committee(client)
    one = person(client, path)["id"]
    asked = {"person_id": one, "organisation": path, "until": "2090-01-01", "reason": "a"}
    client.post("/v1/bans", asked).expect(201)
    return one, path


def as_weaker(campus, client, act, **more):
    """What a key for keys alone is answered."""
    with campus.client(new_key(client, "membership.keys.*", expires_at=instant(600), **more)["secret"]) as holder:
        return act(holder)


def revoked(client):
    key = new_key(client)
    client.post(f"/v1/keys/{key['id']}:revoke").expect(200)
    return key["id"]


def of_person(campus, client):
    """The id of a key that stands for a person."""
    key = new_key(client)
    campus.sql(f"UPDATE membership.api_key SET person_id = '{person(client, committee(client))['id']}' WHERE id = '{key['id']}'")
    return key["id"]


REFUSALS = {
    ("CreateOrganisation", "organisation_path_taken"): lambda k, c: make(c, path=committee(c)),
    ("CreateOrganisation", "parent_unknown"): lambda k, c: make(c, path="no.such.path"),
    ("CreateOrganisation", "parent_dissolved"): lambda k, c: make(c, path=f"{dissolved(c)}.a", kind="department"),
    ("CreateOrganisation", "kind_not_allowed_here"): lambda k, c: make(c, kind="college"),
    ("CreateOrganisation", "led_by_unknown"): lambda k, c: make(c, led_by=union(c)),
    ("CreateOrganisation", "committee_is_not_led"): lambda k, c: make(c, kind="committee", led_by=committee(c)),
    ("PatchOrganisation", "led_by_unknown"): lambda k, c: patch_organisation(c, union(c), led_by="no.such"),
    ("PatchOrganisation", "committee_is_not_led"): lambda k, c: patch_organisation(c, committee(c), led_by=committee(c)),
    ("PatchOrganisation", "dissolved_before_founded"): lambda k, c: patch_organisation(
        c, dissolved(c, dissolved_on="2020-01-01"), founded_on="2020-01-02"),
    ("PatchOrganisation", "members_before_founded"): lambda k, c: patch_organisation(
        c, member(c, since="2020-01-01")["organisation"], founded_on="2020-01-02"),
    ("DissolveOrganisation", "already_dissolved"): lambda k, c: dissolve(c, dissolved(c)),
    ("DissolveOrganisation", "has_living_children"): lambda k, c: dissolve(c, union(c)),
    ("DissolveOrganisation", "dissolved_before_founded"): lambda k, c: dissolve(
        c, make(c, founded_on="2020-01-02").json()["path"], dissolved_on="2020-01-01"),
    ("DissolveOrganisation", "successor_unknown"): lambda k, c: dissolve(c, committee(c), successor="no.such"),
    ("CreatePerson", "student_number_taken"): lambda k, c: create_person(
        c, home=committee(c), student_number=person(c, committee(c))["student_number"]),
    ("CreatePerson", "home_unknown"): lambda k, c: create_person(c, home="no.such"),
    ("PatchPerson", "student_number_taken"): lambda k, c: patch_person(
        c, student_number=person(c, committee(c))["student_number"]),
    ("PatchPerson", "home_unknown"): lambda k, c: patch_person(c, home="no.such"),
    ("CreateMembership", "person_unknown"): lambda k, c: join(c, NOBODY),
    ("CreateMembership", "person_not_enrolled"): lambda k, c: join(c, person(c, committee(c), status="left")["id"]),
    ("CreateMembership", "organisation_unknown"): lambda k, c: join(c, path="no.such"),
    ("CreateMembership", "outside_organisation_life"): lambda k, c: join(c, path=dissolved(c)),
    ("CreateMembership", "membership_overlaps"): lambda k, c: (
        lambda made: join(c, made["person_id"], made["organisation"]))(member(c)),
    ("CreateMembership", "banned"): lambda k, c: join(c, *banned(c)),
    ("EndMembership", "already_ended"): lambda k, c: (lambda made: (end(c, made).expect(200), end(c, made))[1])(member(c)),
    ("EndMembership", "until_before_since"): lambda k, c: end(c, member(c, since="2020-01-02"), until="2020-01-01"),
    ("CreateKey", "permissions_exceed_yours"): lambda k, c: as_weaker(
        k, c, lambda holder: holder.post("/v1/keys", {"name": "a", "permissions": ["*"]})),
    ("CreateKey", "expiry_exceeds_yours"): lambda k, c: as_weaker(k, c, lambda holder: holder.post(
        "/v1/keys", {"name": "a", "permissions": ["membership.keys.read"], "expires_at": instant(6000)})),
    ("CreateKey", "already_expired"): lambda k, c: c.post(
        "/v1/keys", {"name": "a", "permissions": ["*"], "expires_at": "2020-01-01T00:00:00Z"}),
    ("CreateKey", "organisation_unknown"): lambda k, c: c.post(
        "/v1/keys", {"name": "a", "permissions": ["*"], "organisation": "no.such"}),
    ("CreateKey", "office_not_yours"): lambda k, c: c.post(
        "/v1/keys", {"name": "a", "permissions": ["*"], "office_id": NOBODY}),
    ("CreateKey", "bad_address"): lambda k, c: c.post(
        "/v1/keys", {"name": "a", "permissions": ["*"], "allowed_addresses": ["10.1.2.3/8"]}),
    ("RevokeKey", "already_revoked"): lambda k, c: c.post(f"/v1/keys/{revoked(c)}:revoke"),
    ("RotateKey", "already_revoked"): lambda k, c: c.post(f"/v1/keys/{revoked(c)}:rotate"),
    ("RotateKey", "key_of_another"): lambda k, c: c.post(f"/v1/keys/{of_person(k, c)}:rotate"),
    ("RotateKey", "permissions_exceed_yours"): lambda k, c: as_weaker(
        k, c, lambda holder: holder.post(f"/v1/keys/{new_key(c, '*', expires_at=instant(60))['id']}:rotate")),
    ("RotateKey", "expiry_exceeds_yours"): lambda k, c: as_weaker(
        k, c, lambda holder: holder.post(f"/v1/keys/{new_key(c, 'membership.keys.read')['id']}:rotate")),
}
def declared(client):
    """{(operation, code): status} of every refusal in the API's document."""
    found = {}
    for item in client.get("/openapi.json").expect(200).json()["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                for code in re.findall(r"^- `(\w+)`: ", response.get("description", ""), re.M):
                    found[operation["operationId"], code] = int(status)
    return found


@pytest.mark.parametrize("operation, code", REFUSALS, ids=lambda name: name)
def test_refusals(campus, client, operation, code):
    check_problem(REFUSALS[operation, code](campus, client), declared(client)[operation, code], code)


def test_successors_that_cannot_be(client):
    path = committee(client)
    for successor in (path, dissolved(client), "no.such"):
        answer = dissolve(client, path, successor=successor)
        check_problem(answer, 422, "successor_unknown", {"/successor": "successor_unknown"})
    assert "dissolved_on" not in client.get(f"/v1/organisations/{path}").json()
