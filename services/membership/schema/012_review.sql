-- admits: 1
-- Reviewing organisations: who supervises whom, the registration of each year, the rules by which an organisation checks itself.

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

-- Where all organisations lie that somebody may supervise who acts in these subtrees; supervisor_of() then says which it is.
CREATE FUNCTION supervised_from(scopes ltree[]) RETURNS ltree[] LANGUAGE sql STABLE AS $$
    SELECT scopes || ARRAY (SELECT s.subtree FROM membership.supervision s WHERE s.supervisor <@ ANY (scopes))
                  || ARRAY (SELECT g.path FROM membership.organisation g WHERE g.led_by <@ ANY (scopes))
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
CREATE INDEX registration_subtree ON registration USING gist (organisation);
CREATE INDEX registration_supervisor ON registration USING gist (supervisor);
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

-- Which living organisations are to register in a year, until when, and how far they are: what is asked of a kind is looked up once.
-- The year is no sub-select, so that this becomes part of the query.
CREATE FUNCTION registration_duties(year int)
RETURNS TABLE (organisation ltree, title text, opens_on date, closes_on date, registration_id uuid, state text)
LANGUAGE sql STABLE AS $$
    SELECT o.path, o.title, w.opens_on, w.closes_on, r.id, coalesce(r.state, 'missing')
      FROM (SELECT DISTINCT p.kind FROM membership.registration_policy p) AS k
     CROSS JOIN LATERAL membership.registration_window(k.kind, $1) AS w
      JOIN membership.organisation o ON o.kind = k.kind
      LEFT JOIN membership.registration r ON r.organisation = o.path AND r.year = $1
     WHERE (o.dissolved_on IS NULL OR o.dissolved_on > (SELECT campus.today()))
       AND (o.founded_on IS NULL OR o.founded_on < w.opens_on)
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
CREATE TRIGGER supervision_changed AFTER UPDATE ON organisation
    FOR EACH ROW WHEN (NEW.led_by IS DISTINCT FROM OLD.led_by) EXECUTE FUNCTION supervision_changed();

-- What waits: with the organisation, what it has still to submit; with its supervisor, what was submitted.
CREATE VIEW office_items_registrations AS
SELECT d.organisation, NULL::uuid AS office_id, 'registration' AS kind,
       coalesce(d.registration_id::text, d.organisation::text || '/' || extract(year FROM d.opens_on)) AS item_id,
       d.title || ' ' || extract(year FROM d.opens_on) AS title, midnight(d.closes_on + 1) AS due_at, d.state
  FROM registration_duties(extract(year FROM campus.today())::int) AS d
 WHERE d.state IN ('missing', 'draft') AND d.opens_on <= (SELECT campus.today())
 UNION ALL
SELECT r.supervisor, NULL, 'review', r.id::text, o.title || ' ' || r.year, NULL, r.state
  FROM registration r JOIN organisation o ON o.path = r.organisation
 WHERE r.state = 'submitted';

-- ---- self-check: the rules ----

