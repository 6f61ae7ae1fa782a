-- privacy.sql -- why things are kept; sensitive fields and consent to them; export, erasure, minimisation. Conventions: common/method.h.

-- name: list_personal_fields
SELECT service, field, purpose, rule, retention_days, sensitive, consent_required FROM personal_field ORDER BY service, field, purpose

-- ---- sensitive fields ----

-- name: target_sensitive_read
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible,
       CASE WHEN NOT (p.home <@ ANY (:scopes) OR p.id IS NOT DISTINCT FROM :caller_person) THEN NULL
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            ELSE sensitive_refusal(p.id, :fields::text[]) END AS refusal
  FROM person p
 WHERE p.id = :id::uuid
   FOR KEY SHARE -- who is erased meanwhile has no log of it

-- A read is noted only where the target allows it: a read's statements all run, whatever the first one says.
-- name: read_sensitive
SELECT p.id AS person_id, s.phone, s.ethnicity AS sealed_ethnicity, s.health AS sealed_health,
       s.identity_number AS sealed_identity_number
  FROM person p
 CROSS JOIN LATERAL sensitive_open(p.id, :fields::text[], :read_reason::text, :caller_id::text, :caller_person::uuid,
                                   :request_id::text) AS s
 WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person)
   AND p.erased_at IS NULL AND sensitive_refusal(p.id, :fields) IS NULL

-- So that what is decided next is decided of the person as they are.
-- name: lock_person
SELECT id FROM person WHERE id = :id::uuid FOR UPDATE

-- name: target_sensitive_written
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible,
       CASE WHEN NOT (p.home <@ ANY (:scopes) OR p.id IS NOT DISTINCT FROM :caller_person) THEN NULL
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            ELSE sensitive_refusal(p.id, ARRAY[:field::text])
       END AS refusal
  FROM person p
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE

-- name: set_sensitive
WITH made AS (
  SELECT sensitive_put(p.id, :field::text, :plain::text, :sealed::bytea, :caller_id::text) AS person_id
    FROM person p
   WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid)),
reply AS (SELECT person_id, :field::text AS field FROM made),
facts AS (
  SELECT 'person.sensitive_set' AS type, person_id::text AS subject, jsonb_build_object('field', field) AS data FROM reply)

-- What was not there is not there afterwards either; nobody's consent is needed to forget.
-- name: target_sensitive_cleared
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible
  FROM person p
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE

-- name: clear_sensitive
WITH made AS (
  SELECT sensitive_put(p.id, :field::text, NULL, NULL, :caller_id::text) AS person_id
    FROM person p
   WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid)),
reply AS (SELECT person_id, :field::text AS field FROM made),
facts AS (
  SELECT 'person.sensitive_cleared' AS type, person_id::text AS subject, jsonb_build_object('field', field) AS data FROM reply)

-- name: target_person_or_self
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible FROM person p WHERE p.id = :id::uuid

-- The newest first.
-- name: list_sensitive_reads
SELECT r.id, r.fields, r.reason AS read_reason, r.reader, r.reader_person, r.request_id, r.read_at
  FROM sensitive_reading r
 WHERE r.person_id = :id::uuid
   AND EXISTS (SELECT FROM person p
                WHERE p.id = :id AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid))
   AND r.id < coalesce(:after_id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
 ORDER BY r.id DESC
 LIMIT :page_limit

-- ---- consent ----

-- name: list_consent_wordings
SELECT field, version AS wording, zh, en FROM consent_wording ORDER BY field, version DESC

-- name: target_consent
SELECT p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid AS visible,
       CASE WHEN NOT (p.home <@ ANY (:scopes) OR p.id IS NOT DISTINCT FROM :caller_person) THEN NULL
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN NOT EXISTS (SELECT FROM personal_field f
                              WHERE f.service = 'membership' AND f.field = :field::text AND f.consent_required)
            THEN 'consent_not_needed'
       END AS refusal
  FROM person p
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE

-- What was kept with a consent goes with it.
-- name: record_consent
WITH made AS (
  INSERT INTO consent (person_id, field, state, wording, recorded_by)
  SELECT p.id, :field::text, :state::text, :wording::int, :caller_id::text
    FROM person p
   WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid)
  RETURNING *),
reply AS (
  SELECT CASE WHEN state = 'withdrawn' THEN sensitive_put(person_id, field, NULL, NULL, recorded_by) ELSE person_id END AS person_id,
         field, state, wording, recorded_by, recorded_at
    FROM made),
