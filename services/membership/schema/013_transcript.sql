-- admits: 1
-- The transcript of the second classroom: an append-only ledger of what people have earned, the policy by which it counts, objections
-- to it, and the certificates that tell it to others.

-- ---- the policy ----

-- What counts, and how far. A version in force stays as it is: the next one follows it.
CREATE TABLE credit_policy (
    version           int PRIMARY KEY,
    in_force_from     date NOT NULL CONSTRAINT policy_date_taken UNIQUE,
    minimum_credits   int CHECK (minimum_credits > 0),  -- hundredths: what a student needs in all; NULL: nothing is asked
    objection_days    int NOT NULL CHECK (objection_days BETWEEN 0 AND 365),
    created_at        timestamptz NOT NULL DEFAULT campus.now()
);

CREATE TABLE credit_module (
    version          int NOT NULL REFERENCES credit_policy,
    module           text NOT NULL CHECK (module ~ '^[a-z][a-z_]{0,39}$'),
    title            text NOT NULL,
    title_en         text,
    term_cap         int CHECK (term_cap >= 0),         -- hundredths; NULL: no limit
    year_cap         int CHECK (year_cap >= 0),
    PRIMARY KEY (version, module)
);

INSERT INTO credit_policy (version, in_force_from, minimum_credits, objection_days) VALUES (1, '2000-01-01', 800, 15);
INSERT INTO credit_module (version, module, title, title_en, term_cap, year_cap) VALUES
    (1, 'ideals',      '思想成长', 'Ideals',                200, 300),
    (1, 'practice',    '实践实习', 'Practice',              300, 400),
    (1, 'volunteering', '志愿公益', 'Volunteering',         300, 500),
    (1, 'innovation',  '创新创业', 'Innovation',           NULL, NULL),
    (1, 'culture',     '文体活动', 'Culture and sports',    200, 300),
    (1, 'office',      '工作履历', 'Offices',               200, 300),
    (1, 'skills',      '技能特长', 'Skills',                200, 300);

-- The version in force on a day.
CREATE FUNCTION credit_policy_on(day date) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version FROM membership.credit_policy WHERE in_force_from <= day ORDER BY in_force_from DESC LIMIT 1
$$;

-- The term in which a day lies: "2026-2027-1" from August to January, "2026-2027-2" from February to July. Its first nine characters
-- are the academic year.
CREATE FUNCTION credit_term(day date) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT concat(year, '-', year + 1, CASE WHEN extract(month FROM day) BETWEEN 2 AND 7 THEN '-2' ELSE '-1' END)
      FROM (SELECT extract(year FROM day)::int - (extract(month FROM day) < 8)::int AS year) AS begun
$$;

-- ---- the ledger ----

CREATE TABLE credit_line (
    id             uuid PRIMARY KEY,
    person_id      uuid NOT NULL CONSTRAINT person_unknown REFERENCES person,
    source         text NOT NULL,                       -- the service that says so
    source_key     text,                                -- the award's own name there; NULL of a reversal
    kind           text NOT NULL CHECK (kind IN ('event', 'volunteering', 'office', 'contest', 'training', 'other')),
    module         text NOT NULL,
    subject        text,                                -- what gave it: an id or a path
    credits        int NOT NULL,                        -- hundredths
    minutes        int NOT NULL,
    policy_version int NOT NULL,
    evidence       text,
    earned_on      date NOT NULL,
    term           text NOT NULL GENERATED ALWAYS AS (credit_term(earned_on)) STORED,
    reversal_of    uuid CONSTRAINT already_reversed UNIQUE REFERENCES credit_line,
    recorded_by    text NOT NULL,                       -- the principal
    recorded_at    timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT module_unknown FOREIGN KEY (policy_version, module) REFERENCES credit_module,
    CONSTRAINT award_applied_once UNIQUE (source, source_key),
    CONSTRAINT reversal_has_no_key CHECK ((source_key IS NULL) = (reversal_of IS NOT NULL)),
    CONSTRAINT nothing_earned CHECK (credits <> 0 OR minutes <> 0),
    CONSTRAINT earned_is_positive CHECK (reversal_of IS NOT NULL OR (credits >= 0 AND minutes >= 0)),
    -- As RecordCredit has it: what a person has in all stays a number.
    CONSTRAINT earned_too_much CHECK (credits BETWEEN -100000 AND 100000 AND minutes BETWEEN -1000000 AND 1000000)
);
CREATE INDEX credit_line_person ON credit_line (person_id, id);

