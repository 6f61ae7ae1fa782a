-- offices.sql -- the positions of organisations, and who holds them when. Conventions: common/method.h.
-- Organisation, office, person, appointment: the order in which all lock.

-- name: target_office_new
SELECT asked.permitted,
       CASE WHEN NOT asked.permitted THEN NULL
            WHEN o.path IS NULL THEN 'organisation_unknown'
            WHEN coalesce(:established_on::date, campus.today()) < o.founded_on THEN 'established_before_founded'
            ELSE roles_refusal(:roles::text[], o.path, :grant_organisations::text[], :grant_permissions::text[])
       END AS refusal
  FROM (SELECT :organisation::ltree <@ ANY (:scopes::ltree[]) AS permitted) AS asked
  LEFT JOIN organisation o
    ON o.path = :organisation AND (o.dissolved_on IS NULL OR o.dissolved_on > greatest(:established_on, campus.today()))

-- Where the organisation's last day is set, the office ends with it.
-- name: create_office
WITH made AS (
  INSERT INTO office (id, organisation, kind, title, title_en, seats, exclusive, carries_over, established_on, abolished_on)
  SELECT :new_id::uuid, path, :kind::text, :title, :title_en, coalesce(:seats::int, 1), coalesce(:exclusive::bool, true),
         coalesce(:carries_over::bool, false), coalesce(:established_on::date, campus.today()), dissolved_on
    FROM organisation
   WHERE path = :organisation::ltree
  RETURNING *),
given AS (
  INSERT INTO office_role (office_id, role, organisation)
  SELECT made.id, r.role, r.organisation FROM made, role_places(coalesce(:roles::text[], '{}'), made.organisation) AS r),
reply AS (
  SELECT id, organisation::text, kind, title, title_en, seats, exclusive, carries_over, coalesce(:roles, '{}') AS roles,
         established_on, abolished_on, version, created_at, updated_at
    FROM made),
facts AS (
  SELECT 'office.established' AS type, id::text AS subject,
         jsonb_build_object('organisation', organisation::text, 'kind', kind) AS data FROM made)

-- name: get_office
SELECT o.id, o.organisation::text, o.kind, o.title, o.title_en, o.seats, o.exclusive, o.carries_over, role_texts(o.id, o.organisation) AS roles,
       o.established_on, o.abolished_on, t.state, t.holders, o.version, o.created_at, o.updated_at
  FROM office o, office_on(o.id, coalesce(:as_of::date, campus.today())) AS t
 WHERE o.id = :id::uuid AND o.organisation <@ ANY (:scopes::ltree[])

-- The subtrees are found by their index first: in the order of the page the planner would read all that stand before them.
-- name: list_offices
WITH reach AS MATERIALIZED (
  SELECT o.*
    FROM unnest(campus.narrow(:scopes::ltree[], coalesce(:organisation::ltree, :within::ltree))) AS s (scope)
    JOIN office o ON o.organisation <@ s.scope)
