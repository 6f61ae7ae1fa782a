-- handovers.sql -- what waits in offices, and the lists of it that two people sign. Conventions: common/method.h.
-- Office, handover: the order in which all lock.

-- name: target_items_office
SELECT o.organisation <@ ANY (:scopes::ltree[])
       OR EXISTS (SELECT FROM appointment a
                   WHERE a.office_id = o.id AND a.person_id = :caller_person::uuid
                     AND a.since <= campus.today() AND (a.until IS NULL OR a.until > campus.today())) AS visible
  FROM office o
 WHERE o.id = :id::uuid

-- name: list_office_items
SELECT source, kind, item_id, title, organisation::text, office_id IS NOT NULL AS of_office,
       coalesce(due_at, 'infinity') AS due_at, state
  FROM office_items(ARRAY[:id::uuid])
 WHERE (:kind::text IS NULL OR kind = :kind)
   AND (coalesce(due_at, 'infinity'), source, kind, item_id)
       > (coalesce(:after_due_at::timestamptz, '-infinity'), coalesce(:after_source::text, ''), coalesce(:after_kind::text, ''),
          coalesce(:after_item_id::text, ''))
 ORDER BY coalesce(due_at, 'infinity'), source, kind, item_id
 LIMIT :page_limit

-- Most offices are held by somebody of whom no end is known: these are passed over by their index alone.
-- name: list_vacancies
WITH reach AS MATERIALIZED (
  SELECT o.*
    FROM unnest(campus.narrow(:scopes::ltree[], :within::ltree)) AS s (scope) JOIN office o ON o.organisation <@ s.scope
   WHERE NOT EXISTS (SELECT FROM appointment a
                      WHERE a.office_id = o.id AND a.until IS NULL AND a.since <= (SELECT campus.today()) AND NOT a.acting
                        AND (a.term_until IS NULL OR a.term_until > (SELECT campus.today())))),
page AS MATERIALIZED (
  SELECT o.id, o.organisation, o.kind, o.title, t.state,
         CASE t.state WHEN 'vacant' THEN t.vacant_since ELSE t.term_until END AS since
    FROM reach o
   CROSS JOIN (SELECT campus.today() AS day OFFSET 0) AS now
   CROSS JOIN LATERAL office_state(o.id, now.day) AS t
   WHERE o.established_on <= (SELECT campus.today())
     AND (o.abolished_on IS NULL OR o.abolished_on > (SELECT campus.today()))
     AND t.state IN ('vacant', 'carried_over') AND (:state::text IS NULL OR t.state = :state)
     AND (o.organisation, o.id) > (coalesce(:after_organisation::ltree, ''),
                                   coalesce(:after_office_id::uuid, '00000000-0000-0000-0000-000000000000'))
   ORDER BY o.organisation, o.id
   LIMIT :page_limit),
waiting AS (
  SELECT waits_in, count(*)::int AS items, min(due_at) AS oldest_due_at
    FROM office_items((SELECT coalesce(array_agg(id), '{}') FROM page))
   GROUP BY waits_in)
SELECT v.id AS office_id, v.organisation::text, v.kind, v.title, v.state, v.since, coalesce(w.items, 0) AS items, w.oldest_due_at
  FROM page v LEFT JOIN waiting w ON w.waits_in = v.id
 ORDER BY v.organisation, v.id

-- name: lock_office_to_hand_over
SELECT id FROM office WHERE id = :office_id::uuid FOR NO KEY UPDATE

-- name: lock_handovers_under_way
SELECT id FROM handover WHERE outgoing_id = :outgoing_appointment_id::uuid AND state IN ('open', 'signed_by_one') FOR UPDATE

