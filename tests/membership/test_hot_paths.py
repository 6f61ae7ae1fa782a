"""test_hot_paths.py -- at 200,000 people and 1,000 organisations, what is asked often is found by index: no table of size is read
through, and few pages are touched. By PostgreSQL's plans, not by time: a thousand pages in memory are a few milliseconds."""

import json

import pytest

from membership.test_plans import nodes, prepared

PEOPLE, ORGANISATIONS = 200_000, 1_000
MOST_PAGES = 2_500  # of 8 KiB; 10 ms on a slow machine
PAGES = {"vacancies of all": 12_000}  # who looks for the few must pass over the many: two pages of an index for each office
SMALL = 10_000  # rows, some hundred pages: a table of these may be read through sooner than asked by index

# As a restore would: without triggers, and so in seconds. Who reaches what is filled as person_reach_renew() would.
FILL = f"""
SET session_replication_role = replica;
SET search_path = membership, campus, public;
INSERT INTO organisation (path, kind, parent_kind, title, founded_on)
SELECT p::ltree, k, pk, t, '2000-01-01' FROM (
    SELECT 'hot', 'committee', '', '委员会'
     UNION ALL SELECT 'hot.u' || n, 'union', 'committee', '学生会' || n FROM generate_series(1, 30) n
     UNION ALL SELECT 'hot.u' || n % 30 + 1 || '.d' || n, 'department', 'union', '部门' || n FROM generate_series(1, {ORGANISATIONS} - 31) n) AS o (p, k, pk, t);
CREATE TEMP TABLE deep AS
SELECT path, row_number() OVER (ORDER BY path) - 1 AS n, count(*) OVER () AS count FROM organisation WHERE path ~ 'hot.*{{2}}';
INSERT INTO person (id, student_number, name, home, grade, email)
SELECT new_id(), 'H' || lpad(n::text, 8, '0'),
       substr('赵钱孙李周吴郑王冯陈', n % 10 + 1, 1) || substr('明华建国文军志强丽静', n / 10 % 10 + 1, 1) || substr('伟芳敏娜秀英杰涛超勇', n / 100 % 10 + 1, 1),
       ('hot.u' || n % 30 + 1)::ltree, 2020 + n % 6, 'h' || n || '@example.edu'
  FROM generate_series(1, {PEOPLE}) n;
INSERT INTO membership (id, person_id, organisation, kind, since)
SELECT new_id(), p.id, d.path, 'member', '2024-09-01'
  FROM (SELECT id, row_number() OVER () AS n FROM person) AS p JOIN deep d ON d.n = p.n % d.count WHERE p.n % 4 = 0;
INSERT INTO person_reach (ancestor, person_id, since, until, name, student_number, home, grade, status)
SELECT DISTINCT a, p.id, '-infinity'::date, 'infinity'::date, p.name, p.student_number, p.home, p.grade, p.status
  FROM person p, ancestors(p.home) a;
INSERT INTO person_reach (ancestor, person_id, since, until, name, student_number, home, grade, status)
SELECT m.organisation, p.id, m.since, 'infinity', p.name, p.student_number, p.home, p.grade, p.status
  FROM membership m JOIN person p ON p.id = m.person_id ON CONFLICT DO NOTHING;
INSERT INTO office (id, organisation, kind, title, established_on)
SELECT new_id(), path, 'officer', '职务' || n, '2010-01-01' FROM organisation, generate_series(1, 5) n WHERE path <@ 'hot';
INSERT INTO office_role SELECT id, 'officer', organisation FROM office;
INSERT INTO appointment (id, office_id, organisation, person_id, seat, since, until, chosen)
SELECT new_id(), o.id, o.organisation, p.id, 1, make_date(2016 + y, 9, 1), CASE WHEN y < 10 THEN make_date(2017 + y, 9, 1) END, 'election'
  FROM (SELECT *, row_number() OVER () AS n FROM office) AS o, generate_series(1, 10) y
  JOIN (SELECT id, row_number() OVER () AS n FROM person) AS p ON true WHERE p.n = o.n * 10 + y;
INSERT INTO campaign (id, organisation, title, gives, opens_at, closes_at)
SELECT new_id(), path, '招新', 'member', '2026-01-01', '2090-01-01' FROM organisation WHERE path ~ 'hot.*{{1}}';
INSERT INTO application (id, campaign_id, person_id, state, submitted_at)
SELECT new_id(), c.id, p.id, 'submitted', now()
  FROM (SELECT id, row_number() OVER () AS n FROM campaign WHERE title = '招新') AS c
  JOIN (SELECT id, row_number() OVER () AS n FROM person) AS p ON p.n % 30 = c.n - 1 WHERE p.n % 5 = 0;
INSERT INTO account (person_id, password_hash, password_set_at) SELECT id, 'x', now() FROM person;
INSERT INTO session (id, person_id, token_hash, begun_by, second_factor, idle_seconds, ends_at)
SELECT new_id(), id, sha256(id::text::bytea), 'password', false, 1800, now() + interval '12 hours' FROM person WHERE grade = 2024;
INSERT INTO api_key (id, name, permissions, token_hash)
SELECT new_id(), 'key ' || n, '{{membership.people.read}}', sha256(n::text::bytea) FROM generate_series(1, 3000) n;
INSERT INTO role_grant (id, person_id, role, organisation, since, reason, granted_by)
SELECT new_id(), id, 'officer', home, '2026-01-01', 'test', 'test' FROM person WHERE grade = 2025;
INSERT INTO handover (id, office_id, organisation, outgoing_id, opened_by, outgoing_signed_at, closed_at, closed_by, close_reason)
SELECT new_id(), office_id, organisation, id, 'test', CASE WHEN n % 50 = 0 THEN now() END,
       CASE WHEN n % 50 > 1 THEN now() END, CASE WHEN n % 50 > 1 THEN 'test' END, CASE WHEN n % 50 > 1 THEN 'test' END
  FROM (SELECT *, row_number() OVER () AS n FROM appointment WHERE until IS NOT NULL) AS a;
INSERT INTO handover_list (handover_id, list, hash, items, made_by) SELECT id, 1, 'x', 0, 'test' FROM handover;
INSERT INTO organisation (path, kind, parent_kind, title, founded_on)
SELECT ('hot.u' || n % 30 + 1 || '.s' || n)::ltree, 'society', 'union', '社团' || n, '2000-01-01' FROM generate_series(1, 300) n;
INSERT INTO registration (id, organisation, year, state, round, supervisor)
SELECT new_id(), path, y, CASE WHEN y % 5 = 0 THEN 'submitted' ELSE 'approved' END, 1, subpath(path, 0, -1)
  FROM organisation, generate_series(2007, 2025) y WHERE kind = 'society' AND (y < 2025 OR path::text LIKE '%5');
INSERT INTO credit_line (id, person_id, source, source_key, kind, module, credits, minutes, policy_version, earned_on, recorded_by)
SELECT new_id(), id, 'test', id::text, 'event', 'culture', 10, 0, 1, '2026-03-01', 'test' FROM person WHERE hashtext(student_number) % 10 = 0;
INSERT INTO credit_objection (id, line_id, person_id, home, text, outcome, reason, decided_by, decided_at)
SELECT new_id(), l.id, person_id, home, 'x', d.outcome, d.outcome, d.outcome, CASE WHEN d.outcome IS NOT NULL THEN now() END
  FROM (SELECT l.id, l.person_id, p.home, row_number() OVER () AS n FROM credit_line l JOIN person p ON p.id = l.person_id) AS l
 CROSS JOIN LATERAL (SELECT CASE WHEN n % 4 > 0 THEN 'dismissed' END AS outcome) AS d;
ANALYZE;
"""


