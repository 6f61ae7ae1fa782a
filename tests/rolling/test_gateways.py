"""A gateway stops and its sibling on the same port takes over, under load of every kind of client; nobody notices."""

import pytest

from harness import wait_until
from load import assert_kept_once, lock_home, person, send, Traffic, wait_blocked
from succession import nobody_fails, Regulars, Strangers

SUCCESSIONS = 3


@pytest.mark.parametrize("whole, tls", [(False, False), (True, False), (False, True)],
                         ids=["gateway", "whole_program", "gateway_with_tls"])
def test_successor_takes_over(new_succession, whole, tls):
    """Alone, or as a whole program with its workers inside; the last one is of the next release."""
    campus, admin = new_succession(split=not whole, tls=tls)
    traffic = Traffic(campus, admin)
    strangers, regulars = Strangers(campus, admin), Regulars(campus, admin)
    with nobody_fails(traffic, strangers, regulars):
        for number in range(SUCCESSIONS):
            strangers.flow(100)
            newest = whole and number == SUCCESSIONS - 1
            if newest:
                campus.migrate(campus.newer)
            campus.succeed(campus.newer if newest else None)
            strangers.flow(100)
            traffic.flow(50)
    assert regulars.moved >= SUCCESSIONS
    assert_kept_once(campus, traffic)
    assert not traffic.given_up


def test_drained(new_succession):
    """What is under way is answered, and whoever asks learns that this one is going."""
    campus, admin = new_succession(split=True, settings={"CAMPUS_LOCK_MS": "20000"})
    former = campus.entrance
    body = person(home="su.learning")
    with campus.client(admin) as regular, lock_home(campus, "su.learning") as lock:
        regular.get("/readyz").expect(200)
        asked = send(campus, admin, "POST", "/v1/people", json=body)
        wait_blocked(campus)
        former.terminate()
        wait_until(lambda: ": stopping " in former.log(), "the gateway is told")
        assert regular.get("/readyz").expect(503).headers["Connection"] == "close"
        assert former.running() and asked.under_way()
        lock.release()
        answer = asked.answer().expect(201)
        assert answer.json()["student_number"] == body["student_number"]
        assert answer.headers["Connection"] == "close"
        assert former.wait() == 0


def test_successor_waits_until_it_can_answer(new_succession):
    """A gateway without workers leaves all clients to the one that has some, and ends as well as any."""
    campus, admin = new_succession(split=True)
    lonely = ["serve", "gateway", f"--bus=ipc://{campus.folder}/lonely"]
    with nobody_fails(Strangers(campus, admin)) as (strangers,):
        campus.processes["lonely"] = waiting = type(campus.entrance)("lonely", lonely, campus.folder, campus.environment)
        waiting.start()
        wait_until(lambda: "metrics port=" in waiting.log(), "it has started")
        strangers.flow(300)
        assert ": ready " not in waiting.log()
        waiting.stop()
        strangers.flow(100)