SELECT o.id, o.organisation::text, o.kind, o.title, o.title_en, o.seats, o.exclusive, o.carries_over, role_texts(o.id, o.organisation) AS roles,
       o.established_on, o.abolished_on, t.state, t.holders, o.version, o.created_at, o.updated_at
  FROM (SELECT o.*
          FROM reach o
         WHERE (:organisation IS NULL OR o.organisation = :organisation)
           AND (:within IS NULL OR o.organisation <@ :within)
           AND (:kind::text IS NULL OR o.kind = :kind)
           AND o.established_on <= coalesce(:as_of::date, (SELECT campus.today()))
           AND (o.abolished_on IS NULL OR o.abolished_on > coalesce(:as_of, (SELECT campus.today())))
           AND (o.organisation, o.id) > (coalesce(:after_organisation::ltree, ''),
                                         coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000'))
         ORDER BY o.organisation, o.id
         LIMIT CASE WHEN :state::text IS NULL THEN :page_limit::bigint END) AS o -- the state is known of each only when it is looked at
 CROSS JOIN LATERAL office_on(o.id, coalesce(:as_of, (SELECT campus.today()))) AS t
 WHERE :state IS NULL OR t.state = :state
 ORDER BY o.organisation, o.id
 LIMIT :page_limit

-- name: target_office
SELECT o.organisation <@ ANY (:scopes::ltree[]) AS visible, o.version,
       CASE WHEN NOT o.organisation <@ ANY (:scopes) THEN NULL
            WHEN o.abolished_on IS NOT NULL THEN 'office_abolished'
            WHEN 'seats' = ANY (:set::text[]) AND EXISTS (
                 SELECT FROM appointment a
                  WHERE a.office_id = o.id AND a.seat > :seats::int AND a.since IS DISTINCT FROM a.until
                    AND (a.until IS NULL OR a.until > campus.today()))
            THEN 'seats_in_use'
            WHEN 'roles' = ANY (:set) AND EXISTS (
                 SELECT FROM appointment a
                  WHERE a.office_id = o.id AND a.person_id = :caller_person::uuid AND a.since IS DISTINCT FROM a.until
                    AND (a.until IS NULL OR a.until > campus.today()))
            THEN 'own_office' -- what they hold for a time would else be theirs for as long as the office
            WHEN 'roles' = ANY (:set)
            THEN roles_refusal(:roles::text[], o.organisation, :grant_organisations::text[], :grant_permissions::text[])
       END AS refusal
  FROM office o
 WHERE o.id = :id::uuid
   FOR UPDATE

-- name: patch_office
WITH made AS (
  UPDATE office
     SET title = CASE WHEN 'title' = ANY (:set::text[]) THEN :title ELSE title END,
         title_en = CASE WHEN 'title_en' = ANY (:set) THEN :title_en ELSE title_en END,
         seats = CASE WHEN 'seats' = ANY (:set) THEN :seats::int ELSE seats END,
         carries_over = CASE WHEN 'carries_over' = ANY (:set) THEN :carries_over::bool ELSE carries_over END,
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
wanted AS (
  SELECT made.id, r.role, r.organisation
    FROM made, role_places(coalesce(:roles::text[], '{}'), made.organisation) AS r
   WHERE 'roles' = ANY (:set)),
taken AS (
  DELETE FROM office_role r USING made
   WHERE r.office_id = made.id AND 'roles' = ANY (:set)
     AND NOT EXISTS (SELECT FROM wanted w WHERE (w.role, w.organisation) = (r.role, r.organisation))),
given AS (
  INSERT INTO office_role (office_id, role, organisation) SELECT id, role, organisation FROM wanted ON CONFLICT DO NOTHING),
reply AS (
  SELECT id, organisation::text, kind, title, title_en, seats, exclusive, carries_over,
         CASE WHEN 'roles' = ANY (:set) THEN coalesce(:roles, '{}') ELSE role_texts(id, organisation) END AS roles,
         established_on, abolished_on, version, created_at, updated_at
    FROM made),
facts AS (SELECT 'office.changed' AS type, id::text AS subject, jsonb_build_object('fields', to_jsonb(:set)) AS data FROM made)

-- name: target_office_standing
SELECT organisation <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN organisation <@ ANY (:scopes) AND abolished_on IS NOT NULL THEN 'office_abolished' END AS refusal
  FROM office
 WHERE id = :id::uuid
   FOR UPDATE

-- Of an appointment that was to begin later nothing remains but its row: it ends on the day on which it would have begun.
-- name: abolish_office
WITH made AS (
  UPDATE office
     SET abolished_on = coalesce(:abolished_on::date, campus.today()), version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
     AND abolished_on IS NULL
  RETURNING *),
closed AS (
  UPDATE appointment a
     SET until = greatest(a.since, made.abolished_on), reason = 'abolished', version = a.version + 1, updated_at = campus.now()
    FROM made
   WHERE a.office_id = made.id AND (a.until IS NULL OR a.until > greatest(a.since, made.abolished_on))
  RETURNING a.*),
reply AS (
  SELECT id, organisation::text, kind, title, title_en, seats, exclusive, carries_over, role_texts(id, organisation) AS roles,
         established_on, abolished_on, version, created_at, updated_at
    FROM made),
facts AS (
  SELECT 'office.abolished' AS type, id::text AS subject, jsonb_build_object('on', abolished_on) AS data FROM made
   UNION ALL
  SELECT 'appointment.ended', id::text,
         jsonb_build_object('office_id', office_id, 'person_id', person_id, 'until', until, 'reason', reason)
    FROM closed)

-- ---- appointments ----

-- name: lock_office
SELECT f.id FROM office f JOIN organisation o ON o.path = f.organisation WHERE f.id = :id::uuid FOR SHARE OF o FOR UPDATE OF f

-- name: lock_office_of_appointment
SELECT f.id FROM office f JOIN organisation o ON o.path = f.organisation WHERE f.id = :office_id::uuid FOR SHARE OF o FOR UPDATE OF f

-- name: target_appointment_new
SELECT coalesce(f.organisation <@ ANY (:scopes::ltree[]), true) AS permitted,
       CASE WHEN f.id IS NULL THEN 'office_unknown'
            WHEN NOT f.organisation <@ ANY (:scopes) THEN NULL
            WHEN p.id IS NULL THEN 'person_unknown'
            WHEN p.status IN ('graduated', 'left') THEN 'person_not_enrolled'
            WHEN p.id = :caller_person::uuid THEN 'own_appointment'
            WHEN :term_until::date <= coalesce(:since::date, campus.today()) THEN 'term_before_since'
            WHEN f.exclusive AND free_seat(f, coalesce(:acting::bool, false), coalesce(:since, campus.today()),
                      CASE WHEN NOT f.carries_over OR coalesce(:acting, false) THEN :term_until END, p.id) IS NULL
            THEN 'seat_taken'
       END AS refusal
  FROM (SELECT) AS one
  LEFT JOIN office f ON f.id = :office_id::uuid
  LEFT JOIN LATERAL (SELECT id, status FROM person WHERE id = :person_id::uuid FOR NO KEY UPDATE) AS p ON true

-- Where the office carries over, the term's end ends nothing but lets a successor begin.
-- name: create_appointment
WITH place AS (
  SELECT f.*, coalesce(:acting::bool, false) AS acts, coalesce(:since::date, campus.today()) AS first_day,
         CASE WHEN NOT f.carries_over OR coalesce(:acting, false) THEN :term_until::date END AS last_day
    FROM office f
   WHERE f.id = :office_id::uuid AND f.organisation <@ ANY (:scopes::ltree[])),
seated AS (
  SELECT place.*,
         CASE WHEN exclusive
              THEN (SELECT free_seat(f, acts, first_day, last_day, :person_id::uuid) FROM office f WHERE f.id = place.id) END AS seat
    FROM place),
succeeded AS (
  UPDATE appointment a
     SET until = seated.first_day, reason = 'succeeded', version = a.version + 1, updated_at = campus.now()
    FROM seated
   WHERE a.office_id = seated.id AND a.seat = seated.seat AND NOT a.acting AND NOT seated.acts
     AND a.until IS NULL AND a.term_until <= seated.first_day
  RETURNING a.*),
made AS (
  INSERT INTO appointment (id, office_id, organisation, person_id, seat, acting, since, until, term_until, chosen, resolution)
  SELECT :new_id::uuid, seated.id, seated.organisation, :person_id::uuid, seated.seat, acts, first_day, last_day, :term_until,
         :chosen::text, :resolution
    FROM seated, (SELECT count(*) FROM succeeded) AS first
  RETURNING *),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'office_appointed', p.email, made.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, s.kind, s.title, m.person_id, m.seat, m.acting, m.since, m.until, m.term_until,
         m.chosen, m.resolution, m.version, m.created_at, m.updated_at
    FROM made m, seated s),
facts AS (
  SELECT 'appointment.ended' AS type, id::text AS subject,
         jsonb_build_object('office_id', office_id, 'person_id', person_id, 'until', until, 'reason', reason) AS data
    FROM succeeded
   UNION ALL
  SELECT 'appointment.started', id::text,
         jsonb_strip_nulls(jsonb_build_object('office_id', office_id, 'organisation', organisation::text, 'person_id', person_id,
                                              'acting', acting, 'since', since, 'until', until))
    FROM made)

-- Whose time ends: the one who is named, or the only one who holds the office on that day.
-- name: target_transfer
SELECT f.organisation <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN NOT f.organisation <@ ANY (:scopes) THEN NULL
            WHEN held.count = 0 THEN 'office_vacant'
            WHEN held.count > 1 THEN 'holder_ambiguous'
            WHEN p.id IS NULL THEN 'person_unknown'
            WHEN p.status IN ('graduated', 'left') THEN 'person_not_enrolled'
            WHEN p.id = :caller_person::uuid THEN 'own_appointment'
            WHEN held.same THEN 'appointed_already'
            WHEN :term_until::date <= coalesce(:on::date, campus.today()) THEN 'term_before_since'
       END AS refusal
  FROM office f
 CROSS JOIN LATERAL (
       SELECT count(*), bool_or(a.person_id = :person_id::uuid AND NOT a.acting) AS same
         FROM appointment a
        WHERE a.office_id = f.id AND (:appointment_id::uuid IS NULL OR a.id = :appointment_id)
          AND a.since <= coalesce(:on, campus.today()) AND (a.until IS NULL OR a.until > coalesce(:on, campus.today()))) AS held
  LEFT JOIN LATERAL (SELECT id, status FROM person WHERE id = :person_id::uuid FOR NO KEY UPDATE) AS p ON true
 WHERE f.id = :id::uuid

-- name: transfer_office
WITH leaving AS (
  UPDATE appointment a
     SET until = coalesce(:on::date, campus.today()), reason = 'transferred', version = version + 1, updated_at = campus.now()
   WHERE a.office_id = :id::uuid AND a.organisation <@ ANY (:scopes::ltree[])
     AND (:appointment_id::uuid IS NULL OR a.id = :appointment_id)
     AND a.since <= coalesce(:on, campus.today()) AND (a.until IS NULL OR a.until > coalesce(:on, campus.today()))
  RETURNING *),
made AS (
  INSERT INTO appointment (id, office_id, organisation, person_id, seat, since, until, term_until, chosen, resolution)
  SELECT :new_id::uuid, f.id, f.organisation, :person_id::uuid, l.seat, l.until,
         CASE WHEN NOT f.carries_over THEN :term_until::date END, :term_until, :chosen::text, :resolution
    FROM leaving l JOIN office f ON f.id = l.office_id
  RETURNING *),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'office_appointed', p.email, made.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, f.kind, f.title, m.person_id, m.seat, m.acting, m.since, m.until, m.term_until,
         m.chosen, m.resolution, m.version, m.created_at, m.updated_at
    FROM made m JOIN office f ON f.id = m.office_id),
