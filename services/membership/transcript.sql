-- transcript.sql -- what people have earned, objections to it, and certificates of it. Conventions: common/method.h.

-- ---- the ledger ----

-- name: target_transcript
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible FROM person p WHERE p.id = :id::uuid

-- name: get_transcript
SELECT p.id AS person_id, policy.version AS policy_version, policy.minimum_credits,
       coalesce(total.credits, 0) AS credits, coalesce(total.counted, 0) AS counted, coalesce(total.minutes, 0) AS minutes,
       total.totals
  FROM person p
  LEFT JOIN credit_policy policy ON policy.version = credit_policy_on((SELECT campus.today()))
 CROSS JOIN LATERAL (
       SELECT sum(t.credits)::int AS credits, sum(t.counted)::int AS counted, sum(t.minutes)::int AS minutes,
              coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.term, t.module), '[]') AS totals
         FROM credit_totals(p.id) t) AS total
 WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid)

-- The newest first.
-- name: list_credits
SELECT l.id, l.person_id, l.source, l.kind, l.module, l.subject, l.credits, l.minutes, l.policy_version, l.evidence, l.earned_on,
       l.term, l.reversal_of, r.id AS reversed_by, l.recorded_by, l.recorded_at,
       credit_objection_until(l) AS objection_until
  FROM credit_line l
  LEFT JOIN credit_line r ON r.reversal_of = l.id
 WHERE l.person_id = :id::uuid
   AND EXISTS (SELECT FROM person p
                WHERE p.id = :id AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid))
   AND (:term::text IS NULL OR l.term = :term)
   AND (:module::text IS NULL OR l.module = :module)
   AND l.id < coalesce(:after_id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
 ORDER BY l.id DESC
 LIMIT :page_limit

-- name: count_credits
SELECT count(*) AS total_count
  FROM credit_line l
 WHERE l.person_id = :id::uuid
   AND EXISTS (SELECT FROM person p
                WHERE p.id = :id AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid))
   AND (:term::text IS NULL OR l.term = :term)
   AND (:module::text IS NULL OR l.module = :module)

-- name: target_credit_new
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN NOT p.home <@ ANY (:scopes) THEN NULL
            WHEN p.id = :caller_person::uuid THEN 'own_credit'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN :earned_on::date > campus.today() THEN 'earned_in_future'
            WHEN credit_policy_on(coalesce(:earned_on, campus.today())) IS NULL THEN 'before_any_policy'
       END AS refusal
  FROM person p
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE

-- name: record_credit
WITH made AS (
  INSERT INTO credit_line (id, person_id, source, source_key, kind, module, subject, credits, minutes, policy_version, evidence,
                           earned_on, recorded_by)
  SELECT :new_id::uuid, p.id, 'membership', :new_id::uuid::text, :kind::text, :module::text, :subject::text,
         coalesce(:credits::int, 0), coalesce(:minutes::int, 0), credit_policy_on(coalesce(:earned_on::date, campus.today())),
         :evidence::text, coalesce(:earned_on, campus.today()), coalesce(:caller_id::text, '')
    FROM person p
   WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[]) AND p.id IS DISTINCT FROM :caller_person::uuid
  RETURNING *),
reply AS (
  SELECT id, person_id, source, kind, module, subject, credits, minutes, policy_version, evidence, earned_on, term, recorded_by,
         recorded_at, credit_objection_until(made::credit_line) AS objection_until
    FROM made),
facts AS (
  SELECT 'credit.recorded' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'module', module, 'credits', credits, 'minutes', minutes) AS data
    FROM made)

-- Of one person only one change is made at a time: the line itself cannot be locked, as nobody may update it.
-- name: lock_credit
SELECT p.id FROM credit_line l JOIN person p ON p.id = l.person_id WHERE l.id = :id::uuid FOR NO KEY UPDATE OF p

-- name: target_credit
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN NOT p.home <@ ANY (:scopes) THEN NULL
            WHEN p.id = :caller_person::uuid THEN 'own_credit'
            WHEN EXISTS (SELECT FROM credit_line r WHERE r.reversal_of = l.id) THEN 'already_reversed'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
       END AS refusal
  FROM credit_line l JOIN person p ON p.id = l.person_id
 WHERE l.id = :id::uuid

