-- keys.sql -- the keys of systems. Conventions: common/method.h.

-- The whole campus is the root's to give.
-- name: target_key_new
SELECT coalesce(:organisation::ltree, '') <@ ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN NOT coalesce(:organisation, '') <@ ANY (:scopes) THEN NULL
            WHEN NOT campus.holds(:grant_organisations::text[], :grant_permissions::text[], :permissions::text[],
                                  coalesce(:organisation, ''))
            THEN 'permissions_exceed_yours'
            WHEN NOT are_networks(:allowed_addresses::text[]) THEN 'bad_address'
            WHEN :office_id::uuid IS NOT NULL AND NOT EXISTS (
                 SELECT FROM appointment a
                  WHERE a.office_id = :office_id AND a.person_id = :caller_person::uuid
                    AND a.since <= campus.today() AND (a.until IS NULL OR a.until > campus.today()))
            THEN 'office_not_yours'
            WHEN :office_id IS NOT NULL AND people_only_among(:permissions) IS NOT NULL THEN 'people_only'
            WHEN NOT lie_within(:allowed_addresses, coalesce((SELECT allowed_addresses FROM api_key WHERE id::text = :caller_id::text), '{}'))
            THEN 'addresses_exceed_yours'
            ELSE key_expiry_refusal(:expires_at::timestamptz, :caller_id::text)
       END AS refusal

-- Without an end or addresses of its own a key has those of the one that makes it.
-- name: create_key
WITH made AS (
  INSERT INTO api_key (id, name, person_id, office_id, permissions, organisation, allowed_addresses, token_hash, expires_at)
  SELECT :new_id::uuid, :name, CASE WHEN :office_id::uuid IS NULL THEN :caller_person::uuid END, :office_id, :permissions::text[],
         :organisation::ltree,
         coalesce(:allowed_addresses::text[], (SELECT allowed_addresses FROM api_key WHERE id::text = :caller_id::text), '{}'),
         :token_hash::bytea,
         coalesce(:expires_at::timestamptz, (SELECT expires_at FROM api_key WHERE id::text = :caller_id::text))
   WHERE coalesce(:organisation, '') <@ ANY (:scopes::ltree[]) AND key_expiry_refusal(:expires_at, :caller_id) IS NULL
  RETURNING *),
reply AS (
  SELECT id, name, permissions, organisation::text, expires_at, office_id, allowed_addresses, version, created_at FROM made),
facts AS (
  SELECT 'key.created' AS type, id::text AS subject,
         jsonb_build_object('permissions', permissions, 'organisation', coalesce(organisation::text, '')) AS data FROM made)

-- name: get_key
SELECT id, name, person_id, office_id, permissions, organisation::text, allowed_addresses, expires_at, revoked_at, last_used_at,
       version, created_at, updated_at
  FROM api_key
 WHERE id = :id::uuid AND coalesce(organisation, '') <@ ANY (:scopes::ltree[])

-- name: list_keys
SELECT id, name, person_id, office_id, permissions, organisation::text, allowed_addresses, expires_at, revoked_at, last_used_at,
       version, created_at, updated_at
  FROM api_key
 WHERE coalesce(organisation, '') <@ ANY ((SELECT campus.narrow(:scopes::ltree[], :within::ltree))::ltree[])
   AND (coalesce(:include_ended::bool, false)
        OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > (SELECT campus.now()))))
   AND id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY id
 LIMIT :page_limit

-- name: count_keys
SELECT count(*) AS total_count
  FROM api_key
 WHERE coalesce(organisation, '') <@ ANY ((SELECT campus.narrow(:scopes::ltree[], :within::ltree))::ltree[])
   AND (coalesce(:include_ended::bool, false)
        OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > (SELECT campus.now()))))

-- name: target_key
SELECT coalesce(organisation, '') <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN coalesce(organisation, '') <@ ANY (:scopes) AND revoked_at IS NOT NULL THEN 'already_revoked' END AS refusal
  FROM api_key
 WHERE id = :id::uuid
   FOR UPDATE

-- name: revoke_key
WITH made AS (
  UPDATE api_key SET revoked_at = campus.now(), version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND coalesce(organisation, '') <@ ANY (:scopes::ltree[]) AND revoked_at IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT id, name, person_id, office_id, permissions, organisation::text, allowed_addresses, expires_at, revoked_at, last_used_at,
         version, created_at, updated_at
    FROM made),
facts AS (SELECT 'key.revoked' AS type, id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: target_key_rotation
SELECT coalesce(organisation, '') <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN coalesce(organisation, '') <@ ANY (:scopes)
            THEN key_rotation_refusal(k, :grant_organisations::text[], :grant_permissions::text[], :caller_id::text,
                                      :caller_person::uuid) END AS refusal
  FROM api_key k
 WHERE id = :id::uuid
   FOR UPDATE

-- name: rotate_key
WITH made AS (
  UPDATE api_key k
     SET previous_token_hash = token_hash,
         previous_expires_at = campus.now() + make_interval(secs => coalesce(:overlap_seconds::int, 3600)),
         token_hash = :token_hash::bytea,
         version = version + 1,
         updated_at = campus.now()
   WHERE id = :id::uuid AND coalesce(organisation, '') <@ ANY (:scopes::ltree[])
     AND key_rotation_refusal(k, :grant_organisations::text[], :grant_permissions::text[], :caller_id::text,
                                      :caller_person::uuid) IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT id, name, permissions, organisation::text, expires_at, least(previous_expires_at, expires_at) AS previous_expires_at,
         office_id, allowed_addresses, version, created_at
    FROM made),
facts AS (SELECT 'key.rotated' AS type, id::text AS subject, '{}'::jsonb AS data FROM made)
