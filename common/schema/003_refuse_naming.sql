-- admits: 1
-- Refusals that name what they are about.

-- As refuse(code), with what its text's %s stands for: an office's title, a date. Nothing personal.
CREATE FUNCTION refuse(code text, argument text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = code, MESSAGE = code, DETAIL = argument;
END $$;

-- Whether grants, as parallel arrays of where and what, hold all that is wanted at a place.
CREATE FUNCTION holds(organisations text[], permissions text[], wanted text[], place ltree) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT campus.covers(ARRAY (SELECT p FROM unnest(organisations, permissions) AS held (o, p) WHERE place <@ o::ltree), wanted)
$$;
