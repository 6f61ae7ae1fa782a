"""officers.py -- what tests of offices start from: an organisation's offices, who holds them, and callers who are these people."""

import hashlib
import secrets

from api.given import person


def office(client, path, kind="chair", **more):
    asked = {"organisation": path, "kind": kind, "title": f"{kind} {secrets.token_hex(3)}", "established_on": "2020-01-01", **more}
    return client.post("/v1/offices", asked).expect(201).json()


def appoint(client, office_id, person_id, **more):
    asked = {"office_id": office_id, "person_id": person_id, "chosen": "election", **more}
    return client.post("/v1/appointments", asked).expect(201).json()


def officer(client, path, kind="chair", appointed=None, **more):
    """A new person in a new office: (person, office, appointment)."""
    somebody = person(client, path.split(".")[0])
    place = office(client, path, kind, **more)
    return somebody, place, appoint(client, place["id"], somebody["id"], **(appointed or {}))


def caller(campus, person_id=None, permissions="*", office_id=None):
    """A client who is this person, with the rights that follow from their offices; or who acts for this office."""
    secret = "campus_" + secrets.token_urlsafe(32)
    behind = f"'{person_id}'" if person_id else "NULL"
    place = f"'{office_id}'" if office_id else "NULL"
    campus.sql("INSERT INTO membership.api_key (id, name, person_id, office_id, permissions, token_hash) "
               f"VALUES (campus.new_id(), 'test', {behind}, {place}, '{{{permissions}}}', "
               f"'\\x{hashlib.sha256(secret.encode()).hexdigest()}')")
    return campus.client(secret)