-- name: target_handover_new
SELECT coalesce(o.organisation <@ ANY (:scopes::ltree[]) OR own.yes, o.id IS NULL) AS permitted,
       CASE WHEN o.id IS NULL THEN 'office_unknown'
            WHEN NOT coalesce(o.organisation <@ ANY (:scopes) OR own.yes, false) THEN NULL
            WHEN theirs.id IS NULL THEN 'appointment_unknown'
            WHEN EXISTS (SELECT FROM handover h JOIN appointment i ON i.id = h.incoming_id
                          WHERE h.outgoing_id = theirs.id AND h.state = 'complete' AND i.since IS DISTINCT FROM i.until) -- not to nobody
            THEN 'handed_over_already'
            WHEN :incoming_appointment_id::uuid IS NULL THEN NULL
            WHEN ours.id IS NULL THEN 'incoming_appointment_unknown'
            WHEN ours.person_id = theirs.person_id THEN 'same_person'
       END AS refusal
  FROM (SELECT) AS one
  LEFT JOIN office o ON o.id = :office_id::uuid
  LEFT JOIN appointment theirs
    ON theirs.id = :outgoing_appointment_id::uuid AND theirs.office_id = o.id AND theirs.since IS DISTINCT FROM theirs.until
 CROSS JOIN LATERAL (SELECT theirs.person_id = :caller_person::uuid AND theirs.since <= campus.today() AS yes) AS own
  LEFT JOIN appointment ours
    ON ours.id = :incoming_appointment_id AND ours.office_id = o.id AND ours.since IS DISTINCT FROM ours.until

-- name: create_handover
WITH superseded AS (
  UPDATE handover SET superseded_by = :new_id::uuid, version = version + 1, updated_at = campus.now()
   WHERE outgoing_id = :outgoing_appointment_id::uuid AND state IN ('open', 'signed_by_one')
  RETURNING id),
made AS (
  INSERT INTO handover (id, office_id, organisation, outgoing_id, incoming_id, note, opened_by)
  SELECT :new_id, o.id, o.organisation, :outgoing_appointment_id, :incoming_appointment_id::uuid, :note, :caller_id::text
    FROM office o, (SELECT count(*) FROM superseded) AS first
   WHERE o.id = :office_id::uuid
  RETURNING *),
listed AS MATERIALIZED (
  SELECT l.* FROM made, handover_list_make(made.id, made.office_id, made.outgoing_id, made.list, made.opened_by) AS l),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, o.title, m.state, m.outgoing_id AS outgoing_appointment_id,
         person_of(m.outgoing_id) AS outgoing_person_id, m.incoming_id AS incoming_appointment_id,
         person_of(m.incoming_id) AS incoming_person_id, m.list, l.hash, l.items AS item_count, l.made_at AS listed_at,
         m.version, m.created_at, m.updated_at
    FROM made m JOIN listed l ON l.handover_id = m.id JOIN office o ON o.id = m.office_id),
facts AS (
  SELECT 'handover.superseded' AS type, id::text AS subject, jsonb_build_object('by', :new_id::text) AS data FROM superseded
   UNION ALL
  SELECT 'handover.opened', id::text,
         jsonb_strip_nulls(jsonb_build_object('office_id', office_id, 'organisation', organisation::text,
                                              'outgoing', outgoing_id, 'incoming', incoming_id))
    FROM made)

-- name: get_handover
SELECT h.id, h.office_id, h.organisation::text, o.title, h.state, h.outgoing_id AS outgoing_appointment_id,
       theirs.person_id AS outgoing_person_id, h.outgoing_signed_at, h.incoming_id AS incoming_appointment_id,
       ours.person_id AS incoming_person_id, h.incoming_signed_at, h.note, h.list, l.hash, l.items AS item_count,
       l.made_at AS listed_at,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'source', i.source, 'kind', i.kind, 'item_id', i.item_id, 'title', i.title, 'organisation', i.organisation::text,
                   'of_office', i.of_office, 'due_at', i.due_at, 'state', i.state)) ORDER BY i.number), '[]')
          FROM handover_item i
         WHERE i.handover_id = h.id AND i.list = h.list AND i.number <= 200) AS items,
       (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'source', i.source, 'kind', i.kind, 'item_id', i.item_id, 'title', i.title, 'organisation', i.organisation::text,
                   'of_office', i.of_office, 'due_at', i.due_at, 'state', i.state))), '[]')
          FROM (SELECT * FROM handover_added(h.id, h.office_id, h.list) WHERE h.state IN ('open', 'signed_by_one') LIMIT 200) AS i)
         AS added_since,
       h.superseded_by, h.close_reason, h.closed_by, h.closed_at, h.version, h.created_at, h.updated_at
  FROM handover h
  JOIN office o ON o.id = h.office_id
  JOIN handover_list l ON l.handover_id = h.id AND l.list = h.list
  JOIN appointment theirs ON theirs.id = h.outgoing_id
  LEFT JOIN appointment ours ON ours.id = h.incoming_id
 WHERE h.id = :id::uuid
   AND (h.organisation <@ ANY (:scopes::ltree[]) OR :caller_person::uuid IN (theirs.person_id, ours.person_id))

