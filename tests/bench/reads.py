"""reads.py -- a point read through the whole stack beside pgbench, Fastify and Django REST framework, and beside itself as a
process a role."""

import measure
import peers
import subjects
from measure import Ratio
from report import goal, milliseconds, progress, table

PEOPLE = 200_000
CONNECTIONS = (1, 16, 64, 256)
APART_CONNECTIONS = (1, 64)
TITLES = {"pgbench": "pgbench", "fastify": "Fastify", "django": "Django REST"}


def run():
    """The figures: {"people", "connections": {n: pairs}, "apart": {n: pairs}}."""
    with subjects.open_campus() as whole:
        progress(f"{PEOPLE:,} people")
        whole.cluster.fill(PEOPLE)
        campus = subjects.Server(whole.port, whole.key())
        with peers.Fastify(whole.cluster) as fastify, peers.Django(whole.cluster) as django:
            peers.check_same_answer(campus, fastify, django)
            beside_peers = {n: point_reads(n, campus, whole.cluster, fastify, django) for n in CONNECTIONS}
        with subjects.open_apart(whole) as processes:
            apart = subjects.Server(processes.port, campus.key)
            beside_apart = {n: apart_reads(n, campus, apart) for n in APART_CONNECTIONS}
    return {"people": PEOPLE, "connections": beside_peers, "apart": beside_apart}


def point_reads(connections, campus, cluster, fastify, django):
    progress(f"point reads, connections: {connections}")
    script = subjects.write_pgbench_script(cluster.folder, PEOPLE)
    return measure.in_pairs(measure.wrk_people(campus, connections, PEOPLE), {
        "pgbench": measure.pgbench(cluster, script, connections),
        "fastify": measure.wrk_people(fastify, connections, PEOPLE),
        "django": measure.wrk_people(django, connections, PEOPLE)})


def apart_reads(connections, campus, apart):
    """Here the processes apart are ours, and `campus serve` is the other."""
    progress(f"a process a role, connections: {connections}")
    return measure.in_pairs(measure.wrk_people(apart, connections, PEOPLE),
                            {"serve": measure.wrk_people(campus, connections, PEOPLE)})


# -- what is told of it ------------------------------------------------------------------------------------------------


def cell(runs):
    rate, p50, p99 = (measure.median(runs, what) for what in ("rate", "p50", "p99"))
    return f"{rate:,.0f}/s, p50 {milliseconds(p50)} ms, p99 {milliseconds(p99)} ms"


def rate_cell(runs):
    return f"{measure.median(runs, 'rate'):,.0f}/s"


def tell(figures):
    reads = figures["connections"]
    table(("connections", "campus", *(f"of {title}" for title in TITLES.values())),
          ((n, cell(measure.ours(pairs)), *(Ratio(pairs[name]) for name in TITLES)) for n, pairs in reads.items()))
    table(("connections", *TITLES.values()),
          ((n, rate_cell(measure.theirs(pairs["pgbench"])),
            *(cell(measure.theirs(pairs[name])) for name in ("fastify", "django"))) for n, pairs in reads.items()))
    table(("connections", "a process a role, tcp + CURVE", "of campus serve"),
          ((n, cell(measure.ours(pairs)), Ratio(pairs["serve"])) for n, pairs in figures["apart"].items()))


def goals(figures):
    at_1, at_64 = figures["connections"][1], figures["connections"][64]
    of_pgbench, of_fastify, of_django = (Ratio(at_64[name]) for name in TITLES)
    p99 = Ratio(at_64["fastify"], "p99")
    idle = Ratio(at_1["fastify"], "p50")
    apart = Ratio(figures["apart"][64]["serve"])
    return [
        goal("point read, 64 connections: at least 1.0 x pgbench's rate", of_pgbench.median >= 1, of_pgbench),
        goal("point read, 64 connections: at least 4 x Fastify's rate", of_fastify.median >= 4, of_fastify),
        goal("point read, 64 connections: p99 below Fastify's", p99.median < 1, p99),
        goal("point read, 64 connections: above Django REST framework's rate", of_django.median > 1, of_django),
        goal("idle latency, 1 connection: p50 below Fastify's", idle.median < 1, idle),
        goal("a process a role over tcp + CURVE, 64 connections: at least 0.6 x campus serve", apart.median >= 0.6, apart),
    ]
