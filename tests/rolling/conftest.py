"""conftest.py -- every test of these has a campus of its own, since it leaves none of its processes as it was."""

import contextlib

import pytest

import load
from succession import Succession


@pytest.fixture
def new_succession():
    """Makes and starts a Succession(...) that ends with the test; then its logs and what it stored are looked through."""
    with contextlib.ExitStack() as stack:
        def make(**options):
            campus = stack.enter_context(Succession(**options))
            stack.callback(load.assert_discreet, campus)
            key = campus.key()
            with campus.client(key) as client:
                load.found(client, "su", "su.learning")
            return campus, key
        yield make
