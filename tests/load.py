"""load.py -- steady traffic of people who are written and read, with a memory of everything that was acknowledged.

Every value that is personal carries a mark of its own, so that assert_discreet() can look for it where it must not be.
"""

import http.client
import itertools
import json
import re
import threading
import time

from harness import Client, HarnessError, wait_until

HOME = "su"
# Settings of a campus where nothing that is held up ends by itself while a test looks.
PATIENT = {"CAMPUS_LOCK_MS": "30000", "CAMPUS_STATEMENT_MS": "30000", "CAMPUS_REQUEST_MS": "60000"}
# Of every person that person() makes, in each personal field.
PERSONAL = ("南宫", "Nangong", "SN90", "@personal.example", "+86 1390")
# Of bodies, which no log may hold.
BODIES = ("馆阁集贤",)

BLOCKED = """SELECT count(*) FROM pg_stat_activity
              WHERE application_name LIKE 'campus/membership/%' AND wait_event_type = 'Lock'"""

_numbers = itertools.count(1)


def person(home=HOME, **more):
    """A new person, as one would send it."""
    number = next(_numbers)
    return {"student_number": f"SN90{number:06}", "name": f"南宫{number}", "latin_name": f"Nangong {number}", "home": home,
            "email": f"n{number}@personal.example", "phone": f"+86 1390{number:07}", **more}


def found(client, *paths):
    """The organisations that people live in: unions at the top, and departments below them."""
    for path in paths or (HOME,):
        kind = "department" if "." in path else "union"
        body = {"path": path, "kind": kind, "title": "馆阁集贤", "description": "馆阁集贤"}
        answer = client.post("/v1/organisations", body)
        assert answer.status == 201 or answer.code == "organisation_path_taken", answer


def key_header(key):
    return {"Idempotency-Key": key}


# -- who holds what ----------------------------------------------------------------------------------------------------


def pending(process):
    """How many calls a worker is working on, by its own metrics; None where it does not answer."""
    told = re.search(r": metrics port=(\d+)", process.log())
    if not process.running() or process.frozen or not told:
        return None
    try:
        with Client(process.address, int(told[1]), timeout=5) as client:
            text = client.get("/metrics").text
    except (OSError, http.client.HTTPException):
        return None
    return sum(int(count) for count in re.findall(r"^campus_calls_pending\{.*\} (\d+)$", text, re.M))


def workers(campus):
    return [process for name, process in campus.processes.items() if name.startswith("membership-")]


def wait_quiet(campus):
    """Until no worker says that it is working. (Metrics are a second old.)"""
    wait_until(lambda: not any(pending(worker) for worker in workers(campus)), "the workers have nothing to do")


def holder(campus, but=()):
    """The one worker that holds a request, as the gateway knows it, waited for."""
    def held():
        living = {worker.pid: worker for worker in workers(campus) if worker.running() and worker not in but}
        status = json.loads(campus.run("status", "--json", check=False).stdout or "{}")
        seen = [worker for service in status.get("services", []) for worker in service.get("workers", [])]
        return next((living[worker["report"]["pid"]] for worker in seen
                     if worker["held"] and worker.get("report", {}).get("pid") in living), None)
    return wait_until(held, "a worker holds the request")


def wait_blocked(campus, count=1):
    """Until so many statements of the workers wait for a lock."""
    wait_until(lambda: int(campus.value(BLOCKED)) >= count, f"{count} statements wait for a lock")


