"""Facts: none is skipped, none is told twice, those of one subject come in their order; and a consumer that is killed at any
point has applied each once."""

import contextlib
import os
import pwd
import random
import shutil
import threading

import pytest

import harness
from harness import Process, wait_until
from load import found, person, Traffic

SEED = 20261121
KILLS = 15

EQUIP = """
    CREATE ROLE campus_tally LOGIN;
    GRANT CONNECT ON DATABASE campus TO campus_tally;
    CREATE SCHEMA tally;
    CALL campus.equip('tally');
    GRANT USAGE ON SCHEMA membership TO campus_tally;
    GRANT SELECT ON membership.facts TO campus_tally;
    INSERT INTO tally.fact_cursor (source, pos) VALUES ('membership', 0);
    CREATE TABLE tally.tally (type text NOT NULL, facts bigint NOT NULL);
    CREATE TABLE tally.applied (id bigint GENERATED ALWAYS AS IDENTITY, pos bigint NOT NULL, type text NOT NULL,
                                subject text NOT NULL);
    GRANT SELECT, INSERT ON tally.tally, tally.applied TO campus_tally;
"""


@pytest.fixture(scope="module")
def split(new_campus):
    """Two workers, so two relays, in a hurry."""
    return new_campus(split=True, settings={"CAMPUS_RELAY_MS": "10"})


@pytest.fixture(scope="module", autouse=True)
def homes(split, split_admin):
    with split.client(split_admin) as client:
        found(client, "su")


@pytest.fixture(scope="module")
def tally(split):
    """Makes a process of tally.c, which starts where the facts begin."""
    split.sql(EQUIP)
    # Who may be whom stands in a file that PostgreSQL reads anew when it is told to.
    users = {"postgres", pwd.getpwuid(os.geteuid()).pw_name}
    with (split.folder / "data/pg_ident.conf").open("a") as file:
        file.writelines(f"campus {user} campus_tally\n" for user in sorted(users))
    split.sql("SELECT pg_reload_conf()")

    def may_enter():
        with contextlib.suppress(harness.HarnessError):
            return split.value("SELECT 1", role="campus_tally")
    wait_until(may_enter, "campus_tally may log in")
    path = split.folder / "tally"
    shutil.copy(harness.BUILD / "tests/faults/tally", path)
    path.chmod(0o755)
    environment = {**split.environment, "CAMPUS_BUS": "inproc://tally"}
    made = []

    def make():
        made.append(Process(f"tally-{len(made)}", [], split.folder, environment, path))
        return made[-1]
    yield make
    for process in made:
        process.kill()
        assert not process.damage()


def facts_written(campus):
    return int(campus.value("SELECT count(*) FROM membership.fact"))


class Reader(threading.Thread):
    """Follows the published facts by pos, as a consumer does, and keeps what it sees."""

    def __init__(self, campus):
        super().__init__(daemon=True)
        self.session = campus.cluster.session()
        self.last = int(self.session.sql("SELECT coalesce(max(pos), 0) FROM membership.facts")[0][0])
        self.seen = []  # (pos, subject)
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            for pos, subject in self.session.sql(
                    f"SELECT pos, subject FROM membership.facts WHERE pos > {self.last} ORDER BY pos LIMIT 100"):
                self.last = int(pos)
                self.seen.append((int(pos), subject))

    def subjects(self):
        return [subject for _, subject in list(self.seen)]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join(10)
        self.session.close()


def test_slow_transaction_is_not_skipped(split, split_client):
    with Reader(split) as reader, split.cluster.session() as slow:
        slow.sql("""BEGIN; INSERT INTO membership.fact (type, subject) VALUES ('person.created', 'slow')""")
        faster = [split_client.post("/v1/people", person()).expect(201).json()["id"] for _ in range(20)]
        wait_until(lambda: set(faster) <= set(reader.subjects()), "the faster facts are told")
        assert "slow" not in reader.subjects()
        slow.sql("COMMIT")
        wait_until(lambda: "slow" in reader.subjects(), "the slow fact is told")
        later = split_client.post("/v1/people", person()).expect(201).json()["id"]
        wait_until(lambda: later in reader.subjects(), "what comes later is told")
    assert reader.subjects() == [*faster, "slow", later]
    (slow_id, slow_pos), = split.sql("SELECT id, pos FROM membership.fact WHERE subject = 'slow'")
    assert split.value(f"SELECT count(*) FROM membership.fact WHERE id > {slow_id} AND pos < {slow_pos}") == "20"


def test_transaction_that_fails_leaves_no_gap(split, split_client):
    """Ids have gaps, positions have none."""
    with split.cluster.session() as failed:
        failed.sql("BEGIN; INSERT INTO membership.fact (type, subject) VALUES ('person.created', 'failed')")
        failed.sql("ROLLBACK")
    split_client.post("/v1/people", person()).expect(201)
    wait_numbered(split)
    assert split.sql("SELECT min(pos), max(pos) - count(*) FROM membership.facts") == [["1", "0"]]


def wait_numbered(campus):
    wait_until(lambda: campus.value("SELECT count(*) FROM membership.fact WHERE pos IS NULL") == "0",
               "every fact has its position", 30)


def test_reader_sees_each_fact_once(split, split_admin):
    """While writers and two relays are at work, and some transactions are slow."""
    with Reader(split) as reader:
        with Traffic(split, split_admin, writers=4, readers=0) as traffic:
            for _ in range(8):
                with split.cluster.session() as slow:
                    slow.sql("BEGIN; INSERT INTO membership.fact (type, subject) VALUES ('slow', 'some')")
                    traffic.flow(25)
                    slow.sql("COMMIT")
        wait_numbered(split)
        last = int(split.value("SELECT max(pos) FROM membership.facts"))
        wait_until(lambda: reader.last == last, "the reader has come to the end")
    positions = [pos for pos, _ in reader.seen]
    assert positions == list(range(positions[0], last + 1))
    created = [subject for subject in reader.subjects() if subject != "some"]
    assert sorted(created) == sorted(traffic.acknowledged.values())
    assert reader.subjects().count("some") == 8


