-- admits: 1
-- Who may do what, by dates: roles are bundles of permissions, offices carry roles, appointments hold offices. No flag has to
-- be cleared when a term ends.

-- The instant at which a day begins where the campus stands.
CREATE FUNCTION midnight(day date) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT day::timestamp AT TIME ZONE (SELECT c.time_zone FROM campus.clock c)
$$;
-- The day to which an instant belongs there.
CREATE FUNCTION day_of(at timestamptz) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (at AT TIME ZONE (SELECT c.time_zone FROM campus.clock c))::date
$$;

-- ---- roles ----

CREATE TABLE role (
    name        text CONSTRAINT role_taken PRIMARY KEY CHECK (name ~ '^[a-z][a-z_]{0,39}$'),
    title       text NOT NULL,
    title_en    text,
    description text,
    builtin     boolean NOT NULL DEFAULT false,       -- stays, though its permissions may change
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT campus.now(),
    updated_at  timestamptz NOT NULL DEFAULT campus.now()
);

CREATE TABLE role_permission (
    role       text NOT NULL REFERENCES role ON DELETE CASCADE,
    permission text NOT NULL CHECK (permission ~ '^(\*|[a-z_]+(\.[a-z_]+)*(\.\*)?)$'),
    since      timestamptz NOT NULL DEFAULT campus.now(),
    PRIMARY KEY (role, permission)
);

-- What roles held before: so that who might do what on a day can be told later. Filled by triggers alone.
CREATE TABLE role_permission_past (
    role       text NOT NULL,
    permission text NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL
);
CREATE INDEX role_permission_past_role ON role_permission_past (role);
CREATE FUNCTION role_permission_passes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO membership.role_permission_past VALUES (OLD.role, OLD.permission, OLD.since, campus.now());
    RETURN NULL;
END $$;
CREATE TRIGGER role_permission_passes AFTER DELETE ON role_permission FOR EACH ROW EXECUTE FUNCTION role_permission_passes();

INSERT INTO role (name, title, title_en, builtin, description) VALUES
    ('administrator', '管理员', 'Administrator', true, 'All of it.'),
    ('everyone', '所有人', 'Everyone', true, 'What each person who has signed in may do, campus-wide, without any office.'),
    ('secretary', '秘书', 'Secretary', true, 'Keeps an organisation''s records: people, members, offices, appointments, keys.'),
    ('chair', '主席', 'Chair', true, 'Leads an organisation: appoints, recruits, hands over.'),
    ('head', '部长', 'Head', true, 'Leads a department: its members and applications.'),
    ('officer', '干事', 'Officer', true, 'Works in a department and sees what it has to.'),
    ('reviewer', '评审', 'Reviewer', true, 'Reads applications, comments and decides on them.'),
    ('supervisor', '督导', 'Supervisor', true, 'Guides and reviews other organisations.'),
    ('registrar', '学籍管理', 'Registrar', true, 'Keeps the records of people: rosters, graduation, transcripts.'),
    ('privacy_officer', '隐私专员', 'Privacy officer', true, 'Answers for personal data: export, erasure, sensitive fields.'),
    ('auditor', '审计', 'Auditor', true, 'Reads all and changes nothing.');

INSERT INTO role_permission (role, permission)
SELECT role, 'membership.' || unnest(string_to_array(permissions, ' ')) FROM (VALUES
    ('everyone', 'organisations.read offices.read'),
    ('secretary', 'organisations.read organisations.write people.read people.write memberships.read memberships.write '
                  'offices.read offices.write appointments.read appointments.write keys.read keys.write grants.read '
                  'roles.read policies.read access.read'),
    ('chair', 'organisations.read people.read memberships.read memberships.write offices.read offices.write '
              'appointments.read appointments.write keys.read keys.write grants.read grants.write roles.read '
              'policies.read access.read'),
    ('head', 'organisations.read people.read memberships.read memberships.write offices.read appointments.read roles.read'),
    ('officer', 'organisations.read people.read memberships.read offices.read appointments.read'),
    ('reviewer', 'organisations.read people.read memberships.read'),
    ('supervisor', 'organisations.read people.read memberships.read offices.read appointments.read policies.read'),
    ('registrar', 'organisations.read people.read people.write memberships.read memberships.write'),
    ('privacy_officer', 'organisations.read people.read'),
    ('auditor', 'organisations.read people.read memberships.read offices.read appointments.read keys.read grants.read '
                'roles.read policies.read access.read')
) AS given (role, permissions);
INSERT INTO role_permission (role, permission) VALUES ('administrator', '*');