-- name: target_handover_seen
SELECT organisation <@ ANY (:scopes::ltree[]) OR :caller_person::uuid IN (person_of(outgoing_id), person_of(incoming_id)) AS visible
  FROM handover
 WHERE id = :id::uuid

-- name: list_handover_items
SELECT i.number, i.source, i.kind, i.item_id, i.title, i.organisation::text, i.of_office, i.due_at, i.state
  FROM handover h
  JOIN handover_item i ON i.handover_id = h.id AND i.list = coalesce(:list::int, h.list)
 WHERE h.id = :id::uuid AND i.number > coalesce(:after_number::int, 0)
 ORDER BY i.number
 LIMIT :page_limit

-- Of an office or the whole campus in order; else out of what lies in reach, and what the caller signs.
-- name: list_handovers
WITH asked AS MATERIALIZED (
  SELECT h.id
    FROM unnest(campus.narrow(:scopes::ltree[], :within::ltree)) AS s (scope)
    JOIN handover h ON h.organisation <@ s.scope
   WHERE (:state::text IS NULL OR h.state = :state)
     AND h.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')),
own AS MATERIALIZED (
  SELECT h.id, h.office_id, h.organisation, h.state
    FROM appointment a JOIN handover h ON h.outgoing_id = a.id
   WHERE a.person_id = :caller_person::uuid
   UNION
  SELECT h.id, h.office_id, h.organisation, h.state
    FROM appointment a JOIN handover h ON h.incoming_id = a.id
   WHERE a.person_id = :caller_person),
page AS MATERIALIZED (
  SELECT id
    FROM ((SELECT h.id
             FROM handover h
            WHERE :office_id::uuid IS NULL AND ''::ltree = ANY (:scopes) AND :within IS NULL
              AND (:state IS NULL OR h.state = :state)
              AND h.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
            ORDER BY h.id
            LIMIT :page_limit)
           UNION ALL
          (SELECT id
             FROM asked
            WHERE :office_id IS NULL AND (NOT ''::ltree = ANY (:scopes) OR :within IS NOT NULL)
            ORDER BY id
            LIMIT :page_limit)
           UNION ALL
          (SELECT h.id
             FROM handover h
            WHERE h.office_id = :office_id AND h.organisation <@ ANY (:scopes)
              AND (:within IS NULL OR h.organisation <@ :within)
              AND (:state IS NULL OR h.state = :state)
              AND h.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
            ORDER BY h.id
            LIMIT :page_limit)
           UNION ALL
          (SELECT h.id
             FROM own h
            WHERE NOT h.organisation <@ ANY (:scopes)
              AND (:office_id IS NULL OR h.office_id = :office_id)
              AND (:within IS NULL OR h.organisation <@ :within)
              AND (:state IS NULL OR h.state = :state)
              AND h.id > coalesce(:after_id, '00000000-0000-0000-0000-000000000000')
            ORDER BY h.id
            LIMIT :page_limit)) AS h
   ORDER BY id
   LIMIT :page_limit)
SELECT h.id, h.office_id, h.organisation::text, o.title, h.state, h.outgoing_id AS outgoing_appointment_id,
       theirs.person_id AS outgoing_person_id, h.outgoing_signed_at, h.incoming_id AS incoming_appointment_id,
       ours.person_id AS incoming_person_id, h.incoming_signed_at, h.note, h.list, l.hash, l.items AS item_count,
       l.made_at AS listed_at, h.superseded_by, h.close_reason, h.closed_by, h.closed_at, h.version, h.created_at, h.updated_at
  FROM page
  JOIN handover h USING (id)
  JOIN office o ON o.id = h.office_id
  JOIN handover_list l ON l.handover_id = h.id AND l.list = h.list
  JOIN appointment theirs ON theirs.id = h.outgoing_id
  LEFT JOIN appointment ours ON ours.id = h.incoming_id
 ORDER BY h.id

-- ---- one handover ----

-- name: lock_handover
SELECT id FROM handover WHERE id = :id::uuid FOR UPDATE

-- name: target_incoming
SELECT h.organisation <@ ANY (:scopes::ltree[])
       OR :caller_person::uuid IN (person_of(h.outgoing_id), person_of(h.incoming_id)) AS visible,
       h.organisation <@ ANY (:scopes) OR person_of(h.outgoing_id) = :caller_person AS permitted,
       CASE WHEN h.state NOT IN ('open', 'signed_by_one') THEN 'handover_over'
            WHEN h.incoming_signed_at IS NOT NULL THEN 'signed_already'
            WHEN a.id IS NULL THEN 'incoming_appointment_unknown'
            WHEN a.person_id = person_of(h.outgoing_id) THEN 'same_person' END AS refusal
  FROM handover h
  LEFT JOIN appointment a
    ON a.id = :incoming_appointment_id::uuid AND a.office_id = h.office_id AND a.since IS DISTINCT FROM a.until
 WHERE h.id = :id::uuid

-- name: name_incoming
WITH made AS (
  UPDATE handover SET incoming_id = :incoming_appointment_id::uuid, version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid
  RETURNING *),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, o.title, m.state, m.outgoing_id AS outgoing_appointment_id,
         person_of(m.outgoing_id) AS outgoing_person_id, m.outgoing_signed_at, m.incoming_id AS incoming_appointment_id,
         person_of(m.incoming_id) AS incoming_person_id, m.list, l.hash, l.items AS item_count, l.made_at AS listed_at,
         m.version, m.created_at, m.updated_at
    FROM made m JOIN handover_list l ON l.handover_id = m.id AND l.list = m.list JOIN office o ON o.id = m.office_id),
