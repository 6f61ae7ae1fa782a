-- bans.sql -- who may not join, where, until when. Conventions: common/method.h.

-- Organisation and person are locked, as by whoever takes somebody in.
-- name: target_ban_new
SELECT asked.permitted,
       CASE WHEN NOT asked.permitted THEN NULL
            WHEN p.id IS NULL THEN 'person_unknown'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN :until::date <= campus.today() THEN 'already_past'
       END AS refusal
  FROM (SELECT :organisation::ltree <@ ANY (:scopes::ltree[]) AS permitted) AS asked
  LEFT JOIN LATERAL (SELECT id, erased_at FROM person WHERE id = :person_id::uuid FOR NO KEY UPDATE) AS p ON true

-- name: create_ban
WITH made AS (
  INSERT INTO ban (id, person_id, organisation, since, until, reason)
  SELECT :new_id::uuid, :person_id::uuid, :organisation::ltree, coalesce(:since::date, campus.today()), :until::date, :reason
   WHERE :organisation <@ ANY (:scopes::ltree[])
  RETURNING *),
reply AS (SELECT id, person_id, organisation::text, since, until, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'ban.created' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'since', since, 'until', until) AS data
    FROM made)

-- name: get_ban
SELECT id, person_id, organisation::text, since, until, reason, lifted_at, lifted_reason, version, created_at, updated_at
  FROM ban
 WHERE id = :id::uuid AND (organisation <@ ANY (:scopes::ltree[]) OR person_id = :caller_person::uuid)

-- Of one person, or of each organisation in reach a page at most; what the caller's own person has they see in any case.
-- name: list_bans
SELECT b.id, b.person_id, b.organisation::text, b.since, b.until, b.reason, b.lifted_at, b.lifted_reason, b.version, b.created_at,
       b.updated_at
  FROM (SELECT b.*
          FROM ban b
         WHERE b.person_id = coalesce(:person_id::uuid, CASE WHEN :scopes::ltree[] = '{}' THEN :caller_person::uuid END)
           AND (b.organisation <@ ANY (:scopes) OR b.person_id = :caller_person)
           AND (:within::ltree IS NULL OR b.organisation <@ :within)
           AND (NOT coalesce(:active::bool, false)
                OR (b.lifted_at IS NULL AND b.since <= (SELECT campus.today()) AND b.until > (SELECT campus.today())))
           AND b.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
         UNION ALL
        SELECT b.*
          FROM (SELECT path FROM organisation
                 WHERE :person_id IS NULL AND path <@ ANY ((SELECT campus.narrow(:scopes, :within))::ltree[])) AS o
         CROSS JOIN LATERAL (
               SELECT b.*
                 FROM ban b
                WHERE b.organisation = o.path
                  AND (NOT coalesce(:active, false)
                       OR (b.lifted_at IS NULL AND b.since <= (SELECT campus.today()) AND b.until > (SELECT campus.today())))
                  AND b.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
                ORDER BY b.id
                LIMIT :page_limit) AS b) AS b
 ORDER BY b.id
 LIMIT :page_limit

-- name: count_bans
SELECT count(*) AS total_count
  FROM ban b
 WHERE (:person_id::uuid IS NULL OR b.person_id = :person_id)
   AND (b.organisation <@ ANY (:scopes::ltree[])
        OR (b.person_id = :caller_person::uuid AND (:person_id IS NOT NULL OR :scopes = '{}')))
   AND (:within::ltree IS NULL OR b.organisation <@ :within)
   AND (NOT coalesce(:active::bool, false)
        OR (b.lifted_at IS NULL AND b.since <= (SELECT campus.today()) AND b.until > (SELECT campus.today())))

-- Person, ban: the order in which an erasure locks them too.
-- name: lock_banned
SELECT p.id FROM ban b JOIN person p ON p.id = b.person_id WHERE b.id = :id::uuid FOR NO KEY UPDATE OF p

-- name: target_ban
SELECT b.organisation <@ ANY (:scopes::ltree[]) AS visible, b.version,
       CASE WHEN NOT b.organisation <@ ANY (:scopes) THEN NULL
            WHEN b.person_id = :caller_person::uuid THEN 'own_ban'
            WHEN b.lifted_at IS NOT NULL THEN 'already_lifted'
            WHEN b.until <= campus.today() THEN 'already_over'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased' END AS refusal
  FROM ban b JOIN person p ON p.id = b.person_id
 WHERE b.id = :id::uuid
   FOR UPDATE OF b

-- name: lift_ban
WITH made AS (
  UPDATE ban SET lifted_at = campus.now(), lifted_reason = :lifted_reason, version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND lifted_at IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (SELECT id, person_id, organisation::text, since, until, lifted_at, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'ban.lifted' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text) AS data FROM made)
