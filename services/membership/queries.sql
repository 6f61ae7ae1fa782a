-- queries.sql -- membership's statements. Conventions: common/method.h. In filters today() stands in a sub-select,
-- so that it is asked once and not for each row.

-- ---- organisations ----

-- name: target_organisation_new
SELECT subpath(:path::ltree, 0, -1) <@ ANY (:scopes::ltree[]) AS permitted

-- name: create_organisation
WITH made AS (
  INSERT INTO organisation (path, kind, title, title_en, description, led_by, founded_on)
  SELECT :path::ltree, :kind, :title, :title_en, :description, :led_by::ltree, :founded_on::date
   WHERE subpath(:path, 0, -1) <@ ANY (:scopes::ltree[])
  RETURNING *),
reply AS (
  SELECT path::text, kind, title, title_en, description, led_by::text, founded_on, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'organisation.created' AS type, path::text AS subject, jsonb_build_object('kind', kind) AS data FROM made)

-- name: get_organisation
SELECT path::text, kind, title, title_en, description, led_by::text, founded_on, dissolved_on, successor::text,
       version, created_at, updated_at
  FROM organisation
 WHERE path = :path::ltree AND path <@ ANY (:scopes::ltree[])

-- name: list_organisations_by_path
SELECT path::text, kind, title, title_en, description, led_by::text, founded_on, dissolved_on, successor::text,
       version, created_at, updated_at
  FROM organisation
 WHERE path <@ ANY ((SELECT campus.narrow(:scopes::ltree[], :within::ltree))::ltree[])
   AND (:parent::ltree IS NULL OR parent = :parent)
   AND (:kind::text IS NULL OR kind = :kind)
   AND (:q::text IS NULL OR campus.fold(concat_ws(' ', title, title_en)) LIKE ALL ((SELECT campus.query_patterns(:q))::text[]))
   AND (coalesce(:include_dissolved::bool, false) OR dissolved_on IS NULL OR dissolved_on > (SELECT campus.today()))
   AND path > coalesce(:after_path::ltree, '')
 ORDER BY path
 LIMIT :page_limit

-- name: list_organisations_by_title
SELECT path::text, kind, title, title_en, description, led_by::text, founded_on, dissolved_on, successor::text,
       version, created_at, updated_at
  FROM organisation
 WHERE path <@ ANY ((SELECT campus.narrow(:scopes::ltree[], :within::ltree))::ltree[])
   AND (:parent::ltree IS NULL OR parent = :parent)
   AND (:kind::text IS NULL OR kind = :kind)
   AND (:q::text IS NULL OR campus.fold(concat_ws(' ', title, title_en)) LIKE ALL ((SELECT campus.query_patterns(:q))::text[]))
   AND (coalesce(:include_dissolved::bool, false) OR dissolved_on IS NULL OR dissolved_on > (SELECT campus.today()))
   AND (title, path) > (coalesce(:after_title::text, ''), coalesce(:after_path::ltree, ''))
 ORDER BY title, path
 LIMIT :page_limit

-- name: count_organisations
SELECT count(*) AS total_count
  FROM organisation
 WHERE path <@ ANY ((SELECT campus.narrow(:scopes::ltree[], :within::ltree))::ltree[])
   AND (:parent::ltree IS NULL OR parent = :parent)
   AND (:kind::text IS NULL OR kind = :kind)
   AND (:q::text IS NULL OR campus.fold(concat_ws(' ', title, title_en)) LIKE ALL ((SELECT campus.query_patterns(:q))::text[]))
   AND (coalesce(:include_dissolved::bool, false) OR dissolved_on IS NULL OR dissolved_on > (SELECT campus.today()))

-- name: target_organisation
SELECT path <@ ANY (:scopes::ltree[]) AS visible, version FROM organisation WHERE path = :path::ltree FOR UPDATE