-- Who may do less than a role could not hand it on.
CREATE FUNCTION role_permissions(roles text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(DISTINCT permission), '{}') FROM membership.role_permission WHERE role = ANY (roles)
$$;

-- ---- offices ----

CREATE TABLE office (
    id             uuid PRIMARY KEY,
    organisation   ltree NOT NULL CONSTRAINT organisation_unknown REFERENCES organisation,
    kind           text NOT NULL CHECK (kind IN ('chair', 'vice_chair', 'secretary_general', 'head', 'deputy_head', 'secretary',
                                                 'treasurer', 'auditor', 'adviser', 'officer')),
    title          text NOT NULL,
    title_en       text,
    seats          int NOT NULL DEFAULT 1 CHECK (seats BETWEEN 1 AND 1000),
    exclusive      boolean NOT NULL DEFAULT true,      -- a seat has one holder at a time, and one who acts
    carries_over   boolean NOT NULL DEFAULT false,     -- who holds it stays after the term until a successor begins
    established_on date NOT NULL,
    abolished_on   date,
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT campus.now(),
    updated_at     timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT abolished_before_established CHECK (abolished_on >= established_on),
    UNIQUE (id, organisation)
);
CREATE INDEX office_organisation ON office (organisation, id);
CREATE INDEX office_subtree ON office USING gist (organisation);
CREATE UNIQUE INDEX office_title_taken ON office (organisation, title) WHERE abolished_on IS NULL;

-- An office lies inside its organisation's life. One that never came into force (established_on = abolished_on) lies anywhere.
CREATE FUNCTION organisation_around_offices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('offices_before_founded')
      WHERE EXISTS (SELECT FROM membership.office o
                     WHERE o.organisation = NEW.path AND o.established_on < NEW.founded_on
                       AND o.established_on IS DISTINCT FROM o.abolished_on);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER organisation_around_offices AFTER UPDATE ON organisation
    FOR EACH ROW WHEN (NEW.founded_on IS DISTINCT FROM OLD.founded_on)
    EXECUTE FUNCTION organisation_around_offices();

-- What an office gives its holder, and where: most often in its own organisation, but a supervising department's reach further.
CREATE TABLE office_role (
    office_id    uuid NOT NULL REFERENCES office ON DELETE CASCADE,
    role         text NOT NULL CONSTRAINT role_unknown REFERENCES role,
    organisation ltree NOT NULL,                       -- '' is the whole campus
    since        timestamptz NOT NULL DEFAULT campus.now(),
    PRIMARY KEY (office_id, role, organisation)
);
CREATE INDEX office_role_role ON office_role (role);

-- What offices gave before. Filled by triggers alone.
CREATE TABLE office_role_past (
    office_id    uuid NOT NULL,
    role         text NOT NULL,
    organisation ltree NOT NULL,
    since        timestamptz NOT NULL,
    until        timestamptz NOT NULL
);
CREATE INDEX office_role_past_office ON office_role_past (office_id);
CREATE FUNCTION office_role_passes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO membership.office_role_past VALUES (OLD.office_id, OLD.role, OLD.organisation, OLD.since, campus.now());
    RETURN NULL;
END $$;
CREATE TRIGGER office_role_passes AFTER DELETE ON office_role FOR EACH ROW EXECUTE FUNCTION office_role_passes();

