"""A gateway that is killed or told to stop while requests are under way, and clients that do not wait."""

import http.client
import json
import socket
import struct
import threading

import pytest

from harness import wait_until
from load import assert_kept_once, found, key_header, lock_home, person, send, Traffic, wait_blocked, workers

CLIENTS = 4
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER


@pytest.fixture(scope="module")
def split(new_campus):
    return new_campus(split=True, settings={"CAMPUS_LOCK_MS": "15000", "CAMPUS_STATEMENT_MS": "20000",
                                            "CAMPUS_REQUEST_MS": "20000"})


@pytest.fixture(scope="module", autouse=True)
def homes(split, split_admin):
    with split.client(split_admin) as client:
        found(client, "su", "su.learning", "su.sports")


def create_many(campus, key, home):
    """As many creates at once as CLIENTS, each on a connection of its own: [(body, Sent)]."""
    bodies = [person(home) for _ in range(CLIENTS)]
    return [(body, send(campus, key, "POST", "/v1/people", json=body, headers=key_header(body["student_number"])))
            for body in bodies]


def assert_answered(campus, key, asked):
    """Each got the answer to its own request, and is there once."""
    with campus.client(key) as client:
        for body, sent in asked:
            told = sent.answer().expect(201).json()
            assert told["student_number"] == body["student_number"]
            assert client.get(f"/v1/people/{told['id']}").expect(200).json()["name"] == body["name"]


def people(campus, bodies):
    numbers = ", ".join(f"'{body['student_number']}'" for body in bodies)
    return int(campus.value(f"SELECT count(*) FROM membership.person WHERE student_number IN ({numbers})"))


def test_killed_with_requests_under_way(split, split_admin):
    """What the workers still say to the gateway that was killed, its successor hands to nobody, though it counts its requests
    from one again."""
    gateway = split.processes["gateway"]
    with lock_home(split, "su.learning") as early, lock_home(split, "su.sports") as late:
        orphans = create_many(split, split_admin, "su.learning")
        wait_blocked(split, CLIENTS)
        gateway.kill()
        for _, sent in orphans:
            with pytest.raises((OSError, http.client.HTTPException)):
                sent.answer()
        split.start_process("gateway")
        asked = create_many(split, split_admin, "su.sports")
        wait_blocked(split, 2 * CLIENTS)
        early.release()
        wait_until(lambda: people(split, [body for body, _ in orphans]) == CLIENTS, "the orphans are written")
        # The workers have told their end; others are answered meanwhile, and these still wait.
        with Traffic(split, split_admin) as traffic:
            traffic.flow(100)
        assert all(sent.under_way() for _, sent in asked)
        late.release()
        assert_answered(split, split_admin, asked)
    assert traffic.failures() == []
    assert_kept_once(split, traffic)
    # Who asked the first gateway asks again, and gets the answer of then.
    with split.client(split_admin) as client:
        for body, _ in orphans:
            again = client.post("/v1/people", body, headers=key_header(body["student_number"])).expect(201)
            assert again.headers["Idempotent-Replayed"] == "true"
            assert again.json()["student_number"] == body["student_number"]


def test_killed_under_load(split, split_admin):
    gateway, pids = split.processes["gateway"], [p.pid for p in split.processes.values()][1:]
    with Traffic(split, split_admin, writers=3, readers=3) as traffic:
        for _ in range(3):
            traffic.flow(60)
            gateway.kill()
            split.start_process("gateway")
        traffic.flow(60)
    # A connection that broke is no answer; every answer was a good one.
    assert {outcome.status for outcome in traffic.failures()} <= {None, 503}
    assert_kept_once(split, traffic)
    assert [p.pid for p in split.processes.values()][1:] == pids


def test_stopped_under_load(split, split_admin):
    """A client that finds its connection closed asks again; nothing is lost, and nothing done twice."""
    gateway = split.processes["gateway"]
    with Traffic(split, split_admin, writers=3, readers=3) as traffic:
        for _ in range(2):
            traffic.flow(60)
            gateway.terminate()
            assert gateway.wait() == 0
            split.start_process("gateway")
        traffic.flow(60)
    for outcome in traffic.failures():
        assert isinstance(outcome.answer, (ConnectionRefusedError, ConnectionResetError, http.client.RemoteDisconnected,
                                           BrokenPipeError)), outcome
    assert_kept_once(split, traffic)


