"""staff.py -- offices, and people who hold them: what the tests of authority start from."""

from api.given import new_key, new_label


def office(client, path, kind="head", **more):
    asked = {"organisation": path, "kind": kind, "title": new_label("职务"), **more}
    return client.post("/v1/offices", asked).expect(201).json()


def appoint(client, office_id, person_id, **more):
    asked = {"office_id": office_id, "person_id": person_id, "chosen": "election", **more}
    return client.post("/v1/appointments", asked)


def caller_for(campus, client, person_id):
    """A client that calls as a person: by a key that stands for them, so that it can do what they can."""
    key = new_key(client)
    campus.sql(f"UPDATE membership.api_key SET person_id = '{person_id}' WHERE id = '{key['id']}'")
    return campus.client(key["secret"])


def today(campus, days=0):
    return campus.value(f"SELECT campus.today() + {days}")