class Lock:
    """Holds rows locked for as long as the block lasts, or until release():

        with Lock(campus, "SELECT FROM membership.organisation WHERE path = 'su' FOR UPDATE"):
    """

    def __init__(self, campus, statement):
        self.session = campus.cluster.session()
        self.session.sql(f"BEGIN; {statement}")

    def release(self):
        self.session.sql("ROLLBACK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()


def lock_home(campus, path=HOME):
    """What every create_person at that home waits for."""
    return Lock(campus, f"SELECT FROM membership.organisation WHERE path = '{path}' FOR UPDATE")


class Sent:
    """A call under way in a thread of its own; answer() waits for it, and raises what it raised."""

    def __init__(self, call):
        self.result = self.error = None
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self.thread.start()

    def _run(self, call):
        try:
            self.result = call()
        except BaseException as error:  # handed on by answer()
            self.error = error

    def under_way(self):
        return self.thread.is_alive()

    def answer(self, seconds=40):
        self.thread.join(seconds)
        if self.thread.is_alive():
            raise HarnessError(f"no answer after {seconds} s")
        if self.error:
            raise self.error
        return self.result


def send(campus, key, method, path, **more):
    """One request on a connection of its own, without waiting for its answer."""
    def call():
        with campus.client(key) as client:
            return client.request(method, path, **more)
    return Sent(call)


# -- traffic -----------------------------------------------------------------------------------------------------------


class Outcome:
    """One request: when, how long, and what came back. status None: the connection broke."""

    def __init__(self, what, begun, status, answer):
        self.what, self.begun, self.status, self.answer = what, begun, status, answer
        self.ended = time.monotonic()

    @property
    def seconds(self):
        return self.ended - self.begun

    def __repr__(self):
        return f"{self.what} -> {self.status} in {self.seconds:.3f} s: {self.answer!r}"


class Traffic:
    """Threads that write and read people without pause, from `with` until its end.

    Each writer sends a person again, under the same idempotency key, until it is acknowledged, as a client should. Each
    answer must be the answer to its own request; what is not is in `strays`.
    """

    def __init__(self, campus, key, writers=2, readers=2, prefix="t"):
        self.campus, self.key = campus, key
        self.prefix = f"{prefix}-{next(_numbers)}"
        self.outcomes = []
        self.strays = []
        self.acknowledged = {}  # student number: id
        self.known = []  # the same as pairs, in their order
        self.given_up = set()  # sent, but not acknowledged when the traffic ended
        self.stopping = threading.Event()
        self.crew = [(work, n) for work, count in ((self._write, writers), (self._read, readers)) for n in range(count)]
        self.clients = []

    def __enter__(self):
        self.clients = [Sent(lambda work=work, n=n: work(n)) for work, n in self.crew]
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for client in self.clients:
            client.answer(60)

    def well(self):
        """How many requests have succeeded so far."""
        return sum(outcome.status in (200, 201) for outcome in list(self.outcomes))

    def flow(self, more, seconds=60):
        """Waits for so many more that succeed."""
        goal = self.well() + more
        wait_until(lambda: self.well() >= goal, f"{more} more requests succeed", seconds)

    def failures(self):
        return [outcome for outcome in self.outcomes if outcome.status not in (200, 201)]

    def slowest(self):
        return max(outcome.seconds for outcome in self.outcomes)

    def _ask(self, client, what, request_id, **more):
        begun = time.monotonic()
        headers = {"X-Request-Id": request_id, **more.pop("headers", {})}
        try:
            answer = client.request(headers=headers, **more)
            status = answer.status
            if answer.headers["X-Request-Id"] != request_id:
                self.strays.append((request_id, answer))
        except (OSError, http.client.HTTPException) as error:
            answer, status = error, None
        self.outcomes.append(Outcome(what, begun, status, answer))
        return answer if status in (200, 201) else None

    def _write(self, number):
        with self.campus.client(self.key) as client:
            for n in itertools.count():
                body, name = person(), f"{self.prefix}-w{number}-{n}"
                if not self._write_one(client, body, name):
                    self.given_up.add(body["student_number"])
                    return
                if self.stopping.is_set():
                    return

    def _write_one(self, client, body, name):
        for attempt in itertools.count():
            answer = self._ask(client, "write", f"{name}-{attempt}", method="POST", path="/v1/people", json=body,
                               headers=key_header(name))
            if answer:
                told = answer.json()
                if told["student_number"] != body["student_number"] or told["name"] != body["name"]:
                    self.strays.append((body, answer))
                self.acknowledged[body["student_number"]] = told["id"]
                self.known.append((body["student_number"], told["id"]))
                return True
            if self.stopping.wait(0.02):
                return False

    def _read(self, number):
        with self.campus.client(self.key) as client:
            for n in itertools.count():
                if self.stopping.is_set():
                    return
                known = self.known[-50:]
                if not known:
                    self.stopping.wait(0.005)
                    continue
                student_number, id = known[n % len(known)]
                name = f"{self.prefix}-r{number}-{n}"
                answer = self._ask(client, "read", name, method="GET", path=f"/v1/people/{id}")
                if answer and (answer.json()["id"], answer.json()["student_number"]) != (id, student_number):
                    self.strays.append((id, answer))
                if not answer:
                    self.stopping.wait(0.02)


def assert_kept_once(campus, traffic):
    """Every acknowledged person is in the database under the id that was told, once, with one fact; and nobody who was
    never sent."""
    assert not traffic.strays
    rows = campus.sql("SELECT student_number, id FROM membership.person")
    kept = dict(rows)
    assert len(kept) == len(rows)
    for student_number, id in traffic.acknowledged.items():
        assert kept.get(student_number) == id, "an acknowledged write is lost"
    assert_one_fact_each(campus, traffic.acknowledged.values())


def assert_one_fact_each(campus, ids):
    facts = dict(campus.sql("""SELECT subject, count(*) FROM membership.fact
                                WHERE type = 'person.created' GROUP BY subject"""))
    for id in ids:
        assert facts.get(id) == "1", f"{id} has {facts.get(id, 0)} facts person.created"


def assert_discreet(campus):
    """No log has a personal value, a body or a token; no stored answer and no fact has a personal value or a token."""
    tokens = [file.read_text().strip() for file in campus.folder.glob("*.key") if file != campus.secret_file]
    for name, log in campus.logs().items():
        for secret in (*PERSONAL, *BODIES, *tokens):
            assert secret not in log, f"{secret} stands in the log of {name}"
    for table in ("answer", "fact"):
        for mark in (*PERSONAL, *tokens):
            found = campus.value(f"SELECT count(*) FROM membership.{table} t WHERE t::text LIKE '%{mark}%'")
            assert found == "0", f"{mark} stands in membership.{table}"
