-- admits: 1
-- Reviewing organisations: who supervises whom, the registration of each year, and the rules by which an organisation checks itself.

-- ---- supervision ----

-- Who reviews the organisations of a subtree; the nearest row above an organisation counts.
CREATE TABLE supervision (
    subtree    ltree PRIMARY KEY CONSTRAINT organisation_unknown REFERENCES organisation,
    supervisor ltree NOT NULL CONSTRAINT supervisor_unknown REFERENCES organisation,
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT campus.now(),
    updated_at timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT supervises_itself CHECK (supervisor <> subtree)
);

-- Where no row speaks, the organisation above reviews, and of the topmost ones the committee that leads them. Nobody is reviewed
-- from within.
CREATE FUNCTION supervisor_of(organisation ltree) RETURNS ltree LANGUAGE sql STABLE AS $$
    SELECT supervisor
      FROM (SELECT s.supervisor, 1 AS rank, nlevel(s.subtree) AS depth
              FROM membership.supervision s
             WHERE s.subtree = ANY (ARRAY (SELECT membership.ancestors($1))) AND NOT s.supervisor <@ $1
             UNION ALL
            SELECT subpath($1, 0, -1), 2, 0 WHERE nlevel($1) > 1
             UNION ALL
            SELECT g.led_by, 3, 0 FROM membership.organisation g WHERE g.path = $1 AND g.led_by IS NOT NULL) AS one
     ORDER BY rank, depth DESC
     LIMIT 1
$$;

-- ---- registration: policy ----

-- Which kinds of organisation register each year, when, and with what; a row counts until a later year has one.
CREATE TABLE registration_policy (
    kind         text NOT NULL,
    since_year   int NOT NULL CHECK (since_year BETWEEN 1900 AND 2200),
    registers    boolean NOT NULL,
    opens_month  int NOT NULL CHECK (opens_month BETWEEN 1 AND 12),
    opens_day    int NOT NULL,
    closes_month int NOT NULL CHECK (closes_month BETWEEN 1 AND 12),
    closes_day   int NOT NULL,                         -- the last one of the window
    requires     text[] NOT NULL CHECK (requires <@ '{report,plan}'),
    created_at   timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT registration_policy_known PRIMARY KEY (kind, since_year),
    CONSTRAINT no_such_day CHECK (
        opens_day BETWEEN 1 AND CASE WHEN opens_month = 2 THEN 28 WHEN opens_month IN (4, 6, 9, 11) THEN 30 ELSE 31 END
        AND closes_day BETWEEN 1 AND CASE WHEN closes_month = 2 THEN 28 WHEN closes_month IN (4, 6, 9, 11) THEN 30 ELSE 31 END),
    CONSTRAINT closes_before_it_opens CHECK ((opens_month, opens_day) <= (closes_month, closes_day))
);
INSERT INTO registration_policy (kind, since_year, registers, opens_month, opens_day, closes_month, closes_day, requires)
VALUES ('society', 2000, true, 9, 1, 10, 31, '{report,plan}');

-- What is asked of a kind in a year; no row where nothing is.
CREATE FUNCTION registration_window(kind text, year int) RETURNS TABLE (opens_on date, closes_on date, requires text[])
LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT make_date($2, p.opens_month, p.opens_day), make_date($2, p.closes_month, p.closes_day), p.requires
      FROM (SELECT * FROM membership.registration_policy q
             WHERE q.kind = $1 AND q.since_year <= $2 ORDER BY q.since_year DESC LIMIT 1) AS p
     WHERE p.registers
$$;

-- ---- registration ----

CREATE TABLE registration (
    id           uuid PRIMARY KEY,
    organisation ltree NOT NULL CONSTRAINT organisation_unknown REFERENCES organisation,
    year         int NOT NULL,
    state        text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'submitted', 'approved', 'refused')),
    report       text,
    plan         text,
    supervisor   ltree,                                -- who reviews it, or did
    round        int NOT NULL DEFAULT 0,               -- how often it was submitted
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT campus.now(),
    updated_at   timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT registered_already UNIQUE (year, organisation),
    CONSTRAINT submitted_once CHECK (state = 'draft' OR round > 0)
);
CREATE INDEX registration_organisation ON registration (organisation, year);
CREATE INDEX registration_waiting ON registration (supervisor) WHERE state = 'submitted';

-- What was submitted, with the figures of the day as evidence; and what was decided on it. Only ever added to.
CREATE TABLE registration_submission (
    registration_id  uuid NOT NULL REFERENCES registration,
    round            int NOT NULL CHECK (round > 0),
    report           text,
    plan             text,
    members          int NOT NULL,
    offices          int NOT NULL,
    offices_held     int NOT NULL,
    officers         int NOT NULL,
    figures_on       date NOT NULL,
    late             boolean NOT NULL,                 -- after the window's last day
    submitted_by     text NOT NULL,                    -- the principal
    submitted_person uuid,
    submitted_at     timestamptz NOT NULL DEFAULT campus.now(),
    PRIMARY KEY (registration_id, round)
);
CREATE TABLE registration_decision (
    registration_id uuid NOT NULL,
    round           int NOT NULL,
    decision        text NOT NULL CHECK (decision IN ('approved', 'returned', 'refused')),
    comment         text,
    supervisor      ltree NOT NULL,                    -- on whose behalf
    decided_by      text NOT NULL,                     -- the principal
    decided_person  uuid,
    decided_at      timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT decided_already PRIMARY KEY (registration_id, round),
    FOREIGN KEY (registration_id, round) REFERENCES registration_submission,
    CONSTRAINT comment_missing CHECK (decision = 'approved' OR comment IS NOT NULL)
);

