-- registrations.sql -- what organisations hand in each year, and who reviews it. Conventions: common/method.h.
-- A registration is seen from its organisation and from the one that supervises it.

-- name: target_registration_new
SELECT asked.permitted,
       CASE WHEN NOT asked.permitted THEN NULL
            WHEN o.path IS NULL THEN 'organisation_unknown'
            WHEN NOT EXISTS (SELECT FROM registration_window(o.kind, :year::int)) THEN 'registration_not_needed'
       END AS refusal
  FROM (SELECT :organisation::ltree <@ ANY (:scopes::ltree[]) AS permitted) AS asked
  LEFT JOIN organisation o ON o.path = :organisation AND (o.dissolved_on IS NULL OR o.dissolved_on > campus.today())

-- name: create_registration
WITH made AS (
  INSERT INTO registration (id, organisation, year, report, plan, supervisor)
  VALUES (:new_id::uuid, :organisation::ltree, :year::int, :report, :plan, supervisor_of(:organisation))
  RETURNING *),
reply AS (
  SELECT m.id, m.organisation::text, o.title, m.year, m.state, m.supervisor::text, m.round, m.version, m.created_at, m.updated_at
    FROM made m JOIN organisation o ON o.path = m.organisation),
facts AS (
  SELECT 'registration.created' AS type, id::text AS subject,
         jsonb_build_object('organisation', organisation::text, 'year', year) AS data FROM made)

-- name: get_registration
SELECT r.id, r.organisation::text, o.title, r.year, r.state, r.report, r.plan, r.supervisor::text, r.round,
       s.members, s.offices, s.offices_held, s.officers, s.figures_on, s.late, s.submitted_at,
       d.decision, d.comment, d.decided_at, d.decided_by,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'round', h.round, 'report', h.report, 'plan', h.plan, 'members', h.members, 'offices', h.offices,
                   'offices_held', h.offices_held, 'officers', h.officers, 'figures_on', h.figures_on, 'late', h.late,
                   'submitted_at', h.submitted_at, 'submitted_by', h.submitted_by, 'decision', e.decision, 'comment', e.comment,
                   'decided_at', e.decided_at, 'decided_by', e.decided_by)) ORDER BY h.round), '[]')
          FROM registration_submission h
          LEFT JOIN registration_decision e USING (registration_id, round)
         WHERE h.registration_id = r.id AND h.round > r.round - 10) AS rounds,
       r.version, r.created_at, r.updated_at
  FROM registration r
  JOIN organisation o ON o.path = r.organisation
  LEFT JOIN registration_submission s ON s.registration_id = r.id AND s.round = r.round
  LEFT JOIN registration_decision d ON d.registration_id = r.id AND d.round = r.round
 WHERE r.id = :id::uuid AND (r.organisation <@ ANY (:scopes::ltree[]) OR r.supervisor <@ ANY (:scopes))

-- name: list_registrations
SELECT r.id, r.organisation::text, o.title, r.year, r.state, r.supervisor::text, r.round,
       s.members, s.offices, s.offices_held, s.officers, s.figures_on, s.late, s.submitted_at,
       d.decision, d.comment, d.decided_at, d.decided_by, r.version, r.created_at, r.updated_at
  FROM registration r
  JOIN organisation o ON o.path = r.organisation
  LEFT JOIN registration_submission s ON s.registration_id = r.id AND s.round = r.round
  LEFT JOIN registration_decision d ON d.registration_id = r.id AND d.round = r.round
 WHERE (r.organisation <@ ANY (:scopes::ltree[]) OR r.supervisor <@ ANY (:scopes))
   AND (:year::int IS NULL OR r.year = :year)
   AND (:state::text IS NULL OR r.state = :state)
   AND (:within::ltree IS NULL OR r.organisation <@ :within)
   AND (:supervisor::ltree IS NULL OR r.supervisor = :supervisor)
   AND (r.year, r.organisation) > (coalesce(:after_year::int, 0), coalesce(:after_organisation::ltree, ''))
 ORDER BY r.year, r.organisation
 LIMIT :page_limit

