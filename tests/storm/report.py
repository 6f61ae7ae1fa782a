"""report.py -- what a run tells of itself: a table of faults, and each claim with what speaks against it."""

import collections
import itertools
import typing

from storm import crowd
from storm.kinds import KINDS

AFTER_SECONDS = 1  # for so long after its end a fault is still felt
NOTICED_SECONDS = 1
NAMED = 5  # how many findings of one claim are told
CALM = "none"
ALL = "in all"
HEAD = ("fault", "times", "requests", "acknowledged", "lost", "doubled", "outage s", "failed alone", "failed, by status")


class Fault(typing.NamedTuple):
    """One that happened, from its beginning until it was undone."""
    name: str
    begun: float
    ended: float


class Row:
    """A line of the table: what was under way while faults of one kind lasted, or in the second after."""

    def __init__(self):
        self.times = self.requests = self.acknowledged = self.lost = self.doubled = 0
        self.outage = 0.0
        self.alone = 0  # requests that failed while nothing else was wrong
        self.failed = collections.Counter()

    def cells(self):
        failed = ", ".join(f"{code}: {count}" for code, count in sorted(self.failed.items()))
        counts = (self.times, self.requests, self.acknowledged, self.lost, self.doubled)
        return [*map(str, counts), f"{self.outage:.2f}", str(self.alone), failed or "-"]


class Table:
    """Rows by kind. What was under way during several faults counts for each of them, and once in all."""

    def __init__(self, storm):
        self.storm = storm
        self.rows = {name: Row() for name in (CALM, *(kind.name for kind in KINDS), ALL)}
        for fault in storm.faults:
            self.rows[fault.name].times += 1
            self.rows[ALL].times += 1
        for one in storm.ledger.attempts:
            self._count(one)
        for begun, ended in outages(storm):
            for row in self._rows(during(storm, begun, ended)):
                row.outage = max(row.outage, ended - begun)
        for write in storm.ledger.acknowledged():
            for row in self._rows(during(storm, write.begun, write.at)):
                row.acknowledged += 1
        self._count_writes("lost", storm.lost)
        self._count_writes("doubled", storm.doubled)

    def _rows(self, faults):
        return [self.rows[name] for name in ({fault.name for fault in faults} or {CALM}) | {ALL}]

    def _count(self, one):
        faults = during(self.storm, one.begun, one.ended)
        for row in self._rows(faults):
            row.requests += 1
            # A refusal is an answer: it is no failure that somebody else was faster.
            if not one.well and crowd.may_pass(one):
                row.failed[str(one.status or "no answer")] += 1
                row.alone += len(faults) <= 1

    def _count_writes(self, what, found):
        for write, _ in found:
            for row in self._rows(during(self.storm, write.begun, write.at or write.begun)):
                setattr(row, what, getattr(row, what) + 1)

    def __str__(self):
        lines = [HEAD, *((name, *row.cells()) for name, row in self.rows.items() if row.times or row.requests)]
        wide = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join(_aligned(line, wide) for line in lines)


def _aligned(line, wide):
    first, *figures, last = line
    return "  ".join([first.ljust(wide[0]), *(cell.rjust(width) for cell, width in zip(figures, wide[1:])), last])


def during(storm, begun, ended):
    """The faults that were felt at some time between the two."""
    return [fault for fault in storm.faults if fault.begun <= ended and begun <= fault.ended + AFTER_SECONDS]


def outages(storm):
    """From each request that went well to the next that did, whoever's they were, as long as all went on asking."""
    return itertools.pairwise(sorted(one.ended for one in storm.ledger.attempts if one.well and one.ended < storm.ended))


def _longest(storm):
    """The outages that anybody would have noticed, and what went on."""
    noticed = [(ended - begun, begun, ended) for begun, ended in outages(storm) if ended - begun > NOTICED_SECONDS]
    for seconds, begun, ended in sorted(noticed, reverse=True)[:NAMED]:
        names = ", ".join(f"{fault.name} ({fault.begun - storm.began:.1f} to {fault.ended - storm.began:.1f})"
                          for fault in sorted(during(storm, begun, ended), key=lambda fault: fault.begun))
        yield f"outage of {seconds:.2f} s from {begun - storm.began:.1f} s on: {names or CALM}"


def report(storm):
    lines = [str(Table(storm)), *_longest(storm), storm.contested()]
    lines += [f"ended of itself and was started again: {last_words}" for last_words in storm.own_ends]
    lines += [f"not possible here: {name}" for name in storm.skipped]
    for what, against in storm.claims:
        lines.append(f"{'FAILED' if against else 'holds'}: {what}")
        lines += [f"    {finding}" for finding in against[:NAMED]]
        if len(against) > NAMED:
            lines.append(f"    and {len(against) - NAMED} more")
    return "\n".join(lines)
