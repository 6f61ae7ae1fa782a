"""conftest.py -- people with accounts, and callers from elsewhere."""

import pytest

from api.given import new_key
from membership.signing import account, college, session


@pytest.fixture(scope="module")
def given(campus, admin):
    """The path of a college."""
    with campus.client(admin) as client:
        return college(client)


@pytest.fixture
def one(client, anonymous, given):
    """A person of it with an account."""
    return account(client, anonymous, given)


@pytest.fixture
def holder(campus, anonymous, one):
    """A client with a session of `one`."""
    with campus.client(session(anonymous, one)) as holder:
        yield holder


@pytest.fixture(scope="module")
def elsewhere(campus, admin, home):
    """A client that may do everything, in another college than the module's."""
    with campus.client(admin) as client:
        secret = new_key(client, "membership.*", f"{home}.art")["secret"]
    with campus.client(secret) as caller:
        yield caller
