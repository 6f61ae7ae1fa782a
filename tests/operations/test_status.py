"""`campus status`: what a gateway knows, as text and as JSON, while all is well and while it is not."""

import json
import re

import pytest

from harness import new_folder, wait_until
from load import lock_home, person, wait_blocked

LANES = {"point", "heavy", "write", "brief", "import", "background"}


@pytest.fixture(scope="module")
def split(new_campus):
    """With a home to lock: what waits for it does so for longer than a worker takes to report it."""
    campus = new_campus(split=True, settings={"CAMPUS_LOCK_MS": "10000"})
    campus.run("call", "CreateOrganisation", '{"path": "su", "kind": "union", "title": "学生会"}')
    return campus


def look(campus):
    """The exit code and the status as JSON."""
    done = campus.run("status", "--json", check=False)
    assert done.returncode in (0, 1) and not done.stderr, done
    return done.returncode, json.loads(done.stdout)


def membership(status):
    return next(service for service in status["services"] if service["name"] == "membership")


def wait_status(campus, condition, what, seconds=15):
    """Until condition(status) is true; its last (exit code, status)."""
    def met():
        code, status = look(campus)
        return condition(status) and (code, status)
    return wait_until(met, what, seconds)


def reports(status):
    """Of those workers that have told one: who has joined anew tells it a moment later."""
    return [worker["report"] for worker in membership(status).get("workers", []) if "report" in worker]


def reachable(status):
    return [report["database"]["reachable"] for report in reports(status)]


def unpublished(status):
    """How many facts have no position yet, by each report that knows."""
    return [report["facts"]["unpublished"] for report in reports(status) if "facts" in report]


def test_all_is_well(split):
    code, status = wait_status(split, lambda status: reachable(status) == [True, True] and unpublished(status) == [0, 0],
                               "reports")
    assert code == 0 and status["ready"] and not status["draining"]
    assert status["pid"] == split.processes["gateway"].pid and status["version"] == "0.1.0"
    service = membership(status)
    assert service["queue_length"] == 0 and service["queue_limit"] == 2000
    assert {worker["report"]["pid"] for worker in service["workers"]} == {
        split.processes[f"membership-{n}"].pid for n in (1, 2)}
    for worker in service["workers"]:
        assert worker["state"] == "live" and worker["credits"] == 512 and worker["report_age_ms"] < 15000
        assert f"instance={worker['instance']}" in split.processes["gateway"].log()
        lanes = {lane["name"]: lane for lane in worker["report"]["lanes"]}
        assert set(lanes) == LANES and lanes["write"]["wanted"] == 6
        assert worker["report"]["database"]["version"].startswith("15.")


def test_text_fits_the_screen_and_says_the_same(split):
    wait_status(split, lambda status: reachable(status) == [True, True], "reports")
    done = split.run("status")
    lines = done.stdout.splitlines()
    assert lines[0] == "ready" and done.returncode == 0 and not done.stderr
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert "membership: 2 workers, queue 0 of 2000, 0 in flight" in lines
    assert sum(bool(re.fullmatch(r"  worker [0-9a-f]{16}  live, holds \d+ of 512", line)) for line in lines) == 2
    assert sum(line.startswith("    database   reachable for ") for line in lines) == 2


