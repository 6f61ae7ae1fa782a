"""`campus call`: methods asked of a running gateway as the operator, and all that can go wrong on the way."""

import json
import os
import subprocess
import sys
import time

import pytest

from harness import Campus, wait_until
from load import lock_home, PATIENT, person, wait_blocked

OPERATOR = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def split(new_campus):
    return new_campus(split=True, settings=PATIENT)


@pytest.fixture(scope="module", autouse=True)
def home(split):
    ask(split, "CreateOrganisation", path="su", kind="union", title="学生会")


def ask(campus, method, *options, **request):
    """The reply of a call that succeeds."""
    return json.loads(campus.run("call", method, json.dumps(request), *options).stdout)


def refused(campus, status, *words, input=None):
    """What a call that fails says: its first line, then {pointer: code}."""
    done = campus.run("call", *words, input=input, check=False)
    assert done.returncode == status and not done.stdout, done
    first, *rest = done.stderr.splitlines()
    assert first.startswith("campus: "), done
    return first.removeprefix("campus: "), dict(line.strip().split(": ", 1) for line in rest)


# -- what it does ------------------------------------------------------------------------------------------------------


def test_reads_and_writes_as_the_operator(split):
    made = ask(split, "CreatePerson", **person())
    assert ask(split, "GetPerson", id=made["id"]) == made
    assert split.value(f"SELECT actor FROM membership.fact WHERE subject = '{made['id']}'") == OPERATOR


def test_patch_sets_clears_and_asks_for_the_version(split):
    made = ask(split, "CreatePerson", **person())
    told, _ = refused(split, 2, "PatchPerson", json.dumps({"id": made["id"], "phone": None}))
    assert "--if-match" in told
    assert ask(split, "PatchPerson", "--if-match=1", id=made["id"], phone=None, name="南宫新")["version"] == 2
    cleared = ask(split, "GetPerson", id=made["id"])
    assert "phone" not in cleared and cleared["name"] == "南宫新" and cleared["email"] == made["email"]
    assert refused(split, 1, "PatchPerson", json.dumps({"id": made["id"], "name": "x"}), '--if-match="1"')[0] \
        == "refused: stale_version"
    assert ask(split, "PatchPerson", "--if-match=*", id=made["id"], name="南宫")["version"] == 3
    assert refused(split, 1, "PatchPerson", '{"name": "x"}', "--if-match=1")[1] == {"/id": "required"}


def test_one_key_is_one_person(split):
    body = person()
    first, again = (ask(split, "CreatePerson", "--key=7f3a", **body) for _ in range(2))
    assert first["id"] == again["id"]
    assert refused(split, 1, "CreatePerson", json.dumps(person()), "--key=7f3a")[0] == "refused: idempotency_key_reused"


def test_request_from_standard_input(split):
    done = split.run("call", "GetOrganisation", "-", input='{"path": "su"}')
    assert json.loads(done.stdout)["title"] == "学生会"


def test_raw_body_from_a_file(split):
    rows = "学号,姓名,年级,学院\nF0001,南宫一,2026,su\n"
    roster = split.folder / "roster.csv"
    roster.write_text(rows)
    roster.chmod(0o644)
    done = split.run("call", "ImportPeople", '{"dry_run": true}', f"--file={roster}")
    assert len(json.loads(done.stdout)["rows"]) == 1
    done = split.run("call", "ImportPeople", "--file=-", input=rows)
    assert json.loads(done.stdout)["rows"][0]["id"]
    assert "No such file" in refused(split, 1, "ImportPeople", "--file=/nowhere.csv")[0]
    assert refused(split, 2, "GetPerson", "--file=-")[0] == "GetPerson takes no --file"
    assert refused(split, 1, "ImportPeople")[1] == {"/file": "required"}


def test_methods_are_listed_with_what_they_do(split):
    lines = split.run("call").stdout.splitlines()
    named = dict(line.split(maxsplit=1) for line in lines)
    assert named["GetOrganisation"] == "One organisation by its path"
    assert len(lines) == len(named) > 20


# -- what it refuses ---------------------------------------------------------------------------------------------------


def test_every_violation_is_told(split):
    told, violations = refused(split, 1, "CreateOrganisation", '{"path": "SU"}')
    assert told == "refused: invalid"
    assert violations["/kind"] == violations["/title"] == "required" and violations["/path"].startswith("bad_format")
    assert refused(split, 1, "GetPerson", '{"id": "x", "colour": 1}')[1] == {"/colour": "unknown_field"}


@pytest.mark.parametrize("words, code", [
    (["GetOrganisation", "{"], "bad_json"),
    (["GetOrganisation", "[]"], "invalid"),
    (["GetOrganisation", ""], "bad_json"),
    (["GetOrganisation", '{"path": 7}'], "invalid"),
    (["GetOrganisation", '{"path": "su.nothing"}'], "not_found"),
    (["CreateOrganisation", '{"path": "su", "kind": "union", "title": "x"}'], "organisation_path_taken"),
    (["CreatePerson", '{"student_number": "1", "name": "x", "home": "nowhere"}'], None),
])
def test_refusals(split, words, code):
    told, _ = refused(split, 1, *words)
    assert told.startswith("refused: ") and code in (None, told.removeprefix("refused: ")), told