-- What an organisation is held against, by version; the one that came into force last counts on a day. The numbers are policy: they
-- come from documents that are named with them, and change by a new pack.
CREATE TABLE rule_pack (
    version        text CONSTRAINT rule_pack_known PRIMARY KEY,
    in_force_since date NOT NULL CONSTRAINT in_force_already UNIQUE,
    title          text NOT NULL,
    large_campus   boolean NOT NULL,                   -- so large_limit counts, where there is one
    created_at     timestamptz NOT NULL DEFAULT campus.now()
);
CREATE TABLE rule (
    pack        text NOT NULL REFERENCES rule_pack,
    code        text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('staff', 'presidium', 'departments', 'titles', 'freshmen', 'inactive',
                                              'members', 'leader',
                                              'incompatible', 'overdue', 'attested')), -- what is counted: rule_hits()
    applies_to  text[] NOT NULL,                       -- kinds of organisation
    at_least    boolean NOT NULL DEFAULT false,        -- so many at least; else at most
    "limit"     int NOT NULL CHECK ("limit" >= 0),   -- of the count; of an attested rule: of each person's value
    large_limit int CHECK (large_limit >= 0),
    params      jsonb NOT NULL DEFAULT '{}',
    text_zh     text NOT NULL,                         -- {limit} stands for the limit
    text_en     text NOT NULL,
    source      text NOT NULL,                         -- the document's address
    PRIMARY KEY (pack, code)
);
INSERT INTO rule_pack (version, in_force_since, title, large_campus) VALUES ('2020', '2020-01-01', '学生组织改革与社团管理自查', false);
INSERT INTO rule (pack, code, kind, applies_to, at_least, "limit", large_limit, params, text_zh, text_en, source)
SELECT '2020', code, kind, applies_to::text[], at_least, most, large, params::jsonb, zh, en,
       CASE WHEN applies_to LIKE '%society%' THEN 'https://tctc.edu.cn/tw/2023/0417/c52a26607'
            ELSE 'https://youth.zyufl.edu.cn/2020/1112/c792a36886' END
  FROM (VALUES
    ('staff_at_most', 'staff', '{union,federation}', false, 40, 60, '{}',
     '工作人员不超过 {limit} 人。', 'At most {limit} people on the staff.'),
    ('presidium_at_most', 'presidium', '{union,federation}', false, 5, NULL, '{}',
     '主席团成员不超过 {limit} 人。', 'At most {limit} members of the presidium.'),
    ('departments_at_most', 'departments', '{union,federation}', false, 6, NULL, '{}',
     '工作部门不超过 {limit} 个。', 'At most {limit} departments.'),
    ('titles_allowed', 'titles', '{union,federation}', false, 0, NULL,
     '{"kinds": ["chair", "vice_chair", "head", "deputy_head", "officer"]}',
     '除主席团、部门正副负责人、干事外不设其他职务。', 'No titles but chair, vice chair, head, deputy head and officer.'),
    ('no_freshmen', 'freshmen', '{union,federation}', false, 0, NULL, '{"year_begins_month": 9}',
     '工作人员应为非一年级本科生。', 'Officers are no first-year students.'),
    ('officers_enrolled', 'inactive', '{committee,union,federation,association,society,college_branch,department}', false, 0, NULL,
     '{}',
     '任职者均为在校学生。', 'All who hold an office are active students.'),
    ('members_at_least', 'members', '{society}', true, 20, NULL, '{}',
     '社团成员一般不少于 {limit} 人。', 'A society has at least {limit} members.'),
    ('leader_in_office', 'leader', '{union,federation,association,society,college_branch}', false, 0, NULL, '{"kinds": ["chair"]}',
     '负责人不空缺。', 'The chair is not vacant.'),
    ('department_has_head', 'leader', '{department}', false, 0, NULL, '{"kinds": ["head"]}',
     '部门负责人不空缺。', 'The head of the department is not vacant.'),
    ('offices_compatible', 'incompatible', '{committee,union,federation,association,society,college_branch,department}', false, 0, NULL,
     '{}',
     '不相容职务不由一人兼任。', 'Incompatible offices are not in one hand.'),
    ('terms_not_overdue', 'overdue', '{committee,union,federation,association,society,college_branch,department}', false, 0, NULL,
     '{}',
     '按期换届，无任期届满仍留任者。', 'Nobody stays in office after the end of the term.'),
    ('academic_rank', 'attested', '{union,federation}', false, 30, NULL, '{}',
     '学习成绩综合排名在本专业前 {limit}% 以内。', 'Officers rank in the top {limit} % of their major.'),
    ('no_failed_course', 'attested', '{union,federation}', false, 0, NULL, '{}',
     '无课业不及格情况。', 'Officers have no failed course.'),
    ('party_or_league_member', 'attested', '{union,federation}', true, 1, NULL, '{}',
     '工作人员为共产党员或共青团员。', 'Officers are members of the party or the league.')
  ) AS r (code, kind, applies_to, at_least, most, large, params, zh, en);

