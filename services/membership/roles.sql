-- roles.sql -- bundles of permissions, and who holds one without an office. Conventions: common/method.h.

-- name: list_roles
SELECT name, title, title_en, description, builtin,
       ARRAY (SELECT permission FROM role_permission WHERE role = name ORDER BY permission) AS permissions,
       version, created_at, updated_at
  FROM role
 WHERE name > coalesce(:after_name::text, '')
 ORDER BY name
 LIMIT :page_limit

-- name: get_role
SELECT name, title, title_en, description, builtin,
       ARRAY (SELECT permission FROM role_permission WHERE role = name ORDER BY permission) AS permissions,
       version, created_at, updated_at
  FROM role
 WHERE name = :name::text

-- name: target_role_new
SELECT '' = ANY (:scopes::text[]) AS permitted,
       CASE WHEN NOT campus.holds(:grant_organisations::text[], :grant_permissions::text[], coalesce(:permissions::text[], '{}'), '')
            THEN 'permissions_exceed_yours' END AS refusal

-- name: create_role
WITH made AS (
  INSERT INTO role (name, title, title_en, description) VALUES (:name::text, :title, :title_en, :description) RETURNING *),
given AS (
  INSERT INTO role_permission (role, permission)
  SELECT DISTINCT name, permission FROM made, unnest(coalesce(:permissions::text[], '{}')) AS permission
  RETURNING permission),
reply AS (
  SELECT name, title, title_en, description, builtin, ARRAY (SELECT permission FROM given ORDER BY 1) AS permissions,
         version, created_at, updated_at
    FROM made),
facts AS (SELECT 'role.changed' AS type, name AS subject, '{}'::jsonb AS data FROM made)

-- name: target_role
SELECT '' = ANY (:scopes::text[]) AS permitted, version,
       CASE WHEN name = 'administrator' THEN 'administrator_stays'
            WHEN 'permissions' = ANY (:set::text[])
             AND NOT campus.covers(role_permissions(ARRAY[name]), coalesce(:permissions::text[], '{}'))
             AND name IN (SELECT 'everyone' WHERE :caller_person::uuid IS NOT NULL
                           UNION SELECT a.role FROM authority_from(:caller_person, campus.now()) a)
            THEN 'own_role' -- what they hold for a time would else be theirs for as long as the role
            WHEN 'permissions' = ANY (:set)
             AND NOT campus.holds(:grant_organisations::text[], :grant_permissions::text[], coalesce(:permissions, '{}'), '')
            THEN 'permissions_exceed_yours' END AS refusal
  FROM role
 WHERE name = :name::text
   FOR UPDATE

