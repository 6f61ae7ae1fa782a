"""The two models, by histories that a campus may write and such that it may not."""

import pytest

from storm.contention import MembershipContest, VersionContest
from storm.linearizability import NEVER, UNKNOWN, Operation, stuck_at


def history(*lines):
    """Of (call, return, asked, result)."""
    return [Operation(*line) for line in lines]


PATCH = ("patch", "a", 1)
OTHER = ("patch", "b", 1)
PATCHED = ("patched", 2)

VERSIONS = {
    "patched and read": (True, (0, 1, PATCH, PATCHED), (2, 3, ("read",), (2, "a"))),
    "one of two is stale": (True, (0, 9, PATCH, ("stale",)), (1, 8, OTHER, PATCHED), (10, 11, ("read",), (2, "b"))),
    "asked again, the same answer": (True, (0, 1, PATCH, PATCHED), (2, 3, ("patch", "b", 2), ("patched", 3)),
                                     (4, 5, PATCH, PATCHED)),
    "nobody knows, and asks again": (True, (0, NEVER, PATCH, UNKNOWN), (2, 3, PATCH, PATCHED), (4, 5, ("read",), (2, "a"))),
    "both of two": (False, (0, 9, PATCH, PATCHED), (1, 8, OTHER, PATCHED)),
    "done twice": (False, (0, NEVER, PATCH, UNKNOWN), (2, 3, PATCH, PATCHED), (4, 5, ("read",), (3, "a"))),
    "lost": (False, (0, 1, PATCH, PATCHED), (2, 3, ("read",), (1, "begun"))),
    "stale without another": (False, (0, 1, PATCH, ("stale",))),
    "an old read": (False, (0, 9, PATCH, PATCHED), (1, 2, ("read",), (2, "a")), (3, 4, ("read",), (1, "begun"))),
}

JOIN, AGAIN = ("join", "a", "m"), ("join", "b", "n")
LEAVE = ("leave", "c", "m")
LOOK = ("read", None, None)

MEMBERSHIPS = {
    "joined, left, joined": (True, (0, 1, JOIN, ("join", "m")), (2, 3, LEAVE, ("leave", "m")), (4, 5, AGAIN, ("join", "n")),
                             (6, 7, LOOK, ("open", "n"))),
    "one of two": (True, (0, 9, JOIN, ("join", "m")), (1, 8, AGAIN, ("overlaps",))),
    "nobody knows of the leave": (True, (0, 1, JOIN, ("join", "m")), (2, NEVER, LEAVE, UNKNOWN),
                                 (3, 4, AGAIN, ("join", "n"))),
    "asked again, the same answer": (True, (0, 1, JOIN, ("join", "m")), (2, 3, LEAVE, ("leave", "m")),
                                     (4, 5, JOIN, ("join", "m")), (6, 7, LOOK, ("open", None))),
    "both of two": (False, (0, 9, JOIN, ("join", "m")), (1, 8, AGAIN, ("join", "n"))),
    "overlaps with nobody": (False, (0, 1, JOIN, ("join", "m")), (2, 3, LEAVE, ("leave", "m")),
                             (4, 5, AGAIN, ("overlaps",))),
    "left twice": (False, (0, 1, JOIN, ("join", "m")), (2, 3, LEAVE, ("leave", "m")),
                   (4, 5, ("leave", "d", "m"), ("leave", "m"))),
    "a member still": (False, (0, 1, JOIN, ("join", "m")), (2, 3, LEAVE, ("leave", "m")), (4, 5, LOOK, ("open", "m"))),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_versions(name):
    possible, *lines = VERSIONS[name]
    assert (stuck_at(VersionContest.step, VersionContest.FIRST, history(*lines)) is None) == possible


@pytest.mark.parametrize("name", MEMBERSHIPS)
def test_memberships(name):
    possible, *lines = MEMBERSHIPS[name]
    assert (stuck_at(MembershipContest.step, MembershipContest.FIRST, history(*lines)) is None) == possible
