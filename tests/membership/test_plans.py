"""test_plans.py -- a page of a list or a search reads few rows, however many there are: by PostgreSQL's plans, not by time."""

import json
import re

import pytest

import harness

PEOPLE = 10_000
PAGE_LIMIT = 21
# Every second one is a 同学, one is called 欧阳修; the colleges are small.
FILL = f"""
SET search_path = membership, campus, public;
INSERT INTO organisation (path, kind, title) VALUES ('crowded', 'university', '大学');
INSERT INTO organisation (path, kind, title)
SELECT ('crowded.c' || n)::ltree, 'college', '学院' FROM generate_series(0, 399) n;
INSERT INTO person (id, student_number, name, home)
SELECT new_id(), 'P' || lpad(n::text, 8, '0'),
       CASE WHEN n = {PEOPLE} THEN '欧阳修' WHEN n % 2 = 0 THEN '同学' ELSE '老师' END, ('crowded.c' || n % 400)::ltree
  FROM generate_series(1, {PEOPLE}) n;
ANALYZE person, person_reach;
"""


@pytest.fixture(scope="module")
def crowd(campus):
    campus.sql(FILL)
    return campus


def prepared(name):
    """The service's statement with $1, $2 ..., and the names of these."""
    files = sorted((harness.REPOSITORY / "services/membership").glob("*.sql"))
    queries = "".join(file.read_text() for file in files) + "--"
    sql = re.search(rf"^-- name: {name}\n(.*?)^--", queries, re.M | re.S)[1]
    names = list(dict.fromkeys(re.findall(r"(?<!:):(\w+)", sql)))
    return re.sub(r"(?<!:):(\w+)", lambda found: f"${names.index(found[1]) + 1}", sql), names


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def read_rows(campus, statement, table, **asked):
    """How many rows of a table one run of a statement reads, planned for its values as the service's lane does."""
    sql, names = prepared(statement)
    values = {"scopes": "{\"\"}", "page_limit": PAGE_LIMIT, **asked}
    arguments = ", ".join(f"'{values[name]}'" if name in values else "NULL" for name in names)
    rows = campus.sql("SET search_path = membership, campus, public; SET plan_cache_mode = force_custom_plan;"
                      f"PREPARE it AS {sql};"
                      f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE it ({arguments})", role="campus_membership")
    plan = json.loads("\n".join(row[0] for row in rows))[0]["Plan"]
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
               for node in nodes(plan) if node.get("Relation Name") == table)


@pytest.mark.parametrize("order", ["id", "name", "student_number"])
def test_a_list_reads_a_page(crowd, order):
    assert read_rows(crowd, f"list_people_by_{order}", "person_reach") == PAGE_LIMIT
    assert read_rows(crowd, f"list_people_by_{order}", "person") == PAGE_LIMIT


@pytest.mark.parametrize("sort", ["id", "student_number"])
def test_what_many_have_is_met_on_the_way(crowd, sort):
    assert PAGE_LIMIT <= read_rows(crowd, "search_people", "person", q="同学", sort=sort) < PEOPLE / 20


@pytest.mark.parametrize("sort", ["id", "name", "student_number"])
@pytest.mark.parametrize("q", ["欧阳", "P00004711"])
def test_what_few_have_is_found(crowd, q, sort):
    assert 1 <= read_rows(crowd, "search_people", "person", q=q, sort=sort) < 10


# -- the ledger --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ledger(crowd):
    """Five lines for each of the people."""
    crowd.sql("""
        SET search_path = membership, campus, public;
        INSERT INTO credit_line (id, person_id, source, source_key, kind, module, credits, minutes, policy_version, earned_on, recorded_by)
        SELECT new_id(), p.id, 'events', p.id::text || n, 'event', 'culture', 10, 60, 1, '2026-10-18', 'test'
          FROM person p, generate_series(1, 5) n;
        ANALYZE credit_line""")
    return crowd


@pytest.mark.parametrize("statement", ["list_credits", "get_transcript"])
def test_a_transcript_reads_its_own_lines(ledger, statement):
    one = ledger.value("SELECT id FROM membership.person WHERE student_number = 'P00004711'")
    # (What a function reads is not in the plan; lines are joined to those that take them back.)
    assert read_rows(ledger, statement, "credit_line", id=one) <= 2 * PAGE_LIMIT
    assert read_rows(ledger, statement, "person", id=one) <= PAGE_LIMIT