CREATE TABLE appointment (
    id           uuid PRIMARY KEY,
    office_id    uuid NOT NULL,
    organisation ltree NOT NULL,                       -- the office's
    person_id    uuid NOT NULL CONSTRAINT person_unknown REFERENCES person,
    seat         int,                                  -- from 1; NULL where the office is not exclusive
    acting       boolean NOT NULL DEFAULT false,
    since        date NOT NULL,
    until        date,                                 -- the first day on which it gives no right any more
    term_until   date,                                 -- the end of the term; of an office that carries over it ends nothing
    chosen       text NOT NULL CHECK (chosen IN ('election', 'appointment', 'recommendation', 'competition', 'ex_officio')),
    resolution   text,                                 -- by which decision: its number
    ended_at     timestamptz,                          -- when it was decided that it ends then
    reason       text CHECK (reason IN ('term_over', 'resigned', 'removed', 'transferred', 'succeeded', 'graduated', 'left',
                                        'abolished', 'dissolved', 'erased')),
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT campus.now(),
    updated_at   timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT office_unknown FOREIGN KEY (office_id, organisation) REFERENCES office (id, organisation),
    CONSTRAINT until_before_since CHECK (until >= since),
    CONSTRAINT term_before_since CHECK (term_until > since),
    CONSTRAINT reason_of_the_open CHECK (until IS NOT NULL OR reason IS NULL),
    CONSTRAINT seat_taken EXCLUDE USING gist
        (office_id WITH =, seat WITH =, (acting::int) WITH =, daterange(since, until) WITH &&),
    CONSTRAINT appointed_already EXCLUDE USING gist (office_id WITH =, person_id WITH =, daterange(since, until) WITH &&)
);
-- An end may be recorded later than it is dated; the rights lasted until it was, or until an earlier end.
CREATE FUNCTION appointment_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ended_at := least(campus.now(), greatest(membership.midnight(OLD.until), OLD.ended_at));
    RETURN NEW;
END $$;
CREATE TRIGGER appointment_ends BEFORE UPDATE OF until ON appointment
    FOR EACH ROW WHEN (NEW.until IS DISTINCT FROM OLD.until) EXECUTE FUNCTION appointment_ends();
CREATE INDEX appointment_office ON appointment (office_id, since);
CREATE INDEX appointment_open ON appointment (office_id) INCLUDE (since, term_until, acting) WHERE until IS NULL;
CREATE INDEX appointment_organisation ON appointment (organisation, id);
CREATE INDEX appointment_subtree ON appointment USING gist (organisation);
CREATE INDEX appointment_person ON appointment (person_id, id);

-- ---- incompatible offices: policy ----

CREATE TABLE incompatibility (
    id         uuid PRIMARY KEY,
    kind       text NOT NULL,
    other_kind text NOT NULL,
    reach      text NOT NULL CHECK (reach IN ('organisation', 'tree', 'campus')),
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT kinds_in_order CHECK (kind <= other_kind),
    CONSTRAINT incompatibility_known UNIQUE (kind, other_kind, reach)
);
INSERT INTO incompatibility (id, kind, other_kind, reach, reason) VALUES
    (campus.new_id(), 'auditor', 'treasurer', 'tree', '管账与审计不得由同一人担任。'),
    (campus.new_id(), 'auditor', 'chair', 'tree', '审计不得由负责人兼任。'),
    (campus.new_id(), 'chair', 'chair', 'tree', '同一人不得在同一系统内担任两个组织的主席。'),
    (campus.new_id(), 'chair', 'treasurer', 'organisation', '主席不得兼管财务。');

-- Whether an incompatibility reaches from one organisation to another.
CREATE FUNCTION reaches(reach text, organisation ltree, other ltree) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE reach WHEN 'organisation' THEN organisation = other
                      WHEN 'tree' THEN subpath(organisation, 0, 1) = subpath(other, 0, 1)
                      ELSE true END
$$;

-- An appointment lies inside the life of its office, which lies inside the organisation's; and nobody holds two offices
-- of which policy says that they must not be in one hand. Those who appoint have locked office and person before.
CREATE FUNCTION appointment_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mine membership.office;
    conflict text;
