-- import.sql -- a roster, as arrays of one element a line. Conventions: common/method.h.

-- Imports go one behind another: two of the same file at once would both create.
-- name: lock_import
SELECT pg_advisory_xact_lock(hashtext('membership.import_people'))

-- Of who is said to be gone: organisations and offices before people, as by a graduation.
-- name: lock_roster_places
SELECT count(*)
  FROM (SELECT FROM organisation
         WHERE path IN (SELECT held.organisation
                          FROM unnest(:student_numbers::text[], :statuses::text[]) AS g (student_number, status)
                          JOIN person p ON p.student_number = g.student_number
                         CROSS JOIN LATERAL (SELECT m.organisation FROM membership m WHERE m.person_id = p.id
                                              UNION ALL
                                             SELECT a.organisation FROM appointment a WHERE a.person_id = p.id) AS held
                         WHERE g.status IN ('graduated', 'left') AND g.status <> p.status AND p.home <@ ANY (:scopes::ltree[]))
         ORDER BY path FOR SHARE) AS locked

-- name: lock_roster_offices
SELECT count(*)
  FROM (SELECT FROM office
         WHERE id IN (SELECT a.office_id
                        FROM unnest(:student_numbers::text[], :statuses::text[]) AS g (student_number, status)
                        JOIN person p ON p.student_number = g.student_number
                        JOIN appointment a ON a.person_id = p.id
                       WHERE g.status IN ('graduated', 'left') AND g.status <> p.status AND p.home <@ ANY (:scopes::ltree[])
                         AND (a.until IS NULL OR a.until > campus.today()))
         ORDER BY id FOR UPDATE) AS locked

-- Each array has one element a row of the file. A row that .check has refused comes with its code and nothing else.
-- name: import_people
WITH given AS (
  SELECT r.*, coalesce(r.home_name, :home::text) AS home_asked
    FROM unnest(:lines::int[], :codes::text[], :fields::text[], :student_numbers::text[], :names::text[],
                :latin_names::text[], :home_names::text[], :grades::int[], :class_names::text[], :statuses::text[],
                :emails::text[], :phones::text[])
      AS r (line, code, field, student_number, name, latin_name, home_name, grade, class_name, status, email, phone)),
-- A college may be named by its path or its title; a title that two share names none.
homes AS (
  SELECT asked.home_asked, min(o.path::text)::ltree AS path, min(o.path::text)::ltree <@ ANY (:scopes::ltree[]) AS permitted
    FROM (SELECT DISTINCT home_asked FROM given) AS asked
    JOIN organisation o ON o.path::text = asked.home_asked OR (o.kind = 'college' AND o.title = asked.home_asked)
   WHERE o.dissolved_on IS NULL OR o.dissolved_on > (SELECT campus.today())
   GROUP BY asked.home_asked
  HAVING count(*) = 1),
-- Whose telephone number stays as it is.
called AS MATERIALIZED (
  SELECT sensitive_phones_known(array_agg(p.id), array_agg(g.phone)) AS id
    FROM given g JOIN person p ON p.student_number = g.student_number
   WHERE g.phone IS NOT NULL),
judged AS (
  SELECT g.line, p.id,
         g.student_number, g.name, g.latin_name, h.path AS home, g.grade, g.class_name, g.status, g.email, g.phone,
         CASE WHEN g.code IS NOT NULL THEN g.code
              WHEN p.id IS NOT NULL AND NOT p.home <@ ANY (:scopes) THEN 'person_not_permitted'
              WHEN p.erased_at IS NOT NULL THEN 'person_erased'
              WHEN p.id IS NULL AND g.name IS NULL THEN 'required'
              WHEN p.id IS NULL AND g.home_asked IS NULL THEN 'required'
              WHEN (p.id IS NULL OR g.home_name IS NOT NULL) AND h.path IS NULL THEN 'home_unknown'
              WHEN (p.id IS NULL OR g.home_name IS NOT NULL) AND NOT h.permitted THEN 'home_not_permitted'
              WHEN change.readdressed AND p.id = :caller_person::uuid AND EXISTS (SELECT FROM account a WHERE a.person_id = p.id)
              THEN 'own_account'
              WHEN change.readdressed AND EXISTS (SELECT FROM account a WHERE a.person_id = p.id)
               AND NOT campus.holds(:grant_organisations::text[], :grant_permissions::text[],
                                    ARRAY['membership.accounts.recover'], p.home)
              THEN 'recover_not_permitted'
              WHEN (change.readdressed OR change.goes)
               AND (EXISTS (SELECT FROM appointment a WHERE a.person_id = p.id) OR EXISTS (SELECT FROM role_grant r WHERE r.person_id = p.id))
               AND authority_exceeds(p.id, :grant_organisations, :grant_permissions)
              THEN 'authority_exceeds_yours'
         END AS code,
         CASE WHEN g.code IS NOT NULL THEN g.field
              WHEN p.id IS NOT NULL AND (p.erased_at IS NOT NULL OR NOT p.home <@ ANY (:scopes)) THEN 'student_number'
              WHEN p.id IS NULL AND g.name IS NULL THEN 'name'
              WHEN p.id IS NOT NULL AND (g.home_name IS NULL OR h.permitted)
              THEN CASE WHEN change.readdressed THEN 'email' ELSE 'status' END
              ELSE 'home'
         END AS field,
         -- An empty cell says nothing; the home by default is only for who is new.
         (coalesce(g.name, p.name), coalesce(g.latin_name, p.latin_name),
          CASE WHEN g.home_name IS NULL THEN p.home ELSE h.path END, coalesce(g.grade, p.grade),
          coalesce(g.class_name, p.class_name), coalesce(g.status, p.status), coalesce(g.email, p.email))
         IS DISTINCT FROM
         (p.name, p.latin_name, p.home, p.grade, p.class_name, p.status, p.email)
         OR (g.phone IS NOT NULL AND called.id IS NULL) AS differs,
         g.phone IS NOT NULL AND called.id IS NULL AS phone_differs,
         g.home_name IS NOT NULL AS moves, change.readdressed, change.goes, p.email AS old_email
    FROM given g
    LEFT JOIN person p ON p.student_number = g.student_number
   CROSS JOIN LATERAL (
         SELECT p.id IS NOT NULL AND g.email IS NOT NULL AND g.email IS DISTINCT FROM p.email AS readdressed,
                g.status IN ('graduated', 'left') AND g.status <> p.status AS goes) AS change
    LEFT JOIN called ON called.id = p.id
    LEFT JOIN homes h ON h.home_asked = g.home_asked),
