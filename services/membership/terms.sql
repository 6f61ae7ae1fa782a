-- terms.sql -- until when memberships run, and how they go on. Conventions: common/method.h.

-- Terms are changed and carried out one behind another.
-- name: lock_terms
SELECT pg_advisory_xact_lock(hashtext('membership.terms'))

-- ---- the term of an organisation ----

-- name: get_membership_term
SELECT o.path::text AS organisation, t.organisation::text AS set_for, t.renewal, t.month, t.day, t.opens_days, t.grace_days,
       t.version, t.updated_at
  FROM organisation o
 CROSS JOIN LATERAL term_of(o.path) AS t
 WHERE o.path = :organisation::ltree AND o.path <@ ANY (:scopes::ltree[])

-- name: target_term
SELECT :organisation::ltree <@ ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN :organisation <@ ANY (:scopes) AND NOT living_organisation(:organisation) THEN 'organisation_unknown' END AS refusal

-- Who takes somebody in has locked the place too: who comes in meanwhile has the new term, or is seen when it is applied.
-- name: lock_term_places
SELECT count(*)
  FROM (SELECT FROM organisation WHERE path <@ :organisation::ltree AND path <@ ANY (:scopes::ltree[])
         ORDER BY path FOR NO KEY UPDATE) AS locked

-- name: set_term
INSERT INTO membership_term AS t (organisation, renewal, month, day, opens_days, grace_days)
VALUES (:organisation::ltree, :renewal::text, :month::int, :day::int, coalesce(:opens_days::int, 60), coalesce(:grace_days::int, 0))
ON CONFLICT (organisation) DO UPDATE
   SET renewal = excluded.renewal, month = excluded.month, day = excluded.day, opens_days = excluded.opens_days,
       grace_days = excluded.grace_days, version = t.version + 1, updated_at = campus.now()

-- It counts for memberships that run already, or will: their next day of renewal is the one behind today, or behind their first.
-- Who has a day that fits keeps it: they may have renewed beyond it, or be overdue.
-- name: apply_term
WITH term AS (SELECT t AS it, t.* FROM membership_term t WHERE t.organisation = :organisation::ltree),
applied AS (
  UPDATE membership m
     SET renew_by = next_renewal(term.it, greatest(m.since, (SELECT campus.today()))), version = m.version + 1,
         updated_at = campus.now()
    FROM term, organisation o
   WHERE o.path <@ term.organisation AND (SELECT n.organisation FROM term_of(o.path) n) = term.organisation
     AND m.organisation = o.path AND m.until IS NULL AND m.kind <> 'honorary'
     AND (extract(month FROM m.renew_by), extract(day FROM m.renew_by)) IS DISTINCT FROM (term.month::numeric, term.day::numeric)
  RETURNING m.id),
reply AS (
  SELECT organisation::text, organisation::text AS set_for, renewal, month, day, opens_days, grace_days, version, updated_at,
         (SELECT count(*) FROM applied) AS memberships
    FROM term),
facts AS (
  SELECT 'membership_term.set' AS type, organisation::text AS subject,
         jsonb_strip_nulls(jsonb_build_object('renewal', renewal, 'month', month, 'day', day, 'opens_days', opens_days,
                                              'grace_days', grace_days)) AS data
    FROM term)

-- ---- renewal ----

-- Members in time; a secretary also afterwards, as long as nobody has ended it.
-- name: target_membership_renewed
SELECT coalesce(m.person_id = :caller_person::uuid, false) OR m.organisation <@ ANY (:scopes::ltree[]) AS visible, m.version,
       CASE WHEN NOT (coalesce(m.person_id = :caller_person, false) OR m.organisation <@ ANY (:scopes)) THEN NULL
            WHEN m.until IS NOT NULL THEN 'already_ended'
            WHEN m.renew_by IS NULL THEN 'no_renewal'
            WHEN campus.today() < m.renew_by - t.opens_days THEN 'renewal_not_open'
            WHEN campus.today() >= m.renew_by + t.grace_days AND NOT m.organisation <@ ANY (:scopes) THEN 'renewal_closed'
       END AS refusal
  FROM membership m
  LEFT JOIN LATERAL term_of(m.organisation) t ON true
 WHERE m.id = :id::uuid
   FOR UPDATE OF m

-- name: renew_membership
WITH made AS (
  UPDATE membership m
     SET renew_by = (SELECT next_renewal(t, greatest(m.renew_by, campus.today())) FROM term_of(m.organisation) t),
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND until IS NULL AND renew_by IS NOT NULL AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT id, person_id, organisation::text, kind, since, until, reason, renew_by, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'membership.renewed' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'renew_by', renew_by) AS data
    FROM made)