BEGIN
    IF NEW.since = NEW.until OR (TG_OP = 'UPDATE' AND daterange(OLD.since, OLD.until) @> daterange(NEW.since, NEW.until)) THEN
        RETURN NULL; -- it never came into force, or only ends sooner: policy may have changed since
    END IF;
    SELECT * INTO mine FROM membership.office WHERE id = NEW.office_id;
    PERFORM campus.refuse('outside_office_life')
       FROM membership.organisation o
      WHERE o.path = mine.organisation
        AND (NEW.since < mine.established_on OR coalesce(NEW.until, 'infinity') > least(mine.abolished_on, o.dissolved_on));
    SELECT format('%s — %s (%s)', mine.title, theirs.title, i.reason) INTO conflict
      FROM membership.appointment a
      JOIN membership.office theirs ON theirs.id = a.office_id
      JOIN membership.incompatibility i
        ON (i.kind, i.other_kind) = (least(mine.kind, theirs.kind), greatest(mine.kind, theirs.kind))
       AND membership.reaches(i.reach, mine.organisation, theirs.organisation)
     WHERE a.person_id = NEW.person_id AND a.office_id <> NEW.office_id
       AND daterange(a.since, a.until) && daterange(NEW.since, NEW.until)
     LIMIT 1;
    IF conflict IS NOT NULL THEN
        PERFORM campus.refuse('incompatible_offices', '/person_id', conflict);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER appointment_rules AFTER INSERT OR UPDATE OF since, until ON appointment
    FOR EACH ROW EXECUTE FUNCTION appointment_rules();

-- ---- direct grants ----

-- A role that a person holds without an office: for the few things that no office stands for.
CREATE TABLE role_grant (
    id           uuid PRIMARY KEY,
    person_id    uuid NOT NULL CONSTRAINT person_unknown REFERENCES person,
    role         text NOT NULL CONSTRAINT role_unknown REFERENCES role,
    organisation ltree NOT NULL,                       -- '' is the whole campus
    since        timestamptz NOT NULL,
    until        timestamptz,
    reason       text NOT NULL,
    granted_by   text NOT NULL,                        -- the principal
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT campus.now(),
    updated_at   timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT until_before_since CHECK (until >= since),
    CONSTRAINT granted_already EXCLUDE USING gist
        (person_id WITH =, role WITH =, organisation WITH =, tstzrange(since, until) WITH &&)
);
CREATE INDEX role_grant_person ON role_grant (person_id, id);
CREATE INDEX role_grant_organisation ON role_grant (organisation, id);
CREATE INDEX role_grant_role ON role_grant (role);

-- ---- what follows ----

-- Whether a person had not left yet.
CREATE FUNCTION is_here(person uuid, at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM membership.person p WHERE p.id = $1 AND p.status <> 'left')
$$;

-- By what a person holds which role, where, and until when, at an instant: as it was in force then, whatever was dated back or
-- changed since.
CREATE FUNCTION authority_of(person uuid, at timestamptz)
RETURNS TABLE (role text, organisation ltree, via text, via_id uuid, office_id uuid, begins timestamptz, ends timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT held.*
      FROM (SELECT r.role, r.organisation, 'appointment', a.id, a.office_id,
                   membership.midnight(a.since), membership.midnight(a.until)
              FROM membership.appointment a
             CROSS JOIN LATERAL (
                   SELECT o.role, o.organisation FROM membership.office_role o
                    WHERE o.office_id = a.office_id AND o.since <= $2
                    UNION ALL
                   SELECT o.role, o.organisation FROM membership.office_role_past o
                    WHERE o.office_id = a.office_id AND o.since <= $2 AND o.until > $2) AS r
             WHERE a.person_id = $1 AND a.created_at <= $2 AND a.since <= membership.day_of($2)
               AND (a.until IS NULL OR a.until > membership.day_of($2) OR a.ended_at > $2)
             UNION ALL
            SELECT g.role, g.organisation, 'grant', g.id, NULL, g.since, g.until
              FROM membership.role_grant g
             WHERE g.person_id = $1 AND g.created_at <= $2 AND g.since <= $2 AND (g.until IS NULL OR g.until > $2)
             UNION ALL
            SELECT 'everyone', '', 'everyone', NULL, NULL, NULL, NULL) AS held
     WHERE membership.is_here($1, $2)
$$;

-- Which roles a person holds where at an instant or from later on, whether or not they have left: who returns holds them again.
CREATE FUNCTION authority_from(person uuid, at timestamptz) RETURNS TABLE (role text, organisation ltree)
LANGUAGE sql STABLE AS $$
    SELECT r.role, r.organisation
      FROM membership.appointment a
      JOIN membership.office_role r ON r.office_id = a.office_id
     WHERE a.person_id = $1 AND (a.until IS NULL OR (a.until > membership.day_of($2) AND a.until > a.since))
     UNION
    SELECT g.role, g.organisation
      FROM membership.role_grant g
     WHERE g.person_id = $1 AND (g.until IS NULL OR (g.until > $2 AND g.until > g.since))
$$;

-- Whether a person may do, or will, what the caller, who holds `permissions[i]` in `organisations[i]`, may not: to become them
-- would be to rise. Later, too, as what is had of them today may serve then.
CREATE FUNCTION authority_exceeds(person uuid, organisations text[], permissions text[]) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM membership.authority_from(person, campus.now()) a
                     JOIN membership.role_permission rp ON rp.role = a.role
                    WHERE NOT campus.holds(organisations, permissions, ARRAY[rp.permission], a.organisation))