CREATE FUNCTION rule_limit(r rule, pack rule_pack) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN pack.large_campus THEN coalesce(r.large_limit, r."limit") ELSE r."limit" END
$$;

-- What somebody vouches for who has seen the papers, since no record here knows it: of an "attested" rule. The last one counts.
CREATE TABLE attestation (
    id             uuid PRIMARY KEY,
    person_id      uuid NOT NULL CONSTRAINT person_unknown REFERENCES person,
    rule           text NOT NULL,
    attested_value int NOT NULL,
    since          date NOT NULL DEFAULT campus.today(),
    valid_until    date NOT NULL,                      -- the first day on which it says nothing any more
    attested_by    text NOT NULL,                      -- the principal
    created_at     timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT attestation_over CHECK (valid_until > since)
);
CREATE INDEX attestation_person ON attestation (person_id, rule, id);

-- Told to the person with all that is kept about them, and forgotten with it.
CREATE VIEW personal_export_reviews AS
SELECT person_id, 'attestations' AS section,
       jsonb_build_object('rule', rule, 'attested_value', attested_value, 'since', since, 'valid_until', valid_until,
                          'attested_by', attested_by) AS data
  FROM attestation;

CREATE FUNCTION erase_attestations(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.attestation WHERE person_id = person);
BEGIN
    DELETE FROM membership.attestation WHERE person_id = person AND NOT dry;
    RETURN found_rows;
END $$;

-- Why an organisation departs from a rule. The last one counts.
CREATE TABLE justification (
    id           uuid PRIMARY KEY,
    organisation ltree NOT NULL CONSTRAINT organisation_unknown REFERENCES organisation,
    rule         text NOT NULL,
    reason       text NOT NULL,
    since        date NOT NULL DEFAULT campus.today(),
    valid_until  date CONSTRAINT justification_over CHECK (valid_until >= since),
    recorded_by  text NOT NULL,                        -- the principal
    created_at   timestamptz NOT NULL DEFAULT campus.now()
);
CREATE INDEX justification_organisation ON justification (organisation, rule, id);

-- ---- self-check: the count ----

-- Somebody in an office, as it is or as it is planned to be (without an appointment).
CREATE TYPE seating AS (
    appointment_id uuid, office_id uuid, organisation ltree, kind text, person_id uuid, acting boolean, term_until date);

-- An organisation and its departments, theirs too, on a day. What else stands under it checks itself.
CREATE FUNCTION own_parts(path ltree, day date) RETURNS ltree[] LANGUAGE sql STABLE AS $$
    WITH RECURSIVE part AS (
      SELECT $1 AS path
       UNION ALL
      SELECT o.path FROM part p JOIN membership.organisation o ON o.parent = p.path
       WHERE o.kind = 'department' AND (o.founded_on IS NULL OR o.founded_on <= day)
         AND (o.dissolved_on IS NULL OR o.dissolved_on > day))
    SELECT array_agg(p.path) FROM part p
$$;

-- The seats of an exclusive office that can be given from a day on, and who is succeeded in each, if `ends` had ended then; the vacant
-- ones first, as free_seat() gives them.
CREATE FUNCTION seats_open(office office, day date, ends uuid[]) RETURNS TABLE (nth bigint, carried uuid) LANGUAGE sql STABLE AS $$
    SELECT row_number() OVER (ORDER BY c.id IS NOT NULL, s), c.id
      FROM generate_series(1, office.seats) AS s
      LEFT JOIN LATERAL (
           SELECT a.id FROM membership.appointment a
            WHERE a.office_id = office.id AND a.seat = s AND NOT a.acting AND a.since <= day AND a.until IS NULL
              AND a.id <> ALL (ends)) AS c ON true
     WHERE NOT EXISTS (
           SELECT FROM membership.appointment a
            WHERE a.office_id = office.id AND a.seat = s AND NOT a.acting AND a.id <> ALL (ends)
              AND daterange(a.since, a.until) && daterange(day, NULL) AND (a.until IS NULL AND a.term_until <= day) IS NOT TRUE)
