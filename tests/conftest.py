"""conftest.py -- the fixtures that every test may ask for. A module's tests share its campus; each cleans up or uses
names of its own, and a test that breaks things makes a Campus of its own with `new_campus`."""

import contextlib
import signal

import pytest

import harness

SESSION = pytest.StashKey()


def pytest_configure(config):
    # Who runs the tests in the background may have had SIGINT ignored, and what ignores it hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The workers of pytest-xdist find the folder in their environment.
    config.stash[SESSION] = harness.session_open()


def pytest_unconfigure(config):
    folder = config.stash.get(SESSION, None)
    if folder:
        harness.session_close(folder)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for campus in harness.living:
            for name, text in campus.logs().items():
                report.sections.append((f"log of {campus.folder.name}/{name}", harness.tail(text, 60)))


@pytest.fixture(scope="module")
def new_campus():
    """Makes and starts a Campus(...) that ends with the module."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(harness.Campus(**options))


@pytest.fixture(scope="module")
def campus(new_campus):
    """Every role in one process."""
    return new_campus()


@pytest.fixture(scope="module")
def split(new_campus):
    """A gateway and two membership workers, a process each, over ipc."""
    return new_campus(split=True)


@pytest.fixture(scope="module")
def admin(campus):
    """The secret of a key of `campus` that may do everything."""
    return campus.key()


@pytest.fixture
def client(campus, admin):
    """A client of `campus` with the administrator's key."""
    with campus.client(admin) as client:
        yield client


@pytest.fixture
def anonymous(campus):
    """A client of `campus` without a key."""
    with campus.client() as client:
        yield client


@pytest.fixture(scope="module")
def split_admin(split):
    return split.key()


@pytest.fixture
def split_client(split, split_admin):
    """A client of `split` with an administrator's key."""
    with split.client(split_admin) as client:
        yield client
