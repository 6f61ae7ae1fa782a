"""ledger.py -- what clients sent and were told, and what the database says of it in the end.

Every attempt of a write has a request id, `KEY.NUMBER`, and the fact that its effect leaves has the same: so the database
tells of each attempt whether, and how often, it took effect.
"""

import collections
import itertools
import time
import typing

import load

CHANGES = ("created", "updated")  # outcomes of an imported row that leave a fact
# The facts that an acknowledged write leaves, one each, by what it was.
FACTS = {
    "create person": lambda told: [("person.created", told["id"])],
    "patch person": lambda told: [("person.updated", told["id"])],
    "import": lambda told: [(f"person.{row['outcome']}", row["id"]) for row in told["rows"] if row["outcome"] in CHANGES],
    "join": lambda told: [("membership.started", told["id"])],
    "leave": lambda told: [("membership.ended", told["id"])],
    "found": lambda told: [("organisation.created", told["path"])],
    "patch organisation": lambda told: [("organisation.updated", told["path"])],
}


class Attempt(typing.NamedTuple):
    """One request. status None: no answer came; code then says why, else it is a problem's code, or None."""
    what: str
    begun: float
    ended: float
    status: int
    code: str

    @property
    def well(self):
        return self.status is not None and self.status < 300


class Write:
    """What a client wants done once, in any number of attempts. `told` is the answer's JSON, None unless acknowledged. The
    request has the key as its idempotency key where it is keyed."""

    def __init__(self, what, key, request, keyed=True):
        self.what, self.key, self.keyed = what, key, keyed
        self.request = {**request, "headers": {**request.get("headers", {}), **(load.key_header(key) if keyed else {})}}
        self.begun = time.monotonic()
        self.status = self.told = self.at = None
        self.refused = None  # the code of the answer that says it was not done
        self.uncertain = False  # an attempt was not answered: it may take effect at any time

    def acknowledge(self, answer):
        self.status, self.told, self.at = answer.status, answer.json(), time.monotonic()

    @property
    def sent(self):
        return self.request.get("json")


class Ledger:
    """Filled by many threads; compared by one, when they have ended."""

    def __init__(self):
        self.attempts = []
        self.writes = []
        self.wrong = []  # answers that nobody should get: what, and why
        self._numbers = itertools.count(1)

    def write(self, what, request, keyed):
        write = Write(what, f"storm-{'' if keyed else 'once-'}{next(self._numbers)}", request, keyed)
        self.writes.append(write)
        return write

    def refused(self):
        """Those of which each attempt was answered, the last one by a refusal."""
        return [write for write in self.writes if write.refused and not write.uncertain]

    def acknowledged(self):
        return [write for write in self.writes if write.told is not None]


class Books:
    """What the database holds when all is over: rows by their id, and the facts that writes of a ledger have left."""

    def __init__(self, facts, people=(), memberships=(), organisations=()):
        self.facts = collections.defaultdict(collections.Counter)  # by key: {(type, subject): how often}
        for request_id, kind, subject in facts:
            self.facts[request_id.partition(".")[0]][kind, subject] += 1
        self.people = {id: rest for id, *rest in people}
        self.memberships = {id: rest for id, *rest in memberships}
        self.organisations = {path: rest for path, *rest in organisations}

    @classmethod
    def of(cls, campus):
        return cls(campus.sql("SELECT request_id, type, subject FROM membership.fact WHERE request_id LIKE 'storm-%'"),
                   campus.sql("SELECT id, student_number, home, class_name, version FROM membership.person"),
                   campus.sql("SELECT id, person_id, organisation, until FROM membership.membership"),
                   campus.sql("SELECT path, title, version FROM membership.organisation"))

    def has(self, write):
        """Whether the rows hold what an acknowledged write has put there."""
        return HELD[write.what](self, write.sent, write.told)

    def lost(self, write):
        """Of an acknowledged write: what of it is missing, or None."""
        for fact in FACTS[write.what](write.told):
            if not self.facts[write.key][fact]:
                return f"{write.key} ({write.what}): no fact {fact[0]} of {fact[1]}"
        return None if self.has(write) else f"{write.key} ({write.what}): acknowledged, and its row does not hold it"

    def doubled(self, write):
        """What a write, acknowledged or not, has done more than once, or None."""
        facts = self.facts[write.key]
        expected = set(FACTS[write.what](write.told)) if write.told else set(facts)
        if any(count > 1 for count in facts.values()) or not set(facts) <= expected or \
                (write.what != "import" and len(facts) > 1):
            return f"{write.key} ({write.what}): facts {dict(facts)}"
        return None


def _person_is(books, sent, told):
    kept = books.people.get(told["id"])
    return kept and kept[:2] == [sent["student_number"], sent["home"]]


def _person_was_patched(books, sent, told):
    """Later versions may say something else."""
    kept = books.people.get(told["id"])
    return kept and (int(kept[3]) > told["version"] or (int(kept[3]) == told["version"] and kept[2] == sent["class_name"]))


def _roster_is(books, sent, told):
    return all(row["id"] in books.people for row in told["rows"])


def _belongs(books, sent, told):
    kept = books.memberships.get(told["id"])
    return kept and kept[:2] == [sent["person_id"], sent["organisation"]]


def _has_left(books, sent, told):
    kept = books.memberships.get(told["id"])
    return kept and kept[2] is not None


def _organisation_is(books, sent, told):
    kept = books.organisations.get(told["path"])
    return kept and (int(kept[1]) > told["version"] or (int(kept[1]) == told["version"] and kept[0] == sent["title"]))


HELD = {
    "create person": _person_is,
    "patch person": _person_was_patched,
    "import": _roster_is,
    "join": _belongs,
    "leave": _has_left,
    "found": _organisation_is,
    "patch organisation": _organisation_is,
}