$$;

-- Who sits where in some organisations on a day, if `ends` had ended and people[i] had been appointed to offices[i].
CREATE FUNCTION seatings(parts ltree[], day date, offices uuid[], people uuid[], ends uuid[]) RETURNS seating[]
LANGUAGE sql STABLE AS $$
    WITH planned AS (
      SELECT o AS office, p.person_id, row_number() OVER (PARTITION BY o.id ORDER BY p.n) AS nth
        FROM unnest($3, $4) WITH ORDINALITY AS p (office_id, person_id, n)
        JOIN membership.office o ON o.id = p.office_id AND o.organisation = ANY ($1)
        JOIN membership.person q ON q.id = p.person_id),
    succeeded AS (
      SELECT s.carried AS id
        FROM planned p CROSS JOIN LATERAL membership.seats_open(p.office, $2, $5) AS s
       WHERE (p.office).exclusive AND s.nth = p.nth AND s.carried IS NOT NULL)
    SELECT coalesce(array_agg(s::membership.seating), '{}')
      FROM (SELECT a.id, a.office_id, a.organisation, o.kind, a.person_id, a.acting, a.term_until
              FROM membership.appointment a JOIN membership.office o ON o.id = a.office_id
             WHERE a.organisation = ANY ($1) AND a.since <= $2 AND (a.until IS NULL OR a.until > $2)
               AND a.id <> ALL ($5) AND a.id NOT IN (SELECT id FROM succeeded)
             UNION ALL
            SELECT NULL, (office).id, (office).organisation, (office).kind, person_id, false, NULL FROM planned) AS s
$$;