def test_order_of_one_subject(split, split_admin, split_client):
    """Eight change one person at once; the positions of the facts follow the versions."""
    id = split_client.post("/v1/people", person()).expect(201).json()["id"]
    versions, lock = {}, threading.Lock()

    def change(number):
        with split.client(split_admin) as client:
            for n in range(12):
                name = f"order-{number}-{n}"
                told = client.patch(f"/v1/people/{id}", {"grade": 2000 + number * 12 + n}, etag="*",
                                    headers={"X-Request-Id": name}).expect(200).json()
                with lock:
                    versions[name] = told["version"]
    changers = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for changer in changers:
        changer.start()
    for changer in changers:
        changer.join(60)
    assert sorted(versions.values()) == list(range(2, 2 + 8 * 12))
    wait_numbered(split)
    told = split.sql(f"""SELECT request_id FROM membership.facts
                          WHERE subject = '{id}' AND type = 'person.updated' ORDER BY pos""")
    assert [versions[request] for request, in told] == list(range(2, 2 + 8 * 12))


def test_two_relays_never_number_anew(split):
    """A position that was given stays. Two workers number as fast as they can, what a third writes as fast as it can."""
    split.sql("""
        CREATE TABLE membership.renumbered (id bigint);
        GRANT INSERT ON membership.renumbered TO campus_membership;
        CREATE FUNCTION membership.note_renumbered() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO membership.renumbered VALUES (OLD.id); RETURN NEW; END $$;
        CREATE TRIGGER note_renumbered BEFORE UPDATE ON membership.fact
            FOR EACH ROW WHEN (OLD.pos IS NOT NULL) EXECUTE FUNCTION membership.note_renumbered();
        DO $$ BEGIN FOR i IN 1 .. 5000 LOOP
            INSERT INTO membership.fact (type, subject) VALUES ('many', 'many'); COMMIT;
        END LOOP; END $$""")
    wait_numbered(split)
    assert split.value("SELECT count(*) FROM membership.renumbered") == "0"
    for log in split.logs().values():
        assert "background work refused" not in log
    split.sql("DROP TRIGGER note_renumbered ON membership.fact")


# -- the consumer ------------------------------------------------------------------------------------------------------


def applied(campus):
    return int(campus.value("SELECT count(*) FROM tally.applied"))


def assert_applied_once(campus):
    """Everything that was told, in its order, each once; and counted alike."""
    wait_numbered(campus)
    wait_until(lambda: applied(campus) >= facts_written(campus), "all facts are applied", 30)
    told = campus.sql("SELECT pos, type, subject FROM membership.facts ORDER BY pos")
    assert campus.sql("SELECT pos, type, subject FROM tally.applied ORDER BY id") == told
    assert campus.sql("SELECT type, sum(facts) FROM tally.tally GROUP BY type ORDER BY type") == \
        campus.sql("SELECT type, count(*) FROM membership.facts GROUP BY type ORDER BY type")
    assert campus.value("SELECT pos FROM tally.fact_cursor") == told[-1][0]


def test_consumer_killed_at_any_point(split, split_admin, tally):
    """Lots of several sizes: some facts at a time from writers, and thousands at once."""
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    process = tally()
    with Traffic(split, split_admin, writers=2, readers=0) as traffic:
        for n in range(KILLS):
            process.start()
            if n % 3 == 0:
                split.sql("INSERT INTO membership.fact (type, subject) SELECT 'lot', 'lot' FROM generate_series(1, 2000)")
            if n % 2:
                # Somewhere in its work: after so many more facts.
                goal = applied(split) + chance.randrange(1, 400)
                wait_until(lambda: applied(split) >= goal or not process.running(), "it applies facts", pause=0.001)
            else:
                # Somewhere in its start or later.
                with contextlib.suppress(harness.HarnessError):
                    wait_until(lambda: not process.running(), "it ends", chance.uniform(0.02, 0.3))
            assert process.running(), process.log()
            process.kill()
        traffic.flow(10)
    process.start()
    assert_applied_once(split)
    assert not traffic.strays
    process.stop()


def test_consumer_killed_while_it_applies(split, split_client, tally):
    """Its transaction waits for a lock; it is killed; then PostgreSQL commits what nobody waits for any more."""
    process = tally().start()
    assert_applied_once(split)
    with split.cluster.session() as lock:
        lock.sql("BEGIN; LOCK TABLE tally.applied")
        split_client.post("/v1/people", person()).expect(201)
        wait_until(lambda: split.value("""SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                                          AND application_name LIKE 'campus/tally/%'"""), "it waits for the lock")
        process.kill()
        lock.sql("ROLLBACK")
    split_client.post("/v1/people", person()).expect(201)
    process.start()
    assert_applied_once(split)
    process.stop()


def test_two_consumers_at_once(split, split_admin, tally):
    """Two processes of one service share a cursor."""
    two = [tally().start() for _ in range(2)]
    with Traffic(split, split_admin, writers=2, readers=0) as traffic:
        traffic.flow(100)
        split.sql("INSERT INTO membership.fact (type, subject) SELECT 'lot', 'lot' FROM generate_series(1, 3000)")
        traffic.flow(100)
    assert_applied_once(split)
    for process in two:
        process.stop()
        assert "refused" not in process.log()
