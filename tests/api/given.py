"""given.py -- what the tests of the API start from: organisations, people, memberships and keys of their own; and what
every refusal must look like."""

import itertools
import re

_numbers = itertools.count(1)

# Words of the inside: SQL, the database, source files, addresses in memory.
INSIDE = re.compile(r"(?i)\b(select|insert|update .* set|ltree|postgres|libpq|sqlstate|relation|constraint|pg_\w+|arena|"
                    r"assert)\b|\.c\b|\.sql\b|\.proto\b|0x[0-9a-f]{6,}|/home/|/tmp/|/var/|protobuf|zmq")
MEMBERS = {"type", "title", "status", "code", "detail", "request_id", "errors", "next_step", "retry_after"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NOBODY = "01890000-0000-7000-8000-000000000000"  # an id that no row has


def new_label(start="t"):
    """A label that no other test of the session's process uses."""
    return f"{start}{next(_numbers)}"


def new_number(start="N"):
    """A student number that no other test uses."""
    return f"{start}{next(_numbers):07d}"


def check_problem(answer, status, code=None, pointers=None):
    """Asserts that the answer is this refusal, well formed and with nothing of the inside. Returns the document. Without a
    status: the code says enough."""
    status = status or answer.status
    answer.expect(status)
    assert answer.headers.get_content_type() == "application/problem+json", answer
    problem = answer.json()
    assert set(problem) <= MEMBERS, problem
    assert problem["type"] == "about:blank" and problem["status"] == status, problem
    assert problem["title"] and problem["detail"] and problem["code"], problem
    assert "%s" not in answer.text and "…" not in answer.text, answer
    assert not INSIDE.search(answer.text), f"{INSIDE.search(answer.text)[0]!r} in {answer!r}"
    assert problem["request_id"] == answer.headers["X-Request-Id"], problem
    for error in problem.get("errors", []):
        assert set(error) == {"pointer", "code", "detail"} and error["code"] and error["detail"], problem
    if code is not None:
        assert problem["code"] == code, answer
    if pointers is not None:
        assert answer.pointers() == pointers, answer
    return problem


def organisation(client, path, kind="department", **more):
    return client.post("/v1/organisations", {"path": path, "kind": kind, "title": f"组织 {path}", **more}).expect(201).json()


def committee(client):
    """A committee at the top of a tree of its own; its path."""
    return organisation(client, new_label("c"), "committee")["path"]


def union(client):
    """A student union at the top, with the departments `learning` and `sports`; its path."""
    top = organisation(client, new_label("u"), "union")["path"]
    organisation(client, f"{top}.learning")
    organisation(client, f"{top}.sports")
    return top


def person(client, home, **more):
    asked = {"student_number": new_number(), "name": "李雷", "home": home, **more}
    return client.post("/v1/people", asked).expect(201).json()


def membership(client, person_id, path, **more):
    return client.post("/v1/memberships", {"person_id": person_id, "organisation": path, **more}).expect(201).json()


def new_key(client, permissions="*", path=None, **more):
    """A new key as its creation shows it, with its secret."""
    permissions = [permissions] if isinstance(permissions, str) else list(permissions)
    asked = {"name": new_label("key "), "permissions": permissions, **more}
    if path is not None:
        asked["organisation"] = path
    return client.post("/v1/keys", asked).expect(201).json()


def ids(page, items):
    return [item["id"] for item in page.get(items, [])]
