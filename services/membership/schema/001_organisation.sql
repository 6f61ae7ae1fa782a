-- admits: 1
-- The tree of organisations. A path never changes: reorganisation is a dissolved organisation and its successor.

CALL campus.equip('membership');

-- What may stand under what; '' is the top.
CREATE TABLE organisation_kind_parent (
    kind        text NOT NULL,
    parent_kind text NOT NULL,
    PRIMARY KEY (kind, parent_kind)
);
INSERT INTO organisation_kind_parent (kind, parent_kind)
SELECT kind, unnest(parents) FROM (VALUES
    ('university',     ARRAY['']),
    ('college',        ARRAY['university']),
    ('committee',      ARRAY['', 'committee', 'college']),
    ('union',          ARRAY['', 'committee']),
    ('federation',     ARRAY['', 'committee']),
    ('association',    ARRAY['', 'committee', 'union', 'federation']),
    ('society',        ARRAY['committee', 'union', 'federation', 'association']),
    ('college_branch', ARRAY['committee', 'union', 'federation', 'association']),
    ('department',     ARRAY['committee', 'union', 'federation', 'association', 'society', 'college_branch', 'department'])
) AS allowed (kind, parents);

CREATE TABLE organisation (
    path         ltree CONSTRAINT organisation_path_taken PRIMARY KEY CHECK (nlevel(path) BETWEEN 1 AND 16),
    kind         text NOT NULL,
    parent       ltree GENERATED ALWAYS AS (CASE WHEN nlevel(path) > 1 THEN subpath(path, 0, -1) END) STORED,
    parent_kind  text NOT NULL,
    title        text COLLATE "zh-x-icu" NOT NULL,     -- in the order of pinyin
    title_en     text,
    description  text,
    led_by       ltree,
    led_by_kind  text GENERATED ALWAYS AS (CASE WHEN led_by IS NOT NULL THEN 'committee' END) STORED,
    founded_on   date,
    dissolved_on date,
    successor    ltree CONSTRAINT successor_unknown REFERENCES organisation,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT campus.now(),
    updated_at   timestamptz NOT NULL DEFAULT campus.now(),
    UNIQUE (path, kind),
    CONSTRAINT kind_not_allowed_here FOREIGN KEY (kind, parent_kind) REFERENCES organisation_kind_parent,
    CONSTRAINT parent_unknown FOREIGN KEY (parent, parent_kind) REFERENCES organisation (path, kind),
    CONSTRAINT parent_kind_of_the_top CHECK ((parent IS NULL) = (parent_kind = '')),
    -- Only committees lead, and none leads another but by its path: so nobody leads in a circle.
    CONSTRAINT led_by_unknown FOREIGN KEY (led_by, led_by_kind) REFERENCES organisation (path, kind),
    CONSTRAINT committee_is_not_led CHECK (kind <> 'committee' OR led_by IS NULL),
    CONSTRAINT dissolved_before_founded CHECK (dissolved_on >= founded_on),
    CONSTRAINT successor_of_the_living CHECK (successor IS NULL OR (dissolved_on IS NOT NULL AND successor <> path))
);
CREATE INDEX organisation_subtree ON organisation USING gist (path);
CREATE INDEX organisation_parent ON organisation (parent, path);
CREATE INDEX organisation_title ON organisation (title, path);

-- Rules between organisations that no constraint can say; each is refused under the name of its error code. What is relied
-- upon is locked, so that it does not end meanwhile; who ends an organisation has locked it before (see method.h).
CREATE FUNCTION organisation_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other membership.organisation;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.parent_kind := '';
        IF nlevel(NEW.path) > 1 THEN
            SELECT * INTO other FROM membership.organisation WHERE path = subpath(NEW.path, 0, -1) FOR SHARE;
            PERFORM campus.refuse('parent_unknown') WHERE other.path IS NULL;
            PERFORM campus.refuse('parent_dissolved') WHERE other.dissolved_on IS NOT NULL;
            NEW.parent_kind := other.kind;
        END IF;
    END IF;
    IF NEW.led_by IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.led_by IS DISTINCT FROM OLD.led_by) THEN
        PERFORM FROM membership.organisation
          WHERE path = NEW.led_by AND kind = 'committee' AND dissolved_on IS NULL FOR SHARE;
        PERFORM campus.refuse('led_by_unknown') WHERE NOT FOUND;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.dissolved_on IS DISTINCT FROM OLD.dissolved_on THEN
        PERFORM campus.refuse('has_living_children')
          WHERE EXISTS (SELECT FROM membership.organisation
                         WHERE parent = NEW.path AND (dissolved_on IS NULL OR dissolved_on > NEW.dissolved_on));
        IF NEW.successor IS NOT NULL THEN
            PERFORM FROM membership.organisation
              WHERE path = NEW.successor AND path <> NEW.path AND dissolved_on IS NULL FOR SHARE;
            PERFORM campus.refuse('successor_unknown') WHERE NOT FOUND;
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER organisation_rules BEFORE INSERT OR UPDATE ON organisation
    FOR EACH ROW EXECUTE FUNCTION organisation_rules();

GRANT SELECT ON organisation_kind_parent TO campus_membership;
GRANT SELECT, INSERT, UPDATE ON organisation TO campus_membership;
