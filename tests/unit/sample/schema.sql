-- The sample's schema, with what the framework keeps in it.
SET ROLE campus_owner;
CREATE SCHEMA sample;
SET search_path = sample, campus, public;
CALL campus.equip('sample');
INSERT INTO fact_cursor VALUES ('sample', 0);

CREATE TABLE place (path ltree PRIMARY KEY);
INSERT INTO place VALUES ('su'), ('su.learning');

CREATE TABLE thing (
    id          uuid PRIMARY KEY,
    path        ltree NOT NULL,
    title       text NOT NULL CONSTRAINT title_taken UNIQUE,
    kind        text NOT NULL DEFAULT 'book',
    contact     text,
    size        int CONSTRAINT size_small CHECK (size < 1000000),
    tags        text[] NOT NULL DEFAULT '{}',
    label       text,
    place_name  text,
    place_floor int,
    locked      bool NOT NULL DEFAULT false,
    version     bigint NOT NULL DEFAULT 1,
    made_at     timestamptz NOT NULL DEFAULT '2026-09-01T08:00:00Z'
);
CREATE TABLE part (thing_id uuid, name text, size int);
CREATE TABLE noticed (pos bigint, subject text);
GRANT ALL ON place, thing, part, noticed TO campus_sample;
