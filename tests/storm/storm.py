"""storm.py -- a campus under steady load to which a plan's faults happen, and what has to be true of it afterwards."""

import collections
import contextlib
import pathlib
import re
import threading
import time

import load
from harness import HarnessError, wait_until
from storm import acts
from storm.contention import Contests, MembershipContest, VersionContest
from storm.crowd import Crowd
from storm.kinds import KINDS
from storm.ledger import Books, Ledger
from storm.linearizability import UNKNOWN, Undecided
from storm.plan import plan
from storm.report import Fault
from storm.stage import Stage

INVARIANTS = pathlib.Path(__file__).with_name("invariants.sql")
UNNUMBERED = "SELECT count(*) FROM membership.fact WHERE pos IS NULL"
ASKED_AGAIN = 50  # how many of all acknowledged writes, and of the last, are sent once more in the end


class Storm:
    """One run. What it found is in `claims`: (what is claimed, what speaks against it)."""

    def __init__(self, seed, seconds):
        self.seed, self.seconds = seed, seconds
        self.ledger = Ledger()
        self.faults = []  # a Fault each, as they came to an end
        self.enough = threading.Event()  # what has begun is undone, and nothing more begins
        self.skipped = set()  # kinds that cannot be had here
        self.claims = []
        self.lost, self.doubled = [], []  # (write, why)
        self.contests = [Contests(VersionContest), Contests(MembershipContest)]
        version, membership = self.contests
        self.doing = [acts.create, acts.create, acts.read, acts.read, acts.patch, acts.patch, acts.belong,
                      acts.import_roster, version, version, version, membership, membership, membership]

    def run(self, tell=lambda line: None):
        with contextlib.ExitStack() as stack:
            stage = Stage(stack)
            tell(stage.describe())
            acts.found_homes(stage)
            crowd = stage.crowd = Crowd(stage, self.ledger, self.seed, self.doing)
            self.began = time.monotonic()
            with crowd:
                self._let_happen(stage, tell)
                self._claim("all is well again by itself", self._recover(stage))
            self.ended = time.monotonic()
            self._compare(stage, crowd)
            try:
                stack.close()
                ended = []
            except HarnessError as error:
                ended = [str(error)]
            self.own_ends = stage.own_ends
            self._claim("every process ends as it should, and says nothing of damage", stage.troubles + ended)
        return self

    def _claim(self, what, against):
        self.claims.append((what, list(against)))

    # The faults

    def _let_happen(self, stage, tell):
        """Each target has a thread of its own: what takes long, as a recovery does, holds up only what comes to it next."""
        mine = collections.defaultdict(list)
        for step in plan(self.seed, self.seconds, KINDS, stage.targets()):
            if step.kind.needs and getattr(stage, step.kind.needs) is None:
                self.skipped.add(step.kind.name)
            else:
                mine[step.target].append(step)
        threads = [load.Sent(lambda steps=steps: self._befall(stage, steps, tell)) for steps in mine.values()]
        try:
            while any(thread.under_way() for thread in threads) or self._seconds() < self.seconds:
                stage.supervise()
                time.sleep(0.05)
        finally:
            self.enough.set()
            for thread in threads:
                thread.answer()

    def _befall(self, stage, steps, tell):
        for step in steps:
            if self.enough.wait(max(0, step.at - self._seconds())):
                return
            begun = time.monotonic()
            tell(f"{self._seconds():8.3f} {step.kind.name}: {step.target} for {step.seconds} s")
            step.kind.do(stage, step)
            self.enough.wait(max(0, begun + step.seconds - time.monotonic()))
            step.kind.undo(stage, step)
            self.faults.append(Fault(step.kind.name, begun, time.monotonic()))

    def _seconds(self):
        return time.monotonic() - self.began

    def _recover(self, stage):
        try:
            stage.wait_well()
            done = sum(one.well for one in self.ledger.attempts)
            wait_until(lambda: sum(one.well for one in self.ledger.attempts) > done + 50, "clients are served", 60)
            return []
        except (HarnessError, OSError) as error:
            return [str(error)]

    # The comparison

    def _compare(self, stage, crowd):
        load.wait_quiet(stage.campus)
        wait_until(lambda: stage.campus.value(UNNUMBERED) == "0", "all facts are numbered", 60)
        books = Books.of(stage.campus)
        self.lost = [(write, why) for write in self.ledger.acknowledged() if (why := books.lost(write))]
        self.doubled = [(write, why) for write in self.ledger.writes if (why := books.doubled(write))]
        self._claim("no acknowledged write is lost", [why for _, why in self.lost])
        self._claim("no write took effect twice", [why for _, why in self.doubled])
        self._claim("no fact of a write that nobody sent", self._unsent(books))
        self._claim("no effect of a write that was refused",
                    [f"{write.key} ({write.what}): {write.refused}, and {dict(books.facts[write.key])}"
                     for write in self.ledger.refused() if books.facts[write.key]])
        self._claim("whoever asks again gets the same answer", self._ask_again(crowd))
        self._claim("every answer is one that its request may get", self.ledger.wrong)
        self._claim("each contest has an order", self._contests_stuck(books))
        for name, found in self._invariants(stage):
            self._claim(name, found)
        self._claim("no log and no stored answer holds a personal value", self._discreet(stage))

    def _unsent(self, books):
        sent = {write.key for write in self.ledger.writes}
        return [key for key in books.facts if books.facts[key] and key not in sent]

    def _ask_again(self, crowd):
        """Of some, and of the last; send_again() notes what differs."""
        member = crowd.members[0]
        keyed = [write for write in self.ledger.acknowledged() if write.keyed]
        asked = member.chance.sample(keyed, min(len(keyed), ASKED_AGAIN)) + keyed[-ASKED_AGAIN:]
        return [f"{write.key} ({write.what}): no answer" for write in asked
                if not any(member.send_again(write) for _ in range(3))]

    def _contests_stuck(self, books):
        for contest in (one for contests in self.contests for one in contests.all):
            try:
                stuck = contest.stuck(books)
            except Undecided as error:
                stuck = [error]
            if stuck:
                yield f"{type(contest).__name__}: {stuck}"

    def _invariants(self, stage):
        stage.campus.sql("CREATE EXTENSION amcheck")
        for name, statement in re.findall(r"^-- name: (.*)\n((?:(?!-- name:).*\n)+)", INVARIANTS.read_text(), re.M):
            try:
                yield name, map(str, stage.campus.sql(statement))
            except HarnessError as error:
                yield name, [str(error)]

    def _discreet(self, stage):
        try:
            load.assert_discreet(stage.campus)
            return []
        except AssertionError as error:
            return [str(error)]

    def failed(self):
        return [what for what, against in self.claims if against]

    def contested(self):
        """How much the search for an order went through."""
        contests = [one for contests in self.contests for one in contests.all]
        operations = [operation for contest in contests for operation in contest.history]
        unknown = sum(operation.result == UNKNOWN for operation in operations)
        return f"{len(contests)} contests: {len(operations)} operations, {unknown} of unknown outcome"
