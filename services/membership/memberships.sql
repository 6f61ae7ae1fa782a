-- memberships.sql -- who belongs where. Conventions: common/method.h.

-- The organisation and the person are locked: neither ends meanwhile, and a person's reach is renewed by one at a time.
-- name: target_membership_new
SELECT asked.permitted,
       CASE WHEN NOT asked.permitted THEN NULL
            WHEN p.id IS NULL THEN 'person_unknown'
            WHEN p.status IN ('graduated', 'left') THEN 'person_not_enrolled'
            WHEN p.id = :caller_person::uuid THEN 'own_membership' -- who may not decide on their application joins no other way
       END AS refusal
  FROM (SELECT :organisation::ltree <@ ANY (:scopes::ltree[]) AS permitted) AS asked
  LEFT JOIN LATERAL (SELECT id, status FROM person WHERE id = :person_id::uuid FOR NO KEY UPDATE) AS p ON true

-- name: create_membership
WITH made AS (
  INSERT INTO membership (id, person_id, organisation, kind, since)
  SELECT :new_id::uuid, id, :organisation::ltree, coalesce(:kind::text, 'member'), coalesce(:since::date, campus.today())
    FROM person
   WHERE id = :person_id::uuid AND status NOT IN ('graduated', 'left') AND :organisation <@ ANY (:scopes::ltree[])
  RETURNING *),
reply AS (
  SELECT id, person_id, organisation::text, kind, since, until, reason, renew_by, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'membership.started' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'kind', kind, 'since', since) AS data
    FROM made)

-- name: get_membership
SELECT id, person_id, organisation::text, kind, since, until, reason, expulsion_reason, renew_by, version, created_at, updated_at
  FROM membership
 WHERE id = :id::uuid AND (organisation <@ ANY (:scopes::ltree[]) OR person_id = :caller_person::uuid)

-- Of one person; of the whole campus in order; or of each organisation in reach a page at most. What the caller's own person has they
-- see in any case.
-- name: list_memberships
SELECT m.id, m.person_id, m.organisation::text, m.kind, m.since, m.until, m.reason, m.renew_by, m.version, m.created_at,
       m.updated_at
  FROM (SELECT m.*
          FROM membership m
         WHERE m.person_id = coalesce(:person_id::uuid, CASE WHEN :scopes::ltree[] = '{}' THEN :caller_person::uuid END)
           AND (m.organisation <@ ANY (:scopes) OR m.person_id = :caller_person)
           AND (:organisation::ltree IS NULL OR m.organisation = :organisation)
           AND (:within::ltree IS NULL OR m.organisation <@ :within)
           AND (:kind::text IS NULL OR m.kind = :kind)
           AND (:as_of::date IS NULL OR (m.since <= :as_of AND (m.until IS NULL OR m.until > :as_of)))
           AND (:renew_before::date IS NULL OR (m.until IS NULL AND m.renew_by < :renew_before))
           AND m.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
         UNION ALL
        SELECT m.*
          FROM (SELECT path FROM organisation
                 WHERE :person_id IS NULL
                   AND (NOT ''::ltree = ANY (:scopes) OR coalesce(:organisation, :within) IS NOT NULL)
                   AND path <@ ANY ((SELECT campus.narrow(:scopes, coalesce(:organisation, :within)))::ltree[])
                   AND (:organisation IS NULL OR path = :organisation)
                   AND (:within IS NULL OR path <@ :within)) AS o
         CROSS JOIN LATERAL (
               SELECT m.*
                 FROM membership m
                WHERE m.organisation = o.path
                  AND (:kind IS NULL OR m.kind = :kind)
                  AND (:as_of IS NULL OR (m.since <= :as_of AND (m.until IS NULL OR m.until > :as_of)))
                  AND (:renew_before IS NULL OR (m.until IS NULL AND m.renew_by < :renew_before))
                  AND m.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
                ORDER BY m.id
                LIMIT :page_limit) AS m
         UNION ALL
       (SELECT m.*
          FROM membership m
         WHERE :person_id IS NULL AND ''::ltree = ANY (:scopes) AND coalesce(:organisation, :within) IS NULL
           AND (:kind IS NULL OR m.kind = :kind)
           AND (:as_of IS NULL OR (m.since <= :as_of AND (m.until IS NULL OR m.until > :as_of)))
           AND (:renew_before IS NULL OR (m.until IS NULL AND m.renew_by < :renew_before))
           AND m.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
         ORDER BY m.id
         LIMIT :page_limit)) AS m
 ORDER BY m.id
 LIMIT :page_limit

-- name: count_memberships
SELECT count(*) AS total_count
  FROM membership m
 WHERE (:person_id::uuid IS NULL OR m.person_id = :person_id)
   AND (m.organisation <@ ANY (:scopes::ltree[])
        OR (m.person_id = :caller_person::uuid AND (:person_id IS NOT NULL OR :scopes = '{}')))
   AND (:organisation::ltree IS NULL OR m.organisation = :organisation)
   AND (:within::ltree IS NULL OR m.organisation <@ :within)
   AND (:kind::text IS NULL OR m.kind = :kind)
   AND (:as_of::date IS NULL OR (m.since <= :as_of AND (m.until IS NULL OR m.until > :as_of)))
   AND (:renew_before::date IS NULL OR (m.until IS NULL AND m.renew_by < :renew_before))