facts AS (
  SELECT 'handover.changed' AS type, id::text AS subject, jsonb_build_object('incoming', incoming_id) AS data FROM made)

-- name: target_handover_unsigned
SELECT organisation <@ ANY (:scopes::ltree[]) OR :caller_person::uuid IN (person_of(outgoing_id), person_of(incoming_id)) AS visible,
       CASE state WHEN 'open' THEN NULL WHEN 'signed_by_one' THEN 'handover_signed' ELSE 'handover_over' END AS refusal
  FROM handover
 WHERE id = :id::uuid

-- name: renew_handover_list
WITH made AS (
  UPDATE handover SET list = list + 1, version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND state = 'open'
  RETURNING *),
listed AS MATERIALIZED (
  SELECT l.* FROM made, handover_list_make(made.id, made.office_id, made.outgoing_id, made.list, :caller_id::text) AS l),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, o.title, m.state, m.outgoing_id AS outgoing_appointment_id,
         person_of(m.outgoing_id) AS outgoing_person_id, m.incoming_id AS incoming_appointment_id,
         person_of(m.incoming_id) AS incoming_person_id, m.list, l.hash, l.items AS item_count, l.made_at AS listed_at,
         m.version, m.created_at, m.updated_at
    FROM made m JOIN listed l ON l.handover_id = m.id JOIN office o ON o.id = m.office_id),
facts AS (SELECT 'handover.changed' AS type, id::text AS subject, jsonb_build_object('list', list) AS data FROM made)