-- name: patch_organisation
WITH made AS (
  UPDATE organisation
     SET title = CASE WHEN 'title' = ANY (:set::text[]) THEN :title ELSE title END,
         title_en = CASE WHEN 'title_en' = ANY (:set) THEN :title_en ELSE title_en END,
         description = CASE WHEN 'description' = ANY (:set) THEN :description ELSE description END,
         led_by = CASE WHEN 'led_by' = ANY (:set) THEN :led_by::ltree ELSE led_by END,
         founded_on = CASE WHEN 'founded_on' = ANY (:set) THEN :founded_on::date ELSE founded_on END,
         version = version + 1,
         updated_at = campus.now()
   WHERE path = :path::ltree AND path <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT path::text, kind, title, title_en, description, led_by::text, founded_on, dissolved_on, successor::text,
         version, created_at, updated_at
    FROM made),
facts AS (
  SELECT 'organisation.updated' AS type, path::text AS subject, jsonb_build_object('fields', to_jsonb(:set)) AS data FROM made)

-- name: target_organisation_living
SELECT path <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN path <@ ANY (:scopes) AND dissolved_on IS NOT NULL THEN 'already_dissolved' END AS refusal
  FROM organisation
 WHERE path = :path::ltree
   FOR UPDATE

-- Of a membership that was to begin later nothing remains but its row: it ends on the day on which it would have begun.
-- name: dissolve_organisation
WITH made AS (
  UPDATE organisation
     SET dissolved_on = coalesce(:dissolved_on::date, campus.today()), successor = :successor::ltree,
         version = version + 1, updated_at = campus.now()
   WHERE path = :path::ltree AND path <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
     AND dissolved_on IS NULL
  RETURNING *),
closed AS (
  UPDATE membership m
     SET until = greatest(m.since, made.dissolved_on), reason = 'dissolved', version = m.version + 1, updated_at = campus.now()
    FROM made
   WHERE m.organisation = made.path AND (m.until IS NULL OR m.until > greatest(m.since, made.dissolved_on))
  RETURNING m.*),
reply AS (
  SELECT path::text, kind, title, title_en, description, led_by::text, founded_on, dissolved_on, successor::text,
         version, created_at, updated_at
    FROM made),
facts AS (
  SELECT 'organisation.dissolved' AS type, path::text AS subject,
         jsonb_strip_nulls(jsonb_build_object('on', dissolved_on, 'successor', successor::text)) AS data
    FROM made
   UNION ALL
  SELECT 'membership.ended', id::text,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason)
    FROM closed)

-- ---- people ----

-- Why a person cannot be kept there; the place is locked, so that it is not dissolved meanwhile.
-- name: target_home
SELECT home.permitted,
       CASE WHEN home.permitted AND keeper.path IS NULL THEN 'home_unknown' END AS refusal
  FROM (SELECT :home::ltree <@ ANY (:scopes::ltree[]) AS permitted) AS home
  LEFT JOIN LATERAL (SELECT path FROM organisation
                      WHERE path = :home AND (dissolved_on IS NULL OR dissolved_on > campus.today()) FOR SHARE) AS keeper
    ON true

-- name: create_person
WITH made AS (
  INSERT INTO person (id, student_number, name, latin_name, home, grade, class_name, status, email, phone)
  SELECT :new_id::uuid, :student_number, :name, :latin_name, path, :grade::int, :class_name,
         coalesce(:status::text, 'active'), :email, :phone
    FROM organisation
   WHERE path = :home::ltree AND path <@ ANY (:scopes::ltree[])
     AND (dissolved_on IS NULL OR dissolved_on > campus.today())
  RETURNING *),
reply AS (SELECT id, status, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'person.created' AS type, id::text AS subject, jsonb_build_object('home', home::text) AS data FROM made)

-- Whoever may read at the person's home, most callers, is let in by that alone; the index is asked for the others.
-- name: get_person
SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email, phone,
       version, created_at, updated_at
  FROM person p
 WHERE id = :id::uuid
   AND (home <@ ANY (:scopes::ltree[])
        OR id = :caller_person::uuid
        OR EXISTS (SELECT FROM person_reach r
                    WHERE r.person_id = p.id AND r.ancestor = ANY (:scopes)
                      AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())))