@pytest.mark.parametrize("words", [
    ["Nothing"], ["getorganisation", "{}"], ["GetOrganisation", "{}", "{}"], ["GetOrganisation", "{}", "--colour=red"],
    ["GetOrganisation", "{}", "--key=x"], ["GetOrganisation", "{}", "--if-match=1"], ["CreatePerson", "{}", "--key="],
    ["CreatePerson", "{}", "--key=a b"], ["GetOrganisation", "{}", "--timeout=0"], ["GetOrganisation", "{}", "--timeout=x"],
    ["GetOrganisation", "{}", "--timeout=600001"], ["PatchPerson", "{}", "--if-match=x"], ["PatchPerson", "{}", "--if-match="],
])
def test_usage(split, words):
    assert refused(split, 2, *words)[1] == {}


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_hundred_at_once(split):
    """More than the gateway takes at once: each is done, or refused as unavailable; nothing in between."""
    before = int(split.value("SELECT count(*) FROM membership.person"))
    calls = [split.begin("call", "CreatePerson", json.dumps(person())) for _ in range(100)]
    said = [(call.communicate(timeout=60), call.returncode) for call in calls]
    done = sum(status == 0 for _, status in said)
    assert all(status == 0 or error == "campus: refused: unavailable\n" for (_, error), status in said), said
    assert done >= 64 and int(split.value("SELECT count(*) FROM membership.person")) == before + done


def test_caller_that_is_killed_cancels_nothing(split):
    body = person()
    with lock_home(split) as lock:
        call = split.begin("call", "CreatePerson", json.dumps(body))
        wait_blocked(split)
        call.kill()
        call.communicate()
        lock.release()
    wait_until(lambda: split.value(f"SELECT id FROM membership.person WHERE student_number = '{body['student_number']}'"),
               "the person of a caller who is gone")
    assert ask(split, "GetOrganisation", path="su")


def test_timeout_is_kept(split):
    with lock_home(split):
        begun = time.monotonic()
        assert refused(split, 1, "CreatePerson", json.dumps(person()), "--timeout=300")[0] == "refused: deadline_exceeded"
        assert time.monotonic() - begun < 5


def test_gateway_that_dies_under_a_call(split):
    with lock_home(split):
        call = split.begin("call", "CreatePerson", json.dumps(person()))
        wait_blocked(split)
        split.processes["gateway"].kill()
        _, error = call.communicate(timeout=10)
    assert call.returncode == 1 and "the gateway has gone" in error and error.count("\n") == 1
    # What it left lies in nobody's way.
    split.start_process("gateway")
    assert ask(split, "GetOrganisation", path="su")


def test_gateway_that_is_frozen(split):
    split.processes["gateway"].freeze()
    begun = time.monotonic()
    assert "no gateway is there" in refused(split, 1, "GetOrganisation", '{"path": "su"}')[0]
    assert time.monotonic() - begun < 6
    split.processes["gateway"].thaw()
    split.wait_ready()


@pytest.mark.parametrize("control, words", [
    ("ipc:///nowhere/control", "no gateway is there: No such file or directory"),
    ("", "where does the gateway take commands?"),
    ("tcp://127.0.0.1:1", "it is not ipc:// with an absolute path"),
    ("ipc://control", "it is not ipc:// with an absolute path"),
    ("ipc:///" + "x" * 99, "longer than 99 bytes"),
])
def test_gateway_that_is_not_there(split, control, words):
    begun = time.monotonic()
    assert words in refused(split, 1, "GetOrganisation", '{"path": "su"}', f"--control={control}")[0]
    assert time.monotonic() - begun < 6


# -- the endpoint ------------------------------------------------------------------------------------------------------


def test_only_the_gateways_user_may_open_it(split):
    path = split.folder / "control"
    assert path.stat().st_mode & 0o777 == 0o600
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    dial = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
    done = subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups", "--", sys.executable, "-c", dial], text=True,
                          capture_output=True, check=False, cwd="/")
    assert "PermissionError" in done.stderr


@pytest.mark.parametrize("control, words", [
    ("tcp://127.0.0.1:0", "it is not ipc:// with an absolute path"),
    ("ipc:///" + "x" * 99, "longer than 99 bytes"),
    ("ipc:///nowhere/control", "No such file or directory"),
    ("ipc://{folder}/gateway.log", "there is a file that is no socket"),
])
def test_what_cannot_be_bound_stops_the_start(split, control, words):
    control = control.format(folder=split.folder)
    done = split.run("serve", "gateway", f"--control={control}", "--bus=inproc://other", "--listen=127.0.0.1:0", check=False)
    assert done.returncode == 1
    assert any("setting control" in line and words in line for line in done.stderr.splitlines()), done
    assert ask(split, "GetOrganisation", path="su")  # and whoever was there first is still there


def test_no_endpoint_without_the_setting():
    with Campus(settings={"CAMPUS_CONTROL": ""}) as campus:
        assert not (campus.folder / "control").exists()
