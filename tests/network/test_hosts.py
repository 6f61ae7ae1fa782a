"""Gateways and workers on hosts of their own: found by name, let in by key, cut off and back again."""

import contextlib

import pytest

import harness
from harness import Client, wait_until
from hosts import workers_at
from load import Traffic, assert_kept_once, found, workers

READ = "/v1/organisations?page_size=1"
WITHIN = 1.5  # seconds in which a revocation takes effect: the second that gateways remember, and a test's own pace


def live_workers(spread):
    return workers_at(spread.entrance)


@pytest.fixture(scope="module")
def key(spread):
    key = spread.key()
    with spread.client(key) as client:
        found(client)
    return key


@pytest.fixture
def added(spread):
    """Starts processes that end with the test."""
    with contextlib.ExitStack() as stack:
        def start(process):
            stack.callback(spread.discard, process.start())
            wait_until(lambda: "metrics port=" in process.log(), "it takes signals")
            return process
        yield start
    spread.know_gateways()
    wait_until(lambda: live_workers(spread) == 2, "only the two workers are left")


def test_two_workers_and_a_gateway(spread, key):
    with Traffic(spread, key) as traffic:
        traffic.flow(200)
    assert traffic.failures() == []
    assert_kept_once(spread, traffic)


def test_a_gateway_comes_moves_and_goes(spread, key, added):
    """The workers need no word of it: they look the name up again."""
    first = spread.entrance
    with Traffic(spread, key) as traffic:
        second = added(spread.add_gateway())
        spread.know_gateways()
        wait_until(lambda: workers_at(second) == 2, "the second gateway has the workers")
        with Client(second.address, 8080, key) as other:
            other.get(READ).expect(200)
        traffic.flow(50)
        second.stop()
        spread.know_gateways(first)
        traffic.flow(50)
        third = added(spread.add_gateway())
        spread.know_gateways(first, third)
        wait_until(lambda: workers_at(third) == 2, "the third gateway has the workers")
    assert traffic.failures() == []
    for worker in workers(spread):
        wait_until(lambda: f"gateway lost endpoint=tcp://{second.address}" in worker.log(),
                   "the worker has let go of the second gateway")


def test_a_revocation_reaches_each_gateway_within_a_second(spread, key, added):
    """Each remembers by itself what it was told of a key, and none is told of the end: it forgets after a second."""
    second = added(spread.add_gateway())
    spread.know_gateways()
    wait_until(lambda: workers_at(second) == 2, "the second gateway has the workers")
    with spread.client(key) as client, contextlib.ExitStack() as stack:
        made = client.post("/v1/keys", {"name": "a", "permissions": ["membership.organisations.read"]}).expect(201).json()
        own = [stack.enter_context(Client(gateway.address, 8080, made["secret"])) for gateway in (spread.entrance, second)]
        for one in own:
            one.get(READ).expect(200)
        client.post(f"/v1/keys/{made['id']}:revoke").expect(200)
        wait_until(lambda: [one.get(READ).status for one in own] == [401, 401], "both have heard", WITHIN)


def test_a_host_is_cut_off_under_load(spread, key):
    host = spread.hosts[workers(spread)[0].name]
    with Traffic(spread, key) as traffic:
        traffic.flow(50)
        host.unplug()
        wait_until(lambda: live_workers(spread) == 1, "the gateway has noticed")
        traffic.flow(50)
        host.plug()
        wait_until(lambda: live_workers(spread) == 2, "the worker is back")
        traffic.flow(50)
    assert traffic.failures() == []
    assert_kept_once(spread, traffic)


def test_unlisted_key_gets_nothing_and_is_named(spread, added):
    spread.make_keys("stranger")
    stranger = added(spread.add_worker("stranger-1", key="stranger"))
    public_key = (spread.keys / "stranger.public").read_text().strip()
    wait_until(lambda: f"key refused key={public_key}" in spread.entrance.log(), "the gateway names the key")
    wait_until(lambda: "handshake failed" in stranger.log(), "the stranger is told")
    assert live_workers(spread) == 2


