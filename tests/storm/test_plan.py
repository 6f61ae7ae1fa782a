"""A seed decides the plan."""

from storm.kinds import KINDS
from storm.plan import plan

TARGETS = {"gateway": ["g1", "g2"], "worker": ["w1", "w2"], "postgresql": ["p"], "clients": ["c"]}


def test_a_seed_repeats_its_plan():
    assert plan(7, 120, KINDS, TARGETS) == plan(7, 120, KINDS, TARGETS) != plan(8, 120, KINDS, TARGETS)


def test_a_longer_run_begins_like_a_shorter():
    longer = plan(7, 120, KINDS, TARGETS)
    shorter = plan(7, 60, KINDS, TARGETS)
    assert [step for step in longer if step.at + step.seconds < 60] == shorter


def test_one_target_has_one_fault_at_a_time():
    for seed in range(50):
        busy_until = {}
        for step in plan(seed, 120, KINDS, TARGETS):
            assert step.at > busy_until.get(step.target, 0)
            busy_until[step.target] = step.at + step.seconds
            assert busy_until[step.target] < 120


def test_every_kind_has_its_turn():
    for seed in range(50):
        assert {step.kind for step in plan(seed, 120, KINDS, TARGETS)} == set(KINDS)