-- name: reverse_credit
WITH made AS (
  INSERT INTO credit_line (id, person_id, source, kind, module, subject, credits, minutes, policy_version, evidence, earned_on,
                           reversal_of, recorded_by)
  SELECT :new_id::uuid, l.person_id, 'membership', l.kind, l.module, l.subject, -l.credits, -l.minutes, l.policy_version,
         :reason::text, l.earned_on, l.id, coalesce(:caller_id::text, '')
    FROM credit_line l JOIN person p ON p.id = l.person_id
   WHERE l.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[]) AND p.id IS DISTINCT FROM :caller_person::uuid
  RETURNING *),
reply AS (
  SELECT id, person_id, source, kind, module, subject, credits, minutes, policy_version, evidence, earned_on, term, reversal_of,
         recorded_by, recorded_at, credit_objection_until(made::credit_line) AS objection_until
    FROM made),
facts AS (
  SELECT 'credit.reversed' AS type, reversal_of::text AS subject,
         jsonb_build_object('person_id', person_id, 'by', id) AS data
    FROM made)

-- ---- facts of other services ----

-- name: apply_events_credits
WITH rejected AS (
  INSERT INTO credit_rejection (source, pos, type, subject, data, reason, actor)
  SELECT 'events', pos, type, subject, data, reason, actor
    FROM (SELECT b.*, credit_apply('events', b.type, b.subject, b.data, b.actor) AS reason FROM batch b ORDER BY b.pos) AS applied
   WHERE reason IS NOT NULL)

-- name: apply_volunteers_credits
WITH rejected AS (
  INSERT INTO credit_rejection (source, pos, type, subject, data, reason, actor)
  SELECT 'volunteers', pos, type, subject, data, reason, actor
    FROM (SELECT b.*, credit_apply('volunteers', b.type, b.subject, b.data, b.actor) AS reason FROM batch b ORDER BY b.pos)
      AS applied
   WHERE reason IS NOT NULL)

-- name: apply_secretariat_credits
WITH rejected AS (
  INSERT INTO credit_rejection (source, pos, type, subject, data, reason, actor)
  SELECT 'secretariat', pos, type, subject, data, reason, actor
    FROM (SELECT b.*, credit_apply('secretariat', b.type, b.subject, b.data, b.actor) AS reason FROM batch b ORDER BY b.pos)
      AS applied
   WHERE reason IS NOT NULL)

-- Whom these are about is not known, so they belong to no home.
-- name: target_whole_campus
SELECT ''::ltree = ANY (:scopes::ltree[]) AS permitted

-- name: list_rejected_credits
SELECT r.source, r.pos, r.type, r.subject, r.data::text AS data, r.reason, r.rejected_at, r.applied_at
  FROM credit_rejection r
 WHERE ''::ltree = ANY (:scopes::ltree[])
   AND (:source::text IS NULL OR r.source = :source)
   AND (coalesce(:include_applied::bool, false) OR r.applied_at IS NULL)
   AND (r.source, r.pos) > (coalesce(:after_source::text, ''), coalesce(:after_pos::bigint, 0))
 ORDER BY r.source, r.pos
 LIMIT :page_limit

-- name: count_rejected_credits
SELECT count(*) AS total_count
  FROM credit_rejection r
 WHERE ''::ltree = ANY (:scopes::ltree[])
   AND (:source::text IS NULL OR r.source = :source)
   AND (coalesce(:include_applied::bool, false) OR r.applied_at IS NULL)

-- name: lock_rejected_credits
SELECT pg_advisory_xact_lock(hashtext('membership.retry_rejected_credits'))

-- Those that were tried longest ago first, so that what is hopeless holds up nothing.
-- name: retry_rejected_credits
WITH tried AS MATERIALIZED (
  SELECT r.source, r.pos, credit_apply(r.source, r.type, r.subject, r.data, r.actor) AS reason
    FROM (SELECT * FROM credit_rejection
           WHERE applied_at IS NULL AND ''::ltree = ANY (:scopes::ltree[]) AND (:source::text IS NULL OR source = :source)
           ORDER BY tried_at, source, pos LIMIT 1000) AS r),
noted AS (
  UPDATE credit_rejection r
     SET tried_at = campus.now(), applied_at = CASE WHEN t.reason IS NULL THEN campus.now() END,
         reason = coalesce(t.reason, r.reason)
    FROM tried t
   WHERE r.source = t.source AND r.pos = t.pos),
