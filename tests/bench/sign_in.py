"""sign_in.py -- what others notice while fifty people a second sign in: reads, lists and writes at a steady pace, in turns with and
without. A sign-in costs some 12 ms of a processor (Argon2id), which is a third of two cores."""

import http.client
import json
import multiprocessing
import os
import threading
import time

import bystanders
import measure
import subjects
from report import goal, milliseconds, progress, table

RATE = 50
THREADS = 12
PEOPLE = bystanders.PEOPLE
ACCOUNTS = 2000
PASSWORD = "wu-tong-shu-xia-de-feng"
SECONDS = 3 * measure.SECONDS
MOST_RATIO, MOST_MORE_MS = 3, 5
MEASURED = ("read", "list", "write")


class Target:
    """Where Campus is, without what a process that is forked should not have."""

    def __init__(self, port):
        self.port, self.trust = port, None


def run():
    """{"calm": [figures], "busy": [figures], "sign_ins": [a second, p50 ms, refused]}."""
    with subjects.open_campus(CAMPUS_RATE_HANDSHAKES="0") as campus:
        progress(f"{PEOPLE:,} people, {ACCOUNTS:,} of them with accounts")
        campus.cluster.fill(PEOPLE)
        open_accounts(campus)
        keys = {kind: campus.key() for kind in bystanders.KINDS}
        target, calm, busy, told = Target(campus.port), [], [], []
        bystanders.measure(target, keys, measure.WARM_UP_SECONDS)
        for number in range(measure.ROUNDS):
            progress(f"with and without sign-ins, {number + 1} of {measure.ROUNDS}")
            calm.append(bystanders.measure(target, keys, SECONDS))
            with SignIns(campus.port, number) as sign_ins:
                busy.append(bystanders.measure(target, keys, SECONDS))
            told.append(sign_ins.told)
    return {"calm": [one.kinds for one in calm], "busy": [one.kinds for one in busy], "sign_ins": told,
            "failures": sum(len(one.failures) for one in calm + busy)}


def open_accounts(campus):
    """One sets a password; the others get its hash, since what is measured is how it is compared."""
    with campus.client(campus.key()) as client:
        first = subjects.person_id(1)
        token = client.post(f"/v1/people/{first}:invite", {}).expect(200).json()["token"]
        client.post("/v1/accounts:set_up", {"token": token, "password": PASSWORD}).expect(200)
    campus.sql(f"""
        INSERT INTO membership.account (person_id, password_hash, password_set_at)
        SELECT p.id, a.password_hash, a.password_set_at
          FROM membership.account a, membership.person p
         WHERE p.student_number <= 'B{ACCOUNTS:08d}' AND p.id <> a.person_id""")


class SignIns:
    """RATE people a second, each another one, from a process of its own; `told` when it has ended."""

    def __init__(self, port, number):
        fork = multiprocessing.get_context("fork")
        self.pipe, there = fork.Pipe()
        self.child = fork.Process(target=_sign_in_all, args=(port, number, there), daemon=True)

    def __enter__(self):
        self.child.start()
        time.sleep(1)  # to come into its stride
        return self

    def __exit__(self, *_):
        self.pipe.send(None)
        self.told = self.pipe.recv()
        self.child.join()


def _sign_in_all(port, number, pipe):
    os.nice(10)  # as those who sign in would have machines of their own
    begun, stop, lock, taken, refused = time.monotonic(), threading.Event(), threading.Lock(), [], []
    due = iter(range(1_000_000))

    def go_on():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while not stop.is_set():
            with lock:
                turn = next(due)
            time.sleep(max(0, begun + turn / RATE - time.monotonic()))
            login = f"B{(number * 700 + turn) % ACCOUNTS + 1:08d}"
            asked = time.monotonic()
            connection.request("POST", "/v1/sessions", json.dumps({"login": login, "password": PASSWORD}),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            (taken if answer.status in (200, 201) else refused).append((time.monotonic() - asked) * 1000)

    for thread in (threads := [threading.Thread(target=go_on, daemon=True) for _ in range(THREADS)]):
        thread.start()
    pipe.recv()
    stop.set()
    seconds = time.monotonic() - begun
    for thread in threads:
        thread.join()
    pipe.send({"rate": len(taken) / seconds, "p50": sorted(taken)[len(taken) // 2] if taken else 0.0, "refused": len(refused)})


# -- what is told of it ------------------------------------------------------------------------------------------------


def _median(rounds, kind, what):
    values = sorted(one[kind][what] for one in rounds)
    return values[len(values) // 2]


def tell(figures):
    rates = sorted(one["rate"] for one in figures["sign_ins"])
    waits = sorted(one["p50"] for one in figures["sign_ins"])
    table((f"ms, p50 and p99, with {rates[len(rates) // 2]:.0f} sign-ins a second", "without", "with"),
          ((kind, *(f"{milliseconds(_median(figures[when], kind, 'p50'))}, {milliseconds(_median(figures[when], kind, 'p99'))}"
                    for when in ("calm", "busy"))) for kind in MEASURED))
    table(("sign-in", "p50 ms", "refused"), ((f"{rates[len(rates) // 2]:.0f}/s", milliseconds(waits[len(waits) // 2]),
                                              sum(one["refused"] for one in figures["sign_ins"])),))


def goals(figures):
    found = []
    for kind in MEASURED:
        calm, busy = (_median(figures[when], kind, "p99") for when in ("calm", "busy"))
        found.append(goal(f"sign-in at {RATE}/s: p99 of a {kind} at most {MOST_RATIO} x, or {MOST_MORE_MS} ms more",
                          busy <= MOST_RATIO * calm or busy <= calm + MOST_MORE_MS,
                          f"{milliseconds(calm)} -> {milliseconds(busy)} ms"))
    rate = min(one["rate"] for one in figures["sign_ins"])
    found.append(goal(f"sign-in at {RATE}/s: all of them served", rate >= 0.95 * RATE and not any(
        one["refused"] for one in figures["sign_ins"]), f"{rate:.0f}/s"))
    return found