-- A list reads one range of person_reach for each of the caller's subtrees, at most a page of each, and only then the people
-- themselves: the page's number and the table's size do not matter.
-- name: list_people_by_id
SELECT p.*
  FROM (SELECT DISTINCT r.person_id
          FROM unnest(anchors(:scopes::ltree[], :organisation::ltree, :home::ltree)) AS a (anchor)
         CROSS JOIN LATERAL (
               SELECT r.person_id
                 FROM person_reach r
                WHERE r.ancestor = a.anchor
                  AND r.person_id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
                  AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())
                  AND (:home IS NULL OR r.home <@ :home)
                  AND (:grade::int IS NULL OR r.grade = :grade)
                  AND (:status::text IS NULL OR r.status = :status)
                  AND (:organisation IS NULL OR is_member(r.person_id, a.anchor))
                ORDER BY r.person_id
                LIMIT :page_limit) AS r
         ORDER BY r.person_id
         LIMIT :page_limit) AS page
 CROSS JOIN LATERAL (
       SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email, phone,
              version, created_at, updated_at
         FROM person WHERE id = page.person_id LIMIT 1) AS p
 ORDER BY p.id

-- name: list_people_by_name
SELECT p.*
  FROM (SELECT DISTINCT r.name, r.person_id
          FROM unnest(anchors(:scopes::ltree[], :organisation::ltree, :home::ltree)) AS a (anchor)
         CROSS JOIN LATERAL (
               SELECT r.name, r.person_id
                 FROM person_reach r
                WHERE r.ancestor = a.anchor
                  AND (r.name, r.person_id) > (coalesce(:after_name::text, ''),
                                               coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000'))
                  AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())
                  AND (:home IS NULL OR r.home <@ :home)
                  AND (:grade::int IS NULL OR r.grade = :grade)
                  AND (:status::text IS NULL OR r.status = :status)
                  AND (:organisation IS NULL OR is_member(r.person_id, a.anchor))
                ORDER BY r.name, r.person_id
                LIMIT :page_limit) AS r
         ORDER BY r.name, r.person_id
         LIMIT :page_limit) AS page
 CROSS JOIN LATERAL (
       SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email, phone,
              version, created_at, updated_at
         FROM person WHERE id = page.person_id LIMIT 1) AS p
 ORDER BY page.name, p.id

-- name: list_people_by_student_number
SELECT p.*
  FROM (SELECT DISTINCT r.student_number, r.person_id
          FROM unnest(anchors(:scopes::ltree[], :organisation::ltree, :home::ltree)) AS a (anchor)
         CROSS JOIN LATERAL (
               SELECT r.student_number, r.person_id
                 FROM person_reach r
                WHERE r.ancestor = a.anchor
                  AND r.student_number > coalesce(:after_student_number::text, '')
                  AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())
                  AND (:home IS NULL OR r.home <@ :home)
                  AND (:grade::int IS NULL OR r.grade = :grade)
                  AND (:status::text IS NULL OR r.status = :status)
                  AND (:organisation IS NULL OR is_member(r.person_id, a.anchor))
                ORDER BY r.student_number, r.person_id
                LIMIT :page_limit) AS r
         ORDER BY r.student_number
         LIMIT :page_limit) AS page
 CROSS JOIN LATERAL (
       SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email, phone,
              version, created_at, updated_at
         FROM person WHERE id = page.person_id LIMIT 1) AS p
 ORDER BY p.student_number

