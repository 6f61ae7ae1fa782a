-- The sample's statements; a file's first lines belong to none of them: :nothing

-- name: get_thing
SELECT id, path::text, title, kind, contact, size, tags, place_name AS "place.name", place_floor AS "place.floor",
       version, made_at
  FROM thing
 WHERE id = :id::uuid AND path <@ ANY (:scopes::ltree[])

-- name: list_things_by_id
SELECT id, path::text, title, kind, contact, size, tags, place_name AS "place.name", place_floor AS "place.floor",
       version, made_at
  FROM thing
 WHERE path <@ ANY (:scopes::ltree[]) AND (:kind::text IS NULL OR kind = :kind)
   AND id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY id
 LIMIT :page_limit

-- name: list_things_by_size
SELECT id, path::text, title, kind, contact, size, tags, place_name AS "place.name", place_floor AS "place.floor",
       version, made_at
  FROM thing
 WHERE path <@ ANY (:scopes::ltree[]) AND (:kind::text IS NULL OR kind = :kind)
   AND (size, id) > (coalesce(:after_size::int, -1), coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY size, id
 LIMIT :page_limit

-- name: search_things
SELECT id, title, size
  FROM thing
 WHERE path <@ ANY (:scopes::ltree[]) AND (:kind::text IS NULL OR kind = :kind)
   AND title LIKE '%' || :q || '%' AND title > coalesce(:after_title::text, '')
 ORDER BY title
 LIMIT :page_limit

-- name: count_things
SELECT count(*) AS total_count
  FROM thing
 WHERE path <@ ANY (:scopes::ltree[]) AND (:kind::text IS NULL OR kind = :kind)
   AND (:q::text IS NULL OR title LIKE '%' || :q || '%')

-- name: target_whole
SELECT path <@ ANY (:scopes::ltree[]) AS visible, kind <> 'tool' AS permitted,
       CASE WHEN locked THEN 'thing_locked' END AS refusal
  FROM thing
 WHERE id = :id::uuid

-- name: list_parts
SELECT name, size FROM part WHERE thing_id = :id::uuid ORDER BY name;

-- name: target_place
SELECT :path::ltree <@ ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN :title::text IS NULL THEN 'nameless' END AS refusal

-- name: lock_things
SELECT FROM place WHERE path = :path::ltree FOR UPDATE

-- name: create_thing
WITH made AS (
  INSERT INTO thing (id, path, title, kind, contact, size, tags, label)
  SELECT :new_id::uuid, :path::ltree, :title, coalesce(:kind::text, 'book'), :contact, :size::int,
         coalesce(:tags::text[], '{}'), :label
   WHERE :title <> 'nothing'
  RETURNING *),
reply AS (SELECT id, kind, version, made_at FROM made),
facts AS (SELECT 'thing.created' AS type, id::text AS subject, jsonb_build_object('kind', kind) AS data FROM made)

-- A comment behind a statement is still part of it; what the framework adds begins on a line of its own.
-- name: target_thing
SELECT path <@ ANY (:scopes::ltree[]) AS visible, kind <> 'tool' AS permitted, version,
       CASE WHEN locked THEN 'thing_locked' END AS refusal
  FROM thing
 WHERE id = :id::uuid
   FOR UPDATE

-- And behind one that a guard is put around.
-- name: patch_thing
WITH made AS (
  UPDATE thing SET title = CASE WHEN 'title' = ANY (:set::text[]) THEN :title ELSE title END, version = version + 1
   WHERE id = :id::uuid
  RETURNING *),
reply AS (SELECT id, kind, size, tags, version, made_at FROM made)

-- A thing opens to its title, with a mark before it, which is another one afterwards; `size` counts what was wrong.
-- name: target_closed
SELECT CASE WHEN locked THEN 'thing_locked' END AS refusal FROM thing WHERE id = :id::uuid

-- name: find_closed
SELECT title, size, '#' || title = :marked AS opens, made_at, label, path::text FROM thing WHERE id = :id::uuid

-- name: open_thing
WITH made AS (
  UPDATE thing SET size = CASE WHEN :opens::bool THEN 0 ELSE size + 1 END,
         title = CASE WHEN :opens THEN 'open ' || title ELSE title END, label = encode(:client::bytea, 'hex')
   WHERE id = :id::uuid
  RETURNING *),
reply AS (
  SELECT id, size, CASE WHEN NOT :opens THEN 'wrong_word' END AS refused_as, CASE WHEN NOT :opens THEN 1500::int8 END AS retry_after_ms
    FROM made)

-- name: apply_noticed
WITH applied AS (INSERT INTO noticed (pos, subject) SELECT pos, subject FROM batch)
