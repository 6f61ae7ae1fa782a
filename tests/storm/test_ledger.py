"""The comparison finds what is lost and what is doubled: each of these databases is wrong in one thing."""

import pytest

from storm.ledger import Books, Write

PERSON = {"student_number": "SN1", "home": "su"}
CREATED = ("storm-1.1", "person.created", "p")
KEPT = ("p", "SN1", "su", None, "1")


class Answer:
    """What a client was told."""

    def __init__(self, status, told):
        self.status, self.told = status, told

    def json(self):
        return self.told


def write(what, sent, told=None):
    """The first write of a ledger, acknowledged where it was told something."""
    made = Write(what, "storm-1", {"json": sent})
    if told:
        made.acknowledge(Answer(200, told))
    return made


def test_one_effect_of_one_write():
    books = Books([("storm-1.2", "person.created", "p")], [KEPT])
    for known in ({"id": "p"}, None):
        assert not books.doubled(write("create person", PERSON, known))
    assert not books.lost(write("create person", PERSON, {"id": "p"}))


@pytest.mark.parametrize("facts, people", [
    ([], [KEPT]),
    ([CREATED], []),
    ([("storm-2.1", "person.created", "p")], [KEPT]),
    ([("storm-1.1", "person.created", "q")], [KEPT]),
    ([CREATED], [("p", "SN2", "su", None, "1")]),
])
def test_lost(facts, people):
    assert Books(facts, people).lost(write("create person", PERSON, {"id": "p"}))


@pytest.mark.parametrize("facts", [
    [CREATED, CREATED],
    [CREATED, ("storm-1.2", "person.created", "p")],
    [CREATED, ("storm-1.2", "person.created", "q")],
])
@pytest.mark.parametrize("told", [{"id": "p"}, None])
def test_doubled(facts, told):
    assert Books(facts, [KEPT]).doubled(write("create person", PERSON, told))


def test_a_change_that_was_overwritten_by_none():
    patch = write("patch person", {"class_name": "new"}, {"id": "p", "version": 3})
    facts = [("storm-1.1", "person.updated", "p")]
    assert Books(facts, [("p", "SN1", "su", "old", "3")]).lost(patch)
    assert Books(facts, [("p", "SN1", "su", "new", "2")]).lost(patch)
    assert not Books(facts, [("p", "SN1", "su", "new", "3")]).lost(patch)
    assert not Books(facts, [("p", "SN1", "su", "newer", "4")]).lost(patch)


def test_a_roster_row_by_row():
    rows = [{"outcome": "created", "id": "p"}, {"outcome": "updated", "id": "q"}, {"outcome": "unchanged", "id": "r"}]
    roster = write("import", None, {"rows": rows})
    people = [(id, "SN", "su", None, "1") for id in "pqr"]
    facts = [("storm-1.1", "person.created", "p"), ("storm-1.1", "person.updated", "q")]
    assert not Books(facts, people).lost(roster) and not Books(facts, people).doubled(roster)
    assert Books(facts[:1], people).lost(roster)
    assert Books([*facts, ("storm-1.2", "person.updated", "q")], people).doubled(roster)
    assert Books([*facts, ("storm-1.1", "person.updated", "r")], people).doubled(roster)


def test_who_has_left_is_gone():
    leave = write("leave", {"reason": "left"}, {"id": "m"})
    facts = [("storm-1.1", "membership.ended", "m")]
    assert Books(facts, memberships=[("m", "p", "su", None)]).lost(leave)
    assert not Books(facts, memberships=[("m", "p", "su", "2026-01-01")]).lost(leave)
