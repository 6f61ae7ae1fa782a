-- admits: 1
-- What is kept about people, what for and for how long; the fields that are kept apart, with consent and a log of who read them; and how
-- all of it is told to the person and forgotten.

-- ---- why each field is kept ----

CREATE TABLE personal_field (
    service          text NOT NULL,
    field            text NOT NULL,                     -- as in the messages
    purpose          text NOT NULL,                     -- as in the contract
    rule             text NOT NULL CHECK (rule IN ('not_kept', 'until_erasure', 'after_leaving', 'after_recording')),
    retention_days   int CHECK (retention_days >= 0),
    sensitive        boolean NOT NULL DEFAULT false,
    consent_required boolean NOT NULL DEFAULT false,
    PRIMARY KEY (service, field),
    CHECK ((rule IN ('after_leaving', 'after_recording')) = (retention_days IS NOT NULL)),
    CHECK (sensitive OR NOT consent_required)
);
INSERT INTO personal_field (service, field, purpose, rule, retention_days, sensitive, consent_required) VALUES
    ('membership', 'student_number',  'to tell people apart and to match rosters',        'until_erasure',   NULL, false, false),
    ('membership', 'name',            'to address the person',                            'until_erasure',   NULL, false, false),
    ('membership', 'latin_name',      'to address the person and to find them by pinyin', 'until_erasure',   NULL, false, false),
    ('membership', 'class_name',      'to plan by class',                                 'after_leaving',   1825, false, false),
    ('membership', 'email',           'to reach the person',                              'after_leaving',    365, false, false),
    ('membership', 'phone',           'to reach the person',                              'after_leaving',    365, true,  false),
    ('membership', 'ethnicity',       'for the reports that the law asks for',            'after_leaving',     30, true,  true),
    ('membership', 'health',          'to look after the person at activities',           'after_leaving',      0, true,  true),
    ('membership', 'identity_number', 'to insure the person at activities',               'after_leaving',     30, true,  true),
    ('membership', 'value',           'for what the person has consented to',             'not_kept',        NULL, true,  false),
    ('membership', 'attested_value',  'to check whether officers meet the rules',         'until_erasure',   NULL, false, false),
    ('membership', 'q',               'to find the person',                               'not_kept',        NULL, false, false),
    ('membership', 'content',         'to tell people what is kept about them',           'not_kept',        NULL, false, false),
    ('membership', 'text',            'to decide on an objection',                        'until_erasure',   NULL, false, false),
    ('membership', 'masked_name',     'to tell whose certificate it is',                  'until_erasure',   NULL, false, false),
    ('membership', 'read_reason',     'to tell people who read about them, and why',      'after_recording', 1095, false, false);

-- ---- since when somebody is gone ----

ALTER TABLE person
    ADD COLUMN ended_on  date,                          -- the day on which they graduated or left
    ADD COLUMN erased_at timestamptz;
UPDATE person SET ended_on = (updated_at AT TIME ZONE (SELECT time_zone FROM campus.clock))::date
 WHERE status IN ('graduated', 'left');
CREATE INDEX person_ended ON person (ended_on) WHERE ended_on IS NOT NULL AND erased_at IS NULL;

CREATE FUNCTION person_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ended_on := CASE WHEN NEW.status IN ('graduated', 'left') THEN coalesce(NEW.ended_on, campus.today()) END;
    RETURN NEW;
END $$;
CREATE TRIGGER person_ended_at_once BEFORE INSERT ON person
    FOR EACH ROW WHEN (NEW.status IN ('graduated', 'left')) EXECUTE FUNCTION person_ends();
CREATE TRIGGER person_ends BEFORE UPDATE ON person
    FOR EACH ROW WHEN (NEW.status IS DISTINCT FROM OLD.status) EXECUTE FUNCTION person_ends();

-- Who is erased stays so.
CREATE FUNCTION person_stays_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('person_erased');
    RETURN NULL;
END $$;
CREATE TRIGGER person_stays_erased BEFORE UPDATE ON person
    FOR EACH ROW WHEN (OLD.erased_at IS NOT NULL) EXECUTE FUNCTION person_stays_erased();

-- ---- sensitive fields ----

