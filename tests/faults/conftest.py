"""conftest.py -- every campus of these tests logs all that it can, and nothing of it may be personal."""

import contextlib

import pytest

import harness
import load


@pytest.fixture(scope="module")
def new_campus():
    """Makes and starts a Campus(...) that ends with the module; then its logs and what it stored are looked through."""
    with contextlib.ExitStack() as stack:
        def make(settings=None, **options):
            every = {"CAMPUS_LOG_LEVEL": "debug", "CAMPUS_RATE_PRINCIPAL": "0", "CAMPUS_RATE_ADDRESS": "0",
                     "CAMPUS_RATE_CONNECTIONS": "0"}
            campus = stack.enter_context(harness.Campus(settings={**every, **(settings or {})}, **options))
            stack.callback(load.assert_discreet, campus)
            return campus
        yield make
