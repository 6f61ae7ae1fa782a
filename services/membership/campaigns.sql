-- campaigns.sql -- recruitment of an organisation and of those under it. Conventions: common/method.h.

-- name: target_campaign_new
SELECT :organisation::ltree <@ ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN :organisation <@ ANY (:scopes) AND :closes_at::timestamptz <= campus.now() THEN 'already_past' END AS refusal

-- Without tracks it recruits for the organisation itself.
-- name: create_campaign
WITH made AS (
  INSERT INTO campaign (id, organisation, title, description, opens_at, closes_at, quota, audience_homes, audience_grades,
                        audience_statuses, questions, gives)
  SELECT :new_id::uuid, :organisation::ltree, :title, :description, :opens_at::timestamptz, :closes_at::timestamptz, :quota::int,
         coalesce(:audience_homes::ltree[], '{}'), coalesce(:audience_grades::int[], '{}'),
         coalesce(:audience_statuses::text[], '{active}'), coalesce(:questions::jsonb, '[]'), coalesce(:gives::text, 'member')
   WHERE :organisation <@ ANY (:scopes::ltree[])
  RETURNING *),
tracked AS (
  INSERT INTO campaign_track (campaign_id, organisation, quota)
  SELECT made.id, t.organisation, t.quota
    FROM made, jsonb_to_recordset(coalesce(:tracks::jsonb, jsonb_build_array(jsonb_build_object('organisation', :organisation))))
           AS t (organisation ltree, quota int)
   ORDER BY t.organisation -- in the order in which all lock
  RETURNING organisation, quota),
reply AS (
  SELECT id, organisation::text, campaign_state(made) AS state, title, description, opens_at, closes_at, quota,
         (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('organisation', t.organisation::text, 'quota', t.quota))
                           ORDER BY t.organisation) FROM tracked t) AS tracks,
         audience_homes::text[], audience_grades::int8[], audience_statuses, questions, gives, version, created_at, updated_at
    FROM made),
facts AS (
  SELECT 'campaign.created' AS type, id::text AS subject,
         jsonb_build_object('organisation', organisation::text, 'opens_at', opens_at, 'closes_at', closes_at) AS data FROM made)

-- Of an open one everybody may know; of another those who may read there, and who has applied.
-- name: get_campaign
SELECT c.id, c.organisation::text, campaign_state(c) AS state, c.title, c.description, c.opens_at, c.closes_at, c.quota,
       (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('organisation', t.organisation::text, 'quota', t.quota))
                         ORDER BY t.organisation) FROM campaign_track t WHERE t.campaign_id = c.id) AS tracks,
       c.audience_homes::text[], c.audience_grades::int8[], c.audience_statuses, c.questions, c.gives, c.cancelled_at,
       c.version, c.created_at, c.updated_at
  FROM campaign c
 WHERE c.id = :id::uuid
   AND (campaign_state(c) = 'open' OR c.organisation <@ ANY (:scopes::ltree[])
        OR EXISTS (SELECT FROM application a WHERE a.campaign_id = c.id AND a.person_id = :caller_person::uuid))

