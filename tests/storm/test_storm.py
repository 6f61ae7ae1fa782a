"""A short storm: the plan of one seed, whole. `make faults` makes longer ones, each another."""

import pytest

import harness
from storm.report import report
from storm.storm import Storm

SEED, SECONDS = 4985, 22  # a plan of nearly every kind


@pytest.mark.skipif(harness.BUILD.name in ("asan", "tsan"), reason="a storm is about time; what it calls is tested with sanitizers")
def test_a_short_storm():
    storm = Storm(SEED, SECONDS).run(print)
    print(report(storm))
    assert storm.failed() == []
