-- admits: 1
-- Handing over: what waits in an office, whoever holds it, and the lists of it that two people sign. What is done in an office
-- belongs to the office, so nothing moves when its holder changes.

-- ---- what waits ----

-- What is an organisation's and no office's waits with the office that leads it: the first of its kinds in this order.
CREATE TABLE office_kind_order (
    kind text PRIMARY KEY,
    rank int NOT NULL UNIQUE
);
INSERT INTO office_kind_order (rank, kind)
SELECT n, kind
  FROM unnest('{chair,head,secretary_general,vice_chair,deputy_head,secretary,officer,treasurer,adviser,auditor}'::text[])
       WITH ORDINALITY AS k (kind, n);

CREATE VIEW leading_office AS
SELECT o.id, o.organisation
  FROM office o
  JOIN office_kind_order mine ON mine.kind = o.kind
 WHERE NOT EXISTS (SELECT FROM office other JOIN office_kind_order theirs ON theirs.kind = other.kind
                    WHERE other.organisation = o.organisation AND theirs.rank < mine.rank
                      AND other.established_on <= (SELECT campus.today())
                      AND (other.abolished_on IS NULL OR other.abolished_on > (SELECT campus.today())));

-- The state of an office on a day, as office_on() tells it, and since when: what a list of many can ask. The day is a column,
-- so that this becomes part of the query and the day is asked once.
CREATE FUNCTION office_state(office uuid, day date) RETURNS TABLE (state text, term_until date, vacant_since date)
LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT CASE WHEN bool_or(a.now AND NOT a.acting AND (a.term_until IS NULL OR a.term_until > day)) THEN 'held'
                WHEN bool_or(a.now AND a.acting) THEN 'acting'
                WHEN bool_or(a.now) THEN 'carried_over'
                ELSE 'vacant' END,
           min(a.term_until) FILTER (WHERE a.now AND NOT a.acting), max(a.until) FILTER (WHERE NOT a.now)
      FROM (SELECT o.*, o.until IS NULL OR o.until > day AS now
              FROM membership.appointment o
             WHERE o.office_id = office AND o.since <= day AND o.since IS DISTINCT FROM o.until) AS a -- but those that never came into force
$$;

-- Every service shows what waits with it by views in its schema that are named office_items, or office_items_<noun>, with SELECT
-- (and USAGE of the schema) granted to campus_membership, and these columns:
--
--   organisation ltree, office_id uuid   whose it is; without an office it is the organisation's
--   kind text, item_id text              what it is, and which: unique within the schema
--   title text                           for people to read; nothing personal
--   due_at timestamptz                   or NULL
--   state text
--
-- So a new service is heard without a change here; a view that lacks a column is passed over.
CREATE FUNCTION office_item_views() RETURNS TABLE (source name, view name) LANGUAGE sql STABLE AS $$
    SELECT n.nspname, c.relname
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('v', 'm') AND (c.relname = 'office_items' OR c.relname LIKE 'office\_items\_%')
       AND n.nspname NOT LIKE 'pg\_%'
       AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
       AND 7 = (SELECT count(*) FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.oid
                   AND a.attname IN ('organisation', 'office_id', 'kind', 'item_id', 'title', 'due_at', 'state'))
     ORDER BY 1, 2
$$;

-- What waits in each of these offices now, in all services. Each view is asked for the values themselves, so that it can begin from
-- its indexes.
CREATE FUNCTION office_items(offices uuid[])
RETURNS TABLE (waits_in uuid, source text, organisation ltree, office_id uuid, kind text, item_id text, title text,
               due_at timestamptz, state text) LANGUAGE plpgsql STABLE ROWS 20 AS $$
DECLARE
    columns CONSTANT text := 'i.organisation, i.office_id, i.kind::text, i.item_id::text, i.title::text, i.due_at, i.state::text';
    queries text := (
        SELECT string_agg(format(
                   'SELECT i.office_id, %1$L::text, %3$s FROM %1$I.%2$I i WHERE i.office_id = ANY ($1) UNION ALL '
                   'SELECT o.id, %1$L::text, %3$s FROM %1$I.%2$I i JOIN unnest($2, $3) AS o (id, organisation) USING (organisation) '
                   'WHERE i.organisation = ANY ($3) AND i.office_id IS NULL', v.source, v.view, columns), ' UNION ALL ')
          FROM membership.office_item_views() v);
    leaders uuid[];
    places ltree[];
BEGIN
    SELECT coalesce(array_agg(o.id), '{}'), coalesce(array_agg(o.organisation), '{}') INTO leaders, places
      FROM membership.leading_office o
     WHERE o.id = ANY (offices);
    IF queries IS NOT NULL THEN
        RETURN QUERY EXECUTE queries USING offices, leaders, places;
    END IF;
END $$;

-- Membership's own.