-- A correction is a new line that takes exactly the other back: of the same person, day and module.
CREATE FUNCTION credit_line_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM membership.credit_line l
          WHERE l.id = NEW.reversal_of
            AND (l.person_id, l.module, l.kind, l.earned_on, l.policy_version, l.credits, l.minutes)
              = (NEW.person_id, NEW.module, NEW.kind, NEW.earned_on, NEW.policy_version, -NEW.credits, -NEW.minutes);
        IF NEW.reversal_of IS NOT NULL AND NOT FOUND THEN
            RAISE EXCEPTION 'a reversal takes exactly one line back';
        END IF;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only';
END $$;
CREATE TRIGGER credit_line_rules BEFORE INSERT OR UPDATE OR DELETE ON credit_line
    FOR EACH ROW EXECUTE FUNCTION credit_line_rules();
CREATE TRIGGER credit_line_kept BEFORE TRUNCATE ON credit_line
    FOR EACH STATEMENT EXECUTE FUNCTION credit_line_rules();

-- Takes a line back; its id. NULL where it is taken back already, or there is none.
CREATE FUNCTION credit_reverse(id uuid, line uuid, source text, evidence text, by text) RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO membership.credit_line (id, person_id, source, kind, module, subject, credits, minutes, policy_version,
                                        evidence, earned_on, reversal_of, recorded_by)
    SELECT $1, l.person_id, $3, l.kind, l.module, l.subject, -l.credits, -l.minutes, l.policy_version, $4, l.earned_on, l.id, $5
      FROM membership.credit_line l
     WHERE l.id = $2
    ON CONFLICT (reversal_of) DO NOTHING
    RETURNING credit_line.id
$$;

