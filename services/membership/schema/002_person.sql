-- admits: 1
-- People, and the index that tells which subtrees a person is seen from.

CREATE TABLE person (
    id             uuid PRIMARY KEY,
    student_number text NOT NULL CONSTRAINT student_number_taken UNIQUE,
    name           text NOT NULL,
    latin_name     text,
    home           ltree NOT NULL CONSTRAINT home_unknown REFERENCES organisation,
    grade          int,
    class_name     text,
    status         text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'on_leave', 'graduated', 'left')),
    email          text,
    phone          text,
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT campus.now(),
    updated_at     timestamptz NOT NULL DEFAULT campus.now(),
    folded         text NOT NULL GENERATED ALWAYS AS
                       (campus.fold(name) || ' ' || coalesce(campus.fold(latin_name), '')) STORED,
    grams          text[] NOT NULL GENERATED ALWAYS AS (campus.grams(name, latin_name)) STORED
);
CREATE INDEX person_grams ON person USING gin (grams);
CREATE INDEX person_home ON person (home);

-- A row for each organisation at or above a person's home and current memberships, the root '' too, with what lists
-- filter and sort by. A list of a subtree is then one range of one index, however many people it has and whichever
-- page is asked for. Ranges of one (ancestor, person) are disjoint, so a person shows once on any day.
CREATE TABLE person_reach (
    ancestor       ltree NOT NULL,
    person_id      uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    since          date NOT NULL,
    until          date NOT NULL,
    name           text COLLATE "zh-x-icu" NOT NULL,   -- in the order of pinyin
    student_number text NOT NULL,
    home           ltree NOT NULL,
    grade          int,
    status         text NOT NULL,
    PRIMARY KEY (ancestor, person_id, since)
);
CREATE INDEX person_reach_name ON person_reach (ancestor, name, person_id);
CREATE INDEX person_reach_student_number ON person_reach (ancestor, student_number, person_id);
CREATE INDEX person_reach_person ON person_reach (person_id);

-- The root, the organisations above, and the organisation itself.
CREATE FUNCTION ancestors(path ltree) RETURNS SETOF ltree LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT subpath(path, 0, i) FROM generate_series(0, nlevel(path)) i
$$;

-- Where a list of people begins to look: the caller's subtrees, narrowed to an organisation whose members are asked for, or to
-- a home that lies in them.
CREATE FUNCTION anchors(scopes ltree[], organisation ltree, home ltree) RETURNS ltree[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN organisation IS NOT NULL THEN campus.narrow(scopes, organisation)
        WHEN home <@ ANY (scopes) THEN ARRAY[home]
        ELSE scopes
    END
$$;

CREATE FUNCTION person_reach_add() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO membership.person_reach
    SELECT a, p.id, '-infinity', 'infinity', p.name, p.student_number, p.home, p.grade, p.status
      FROM added p, membership.ancestors(p.home) a;
    RETURN NULL;
END $$;
CREATE TRIGGER person_added AFTER INSERT ON person REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION person_reach_add();

GRANT SELECT, INSERT, UPDATE ON person TO campus_membership;
GRANT SELECT, INSERT, DELETE ON person_reach TO campus_membership;
