-- applications.sql -- from a draft to a member. Conventions: common/method.h.
-- Campaign, organisation, person, application, membership: the order in which all of joining lock.

-- ---- the applicant's ----

-- The campaign is locked, so that it is not changed or called off meanwhile; so is the person, who may be banned meanwhile.
-- name: lock_campaign_applied_to
SELECT id FROM campaign WHERE id = :campaign_id::uuid FOR SHARE

-- name: lock_caller_person
SELECT id FROM person WHERE id = :caller_person::uuid FOR NO KEY UPDATE

-- Of a campaign that is planned nobody need know yet.
-- name: check_application_new
SELECT CASE WHEN p.id IS NULL THEN 'person_needed'
            WHEN c.id IS NULL OR campaign_state(c) = 'planned' THEN 'campaign_unknown'
            WHEN campaign_state(c) = 'cancelled' THEN 'campaign_cancelled'
            WHEN campaign_state(c) = 'closed' THEN 'campaign_closed'
            WHEN is_banned(p.id, c.organisation) THEN 'banned'
            WHEN NOT in_audience(p, c) THEN 'not_in_audience'
       END AS refusal
  FROM (SELECT 1) AS one
  LEFT JOIN person p ON p.id = :caller_person::uuid
  LEFT JOIN campaign c ON c.id = :campaign_id::uuid

-- Where there is but one track, it is chosen.
-- name: create_application
WITH made AS (
  INSERT INTO application (id, campaign_id, person_id, choices, any_track, answers)
  SELECT :new_id::uuid, :campaign_id::uuid, :caller_person::uuid,
         coalesce(:choices::ltree[],
                  (SELECT array_agg(organisation) FROM campaign_track WHERE campaign_id = :campaign_id HAVING count(*) = 1), '{}'),
         coalesce(:any_track::bool, false), coalesce(:answers::jsonb, '[]')
  RETURNING *),
reply AS (SELECT id, state, version, updated_at FROM made)

-- name: lock_campaign_of_own
SELECT c.id
  FROM application a JOIN campaign c ON c.id = a.campaign_id
 WHERE a.id = :id::uuid AND a.person_id = :caller_person::uuid
   FOR SHARE OF c

-- name: target_application_draft
SELECT person_id = :caller_person::uuid AS visible, version,
       CASE WHEN person_id = :caller_person AND state <> 'draft' THEN 'already_submitted' END AS refusal
  FROM application
 WHERE id = :id::uuid
   FOR UPDATE