-- Of which incompatible offices, in any organisation, people have both on a day.
CREATE FUNCTION incompatible_seats(sitting seating[], day date, ends uuid[]) RETURNS TABLE (person_id uuid, office_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT s.person_id, x.office_id
      FROM unnest(sitting) AS s
     CROSS JOIN LATERAL (
           SELECT a.office_id, o.organisation, o.kind
             FROM membership.appointment a JOIN membership.office o ON o.id = a.office_id
            WHERE a.person_id = s.person_id AND a.since <= day AND (a.until IS NULL OR a.until > day) AND a.id <> ALL (ends)
            UNION
           SELECT t.office_id, t.organisation, t.kind FROM unnest(sitting) AS t WHERE t.person_id = s.person_id) AS other
      JOIN membership.incompatibility i
        ON (i.kind, i.other_kind) = (least(s.kind, other.kind), greatest(s.kind, other.kind))
       AND membership.reaches(i.reach, s.organisation, other.organisation)
     CROSS JOIN LATERAL (VALUES (s.office_id), (other.office_id)) AS x (office_id)
     WHERE other.office_id <> s.office_id
$$;

-- What a rule counts, one row each; those of which it is not known whether they count have `known` false. Advisers are teachers.
CREATE FUNCTION rule_hits(r rule, path ltree, day date, parts ltree[], sitting seating[], ends uuid[])
RETURNS TABLE (item text, office_id uuid, person_id uuid, organisation text, known boolean) LANGUAGE sql STABLE AS $$
    WITH student AS (
      SELECT s.*, p.grade, p.status FROM unnest(sitting) s JOIN membership.person p ON p.id = s.person_id WHERE s.kind <> 'adviser')
    SELECT s.person_id::text, s.office_id, s.person_id, NULL, true FROM student s WHERE r.kind = 'staff'
     UNION ALL
    SELECT m.person_id::text, NULL, m.person_id, NULL, true
      FROM membership.membership m
     WHERE r.kind = 'staff' AND m.organisation = ANY (parts) AND m.organisation <> path AND m.kind <> 'honorary'
       AND m.since <= day AND (m.until IS NULL OR m.until > day)
     UNION ALL
    SELECT s.person_id::text, s.office_id, s.person_id, NULL, true FROM student s
     WHERE r.kind = 'presidium' AND s.organisation = path AND s.kind IN ('chair', 'vice_chair')
     UNION ALL
    SELECT d::text, NULL, NULL, d::text, true FROM unnest(parts) AS d WHERE r.kind = 'departments' AND nlevel(d) = nlevel(path) + 1
     UNION ALL
    SELECT o.id::text, o.id, NULL, NULL, true FROM membership.office o
     WHERE r.kind = 'titles' AND o.organisation = ANY (parts) AND NOT r.params->'kinds' ? o.kind
       AND o.established_on <= day AND (o.abolished_on IS NULL OR o.abolished_on > day)
     UNION ALL
    SELECT s.person_id::text, NULL, s.person_id, NULL, s.grade IS NOT NULL FROM student s
     WHERE r.kind = 'freshmen'
       AND (s.grade IS NULL OR s.grade >= extract(year FROM day - make_interval(months => (r.params->>'year_begins_month')::int - 1)))
     UNION ALL
    SELECT s.person_id::text, s.office_id, s.person_id, NULL, true FROM student s WHERE r.kind = 'inactive' AND s.status <> 'active'
     UNION ALL
    SELECT m.person_id::text, NULL, m.person_id, NULL, true
      FROM membership.membership m
     WHERE r.kind = 'members' AND m.organisation = path AND m.kind <> 'honorary'
       AND m.since <= day AND (m.until IS NULL OR m.until > day)
     UNION ALL
    SELECT coalesce(o.id::text, ''), o.id, NULL, path::text, true
      FROM (SELECT) AS one
      LEFT JOIN membership.office o
        ON o.organisation = path AND r.params->'kinds' ? o.kind
       AND o.established_on <= day AND (o.abolished_on IS NULL OR o.abolished_on > day)
     WHERE r.kind = 'leader' AND NOT EXISTS (SELECT FROM unnest(sitting) s WHERE s.office_id = o.id)
     UNION ALL
    SELECT i.person_id::text, i.office_id, i.person_id, NULL, true
      FROM membership.incompatible_seats(sitting, day, ends) AS i WHERE r.kind = 'incompatible'
     UNION ALL
    SELECT s.office_id || ' ' || s.person_id, s.office_id, s.person_id, NULL, true FROM unnest(sitting) s
     WHERE r.kind = 'overdue' AND NOT s.acting AND s.term_until <= day
     UNION ALL
    SELECT s.person_id::text, NULL, s.person_id, NULL, t.value IS NOT NULL
      FROM student s
      LEFT JOIN LATERAL (SELECT a.attested_value AS value, a.valid_until FROM membership.attestation a
                          WHERE a.person_id = s.person_id AND a.rule = r.code AND a.since <= day
                          ORDER BY a.id DESC LIMIT 1) AS last ON true
     CROSS JOIN LATERAL (SELECT CASE WHEN last.valid_until > day THEN last.value END AS value) AS t
     WHERE r.kind = 'attested'
       AND (t.value IS NULL OR CASE WHEN r.at_least THEN t.value < r."limit" ELSE t.value > r."limit" END)
$$;

-- All rules of the pack in force, in the order of their codes, held against an organisation as it is on a day, or as it would be. Of
-- what was counted the first 50 of each sort are named.
CREATE FUNCTION self_check(path ltree, day date, offices uuid[], people uuid[], ends uuid[])
RETURNS TABLE (rule_pack text, exceeded int, unknown int, findings jsonb) LANGUAGE sql STABLE AS $$
    WITH pack AS (SELECT p.version, p AS it FROM membership.rule_pack p WHERE p.in_force_since <= $2 ORDER BY p.in_force_since DESC LIMIT 1),
    place AS MATERIALIZED (
      SELECT o.kind, p.parts, membership.seatings(p.parts, $2, $3, $4, $5) AS seats
        FROM membership.organisation o CROSS JOIN LATERAL (SELECT membership.own_parts(o.path, $2) AS parts) AS p
       WHERE o.path = $1),
    counted AS (
      SELECT r.*, membership.rule_limit(r, pack.it) AS bound,
             place.kind = ANY (r.applies_to) AS applies, h.*
        FROM pack JOIN membership.rule r ON r.pack = pack.version CROSS JOIN place
       CROSS JOIN LATERAL (
             SELECT (count(DISTINCT h.item) FILTER (WHERE h.known))::int AS found,
                    (count(DISTINCT h.item) FILTER (WHERE NOT h.known))::int AS unknown,
                    (array_agg(DISTINCT h.office_id) FILTER (WHERE h.known AND h.office_id IS NOT NULL))[1:50] AS offices,
                    (array_agg(DISTINCT h.person_id) FILTER (WHERE h.known AND h.person_id IS NOT NULL))[1:50] AS people,
                    (array_agg(DISTINCT h.organisation) FILTER (WHERE h.known AND h.organisation IS NOT NULL))[1:50] AS organisations,
                    (array_agg(DISTINCT h.person_id) FILTER (WHERE NOT h.known))[1:50] AS unknown_people
               FROM membership.rule_hits(r, $1, $2, place.parts, place.seats, $5) AS h
              WHERE place.kind = ANY (r.applies_to)) AS h),
    judged AS (
      SELECT c.*, CASE WHEN NOT c.applies THEN 'not_applicable'
                       WHEN CASE WHEN c.kind = 'attested' THEN c.found > 0
                                 WHEN c.at_least THEN c.found < c.bound ELSE c.found > c.bound END THEN 'exceeded'
                       WHEN c.unknown > 0 THEN 'unknown'
                       ELSE 'ok' END AS outcome
        FROM counted c)
    SELECT (SELECT version FROM pack), (count(*) FILTER (WHERE outcome = 'exceeded'))::int,
           (count(*) FILTER (WHERE outcome = 'unknown'))::int,
           coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'rule', j.code, 'outcome', j.outcome, 'source', j.source,
               'text', replace(j.text_zh, '{limit}', j.bound::text), 'text_en', replace(j.text_en, '{limit}', j.bound::text),
               'rule_pack', j.pack, 'at_least', j.at_least, 'limit', CASE WHEN j.applies THEN j.bound END,
               'found', CASE WHEN j.applies THEN j.found END, 'unknown', CASE WHEN j.applies THEN j.unknown END,
               'office_ids', j.offices, 'person_ids', j.people, 'organisations', j.organisations,
               'unknown_person_ids', j.unknown_people, 'justification', why.it)) ORDER BY j.code), '[]')
      FROM judged j
      LEFT JOIN LATERAL (
           SELECT jsonb_build_object('id', w.id, 'organisation', w.organisation::text, 'rule', w.rule, 'reason', w.reason,
                                     'since', w.since, 'valid_until', w.valid_until, 'recorded_by', w.recorded_by,
                                     'created_at', w.created_at) AS it
             FROM (SELECT * FROM membership.justification k
                    WHERE k.organisation = $1 AND k.rule = j.code AND k.since <= $2 ORDER BY k.id DESC LIMIT 1) AS w
            WHERE w.valid_until IS NULL OR w.valid_until > $2) AS why ON true