-- The one that ends last first, so that those that are open stand before those that are past; a caller who may read nothing but
-- these is led through the index no further.
-- name: list_campaigns
SELECT c.id, c.organisation::text, campaign_state(c) AS state, c.title, c.description, c.opens_at, c.closes_at, c.quota,
       (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('organisation', t.organisation::text, 'quota', t.quota))
                         ORDER BY t.organisation) FROM campaign_track t WHERE t.campaign_id = c.id) AS tracks,
       c.audience_homes::text[], c.audience_grades::int8[], c.audience_statuses, c.questions, c.gives, c.cancelled_at,
       c.version, c.created_at, c.updated_at
  FROM campaign c
 WHERE (c.organisation <@ ANY (:scopes::ltree[])
        OR (c.cancelled_at IS NULL AND c.opens_at <= (SELECT campus.now()) AND c.closes_at > (SELECT campus.now())))
   AND (:organisation::ltree IS NULL OR c.organisation = :organisation)
   AND (:within::ltree IS NULL OR c.organisation <@ :within)
   AND (:state::text IS NULL OR campaign_state(c) = :state)
   AND c.closes_at > (SELECT CASE WHEN :scopes = '{}' OR :state IN ('open', 'planned') THEN campus.now() ELSE '-infinity' END)
   AND (c.closes_at, c.id) < (coalesce(:after_closes_at::timestamptz, 'infinity'),
                              coalesce(:after_id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
 ORDER BY c.closes_at DESC, c.id DESC
 LIMIT :page_limit

-- name: count_campaigns
SELECT count(*) AS total_count
  FROM campaign c
 WHERE (c.organisation <@ ANY (:scopes::ltree[])
        OR (c.cancelled_at IS NULL AND c.opens_at <= (SELECT campus.now()) AND c.closes_at > (SELECT campus.now())))
   AND (:organisation::ltree IS NULL OR c.organisation = :organisation)
   AND (:within::ltree IS NULL OR c.organisation <@ :within)
   AND (:state::text IS NULL OR campaign_state(c) = :state)
   AND c.closes_at > (SELECT CASE WHEN :scopes = '{}' OR :state IN ('open', 'planned') THEN campus.now() ELSE '-infinity' END)

-- Campaign, organisation, person, application, membership: the order in which all of joining lock.
-- name: target_campaign_patch
SELECT c.organisation <@ ANY (:scopes::ltree[]) AS visible, c.version,
       CASE WHEN NOT c.organisation <@ ANY (:scopes) THEN NULL
            WHEN c.cancelled_at IS NOT NULL THEN 'already_cancelled'
            WHEN c.opens_at > campus.now() THEN NULL
            WHEN 'opens_at' = ANY (:set::text[]) AND :opens_at::timestamptz IS DISTINCT FROM c.opens_at THEN 'opening_is_frozen'
            WHEN 'questions' = ANY (:set) AND coalesce(:questions::jsonb, '[]') <> c.questions THEN 'questions_are_frozen'
            WHEN ('audience_homes' = ANY (:set) AND coalesce(:audience_homes::ltree[], '{}') <> c.audience_homes)
              OR ('audience_grades' = ANY (:set) AND coalesce(:audience_grades::int[], '{}') <> c.audience_grades)
              OR ('audience_statuses' = ANY (:set) AND coalesce(:audience_statuses::text[], '{active}') <> c.audience_statuses)
            THEN 'audience_is_frozen'
       END AS refusal
  FROM campaign c
 WHERE c.id = :id::uuid
   FOR UPDATE

-- Nobody who was accepted is put out by a smaller quota. Asked after the campaign is locked, as whoever accepts locks it first.
-- name: check_campaign_tracks
WITH wanted AS (
  SELECT t.* FROM jsonb_to_recordset(:tracks::jsonb) AS t (organisation ltree, quota int) WHERE 'tracks' = ANY (:set::text[])),
taken AS (SELECT track, count(*) AS n FROM application WHERE campaign_id = :id::uuid AND state = 'accepted' GROUP BY track)
SELECT 'track_twice' AS refusal WHERE EXISTS (SELECT FROM wanted GROUP BY organisation HAVING count(*) > 1)
 UNION ALL
SELECT 'quota_below_accepted'
 WHERE ('quota' = ANY (:set) AND :quota::int < (SELECT sum(n) FROM taken))
    OR EXISTS (SELECT FROM wanted w JOIN taken t ON t.track = w.organisation WHERE w.quota < t.n)

-- name: patch_campaign
WITH made AS (
  UPDATE campaign
     SET title = CASE WHEN 'title' = ANY (:set::text[]) THEN :title ELSE title END,
         description = CASE WHEN 'description' = ANY (:set) THEN :description ELSE description END,
         opens_at = CASE WHEN 'opens_at' = ANY (:set) THEN :opens_at::timestamptz ELSE opens_at END,
         closes_at = CASE WHEN 'closes_at' = ANY (:set) THEN :closes_at::timestamptz ELSE closes_at END,
         quota = CASE WHEN 'quota' = ANY (:set) THEN :quota::int ELSE quota END,
         audience_homes = CASE WHEN 'audience_homes' = ANY (:set) THEN coalesce(:audience_homes::ltree[], '{}')
                               ELSE audience_homes END,
         audience_grades = CASE WHEN 'audience_grades' = ANY (:set) THEN coalesce(:audience_grades::int[], '{}')
                                ELSE audience_grades END,
         audience_statuses = CASE WHEN 'audience_statuses' = ANY (:set) THEN coalesce(:audience_statuses::text[], '{active}')
                                  ELSE audience_statuses END,
         questions = CASE WHEN 'questions' = ANY (:set) THEN coalesce(:questions::jsonb, '[]') ELSE questions END,
         gives = CASE WHEN 'gives' = ANY (:set) THEN :gives::text ELSE gives END,
         version = version + 1,
         updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND cancelled_at IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
wanted AS (
  SELECT made.id, t.organisation, t.quota
    FROM made, jsonb_to_recordset(coalesce(:tracks::jsonb, jsonb_build_array(jsonb_build_object('organisation', made.organisation))))
           AS t (organisation ltree, quota int)
   WHERE 'tracks' = ANY (:set)),
dropped AS (
  DELETE FROM campaign_track t USING made
   WHERE t.campaign_id = made.id AND 'tracks' = ANY (:set) AND t.organisation NOT IN (SELECT organisation FROM wanted)),
tracked AS (
  INSERT INTO campaign_track (campaign_id, organisation, quota)
  SELECT id, organisation, quota FROM wanted ORDER BY organisation
  ON CONFLICT (campaign_id, organisation) DO UPDATE SET quota = excluded.quota
  RETURNING organisation),
reply AS (SELECT id, version, updated_at FROM made),
facts AS (
  SELECT 'campaign.updated' AS type, id::text AS subject, jsonb_build_object('fields', to_jsonb(:set)) AS data FROM made)

-- name: target_campaign
SELECT c.organisation <@ ANY (:scopes::ltree[]) AS visible, c.version,
       CASE WHEN c.organisation <@ ANY (:scopes) AND c.cancelled_at IS NOT NULL THEN 'already_cancelled' END AS refusal
  FROM campaign c
 WHERE c.id = :id::uuid
   FOR UPDATE

-- name: cancel_campaign
WITH made AS (
  UPDATE campaign SET cancelled_at = campus.now(), version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND organisation <@ ANY (:scopes::ltree[]) AND cancelled_at IS NULL
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (SELECT id, version, updated_at FROM made),
facts AS (SELECT 'campaign.cancelled' AS type, id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: get_campaign_figures
SELECT c.id, c.quota, n.*,
       (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'organisation', t.organisation::text, 'quota', t.quota,
                   'chosen', (SELECT count(*) FROM application a
                               WHERE a.campaign_id = c.id AND a.state NOT IN ('draft', 'withdrawn')
                                 AND t.organisation = ANY (a.choices)),
                   'accepted', (SELECT count(*) FROM application a
                                 WHERE a.campaign_id = c.id AND a.state = 'accepted' AND a.track = t.organisation)))
               ORDER BY t.organisation) FROM campaign_track t WHERE t.campaign_id = c.id) AS tracks
  FROM campaign c
 CROSS JOIN LATERAL (
       SELECT count(*) AS total,
              count(*) FILTER (WHERE state = 'draft') AS draft,
              count(*) FILTER (WHERE state = 'submitted') AS submitted,
              count(*) FILTER (WHERE state = 'interview') AS interview,
              count(*) FILTER (WHERE state = 'accepted') AS accepted,
              count(*) FILTER (WHERE state = 'refused') AS refused,
              count(*) FILTER (WHERE state = 'withdrawn') AS withdrawn
         FROM application a WHERE a.campaign_id = c.id) AS n
 WHERE c.id = :id::uuid AND c.organisation <@ ANY (:scopes::ltree[])