def test_words_that_are_not_understood(split):
    for words in (["x"], ["--xml"], ["--json", "x"], ["--json", "--json"]):
        done = split.run("status", *words, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout, done


def test_work_under_way_is_seen(split):
    answered = membership(look(split)[1])["answered"]
    with lock_home(split) as lock:
        call = split.begin("call", "CreatePerson", json.dumps(person()))
        wait_blocked(split)
        _, status = wait_status(split, lambda status: any(
            lane["in_flight"] for report in reports(status) for lane in report["lanes"] if lane["name"] == "write"),
            "a write in flight")
        assert membership(status)["in_flight"] == 1
        assert sorted(worker["held"] for worker in membership(status)["workers"]) == [0, 1]
        assert max(report["pending"] for report in reports(status)) == 1
        lock.release()
        assert call.wait(30) == 0
        call.communicate()
    wait_status(split, lambda status: membership(status)["answered"] == answered + 1, "it is answered")


def test_facts_that_are_not_published(split):
    """Nobody can number facts while another holds the relay's lock."""
    with split.cluster.session() as other:
        other.sql("BEGIN; SELECT pg_advisory_xact_lock(hashtext('membership.fact'))")
        split.run("call", "CreatePerson", json.dumps(person()))
        _, status = wait_status(split, lambda status: any(unpublished(status)), "a lag")
        assert all(report["facts"]["oldest_ms"] >= 0 for report in reports(status)
                   if report.get("facts", {}).get("unpublished"))
        other.sql("ROLLBACK")
    wait_status(split, lambda status: unpublished(status) == [0, 0], "no lag")


def mails(status):
    """What each worker that has looked says of the mails."""
    return [job for report in reports(status) for job in report.get("jobs", []) if job["name"] == "mail"]


def mail_lines(campus):
    return [re.sub(r" \(\d+ s ago\)$", "", line) for line in campus.run("status").stdout.splitlines() if line.startswith("    mail ")]


MAIL = """INSERT INTO membership.mail (kind, recipient, subject_id, created_at, next_attempt_at)
          VALUES ('address_changed', 'a@campus.example', campus.new_id(), campus.now() - interval '3 hours 12 minutes',
                  campus.now() + interval '1 hour')"""


def test_mails_that_wait_for_a_mail_server(split):
    wait_status(split, lambda status: [job["waiting"] for job in mails(status)] == [0, 0], "no mail")
    assert mail_lines(split) == ["    mail       0 waiting"] * 2
    split.sql(MAIL)
    _, status = wait_status(split, lambda status: [job["waiting"] for job in mails(status)] == [1, 1], "a mail that waits")
    told = "NO MAIL SERVER is set: see mail_url"
    assert all(job["left"] == told and job["oldest_ms"] >= 192 * 60000 for job in mails(status))
    assert mail_lines(split) == [f"    mail       1 waiting, the oldest for 3 h 12 min; {told}"] * 2
    split.sql("UPDATE membership.mail SET failed_at = campus.now()")
    wait_status(split, lambda status: [job["waiting"] for job in mails(status)] == [0, 0], "no mail")


def test_mails_that_wait_for_their_time(new_campus):
    campus = new_campus(settings={"CAMPUS_MAIL_URL": f"file://{new_folder()}", "CAMPUS_MAIL_FROM": "campus@campus.example",
                                  "CAMPUS_ACCOUNT_URL": "https://campus.example/#"})
    campus.sql(MAIL)
    _, status = wait_status(campus, lambda status: [job["waiting"] for job in mails(status)] == [1], "a mail that waits")
    assert "left" not in mails(status)[0]
    assert mail_lines(campus) == ["    mail       1 waiting, the oldest for 3 h 12 min"]


def test_frozen_worker_is_missed(split):
    worker = split.processes["membership-1"]
    deaths = membership(look(split)[1])["deaths"]
    worker.freeze()
    other = split.processes["membership-2"].pid
    code, status = wait_status(split, lambda status: [report["pid"] for report in reports(status)] == [other], "it is gone")
    assert code == 0 and membership(status)["deaths"] > deaths
    worker.thaw()
    split.wait_ready()
    wait_status(split, lambda status: reachable(status) == [True, True], "it is back")


def test_no_worker_is_not_ready(split):
    for name in ("membership-1", "membership-2"):
        split.processes[name].stop()
    code, status = wait_status(split, lambda status: not membership(status).get("workers"), "they left")
    assert code == 1 and not status["ready"]
    text = split.run("status", check=False)
    assert text.stdout.startswith("NOT READY\n") and text.returncode == 1
    for name in ("membership-1", "membership-2"):
        split.processes[name].start()
    split.wait_ready()


def test_database_that_is_down_is_told(split):
    split.cluster.crash()
    code, status = wait_status(split, lambda status: reachable(status) == [False, False], "it is missed")
    assert code == 1 and not status["ready"]
    assert "NOT REACHABLE for" in split.run("status", check=False).stdout
    split.cluster.start()
    code, status = wait_status(split, lambda status: reachable(status) == [True, True], "it is back", 30)
    assert code == 0 and status["ready"]


def test_stopping_gateway_is_draining(split):
    """It takes no more calls, and answers the one that it has."""
    with lock_home(split) as lock:
        call = split.begin("call", "CreatePerson", json.dumps(person()))
        wait_blocked(split)
        split.processes["gateway"].terminate()
        code, _ = wait_status(split, lambda status: status["draining"], "draining")
        assert code == 1
        late = split.run("call", "GetOrganisation", '{"path": "su"}', check=False)
        assert late.returncode == 1 and late.stderr == "campus: refused: unavailable\n"
        lock.release()
        said, error = call.communicate(timeout=30)
        assert call.returncode == 0 and json.loads(said)["id"], error
    assert split.processes["gateway"].wait() == 0
    absent = split.run("status", check=False)
    assert absent.returncode == 1 and "no gateway is there" in absent.stderr and absent.stderr.count("\n") == 1
    split.start_process("gateway")