-- Each search is planned by its words, which therefore stand in no sub-select: what many have is met soon on a walk in the list's
-- order, what few have is found by its grams and sorted. By name it is always sorted, as who shares a name stands in one place.
-- name: search_people
SELECT p.id, p.student_number, p.name, p.latin_name, p.home::text, p.grade, p.class_name, p.status, p.email, p.phone,
       p.version, p.created_at, p.updated_at
  FROM person p
 WHERE ((p.grams @> campus.query_grams(:q::text) AND p.folded LIKE ALL (campus.query_patterns(:q)))
        OR (p.student_number >= :q AND p.student_number < :q || chr(1114111)))
   AND (:home::ltree IS NULL OR p.home <@ :home)
   AND (:grade::int IS NULL OR p.grade = :grade)
   AND (:status::text IS NULL OR p.status = :status)
   AND EXISTS (SELECT FROM person_reach r
                WHERE r.person_id = p.id AND r.ancestor = ANY (anchors(:scopes::ltree[], :organisation::ltree, :home))
                  AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())
                  AND (:organisation IS NULL OR is_member(r.person_id, r.ancestor)))
   AND CASE coalesce(:sort::text, 'id')
         WHEN 'name' THEN (p.name COLLATE "zh-x-icu", p.id)
                          > (coalesce(:after_name::text, ''), coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000'))
         WHEN 'student_number' THEN p.student_number > coalesce(:after_student_number::text, '')
         ELSE p.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
       END
 ORDER BY CASE :sort WHEN 'name' THEN p.name COLLATE "zh-x-icu" END,
          CASE :sort WHEN 'student_number' THEN p.student_number END,
          p.id
 LIMIT :page_limit

-- One statement counts a list and a search; the branch that is not asked for is not run.
-- name: count_people
SELECT count(*) AS total_count
  FROM (SELECT DISTINCT r.person_id
          FROM person_reach r
         WHERE :q::text IS NULL
           AND r.ancestor = ANY ((SELECT anchors(:scopes::ltree[], :organisation::ltree, :home::ltree))::ltree[])
           AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())
           AND (:home IS NULL OR r.home <@ :home)
           AND (:grade::int IS NULL OR r.grade = :grade)
           AND (:status::text IS NULL OR r.status = :status)
           AND (:organisation IS NULL OR is_member(r.person_id, r.ancestor))
         UNION ALL
        SELECT p.id
          FROM person p
         WHERE :q IS NOT NULL
           AND ((p.grams @> (SELECT campus.query_grams(:q)) AND p.folded LIKE ALL ((SELECT campus.query_patterns(:q))::text[]))
                OR (p.student_number >= :q AND p.student_number < :q || chr(1114111)))
           AND (:home IS NULL OR p.home <@ :home)
           AND (:grade IS NULL OR p.grade = :grade)
           AND (:status IS NULL OR p.status = :status)
           AND EXISTS (SELECT FROM person_reach r
                        WHERE r.person_id = p.id
                          AND r.ancestor = ANY ((SELECT anchors(:scopes, :organisation, :home))::ltree[])
                          AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())
                          AND (:organisation IS NULL OR is_member(r.person_id, r.ancestor)))) AS found

-- Where the record is to move; asked before the person is locked, as everywhere: organisations first.
-- name: get_people_figures
SELECT home::text, grade, count(*) AS people
  FROM person
 WHERE status = 'active' AND home <@ ANY (campus.narrow(:scopes::ltree[], :home::ltree))
 GROUP BY home, grade
HAVING count(*) >= 5
 ORDER BY home, grade

-- name: check_person_home
SELECT 'home_unknown' AS refusal
 WHERE 'home' = ANY (:set::text[]) AND :home::ltree <@ ANY (:scopes::ltree[]) -- of elsewhere nothing is told
   AND NOT EXISTS (SELECT FROM (SELECT path FROM organisation
                                 WHERE path = :home::ltree AND (dissolved_on IS NULL OR dissolved_on > campus.today())
                                   FOR SHARE) AS keeper)

