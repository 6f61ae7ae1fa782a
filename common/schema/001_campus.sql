-- admits: 1
-- What all services share: the clock, ids, search by grams, and the tables that the framework keeps in each schema.

CREATE EXTENSION IF NOT EXISTS ltree SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;

GRANT USAGE ON SCHEMA campus TO PUBLIC;

-- ---- the clock ----

-- One row. Tests move `shift`; calendar rules use `time_zone`.
CREATE TABLE clock (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    shift     interval NOT NULL DEFAULT '0',
    time_zone text NOT NULL DEFAULT 'Asia/Shanghai'
);
INSERT INTO clock DEFAULT VALUES;
GRANT SELECT ON clock TO PUBLIC;

-- The time by which everything is decided: one instant for the whole call. plpgsql, since its plan is kept: 1 µs a call.
-- In a filter write (SELECT campus.now()), so that it runs once and not for each row.
CREATE FUNCTION now() RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN pg_catalog.now() + (SELECT c.shift FROM campus.clock c);
END $$;

-- The day it is where the campus stands.
CREATE FUNCTION today() RETURNS date LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT ((pg_catalog.now() + c.shift) AT TIME ZONE c.time_zone)::date FROM campus.clock c);
END $$;

-- ---- ids ----

-- UUIDv7 (RFC 9562): milliseconds first, so new rows stand together in an index. For rows that SQL makes in bulk.
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid
$$;

-- ---- search ----

-- How texts are compared in a search: NFC, lower case, without spaces, so that "zhangsan" finds "Zhang San".
CREATE FUNCTION fold(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT replace(lower(normalize($1, NFC)), ' ', '')
$$;

-- All one- and two-character pieces of the texts, each once; NULLs are skipped. What a GIN index holds: trigrams find
-- nothing in a Chinese name of two characters.
CREATE FUNCTION grams(VARIADIC texts text[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    one text;
    found text[] := '{}';
BEGIN
    FOREACH one IN ARRAY texts LOOP
        one := replace(lower(normalize(coalesce(one, ''), NFC)), ' ', '');
        FOR i IN 1 .. length(one) LOOP
            found := found || substr(one, i, 1) || CASE WHEN i < length(one) THEN substr(one, i, 2) END;
        END LOOP;
    END LOOP;
    RETURN ARRAY (SELECT DISTINCT g FROM unnest(found) g WHERE g IS NOT NULL);
END $$;

-- The words of a query, folded.
CREATE FUNCTION query_words(query text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_remove(regexp_split_to_array(lower(normalize(query, NFC)), '\s+'), '')
$$;

-- The grams that a row must have to hold each word of the query: pairs, or the character of a word that has but one.
CREATE FUNCTION query_grams(query text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY (
        SELECT DISTINCT substr(w, i, 2)
          FROM unnest(campus.query_words(query)) w, generate_series(1, greatest(length(w) - 1, 1)) i)
$$;

-- The words as patterns for `folded LIKE ALL (...)`: grams only tell that the pieces are there, not that they follow.
CREATE FUNCTION query_patterns(query text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY (SELECT '%' || regexp_replace(w, '([\\%_])', '\\\1', 'g') || '%' FROM unnest(campus.query_words(query)) w)
$$;

-- ---- who may, and who may not ----

-- Refuses the whole call with a code, as a constraint of that name would: for rules that no constraint can say.
CREATE FUNCTION refuse(code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = code, MESSAGE = code;
END $$;

-- What remains of the caller's subtrees within a filter's subtree; without a filter, all of them.
CREATE FUNCTION narrow(scopes ltree[], within ltree) RETURNS ltree[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN within IS NULL THEN scopes
        WHEN within <@ ANY (scopes) THEN ARRAY[within]
        ELSE ARRAY (SELECT s FROM unnest(scopes) s WHERE s <@ within)
    END
$$;

-- Whether patterns that are held ("*", "membership.*", "membership.people.read") cover all that are wanted.
CREATE FUNCTION covers(held text[], wanted text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT NOT EXISTS (
        SELECT FROM unnest(wanted) w
         WHERE NOT EXISTS (
            SELECT FROM unnest(held) h
             WHERE h = w OR h = '*' OR (right(h, 2) = '.*' AND starts_with(w, left(h, -1)))))
$$;

-- ---- what the framework keeps in each service's schema ----

-- Creates the tables of answers and facts in a service's schema, for its role campus_<service>. The first migration
-- of every service calls it.
CREATE PROCEDURE equip(service text) LANGUAGE plpgsql AS $$
DECLARE
    role text := 'campus_' || service;
BEGIN
    -- What was answered under an idempotency key. `rows` is a JSON null while the call is worked on. An empty reply makes
    -- it an SQL NULL, which is refused: so a write without a reply rolls back.
    EXECUTE format($sql$
        CREATE TABLE %1$I.answer (
            principal   text NOT NULL,
            key_hash    bytea NOT NULL,
            method      text NOT NULL,
            fingerprint bytea NOT NULL,
            rows        jsonb NOT NULL,
            expires_at  timestamptz NOT NULL,
            PRIMARY KEY (principal, key_hash)
        ) WITH (fillfactor = 70);
        CREATE INDEX answer_expires_at ON %1$I.answer (expires_at);

        -- What has happened. Ids are given before the commit, `pos` by the relay after it.
        CREATE TABLE %1$I.fact (
            id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            pos        bigint UNIQUE,
            type       text NOT NULL,
            subject    text NOT NULL,
            data       jsonb NOT NULL DEFAULT '{}',
            actor      text,
            method     text,
            request_id text,
            at         timestamptz NOT NULL DEFAULT campus.now()
        ) WITH (fillfactor = 90);
        CREATE INDEX fact_unnumbered ON %1$I.fact (id) WHERE pos IS NULL;

        -- How far this service has read another's facts.
        CREATE TABLE %1$I.fact_cursor (
            source text PRIMARY KEY,
            pos    bigint NOT NULL
        );

        -- What others may read; granted to those who do, in migrations.
        CREATE VIEW %1$I.facts AS
            SELECT pos, type, subject, data, actor, method, request_id, at FROM %1$I.fact WHERE pos IS NOT NULL;

        GRANT USAGE ON SCHEMA %1$I TO %2$I;
        GRANT SELECT, INSERT, UPDATE, DELETE ON %1$I.answer TO %2$I;
        GRANT SELECT, INSERT, UPDATE (pos) ON %1$I.fact TO %2$I;
        GRANT SELECT, INSERT, UPDATE ON %1$I.fact_cursor TO %2$I;
        GRANT SELECT ON %1$I.facts TO %2$I;
    $sql$, service, role);
END $$;
REVOKE ALL ON PROCEDURE equip(text) FROM PUBLIC;