-- name: list_overdue_registrations
SELECT d.organisation::text, d.title, supervisor_of(d.organisation)::text AS supervisor, d.registration_id, d.state,
       d.closes_on AS due_on, (SELECT campus.today()) - d.closes_on AS days_overdue
  FROM registration_duties(coalesce(:year::int, extract(year FROM campus.today())::int)) AS d
 WHERE d.state IN ('missing', 'draft') AND d.closes_on < (SELECT campus.today())
   AND (:within::ltree IS NULL OR d.organisation <@ :within)
   AND d.organisation <@ ANY ((SELECT supervised_from(:scopes::ltree[]))::ltree[])
   AND (d.organisation <@ ANY (:scopes) OR supervisor_of(d.organisation) <@ ANY (:scopes))
   AND d.organisation > coalesce(:after_organisation::ltree, '')
 ORDER BY d.organisation
 LIMIT :page_limit

-- name: lock_registration
SELECT r.id FROM registration r JOIN organisation o ON o.path = r.organisation WHERE r.id = :id::uuid FOR SHARE OF o FOR UPDATE OF r

-- name: target_registration_draft
SELECT organisation <@ ANY (:scopes::ltree[]) AS visible, version,
       CASE WHEN organisation <@ ANY (:scopes) AND state <> 'draft' THEN 'not_a_draft' END AS refusal
  FROM registration
 WHERE id = :id::uuid

-- name: patch_registration
WITH made AS (
  UPDATE registration
     SET report = CASE WHEN 'report' = ANY (:set::text[]) THEN :report ELSE report END,
         plan = CASE WHEN 'plan' = ANY (:set) THEN :plan ELSE plan END,
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND state = 'draft' AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT m.id, m.organisation::text, o.title, m.year, m.state, m.supervisor::text, m.round, m.version, m.created_at, m.updated_at
    FROM made m JOIN organisation o ON o.path = m.organisation)

-- name: target_submission
SELECT r.organisation <@ ANY (:scopes::ltree[]) AS visible, r.version,
       CASE WHEN NOT r.organisation <@ ANY (:scopes) THEN NULL
            WHEN r.state <> 'draft' THEN 'not_a_draft'
            WHEN o.dissolved_on <= campus.today() THEN 'organisation_dissolved'
            WHEN w.opens_on IS NULL THEN 'registration_not_needed'
            WHEN w.opens_on > campus.today() THEN 'window_not_open'
            WHEN 'report' = ANY (w.requires) AND r.report IS NULL THEN 'report_missing'
            WHEN 'plan' = ANY (w.requires) AND r.plan IS NULL THEN 'plan_missing' END AS refusal
  FROM registration r
  JOIN organisation o ON o.path = r.organisation
  LEFT JOIN LATERAL registration_window(o.kind, r.year) AS w ON true
 WHERE r.id = :id::uuid

-- name: submit_registration
WITH made AS (
  UPDATE registration
     SET state = 'submitted', round = round + 1, supervisor = supervisor_of(organisation), version = version + 1,
         updated_at = campus.now()
   WHERE id = :id::uuid AND state = 'draft'
  RETURNING *),
kept AS (
  INSERT INTO registration_submission (registration_id, round, report, plan, members, offices, offices_held, officers, figures_on,
                                       late, submitted_by, submitted_person)
  SELECT m.id, m.round, m.report, m.plan, f.members, f.offices, f.offices_held, f.officers, campus.today(),
         campus.today() > w.closes_on, :caller_id::text, :caller_person::uuid
    FROM made m
    JOIN organisation o ON o.path = m.organisation
   CROSS JOIN LATERAL registration_window(o.kind, m.year) AS w
   CROSS JOIN LATERAL organisation_figures(m.organisation, campus.today()) AS f
  RETURNING *),
reply AS (
  SELECT m.id, m.organisation::text, o.title, m.year, m.state, m.supervisor::text, m.round,
         k.members, k.offices, k.offices_held, k.officers, k.figures_on, k.late, k.submitted_at,
         m.version, m.created_at, m.updated_at
    FROM made m JOIN kept k ON k.registration_id = m.id JOIN organisation o ON o.path = m.organisation),
facts AS (
  SELECT 'registration.submitted' AS type, m.id::text AS subject,
         jsonb_strip_nulls(jsonb_build_object('organisation', m.organisation::text, 'year', m.year,
                                              'supervisor', m.supervisor::text, 'late', k.late)) AS data
    FROM made m JOIN kept k ON k.registration_id = m.id)

