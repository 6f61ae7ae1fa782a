"""staff.py -- offices, people who hold them, and callers who are these people: what the tests of authority start from."""

import hashlib
import secrets

from api.given import new_label, person


def office(client, path, kind="head", **more):
    asked = {"organisation": path, "kind": kind, "title": new_label("职务"), **more}
    return client.post("/v1/offices", asked).expect(201).json()


def standing_office(client, path, kind="chair", **more):
    """One that has been there for years."""
    return office(client, path, kind, **{"established_on": "2020-01-01", **more})


def appoint(client, office_id, person_id, **more):
    asked = {"office_id": office_id, "person_id": person_id, "chosen": "election", **more}
    return client.post("/v1/appointments", asked)


def appointed(client, office_id, person_id, **more):
    return appoint(client, office_id, person_id, **more).expect(201).json()


def officer(client, path, kind="chair", term=None, **more):
    """A new person in a new office: (person, office, appointment)."""
    somebody = person(client, path.split(".")[0])
    place = standing_office(client, path, kind, **more)
    return somebody, place, appointed(client, place["id"], somebody["id"], **(term or {}))


def acting_as(campus, person_id=None, permissions="*", office_id=None):
    """A client who is this person, with the rights that follow from their offices and grants; or who acts for this office."""
    secret = "campus_" + secrets.token_urlsafe(32)
    behind = f"'{person_id}'" if person_id else "NULL"
    place = f"'{office_id}'" if office_id else "NULL"
    campus.sql("INSERT INTO membership.api_key (id, name, person_id, office_id, permissions, token_hash) "
               f"VALUES (campus.new_id(), 'test', {behind}, {place}, '{{{permissions}}}', "
               f"'\\x{hashlib.sha256(secret.encode()).hexdigest()}')")
    return campus.client(secret)


def grant(campus, person_id, permissions, path=""):
    """These permissions in a subtree, by a role of their own."""
    role = "of_" + secrets.token_hex(8).translate(str.maketrans("0123456789", "ghijklmnop"))
    campus.sql(f"""
        INSERT INTO membership.role (name, title) VALUES ('{role}', '{role}');
        INSERT INTO membership.role_permission SELECT '{role}', unnest('{{{",".join(permissions)}}}'::text[]);
        INSERT INTO membership.role_grant (id, person_id, role, organisation, since, reason, granted_by)
        VALUES (campus.new_id(), '{person_id}', '{role}', '{path}', '-infinity', 'test', 'test')""")


def stand_for(campus, key, person_id):
    """Makes a key stand for a person, who is granted what the key holds where it holds it: a person's key can do no more than
    they can."""
    campus.sql(f"UPDATE membership.api_key SET person_id = '{person_id}' WHERE id = '{key['id']}'")
    grant(campus, person_id, key["permissions"], key.get("organisation", ""))


def today(campus, days=0):
    return campus.value(f"SELECT campus.today() + {days}")