-- name: target_renewals
SELECT :within::ltree <@ ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN :within <@ ANY (:scopes)
             AND (SELECT count(*) FROM (SELECT FROM organisation o JOIN membership m ON m.organisation = o.path
                                         WHERE o.path <@ :within AND m.until IS NULL AND m.renew_by < :renew_before::date
                                         LIMIT 20001) AS due) > 20000
            THEN 'too_many_memberships' END AS refusal

-- name: renew_memberships
WITH due AS MATERIALIZED (
  SELECT m.id, next_renewal(t, greatest(m.renew_by, (SELECT campus.today()))) AS next,
         CASE WHEN m.person_id = ANY (:except::uuid[]) THEN 'excepted'
              WHEN (SELECT campus.today()) < m.renew_by - t.opens_days THEN 'not_open'
              ELSE 'renewed' END AS outcome
    FROM organisation o
   CROSS JOIN LATERAL term_of(o.path) t
    JOIN membership m ON m.organisation = o.path
   WHERE o.path <@ :within::ltree AND o.path <@ ANY (:scopes::ltree[]) AND m.until IS NULL
     AND m.renew_by < :renew_before::date),
made AS (
  UPDATE membership m SET renew_by = due.next, version = m.version + 1, updated_at = campus.now()
    FROM due
   WHERE m.id = due.id AND due.outcome = 'renewed' AND m.until IS NULL AND NOT coalesce(:dry_run::bool, false)
  RETURNING m.*),
reply AS (
  SELECT count(*) FILTER (WHERE outcome = 'renewed')::int AS renewed, count(*) FILTER (WHERE outcome = 'not_open')::int AS not_open,
         count(*) FILTER (WHERE outcome = 'excepted')::int AS excepted,
         coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
             'id', id, 'outcome', outcome, 'renew_by', CASE WHEN outcome = 'renewed' THEN next END)) ORDER BY id), '[]') AS rows
    FROM due),
facts AS (
  SELECT 'membership.renewed' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'renew_by', renew_by) AS data
    FROM made)

-- ---- expiry ----

-- name: target_expiry
SELECT :within::ltree <@ ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN :within <@ ANY (:scopes)
             AND (SELECT count(*) FROM (SELECT FROM organisation o JOIN membership m ON m.organisation = o.path
                                         WHERE o.path <@ :within AND m.until IS NULL AND m.renew_by <= campus.today()
                                         LIMIT 20001) AS due) > 20000
            THEN 'too_many_memberships' END AS refusal

-- Organisations, people, memberships: the order in which all lock. More than will expire may be locked, never fewer.
-- name: lock_expiring_places
SELECT count(*)
  FROM (SELECT FROM organisation
         WHERE path IN (SELECT o.path FROM organisation o JOIN membership m ON m.organisation = o.path
                         WHERE o.path <@ :within::ltree AND m.until IS NULL AND m.renew_by <= campus.today())
         ORDER BY path FOR SHARE) AS locked

-- name: lock_expiring_people
SELECT count(*)
  FROM (SELECT FROM person
         WHERE id IN (SELECT m.person_id FROM organisation o JOIN membership m ON m.organisation = o.path
                       WHERE o.path <@ :within::ltree AND m.until IS NULL AND m.renew_by <= campus.today())
         ORDER BY id FOR NO KEY UPDATE) AS locked

-- They were members until today, since nobody had said otherwise.
-- name: expire_memberships
WITH due AS MATERIALIZED (
  SELECT m.id
    FROM organisation o
   CROSS JOIN LATERAL term_of(o.path) t
    JOIN membership m ON m.organisation = o.path
   WHERE o.path <@ :within::ltree AND o.path <@ ANY (:scopes::ltree[]) AND m.until IS NULL
     AND m.renew_by + t.grace_days <= (SELECT campus.today())),
made AS (
  UPDATE membership m
     SET until = greatest(m.since, campus.today()), reason = 'expired', version = m.version + 1, updated_at = campus.now()
    FROM due
   WHERE m.id = due.id AND m.until IS NULL AND NOT coalesce(:dry_run::bool, false)
  RETURNING m.*),
reply AS (
  SELECT count(*)::int AS expired, coalesce(jsonb_agg(jsonb_build_object('id', id, 'outcome', 'expired') ORDER BY id), '[]') AS rows
    FROM due),
facts AS (
  SELECT 'membership.ended' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason) AS data
    FROM made)