$$;

-- ---- what if ----

-- Which of the planned appointments would be refused, as CreateAppointment would, and which of the ends there are not.
CREATE FUNCTION plan_objections(path ltree, day date, offices uuid[], people uuid[], ends uuid[], caller uuid)
RETURNS TABLE (office_id uuid, person_id uuid, appointment_id uuid, code text, about text) LANGUAGE sql STABLE AS $$
    WITH planned AS (
      SELECT p.n, p.office_id, p.person_id, o, o.organisation <@ $1 AS inside, q.status,
             row_number() OVER (PARTITION BY p.office_id ORDER BY p.n) AS nth,
             row_number() OVER (PARTITION BY p.office_id, p.person_id ORDER BY p.n) AS times
        FROM unnest($3, $4) WITH ORDINALITY AS p (office_id, person_id, n)
        LEFT JOIN membership.office o ON o.id = p.office_id
        LEFT JOIN membership.person q ON q.id = p.person_id),
    judged AS (
      SELECT p.*, c.about, CASE
          WHEN p.inside IS NOT TRUE THEN 'office_unknown'
          WHEN p.status IS NULL THEN 'person_unknown'
          WHEN p.status IN ('graduated', 'left') THEN 'person_not_enrolled'
          WHEN p.person_id = $6 THEN 'own_appointment'
          WHEN EXISTS (SELECT FROM membership.organisation g
                        WHERE g.path = (p.o).organisation
                          AND ($2 < (p.o).established_on OR (p.o).abolished_on IS NOT NULL OR g.dissolved_on IS NOT NULL))
          THEN 'outside_office_life'
          WHEN p.times > 1 OR EXISTS (SELECT FROM membership.appointment a
                                       WHERE a.office_id = p.office_id AND a.person_id = p.person_id AND a.id <> ALL ($5)
                                         AND daterange(a.since, a.until) && daterange($2, NULL)
                                         AND ((p.o).exclusive AND NOT a.acting AND a.until IS NULL AND a.term_until <= $2) IS NOT TRUE)
          THEN 'appointed_already'
          WHEN (p.o).exclusive AND p.nth > (SELECT count(*) FROM membership.seats_open(p.o, $2, $5)) THEN 'seat_taken'
          WHEN c.about IS NOT NULL THEN 'incompatible_offices' END AS code
        FROM planned p
        LEFT JOIN LATERAL (
             SELECT string_agg(DISTINCT format('%s — %s (%s)', (p.o).title, theirs.title, i.reason), ', ') AS about
               FROM (SELECT a.office_id FROM membership.appointment a
                      WHERE a.person_id = p.person_id AND a.id <> ALL ($5) AND daterange(a.since, a.until) && daterange($2, NULL)
                      UNION
                     SELECT q.office_id FROM planned q WHERE q.person_id = p.person_id) AS held
               JOIN membership.office theirs ON theirs.id = held.office_id AND theirs.id <> p.office_id
               JOIN membership.incompatibility i
                 ON (i.kind, i.other_kind) = (least((p.o).kind, theirs.kind), greatest((p.o).kind, theirs.kind))
                AND membership.reaches(i.reach, (p.o).organisation, theirs.organisation)) AS c ON true)
    SELECT j.office_id, j.person_id, NULL, j.code, CASE j.code WHEN 'incompatible_offices' THEN j.about END
      FROM judged j
     WHERE j.code IS NOT NULL
     UNION ALL
    SELECT NULL, NULL, e.id, 'appointment_unknown', NULL
      FROM unnest($5) AS e (id)
     WHERE NOT EXISTS (SELECT FROM membership.appointment a
                        WHERE a.id = e.id AND a.organisation <@ $1 AND a.since <= $2 AND (a.until IS NULL OR a.until > $2))
$$;

GRANT SELECT, INSERT, UPDATE (supervisor, version, updated_at), DELETE ON supervision TO campus_membership;
GRANT SELECT, INSERT, UPDATE (state, round, report, plan, supervisor, version, updated_at) ON registration TO campus_membership;
GRANT SELECT, INSERT ON registration_policy, registration_submission, registration_decision TO campus_membership;
GRANT SELECT, INSERT ON rule_pack, rule, attestation, justification TO campus_membership;
GRANT SELECT ON office_items_registrations, personal_export_reviews TO campus_membership;

INSERT INTO role_permission (role, permission)
SELECT role, 'membership.' || unnest(string_to_array(permissions, ' ')) FROM (VALUES
    ('chair', 'registrations.read registrations.write reviews.read'),
    ('secretary', 'registrations.read registrations.write reviews.read'),
    ('head', 'registrations.read reviews.read'),
    ('supervisor', 'registrations.read reviews.read reviews.write'),
    ('auditor', 'registrations.read reviews.read')
) AS given (role, permissions);
