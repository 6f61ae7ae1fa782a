-- reviews.sql -- how an organisation stands to the rules. Conventions: common/method.h.

-- An organisation is checked from within and by the one that supervises it.
-- name: target_checked
SELECT path <@ ANY (:scopes::ltree[]) OR supervisor_of(path) <@ ANY (:scopes) AS visible FROM organisation WHERE path = :path::ltree

-- name: check_organisation
SELECT o.path::text, o.title, o.kind, coalesce(:as_of::date, campus.today()) AS as_of,
       c.rule_pack, c.exceeded, c.unknown, c.findings
  FROM organisation o, self_check(o.path, coalesce(:as_of, campus.today()), '{}', '{}', '{}') AS c
 WHERE o.path = :path::ltree

-- name: target_tried
SELECT path <@ ANY (:scopes::ltree[]) OR supervisor_of(path) <@ ANY (:scopes) AS visible,
       CASE WHEN coalesce(cardinality(:office_ids::uuid[]), 0) <> coalesce(cardinality(:person_ids::uuid[]), 0)
            THEN 'pairs_do_not_match' END AS refusal
  FROM organisation
 WHERE path = :path::ltree

-- name: try_appointments
SELECT o.path::text, o.title, o.kind, planned.on_day AS as_of, c.rule_pack, c.exceeded, c.unknown, c.findings,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'office_id', x.office_id, 'person_id', x.person_id, 'appointment_id', x.appointment_id, 'code', x.code,
                   'about', x.about))), '[]')
          FROM plan_objections(o.path, planned.on_day, planned.offices, planned.people, planned.ends, :caller_person::uuid) AS x)
         AS refused
  FROM organisation o
 CROSS JOIN (SELECT coalesce(:on::date, campus.today()) AS on_day, coalesce(:office_ids::uuid[], '{}') AS offices,
                    coalesce(:person_ids::uuid[], '{}') AS people, coalesce(:ends::uuid[], '{}') AS ends) AS planned
 CROSS JOIN LATERAL self_check(o.path, planned.on_day, planned.offices, planned.people, planned.ends) AS c
 WHERE o.path = :path::ltree

-- name: target_justification
SELECT o.path <@ ANY (:scopes::ltree[]) OR supervisor_of(o.path) <@ ANY (:scopes) AS visible,
       CASE WHEN NOT EXISTS (SELECT FROM rule WHERE code = :rule::text) THEN 'rule_unknown'
            WHEN EXISTS (SELECT FROM appointment a
                          WHERE a.person_id = :caller_person::uuid AND a.organisation <@ o.path
                            AND a.since <= campus.today() AND (a.until IS NULL OR a.until > campus.today()))
            THEN 'conflict_of_interest' END AS refusal
  FROM organisation o
 WHERE o.path = :path::ltree

-- name: justify_exception
WITH made AS (
  INSERT INTO justification (id, organisation, rule, reason, valid_until, recorded_by)
  VALUES (:new_id::uuid, :path::ltree, :rule::text, :reason, :valid_until::date, :caller_id::text)
  RETURNING *),
reply AS (SELECT id, organisation::text, rule, since, valid_until, recorded_by, created_at FROM made),
facts AS (
  SELECT 'organisation.justified' AS type, organisation::text AS subject,
         jsonb_build_object('rule', rule, 'id', id) AS data FROM made)

-- Before what is said of them: who is erased meanwhile would else keep it.
-- name: lock_attested
SELECT id FROM person WHERE id = :person_id::uuid FOR NO KEY UPDATE

-- Only of people whom the caller sees is anything said.
-- name: target_attestation_new
SELECT CASE WHEN p.id IS NULL THEN 'person_unknown'
            WHEN p.id = :caller_person::uuid THEN 'own_attestation'
            WHEN p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN NOT EXISTS (SELECT FROM rule WHERE code = :rule::text AND kind = 'attested') THEN 'rule_unknown' END AS refusal
  FROM (SELECT) AS one
  LEFT JOIN person p
    ON p.id = :person_id::uuid
   AND EXISTS (SELECT FROM person_reach r
                WHERE r.person_id = p.id AND r.ancestor = ANY (:scopes::ltree[])
                  AND r.since <= campus.today() AND r.until > campus.today())

