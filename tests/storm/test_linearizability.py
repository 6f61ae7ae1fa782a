"""The checker: histories of a register and of a set of keys that have an order, and some that have none."""

import pytest

from storm.linearizability import NEVER, UNKNOWN, Operation, Undecided, stuck_at


def register(state, asked):
    """Read, write, and compare-and-set of one value."""
    what, *values = asked
    if what == "read":
        return state, state
    if what == "write":
        return "ok", values[0]
    return ("set", values[1]) if values[0] == state else ("kept", state)


def history(*lines):
    """Of (call, return, asked, result)."""
    return [Operation(*line) for line in lines]


LINEARIZABLE = {
    "nothing": history(),
    "one after another": history((0, 1, ("write", 1), "ok"), (2, 3, ("read",), 1)),
    "a read during a write sees the old": history((0, 9, ("write", 1), "ok"), (1, 2, ("read",), 0)),
    "or the new": history((0, 9, ("write", 1), "ok"), (1, 2, ("read",), 1)),
    "the old, then the new": history((0, 9, ("write", 1), "ok"), (1, 2, ("read",), 0), (3, 4, ("read",), 1)),
    "of two at once the later call is first": history((0, 9, ("write", 1), "ok"), (1, 8, ("write", 2), "ok"),
                                                      (10, 11, ("read",), 1)),
    "one of two sets": history((0, 9, ("cas", 0, 1), "set"), (1, 8, ("cas", 0, 2), "kept"), (10, 11, ("read",), 1)),
    "unknown, and it happened": history((0, NEVER, ("write", 1), UNKNOWN), (5, 6, ("read",), 1)),
    "unknown, and it did not": history((0, NEVER, ("write", 1), UNKNOWN), (5, 6, ("read",), 0)),
    "unknown, and it happened late": history((0, NEVER, ("write", 1), UNKNOWN), (5, 6, ("read",), 0), (7, 8, ("read",), 1)),
    "unknown, of which another tells": history((0, NEVER, ("cas", 0, 1), UNKNOWN), (2, 3, ("cas", 1, 2), "set"),
                                               (4, 5, ("read",), 2)),
    "answered, the time unknown": history((0, NEVER, ("write", 1), "ok"), (5, 6, ("read",), 0), (7, 8, ("read",), 1)),
}

NOT_LINEARIZABLE = {
    "a write is lost": history((0, 1, ("write", 1), "ok"), (2, 3, ("read",), 0)),
    "the new, then the old": history((0, 9, ("write", 1), "ok"), (1, 2, ("read",), 1), (3, 4, ("read",), 0)),
    "two set from the same value": history((0, 9, ("cas", 0, 1), "set"), (1, 8, ("cas", 0, 2), "set")),
    "out of thin air": history((0, 1, ("write", 1), "ok"), (0, 9, ("read",), 7)),
    "unknown, seen before its call": history((0, 1, ("read",), 1), (2, NEVER, ("write", 1), UNKNOWN)),
    "unknown, done twice": history((0, NEVER, ("cas", 0, 1), UNKNOWN), (1, 2, ("read",), 1), (3, 4, ("write", 0), "ok"),
                                   (5, 6, ("read",), 1)),
    "kept where it had to set": history((0, 1, ("cas", 0, 1), "kept")),
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_linearizable(name):
    assert stuck_at(register, 0, LINEARIZABLE[name]) is None


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_not_linearizable(name):
    assert stuck_at(register, 0, NOT_LINEARIZABLE[name])


def test_tells_where_it_is_stuck():
    read = Operation(4, 5, ("read",), 0)
    assert stuck_at(register, 0, history((0, 1, ("write", 1), "ok"), (2, 3, ("read",), 1), read)) == [read]


def test_many_at_once_are_decided():
    """Twelve writers at once, and fifty writes of which nobody knows: only the memory of configurations makes this short."""
    writes = [Operation(0, 100, ("write", n % 3), "ok") for n in range(12)]
    lost = [Operation(0, NEVER, ("cas", 10 + n, n), UNKNOWN) for n in range(50)]
    assert stuck_at(register, 0, [*writes, *lost, Operation(101, 102, ("read",), 1)]) is None
    assert stuck_at(register, 0, [*writes, *lost, Operation(101, 102, ("read",), 7)])


def test_gives_up_in_words():
    with pytest.raises(Undecided):
        writes = [Operation(0, 9, ("write", n), "ok") for n in range(20)]
        stuck_at(register, 0, [*writes, Operation(10, 11, ("read",), -1)], most=1000)