reply AS (
  SELECT count(*) FILTER (WHERE reason IS NULL)::int AS applied, count(*) FILTER (WHERE reason IS NOT NULL)::int AS rejected
    FROM tried)

-- ---- objections ----

-- name: target_credit_objected
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible,
       CASE WHEN NOT (p.home <@ ANY (:scopes) OR p.id IS NOT DISTINCT FROM :caller_person) THEN NULL
            WHEN EXISTS (SELECT FROM credit_line r WHERE r.reversal_of = l.id) THEN 'already_reversed'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN campus.today() >= credit_objection_until(l) THEN 'objection_window_over'
       END AS refusal
  FROM credit_line l JOIN person p ON p.id = l.person_id
 WHERE l.id = :id::uuid

-- name: object_to_credit
WITH made AS (
  INSERT INTO credit_objection (id, line_id, person_id, text)
  SELECT :new_id::uuid, l.id, l.person_id, :text::text
    FROM credit_line l JOIN person p ON p.id = l.person_id
   WHERE l.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid)
  RETURNING *),
reply AS (SELECT id, line_id, person_id, filed_at, version FROM made),
facts AS (
  SELECT 'credit.objected' AS type, line_id::text AS subject,
         jsonb_build_object('objection_id', id, 'person_id', person_id) AS data
    FROM made)

-- Of the whole campus in order; of a subtree, out of what lies there; and of the person asked for, or the caller.
-- name: list_objections
WITH asked AS MATERIALIZED (
  SELECT o.*
    FROM unnest(:scopes::ltree[]) AS s (scope) JOIN credit_objection o ON o.home <@ s.scope
   WHERE (coalesce(:include_decided::bool, false) OR o.outcome IS NULL)
     AND o.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000'))
SELECT o.id, o.line_id, o.person_id, o.text, o.outcome, o.reason, o.decided_by, o.filed_at, o.decided_at, o.version
  FROM ((SELECT o.*
           FROM credit_objection o
          WHERE :person_id::uuid IS NULL AND ''::ltree = ANY (:scopes)
            AND (coalesce(:include_decided, false) OR o.outcome IS NULL)
            AND o.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
          ORDER BY o.id
          LIMIT :page_limit)
         UNION ALL
        (SELECT * FROM asked WHERE :person_id IS NULL AND NOT ''::ltree = ANY (:scopes) ORDER BY id LIMIT :page_limit)
         UNION ALL
        (SELECT o.*
           FROM credit_objection o
          WHERE o.person_id = coalesce(:person_id, :caller_person::uuid)
            AND CASE WHEN :person_id IS NULL THEN NOT o.home <@ ANY (:scopes)
                     ELSE o.home <@ ANY (:scopes) OR coalesce(o.person_id = :caller_person, false) END
            AND (coalesce(:include_decided, false) OR o.outcome IS NULL)
            AND o.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
          ORDER BY o.id
          LIMIT :page_limit)) AS o
 ORDER BY o.id
 LIMIT :page_limit

-- name: count_objections
SELECT count(*) AS total_count
  FROM credit_objection o
 WHERE (o.home <@ ANY (:scopes::ltree[]) OR o.person_id = :caller_person::uuid)
   AND (:person_id::uuid IS NULL OR o.person_id = :person_id)
   AND (coalesce(:include_decided::bool, false) OR o.outcome IS NULL)

-- name: lock_objection
SELECT p.id FROM credit_objection o JOIN person p ON p.id = o.person_id WHERE o.id = :id::uuid FOR NO KEY UPDATE OF p

-- name: target_objection
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN NOT p.home <@ ANY (:scopes) THEN NULL
            WHEN o.outcome IS NOT NULL THEN 'already_decided'
            WHEN p.id = :caller_person::uuid THEN 'own_objection'
       END AS refusal
  FROM credit_objection o JOIN person p ON p.id = o.person_id
 WHERE o.id = :id::uuid
   FOR UPDATE OF o

-- One of somebody who is erased is decided too, so that none stays open; why is not kept.
-- name: decide_objection
WITH made AS (
  UPDATE credit_objection o
     SET outcome = :outcome::text, reason = CASE WHEN p.erased_at IS NULL THEN :reason::text ELSE '—' END, decided_by = :caller_id::text, decided_at = campus.now(),
         version = o.version + 1
    FROM person p
   WHERE o.id = :id::uuid AND p.id = o.person_id AND p.home <@ ANY (:scopes::ltree[]) AND o.outcome IS NULL
     AND p.id IS DISTINCT FROM :caller_person::uuid
  RETURNING o.*),
reply AS (
  SELECT id, line_id, person_id, outcome, decided_by, filed_at, decided_at, version,
         CASE WHEN outcome = 'upheld'
              THEN credit_reverse(:new_id::uuid, line_id, 'membership', reason, coalesce(decided_by, '')) END AS reversal_id
    FROM made),
facts AS (
  SELECT 'credit.objection_decided' AS type, line_id::text AS subject,
         jsonb_build_object('objection_id', id, 'person_id', person_id, 'outcome', outcome) AS data
    FROM reply)

-- ---- the policy ----

-- name: list_credit_policies
SELECT p.version, p.in_force_from, p.minimum_credits, p.objection_days, p.created_at,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'module', m.module, 'title', m.title, 'title_en', m.title_en, 'term_cap', m.term_cap, 'year_cap', m.year_cap))
                   ORDER BY m.module), '[]')
          FROM credit_module m WHERE m.version = p.version) AS modules
  FROM credit_policy p
 ORDER BY p.in_force_from DESC