-- One row a field. Telephone numbers come in rosters of 50,000 lines and are compared in SQL: they stand in clear. The others are sealed
-- by the program, with a key that the database never sees. The service may read neither but through the functions below.
CREATE TABLE sensitive (
    person_id uuid NOT NULL REFERENCES person DEFERRABLE INITIALLY DEFERRED,
    field     text NOT NULL CHECK (field IN ('phone', 'ethnicity', 'health', 'identity_number')),
    plain     text,
    sealed    bytea,
    set_by    text,
    set_at    timestamptz NOT NULL DEFAULT campus.now(),
    PRIMARY KEY (person_id, field),
    CONSTRAINT sealed_but_for_phones CHECK ((field = 'phone') = (plain IS NOT NULL) AND (plain IS NULL) = (sealed IS NOT NULL))
);

INSERT INTO sensitive (person_id, field, plain) SELECT id, 'phone', phone FROM person WHERE phone IS NOT NULL;
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE person SET phone = NULL WHERE phone IS NOT NULL;
COMMENT ON COLUMN person.phone IS 'a way in, always NULL: see person_phone()';

-- Whoever writes a telephone number writes it into person.phone, as ever; from there it goes at once to where it is kept. '' takes it away.
CREATE FUNCTION person_phone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.phone = '' THEN
        DELETE FROM membership.sensitive WHERE person_id = NEW.id AND field = 'phone';
    ELSE
        INSERT INTO membership.sensitive (person_id, field, plain) VALUES (NEW.id, 'phone', NEW.phone)
            ON CONFLICT (person_id, field) DO UPDATE SET plain = excluded.plain, set_by = NULL, set_at = excluded.set_at;
    END IF;
    NEW.phone := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER person_phone BEFORE INSERT OR UPDATE ON person
    FOR EACH ROW WHEN (NEW.phone IS NOT NULL) EXECUTE FUNCTION person_phone();

-- Those of a whole roster at once: a trigger for each of 50,000 rows would double its time. Gives how many.
CREATE FUNCTION sensitive_phones(people uuid[], phones text[]) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH made AS (
        INSERT INTO membership.sensitive (person_id, field, plain)
        SELECT given.id, 'phone', given.phone FROM unnest($1, $2) AS given (id, phone)
        ON CONFLICT (person_id, field) DO UPDATE SET plain = excluded.plain, set_by = NULL, set_at = excluded.set_at
        RETURNING 1)
    SELECT count(*) FROM made
$$;

