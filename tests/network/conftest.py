"""A network for the session, and a campus spread over its hosts for each module."""

import pytest

from hosts import Network, Spread, possible


@pytest.fixture(scope="session")
def network():
    if not possible():
        pytest.skip("network namespaces cannot be made here")
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def spread(network):
    with Spread(network) as spread:
        yield spread