-- Seen from any membership, changed only where the record is kept.
-- name: target_person
SELECT EXISTS (SELECT FROM person_reach r
                WHERE r.person_id = p.id AND r.ancestor = ANY (:scopes::ltree[])
                  AND r.since <= campus.today() AND r.until > campus.today()) AS visible,
       p.home <@ ANY (:scopes) AND (NOT 'home' = ANY (:set::text[]) OR :home::ltree <@ ANY (:scopes)) AS permitted,
       p.version
  FROM person p
 WHERE p.id = :id::uuid
   FOR UPDATE

-- name: patch_person
WITH old AS (SELECT * FROM person WHERE id = :id::uuid),
made AS (
  UPDATE person
     SET student_number = CASE WHEN 'student_number' = ANY (:set::text[]) THEN :student_number ELSE student_number END,
         name = CASE WHEN 'name' = ANY (:set) THEN :name ELSE name END,
         latin_name = CASE WHEN 'latin_name' = ANY (:set) THEN :latin_name ELSE latin_name END,
         home = CASE WHEN 'home' = ANY (:set) THEN :home::ltree ELSE home END,
         grade = CASE WHEN 'grade' = ANY (:set) THEN :grade::int ELSE grade END,
         class_name = CASE WHEN 'class_name' = ANY (:set) THEN :class_name ELSE class_name END,
         status = CASE WHEN 'status' = ANY (:set) THEN :status::text ELSE status END,
         email = CASE WHEN 'email' = ANY (:set) THEN :email ELSE email END,
         phone = CASE WHEN 'phone' = ANY (:set) THEN :phone ELSE phone END,
         version = version + 1,
         updated_at = campus.now()
   WHERE id = :id AND home <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
     AND (NOT 'home' = ANY (:set)
          OR EXISTS (SELECT FROM organisation o
                      WHERE o.path = :home AND o.path <@ ANY (:scopes)
                        AND (o.dissolved_on IS NULL OR o.dissolved_on > campus.today())))
  RETURNING *),
reply AS (SELECT id, version, updated_at FROM made),
facts AS (
  SELECT 'person.updated' AS type, made.id::text AS subject,
         jsonb_build_object('fields', (
             SELECT coalesce(jsonb_agg(n.key ORDER BY n.key), '[]')
               FROM jsonb_each(to_jsonb(made)) n JOIN jsonb_each(to_jsonb(old)) o USING (key)
              WHERE n.value <> o.value AND n.key = ANY (:set))) AS data
    FROM made, old)

-- ---- the import of people ----

-- Imports go one behind another: two of the same file at once would both create.
-- name: lock_import
SELECT pg_advisory_xact_lock(hashtext('membership.import_people'))

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
judged AS (
  SELECT g.line, p.id,
         g.student_number, g.name, g.latin_name, h.path AS home, g.grade, g.class_name, g.status, g.email, g.phone,
         CASE WHEN g.code IS NOT NULL THEN g.code
              WHEN p.id IS NOT NULL AND NOT p.home <@ ANY (:scopes) THEN 'person_not_permitted'
              WHEN p.id IS NULL AND g.name IS NULL THEN 'required'
              WHEN p.id IS NULL AND g.home_asked IS NULL THEN 'required'
              WHEN (p.id IS NULL OR g.home_name IS NOT NULL) AND h.path IS NULL THEN 'home_unknown'
              WHEN (p.id IS NULL OR g.home_name IS NOT NULL) AND NOT h.permitted THEN 'home_not_permitted'
         END AS code,
         CASE WHEN g.code IS NOT NULL THEN g.field
              WHEN p.id IS NOT NULL AND NOT p.home <@ ANY (:scopes) THEN 'student_number'
              WHEN p.id IS NULL AND g.name IS NULL THEN 'name'
              ELSE 'home'
         END AS field,
         -- An empty cell says nothing; the home by default is only for who is new.
         (coalesce(g.name, p.name), coalesce(g.latin_name, p.latin_name),
          CASE WHEN g.home_name IS NULL THEN p.home ELSE h.path END, coalesce(g.grade, p.grade),
          coalesce(g.class_name, p.class_name), coalesce(g.status, p.status), coalesce(g.email, p.email),
          coalesce(g.phone, p.phone))
         IS DISTINCT FROM
         (p.name, p.latin_name, p.home, p.grade, p.class_name, p.status, p.email, p.phone) AS differs,
         g.home_name IS NOT NULL AS moves
    FROM given g
    LEFT JOIN person p ON p.student_number = g.student_number
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
  INSERT INTO person (id, student_number, name, latin_name, home, grade, class_name, status, email, phone)
  SELECT new_id, student_number, name, latin_name, home, grade, class_name, coalesce(status, 'active'), email, phone
    FROM result
   WHERE new_id IS NOT NULL
   ORDER BY line
  RETURNING id, home),
