"""test_figures.py -- how many people each home has, without anybody to be told from it."""


def create_people(client, home, grade, count):
    for number in range(count):
        person = {"student_number": f"{home}-{grade}-{number}".replace(".", "-"), "name": "某某", "home": home,
                  "grade": grade}
        client.post("/v1/people", person).expect(201)


def test_groups_of_fewer_than_five_are_left_out(client):
    client.post("/v1/organisations", {"path": "fig", "kind": "university", "title": "大学"}).expect(201)
    client.post("/v1/organisations", {"path": "fig.art", "kind": "college", "title": "艺术学院"}).expect(201)
    create_people(client, "fig.art", 2024, 5)
    create_people(client, "fig.art", 2025, 4)

    figures = client.get("/v1/people:figures", query={"home": "fig"}).expect(200).json()

    assert figures == {"groups": [{"home": "fig.art", "grade": 2024, "people": 5}]}


def test_only_homes_within_the_scope_count(client, campus):
    client.post("/v1/organisations", {"path": "figs", "kind": "university", "title": "大学"}).expect(201)
    for college in ("figs.a", "figs.b"):
        client.post("/v1/organisations", {"path": college, "kind": "college", "title": "学院"}).expect(201)
        create_people(client, college, 2024, 5)
    with campus.client(campus.key("membership.people.read", organisation="figs.a")) as narrow:
        groups = narrow.get("/v1/people:figures").expect(200).json()["groups"]
    assert [group["home"] for group in groups] == ["figs.a"]