$$;

-- ---- keys ----

ALTER TABLE api_key
    ADD COLUMN office_id uuid CONSTRAINT office_unknown REFERENCES office,
    ADD COLUMN allowed_addresses text[] NOT NULL DEFAULT '{}' CHECK (cardinality(allowed_addresses) <= 50);
CREATE INDEX api_key_office ON api_key (office_id) WHERE office_id IS NOT NULL;
CREATE INDEX api_key_person ON api_key (person_id) WHERE person_id IS NOT NULL;

-- What a person has to do themselves, or by a key that stands for them: with it people decide about people, and nobody about
-- themselves. A key that belongs to an office stands for nobody, so it never holds these.
CREATE TABLE people_only (
    permission text PRIMARY KEY
);
INSERT INTO people_only (permission)
SELECT 'membership.' || p FROM unnest('{access.*,accounts.*,applications.review,appointments.write,bans.write,credits.write,grants.write,
    handovers.write,keys.write,memberships.expel,memberships.write,offices.write,policies.write,privacy.*,registrations.write,
    reviews.write,roles.write,sensitive.*,sessions.*,transcripts.issue}'::text[]) AS p;

-- The narrower of two patterns, of two subtrees; NULL where they have nothing in common.
CREATE FUNCTION narrower(pattern text, other text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN campus.covers(ARRAY[pattern], ARRAY[other]) THEN other
                WHEN campus.covers(ARRAY[other], ARRAY[pattern]) THEN pattern END
$$;
CREATE FUNCTION narrower(subtree ltree, other ltree) RETURNS ltree LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN subtree <@ other THEN subtree WHEN other <@ subtree THEN other END
$$;

-- What a key may do now. One that is an office's can do no more than the office, one that is a person's no more than the
-- person: so it ends where their rights end. A key of neither holds what it says.
CREATE FUNCTION key_grants(key api_key) RETURNS TABLE (organisation ltree, permission text, ends timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(key.organisation, ''), p, NULL::timestamptz
      FROM unnest(key.permissions) AS p
     WHERE key.office_id IS NULL AND key.person_id IS NULL
     UNION ALL
    SELECT membership.narrower(base.organisation, coalesce(key.organisation, '')), membership.narrower(rp.permission, p), base.ends
      FROM (SELECT r.role, r.organisation, membership.midnight(o.abolished_on) AS ends
              FROM membership.office_role r
              JOIN membership.office o ON o.id = r.office_id
             WHERE o.id = key.office_id AND (o.abolished_on IS NULL OR o.abolished_on > campus.today())
             UNION ALL
            SELECT a.role, a.organisation, a.ends
              FROM membership.authority_of(key.person_id, campus.now()) a
             WHERE key.office_id IS NULL) AS base
      JOIN membership.role_permission rp ON rp.role = base.role
     CROSS JOIN unnest(key.permissions) AS p
     WHERE membership.narrower(base.organisation, coalesce(key.organisation, '')) IS NOT NULL
       AND membership.narrower(rp.permission, p) IS NOT NULL
$$;

-- The first of these that an office's key cannot hold; NULL: all are fine.
CREATE FUNCTION people_only_among(permissions text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT min(p) FROM unnest(permissions) AS p WHERE EXISTS (SELECT FROM membership.people_only o WHERE membership.narrower(p, o.permission) IS NOT NULL)
$$;

-- Whether all of these lie within the networks; where there are none, all do.
CREATE FUNCTION lie_within(texts text[], networks text[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT cardinality(networks) = 0
        OR NOT EXISTS (SELECT FROM unnest(texts) t WHERE NOT t::inet <<= ANY (networks::inet[]))
$$;

-- Whether all of these are addresses or networks; none are.
CREATE FUNCTION are_networks(texts text[]) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN NOT EXISTS (SELECT FROM unnest(texts) t WHERE t::cidr IS NULL);
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;

-- Why the caller, who holds `permissions[i]` in `organisations[i]`, may not have a key's new secret: who has it can do what
-- the key can, so it must be no more than they can. Of a person also for no longer: a system's key does not end with their rights, and
-- an office's is for those who hold it.
CREATE FUNCTION key_rotation_refusal(key api_key, organisations text[], permissions text[], caller_id text, caller_person uuid)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN key.person_id IS DISTINCT FROM caller_person AND key.person_id IS NOT NULL THEN 'key_of_another'
        WHEN key.revoked_at IS NOT NULL OR key.expires_at <= campus.now() THEN 'already_revoked'
        WHEN caller_person IS NOT NULL AND key.person_id IS NULL AND key.office_id IS NULL THEN 'key_of_a_system'
        WHEN caller_person IS NOT NULL AND key.office_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM membership.appointment a
              WHERE a.office_id = key.office_id AND a.person_id = caller_person
                AND a.since <= campus.today() AND (a.until IS NULL OR a.until > campus.today()))
        THEN 'office_not_yours'
        WHEN NOT campus.holds(organisations, permissions, key.permissions, coalesce(key.organisation, '')) THEN 'permissions_exceed_yours'
        WHEN EXISTS (SELECT FROM membership.api_key mine
                      WHERE mine.id::text = caller_id AND cardinality(mine.allowed_addresses) > 0
                        AND (cardinality(key.allowed_addresses) = 0
                             OR NOT membership.lie_within(key.allowed_addresses, mine.allowed_addresses)))
        THEN 'addresses_exceed_yours'
        ELSE membership.key_expiry_refusal(coalesce(key.expires_at, 'infinity'), caller_id)
    END
$$;

-- What has been stays as it was: only the columns that statements set may be changed.
GRANT SELECT, INSERT (name, title, title_en, description), UPDATE (title, title_en, description, version, updated_at), DELETE
   ON role TO campus_membership;
GRANT SELECT, INSERT, DELETE ON role_permission, office_role TO campus_membership;
GRANT SELECT, INSERT, UPDATE (reason), DELETE ON incompatibility TO campus_membership; -- UPDATE is for the lock alone
GRANT SELECT, INSERT, UPDATE (title, title_en, seats, carries_over, abolished_on, version, updated_at) ON office
   TO campus_membership;
GRANT SELECT, INSERT, UPDATE (until, reason, version, updated_at) ON appointment TO campus_membership;
GRANT SELECT, INSERT, UPDATE (until, version, updated_at) ON role_grant TO campus_membership;

REVOKE UPDATE ON organisation, person, membership, api_key FROM campus_membership;
GRANT UPDATE (title, title_en, description, led_by, founded_on, dissolved_on, successor, version, updated_at)
   ON organisation TO campus_membership;
GRANT UPDATE (student_number, name, latin_name, home, grade, class_name, status, email, phone, version, updated_at)
   ON person TO campus_membership;
GRANT UPDATE (until, reason, version, updated_at) ON membership TO campus_membership;
GRANT UPDATE (token_hash, previous_token_hash, previous_expires_at, revoked_at, last_used_at, version, updated_at)
   ON api_key TO campus_membership;
GRANT SELECT ON people_only TO campus_membership;

-- ---- what methods ask ----

-- "supervisor@sf" taken apart: a role, and where it holds; "head" holds at home, "auditor@" on the whole campus.
CREATE FUNCTION role_places(roles text[], home ltree) RETURNS TABLE (role text, organisation ltree)
LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT split_part(r, '@', 1), CASE WHEN strpos(r, '@') = 0 THEN home ELSE split_part(r, '@', 2)::ltree END
      FROM unnest(roles) AS r
$$;

-- The same the other way round.
CREATE FUNCTION role_texts(office uuid, home ltree) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY (SELECT r.role || CASE WHEN r.organisation = home THEN '' ELSE '@' || r.organisation::text END
                    FROM membership.office_role r WHERE r.office_id = office ORDER BY 1)
$$;

-- Why the caller, who holds `permissions[i]` in `organisations[i]`, cannot make an office at `home` give these roles.
CREATE FUNCTION roles_refusal(roles text[], home ltree, organisations text[], permissions text[]) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT min(CASE
        WHEN NOT EXISTS (SELECT FROM membership.role WHERE name = asked.role) THEN 'role_unknown'
        WHEN asked.organisation <> '' AND NOT EXISTS (SELECT FROM membership.organisation WHERE path = asked.organisation)
        THEN 'role_place_unknown'
        WHEN NOT campus.holds(organisations, permissions, membership.role_permissions(ARRAY[asked.role]), asked.organisation)
        THEN 'roles_exceed_yours' END)
      FROM membership.role_places(coalesce(roles, '{}'), home) AS asked
$$;

-- An office on a day: its state and who holds it.
CREATE FUNCTION office_on(office uuid, day date) RETURNS TABLE (state text, holders jsonb) LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN bool_or(NOT a.acting AND (a.term_until IS NULL OR a.term_until > day)) THEN 'held'
                WHEN bool_or(a.acting) THEN 'acting'
                WHEN count(*) > 0 THEN 'carried_over'
                ELSE 'vacant' END,
           coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'appointment_id', a.id, 'person_id', a.person_id, 'name', p.name, 'seat', a.seat, 'acting', a.acting,
               'since', a.since, 'until', a.until, 'term_until', a.term_until)) ORDER BY a.acting, a.seat, a.since, a.id), '[]')
      FROM membership.appointment a
      JOIN membership.person p ON p.id = a.person_id
     WHERE a.office_id = office AND a.since <= day AND (a.until IS NULL OR a.until > day)