-- name: create_attestation
WITH made AS (
  INSERT INTO attestation (id, person_id, rule, attested_value, valid_until, attested_by)
  VALUES (:new_id::uuid, :person_id::uuid, :rule::text, :attested_value::int, :valid_until::date, :caller_id::text)
  RETURNING *),
reply AS (SELECT id, person_id, rule, since, valid_until, attested_by, created_at FROM made),
facts AS (
  SELECT 'attestation.given' AS type, id::text AS subject,
         jsonb_build_object('person_id', person_id, 'rule', rule) AS data FROM made)

-- name: list_attestations
SELECT t.id, t.person_id, t.rule, t.attested_value, t.since, t.valid_until, t.attested_by, t.created_at
  FROM attestation t
 WHERE (t.person_id = :caller_person::uuid
        OR EXISTS (SELECT FROM person_reach r
                    WHERE r.person_id = t.person_id AND r.ancestor = ANY (:scopes::ltree[])
                      AND r.since <= (SELECT campus.today()) AND r.until > (SELECT campus.today())))
   AND (:person_id::uuid IS NULL OR t.person_id = :person_id)
   AND (:rule::text IS NULL OR t.rule = :rule)
   AND t.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY t.id
 LIMIT :page_limit

-- ---- the rules ----

-- name: list_rule_packs
SELECT version, in_force_since, title, large_campus, created_at
  FROM rule_pack
 WHERE :scopes::ltree[] <> '{}' AND in_force_since > coalesce(:after_in_force_since::date, '-infinity')
 ORDER BY in_force_since
 LIMIT :page_limit

-- name: get_rule_pack
SELECT p.version, p.in_force_since, p.title, p.large_campus, p.created_at,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'code', r.code, 'kind', r.kind, 'applies_to', r.applies_to, 'at_least', r.at_least, 'limit', r."limit",
                   'large_limit', r.large_limit,
                   'text', replace(r.text_zh, '{limit}', rule_limit(r, p)::text),
                   'text_en', replace(r.text_en, '{limit}', rule_limit(r, p)::text), 'source', r.source)) ORDER BY r.code), '[]')
          FROM rule r WHERE r.pack = p.version) AS rules
  FROM rule_pack p
 WHERE p.version = :version::text AND :scopes::ltree[] <> '{}'

-- name: target_rule_pack_new
SELECT '' = ANY (:scopes::text[]) AS permitted,
       CASE WHEN NOT EXISTS (SELECT FROM rule_pack WHERE version = :based_on::text) THEN 'rule_pack_unknown'
            WHEN :in_force_since::date < campus.today() THEN 'in_force_in_the_past'
            WHEN coalesce(cardinality(:rules::text[]), 0) <> coalesce(cardinality(:limits::int[]), 0) THEN 'limits_do_not_match'
            WHEN EXISTS (SELECT FROM unnest(coalesce(:rules, '{}') || coalesce(:without::text[], '{}')) AS c
                          WHERE NOT EXISTS (SELECT FROM rule WHERE pack = :based_on AND code = c))
            THEN 'rule_unknown' END AS refusal

-- name: create_rule_pack
WITH made AS (
  INSERT INTO rule_pack (version, in_force_since, title, large_campus)
  SELECT :version::text, :in_force_since::date, :title, coalesce(:large_campus::bool, p.large_campus)
    FROM rule_pack p WHERE p.version = :based_on::text
  RETURNING *),
copied AS (
  INSERT INTO rule (pack, code, kind, applies_to, at_least, "limit", large_limit, params, text_zh, text_en, source)
  SELECT made.version, r.code, r.kind, r.applies_to, r.at_least, coalesce(c.most, r."limit"),
         CASE WHEN c.most IS NULL THEN r.large_limit END, r.params, r.text_zh, r.text_en, r.source
    FROM made
    JOIN rule r ON r.pack = :based_on
    LEFT JOIN (SELECT DISTINCT ON (code) code, most FROM unnest(:rules::text[], :limits::int[]) AS u (code, most)) AS c USING (code)
   WHERE r.code <> ALL (coalesce(:without::text[], '{}'))),
reply AS (SELECT version, in_force_since, title, large_campus, created_at FROM made),
facts AS (
  SELECT 'policy.changed' AS type, 'self_check' AS subject,
         jsonb_build_object('version', version, 'in_force_since', in_force_since) AS data
    FROM made)