def test_drain(split, split_admin):
    gateway = split.processes["gateway"]
    with split.client(split_admin) as idle, lock_home(split, "su.learning") as lock:
        idle.get("/v1/me").expect(200)
        asked = create_many(split, split_admin, "su.learning")
        wait_blocked(split, CLIENTS)
        gateway.terminate()

        def refuses():
            try:
                socket.create_connection(("127.0.0.1", split.port), 5).close()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                pass  # it came in at the very moment
            return False
        wait_until(refuses, "no new connections are taken")
        assert all(sent.under_way() for _, sent in asked) and gateway.running()
        lock.release()
        for body, sent in asked:
            answer = sent.answer().expect(201)
            assert answer.json()["student_number"] == body["student_number"]
            assert answer.headers["Connection"] == "close"
        assert gateway.wait() == 0
    split.start_process("gateway")
    assert people(split, [body for body, _ in asked]) == CLIENTS


def test_drain_has_an_end(split, split_admin):
    """A request that does not end is not waited for longer than drain_ms."""
    gateway = split.processes["gateway"]
    gateway.stop()
    split.environment["CAMPUS_DRAIN_MS"] = "500"
    split.start_process("gateway")
    with lock_home(split, "su.learning"):
        (_, sent), *_ = create_many(split, split_admin, "su.learning")
        wait_blocked(split, CLIENTS)
        gateway.terminate()
        assert gateway.wait() == 0
        with pytest.raises((OSError, http.client.HTTPException)):
            sent.answer()
    del split.environment["CAMPUS_DRAIN_MS"]
    split.start_process("gateway")


def test_clients_that_go_away(split, split_admin):
    """Before the request is whole, while it waits, and with the answer unread."""
    body = b'{"student_number": "SN90'
    head = (f"POST /v1/people HTTP/1.1\r\nHost: campus\r\nAuthorization: Bearer {split_admin}\r\n"
            "Content-Type: application/json\r\nContent-Length: 400\r\n\r\n").encode()
    read = f"GET /v1/people HTTP/1.1\r\nHost: campus\r\nAuthorization: Bearer {split_admin}\r\n\r\n".encode()

    def leave(data):
        for _ in range(40):
            with socket.create_connection(("127.0.0.1", split.port), 5) as wire:
                wire.sendall(data)
    with Traffic(split, split_admin) as traffic:
        leavers = [threading.Thread(target=leave, args=(data,))
                   for data in (head[:40], head, head + body, read, read * 20)]
        for leaver in leavers:
            leaver.start()
        for leaver in leavers:
            leaver.join()
        traffic.flow(50)
    assert traffic.failures() == []
    assert_kept_once(split, traffic)
    wait_idle(split)


def wait_idle(campus):
    wait_until(lambda: campus.metric("campus_bus_in_flight") + campus.metric("campus_bus_queue_length") == 0,
               "no request is left on the bus")


def test_client_goes_away_while_its_write_waits(split, split_admin):
    """A write that was sent is done all the same, once; whoever asks again under its key gets its answer."""
    body = person("su.learning")
    key = body["student_number"]
    sent = json.dumps(body).encode()
    head = (f"POST /v1/people HTTP/1.1\r\nHost: campus\r\nAuthorization: Bearer {split_admin}\r\n"
            f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n").encode()
    before = split.metric("campus_http_aborted_total")
    with lock_home(split, "su.learning") as lock:
        with socket.create_connection(("127.0.0.1", split.port), 5) as wire:
            wire.sendall(head + sent)
            wait_blocked(split)
            # By a reset: one that only says no more may still listen, and is answered.
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        wait_until(lambda: split.metric("campus_http_aborted_total") > before, "the gateway knows that nobody waits any more")
        lock.release()
    wait_until(lambda: people(split, [body]) == 1, "the write is done")
    with split.client(split_admin) as client:
        answer = client.post("/v1/people", body, headers=key_header(key)).expect(201)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert people(split, [body]) == 1
    wait_idle(split)


def test_worker_that_stops_answers_what_it_has(split, split_admin):
    """SIGTERM of a worker: what it works on is answered, what comes goes to the other."""
    with Traffic(split, split_admin, writers=3, readers=3) as traffic:
        for name in ("membership-1", "membership-2"):
            traffic.flow(60)
            split.processes[name].stop()
            traffic.flow(60)
            split.start_process(name)
    assert traffic.failures() == []
    assert_kept_once(split, traffic)


def test_a_known_key_stays_known_while_nobody_can_be_asked(new_campus):
    """Whoever tries keys at the same address cannot keep out those who were let in before an outage."""
    campus = new_campus(split=True, workers=1, settings={"CAMPUS_RATE_FAILURES": "1", "CAMPUS_QUEUE_MS": "100"})
    worker, = workers(campus)
    with campus.client(campus.key()) as known, campus.client("campus_nobody") as stranger:
        known.get("/v1/me").expect(200)
        worker.stop()
        wait_until(lambda: known.get("/v1/me").status == 503, "nobody can be asked")
        worker.start()
        campus.wait_ready()

        def kept_out():
            return stranger.get("/v1/me").status == 429 and known.get("/v1/me")
        wait_until(kept_out, "the stranger has asked too often").expect(200)
