-- admits: 1
-- Refusals that name what they are about.

-- As refuse(code), with the request's field at fault as a pointer ("/person_id") and what the text's %s stands for: an
-- office's title, a date. Nothing personal.
CREATE FUNCTION refuse(code text, pointer text, argument text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CA422', CONSTRAINT = code, MESSAGE = code,
        DETAIL = pointer || E'\t' || code || E'\t' || translate(argument, E'\t\n', '  ') || E'\n';
END $$;

-- What is for a demo campus only asks whether this is one.
GRANT SELECT ON demo TO PUBLIC;

-- Whether grants, as parallel arrays of where and what, hold all that is wanted at a place.
CREATE FUNCTION holds(organisations text[], permissions text[], wanted text[], place ltree) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT campus.covers(ARRAY (SELECT p FROM unnest(organisations, permissions) AS held (o, p) WHERE place <@ o::ltree), wanted)
$$;