-- name: lock_credit_policies
SELECT pg_advisory_xact_lock(hashtext('membership.credit_policy'))

-- name: target_credit_policy_new
SELECT ''::ltree = ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN ''::ltree = ANY (:scopes) AND :in_force_from::date <= campus.today() THEN 'policy_in_past' END AS refusal

-- name: create_credit_policy
WITH made AS (
  INSERT INTO credit_policy (version, in_force_from, minimum_credits, objection_days)
  SELECT (SELECT max(version) + 1 FROM credit_policy), :in_force_from::date, :minimum_credits::int,
         coalesce(:objection_days::int, before.objection_days)
    FROM credit_policy before
   WHERE before.version = credit_policy_on(:in_force_from) AND ''::ltree = ANY (:scopes::ltree[])
  RETURNING *),
modules AS (
  INSERT INTO credit_module (version, module, title, title_en, term_cap, year_cap)
  SELECT made.version, m.module, m.title, m.title_en, m.term_cap, m.year_cap
    FROM made JOIN credit_module m ON m.version = credit_policy_on(:in_force_from)
  RETURNING *),
reply AS (
  SELECT version, in_force_from, minimum_credits, objection_days, created_at,
         (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                     'module', m.module, 'title', m.title, 'title_en', m.title_en, 'term_cap', m.term_cap,
                     'year_cap', m.year_cap)) ORDER BY m.module), '[]') FROM modules m) AS modules
    FROM made),
facts AS (
  SELECT 'credit_policy.created' AS type, version::text AS subject, jsonb_build_object('in_force_from', in_force_from) AS data
    FROM made)

-- name: target_credit_policy
SELECT ''::ltree = ANY (:scopes::ltree[]) AS permitted,
       CASE WHEN ''::ltree = ANY (:scopes) AND in_force_from <= campus.today() THEN 'policy_in_force' END AS refusal
  FROM credit_policy p
 WHERE p.version = :version::int

-- name: set_credit_module
WITH made AS (
  INSERT INTO credit_module (version, module, title, title_en, term_cap, year_cap)
  SELECT p.version, :module::text, :title::text, :title_en::text, :term_cap::int, :year_cap::int
    FROM credit_policy p
   WHERE p.version = :version::int AND p.in_force_from > campus.today() AND ''::ltree = ANY (:scopes::ltree[])
  ON CONFLICT (version, module) DO UPDATE
     SET title = excluded.title, title_en = excluded.title_en, term_cap = excluded.term_cap, year_cap = excluded.year_cap
  RETURNING *),
reply AS (SELECT version, module, title, title_en, term_cap, year_cap FROM made),
facts AS (
  SELECT 'credit_policy.changed' AS type, version::text AS subject, jsonb_build_object('module', module) AS data FROM made)

-- ---- certificates ----

