"""linearizability.py -- whether what several clients saw of one resource could have happened one after another.

A history is a list of operations with the times of their call and return; each must seem to take effect at one moment
between the two (Herlihy and Wing, 1990). The search is that of Wing and Gong (1993), with Lowe's memory (2017) of
configurations that it has been in: which operations are done, and the state after them. Resources are independent, so each
is checked alone.

A model is a pure function step(state, asked) -> (result, state); states are hashable.
"""

import math
import typing

UNKNOWN = "unknown"  # the result of an operation that was never answered
NEVER = math.inf  # when it returned: it may take effect at any time from its call on, or not at all


class Operation(typing.NamedTuple):
    call: float
    returned: float
    asked: typing.Any
    result: typing.Any


class Undecided(Exception):
    """The search has become too long."""


def stuck_at(step, state, history, most=1_000_000):
    """None where the history is linearizable; else the operations of which none can come next, at the place where the search
    got farthest. Undecided after `most` configurations."""
    history = sorted(history, key=lambda one: (one.call, one.returned))
    answered = sum(1 << number for number, one in enumerate(history) if one.returned != NEVER)
    seen, untried = {(0, state)}, [(0, state)]
    farthest = 0
    while untried:
        done, state = untried.pop()
        if done & answered == answered:
            return None
        farthest = max(farthest, done, key=int.bit_count)
        for following in _following(step, history, done, state):
            if following not in seen:
                seen.add(following)
                untried.append(following)
        if len(seen) > most:
            raise Undecided(f"{most} configurations of {len(history)} operations")
    return [history[number] for number in _minimal(history, farthest)]


def _following(step, history, done, state):
    """The configurations after one more operation. The earliest to return is tried first: last in this order."""
    for number in sorted(_minimal(history, done), key=lambda number: -history[number].returned):
        one = history[number]
        result, after = step(state, one.asked)
        # One that was never answered need not have happened; where it changes nothing, nothing is lost without it.
        if one.result == result or (one.result == UNKNOWN and after != state):
            yield done | 1 << number, after


def _minimal(history, done):
    """Those not done that were called before any other of these returned."""
    horizon, found = NEVER, []
    for number, one in enumerate(history):
        if one.call > horizon:
            break
        if not done >> number & 1:
            horizon = min(horizon, one.returned)
            found.append(number)
    return found