$$;

-- A seat that is free in all of a time, for a holder or for one who acts: the one that the person carries on, else a vacant one, else
-- one that another carries on and makes room in; the lowest of these.
CREATE FUNCTION free_seat(office office, acting boolean, since date, until date, person uuid) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT s
      FROM generate_series(1, office.seats) AS s
     CROSS JOIN LATERAL (
        SELECT bool_and(a.until IS NULL AND coalesce(a.term_until <= $3, false)) AS carried, bool_or(a.person_id = $5) AS own
          FROM membership.appointment a
         WHERE a.office_id = office.id AND a.seat = s AND a.acting = $2 AND daterange(a.since, a.until) && daterange($3, $4)) AS sat
     WHERE coalesce(sat.carried, true)
     ORDER BY coalesce(sat.own, false) DESC, sat.carried IS NOT NULL, s
     LIMIT 1
$$;

-- What a person may do at an instant, a row for each office, grant and role.
CREATE FUNCTION grounds_of(person uuid, at timestamptz)
RETURNS TABLE (via text, role text, permissions text[], organisation ltree, appointment_id uuid, office_id uuid, office text,
               grant_id uuid, since timestamptz, until timestamptz) LANGUAGE sql STABLE AS $$
    SELECT a.via, a.role,
           ARRAY (SELECT rp.permission FROM membership.role_permission rp WHERE rp.role = a.role AND rp.since <= at
                   UNION
                  SELECT rp.permission FROM membership.role_permission_past rp WHERE rp.role = a.role AND rp.since <= at AND rp.until > at
                   ORDER BY 1),
           a.organisation,
           CASE a.via WHEN 'appointment' THEN a.via_id END, a.office_id, o.title,
           CASE a.via WHEN 'grant' THEN a.via_id END, a.begins, a.ends
      FROM membership.authority_of(person, at) a
      LEFT JOIN membership.office o ON o.id = a.office_id
$$;

GRANT SELECT ON role_permission_past, office_role_past TO campus_membership;