-- An organisation on a day: its members, its offices, how many of these are held, and by how many people.
CREATE FUNCTION organisation_figures(organisation ltree, day date)
RETURNS TABLE (members int, offices int, offices_held int, officers int) LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT (SELECT count(DISTINCT m.person_id)::int
              FROM membership.membership m
             WHERE m.organisation = $1 AND m.kind <> 'honorary' AND m.since <= $2 AND (m.until IS NULL OR m.until > $2)),
           count(DISTINCT o.id)::int, count(DISTINCT a.office_id)::int, count(DISTINCT a.person_id)::int
      FROM membership.office o
      LEFT JOIN membership.appointment a ON a.office_id = o.id AND a.since <= $2 AND (a.until IS NULL OR a.until > $2)
     WHERE o.organisation = $1 AND o.established_on <= $2 AND (o.abolished_on IS NULL OR o.abolished_on > $2)
$$;

-- Whether a caller is too near to a registration to decide on it: holds an office in the organisation or under it, has submitted it,
-- or is a key of an office there.
CREATE FUNCTION registration_conflict(registration registration, caller_id uuid, caller_person uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM membership.appointment a
                    WHERE a.person_id = caller_person AND a.organisation <@ registration.organisation
                      AND a.since <= campus.today() AND (a.until IS NULL OR a.until > campus.today()))
        OR EXISTS (SELECT FROM membership.registration_submission s
                    WHERE s.registration_id = registration.id AND s.round = registration.round
                      AND (s.submitted_person = caller_person OR s.submitted_by = caller_id::text))
        OR EXISTS (SELECT FROM membership.api_key k JOIN membership.office o ON o.id = k.office_id
                    WHERE k.id = caller_id AND o.organisation <@ registration.organisation)
$$;

-- Which living organisations are to register in a year, until when, and how far they are.
CREATE FUNCTION registration_duties(year int)
RETURNS TABLE (organisation ltree, title text, opens_on date, closes_on date, registration_id uuid, state text)
LANGUAGE sql STABLE AS $$
    SELECT o.path, o.title, w.opens_on, w.closes_on, r.id, coalesce(r.state, 'missing')
      FROM membership.organisation o
     CROSS JOIN LATERAL membership.registration_window(o.kind, $1) AS w
      LEFT JOIN membership.registration r ON r.organisation = o.path AND r.year = $1
     WHERE (o.dissolved_on IS NULL OR o.dissolved_on > (SELECT campus.today()))
       AND (o.founded_on IS NULL OR o.founded_on <= w.opens_on)
$$;

-- A change of supervision is a change for all that has not been decided yet.
CREATE FUNCTION supervision_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE membership.registration r
       SET supervisor = membership.supervisor_of(r.organisation)
     WHERE r.state IN ('draft', 'submitted') AND r.supervisor IS DISTINCT FROM membership.supervisor_of(r.organisation);
    RETURN NULL;
END $$;
CREATE TRIGGER supervision_changed AFTER INSERT OR UPDATE OR DELETE ON supervision
    FOR EACH STATEMENT EXECUTE FUNCTION supervision_changed();

-- What waits: with the organisation, what it has still to submit; with its supervisor, what was submitted.
CREATE VIEW office_items_registrations AS
SELECT d.organisation, NULL::uuid AS office_id, 'registration' AS kind,
       coalesce(d.registration_id::text, d.organisation::text || '/' || extract(year FROM d.opens_on)) AS item_id,
       d.title || ' ' || extract(year FROM d.opens_on) AS title, midnight(d.closes_on + 1) AS due_at, d.state
  FROM registration_duties(extract(year FROM (SELECT campus.today()))::int) AS d
 WHERE d.state IN ('missing', 'draft') AND d.opens_on <= (SELECT campus.today())
 UNION ALL
SELECT r.supervisor, NULL, 'review', r.id::text, o.title || ' ' || r.year, NULL, r.state
  FROM registration r JOIN organisation o ON o.path = r.organisation
 WHERE r.state = 'submitted';

GRANT SELECT, INSERT, UPDATE, DELETE ON supervision TO campus_membership;
GRANT SELECT, INSERT, UPDATE ON registration TO campus_membership;
GRANT SELECT, INSERT ON registration_policy, registration_submission, registration_decision TO campus_membership;
GRANT SELECT ON office_items_registrations TO campus_membership;

INSERT INTO role_permission (role, permission)
SELECT role, 'membership.' || unnest(string_to_array(permissions, ' ')) FROM (VALUES
    ('chair', 'registrations.read registrations.write reviews.read'),
    ('secretary', 'registrations.read registrations.write reviews.read'),
    ('head', 'registrations.read reviews.read'),
    ('supervisor', 'registrations.read reviews.read reviews.write'),
    ('auditor', 'registrations.read reviews.read')
) AS given (role, permissions);
