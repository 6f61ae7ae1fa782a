"""A newer release comes to a campus at work: the schema first, then its workers beside the old ones, then the gateway."""

import re

import pytest

from harness import HarnessError, wait_until
from load import assert_kept_once, key_header, person, Traffic
from succession import nobody_fails

ADMITS = "UPDATE campus.migration SET admits = {} WHERE schema = 'membership' AND number = 900"


@pytest.fixture
def split(new_succession):
    campus, campus.admin = new_succession(split=True)
    return campus


def create(campus, **more):
    """A person whom the workers of now are asked to create: (what was sent, the answer)."""
    body = person(**more)
    with campus.client(campus.admin) as client:
        return body, client.post("/v1/people", body, headers=key_header(body["student_number"])).expect(201).json()


def assert_replayed(campus, sent):
    """Asked again, with workers of another release by now, all get the answers of then."""
    with campus.client(campus.admin) as client:
        for body, told in sent:
            again = client.post("/v1/people", body, headers=key_header(body["student_number"])).expect(201)
            assert again.headers["Idempotent-Replayed"] == "true" and again.json() == told


def replace_workers(campus, traffic, generation, path=None):
    """One by one: the newcomer is known before the old one goes."""
    for number, old in enumerate(campus.workers(), 1):
        traffic.flow(50)
        campus.start_worker(f"membership-{generation}-{number}", path)
        traffic.flow(50)
        old.stop()
        del campus.processes[old.name]
    traffic.flow(50)


def test_newer_takes_over(split):
    """Under load nothing fails, nothing is lost, nothing is done twice. What is new works when the gateway is new too."""
    early = create(split)
    traffic = Traffic(split, split.admin, writers=3, readers=3)
    with nobody_fails(traffic):
        traffic.flow(50)
        assert "900_nickname.sql" in split.migrate(split.newer)
        replace_workers(split, traffic, "newer", split.newer)
        middle = create(split)
        with split.client(split.admin) as client:
            refused = client.post("/v1/people", person(nickname="Nan")).expect(422)
            assert refused.pointers() == {"/nickname": "unknown_field"}
        split.succeed(split.newer)
        traffic.flow(100)
    assert_kept_once(split, traffic)
    assert not traffic.given_up
    assert_replayed(split, [early, middle])
    with split.client(split.admin) as client:
        assert client.get("/version").json()["version"] == "0.2.0"
        _, made = create(split, nickname="Nan")
        assert made["nickname"] == "Nan"
        assert client.get(f"/v1/people/{made['id']}/nickname").expect(200).json() == {"nickname": "Nan"}
        assert "nickname" not in client.get(f"/v1/people/{early[1]['id']}").expect(200).json()


def test_the_way_back(split):
    """The old release again, at the gateway that stayed, on the schema of the newer one."""
    traffic = Traffic(split, split.admin, writers=3, readers=3)
    with nobody_fails(traffic):
        split.migrate(split.newer)
        replace_workers(split, traffic, "newer", split.newer)
        sent = [create(split)]
        replace_workers(split, traffic, "again")
        sent.append(create(split))
    assert_kept_once(split, traffic)
    assert not traffic.given_up
    assert_replayed(split, sent)
    assert split.run("migrate").stdout == ""


def test_older_is_refused_by_a_newer_gateway(split):
    """It is told in the log what it lacks, and gets nothing, even if nobody else is there."""
    split.migrate(split.newer)
    newer = split.start_worker("membership-newer", split.newer)
    split.succeed(split.newer)
    refusals = wait_until(lambda: re.findall(r"worker refused service=membership .*", split.entrance.log()), "a refusal")
    assert all(re.search(r" why=lacks what=([<>]nickname:\d+:string|GetNickname)$", line) for line in refusals)
    with split.client(split.admin) as client:
        for _ in range(20):
            client.post("/v1/people", person(nickname="Nan")).expect(201)
        newer.stop()
        client.get("/v1/people").expect(503, "unavailable")
        client.get("/readyz").expect(503)
        assert all(old.running() for old in split.workers()[:2])
        newer.start()
        wait_until(lambda: client.get("/readyz").status == 200, "the newer worker is known")
        client.get("/v1/people").expect(200)


def test_too_old_for_the_schema(split):
    """What a later migration says of the oldest program that it admits."""
    split.migrate(split.newer)
    split.sql(ADMITS.format(2))
    with pytest.raises(HarnessError, match="the schema of membership admits programs from number 2 on; this is number 1"):
        split.start_beside("membership-old", "serve", "membership", says=": serving ")
    assert split.processes.pop("membership-old").wait() == 1
    split.start_worker("membership-newer", split.newer)
    split.sql(ADMITS.format(3))
    with pytest.raises(HarnessError, match="admits programs from number 3 on; this is number 2"):
        split.start_beside("membership-newest", "serve", "membership", path=split.newer)
    assert split.processes.pop("membership-newest").wait() == 1
    with split.client(split.admin) as client:
        client.get("/v1/people").expect(200)  # whoever was there before goes on