@pytest.fixture(scope="module")
def full(campus):
    campus.sql(FILL)
    campus.one = campus.value("SELECT person_id FROM membership.appointment WHERE organisation = 'hot.u7' AND until IS NULL LIMIT 1")
    campus.campaign = campus.value("SELECT id FROM membership.campaign WHERE organisation = 'hot.u7'")
    campus.office = campus.value("SELECT id FROM membership.office WHERE organisation = 'hot.u7' LIMIT 1")
    campus.token = campus.value("SELECT '\\x' || encode(token_hash, 'hex') FROM membership.session LIMIT 1")
    campus.big = set(campus.value("SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'membership'::regnamespace "
                                  f"AND relkind = 'r' AND reltuples > {SMALL}").split(","))
    assert {"person", "person_reach", "membership", "appointment", "application", "session", "role_grant"} <= campus.big
    return campus


def explain(campus, statement, asked):
    sql, names = prepared(statement)
    values = {"scopes": '{""}', "page_limit": 51, **asked}
    arguments = ", ".join(f"'{values[name]}'" if name in values else "NULL" for name in names)
    rows = campus.sql("SET search_path = membership, campus, public; SET plan_cache_mode = force_custom_plan; BEGIN;"
                      f"PREPARE it AS {sql};"
                      f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE it ({arguments}); ROLLBACK;", role="campus_membership")
    text = "\n".join(row[0] for row in rows)
    return json.loads(text[text.index("["):text.rindex("]") + 1])[0]["Plan"]


# What is asked, and of whom; {one}, {campaign}, {office}, {token} stand for what the fixture has found.
PATHS = {
    "a person": ("get_person", {"id": "{one}"}),
    "people by id": ("list_people_by_id", {}),
    "people by name, of a union": ("list_people_by_name", {"scopes": "{{hot.u7}}"}),
    "people by number": ("list_people_by_student_number", {}),
    "people of a department": ("list_people_by_name", {"organisation": "hot.u7.d6"}),
    "a search for a full name": ("search_people", {"q": "赵明伟"}),
    "a search for a number": ("search_people", {"q": "H00004711"}),
    "a search for a surname": ("search_people", {"q": "欧阳"}),
    "organisations": ("list_organisations_by_path", {"within": "hot.u7"}),
    "memberships of a union": ("list_memberships", {"within": "hot.u7"}),
    "memberships of all": ("list_memberships", {}),
    "memberships of all on a day": ("list_memberships", {"as_of": "2026-03-01"}),
    "memberships of all of a kind": ("list_memberships", {"kind": "member"}),
    "memberships of a department": ("list_memberships", {"organisation": "hot.u7.d6"}),
    "memberships of a person": ("list_memberships", {"person_id": "{one}"}),
    "offices of all": ("list_offices", {}),
    "offices of a union": ("list_offices", {"within": "hot.u7"}),
    "appointments of a person": ("list_appointments", {"person_id": "{one}"}),
    "appointments of all": ("list_appointments", {}),
    "appointments within a union": ("list_appointments", {"within": "hot.u7"}),
    "appointments of a union's scope": ("list_appointments", {"scopes": "{{hot.u7}}", "caller_person": "{one}"}),
    "appointments of oneself": ("list_appointments", {"scopes": "{{}}", "caller_person": "{one}"}),
    "handovers of all": ("list_handovers", {}),
    "handovers of a state": ("list_handovers", {"state": "open"}),
    "handovers of a state that is rare": ("list_handovers", {"state": "complete"}),
    "handovers within a union": ("list_handovers", {"within": "hot.u7"}),
    "handovers of a union's scope": ("list_handovers", {"scopes": "{{hot.u7}}", "caller_person": "{one}", "state": "open"}),
    "handovers of oneself": ("list_handovers", {"scopes": "{{}}", "caller_person": "{one}"}),
    "handovers of an office": ("list_handovers", {"office_id": "{office}", "scopes": "{{hot.u7}}", "caller_person": "{one}"}),
    "registrations of all": ("list_registrations", {}),
    "registrations of a union's scope": ("list_registrations", {"scopes": "{{hot.u7}}"}),
    "objections": ("list_objections", {}),
    "objections of a union's scope": ("list_objections", {"scopes": "{{hot.u7}}"}),
    "objections of a union's scope, decided too": ("list_objections", {"scopes": "{{hot.u7}}", "include_decided": "true"}),
    "overdue registrations": ("list_overdue_registrations", {"year": "2025"}),
    "overdue registrations of a union": ("list_overdue_registrations", {"scopes": "{{hot.u7}}", "year": "2025"}),
    "overdue registrations within a union": ("list_overdue_registrations", {"within": "hot.u7", "year": "2025"}),
    "objections of oneself": ("list_objections", {"scopes": "{{}}", "caller_person": "{one}"}),
    "appointments of an office": ("list_appointments", {"office_id": "{office}"}),
    "who headed it on a day": ("list_appointments", {"organisation": "hot.u7.d6", "as_of": "2023-03-01"}),
    "grants of a person": ("list_grants", {"person_id": "{one}"}),
    "grants of all": ("list_grants", {}),
    "keys": ("list_keys", {}),
    "applications of a campaign": ("list_applications", {"campaign_id": "{campaign}"}),
    "applications by a reviewer": ("list_applications", {"campaign_id": "{campaign}", "reviewer": "{one}"}),
    "applications by a track's scope": ("list_applications", {"campaign_id": "{campaign}", "scopes": "{{hot.u7.d6}}"}),
    "applications of oneself": ("list_applications", {"caller_person": "{one}", "scopes": "{{}}"}),
    "sessions of a person": ("list_sessions", {"person_id": "{one}"}),
    "a login": ("find_account", {"login": "H00004711", "login_hash": "\\x00", "client": "\\x00"}),
    "a login by address": ("find_account", {"login": "h4711@example.edu", "login_hash": "\\x00", "client": "\\x00"}),
    "who is behind a token": ("resolve_key", {"token_hash": "{token}"}),
    "who am I": ("get_me", {"caller_id": "{one}"}),
    "why may they": ("explain_access", {"person_id": "{one}", "caller_id": "{one}", "caller_person": "{one}",
                                        "permission": "membership.people.read", "organisation": "hot.u7"}),
    "vacancies of a union": ("list_vacancies", {"within": "hot.u7"}),
    "vacancies of all": ("list_vacancies", {}),
    "a transcript": ("list_credits", {"id": "{one}"}),
}


@pytest.mark.parametrize("path", PATHS)
def test_found_by_index(full, path):
    statement, asked = PATHS[path]
    found = {name: value.format(one=full.one, campaign=full.campaign, office=full.office, token=full.token) for name, value in asked.items()}
    plan = explain(full, statement, found)
    shown = json.dumps(plan, ensure_ascii=False, indent=1)
    through = [node["Relation Name"] for node in nodes(plan)
               if node["Node Type"] in ("Seq Scan", "Parallel Seq Scan") and node["Relation Name"] in full.big]
    assert not through, f"{statement} reads {through} through:\n{shown}"
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert pages <= PAGES.get(path, MOST_PAGES), f"{statement} touches {pages} pages:\n{shown}"
