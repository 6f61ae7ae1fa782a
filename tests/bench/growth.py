"""growth.py -- what reads cost when a campus grows a hundredfold, and what a page far into a list costs beside the first."""

import urllib.parse

import harness
import measure
import subjects
from measure import Ratio
from report import goal, milliseconds, progress, table

FEW, MANY = 10_000, 1_000_000
PAGE_SIZE, PAGE = 20, 10_000
LARGEST_PAGE = 200
# Filled once and then only read: nothing has to be durable, and what is filled in one transaction needs no log. A million people
# fit into its buffers, as they should.
CLUSTER = ("fsync=off", "wal_level=minimal", "max_wal_senders=0", "shared_buffers=1GB")
LISTS = {
    "people, page 1": ("people", {}),
    "people by name, page 1": ("people", {"sort": "name"}),
    "people of a college": ("people", {"home": "university.c7"}),
    "people of a society": ("people", {"organisation": "federation.s7"}),
    "memberships of a society": ("memberships", {"organisation": "federation.s7"}),
    "search: a student number": ("people", {"q": "B00004711"}),
    "search: a name that 25 have": ("people", {"q": "欧阳修远"}),
    "search: a surname that one in 20 has": ("people", {"q": "王"}),
}
# What is found grows with the campus, and is sorted: told without a goal.
GROWING = "search: a name that one in 8,000 has"
LISTS[GROWING] = ("people", {"q": "李明伟"})
GOAL = 1.2
SECONDS = max(1, measure.SECONDS // 2)  # of one connection, of which a median needs fewer


def run():
    """{"growth": {read: [(run with many, run with few), ...]}, "far": the same of page 10,000 and page 1}."""
    with subjects.open_campus(*CLUSTER) as few, subjects.open_campus(*CLUSTER) as many:
        for campus, people in ((few, FEW), (many, MANY)):
            progress(f"{people:,} people, {5 * people:,} memberships")
            campus.cluster.fill(people, "growth.sql")
        small, large = (subjects.Server(campus.port, campus.key()) for campus in (few, many))
        progress("reads of both")
        growth = {"a person": beside(measure.wrk_people(large, 1, MANY), measure.wrk_people(small, 1, FEW))}
        for name, (kind, query) in LISTS.items():
            path = list_path(kind, query)
            growth[name] = beside(measure.wrk(large, 1, path), measure.wrk(small, 1, path))
        progress(f"page {PAGE:,}")
        far = beside(measure.wrk(large, 1, find_page(large, PAGE)), measure.wrk(large, 1, list_path("people", {})))
    return {"few": FEW, "many": MANY, "growth": growth, "far": far}


def beside(ours, other):
    return measure.in_pairs(ours, {"": other}, SECONDS)[""]


def list_path(kind, query, size=PAGE_SIZE):
    return f"/v1/{kind}?" + urllib.parse.urlencode({"page_size": size, **query})


def find_page(server, number):
    """The path of a page, reached by the largest steps."""
    skipped, query = (number - 1) * PAGE_SIZE, {}
    with harness.Client("127.0.0.1", server.port, server.key) as client:
        while skipped:
            size = min(LARGEST_PAGE, skipped)
            query = {"page_token": client.get(list_path("people", query, size)).expect(200).json()["next_page_token"]}
            skipped -= size
    return list_path("people", query)


# -- what is told of it ------------------------------------------------------------------------------------------------


def row(name, pairs):
    many, few = (milliseconds(measure.median(runs, "p50")) for runs in zip(*pairs))
    return name, f"{few} ms", f"{many} ms", Ratio(pairs, "p50")


def tell(figures):
    table(("p50 of one connection", f"{FEW:,} people", f"{MANY:,} people", "times"),
          (row(name, pairs) for name, pairs in figures["growth"].items()))
    table((f"of {MANY:,} people", "page 1", f"page {PAGE:,}", "times"), [row("people", figures["far"])])


def goals(figures):
    def bounded(name, pairs):
        ratio = Ratio(pairs, "p50")
        return goal(f"{name}: at most {GOAL} x the time", ratio.median <= GOAL, ratio)
    return [*(bounded(f"{FEW:,} -> {MANY:,} people, {name}", pairs)
              for name, pairs in figures["growth"].items() if name != GROWING),
            bounded(f"{MANY:,} people, page 1 -> page {PAGE:,}", figures["far"])]
