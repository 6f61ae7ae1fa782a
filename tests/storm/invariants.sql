-- invariants.sql -- what holds in every campus at rest, however it came there. A statement finds what breaks its rule.

-- name: facts are numbered from 1 without a gap
SELECT count(*), min(pos), max(pos)
  FROM membership.fact
HAVING count(pos) <> count(*) OR max(pos) <> count(*) OR min(pos) <> 1

-- name: facts of one subject are numbered in the order in which they were made
SELECT *
  FROM (SELECT subject, id, lag(id) OVER (PARTITION BY subject ORDER BY pos) AS former FROM membership.fact) AS f
 WHERE former > id

-- name: a person has one fact of the creation and one of each change
SELECT p.id, p.version, f.created, f.updated
  FROM membership.person p
  LEFT JOIN (SELECT subject, count(*) FILTER (WHERE type = 'person.created') AS created,
                    count(*) FILTER (WHERE type = 'person.updated') AS updated
               FROM membership.fact GROUP BY subject) f ON f.subject = p.id::text
 WHERE f.created IS DISTINCT FROM 1 OR 1 + f.updated IS DISTINCT FROM p.version

-- name: an organisation has one fact of the founding and one of each change
SELECT o.path, o.version, f.created, f.changed
  FROM membership.organisation o
  LEFT JOIN (SELECT subject, count(*) FILTER (WHERE type = 'organisation.created') AS created,
                    count(*) FILTER (WHERE type IN ('organisation.updated', 'organisation.dissolved')) AS changed
               FROM membership.fact GROUP BY subject) f ON f.subject = o.path::text
 WHERE f.created IS DISTINCT FROM 1 OR 1 + f.changed IS DISTINCT FROM o.version

-- name: a membership has one fact of its start, and one of its end where it has ended
SELECT m.id, m.version, f.started, f.ended
  FROM membership.membership m
  LEFT JOIN (SELECT subject, count(*) FILTER (WHERE type = 'membership.started') AS started,
                    count(*) FILTER (WHERE type = 'membership.ended') AS ended
               FROM membership.fact GROUP BY subject) f ON f.subject = m.id::text
 WHERE f.started IS DISTINCT FROM 1 OR f.ended IS DISTINCT FROM (m.until IS NOT NULL)::int OR m.version <> 1 + f.ended

-- name: no fact without its subject
SELECT f.id, f.type, f.subject
  FROM membership.fact f
 WHERE NOT CASE split_part(f.type, '.', 1)
           WHEN 'person' THEN EXISTS (SELECT FROM membership.person WHERE id::text = f.subject)
           WHEN 'membership' THEN EXISTS (SELECT FROM membership.membership WHERE id::text = f.subject)
           WHEN 'organisation' THEN EXISTS (SELECT FROM membership.organisation WHERE path::text = f.subject)
           WHEN 'key' THEN EXISTS (SELECT FROM membership.api_key WHERE id::text = f.subject)
           ELSE false END

-- name: no answer without its effect
SELECT a.method, a.rows
  FROM (SELECT method, rows FROM membership.answer WHERE jsonb_typeof(rows) <> 'string') AS a -- a string is a refusal
 WHERE a.rows = 'null'
    OR (a.method IN ('CreatePerson', 'PatchPerson')
        AND NOT EXISTS (SELECT FROM membership.person WHERE id::text = a.rows -> 0 ->> 'id'))
    OR (a.method IN ('CreateMembership', 'EndMembership')
        AND NOT EXISTS (SELECT FROM membership.membership WHERE id::text = a.rows -> 0 ->> 'id'))
    OR (a.method IN ('CreateOrganisation', 'PatchOrganisation')
        AND NOT EXISTS (SELECT FROM membership.organisation WHERE path::text = a.rows -> 0 ->> 'path'))

-- name: no effect without its answer, where the client sent a key
SELECT f.type, f.subject
  FROM membership.fact f
 WHERE f.method IN ('CreatePerson', 'CreateMembership') AND f.request_id ~ '^storm-[0-9]'
   AND NOT EXISTS (SELECT FROM membership.answer a WHERE a.method = f.method AND a.rows -> 0 ->> 'id' = f.subject)

-- name: nobody and nothing is there twice, also where an index does not look
SELECT number FROM (SELECT student_number || '' AS number FROM membership.person) AS p GROUP BY number HAVING count(*) > 1

-- name: nobody is a member of one organisation in the same way twice at once
SELECT a.id, b.id
  FROM membership.membership a
  JOIN membership.membership b USING (person_id, organisation, kind)
 WHERE b.id > a.id AND daterange(a.since, a.until) && daterange(b.since, b.until)

-- name: no orphans
SELECT m.id::text FROM membership.membership m LEFT JOIN membership.person p ON p.id = m.person_id WHERE p.id IS NULL
 UNION ALL
SELECT p.id::text FROM membership.person p LEFT JOIN membership.organisation o ON o.path = p.home WHERE o.path IS NULL
 UNION ALL
SELECT r.person_id::text
  FROM membership.person_reach r LEFT JOIN membership.person p ON p.id = r.person_id
 WHERE p.id IS NULL

-- name: everybody is seen today from the organisations above the home and the memberships, and from no other
WITH reach AS (
  SELECT person_id, ancestor, name, student_number, home, grade, status
    FROM membership.person_reach WHERE since <= campus.today() AND until > campus.today()),
belongs AS (
  SELECT id AS person_id, home AS organisation FROM membership.person
   UNION ALL
  SELECT person_id, organisation FROM membership.membership
   WHERE since <= campus.today() AND (until IS NULL OR until > campus.today())),
expected AS (
  SELECT DISTINCT b.person_id, a.ancestor, p.name, p.student_number, p.home, p.grade, p.status
    FROM belongs b JOIN membership.person p ON p.id = b.person_id
   CROSS JOIN LATERAL membership.ancestors(b.organisation) AS a (ancestor))
(SELECT person_id, ancestor, 'not expected' FROM (TABLE reach EXCEPT ALL TABLE expected) AS r)
 UNION ALL
(SELECT person_id, ancestor, 'missing' FROM (TABLE expected EXCEPT ALL TABLE reach) AS e)

-- name: every index has every row
SELECT FROM (SELECT count(bt_index_check(i.indexrelid, true)) AS checked
               FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
              WHERE a.amname = 'btree' AND c.relnamespace = 'membership'::regnamespace) AS c WHERE checked = 0

-- name: nothing is left open
SELECT pid::text, state FROM pg_stat_activity WHERE application_name LIKE 'campus/%' AND state LIKE 'idle in transaction%'
 UNION ALL
SELECT gid, 'prepared' FROM pg_prepared_xacts