-- name: target_signature
SELECT h.organisation <@ ANY (:scopes::ltree[]) OR :caller_person::uuid IN (parties.outgoing, parties.incoming) AS visible,
       CASE WHEN :party::text = 'incoming' AND h.incoming_id IS NULL THEN 'incoming_unknown'
            WHEN (CASE :party WHEN 'outgoing' THEN parties.outgoing ELSE parties.incoming END)
                 IS DISTINCT FROM coalesce(:caller_person, '00000000-0000-0000-0000-000000000000') THEN 'not_a_party'
            WHEN (CASE :party WHEN 'outgoing' THEN h.outgoing_signed_at ELSE h.incoming_signed_at END) IS NOT NULL
            THEN 'signed_already'
            WHEN h.state NOT IN ('open', 'signed_by_one') THEN 'handover_over'
            WHEN :party = 'incoming' AND EXISTS (SELECT FROM appointment i WHERE i.id = h.incoming_id AND i.since = i.until)
            THEN 'incoming_never_came' -- before its day one may sign: the two meet in the last days of the one who goes
            WHEN l.hash <> :hash::text THEN 'list_changed' END AS refusal
  FROM handover h
  JOIN handover_list l ON l.handover_id = h.id AND l.list = h.list
 CROSS JOIN LATERAL (SELECT person_of(h.outgoing_id) AS outgoing, person_of(h.incoming_id) AS incoming) AS parties
 WHERE h.id = :id::uuid

-- name: sign_handover
WITH made AS (
  UPDATE handover
     SET outgoing_signed_at = CASE :party::text WHEN 'outgoing' THEN campus.now() ELSE outgoing_signed_at END,
         incoming_signed_at = CASE :party WHEN 'incoming' THEN campus.now() ELSE incoming_signed_at END,
         version = version + 1, updated_at = campus.now()
   WHERE id = :id::uuid AND state IN ('open', 'signed_by_one')
  RETURNING *),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, o.title, m.state, m.outgoing_id AS outgoing_appointment_id,
         person_of(m.outgoing_id) AS outgoing_person_id, m.outgoing_signed_at, m.incoming_id AS incoming_appointment_id,
         person_of(m.incoming_id) AS incoming_person_id, m.incoming_signed_at, m.list, l.hash, l.items AS item_count,
         l.made_at AS listed_at, m.version, m.created_at, m.updated_at
    FROM made m JOIN handover_list l ON l.handover_id = m.id AND l.list = m.list JOIN office o ON o.id = m.office_id),
facts AS (
  SELECT 'handover.signed' AS type, m.id::text AS subject, jsonb_build_object('party', :party, 'hash', l.hash) AS data
    FROM made m JOIN handover_list l ON l.handover_id = m.id AND l.list = m.list
   UNION ALL
  SELECT 'handover.completed', id::text,
         jsonb_build_object('office_id', office_id, 'outgoing', outgoing_id, 'incoming', incoming_id)
    FROM made
   WHERE state = 'complete')

-- name: target_handover_closing
SELECT organisation <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN NOT organisation <@ ANY (:scopes) THEN NULL
            WHEN :caller_person::uuid IN (person_of(outgoing_id), person_of(incoming_id)) THEN 'own_handover'
            WHEN state NOT IN ('open', 'signed_by_one') THEN 'handover_over' END AS refusal
  FROM handover
 WHERE id = :id::uuid

-- name: close_handover
WITH made AS (
  UPDATE handover
     SET closed_at = campus.now(), closed_by = :caller_id::text, close_reason = :reason, version = version + 1,
         updated_at = campus.now()
   WHERE id = :id::uuid AND state IN ('open', 'signed_by_one')
  RETURNING *),
reply AS (
  SELECT m.id, m.office_id, m.organisation::text, o.title, m.state, m.outgoing_id AS outgoing_appointment_id,
         person_of(m.outgoing_id) AS outgoing_person_id, m.outgoing_signed_at, m.incoming_id AS incoming_appointment_id,
         person_of(m.incoming_id) AS incoming_person_id, m.incoming_signed_at, m.list, l.hash, l.items AS item_count,
         l.made_at AS listed_at, m.close_reason, m.closed_by, m.closed_at, m.version, m.created_at, m.updated_at
    FROM made m JOIN handover_list l ON l.handover_id = m.id AND l.list = m.list JOIN office o ON o.id = m.office_id),
facts AS (SELECT 'handover.closed' AS type, id::text AS subject, '{}'::jsonb AS data FROM made)