def test_key_that_is_listed_later_is_let_in(spread, added):
    """A worker that was refused tries again; nobody has to start it anew."""
    allowed = spread.keys / "allowed"
    listed = allowed.read_text()
    spread.make_keys("early")
    public_key = (spread.keys / "early.public").read_text().strip()
    early = added(spread.add_worker("early-1", key="early"))
    wait_until(lambda: "handshake failed" in early.log(), "it is refused")
    allowed.write_text(f"{listed}{public_key} membership early\n")
    wait_until(lambda: live_workers(spread) == 3, "it is let in")
    allowed.write_text(listed)
    wait_until(lambda: live_workers(spread) == 2, "and out again")


def test_key_of_another_role_is_refused_by_name(spread, added):
    spread.make_keys("poster")
    public_key = (spread.keys / "poster.public").read_text().strip()
    with (spread.keys / "allowed").open("a") as list:
        list.write(f"{public_key} publicity poster\n")
    added(spread.add_worker("poster-1", key="poster"))
    wait_until(lambda: "why=key_not_allowed what=poster" in spread.entrance.log(), "the gateway names the key")
    assert live_workers(spread) == 2


def test_wrong_key_of_the_gateway(spread, added):
    """Whoever sits at the gateway's address without its key gets nothing from a worker, and is told nothing."""
    spread.make_keys("impostor")
    added(spread.add_worker("careful-1", gateway_key="impostor"))
    wait_until(lambda: "handshake failed" in spread.entrance.log(), "the gateway tells of it")
    assert live_workers(spread) == 2


def test_key_withdrawn_while_it_serves(spread, key, added):
    allowed = spread.keys / "allowed"
    listed = allowed.read_text()
    spread.make_keys("second", "membership")
    added(spread.add_worker("other-1", key="second"))
    wait_until(lambda: live_workers(spread) == 3, "a third worker")
    allowed.write_text(listed)
    wait_until(lambda: live_workers(spread) == 2, "its key is no longer served")
    with spread.client(key) as client:
        client.get(READ).expect(200)


def refusal(campus, role, **settings):
    """Why the program does not start over tcp."""
    environment = {f"CAMPUS_{name.upper()}": str(value) for name, value in settings.items()}
    process = harness.Process("refused", ["serve", role], campus.folder, {**campus.environment, **environment}).start()
    assert process.wait() == 1
    return process.log()


def test_without_keys_tcp_does_not_start(campus):
    folder = harness.new_folder()
    campus.run("keys", "new", "own", f"--folder={folder}", "--serves=membership")
    secret = {"bus_key_file": folder / "own.secret"}
    anywhere, somewhere = {"bus": "tcp://*:5555"}, {"bus": "tcp://gateway:5555"}
    assert "setting bus_key_file" in refusal(campus, "gateway", **anywhere)
    assert "setting allowed_keys_file" in refusal(campus, "gateway", **anywhere, **secret)
    assert "setting bus_key_file" in refusal(campus, "membership", **somewhere)
    assert "setting gateway_key_file" in refusal(campus, "membership", **somewhere, **secret)
    (folder / "own.secret").chmod(0o644)
    assert "0600" in refusal(campus, "membership", **somewhere, **secret, gateway_key_file=folder / "own.public")


def test_line_after_one_that_was_left_open(campus):
    folder = harness.new_folder()
    (folder / "allowed").write_text("# by hand, without an end")
    harness.give(folder / "allowed")
    campus.run("keys", "new", "one", f"--folder={folder}", "--serves=membership")
    public_key = (folder / "one.public").read_text().strip()
    assert (folder / "allowed").read_text() == f"# by hand, without an end\n{public_key} membership one\n"


def test_keys_new_refuses(campus):
    folder = harness.new_folder()
    campus.run("keys", "new", "one", f"--folder={folder}")
    for words, said in ((["new", "one"], "File exists"), (["new", "../x"], "letters, digits"), (["new"], "letters, digits"),
                        (["new", "two", "--serves=kitchen"], "no such service"), (["new", "two", "--serves="], "no service"), (["old"], "keys new NAME"),
                        (["new", "a", "b"], "what is b"), (["new", "a", "--colour=red"], "what is --colour=red")):
        done = campus.run("keys", *words, f"--folder={folder}", check=False)
        assert done.returncode == 1 and said in done.stderr, words
    assert sorted(file.name for file in folder.iterdir()) == ["one.public", "one.secret"]
    assert (folder / "one.secret").stat().st_mode & 0o777 == 0o600