updated AS (
  UPDATE person p
     SET name = coalesce(r.name, p.name), latin_name = coalesce(r.latin_name, p.latin_name),
         home = CASE WHEN r.moves THEN r.home ELSE p.home END, grade = coalesce(r.grade, p.grade),
         class_name = coalesce(r.class_name, p.class_name), status = coalesce(r.status, p.status),
         email = coalesce(r.email, p.email), phone = coalesce(r.phone, p.phone),
         version = p.version + 1, updated_at = (SELECT campus.now())
    FROM result r
   WHERE p.id = r.id AND r.outcome = 'updated' AND NOT coalesce(:dry_run, false)
  RETURNING p.id),
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
    FROM result r),
facts AS (
  SELECT 'person.created' AS type, id::text AS subject, jsonb_build_object('home', home::text) AS data FROM created
   UNION ALL
  SELECT 'person.updated', id::text, '{}' FROM updated)

-- ---- memberships ----

-- The organisation and the person are locked: neither ends meanwhile, and a person's reach is renewed by one at a time.
-- name: lock_membership_place
SELECT path::text FROM organisation WHERE path = :organisation::ltree FOR SHARE

-- name: target_membership_new
SELECT asked.permitted,
       CASE WHEN NOT asked.permitted THEN NULL
            WHEN p.id IS NULL THEN 'person_unknown'
            WHEN p.status IN ('graduated', 'left') THEN 'person_not_enrolled'
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
  SELECT id, person_id, organisation::text, kind, since, until, reason, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'membership.started' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'kind', kind, 'since', since) AS data
    FROM made)

-- name: get_membership
SELECT id, person_id, organisation::text, kind, since, until, reason, version, created_at, updated_at
  FROM membership
 WHERE id = :id::uuid AND (organisation <@ ANY (:scopes::ltree[]) OR person_id = :caller_person::uuid)

-- Of one person, or of each organisation in reach a page at most; what the caller's own person has they see in any case.
-- name: list_memberships
SELECT m.id, m.person_id, m.organisation::text, m.kind, m.since, m.until, m.reason, m.version, m.created_at, m.updated_at
  FROM (SELECT m.*
          FROM membership m
         WHERE m.person_id = coalesce(:person_id::uuid, CASE WHEN :scopes::ltree[] = '{}' THEN :caller_person::uuid END)
           AND (m.organisation <@ ANY (:scopes) OR m.person_id = :caller_person)
           AND (:organisation::ltree IS NULL OR m.organisation = :organisation)
           AND (:within::ltree IS NULL OR m.organisation <@ :within)
           AND (:kind::text IS NULL OR m.kind = :kind)
           AND (:as_of::date IS NULL OR (m.since <= :as_of AND (m.until IS NULL OR m.until > :as_of)))
           AND m.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
         UNION ALL
        SELECT m.*
          FROM (SELECT path FROM organisation
                 WHERE :person_id IS NULL
                   AND path <@ ANY ((SELECT campus.narrow(:scopes, coalesce(:organisation, :within)))::ltree[])
                   AND (:organisation IS NULL OR path = :organisation)
                   AND (:within IS NULL OR path <@ :within)) AS o
         CROSS JOIN LATERAL (
               SELECT m.*
                 FROM membership m
                WHERE m.organisation = o.path
                  AND (:kind IS NULL OR m.kind = :kind)
                  AND (:as_of IS NULL OR (m.since <= :as_of AND (m.until IS NULL OR m.until > :as_of)))
                  AND m.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
                ORDER BY m.id
                LIMIT :page_limit) AS m) AS m
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
  SELECT id, person_id, organisation::text, kind, since, until, reason, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'membership.ended' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason) AS data
    FROM made)

