"""staff.py -- offices, and people who hold them: what the tests of authority start from."""

from api.given import new_key, new_label


def office(client, path, kind="head", **more):
    asked = {"organisation": path, "kind": kind, "title": new_label("职务"), **more}
    return client.post("/v1/offices", asked).expect(201).json()


def appoint(client, office_id, person_id, **more):
    asked = {"office_id": office_id, "person_id": person_id, "chosen": "election", **more}
    return client.post("/v1/appointments", asked)


def stand_for(campus, key, person_id):
    """Makes a key stand for a person, who is granted what the key holds where it holds it: a person's key can do no more than
    they can."""
    role = "of_" + key["id"].replace("-", "").translate(str.maketrans("0123456789", "ghijklmnop"))
    campus.sql(f"""
        UPDATE membership.api_key SET person_id = '{person_id}' WHERE id = '{key["id"]}';
        INSERT INTO membership.role (name, title) VALUES ('{role}', '{role}');
        INSERT INTO membership.role_permission
        SELECT '{role}', unnest(permissions) FROM membership.api_key WHERE id = '{key["id"]}';
        INSERT INTO membership.role_grant (id, person_id, role, organisation, since, reason, granted_by)
        SELECT campus.new_id(), person_id, '{role}', coalesce(organisation, ''), '-infinity', 'test', 'test'
          FROM membership.api_key WHERE id = '{key["id"]}';""")


def caller_for(campus, client, person_id):
    """A client that calls as a person: by a key that stands for them, so that it can do what they can."""
    key = new_key(client)
    campus.sql(f"UPDATE membership.api_key SET person_id = '{person_id}' WHERE id = '{key['id']}'")
    return campus.client(key["secret"])


def today(campus, days=0):
    return campus.value(f"SELECT campus.today() + {days}")