-- Keys that are the office's.
CREATE VIEW office_items_keys AS
SELECT o.organisation, k.office_id, 'key' AS kind, k.id::text AS item_id, k.name AS title, k.expires_at AS due_at, 'valid' AS state
  FROM api_key k JOIN office o ON o.id = k.office_id
 WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > (SELECT campus.now()));

-- Offices that nobody holds in full for a term of his own: each is a matter of its organisation; the one that leads it, a matter of
-- the organisation above, or of the committee that leads this one.
CREATE VIEW office_items_offices AS
SELECT place.organisation, NULL::uuid AS office_id, 'office' AS kind, o.id::text AS item_id, o.title,
       midnight(t.term_until) AS due_at, t.state
  FROM (SELECT o.organisation, o.id FROM office o WHERE NOT EXISTS (SELECT FROM leading_office l WHERE l.id = o.id)
         UNION ALL
        SELECT g.parent, l.id FROM organisation g JOIN leading_office l ON l.organisation = g.path WHERE g.parent IS NOT NULL
         UNION ALL
        SELECT g.led_by, l.id FROM organisation g JOIN leading_office l ON l.organisation = g.path
         WHERE g.parent IS NULL AND g.led_by IS NOT NULL) AS place (organisation, office_id)
  JOIN office o ON o.id = place.office_id
 CROSS JOIN (SELECT campus.today() AS day OFFSET 0) AS now
 CROSS JOIN LATERAL office_state(o.id, now.day) AS t
 WHERE t.state <> 'held' AND o.established_on <= (SELECT campus.today())
   AND (o.abolished_on IS NULL OR o.abolished_on > (SELECT campus.today()));

-- Applications and campaigns.
CREATE VIEW office_items_joining AS
SELECT organisation, NULL::uuid AS office_id, kind, item_id, title, due_at, state FROM open_items_joining;

GRANT SELECT ON office_kind_order, leading_office, office_items_keys, office_items_offices, office_items_joining
   TO campus_membership;

-- ---- handovers ----

-- From one appointment to another of the same office. Its state follows from what was done; no field has to be kept in step.
CREATE TABLE handover (
    id                 uuid PRIMARY KEY,
    office_id          uuid NOT NULL,
    organisation       ltree NOT NULL,                 -- the office's
    outgoing_id        uuid NOT NULL CONSTRAINT appointment_unknown REFERENCES appointment,
    incoming_id        uuid CONSTRAINT incoming_appointment_unknown REFERENCES appointment,
    note               text,
    list               int NOT NULL DEFAULT 1,         -- the number of the list that is to be signed, or was
    outgoing_signed_at timestamptz,
    incoming_signed_at timestamptz,
    superseded_by      uuid REFERENCES handover DEFERRABLE INITIALLY DEFERRED,
    closed_at          timestamptz,                    -- by somebody else, since one of the two cannot sign
    closed_by          text,
    close_reason       text,
    state              text NOT NULL GENERATED ALWAYS AS (
                           CASE WHEN outgoing_signed_at IS NOT NULL AND incoming_signed_at IS NOT NULL THEN 'complete'
                                WHEN superseded_by IS NOT NULL THEN 'superseded'
                                WHEN closed_at IS NOT NULL THEN 'closed'
                                WHEN outgoing_signed_at IS NOT NULL OR incoming_signed_at IS NOT NULL THEN 'signed_by_one'
                                ELSE 'open' END) STORED,
    opened_by          text NOT NULL,                  -- the principal
    version            bigint NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL DEFAULT campus.now(),
    updated_at         timestamptz NOT NULL DEFAULT campus.now(),
    FOREIGN KEY (office_id, organisation) REFERENCES office (id, organisation),
    CONSTRAINT same_appointment CHECK (incoming_id <> outgoing_id),
    CONSTRAINT signed_by_nobody CHECK (incoming_signed_at IS NULL OR incoming_id IS NOT NULL),
    CONSTRAINT closed_for_a_reason CHECK ((closed_at IS NULL) = (close_reason IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL))
);
CREATE INDEX handover_office ON handover (office_id, id);
CREATE INDEX handover_organisation ON handover (organisation, id);
CREATE INDEX handover_subtree ON handover USING gist (organisation);
CREATE INDEX handover_state ON handover (state, id);
CREATE INDEX handover_incoming ON handover (incoming_id) WHERE incoming_id IS NOT NULL;
CREATE INDEX handover_outgoing ON handover (outgoing_id);
-- One at a time: a later one supersedes it.
CREATE UNIQUE INDEX handover_under_way ON handover (outgoing_id) WHERE state IN ('open', 'signed_by_one');

