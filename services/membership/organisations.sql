-- organisations.sql -- the tree of organisations. Conventions: common/method.h.

-- name: target_organisation_new
SELECT subpath(:path::ltree, 0, -1) <@ ANY (:scopes::ltree[]) AS permitted

-- So that an organisation does not end while something is made in it.
-- name: lock_place
SELECT path::text FROM organisation WHERE path = :organisation::ltree FOR SHARE

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

-- Who leads it reviews it, so that is said where it could be founded.
-- name: target_organisation
SELECT path <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN path <@ ANY (:scopes) AND 'led_by' = ANY (:set::text[]) AND :led_by::ltree IS DISTINCT FROM led_by
             AND NOT subpath(path, 0, -1) <@ ANY (:scopes)
            THEN 'led_by_not_yours' END AS refusal
  FROM organisation
 WHERE path = :path::ltree
   FOR UPDATE

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

-- Campaign, organisation: the order in which all of joining lock.
-- name: lock_campaigns_cancelled
SELECT count(*)
  FROM (SELECT FROM campaign WHERE organisation = :path::ltree AND organisation <@ ANY (:scopes::ltree[]) AND cancelled_at IS NULL
         ORDER BY id FOR UPDATE) AS locked

-- name: target_organisation_living
SELECT path <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN path <@ ANY (:scopes) AND dissolved_on IS NOT NULL THEN 'already_dissolved' END AS refusal
  FROM organisation
 WHERE path = :path::ltree
   FOR UPDATE

-- Its offices end with it, and it recruits no longer. Of a membership that was to begin later nothing remains but its row: it ends on the day on which it would have begun.
-- name: dissolve_organisation
WITH made AS (
  UPDATE organisation
     SET dissolved_on = coalesce(:dissolved_on::date, campus.today()), successor = :successor::ltree,
         version = version + 1, updated_at = campus.now()
   WHERE path = :path::ltree AND path <@ ANY (:scopes::ltree[]) AND version = coalesce(:if_version::bigint, version)
     AND dissolved_on IS NULL
  RETURNING *),
abolished AS (
  UPDATE office o
     SET abolished_on = greatest(o.established_on, made.dissolved_on), version = o.version + 1, updated_at = campus.now()
    FROM made
   WHERE o.organisation = made.path
     AND (o.abolished_on IS NULL OR o.abolished_on > greatest(o.established_on, made.dissolved_on))
  RETURNING o.*),
stepped_down AS (
  UPDATE appointment a
     SET until = greatest(a.since, made.dissolved_on), reason = 'dissolved', version = a.version + 1, updated_at = campus.now()
    FROM made
   WHERE a.organisation = made.path AND (a.until IS NULL OR a.until > greatest(a.since, made.dissolved_on))
  RETURNING a.*),
closed AS (
  UPDATE membership m
     SET until = greatest(m.since, made.dissolved_on), reason = 'dissolved', version = m.version + 1, updated_at = campus.now()
    FROM made
   WHERE m.organisation = made.path AND (m.until IS NULL OR m.until > greatest(m.since, made.dissolved_on))
  RETURNING m.*),
cancelled AS (
  UPDATE campaign c SET cancelled_at = campus.now(), version = c.version + 1, updated_at = campus.now()
    FROM made
   WHERE c.organisation = made.path AND c.cancelled_at IS NULL AND c.closes_at > midnight(made.dissolved_on)
  RETURNING c.*),
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
    FROM closed
   UNION ALL
  SELECT 'campaign.cancelled', id::text, '{}'::jsonb FROM cancelled
   UNION ALL
  SELECT 'office.abolished', id::text, jsonb_build_object('on', abolished_on) FROM abolished
   UNION ALL
  SELECT 'appointment.ended', id::text,
         jsonb_build_object('office_id', office_id, 'person_id', person_id, 'until', until, 'reason', reason)
    FROM stepped_down)