-- ---- keys ----

-- The whole campus is the root's to give.
-- name: target_key_new
SELECT coalesce(:organisation::ltree, '') <@ ANY (:scopes::ltree[]) AS permitted,
       key_expiry_refusal(:expires_at::timestamptz, :caller_id::text) AS refusal

-- Without an end of its own a key ends with the one that makes it.
-- name: create_key
WITH made AS (
  INSERT INTO api_key (id, name, person_id, permissions, organisation, token_hash, expires_at)
  SELECT :new_id::uuid, :name, :caller_person::uuid, :permissions_wanted::text[], :organisation::ltree, :token_hash::bytea,
         coalesce(:expires_at::timestamptz, (SELECT expires_at FROM api_key WHERE id::text = :caller_id::text))
   WHERE coalesce(:organisation, '') <@ ANY (:scopes::ltree[]) AND key_expiry_refusal(:expires_at, :caller_id) IS NULL
  RETURNING *),
reply AS (SELECT id, name, permissions, organisation::text, expires_at, version, created_at FROM made),
facts AS (
  SELECT 'key.created' AS type, id::text AS subject,
         jsonb_build_object('permissions', permissions, 'organisation', coalesce(organisation::text, '')) AS data FROM made)

-- name: get_key
SELECT id, name, person_id, permissions, organisation::text, expires_at, revoked_at, last_used_at,
       version, created_at, updated_at
  FROM api_key
 WHERE id = :id::uuid AND coalesce(organisation, '') <@ ANY (:scopes::ltree[])

-- name: list_keys
SELECT id, name, person_id, permissions, organisation::text, expires_at, revoked_at, last_used_at,
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
  SELECT id, name, person_id, permissions, organisation::text, expires_at, revoked_at, last_used_at,
         version, created_at, updated_at
    FROM made),
facts AS (SELECT 'key.revoked' AS type, id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: target_key_rotation
SELECT coalesce(organisation, '') <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN coalesce(organisation, '') <@ ANY (:scopes)
            THEN key_rotation_refusal(k, :permissions::text[], :caller_id::text) END AS refusal
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
     AND key_rotation_refusal(k, :permissions::text[], :caller_id::text) IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT id, name, permissions, organisation::text, expires_at, least(previous_expires_at, expires_at) AS previous_expires_at,
         version, created_at
    FROM made),
facts AS (SELECT 'key.rotated' AS type, id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: get_me
SELECT id, name, person_id, permissions, organisation::text, expires_at FROM api_key WHERE id::text = :caller_id::text

-- name: resolve_key
WITH found AS (
  SELECT id, person_id, permissions, organisation, last_used_at,
         CASE WHEN token_hash = :token_hash::bytea THEN expires_at ELSE least(expires_at, previous_expires_at) END AS expires_at
    FROM api_key
   WHERE (token_hash = :token_hash OR (previous_token_hash = :token_hash AND previous_expires_at > campus.now()))
     AND revoked_at IS NULL
     AND (expires_at IS NULL OR expires_at > campus.now())),
touched AS (
  UPDATE api_key k SET last_used_at = campus.now()
    FROM found
   WHERE k.id = found.id AND (k.last_used_at IS NULL OR k.last_used_at < campus.now() - interval '1 minute'))
SELECT id, person_id AS person, permissions, coalesce(organisation::text, '') AS organisation, expires_at FROM found