-- name: target_transcript_issued
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible,
       CASE WHEN (p.home <@ ANY (:scopes) OR p.id = :caller_person)
                 AND NOT EXISTS (SELECT FROM credit_line l WHERE l.person_id = p.id) THEN 'nothing_recorded' END AS refusal
  FROM person p
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE

-- name: issue_transcript
WITH key AS (
  INSERT INTO transcript_key (id, public_key) VALUES (:key_id::text, :public_key::bytea) ON CONFLICT (id) DO NOTHING),
totals AS (
  SELECT p.id, mask_name(p.name) AS masked_name,
         (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.term, t.module), '[]') FROM credit_totals(p.id) t) AS snapshot
    FROM person p
   WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid)),
made AS (
  INSERT INTO transcript_certificate (number, person_id, key_id, snapshot, masked_name, snapshot_hash, issued_on, issued_by)
  SELECT to_char(campus.today(), 'YYYY-') || lpad(n::text, greatest(6, length(n::text)), '0'), t.id, :key_id, t.snapshot,
         t.masked_name, sha256(convert_to(concat_ws(E'\n', t.id, t.masked_name, t.snapshot::text), 'UTF8')), campus.today(),
         coalesce(:caller_id::text, '')
    FROM totals t, nextval('transcript_number') AS n
  RETURNING *),
reply AS (
  SELECT number, person_id, key_id, encode(snapshot_hash, 'hex') AS snapshot_hash, issued_on::text AS issued_on FROM made),
facts AS (
  SELECT 'transcript.issued' AS type, number AS subject, jsonb_build_object('person_id', person_id) AS data FROM made)

-- name: list_transcripts
SELECT c.number, c.person_id, c.key_id, encode(c.snapshot_hash, 'hex') AS snapshot_hash, c.issued_on::text AS issued_on,
       c.revoked_at, c.revoke_reason
  FROM transcript_certificate c
 WHERE c.person_id = :id::uuid
   AND EXISTS (SELECT FROM person p
                WHERE p.id = :id AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid))
   AND c.number > coalesce(:after_number::text, '')
 ORDER BY c.number
 LIMIT :page_limit

-- name: target_certificate
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN p.home <@ ANY (:scopes) AND c.revoked_at IS NOT NULL THEN 'already_revoked' END AS refusal
  FROM transcript_certificate c JOIN person p ON p.id = c.person_id
 WHERE c.number = :number::text
   FOR UPDATE OF c

-- name: revoke_transcript
WITH made AS (
  UPDATE transcript_certificate c SET revoked_at = campus.now(), revoke_reason = :reason::text
    FROM person p
   WHERE c.number = :number::text AND p.id = c.person_id AND p.home <@ ANY (:scopes::ltree[]) AND c.revoked_at IS NULL
  RETURNING c.*),
reply AS (
  SELECT number, person_id, key_id, encode(snapshot_hash, 'hex') AS snapshot_hash, issued_on::text AS issued_on, revoked_at
    FROM made),
facts AS (
  SELECT 'transcript.revoked' AS type, number AS subject, jsonb_build_object('person_id', person_id) AS data FROM made)

-- Always a row: what is not there is looked at for as long as what is. Whether the code is good .finish says.
-- name: verify_transcript
SELECT CASE WHEN c.number IS NULL THEN 'unknown' WHEN c.revoked_at IS NOT NULL THEN 'revoked' ELSE 'valid' END AS state,
       c.masked_name, c.issued_on::text AS issued_on,
       (c.revoked_at AT TIME ZONE (SELECT time_zone FROM campus.clock))::date::text AS revoked_on,
       c.snapshot AS totals, encode(c.snapshot_hash, 'hex') AS snapshot_hash, k.public_key
  FROM (SELECT :number::text AS number) AS asked
  LEFT JOIN transcript_certificate c USING (number)
  LEFT JOIN transcript_key k ON k.id = c.key_id

-- The key of this server too, which has perhaps signed nothing yet.
-- name: list_transcript_keys
SELECT id, encode(public_key, 'base64') AS public_key, first_used, id = :key_id::text AS in_use FROM transcript_key
 UNION ALL
SELECT :key_id, encode(:public_key::bytea, 'base64'), NULL, true
 WHERE NOT EXISTS (SELECT FROM transcript_key WHERE id = :key_id)
 ORDER BY id
