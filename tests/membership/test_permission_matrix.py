"""test_permission_matrix.py -- every method of the API as every role and as nobody: what the gateway lets through is exactly what
the contract says. The methods are /openapi.json's, the roles and what they hold are the API's own; nothing is listed here."""

import re

import pytest

from api.given import NOBODY, committee, person
from membership.staff import acting_as

VERBS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def methods(campus):
    """{operationId: (verb, path, access, permission)} of every method."""
    with campus.client() as client:
        document = client.get("/openapi.json").expect(200).json()
    return {operation["operationId"]: (verb, path, operation["x-access"], operation.get("x-permission"))
            for path, item in document["paths"].items() for verb, operation in item.items() if verb in VERBS}


@pytest.fixture(scope="module")
def roles(campus, admin):
    """{name: permissions} of every role."""
    with campus.client(admin) as client:
        return {role["name"]: role.get("permissions", []) for role in client.pages("/v1/roles", "roles")}


@pytest.fixture(scope="module")
def top(campus, admin):
    with campus.client(admin) as client:
        return committee(client)


def covers(held, permission):
    return any(one == permission or one.endswith("*") and permission.startswith(one[:-1]) for one in held)


def ask(caller, verb, path):
    """A request that gets as far as authority goes and no further: its body is no JSON, and there is nothing at its path."""
    target = re.sub(r"\{\w+\}", NOBODY, path)
    bare = verb in ("get", "delete")
    more = {} if bare else {"raw": b"{", "type": "application/json", "headers": {"If-Match": "*"}}
    return caller.request(verb.upper(), target, **more)


def expected(access, permission, held):
    """What the contract says to a person who holds these permissions: whether they are let through."""
    return {"public": True, "authenticated": True, "owner": True, "granted": covers(held, permission or "")}[access]


def test_every_method_says_who_may(methods):
    assert len(methods) > 40
    for name, (_, _, access, permission) in methods.items():
        assert access in ("granted", "owner", "public", "authenticated"), name
        assert permission or access in ("public", "authenticated"), name


def test_as_nobody(campus, methods):
    with campus.client() as nobody:
        for name, (verb, path, access, _) in methods.items():
            answer = ask(nobody, verb, path)
            assert (answer.status == 401) == (access != "public"), f"{name}: {answer!r}"


def test_as_a_system_without_rights(campus, methods):
    """A key that stands for nobody: what is the owner's is not its."""
    with campus.client(campus.key("nothing.at.all")) as system:
        for name, (verb, path, access, _) in methods.items():
            answer = ask(system, verb, path)
            assert (answer.status == 403 and answer.code == "permission_denied") == (access in ("granted", "owner")), f"{name}: {answer!r}"


def test_every_permission_is_somebody_s(methods, roles):
    """No method is left to the administrator alone by oversight: each permission is in a role that does not hold everything, or is
    one of those that change authority itself."""
    reserved = {"membership.roles.write", "membership.policies.write"}
    bundles = [held for name, held in roles.items() if name != "administrator"]
    for name, (_, _, _, permission) in methods.items():
        if permission and permission not in reserved:
            assert any(covers(held, permission) for held in bundles), f"{name} needs {permission}, which no role has"



@pytest.mark.parametrize("role", ["administrator", "everyone", "secretary", "chair", "head", "officer", "reviewer", "supervisor",
                                  "registrar", "privacy_officer", "auditor"])
def test_as_each_role(campus, client, methods, roles, top, role):
    one = person(client, top)["id"]
    if role != "everyone":  # which each person has
        client.post("/v1/grants", {"person_id": one, "role": role, "reason": "test"}).expect(201)
    held = roles[role] + roles["everyone"]
    with acting_as(campus, one) as caller:
        for name, (verb, path, access, permission) in methods.items():
            answer = ask(caller, verb, path)
            denied = answer.status == 401 or (answer.status == 403 and answer.code == "permission_denied")
            assert denied != expected(access, permission, held), f"{role}: {name}: {answer!r}"


def test_each_role_is_asked(roles):
    names = next(mark for mark in test_as_each_role.pytestmark if mark.name == "parametrize").args[1]
    assert set(roles) == set(names)
