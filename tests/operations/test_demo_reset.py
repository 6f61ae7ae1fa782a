"""`campus demo` and `campus demo reset`: what they fill, what they empty, what they leave alone."""

import json
import signal
import threading
import time

from harness import Campus, wait_until

TABLES = ("organisation", "person", "membership", "person_reach")


def counts(campus):
    return [int(campus.value(f"SELECT count(*) FROM membership.{table}")) for table in TABLES]


def refused(campus, status, *words):
    done = campus.run("demo", *words, check=False)
    assert done.returncode == status and done.stderr.startswith("campus: demo") and done.stderr.count("\n") == 1, done
    return done.stderr


def read_steadily(campus, key, stop, seen):
    with campus.client(key) as client:
        while not stop.is_set():
            seen.append(client.get("/v1/organisations/su").status)
            seen.append(client.get("/v1/me").status)
            time.sleep(0.01)


def test_words_are_refused(campus):
    for words in (["x"], ["reset", "x"], ["reset", "reset"], ["--reset"]):
        done = campus.run("demo", *words, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    assert counts(campus) == [0, 0, 0, 0]


def test_what_is_no_demo_is_left_alone(campus, client):
    client.post("/v1/organisations", {"path": "own", "kind": "union", "title": "自己的"}).expect(201)
    before = counts(campus)
    assert "no demo campus" in refused(campus, 1, "reset")
    assert "holds a campus already" in refused(campus, 1)
    assert counts(campus) == before


def test_reset_while_it_is_served():
    """The administrator's key stays, what was changed goes, and whoever reads meanwhile sees the old campus or the new."""
    with Campus(split=True) as campus:
        key = campus.key()
        campus.run("demo")
        full = counts(campus)
        bound = campus.key(organisation="su", name="bound")
        kept = campus.value("SELECT id FROM membership.api_key WHERE organisation IS NULL")
        with campus.client(key) as client:
            client.post("/v1/organisations", {"path": "su.extra", "kind": "department", "title": "多余"}).expect(201)
            person = next(client.pages("/v1/people", "people"))["id"]
        with campus.client(bound) as client:
            client.get("/v1/organisations/su").expect(200)
        stop, seen = threading.Event(), []
        reader = threading.Thread(target=read_steadily, args=(campus, key, stop, seen))
        reader.start()
        campus.run("demo", "reset")
        stop.set()
        reader.join()
        assert set(seen) <= {200, 404} and seen.count(200) > len(seen) / 2  # 404: between the old campus and the new
        assert counts(campus) == full
        with campus.client(key) as client:
            client.get("/v1/organisations/su.extra").expect(404)
            client.get(f"/v1/people/{person}").expect(404)
            client.post("/v1/organisations", {"path": "su.extra", "kind": "department", "title": "多余"}).expect(201)
        with campus.client(bound) as client:
            wait_until(lambda: client.get("/v1/me").status == 401, "the bound key is gone")
        assert campus.value("SELECT string_agg(id::text, ' ') FROM membership.api_key") == kept
        wait_until(lambda: campus.value("SELECT count(*) FROM membership.fact WHERE pos IS NULL") == "0", "numbered")
        assert campus.value("SELECT min(pos) || ' ' || (max(pos) - count(*)) FROM membership.fact") == "1 0"
        assert " error " not in "".join(process.log() for process in campus.processes.values())


def test_cut_short_goes_on_and_busy_changes_nothing():
    with Campus() as campus:
        demo = campus.begin("demo")
        wait_until(lambda: counts(campus)[0] >= 5, "the first organisations")
        assert "another `campus demo`" in refused(campus, 1)
        demo.send_signal(signal.SIGKILL)
        demo.communicate()
        part = counts(campus)
        assert part[0] > 0 and part[2] == 0
        # Somebody's transaction holds what is to be emptied.
        with campus.cluster.session() as other:
            other.sql("BEGIN; LOCK TABLE membership.person IN ROW EXCLUSIVE MODE")
            wait_until(lambda: "nothing was changed" in refused(campus, 1, "reset"), "refused as busy")
            assert counts(campus)[0] >= part[0]
            other.sql("ROLLBACK")
        campus.run("demo", "reset")
        assert counts(campus)[1] == 20000
        assert json.loads(campus.run("call", "GetOrganisation", '{"path": "su"}').stdout)["path"] == "su"


def test_database_without_the_migration_is_one_line(new_campus):
    campus = new_campus()
    campus.sql("DROP TABLE campus.demo")
    assert "campus migrate" in refused(campus, 1, "reset")
