-- people.sql -- people, one by one and in lists. Conventions: common/method.h.

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
SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email,
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
       SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email,
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
       SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email,
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
       SELECT id, student_number, name, latin_name, home::text, grade, class_name, status, email,
              version, created_at, updated_at
         FROM person WHERE id = page.person_id LIMIT 1) AS p
 ORDER BY p.student_number

-- Each search is planned by its words, which therefore stand in no sub-select: what many have is met soon on a walk in the list's
-- order, what few have is found by its grams and sorted. By name it is always sorted, as who shares a name stands in one place.
-- name: search_people
SELECT p.id, p.student_number, p.name, p.latin_name, p.home::text, p.grade, p.class_name, p.status, p.email,
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

-- Of who is said to be gone: organisations and offices before the person, as by a graduation.
-- name: lock_places_left
SELECT count(*)
  FROM (SELECT FROM organisation
         WHERE path IN (SELECT held.organisation
                          FROM person p
                         CROSS JOIN LATERAL (SELECT m.organisation FROM membership m WHERE m.person_id = p.id
                                              UNION ALL
                                             SELECT a.organisation FROM appointment a WHERE a.person_id = p.id) AS held
                         WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[]) AND :status::text IN ('graduated', 'left'))
         ORDER BY path FOR SHARE) AS locked

-- name: lock_offices_left
SELECT count(*)
  FROM (SELECT FROM office
         WHERE id IN (SELECT a.office_id
                        FROM person p JOIN appointment a ON a.person_id = p.id
                       WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[]) AND :status::text IN ('graduated', 'left')
                         AND (a.until IS NULL OR a.until > campus.today()))
         ORDER BY id FOR UPDATE) AS locked

-- Seen from any membership, changed only where the record is kept.
-- name: target_person
SELECT EXISTS (SELECT FROM person_reach r
                WHERE r.person_id = p.id AND r.ancestor = ANY (:scopes::ltree[])
                  AND r.since <= campus.today() AND r.until > campus.today()) AS visible,
       p.home <@ ANY (:scopes) AND (NOT 'home' = ANY (:set::text[]) OR :home::ltree <@ ANY (:scopes)) AS permitted,
       p.version,
       -- Who has another's address or number can have their password mailed, or sign in as them where the university does. Whose
       -- record says that they are gone holds no office any more.
       CASE WHEN NOT p.home <@ ANY (:scopes) THEN NULL
            WHEN (('email' = ANY (:set) AND :email IS DISTINCT FROM p.email)
                  OR ('student_number' = ANY (:set) AND :student_number IS DISTINCT FROM p.student_number))
             AND EXISTS (SELECT FROM account a WHERE a.person_id = p.id)
             AND (p.id = :caller_person::uuid
                  OR NOT campus.holds(:grant_organisations::text[], :grant_permissions::text[],
                                      ARRAY['membership.accounts.recover'], p.home))
            THEN CASE WHEN p.id = :caller_person THEN 'own_account' ELSE 'recover_not_permitted' END
            WHEN (:set && '{email,student_number}' OR ('status' = ANY (:set) AND :status::text IN ('graduated', 'left') AND :status <> p.status))
             AND authority_exceeds(p.id, :grant_organisations, :grant_permissions)
            THEN 'authority_exceeds_yours' END AS refusal
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
         phone = CASE WHEN 'phone' = ANY (:set) THEN coalesce(:phone, '') END, -- '' takes it away: see person_phone()
         version = version + 1,
         updated_at = campus.now()
   WHERE id = :id AND home <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
     AND (NOT 'home' = ANY (:set)
          OR EXISTS (SELECT FROM organisation o
                      WHERE o.path = :home AND o.path <@ ANY (:scopes)
                        AND (o.dissolved_on IS NULL OR o.dissolved_on > campus.today())))
  RETURNING *),
-- Who reads the old address no longer, or never should have, has no token from there; and who does is told.
moved AS (
  SELECT made.id, old.email FROM made, old WHERE made.email IS DISTINCT FROM old.email),
voided AS (
  UPDATE account_token t SET void_at = campus.now()
    FROM moved WHERE t.person_id = moved.id AND t.used_at IS NULL AND t.void_at IS NULL),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id) SELECT 'address_changed', email, id FROM moved WHERE email IS NOT NULL),
reply AS (SELECT id, version, updated_at FROM made),
facts AS (
  SELECT 'person.updated' AS type, made.id::text AS subject,
         jsonb_build_object('fields', (
             SELECT coalesce(jsonb_agg(n.key ORDER BY n.key), '[]')
               FROM jsonb_each(to_jsonb(made)) n JOIN jsonb_each(to_jsonb(old)) o USING (key)
              WHERE (n.value <> o.value OR n.key = 'phone') AND n.key = ANY (:set))) AS data
    FROM made, old
   UNION ALL
  SELECT e.type, e.subject, e.data
    FROM (SELECT array_agg(made.id) AS people, array_agg(made.status) AS reasons
            FROM made, old WHERE made.status <> old.status AND made.status IN ('graduated', 'left')) AS gone
   CROSS JOIN LATERAL people_go(gone.people, gone.reasons, campus.today()) AS e)