-- name: patch_application
WITH made AS (
  UPDATE application
     SET choices = CASE WHEN 'choices' = ANY (:set::text[]) THEN coalesce(:choices::ltree[], '{}') ELSE choices END,
         any_track = CASE WHEN 'any_track' = ANY (:set) THEN coalesce(:any_track::bool, false) ELSE any_track END,
         answers = CASE WHEN 'answers' = ANY (:set) THEN coalesce(:answers::jsonb, '[]') ELSE answers END,
         version = version + 1,
         updated_at = campus.now()
   WHERE id = :id::uuid AND person_id = :caller_person::uuid AND state = 'draft'
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (SELECT id, state, version, updated_at FROM made)

-- name: check_application_window
SELECT CASE campaign_state(c) WHEN 'cancelled' THEN 'campaign_cancelled' WHEN 'closed' THEN 'campaign_closed'
                              WHEN 'planned' THEN 'campaign_not_open'
            ELSE CASE WHEN is_banned(p.id, c.organisation) THEN 'banned'
                      WHEN NOT in_audience(p, c) THEN 'not_in_audience' END
       END AS refusal
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
  JOIN person p ON p.id = a.person_id
 WHERE a.id = :id::uuid AND a.person_id = :caller_person::uuid AND a.state = 'draft'

-- All its faults at once.
-- name: check_application_complete
SELECT refuse_faults(a, c.questions) AS refusal
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
 WHERE a.id = :id::uuid

-- name: submit_application
WITH made AS (
  UPDATE application SET state = 'submitted', submitted_at = campus.now(), version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND person_id = :caller_person::uuid AND state = 'draft'
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (SELECT id, state, version, updated_at FROM made),
facts AS (
  SELECT 'application.submitted' AS type, id::text AS subject,
         jsonb_build_object('campaign_id', campaign_id, 'person_id', person_id) AS data FROM made)

-- name: target_application_own
SELECT person_id = :caller_person::uuid AS visible, version,
       CASE WHEN person_id IS DISTINCT FROM :caller_person THEN NULL
            WHEN state IN ('accepted', 'refused') THEN 'already_decided'
            WHEN state = 'withdrawn' THEN 'already_withdrawn' END AS refusal
  FROM application
 WHERE id = :id::uuid
   FOR UPDATE

-- name: withdraw_application
WITH made AS (
  UPDATE application SET state = 'withdrawn', version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND person_id = :caller_person::uuid AND state IN ('draft', 'submitted', 'interview')
     AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (SELECT id, state, version, updated_at FROM made),
facts AS (
  SELECT 'application.withdrawn' AS type, id::text AS subject,
         jsonb_build_object('campaign_id', campaign_id, 'person_id', person_id) AS data FROM made)

-- ---- to read ----

-- What reviewers think of it among themselves the applicant does not see.
-- name: get_application
SELECT a.id, a.campaign_id, a.person_id, a.state, a.choices::text[], a.any_track, a.answers,
       CASE WHEN a.person_id IS DISTINCT FROM :caller_person::uuid THEN a.reviewers END AS reviewers,
       a.submitted_at, a.interview_at, a.interview_place, a.decided_at, a.track::text, a.membership_id, a.reason,
       a.version, a.created_at, a.updated_at
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
 WHERE a.id = :id::uuid AND (a.person_id = :caller_person OR reviews(:scopes::ltree[], c.organisation, a))

-- Of a campaign, as far as the caller reviews it; without one, the caller's own. Whether all of the campaign is theirs is asked once:
-- planned into each row, it would pass for rare, and the page be sorted out of all.
-- name: list_applications
SELECT a.id, a.campaign_id, a.person_id, a.state, a.choices::text[], a.any_track, a.answers,
       CASE WHEN a.person_id IS DISTINCT FROM :caller_person::uuid THEN a.reviewers END AS reviewers,
       a.submitted_at, a.interview_at, a.interview_place, a.decided_at, a.track::text, a.membership_id, a.reason,
       a.version, a.created_at, a.updated_at
  FROM ((SELECT a.*
          FROM application a
         WHERE :campaign_id::uuid IS NOT NULL AND a.campaign_id = :campaign_id
           AND a.state <> 'draft'
           AND ((SELECT c.organisation <@ ANY (:scopes::ltree[]) FROM campaign c WHERE c.id = :campaign_id)
                OR a.choices <@ ANY (:scopes) OR a.track <@ ANY (:scopes))
           AND (:state::text IS NULL OR a.state = :state)
           AND (:track::ltree IS NULL OR :track = ANY (a.choices) OR a.track = :track)
           AND (:reviewer::uuid IS NULL OR a.reviewers @> ARRAY[:reviewer])
           AND a.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY a.id
         LIMIT :page_limit)
         UNION ALL
       (SELECT a.*
          FROM application a
         WHERE :campaign_id IS NULL AND a.person_id = :caller_person
           AND (:state IS NULL OR a.state = :state)
           AND (:track IS NULL OR :track = ANY (a.choices) OR a.track = :track)
           AND :reviewer IS NULL
           AND a.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
         ORDER BY a.id
         LIMIT :page_limit)) AS a
 ORDER BY a.id
 LIMIT :page_limit

-- name: count_applications
SELECT count(*) AS total_count
  FROM application a
 WHERE (CASE WHEN :campaign_id::uuid IS NULL THEN a.person_id = :caller_person::uuid AND :reviewer::uuid IS NULL
             ELSE a.campaign_id = :campaign_id
                  AND reviews(:scopes::ltree[], (SELECT organisation FROM campaign WHERE id = :campaign_id), a) END)
   AND (a.campaign_id = :campaign_id OR a.person_id = :caller_person)
   AND (:state::text IS NULL OR a.state = :state)
   AND (:track::ltree IS NULL OR :track = ANY (a.choices) OR a.track = :track)
   AND (:reviewer IS NULL OR :reviewer = ANY (a.reviewers))

-- ---- the reviewers' ----

-- Before what is written to the applicant or about them: who is erased meanwhile would else keep it.
-- name: lock_applicant
SELECT p.id FROM application a JOIN person p ON p.id = a.person_id WHERE a.id = :id::uuid FOR NO KEY UPDATE OF p

-- What reviewers do to an application that is open; who is too near to judge does none of it.
-- name: target_application_open
SELECT a.person_id = :caller_person::uuid OR reviews(:scopes::ltree[], c.organisation, a) AS visible, a.version,
       CASE WHEN NOT coalesce(a.person_id = :caller_person, false) AND NOT reviews(:scopes, c.organisation, a) THEN NULL
            ELSE coalesce(review_refusal(a, :caller_person),
                          CASE WHEN a.state IN ('accepted', 'refused') THEN 'already_decided'
                               WHEN a.state = 'withdrawn' THEN 'already_withdrawn' END) END AS refusal
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
 WHERE a.id = :id::uuid
   FOR UPDATE OF a

-- name: check_reviewers
SELECT CASE WHEN NOT EXISTS (SELECT FROM person p WHERE p.id = r.id AND p.status IN ('active', 'on_leave')) THEN 'reviewer_unknown'
            ELSE CASE review_refusal(a, r.id) WHEN 'own_application' THEN 'applicant_reviews'
                                              WHEN 'conflict_of_interest' THEN 'reviewer_in_conflict' END END AS refusal
  FROM application a, unnest(:reviewers::uuid[]) AS r (id)
 WHERE a.id = :id::uuid

-- name: assign_reviewers
WITH made AS (
  UPDATE application
     SET reviewers = coalesce((SELECT array_agg(DISTINCT r) FROM unnest(:reviewers::uuid[]) r), '{}'),
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND state IN ('submitted', 'interview') AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (SELECT id, state, version, updated_at FROM made),
facts AS (
  SELECT 'application.assigned' AS type, id::text AS subject, jsonb_build_object('reviewers', to_jsonb(reviewers)) AS data FROM made)

-- name: set_interview
WITH made AS (
  UPDATE application
     SET state = 'interview', interview_at = :interview_at::timestamptz, interview_place = :interview_place,
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND state IN ('submitted', 'interview') AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'application_interview', p.email, made.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (SELECT id, state, version, updated_at FROM made),
facts AS (
  SELECT 'application.interview_set' AS type, id::text AS subject,
         jsonb_build_object('campaign_id', campaign_id, 'person_id', person_id, 'at', interview_at) AS data FROM made)

-- One cannot take it back: a colleague decides then.
-- name: target_application_recusal
SELECT a.person_id = :caller_person::uuid OR reviews(:scopes::ltree[], c.organisation, a) AS visible,
       CASE WHEN :caller_person IS NULL THEN 'person_needed' ELSE review_refusal(a, :caller_person) END AS refusal
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
 WHERE a.id = :id::uuid
   FOR UPDATE OF a

-- name: recuse
WITH made AS (
  INSERT INTO application_conflict (application_id, person_id) VALUES (:id::uuid, :caller_person::uuid) RETURNING *),
relieved AS (
  UPDATE application SET reviewers = array_remove(reviewers, :caller_person), version = version + 1, updated_at = campus.now()
   WHERE id = :id
  RETURNING id, state, version, updated_at),
reply AS (SELECT id, state, version, updated_at FROM relieved),
facts AS (
  SELECT 'application.conflict_declared' AS type, application_id::text AS subject,
         jsonb_build_object('person_id', person_id) AS data FROM made)

-- ---- comments ----

-- Also of one that is decided: what was learnt is kept.
-- name: target_application_seen
SELECT a.person_id = :caller_person::uuid OR reviews(:scopes::ltree[], c.organisation, a) AS visible,
       CASE WHEN coalesce(a.person_id = :caller_person, false) OR reviews(:scopes, c.organisation, a)
            THEN coalesce(review_refusal(a, :caller_person), CASE WHEN p.erased_at IS NOT NULL THEN 'person_erased' END)
       END AS refusal
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
  JOIN person p ON p.id = a.person_id
 WHERE a.id = :id::uuid
   FOR NO KEY UPDATE OF a

-- name: create_application_comment
WITH made AS (
  INSERT INTO application_comment (id, application_id, author, person_id, shown, text)
  VALUES (:new_id::uuid, :id::uuid, :caller_id::text, :caller_person::uuid, coalesce(:shown::bool, false), :text)
  RETURNING *),
reply AS (SELECT id, application_id, person_id, shown, created_at FROM made),
facts AS (
  SELECT 'application.commented' AS type, application_id::text AS subject,
         jsonb_build_object('comment_id', id, 'shown', shown) AS data FROM made)

-- name: target_application_comments
SELECT a.person_id = :caller_person::uuid OR reviews(:scopes::ltree[], c.organisation, a) AS visible,
       nullif(review_refusal(a, :caller_person), 'own_application') AS refusal
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
 WHERE a.id = :id::uuid

-- The applicant reads what is shown to them, and not from whom it is.
-- name: list_application_comments
SELECT m.id, m.application_id, CASE WHEN a.person_id IS DISTINCT FROM :caller_person::uuid THEN m.person_id END AS person_id,
       m.shown, m.text, m.created_at
  FROM application_comment m
  JOIN application a ON a.id = m.application_id
  JOIN campaign c ON c.id = a.campaign_id
 WHERE m.application_id = :id::uuid
   AND CASE WHEN a.person_id = :caller_person THEN m.shown
            ELSE reviews(:scopes::ltree[], c.organisation, a) AND review_refusal(a, :caller_person) IS NULL END
   AND m.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY m.id
 LIMIT :page_limit

-- ---- decisions ----

-- First, and a statement of its own: whoever else accepts into this campaign waits here, and so counts what we have accepted.
-- name: lock_campaign_decided
SELECT c.id FROM application a JOIN campaign c ON c.id = a.campaign_id WHERE a.id = :id::uuid FOR UPDATE OF c

-- name: lock_track_decided
SELECT o.path::text
  FROM application a
  JOIN organisation o ON o.path = coalesce(:track::ltree, a.choices[1])
 WHERE a.id = :id::uuid
   FOR SHARE OF o

-- The first reason is the one that is told: of the caller, then of the application, then of the applicant, then of the quota.
-- name: target_application_accepted
SELECT a.person_id = :caller_person::uuid OR reviews(:scopes::ltree[], c.organisation, a) AS visible, a.version,
       CASE WHEN NOT coalesce(a.person_id = :caller_person, false) AND NOT reviews(:scopes, c.organisation, a) THEN NULL
            WHEN review_refusal(a, :caller_person) IS NOT NULL THEN review_refusal(a, :caller_person)
            WHEN a.state IN ('accepted', 'refused') THEN 'already_decided'
            WHEN a.state = 'withdrawn' THEN 'already_withdrawn'
            WHEN c.cancelled_at IS NOT NULL THEN 'campaign_cancelled'
            WHEN t.organisation IS NULL THEN 'track_unknown'
            WHEN NOT t.organisation = ANY (a.choices) AND NOT a.any_track THEN 'track_not_chosen'
            WHEN NOT (c.organisation <@ ANY (:scopes) OR t.organisation <@ ANY (:scopes)) THEN 'track_not_yours'
            WHEN p.status IN ('graduated', 'left') THEN 'person_not_enrolled'
            WHEN is_banned(p.id, t.organisation) THEN 'banned'
            WHEN EXISTS (SELECT FROM membership m
                          WHERE m.person_id = p.id AND m.organisation = t.organisation AND m.kind <> 'honorary'
                            AND (m.until IS NULL OR m.until > coalesce(:since::date, campus.today()))) THEN 'already_member'
            WHEN (SELECT count(*) FROM application o WHERE o.campaign_id = c.id AND o.state = 'accepted') >= c.quota
              OR (SELECT count(*) FROM application o
                   WHERE o.campaign_id = c.id AND o.state = 'accepted' AND o.track = t.organisation) >= t.quota THEN 'quota_full'
       END AS refusal
  FROM application a
  JOIN campaign c ON c.id = a.campaign_id
  JOIN person p ON p.id = a.person_id
  LEFT JOIN campaign_track t ON t.campaign_id = c.id AND t.organisation = coalesce(:track::ltree, a.choices[1])
 WHERE a.id = :id::uuid
   FOR UPDATE OF a

-- name: accept_application
WITH decided AS (
  SELECT a.id, a.person_id, c.gives, t.organisation
    FROM application a
    JOIN campaign c ON c.id = a.campaign_id
    JOIN campaign_track t ON t.campaign_id = c.id AND t.organisation = coalesce(:track::ltree, a.choices[1])
   WHERE a.id = :id::uuid AND a.state IN ('submitted', 'interview') AND a.version = coalesce(:if_version::bigint, a.version)),
member AS (
  INSERT INTO membership (id, person_id, organisation, kind, since)
  SELECT :new_id::uuid, person_id, organisation, gives, coalesce(:since::date, campus.today()) FROM decided
  RETURNING *),
made AS (
  UPDATE application a
     SET state = 'accepted', track = m.organisation, membership_id = m.id, decided_at = campus.now(), decided_by = :caller_id::text,
         version = a.version + 1, updated_at = campus.now()
    FROM member m
   WHERE a.id = :id
  RETURNING a.*),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'application_decided', p.email, made.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (SELECT id, state, track::text, membership_id, version, updated_at FROM made),
facts AS (
  SELECT 'application.accepted' AS type, id::text AS subject,
         jsonb_build_object('campaign_id', campaign_id, 'person_id', person_id, 'track', track::text,
                            'membership_id', membership_id) AS data
    FROM made
   UNION ALL
  SELECT 'membership.started', id::text,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'kind', kind, 'since', since)
    FROM member)

-- name: refuse_application
WITH made AS (
  UPDATE application
     SET state = 'refused', reason = :reason, decided_at = campus.now(), decided_by = :caller_id::text,
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND state IN ('submitted', 'interview') AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'application_decided', p.email, made.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (SELECT id, state, version, updated_at FROM made),
facts AS (
  SELECT 'application.refused' AS type, id::text AS subject,
         jsonb_build_object('campaign_id', campaign_id, 'person_id', person_id) AS data FROM made)