facts AS (
  SELECT 'appointment.ended' AS type, id::text AS subject,
         jsonb_build_object('office_id', office_id, 'person_id', person_id, 'until', until, 'reason', reason) AS data
    FROM leaving
   UNION ALL
  SELECT 'appointment.started', id::text,
         jsonb_strip_nulls(jsonb_build_object('office_id', office_id, 'organisation', organisation::text, 'person_id', person_id,
                                              'acting', acting, 'since', since, 'until', until))
    FROM made)

-- name: get_appointment
SELECT a.id, a.office_id, a.organisation::text, f.kind, f.title, a.person_id, a.seat, a.acting, a.since, a.until, a.term_until,
       a.chosen, a.resolution, a.reason, a.version, a.created_at, a.updated_at
  FROM appointment a JOIN office f ON f.id = a.office_id
 WHERE a.id = :id::uuid AND (a.organisation <@ ANY (:scopes::ltree[]) OR a.person_id = :caller_person::uuid)

-- Of an office, a person, an organisation or the whole campus in order; else out of what lies in reach, and the caller's own.
-- name: list_appointments
WITH asked AS MATERIALIZED (
  SELECT a.*
    FROM unnest(campus.narrow(:scopes::ltree[], :within::ltree)) AS s (scope)
    JOIN appointment a ON a.organisation <@ s.scope
   WHERE (:as_of::date IS NULL OR (a.since <= :as_of AND (a.until IS NULL OR a.until > :as_of)))
     AND a.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000'))
SELECT a.id, a.office_id, a.organisation::text, f.kind, f.title, a.person_id, a.seat, a.acting, a.since, a.until, a.term_until,
       a.chosen, a.resolution, a.reason, a.version, a.created_at, a.updated_at
  FROM ((SELECT a.*
           FROM appointment a JOIN office f ON f.id = a.office_id
          WHERE (num_nonnulls(:office_id::uuid, :person_id::uuid, :organisation::ltree) > 0
                 OR (''::ltree = ANY (:scopes) AND :within IS NULL))
            AND (a.organisation <@ ANY (:scopes) OR a.person_id = :caller_person::uuid)
            AND (:office_id IS NULL OR a.office_id = :office_id)
            AND (:person_id IS NULL OR a.person_id = :person_id)
            AND (:organisation IS NULL OR a.organisation = :organisation)
            AND (:within IS NULL OR a.organisation <@ :within)
            AND (:kind::text IS NULL OR f.kind = :kind)
            AND (:as_of IS NULL OR (a.since <= :as_of AND (a.until IS NULL OR a.until > :as_of)))
            AND a.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
          ORDER BY a.id
          LIMIT :page_limit)
         UNION ALL
        (SELECT a.*
           FROM asked a JOIN office f ON f.id = a.office_id
          WHERE num_nonnulls(:office_id, :person_id, :organisation) = 0 AND (NOT ''::ltree = ANY (:scopes) OR :within IS NOT NULL)
            AND (:kind IS NULL OR f.kind = :kind)
          ORDER BY a.id
          LIMIT :page_limit)
         UNION ALL
        (SELECT a.*
           FROM appointment a JOIN office f ON f.id = a.office_id
          WHERE num_nonnulls(:office_id, :person_id, :organisation) = 0
            AND a.person_id = :caller_person AND NOT a.organisation <@ ANY (:scopes)
            AND (:within IS NULL OR a.organisation <@ :within)
            AND (:kind IS NULL OR f.kind = :kind)
            AND (:as_of IS NULL OR (a.since <= :as_of AND (a.until IS NULL OR a.until > :as_of)))
            AND a.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
          ORDER BY a.id
          LIMIT :page_limit)) AS a
  JOIN office f ON f.id = a.office_id
 ORDER BY a.id
 LIMIT :page_limit

-- name: count_appointments
SELECT count(*) AS total_count
  FROM appointment a JOIN office f ON f.id = a.office_id
 WHERE (a.organisation <@ ANY (:scopes::ltree[]) OR a.person_id = :caller_person::uuid)
   AND (:office_id::uuid IS NULL OR a.office_id = :office_id)
   AND (:person_id::uuid IS NULL OR a.person_id = :person_id)
   AND (:organisation::ltree IS NULL OR a.organisation = :organisation)
   AND (:within::ltree IS NULL OR a.organisation <@ :within)
   AND (:kind::text IS NULL OR f.kind = :kind)
   AND (:as_of::date IS NULL OR (a.since <= :as_of AND (a.until IS NULL OR a.until > :as_of)))

-- name: lock_appointment
SELECT f.id
  FROM appointment a
  JOIN office f ON f.id = a.office_id
  JOIN organisation o ON o.path = f.organisation
 WHERE a.id = :id::uuid AND a.organisation <@ ANY (:scopes::ltree[])
   FOR SHARE OF o FOR UPDATE OF f

-- name: target_appointment
SELECT organisation <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN NOT organisation <@ ANY (:scopes) THEN NULL
            WHEN until <= campus.today() OR since = until THEN 'already_ended'
            WHEN coalesce(until, greatest(term_until, campus.today())) < coalesce(:until::date, campus.today())
             AND coalesce(until, term_until) IS NOT NULL
            THEN 'until_beyond_end' END AS refusal -- beyond the term one stays until a successor begins, and not before them
  FROM appointment
 WHERE id = :id::uuid
   FOR UPDATE

-- name: end_appointment
WITH made AS (
  UPDATE appointment
     SET until = coalesce(:until::date, campus.today()), reason = :reason::text, version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, f.kind, f.title, m.person_id, m.seat, m.acting, m.since, m.until, m.term_until,
         m.chosen, m.resolution, m.reason, m.version, m.created_at, m.updated_at
    FROM made m JOIN office f ON f.id = m.office_id),
facts AS (
  SELECT 'appointment.ended' AS type, id::text AS subject,
         jsonb_build_object('office_id', office_id, 'person_id', person_id, 'until', until, 'reason', reason) AS data
    FROM made)

-- ---- incompatible offices ----

-- name: list_incompatibilities
SELECT id, kind, other_kind, reach, reason, created_at
  FROM incompatibility
 WHERE :scopes::ltree[] <> '{}' AND id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY id
 LIMIT :page_limit

-- Policy is the whole campus's.
-- name: target_policy
SELECT '' = ANY (:scopes::text[]) AS permitted

-- name: create_incompatibility
WITH made AS (
  INSERT INTO incompatibility (id, kind, other_kind, reach, reason)
  VALUES (:new_id::uuid, least(:kind::text, :other_kind::text), greatest(:kind, :other_kind), :reach::text, :reason)
  RETURNING *),
reply AS (SELECT id, kind, other_kind, reach, reason, created_at FROM made),
facts AS (SELECT 'policy.changed' AS type, 'incompatibility' AS subject, jsonb_build_object('id', id) AS data FROM made)

-- name: target_incompatibility
SELECT '' = ANY (:scopes::text[]) AS permitted FROM incompatibility WHERE id = :id::uuid FOR UPDATE

-- name: delete_incompatibility
WITH made AS (DELETE FROM incompatibility WHERE id = :id::uuid RETURNING id),
reply AS (SELECT id FROM made),
facts AS (SELECT 'policy.changed' AS type, 'incompatibility' AS subject, jsonb_build_object('id', id) AS data FROM made)