-- New ids are given here, so that what was inserted need not be joined to what was asked.
result AS MATERIALIZED (
  SELECT *, CASE WHEN code IS NOT NULL THEN 'refused'
                 WHEN id IS NULL THEN 'created'
                 WHEN differs THEN 'updated'
                 ELSE 'unchanged' END AS outcome,
         CASE WHEN code IS NULL AND id IS NULL AND NOT coalesce(:dry_run::bool, false) THEN campus.new_id() END AS new_id
    FROM judged),
created AS (
  INSERT INTO person (id, student_number, name, latin_name, home, grade, class_name, status, email)
  SELECT new_id, student_number, name, latin_name, home, grade, class_name, coalesce(status, 'active'), email
    FROM result
   WHERE new_id IS NOT NULL
   ORDER BY line
  RETURNING id, home),
updated AS (
  UPDATE person p
     SET name = coalesce(r.name, p.name), latin_name = coalesce(r.latin_name, p.latin_name),
         home = CASE WHEN r.moves THEN r.home ELSE p.home END, grade = coalesce(r.grade, p.grade),
         class_name = coalesce(r.class_name, p.class_name), status = coalesce(r.status, p.status),
         email = coalesce(r.email, p.email),
         version = p.version + 1, updated_at = (SELECT campus.now())
    FROM result r
   WHERE p.id = r.id AND r.outcome = 'updated' AND NOT coalesce(:dry_run, false)
  RETURNING p.id, r.readdressed, r.old_email, r.goes, r.status),
voided AS (
  UPDATE account_token t SET void_at = (SELECT campus.now())
    FROM updated u WHERE u.readdressed AND t.person_id = u.id AND t.used_at IS NULL AND t.void_at IS NULL),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'address_changed', old_email, id FROM updated WHERE readdressed AND old_email IS NOT NULL),
-- What nothing asks for is not done, so the reply has this one row beside its own.
phones AS MATERIALIZED (
  SELECT sensitive_phones(array_agg(coalesce(r.id, r.new_id)), array_agg(r.phone)) AS kept
    FROM result r
   WHERE r.outcome IN ('created', 'updated') AND r.phone_differs AND NOT coalesce(:dry_run, false)),
reply AS (
  SELECT count(*) FILTER (WHERE r.outcome = 'created')::int AS created,
         count(*) FILTER (WHERE r.outcome = 'updated')::int AS updated,
         count(*) FILTER (WHERE r.outcome = 'unchanged')::int AS unchanged,
         count(*) FILTER (WHERE r.outcome = 'refused')::int AS refused,
         :encoding::text AS encoding, :separator::text AS separator,
         coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
             'line', r.line, 'outcome', r.outcome,
             'id', CASE WHEN r.code IS NULL THEN coalesce(r.id, r.new_id) END,
             'code', r.code, 'field', CASE WHEN r.code IS NOT NULL THEN r.field END)) ORDER BY r.line), '[]') AS rows
    FROM phones JOIN result r ON phones.kept IS NOT NULL),
facts AS (
  SELECT 'person.created' AS type, id::text AS subject, jsonb_build_object('home', home::text) AS data FROM created
   UNION ALL
  SELECT 'person.updated', id::text, '{}' FROM updated
   UNION ALL
  SELECT e.type, e.subject, e.data
    FROM (SELECT array_agg(id) AS people, array_agg(status) AS reasons FROM updated WHERE goes) AS gone
   CROSS JOIN LATERAL people_go(gone.people, gone.reasons, campus.today()) AS e)
