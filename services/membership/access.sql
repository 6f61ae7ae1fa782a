-- access.sql -- who the caller is, what somebody may do, and who is behind a token. Conventions: common/method.h.

-- name: get_me
SELECT k.id, 'key' AS kind, k.name, k.person_id, k.office_id, k.permissions, k.organisation::text, k.expires_at,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'via', 'key', 'permissions', g.permissions, 'organisation', nullif(g.organisation, '')::text, 'until', g.ends))), '[]')
          FROM (SELECT organisation, array_agg(DISTINCT permission) AS permissions, min(ends) AS ends
                  FROM key_grants(k) GROUP BY organisation) AS g) AS grounds
  FROM api_key k
 WHERE k.id = :caller_id::uuid
 UNION ALL
SELECT p.id, 'person', p.name, p.id, NULL, NULL, NULL, NULL,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'via', g.via, 'role', g.role, 'permissions', g.permissions, 'organisation', nullif(g.organisation, '')::text,
                   'appointment_id', g.appointment_id, 'office_id', g.office_id, 'office', g.office, 'grant_id', g.grant_id,
                   'since', g.since, 'until', g.until)) ORDER BY g.via, g.organisation, g.role), '[]')
          FROM grounds_of(p.id, campus.now()) AS g)
  FROM person p
 WHERE p.id = :caller_id::uuid

-- Whoever asks about another must be let see them.
-- name: target_access
SELECT :person_id::uuid IS NULL OR :person_id = :caller_person::uuid
       OR EXISTS (SELECT FROM person_reach r
                   WHERE r.person_id = :person_id AND r.ancestor = ANY (:scopes::ltree[])
                     AND r.since <= campus.today() AND r.until > campus.today()) AS visible

-- name: explain_access
WITH asked AS (
  SELECT CASE WHEN :person_id::uuid IS NOT NULL THEN :person_id WHEN :caller_id::uuid = :caller_person::uuid THEN :caller_person END
         AS person,
         coalesce(:organisation::ltree, '') AS place, coalesce(:at::timestamptz, campus.now()) AS at),
held AS (
  SELECT g.via, g.role, ARRAY (SELECT p FROM unnest(g.permissions) p WHERE campus.covers(ARRAY[p], ARRAY[:permission::text]))
         AS permissions, g.organisation, g.appointment_id, g.office_id, g.office, g.grant_id, g.since, g.until
    FROM asked, grounds_of(asked.person, asked.at) AS g
   UNION ALL
  SELECT 'key', NULL, ARRAY[g.permission], g.organisation, NULL, k.office_id, NULL, NULL, k.created_at, least(g.ends, k.expires_at)
    FROM asked, api_key k, key_grants(k) AS g
   WHERE asked.person IS NULL AND k.id = :caller_id AND campus.covers(ARRAY[g.permission], ARRAY[:permission])),
fitting AS (SELECT held.*, asked.place <@ held.organisation AS here FROM held, asked WHERE held.permissions <> '{}')
SELECT coalesce(bool_or(here), false) AS allowed,
       coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
           'via', via, 'role', role, 'permissions', permissions, 'organisation', nullif(organisation, '')::text,
           'appointment_id', appointment_id, 'office_id', office_id, 'office', office, 'grant_id', grant_id,
           'since', since, 'until', until)) ORDER BY via, organisation) FILTER (WHERE here), '[]') AS grounds,
       coalesce(array_agg(DISTINCT organisation::text) FILTER (WHERE NOT here), '{}') AS elsewhere
  FROM fitting

-- ---- who is behind a token ----

-- name: resolve_key
WITH found AS (
  SELECT k AS key, k.id, k.person_id, k.permissions, k.allowed_addresses, k.last_used_at,
         CASE WHEN k.token_hash = :token_hash::bytea THEN k.expires_at ELSE least(k.expires_at, k.previous_expires_at) END AS expires_at
    FROM api_key k
   WHERE (k.token_hash = :token_hash OR (k.previous_token_hash = :token_hash AND k.previous_expires_at > campus.now()))
     AND k.revoked_at IS NULL
     AND (k.expires_at IS NULL OR k.expires_at > campus.now())
     AND (k.person_id IS NULL OR sign_in_refusal(k.person_id) IS NULL)),
touched AS (
  UPDATE api_key k SET last_used_at = campus.now()
    FROM found
   WHERE k.id = found.id AND (k.last_used_at IS NULL OR k.last_used_at < campus.now() - interval '1 minute')),
signed_in AS (
  SELECT s.id, s.person_id,
         CASE WHEN s.token_hash = :token_hash THEN session_expires_at(s)
              ELSE least(session_expires_at(s), s.previous_expires_at) END AS expires_at
    FROM session s
   WHERE (s.token_hash = :token_hash OR (s.previous_token_hash = :token_hash AND s.previous_expires_at > campus.now()))
     AND s.revoked_at IS NULL AND session_expires_at(s) > campus.now() AND sign_in_refusal(s.person_id) IS NULL),
used AS (
  UPDATE session s SET last_used_at = campus.now()
    FROM signed_in
   WHERE s.id = signed_in.id AND s.last_used_at < campus.now() - interval '1 minute'),
given AS (
  SELECT g.organisation, g.permission, g.ends FROM found, key_grants(found.key) AS g
   UNION ALL
  SELECT a.organisation, rp.permission, a.ends
    FROM signed_in, authority_of(signed_in.person_id, campus.now()) AS a JOIN role_permission rp ON rp.role = a.role),
held AS (
  SELECT organisation, array_agg(DISTINCT permission) AS permissions, min(ends) AS ends FROM given GROUP BY organisation),
grants AS (
  SELECT coalesce(jsonb_agg(jsonb_build_object('organisation', organisation::text, 'permissions', permissions)), '[]') AS grants,
         min(ends) AS ends
    FROM held)
SELECT found.id, found.person_id AS person, NULL::uuid AS session, found.allowed_addresses, found.permissions AS own_permissions, grants.grants,
       least(found.expires_at, grants.ends) AS expires_at
  FROM found, grants
 UNION ALL
SELECT signed_in.person_id, signed_in.person_id, signed_in.id, '{}', '{*}', grants.grants, least(signed_in.expires_at, grants.ends)
  FROM signed_in, grants