-- name: target_decision
SELECT r.organisation <@ ANY (:scopes::ltree[]) OR r.supervisor <@ ANY (:scopes) AS visible,
       coalesce(supervisor_of(r.organisation) <@ ANY (:scopes), false) AS permitted, r.version,
       CASE WHEN registration_conflict(r, :caller_id::uuid, :caller_person::uuid) THEN 'conflict_of_interest'
            WHEN r.state <> 'submitted' THEN 'not_submitted' END AS refusal
  FROM registration r
 WHERE r.id = :id::uuid

-- name: decide_registration
WITH made AS (
  UPDATE registration
     SET state = CASE :decision::text WHEN 'returned' THEN 'draft' ELSE :decision END, supervisor = supervisor_of(organisation),
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND state = 'submitted'
  RETURNING *),
kept AS (
  INSERT INTO registration_decision (registration_id, round, decision, comment, supervisor, decided_by, decided_person)
  SELECT id, round, :decision, :comment, supervisor, :caller_id::text, :caller_person::uuid FROM made
  RETURNING *),
reply AS (
  SELECT m.id, m.organisation::text, o.title, m.year, m.state, m.supervisor::text, m.round, k.decision, k.decided_at, k.decided_by,
         m.version, m.created_at, m.updated_at
    FROM made m JOIN kept k ON k.registration_id = m.id JOIN organisation o ON o.path = m.organisation),
facts AS (
  SELECT 'registration.' || :decision AS type, id::text AS subject,
         jsonb_build_object('organisation', organisation::text, 'year', year, 'supervisor', supervisor::text) AS data
    FROM made)

-- ---- policy ----

-- name: list_registration_policies
SELECT kind, since_year, registers, opens_month, opens_day, closes_month, closes_day, requires, created_at
  FROM registration_policy
 WHERE :scopes::ltree[] <> '{}' AND (kind, since_year) > (coalesce(:after_kind::text, ''), coalesce(:after_since_year::int, 0))
 ORDER BY kind, since_year
 LIMIT :page_limit

-- name: create_registration_policy
WITH made AS (
  INSERT INTO registration_policy (kind, since_year, registers, opens_month, opens_day, closes_month, closes_day, requires)
  VALUES (:kind::text, :since_year::int, coalesce(:registers::bool, true), :opens_month::int, :opens_day::int, :closes_month::int,
          :closes_day::int, coalesce(:requires::text[], '{}'))
  RETURNING *),
reply AS (
  SELECT kind, since_year, registers, opens_month, opens_day, closes_month, closes_day, requires, created_at FROM made),
facts AS (
  SELECT 'policy.changed' AS type, 'registration' AS subject, jsonb_build_object('kind', kind, 'since_year', since_year) AS data
    FROM made)

-- name: list_supervisions
SELECT subtree::text, supervisor::text, version, created_at, updated_at
  FROM supervision
 WHERE :scopes::ltree[] <> '{}' AND subtree > coalesce(:after_subtree::ltree, '')
 ORDER BY subtree
 LIMIT :page_limit

-- name: target_supervision_new
SELECT CASE WHEN NOT living_organisation(:subtree::ltree) THEN 'organisation_unknown'
            WHEN NOT living_organisation(:supervisor::ltree) THEN 'supervisor_unknown' END AS refusal

-- name: put_supervision
WITH made AS (
  INSERT INTO supervision AS s (subtree, supervisor) VALUES (:subtree::ltree, :supervisor::ltree)
  ON CONFLICT (subtree) DO UPDATE SET supervisor = excluded.supervisor, version = s.version + 1, updated_at = campus.now()
  RETURNING *),
reply AS (SELECT subtree::text, supervisor::text, version, created_at, updated_at FROM made),
facts AS (
  SELECT 'policy.changed' AS type, 'supervision' AS subject, jsonb_build_object('subtree', subtree::text) AS data FROM made)

-- name: target_supervision
SELECT '' = ANY (:scopes::text[]) AS permitted FROM supervision WHERE subtree = :subtree::ltree FOR UPDATE

-- name: delete_supervision
WITH made AS (DELETE FROM supervision WHERE subtree = :subtree::ltree RETURNING subtree),
reply AS (SELECT subtree::text FROM made),
facts AS (
  SELECT 'policy.changed' AS type, 'supervision' AS subject, jsonb_build_object('subtree', subtree::text) AS data FROM made)