facts AS (
  SELECT 'consent.' || state AS type, person_id::text AS subject, jsonb_build_object('field', field, 'wording', wording) AS data
    FROM reply)

-- name: list_consents
SELECT c.n, c.person_id, c.field, c.state, c.wording, c.recorded_by, c.recorded_at
  FROM consent c
 WHERE c.person_id = :id::uuid
   AND EXISTS (SELECT FROM person p
                WHERE p.id = :id AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid))
   AND c.n < coalesce(:after_n::bigint, 9223372036854775807)
 ORDER BY c.n DESC
 LIMIT :page_limit

-- ---- export, erasure, minimisation ----

-- An export reads the sensitive fields too, and is noted as one.
-- name: export_person
SELECT p.id AS person_id, (SELECT campus.now()) AS exported_at,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('service', e.service, 'section', e.section, 'records', e.records)), '[]')
          FROM (SELECT e.service, e.section,
                       jsonb_agg(jsonb_build_object('values',
                           (SELECT coalesce(jsonb_agg(jsonb_build_object('name', v.key, 'content', v.value) ORDER BY v.key), '[]')
                              FROM jsonb_each_text(e.data) v WHERE v.value IS NOT NULL))) AS records
                  FROM personal_exports(p.id) WITH ORDINALITY AS e (service, section, data, n)
                 GROUP BY e.service, e.section
                 ORDER BY min(e.n)) AS e) AS sections,
       s.phone, s.ethnicity AS sealed_ethnicity, s.health AS sealed_health, s.identity_number AS sealed_identity_number
  FROM person p
 CROSS JOIN LATERAL sensitive_open(p.id, '{phone,ethnicity,health,identity_number}', 'export', :caller_id::text,
                                   :caller_person::uuid, :request_id::text) AS s
 WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person)

-- Organisations, then the person: the order in which all lock.
-- name: lock_person_erased
SELECT count(*)
  FROM (SELECT FROM organisation WHERE path IN (SELECT organisation FROM membership WHERE person_id = :id::uuid)
         ORDER BY path FOR SHARE) AS locked

-- name: target_person_erased
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN NOT p.home <@ ANY (:scopes) THEN NULL
            WHEN p.erased_at IS NOT NULL THEN 'already_erased'
            WHEN EXISTS (SELECT FROM appointment a WHERE a.person_id = p.id AND a.since IS DISTINCT FROM a.until
                          AND (a.until IS NULL OR a.until > campus.today()))
            THEN 'holds_office' END AS refusal
  FROM person p
 WHERE p.id = :id::uuid
   FOR UPDATE

-- name: erase_person
WITH erased AS MATERIALIZED (
  SELECT p.id, erase_person(p.id, coalesce(:dry_run::bool, false)) AS parts
    FROM person p
   WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[]) AND p.erased_at IS NULL),
ended AS (
  UPDATE membership m
     SET until = greatest(m.since, campus.today()), reason = 'left', version = m.version + 1, updated_at = campus.now()
    FROM erased
   WHERE m.person_id = erased.id AND (m.until IS NULL OR m.until > greatest(m.since, campus.today()))
     AND NOT coalesce(:dry_run, false)
  RETURNING m.*),
reply AS (
  SELECT e.id AS person_id, e.parts, coalesce(:dry_run, false) AS dry_run,
         (SELECT count(*) FROM membership m WHERE m.person_id = e.id)::int AS memberships_kept,
         (SELECT count(*) FROM credit_line l WHERE l.person_id = e.id)::int AS credits_kept
    FROM erased e),
facts AS (
  SELECT 'person.erased' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM reply WHERE NOT dry_run
   UNION ALL
  SELECT 'membership.ended', id::text,
         jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason)
    FROM ended)

-- name: lock_minimise
SELECT pg_advisory_xact_lock(hashtext('membership.minimise'))

-- name: minimise
WITH made AS MATERIALIZED (
  SELECT m.* FROM minimise(:scopes::ltree[], coalesce(:most::int, 1000), coalesce(:dry_run::bool, false)) AS m),
reply AS (SELECT fields, cardinality(people) AS people, more, coalesce(:dry_run, false) AS dry_run FROM made),
facts AS (
  SELECT 'person.minimised' AS type, p::text AS subject, '{}'::jsonb AS data
    FROM made, unnest(made.people) p WHERE NOT coalesce(:dry_run, false))
