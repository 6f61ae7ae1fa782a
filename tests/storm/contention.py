"""contention.py -- one resource that several clients change at once, with the history of what each saw.

A contest is over after so many operations, and another begins: each history is short enough to be searched through.
"""

import itertools
import threading

import load
from storm.linearizability import NEVER, UNKNOWN, Operation, stuck_at

LENGTH = 150
_numbers = itertools.count(1)


def told(noted, done, **refusals):
    """The result of an attempt in the words of the model: done()'s, or a refusal's by its code; None where nobody knows."""
    return done() if noted.well else refusals.get(noted.code)


class Contest:
    """What both kinds share: the history, operation by operation as it is answered."""

    def __init__(self):
        self.history = []

    def over(self):
        return len(self.history) >= LENGTH

    def note(self, noted, asked, result):
        """result None: nobody knows. What did not even get a connection has not happened."""
        if noted.code != "ConnectionRefusedError":
            returned = NEVER if result is None else noted.ended
            self.history.append(Operation(noted.begun, returned, asked, UNKNOWN if result is None else result))

    def stuck(self, books):
        return stuck_at(self.step, self.FIRST, self.operations(books))

    def operations(self, books):
        """As they are searched through, by what is known in the end."""
        return self.history


class VersionContest(Contest):
    """An organisation whose title is patched with If-Match.

    The state is (version, title, keys): a key that has taken effect gets its answer again, and changes nothing more.
    """

    FIRST = (1, "begun", frozenset())

    def __init__(self, member):
        super().__init__()
        self.path = f"su.contest{next(_numbers)}"
        self.ready = member.write("found", "POST", "/v1/organisations", gives_up=0,
                                  json={"path": self.path, "kind": "department", "title": "begun"}).told is not None
        self.known = {}  # by member: the version that it saw last

    @staticmethod
    def step(state, asked):
        version, title, keys = state
        if asked[0] == "read":
            return (version, title), state
        _, key, expected = asked
        if key in keys:
            return ("patched", expected + 1), state
        if version != expected:
            return ("stale",), state
        return ("patched", expected + 1), (version + 1, key, keys | {key})

    def turn(self, member):
        if member in self.known and member.chance.random() < 0.6:
            self.patch(member, self.known[member])
        answer, noted = member.read(f"/v1/organisations/{self.path}")
        if answer:
            seen = answer.json()
            self.known[member] = seen["version"]
            self.note(noted, ("read",), (seen["version"], seen["title"]))

    def patch(self, member, expected):
        def watch(write, noted, answer):
            self.note(noted, ("patch", write.sent["title"], expected),
                      told(noted, lambda: ("patched", answer.json()["version"]), stale_version=("stale",)))
        member.write("patch organisation", "PATCH", f"/v1/organisations/{self.path}", refusals=("stale_version",),
                     watch=watch, json={"title": f"title {next(_numbers)}"},
                     headers={"Content-Type": "application/merge-patch+json", "If-Match": f'"{expected}"'})


class MembershipContest(Contest):
    """A person who is made a member of an organisation, and no longer, by several at once.

    The state is (the open membership's id or None, keys). The id of a join of which nobody was told, the books tell.
    """

    FIRST = (None, frozenset())

    def __init__(self, member):
        super().__init__()
        write = member.write("create person", "POST", "/v1/people", json=load.person(), gives_up=0)
        self.ready = write.told is not None
        self.person = self.ready and write.told["id"]
        self.open = {}  # by member: the membership that it saw last

    @staticmethod
    def step(state, asked):
        current, keys = state
        what, key, id = asked
        if what == "read":
            return ("open", current), state
        if key in keys:
            return (what, id), state
        if what == "join":
            return (("join", id), (id, keys | {key})) if current is None else (("overlaps",), state)
        return (("leave", id), (None, keys | {key})) if current == id else (("ended",), state)

    def operations(self, books):
        """A join is known by the membership that it made. One that made none has not happened, unless it was told why."""
        for one in self.history:
            what, key, id = one.asked
            if what == "join":
                id = next((subject for _, subject in books.facts[key]), None)
                one = one._replace(asked=(what, key, id))
            if what != "join" or id or one.result != UNKNOWN:
                yield one

    def turn(self, member):
        act = member.chance.choice([self.look, self.join, self.leave])
        act(member)

    def look(self, member):
        query = {"person_id": self.person, "organisation": "su", "page_size": "200"}
        answer, noted = member.read("/v1/memberships", query=query)
        if answer:
            current = [one["id"] for one in answer.json().get("memberships", []) if "until" not in one]
            self.open[member] = current[0] if current else None
            self.note(noted, ("read", None, None), ("open", *(current or [None])))

    def join(self, member):
        def watch(write, noted, answer):
            self.note(noted, ("join", write.key, None),
                      told(noted, lambda: ("join", answer.json()["id"]), membership_overlaps=("overlaps",)))
        write = member.write("join", "POST", "/v1/memberships", refusals=("membership_overlaps",), watch=watch,
                             json={"person_id": self.person, "organisation": "su", "since": "2026-01-01"})
        if write.told:
            self.open[member] = write.told["id"]

    def leave(self, member):
        id = self.open.get(member)
        if not id:
            return self.look(member)

        def watch(write, noted, answer):
            self.note(noted, ("leave", write.key, id), told(noted, lambda: ("leave", id), already_ended=("ended",)))
        member.write("leave", "POST", f"/v1/memberships/{id}:end", refusals=("already_ended",), watch=watch,
                     json={"reason": "left", "until": "2026-01-01"})


class Contests:
    """The contest that is on, and those that are over. An act of the crowd."""

    def __init__(self, kind):
        self.kind = kind
        self.all = []
        self.lock = threading.Lock()

    def __call__(self, member):
        with self.lock:
            if not self.all or self.all[-1].over():
                self.all.append(self.kind(member))
            current = self.all[-1]
        if current.ready:
            current.turn(member)
