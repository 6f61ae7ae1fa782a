"""plan.py -- what will go wrong, and when: a list that a seed decides, the same wherever it runs."""

import random
import typing

CALM_SECONDS = 2  # before the first fault
PAUSES = (0.3, 2.2)  # between the beginnings of two faults, shortest and longest


class Step(typing.NamedTuple):
    """One fault: how many seconds from the beginning, to what, for how long; draw, in [0, 1), decides what else there is."""
    at: float
    kind: typing.Any
    target: str
    seconds: float
    draw: float


def plan(seed, seconds, kinds, targets):
    """The steps, in order. targets: {what a kind is on: [name, ...]}. One target has one fault at a time.

    Each kind has its turn before any comes twice; then their weights count.
    """
    chance = random.Random(seed)
    first = chance.sample(kinds, len(kinds))
    free_at = {}
    steps = []
    at = float(CALM_SECONDS)
    while at < seconds:
        kind = first.pop() if first else chance.choices(kinds, [kind.weight for kind in kinds])[0]
        target = chance.choice(targets[kind.on])
        length = chance.uniform(*kind.seconds)
        draw = chance.random()
        at = max(at, free_at.get(target, 0.0) + PAUSES[0])
        steps.append(Step(round(at, 3), kind, target, round(length, 3), draw))
        free_at[target] = at + length
        at += chance.uniform(*PAUSES)
    return [step for step in steps if step.at + step.seconds < seconds]