-- name: patch_role
WITH made AS (
  UPDATE role
     SET title = CASE WHEN 'title' = ANY (:set::text[]) THEN :title ELSE title END,
         title_en = CASE WHEN 'title_en' = ANY (:set) THEN :title_en ELSE title_en END,
         description = CASE WHEN 'description' = ANY (:set) THEN :description ELSE description END,
         version = version + 1, updated_at = campus.now()
   WHERE name = :name::text AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
wanted AS (
  SELECT DISTINCT permission FROM unnest(coalesce(:permissions::text[], '{}')) AS permission WHERE 'permissions' = ANY (:set)),
taken AS (
  DELETE FROM role_permission rp USING made
   WHERE rp.role = made.name AND 'permissions' = ANY (:set) AND rp.permission NOT IN (SELECT permission FROM wanted)),
given AS (
  INSERT INTO role_permission (role, permission) SELECT name, permission FROM made, wanted ON CONFLICT DO NOTHING),
reply AS (
  SELECT name, title, title_en, description, builtin,
         CASE WHEN 'permissions' = ANY (:set) THEN ARRAY (SELECT permission FROM wanted ORDER BY 1)
              ELSE ARRAY (SELECT permission FROM role_permission WHERE role = name ORDER BY 1) END AS permissions,
         version, created_at, updated_at
    FROM made),
facts AS (SELECT 'role.changed' AS type, name AS subject, '{}'::jsonb AS data FROM made)

-- name: target_role_unused
SELECT '' = ANY (:scopes::text[]) AS permitted,
       CASE WHEN builtin THEN 'role_builtin'
            WHEN EXISTS (SELECT FROM office_role WHERE role = name) OR EXISTS (SELECT FROM role_grant WHERE role = name)
            THEN 'role_in_use' END AS refusal
  FROM role
 WHERE name = :name::text
   FOR UPDATE

-- name: delete_role
WITH made AS (DELETE FROM role WHERE name = :name::text RETURNING name),
reply AS (SELECT name FROM made),
facts AS (SELECT 'role.removed' AS type, name AS subject, '{}'::jsonb AS data FROM made)

-- ---- grants ----

-- name: target_grant_new
SELECT asked.permitted,
       CASE WHEN NOT asked.permitted THEN NULL
            WHEN p.id IS NULL THEN 'person_unknown'
            WHEN p.id = :caller_person::uuid THEN 'own_grant'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN NOT EXISTS (SELECT FROM role WHERE name = :role::text) THEN 'role_unknown'
            WHEN :organisation IS NOT NULL AND NOT EXISTS (
                 SELECT FROM organisation WHERE path = :organisation AND (dissolved_on IS NULL OR dissolved_on > campus.today()))
            THEN 'organisation_unknown'
            WHEN NOT campus.holds(:grant_organisations::text[], :grant_permissions::text[], role_permissions(ARRAY[:role]),
                                  coalesce(:organisation, ''))
            THEN 'permissions_exceed_yours'
       END AS refusal
  FROM (SELECT coalesce(:organisation::ltree, '') <@ ANY (:scopes::ltree[]) AS permitted) AS asked
  LEFT JOIN LATERAL (SELECT id, erased_at FROM person WHERE id = :person_id::uuid FOR KEY SHARE) AS p ON true

-- name: create_grant
WITH made AS (
  INSERT INTO role_grant (id, person_id, role, organisation, since, until, reason, granted_by)
  VALUES (:new_id::uuid, :person_id::uuid, :role::text, coalesce(:organisation::ltree, ''),
          coalesce(:since::timestamptz, campus.now()), :until::timestamptz, :reason, :caller_id::text)
  RETURNING *),
reply AS (
  SELECT id, person_id, role, nullif(organisation, '')::text AS organisation, since, until, granted_by,
         version, created_at, updated_at
    FROM made),
facts AS (
  SELECT 'grant.given' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'role', role, 'organisation', organisation::text) AS data FROM made)

-- name: get_grant
SELECT id, person_id, role, nullif(organisation, '')::text AS organisation, since, until, reason, granted_by,
       version, created_at, updated_at
  FROM role_grant
 WHERE id = :id::uuid AND (organisation <@ ANY (:scopes::ltree[]) OR person_id = :caller_person::uuid)

-- name: list_grants
SELECT id, person_id, role, nullif(organisation, '')::text AS organisation, since, until, reason, granted_by,
       version, created_at, updated_at
  FROM role_grant
 WHERE (organisation <@ ANY (:scopes::ltree[]) OR person_id = :caller_person::uuid)
   AND (:person_id::uuid IS NULL OR person_id = :person_id)
   AND (:within::ltree IS NULL OR organisation <@ :within)
   AND (:role::text IS NULL OR role = :role)
   AND (:as_of::timestamptz IS NULL OR (since <= :as_of AND (until IS NULL OR until > :as_of)))
   AND id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY id
 LIMIT :page_limit

-- name: count_grants
SELECT count(*) AS total_count
  FROM role_grant
 WHERE (organisation <@ ANY (:scopes::ltree[]) OR person_id = :caller_person::uuid)
   AND (:person_id::uuid IS NULL OR person_id = :person_id)
   AND (:within::ltree IS NULL OR organisation <@ :within)
   AND (:role::text IS NULL OR role = :role)
   AND (:as_of::timestamptz IS NULL OR (since <= :as_of AND (until IS NULL OR until > :as_of)))

-- name: target_grant
SELECT organisation <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN organisation <@ ANY (:scopes) AND until <= campus.now() THEN 'already_ended' END AS refusal
  FROM role_grant
 WHERE id = :id::uuid
   FOR UPDATE

-- One that has not begun ends on the instant at which it would have begun.
-- name: revoke_grant
WITH made AS (
  UPDATE role_grant SET until = greatest(since, campus.now()), version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND (until IS NULL OR until > campus.now())
  RETURNING *),
reply AS (
  SELECT id, person_id, role, nullif(organisation, '')::text AS organisation, since, until, granted_by,
         version, created_at, updated_at
    FROM made),
facts AS (
  SELECT 'grant.revoked' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'role', role, 'organisation', organisation::text) AS data FROM made)