-- Of whom these numbers are known already, so that a roster is known to change nothing. One number a person: no call tells which of
-- many it is.
CREATE FUNCTION sensitive_phones_known(people uuid[], phones text[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.person_id
      FROM (SELECT id, min(phone) AS phone FROM unnest($1, $2) AS asked (id, phone) GROUP BY id) AS asked
      JOIN membership.sensitive s ON s.person_id = asked.id AND s.field = 'phone' AND s.plain = asked.phone
$$;

-- ---- consent ----

CREATE TABLE consent_wording (
    field   text NOT NULL,
    version int NOT NULL,
    zh      text NOT NULL,
    en      text NOT NULL,
    PRIMARY KEY (field, version)
);
INSERT INTO consent_wording (field, version, zh, en) VALUES
    ('ethnicity', 1, '本人同意学生组织为依法上报的统计保存本人的民族，离校30日后删除。',
     'I agree that my ethnicity is kept for the statistics that the law asks for, until 30 days after I leave.'),
    ('health', 1, '本人同意学生组织为活动中的照护保存本人的健康信息，离校时删除。',
     'I agree that what I say of my health is kept so that I am looked after at activities, until I leave.'),
    ('identity_number', 1, '本人同意学生组织为活动投保保存本人的身份证号码，离校30日后删除。',
     'I agree that my identity number is kept to insure me at activities, until 30 days after I leave.');

-- Given and withdrawn, one row behind another; the last one holds.
CREATE TABLE consent (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id   uuid NOT NULL REFERENCES person,
    field       text NOT NULL,
    state       text NOT NULL CHECK (state IN ('given', 'withdrawn')),
    wording     int NOT NULL,
    recorded_by text,
    recorded_at timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT wording_unknown FOREIGN KEY (field, wording) REFERENCES consent_wording (field, version)
);
CREATE INDEX consent_person ON consent (person_id, field, n);

-- Why these fields of a person may not be kept or read, or NULL.
CREATE FUNCTION sensitive_refusal(person uuid, fields text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'consent_missing'
      FROM unnest(fields) AS asked (field)
      JOIN membership.personal_field f ON f.service = 'membership' AND f.field = asked.field AND f.consent_required
     WHERE coalesce((SELECT c.state FROM membership.consent c
                      WHERE c.person_id = $1 AND c.field = f.field ORDER BY c.n DESC LIMIT 1), '') <> 'given'
     LIMIT 1
$$;

-- ---- reading and writing them ----

CREATE TABLE sensitive_reading (
    id            uuid PRIMARY KEY,
    person_id     uuid NOT NULL REFERENCES person,
    fields        text[] NOT NULL,
    reason        text NOT NULL,
    reader        text NOT NULL,                        -- the principal
    reader_person uuid,
    request_id    text,
    read_at       timestamptz NOT NULL DEFAULT campus.now()
);
CREATE INDEX sensitive_reading_person ON sensitive_reading (person_id, id);

-- The only way to read: it notes who did.
CREATE FUNCTION sensitive_open(person uuid, fields text[], reason text, reader text, reader_person uuid, request_id text)
RETURNS TABLE (phone text, ethnicity bytea, health bytea, identity_number bytea)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO membership.sensitive_reading (id, person_id, fields, reason, reader, reader_person, request_id)
    VALUES (campus.new_id(), $1, $2, $3, coalesce($4, ''), $5, $6);
    SELECT max(s.plain) FILTER (WHERE s.field = 'phone'),
           (array_agg(s.sealed) FILTER (WHERE s.field = 'ethnicity'))[1],
           (array_agg(s.sealed) FILTER (WHERE s.field = 'health'))[1],
           (array_agg(s.sealed) FILTER (WHERE s.field = 'identity_number'))[1]
      FROM membership.sensitive s
     WHERE s.person_id = $1 AND s.field = ANY ($2)
$$;

-- Neither plain nor sealed: takes it away. Gives the person's id.
CREATE FUNCTION sensitive_put(person uuid, field text, plain text, sealed bytea, by text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF plain IS NULL AND sealed IS NULL THEN
        DELETE FROM membership.sensitive s WHERE s.person_id = $1 AND s.field = $2;
    ELSE
        INSERT INTO membership.sensitive (person_id, field, plain, sealed, set_by) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ON CONSTRAINT sensitive_pkey
            DO UPDATE SET plain = excluded.plain, sealed = excluded.sealed, set_by = excluded.set_by, set_at = excluded.set_at;
    END IF;
    RETURN person;
END $$;

-- ---- what is kept about a person ----

-- Every service, and every noun of this one, publishes what it keeps about people as a view `personal_export` or `personal_export_<noun>`
-- with the columns person_id uuid, section text and data jsonb, a flat object a row, and grants campus_membership SELECT on it.
CREATE VIEW personal_export AS
    SELECT id AS person_id, 'person' AS section,
           jsonb_build_object('student_number', student_number, 'name', name, 'latin_name', latin_name, 'home', home::text,
                              'grade', grade, 'class_name', class_name, 'status', status, 'email', email,
                              'created_at', created_at, 'updated_at', updated_at, 'ended_on', ended_on) AS data
      FROM person
     UNION ALL
    SELECT person_id, 'memberships',
           jsonb_build_object('organisation', organisation::text, 'kind', kind, 'since', since, 'until', until, 'reason', reason)
      FROM membership
     UNION ALL
    SELECT person_id, 'keys', jsonb_build_object('name', name, 'expires_at', expires_at, 'revoked_at', revoked_at)
      FROM api_key WHERE person_id IS NOT NULL
     UNION ALL
    SELECT person_id, 'consents',
           jsonb_build_object('field', field, 'state', state, 'wording', wording, 'recorded_at', recorded_at)
      FROM consent
     UNION ALL
    SELECT person_id, 'sensitive_reads',
           jsonb_build_object('fields', array_to_string(fields, ', '), 'reason', reason, 'reader', reader, 'read_at', read_at)
      FROM sensitive_reading;

CREATE VIEW personal_export_transcript AS
    SELECT person_id, 'credits' AS section,
           jsonb_build_object('id', id, 'source', source, 'kind', kind, 'module', module, 'subject', subject, 'credits', credits,
                              'minutes', minutes, 'evidence', evidence, 'earned_on', earned_on, 'reversal_of', reversal_of,
                              'recorded_at', recorded_at) AS data
      FROM credit_line
     UNION ALL
    SELECT person_id, 'objections',
           jsonb_build_object('line_id', line_id, 'text', text, 'outcome', outcome, 'reason', reason, 'filed_at', filed_at)
      FROM credit_objection
     UNION ALL
    SELECT person_id, 'certificates',
           jsonb_build_object('number', number, 'issued_on', issued_on, 'revoked_at', revoked_at, 'revoke_reason', revoke_reason)
      FROM transcript_certificate;

-- All of it, of all services that publish.
CREATE FUNCTION personal_exports(person uuid) RETURNS TABLE (service text, section text, data jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    published record;
BEGIN
    FOR published IN
        SELECT n.nspname, c.relname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'v' AND c.relname ~ '^personal_export(_[a-z0-9_]+)?$'
           AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
         ORDER BY n.nspname <> 'membership', n.nspname, c.relname
    LOOP
        RETURN QUERY EXECUTE format('SELECT %L, v.section, v.data FROM %I.%I v WHERE v.person_id = $1', published.nspname,
                                    published.nspname, published.relname) USING person;
    END LOOP;
END $$;

-- ---- erasure ----

-- Each noun forgets its own part: a function erase_<noun>(person uuid, dry boolean) that gives how many rows it touches, or would. They
-- run as the owner, in the order of their names; what stays has no name in it, so that totals hold.
CREATE FUNCTION erase_consents(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.consent WHERE person_id = person);
BEGIN
    DELETE FROM membership.consent WHERE person_id = person AND NOT dry;
    RETURN found_rows;
END $$;

CREATE FUNCTION erase_sensitive_fields(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.sensitive WHERE person_id = person);
BEGIN
    DELETE FROM membership.sensitive WHERE person_id = person AND NOT dry;
    RETURN found_rows;
END $$;

CREATE FUNCTION erase_sensitive_reads(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.sensitive_reading WHERE person_id = person);
BEGIN
    DELETE FROM membership.sensitive_reading WHERE person_id = person AND NOT dry;
    RETURN found_rows;
END $$;

CREATE FUNCTION erase_keys(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.api_key WHERE person_id = person AND revoked_at IS NULL);
BEGIN
    UPDATE membership.api_key SET revoked_at = campus.now(), version = version + 1, updated_at = campus.now()
     WHERE person_id = person AND revoked_at IS NULL AND NOT dry;
    RETURN found_rows;
END $$;

CREATE FUNCTION erase_certificates(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.transcript_certificate WHERE person_id = person);
BEGIN
    UPDATE membership.transcript_certificate
       SET masked_name = NULL, revoked_at = coalesce(revoked_at, campus.now()),
           revoke_reason = CASE WHEN revoked_at IS NULL THEN 'erased' ELSE '—' END
     WHERE person_id = person AND NOT dry;
    RETURN found_rows;
END $$;

CREATE FUNCTION erase_objections(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.credit_objection WHERE person_id = person AND text IS NOT NULL);
BEGIN
    UPDATE membership.credit_objection SET text = NULL, reason = CASE WHEN reason IS NOT NULL THEN '—' END, version = version + 1
     WHERE person_id = person AND text IS NOT NULL AND NOT dry;
    RETURN found_rows;
END $$;

-- What was erased, as [{"part": "consents", "count": 2}, ...]. The caller holds the lock on the person.
CREATE FUNCTION erase_person(person uuid, dry boolean) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = membership, campus, public, pg_temp AS $$
DECLARE
    part text;
    touched bigint;
    told jsonb := '[]';
BEGIN
    FOR part IN
        SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'membership' AND p.proname ~ '^erase_' AND p.proname <> 'erase_person'
           AND pg_get_function_identity_arguments(p.oid) = 'person uuid, dry boolean'
         ORDER BY p.proname
    LOOP
        EXECUTE format('SELECT membership.%I($1, $2)', part) INTO touched USING person, dry;
        told := told || jsonb_build_object('part', substr(part, 7), 'count', touched);
    END LOOP;
    UPDATE membership.person p
       SET name = '—', latin_name = NULL, student_number = replace(p.id::text, '-', ''), class_name = NULL, email = NULL,
           status = CASE WHEN p.status = 'graduated' THEN p.status ELSE 'left' END, erased_at = campus.now(),
           version = p.version + 1, updated_at = campus.now()
     WHERE p.id = person AND NOT dry;
    RETURN told;
END $$;

-- ---- minimisation ----

-- What is due: the fields whose retention is over, of people who are gone. The earliest gone first, at most so many.
CREATE FUNCTION minimise_due(scopes ltree[], most int) RETURNS TABLE (person_id uuid, field text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = membership, campus, public, pg_temp AS $$
    SELECT p.id, f.field
      FROM membership.person p
      JOIN membership.personal_field f ON f.service = 'membership' AND f.rule = 'after_leaving'
     WHERE p.ended_on IS NOT NULL AND p.erased_at IS NULL AND p.home <@ ANY (scopes)
       AND p.ended_on + f.retention_days <= (SELECT campus.today())
       AND CASE f.field WHEN 'email' THEN p.email IS NOT NULL
                        WHEN 'class_name' THEN p.class_name IS NOT NULL
                        ELSE EXISTS (SELECT FROM membership.sensitive s WHERE s.person_id = p.id AND s.field = f.field) END
     ORDER BY p.ended_on, p.id, f.field
     LIMIT most
$$;

-- Clears a lot of what is due, and of the log of reads what is too old. Counts by field; of whom, as an array; whether more is due.
CREATE FUNCTION minimise(scopes ltree[], most int, dry boolean,
                         OUT fields jsonb, OUT people uuid[], OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = membership, campus, public, pg_temp AS $$
DECLARE
    due_people uuid[];
    due_fields text[];
    old_reads uuid[];
BEGIN
    -- Locked before it is decided, in the order of ids.
    PERFORM FROM membership.person
      WHERE id IN (SELECT d.person_id FROM membership.minimise_due(scopes, most) d) AND NOT dry
      ORDER BY id FOR NO KEY UPDATE;
    SELECT coalesce(array_agg(d.person_id), '{}'), coalesce(array_agg(d.field), '{}') INTO due_people, due_fields
      FROM membership.minimise_due(scopes, most) d;
    SELECT coalesce(array_agg(r.id), '{}') INTO old_reads
      FROM (SELECT r.id FROM membership.sensitive_reading r
              JOIN membership.person p ON p.id = r.person_id
              JOIN membership.personal_field f ON f.service = 'membership' AND f.field = 'read_reason'
             WHERE p.home <@ ANY (scopes) AND r.read_at < campus.now() - make_interval(days => f.retention_days)
             ORDER BY r.id LIMIT most) AS r;
    SELECT coalesce(jsonb_agg(jsonb_build_object('field', c.field, 'count', c.count) ORDER BY c.field), '[]') INTO fields
      FROM (SELECT f AS field, count(*) FROM unnest(due_fields) f GROUP BY f
             UNION ALL
            SELECT 'read_reason', cardinality(old_reads) WHERE cardinality(old_reads) > 0) AS c;
    more := cardinality(due_people) = most OR cardinality(old_reads) = most;
    people := ARRAY (SELECT DISTINCT u FROM unnest(due_people) u ORDER BY u);
    IF dry THEN
        RETURN;
    END IF;
    DELETE FROM membership.sensitive s USING unnest(due_people, due_fields) AS d (person_id, field)
     WHERE s.person_id = d.person_id AND s.field = d.field;
    DELETE FROM membership.sensitive_reading r WHERE r.id = ANY (old_reads);
    UPDATE membership.person p
       SET email = CASE WHEN 'email' = ANY (d.fields) THEN NULL ELSE p.email END,
           class_name = CASE WHEN 'class_name' = ANY (d.fields) THEN NULL ELSE p.class_name END,
           version = p.version + 1, updated_at = campus.now()
      FROM (SELECT u.person_id, array_agg(u.field) AS fields FROM unnest(due_people, due_fields) AS u (person_id, field)
             GROUP BY u.person_id) AS d
     WHERE p.id = d.person_id;
END $$;

REVOKE ALL ON FUNCTION sensitive_open(uuid, text[], text, text, uuid, text), sensitive_put(uuid, text, text, bytea, text),
                       sensitive_phones(uuid[], text[]), sensitive_phones_known(uuid[], text[]), erase_person(uuid, boolean),
                       minimise_due(ltree[], int), minimise(ltree[], int, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sensitive_open(uuid, text[], text, text, uuid, text), sensitive_put(uuid, text, text, bytea, text),
                          sensitive_phones(uuid[], text[]), sensitive_phones_known(uuid[], text[]), erase_person(uuid, boolean),
                          minimise(ltree[], int, boolean) TO campus_membership;
GRANT SELECT ON personal_field, consent_wording, sensitive_reading, personal_export, personal_export_transcript TO campus_membership;
GRANT SELECT, INSERT ON consent TO campus_membership;

INSERT INTO role_permission (role, permission) VALUES
    ('privacy_officer', 'membership.privacy.export'), ('privacy_officer', 'membership.privacy.erase'),
    ('privacy_officer', 'membership.privacy.minimise'), ('privacy_officer', 'membership.sensitive_reads.read'),
    ('registrar', 'membership.sensitive.read'), ('registrar', 'membership.sensitive.write'),
    ('secretary', 'membership.sensitive.read'), ('auditor', 'membership.sensitive_reads.read');
