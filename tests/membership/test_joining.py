"""test_joining.py -- what holds for all of joining and leaving: each refusal is tested, and a page of a list reads a page."""

import pathlib
import re

import pytest

from membership.test_plans import PAGE_LIMIT, read_rows

TAGS = {"campaigns", "applications", "bans", "graduation", "terms of memberships"}
ALSO = {"LeaveMembership", "ExpelMember"}
FILES = ("campaigns", "applications", "leaving", "terms", "graduation", "erased")


def test_every_refusal_declared_is_tested(client):
    folder = pathlib.Path(__file__).parent
    tested = set(re.findall(r'"(\w+)"', "".join((folder / f"test_{name}.py").read_text() for name in FILES)))
    seen = 0
    for item in client.get("/openapi.json").expect(200).json()["paths"].values():
        for operation in item.values():
            if not set(operation["tags"]) & TAGS and operation["operationId"] not in ALSO:
                continue
            seen += 1
            for response in operation["responses"].values():
                for code in re.findall(r"^- `(\w+)`: ", response.get("description", ""), re.M):
                    assert code in tested, (operation["operationId"], code)
    assert seen == 31


# -- plans: 400 organisations, 4,000 campaigns, of which 100 are open, 20,000 applications, 4,000 bans -------------------

FILL = """
SET search_path = membership, campus, public;
INSERT INTO organisation (path, kind, title) VALUES ('crowd', 'union', 'a');
INSERT INTO organisation (path, kind, title)
SELECT ('crowd.d' || n)::ltree, 'department', 'a' FROM generate_series(0, 399) n;
INSERT INTO person (id, student_number, name, home)
SELECT new_id(), 'J' || n, 'a', ('crowd.d' || n % 400)::ltree FROM generate_series(1, 10000) n;
INSERT INTO campaign (id, organisation, title, opens_at, closes_at, gives)
SELECT new_id(), ('crowd.d' || n % 400)::ltree, 'a', '2020-01-01'::timestamptz, '2020-02-01'::timestamptz + n * interval '1 minute', 'member'
  FROM generate_series(1, 3900) n
 UNION ALL
SELECT new_id(), ('crowd.d' || n)::ltree, 'a', '2020-01-01'::timestamptz, '2090-02-01'::timestamptz + n * interval '1 minute', 'member'
  FROM generate_series(1, 100) n;
INSERT INTO campaign_track (campaign_id, organisation) SELECT id, organisation FROM campaign;
INSERT INTO application (id, campaign_id, person_id, choices, state)
SELECT new_id(), c.id, p.id, ARRAY[c.organisation], CASE WHEN p.student_number LIKE '%07' THEN 'interview' ELSE 'submitted' END
  FROM (SELECT id, organisation FROM campaign ORDER BY closes_at DESC LIMIT 2) c, person p;
INSERT INTO ban (id, person_id, organisation, since, until, reason)
SELECT new_id(), (SELECT id FROM person WHERE student_number = 'J' || (n % 1000 + 1)), ('crowd.d' || n % 400)::ltree,
       '2020-01-01'::date, '2090-01-01'::date, 'a'
  FROM generate_series(1, 4000) n;
ANALYZE;
"""


@pytest.fixture(scope="module")
def crowd(campus):
    campus.sql(FILL)
    return campus


@pytest.mark.parametrize("scopes", ["{}", '{""}'])
@pytest.mark.parametrize("asked", [{}, {"state": "open"}])
def test_campaigns_read_a_page(crowd, scopes, asked):
    assert read_rows(crowd, "list_campaigns", "campaign", scopes=scopes, **asked) == PAGE_LIMIT


def test_campaigns_of_one_organisation(crowd):
    assert read_rows(crowd, "list_campaigns", "campaign", organisation="crowd.d7") <= PAGE_LIMIT


@pytest.mark.parametrize("asked", [{}, {"state": "interview"}, {"track": "crowd.d100"}])
def test_applications_read_a_page(crowd, asked):
    great = crowd.value("SELECT id FROM membership.campaign ORDER BY closes_at DESC LIMIT 1")
    assert read_rows(crowd, "list_applications", "application", campaign_id=great, **asked) == PAGE_LIMIT


def test_own_applications_read_their_own(crowd):
    one = crowd.value("SELECT id FROM membership.person WHERE student_number = 'J7'")
    assert read_rows(crowd, "list_applications", "application", caller_person=one, scopes="{}") == 2


def test_bans_read_few(crowd):
    one = crowd.value("SELECT id FROM membership.person WHERE student_number = 'J7'")
    assert read_rows(crowd, "list_bans", "ban", person_id=one) <= PAGE_LIMIT
    assert read_rows(crowd, "list_bans", "ban", within="crowd.d7") <= PAGE_LIMIT


def test_whoever_joins_is_looked_up_in_few_bans(crowd):
    rows = crowd.sql("EXPLAIN (FORMAT JSON) SELECT membership.is_banned(person_id, 'crowd.d7') FROM membership.ban LIMIT 1")
    assert rows  # inlined or not, it reads by the index below
    plan = crowd.sql("SET enable_seqscan = off; EXPLAIN SELECT FROM membership.ban b WHERE b.person_id = gen_random_uuid()")
    assert any("ban_of_person" in row[0] for row in plan)