-- What a person has earned by term and module, and what of it counts: the caps are those of the policy in force when it was earned.
CREATE FUNCTION credit_totals(person uuid)
RETURNS TABLE (term text, module text, credits int, counted int, minutes int, policy_version int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH earned AS (
        SELECT l.term, l.module, sum(l.credits)::int AS credits, sum(l.minutes)::int AS minutes, max(l.policy_version) AS version
          FROM membership.credit_line l
         WHERE l.person_id = $1
         GROUP BY l.term, l.module),
    in_term AS (
        SELECT e.*, m.year_cap, least(e.credits, m.term_cap) AS counted
          FROM earned e JOIN membership.credit_module m ON m.version = e.version AND m.module = e.module),
    -- What the terms before it in the year leave of the year's cap.
    in_year AS (
        SELECT t.*, sum(t.counted) OVER (PARTITION BY left(t.term, 9), t.module ORDER BY t.term
                                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
          FROM in_term t)
    SELECT y.term, y.module, y.credits,
           greatest(0, least(y.counted, y.year_cap - least(coalesce(y.before, 0), y.year_cap)))::int, y.minutes, y.version
      FROM in_year y
$$;

-- ---- facts of other services ----

-- What could not be applied, and why. It does not hold up what follows.
CREATE TABLE credit_rejection (
    source      text NOT NULL,
    pos         bigint NOT NULL,
    type        text NOT NULL,
    subject     text NOT NULL,
    data        jsonb NOT NULL,
    reason      text NOT NULL,
    actor       text,
    rejected_at timestamptz NOT NULL DEFAULT campus.now(),
    tried_at    timestamptz NOT NULL DEFAULT campus.now(), -- last
    applied_at  timestamptz,                             -- when it was tried again and went through
    PRIMARY KEY (source, pos)
);
CREATE INDEX credit_rejection_waiting ON credit_rejection (tried_at, source, pos) WHERE applied_at IS NULL;

-- Applies credit.earned: a line, once. Why not, or NULL.
CREATE FUNCTION credit_earn(source text, subject text, data jsonb, actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    made membership.credit_line;
    day date := (data->>'earned_on')::date;
    policy int := membership.credit_policy_on(day);
BEGIN
    IF data->>'person_id' IS NULL OR coalesce(data->>'key', '') = '' OR day IS NULL OR day > campus.today() + 1 THEN
        RETURN 'bad_data';
    END IF;
    IF NOT EXISTS (SELECT FROM membership.person WHERE id = (data->>'person_id')::uuid) THEN
        RETURN 'person_unknown';
    END IF;
    IF policy IS NULL THEN
        RETURN 'before_any_policy';
    END IF;
    INSERT INTO membership.credit_line (id, person_id, source, source_key, kind, module, subject, credits, minutes,
                                        policy_version, evidence, earned_on, recorded_by)
    VALUES (campus.new_id(), (data->>'person_id')::uuid, $1, data->>'key', data->>'kind', data->>'module', $2,
            coalesce((data->>'credits')::int, 0), coalesce((data->>'minutes')::int, 0), policy, data->>'evidence', day,
            coalesce($4, $1))
    ON CONFLICT ON CONSTRAINT award_applied_once DO NOTHING
    RETURNING * INTO made;
    IF made.id IS NULL THEN
        SELECT * INTO made FROM membership.credit_line l WHERE l.source = $1 AND l.source_key = data->>'key';
        IF (made.person_id, made.module, made.earned_on, made.credits, made.minutes) IS DISTINCT FROM
           ((data->>'person_id')::uuid, data->>'module', day, coalesce((data->>'credits')::int, 0),
            coalesce((data->>'minutes')::int, 0)) THEN
            RETURN 'key_reused';
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- Applies a fact of another service. Why it could not be, or NULL; also of a fact that is none of ours. What the data makes impossible is
-- a reason; a lock or a conflict is an error, and the lot comes again.
CREATE FUNCTION credit_apply(source text, type text, subject text, data jsonb, actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line uuid;
    broken text;
BEGIN
    IF type = 'credit.earned' THEN
        RETURN membership.credit_earn(source, subject, data, actor);
    ELSIF type = 'credit.revoked' THEN
        SELECT l.id INTO line FROM membership.credit_line l WHERE l.source = $1 AND l.source_key = data->>'key';
        IF line IS NULL THEN
            RETURN 'line_unknown';
        END IF;
        PERFORM membership.credit_reverse(campus.new_id(), line, $1, data->>'reason', coalesce(actor, $1));
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
    GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
    RETURN CASE WHEN broken IN ('module_unknown', 'nothing_earned', 'earned_is_positive', 'earned_too_much') THEN broken ELSE 'bad_data' END;
END $$;

-- Their facts are read from the first on. Each must publish them to campus_membership.
INSERT INTO fact_cursor (source, pos) VALUES ('events', 0), ('volunteers', 0), ('secretariat', 0) ON CONFLICT DO NOTHING;

-- ---- objections ----

CREATE TABLE credit_objection (
    id         uuid PRIMARY KEY,
    line_id    uuid NOT NULL CONSTRAINT already_objected UNIQUE REFERENCES credit_line,
    person_id  uuid NOT NULL REFERENCES person,
    home       ltree NOT NULL,                           -- the person's: by it the objections of a subtree are found
    text       text,                                     -- NULL where the person is erased
    outcome    text CHECK (outcome IN ('upheld', 'dismissed')),
    reason     text,
    decided_by text,
    filed_at   timestamptz NOT NULL DEFAULT campus.now(),
    decided_at timestamptz,
    version    bigint NOT NULL DEFAULT 1,
    CONSTRAINT objection_decided_whole CHECK ((outcome IS NULL) = (decided_at IS NULL))
);
CREATE INDEX credit_objection_person ON credit_objection (person_id, id);
CREATE INDEX credit_objection_open ON credit_objection (id) WHERE outcome IS NULL;
CREATE INDEX credit_objection_subtree ON credit_objection USING gist (home);
CREATE INDEX credit_objection_subtree_open ON credit_objection USING gist (home) WHERE outcome IS NULL;

-- The home follows the person: who moves meanwhile waits, or is waited for.
CREATE FUNCTION credit_objection_home() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT p.home INTO NEW.home FROM membership.person p WHERE p.id = NEW.person_id FOR SHARE;
    RETURN NEW;
END $$;
CREATE TRIGGER credit_objection_home BEFORE INSERT ON credit_objection
    FOR EACH ROW EXECUTE FUNCTION credit_objection_home();

CREATE FUNCTION credit_objections_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE membership.credit_objection SET home = NEW.home WHERE person_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER person_moves_objections AFTER UPDATE ON person
    FOR EACH ROW WHEN (NEW.home IS DISTINCT FROM OLD.home) EXECUTE FUNCTION credit_objections_move();

-- Until when the person may object to a line: so many whole days after it was recorded.
CREATE FUNCTION credit_objection_until(line credit_line) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT (line.recorded_at AT TIME ZONE c.time_zone)::date + p.objection_days + 1
      FROM campus.clock c, membership.credit_policy p WHERE p.version = line.policy_version
$$;

-- ---- certificates ----

-- The public keys that certificates were signed with. The private ones are derived from the server's secret and stand nowhere.
CREATE TABLE transcript_key (
    id         text PRIMARY KEY,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    first_used timestamptz NOT NULL DEFAULT campus.now()
);

CREATE SEQUENCE transcript_number;

CREATE TABLE transcript_certificate (
    number        text PRIMARY KEY,
    person_id     uuid NOT NULL REFERENCES person,
    key_id        text NOT NULL REFERENCES transcript_key,
    snapshot      jsonb NOT NULL,                        -- the totals, as they were
    masked_name   text,                                  -- NULL where the person is erased
    snapshot_hash bytea NOT NULL CHECK (length(snapshot_hash) = 32),
    issued_on     date NOT NULL,
    issued_by     text NOT NULL,
    revoked_at    timestamptz,
    revoke_reason text,
    CONSTRAINT revoked_with_reason CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
);
CREATE INDEX transcript_certificate_person ON transcript_certificate (person_id, number);

-- "张*", "Z**** S**": enough to compare with a document in the hand, too little to learn a name from.
CREATE FUNCTION mask_name(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(CASE WHEN length(w) = 1 THEN '*' ELSE left(w, 1) || repeat('*', length(w) - 1) END, ' ' ORDER BY n)
      FROM regexp_split_to_table(btrim(name), '\s+') WITH ORDINALITY AS words (w, n)
$$;

GRANT SELECT, INSERT ON credit_policy, credit_line, transcript_key TO campus_membership;
GRANT SELECT, INSERT, UPDATE (title, title_en, term_cap, year_cap) ON credit_module TO campus_membership;
GRANT SELECT, INSERT, UPDATE (reason, applied_at, tried_at) ON credit_rejection TO campus_membership;
GRANT SELECT, INSERT, UPDATE (outcome, reason, decided_by, decided_at, version) ON credit_objection TO campus_membership;
GRANT SELECT, INSERT, UPDATE (revoked_at, revoke_reason) ON transcript_certificate TO campus_membership;
GRANT USAGE ON SEQUENCE transcript_number TO campus_membership;

INSERT INTO role_permission (role, permission) VALUES
    ('secretary', 'membership.credits.read'), ('secretary', 'membership.credits.write'),
    ('secretary', 'membership.transcripts.read'), ('registrar', 'membership.credits.read'),
    ('registrar', 'membership.credits.write'), ('registrar', 'membership.credit_policies.write'),
    ('registrar', 'membership.transcripts.read'), ('registrar', 'membership.transcripts.issue'),
    ('auditor', 'membership.credits.read'), ('auditor', 'membership.transcripts.read');