-- Organisation, person, membership: the order in which all lock.
-- name: lock_membership
SELECT p.id
  FROM membership m
  JOIN organisation o ON o.path = m.organisation
  JOIN person p ON p.id = m.person_id
 WHERE m.id = :id::uuid AND m.organisation <@ ANY (:scopes::ltree[])
   FOR SHARE OF o FOR NO KEY UPDATE OF p

-- name: target_membership
SELECT organisation <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN organisation <@ ANY (:scopes) AND until IS NOT NULL THEN 'already_ended' END AS refusal
  FROM membership
 WHERE id = :id::uuid
   FOR UPDATE

-- name: end_membership
WITH made AS (
  UPDATE membership
     SET until = coalesce(:until::date, campus.today()), reason = :reason::text,
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND until IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT id, person_id, organisation::text, kind, since, until, reason, renew_by, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'membership.ended' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason) AS data
    FROM made)

-- ---- leaving, and being made to leave ----

-- name: lock_membership_own
SELECT p.id
  FROM membership m
  JOIN organisation o ON o.path = m.organisation
  JOIN person p ON p.id = m.person_id
 WHERE m.id = :id::uuid AND (m.person_id = :caller_person::uuid OR m.organisation <@ ANY (:scopes::ltree[]))
   FOR SHARE OF o FOR NO KEY UPDATE OF p

-- A day beyond the next renewal would be one: who has named a day neither renews nor expires.
-- name: target_membership_own
SELECT coalesce(person_id = :caller_person::uuid, false) OR organisation <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN NOT (coalesce(person_id = :caller_person, false) OR organisation <@ ANY (:scopes)) THEN NULL
            WHEN until IS NOT NULL THEN 'already_ended'
            WHEN NOT organisation <@ ANY (:scopes) AND :until::date > greatest(renew_by, campus.today()) AND renew_by IS NOT NULL
            THEN 'until_beyond_renewal' END AS refusal
  FROM membership
 WHERE id = :id::uuid
   FOR UPDATE

-- name: leave_membership
WITH made AS (
  UPDATE membership
     SET until = coalesce(:until::date, campus.today()), reason = 'left', version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND (person_id = :caller_person::uuid OR organisation <@ ANY (:scopes::ltree[])) AND until IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT id, person_id, organisation::text, kind, since, until, reason, renew_by, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'membership.ended' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason) AS data
    FROM made)

-- One that is to end later can be ended sooner.
-- name: target_membership_expelled
SELECT m.organisation <@ ANY (:scopes::ltree[]) AS visible, m.version,
       CASE WHEN NOT m.organisation <@ ANY (:scopes) THEN NULL
            WHEN m.person_id = :caller_person::uuid THEN 'own_membership'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN m.until <= greatest(:until::date, campus.today()) THEN 'already_ended'
            WHEN :ban_until::date <= campus.today() THEN 'already_past'
            WHEN :ban_until IS NULL AND :ban_within::ltree IS NOT NULL THEN 'ban_needs_an_end'
            WHEN NOT coalesce(:ban_within, m.organisation) <@ ANY (:scopes) THEN 'ban_not_yours' END AS refusal
  FROM membership m JOIN person p ON p.id = m.person_id
 WHERE m.id = :id::uuid
   FOR UPDATE OF m

-- name: expel_member
WITH made AS (
  UPDATE membership
     SET until = coalesce(:until::date, campus.today()), reason = 'expelled', expulsion_reason = :expulsion_reason,
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
removed AS (
  UPDATE appointment a
     SET until = greatest(a.since, made.until), reason = 'removed', version = a.version + 1, updated_at = campus.now()
    FROM made
   WHERE a.person_id = made.person_id AND a.organisation <@ made.organisation
     AND (a.until IS NULL OR a.until > greatest(a.since, made.until, campus.today()))
  RETURNING a.*),
banned AS (
  INSERT INTO ban (id, person_id, organisation, since, until, reason)
  SELECT :new_id::uuid, person_id, coalesce(:ban_within::ltree, organisation), campus.today(), :ban_until::date, :expulsion_reason
    FROM made
   WHERE :ban_until IS NOT NULL
  RETURNING *),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'member_expelled', p.email, made.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (
  SELECT id, person_id, organisation::text, kind, since, until, reason, renew_by, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'membership.ended' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason) AS data
    FROM made
   UNION ALL
  SELECT 'appointment.ended', id::text,
         jsonb_build_object('office_id', office_id, 'person_id', person_id, 'until', until, 'reason', reason)
    FROM removed
   UNION ALL
  SELECT 'ban.created', id::text,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'since', since, 'until', until)
    FROM banned)