-- The lists, each a snapshot with its hash. Only ever added to.
CREATE TABLE handover_list (
    handover_id uuid NOT NULL REFERENCES handover,
    list        int NOT NULL CHECK (list > 0),
    hash        text NOT NULL,
    items       int NOT NULL,
    made_by     text NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT campus.now(),
    PRIMARY KEY (handover_id, list)
);
CREATE TABLE handover_item (
    handover_id  uuid NOT NULL,
    list         int NOT NULL,
    number       int NOT NULL,                         -- from 1
    source       text NOT NULL,                        -- the service
    organisation ltree NOT NULL,
    of_office    boolean NOT NULL,                     -- the office's own, or its organisation's
    kind         text NOT NULL,
    item_id      text NOT NULL,
    title        text NOT NULL,
    due_at       timestamptz,
    state        text,
    PRIMARY KEY (handover_id, list, number),
    FOREIGN KEY (handover_id, list) REFERENCES handover_list,
    UNIQUE (handover_id, list, source, kind, item_id)
);

-- An item as it is signed: fields parted by tabs, ended by a line feed.
CREATE FUNCTION handover_line(item handover_item) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(E'\t', item.source, item.kind, item.item_id, item.title,
                     coalesce(to_char(item.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''),
                     coalesce(item.state, '')) || E'\n'
$$;

-- Makes a handover's list number `list` of what waits in its office now: the first 10,000 of it. The hash is SHA-256, in
-- hexadecimal, of a line with office, outgoing appointment and the list's number, and then the items' lines, in UTF-8.
CREATE FUNCTION handover_list_make(handover_id uuid, office_id uuid, outgoing_id uuid, list int, made_by text)
RETURNS handover_list LANGUAGE plpgsql AS $$
DECLARE
    made membership.handover_list;
BEGIN
    WITH waiting AS MATERIALIZED (
      SELECT $1 AS handover_id, $4 AS list, (row_number() OVER (ORDER BY w.source, w.kind, w.item_id))::int AS number, w.*
        FROM (SELECT DISTINCT ON (i.source, i.kind, i.item_id) i.source, i.organisation, i.office_id IS NOT NULL AS of_office, i.kind,
                     i.item_id, translate(i.title, E'\t\n\r', '   ') AS title, i.due_at, translate(i.state, E'\t\n\r', '   ') AS state
                FROM membership.office_items(ARRAY[$2]) AS i
               ORDER BY i.source, i.kind, i.item_id
               LIMIT 10000) AS w),
    kept AS (INSERT INTO membership.handover_item SELECT * FROM waiting),
    told AS (
      INSERT INTO membership.handover_list (handover_id, list, hash, items, made_by)
      SELECT $1, $4, encode(sha256(convert_to(concat(
                 $2, E'\t', $3, E'\t', $4, E'\n',
                 string_agg(membership.handover_line(waiting::membership.handover_item), '' ORDER BY number)), 'UTF8')), 'hex'),
             count(*), $5
        FROM waiting
      RETURNING *)
    SELECT * INTO made FROM told;
    RETURN made;
END $$;

-- What waits in the office and is not on a list.
CREATE FUNCTION handover_added(handover_id uuid, office_id uuid, list int)
RETURNS TABLE (source text, organisation ltree, of_office boolean, kind text, item_id text, title text, due_at timestamptz, state text)
LANGUAGE sql STABLE AS $$
    SELECT i.source, i.organisation, i.office_id IS NOT NULL, i.kind, i.item_id, i.title, i.due_at, i.state
      FROM membership.office_items(ARRAY[$2]) i
     WHERE NOT EXISTS (SELECT FROM membership.handover_item k
                        WHERE (k.handover_id, k.list, k.source, k.kind, k.item_id) = ($1, $3, i.source, i.kind, i.item_id))
     ORDER BY i.source, i.kind, i.item_id
$$;

-- Who holds an appointment.
CREATE FUNCTION person_of(appointment uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT a.person_id FROM membership.appointment a WHERE a.id = $1
$$;

-- What a person has signed, told with all that is kept about them.
CREATE VIEW personal_export_handovers AS
SELECT a.person_id, 'handovers' AS section,
       jsonb_build_object('id', h.id, 'office_id', h.office_id, 'party', p.party, 'state', h.state, 'signed_at', p.signed_at) AS data
  FROM handover h
 CROSS JOIN LATERAL (VALUES ('outgoing', h.outgoing_id, h.outgoing_signed_at), ('incoming', h.incoming_id, h.incoming_signed_at))
         AS p (party, appointment_id, signed_at)
  JOIN appointment a ON a.id = p.appointment_id;

GRANT SELECT, INSERT, UPDATE (incoming_id, list, outgoing_signed_at, incoming_signed_at, closed_at, closed_by, close_reason,
                              superseded_by, version, updated_at) ON handover TO campus_membership;
GRANT SELECT ON personal_export_handovers TO campus_membership;
GRANT SELECT, INSERT ON handover_list, handover_item TO campus_membership;

INSERT INTO role_permission (role, permission)
SELECT role, unnest(string_to_array(permissions, ' ')) FROM (VALUES
    ('chair', 'membership.handovers.read membership.handovers.write'),
    ('secretary', 'membership.handovers.read membership.handovers.write'),
    ('head', 'membership.handovers.read'),
    ('supervisor', 'membership.handovers.read'),
    ('auditor', 'membership.handovers.read')
) AS given (role, permissions);
