-- graduation.sql -- a cohort leaves. Conventions: common/method.h.

-- Behind lock_import, since imports change many people too.
-- name: target_cohort
SELECT asked.permitted,
       CASE WHEN NOT asked.permitted THEN NULL
            WHEN NOT EXISTS (SELECT FROM organisation WHERE path = :home::ltree) THEN 'home_unknown'
            WHEN :on::date > campus.today() THEN 'day_to_come'
            WHEN (SELECT count(*) FROM (SELECT FROM person p
                                         WHERE p.home <@ :home AND p.grade = :grade::int AND p.status IN ('active', 'on_leave')
                                         LIMIT 20001) AS cohort) > 20000 THEN 'cohort_too_large'
       END AS refusal
  FROM (SELECT :home <@ ANY (:scopes::ltree[]) AS permitted) AS asked

-- Organisations, offices, people, then memberships and appointments: the order in which all lock.
-- name: lock_cohort_places
SELECT count(*)
  FROM (SELECT FROM organisation
         WHERE path IN (SELECT held.organisation
                          FROM person p
                         CROSS JOIN LATERAL (SELECT m.organisation FROM membership m WHERE m.person_id = p.id
                                              UNION ALL
                                             SELECT a.organisation FROM appointment a WHERE a.person_id = p.id) AS held
                         WHERE p.home <@ :home::ltree AND p.grade = :grade::int AND p.status IN ('active', 'on_leave'))
         ORDER BY path FOR SHARE) AS locked

-- name: lock_cohort_offices
SELECT count(*)
  FROM (SELECT FROM office
         WHERE id IN (SELECT a.office_id
                        FROM person p JOIN appointment a ON a.person_id = p.id
                       WHERE p.home <@ :home::ltree AND p.grade = :grade::int AND p.status IN ('active', 'on_leave')
                         AND (a.until IS NULL OR a.until > campus.today()))
         ORDER BY id FOR UPDATE) AS locked

-- name: lock_cohort
SELECT count(*)
  FROM (SELECT FROM person p
         WHERE p.home <@ :home::ltree AND p.grade = :grade::int AND p.status IN ('active', 'on_leave')
         ORDER BY p.id FOR NO KEY UPDATE) AS locked

-- What ends is what people_go() ends; a dry run counts it.
-- name: graduate_people
WITH cohort AS MATERIALIZED (
  SELECT p.id, coalesce(p.student_number = ANY (:except::text[]), false) AS excepted, p.student_number
    FROM person p
   WHERE p.home <@ :home::ltree AND p.home <@ ANY (:scopes::ltree[]) AND p.grade = :grade::int AND p.status IN ('active', 'on_leave')),
day AS (SELECT coalesce(:on::date, campus.today()) AS on_day),
ending AS MATERIALIZED (
  SELECT m.id, m.person_id, greatest(m.since, day.on_day) AS until
    FROM day, cohort c JOIN membership m ON m.person_id = c.id
   WHERE NOT c.excepted AND m.kind <> 'honorary' AND (m.until IS NULL OR m.until > greatest(m.since, day.on_day, campus.today()))),
leaving AS MATERIALIZED (
  SELECT a.id, a.person_id, greatest(a.since, day.on_day) AS until
    FROM day, cohort c JOIN appointment a ON a.person_id = c.id
   WHERE NOT c.excepted AND (a.until IS NULL OR a.until > greatest(a.since, day.on_day))
     AND (a.reason IS NULL OR a.until > campus.today())),
graduated AS (
  UPDATE person p SET status = 'graduated', version = p.version + 1, updated_at = campus.now()
    FROM cohort c
   WHERE p.id = c.id AND NOT c.excepted AND NOT coalesce(:dry_run::bool, false)
  RETURNING p.id),
reply AS (
  SELECT count(*) FILTER (WHERE NOT c.excepted)::int AS graduated, count(*) FILTER (WHERE c.excepted)::int AS excepted,
         (SELECT count(*)::int FROM (SELECT unnest(:except) EXCEPT SELECT student_number FROM cohort) AS strangers) AS unmatched,
         coalesce(sum(n.memberships), 0)::int AS memberships_ended,
         coalesce(sum(o.appointments), 0)::int AS appointments_ended,
         coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'outcome', CASE WHEN c.excepted THEN 'excepted' ELSE 'graduated' END,
                                               'memberships', coalesce(n.memberships, 0),
                                               'appointments', coalesce(o.appointments, 0)) ORDER BY c.id), '[]') AS rows
    FROM cohort c
    LEFT JOIN (SELECT person_id, count(*) AS appointments FROM leaving GROUP BY person_id) AS o ON o.person_id = c.id
    LEFT JOIN (SELECT person_id, count(*) AS memberships FROM ending GROUP BY person_id) AS n ON n.person_id = c.id),
facts AS (
  SELECT 'person.graduated' AS type, g.id::text AS subject, jsonb_build_object('on', day.on_day) AS data FROM graduated g, day
   UNION ALL
  SELECT e.type, e.subject, e.data
    FROM (SELECT array_agg(id) AS people, array_agg('graduated'::text) AS reasons FROM graduated) AS gone
   CROSS JOIN day
   CROSS JOIN LATERAL people_go(gone.people, gone.reasons, day.on_day) AS e)
