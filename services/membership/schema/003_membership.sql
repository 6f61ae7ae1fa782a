-- admits: 1
-- Memberships: opened and closed by date, never overwritten.

CREATE TABLE membership (
    id           uuid PRIMARY KEY,
    person_id    uuid NOT NULL CONSTRAINT person_unknown REFERENCES person,
    organisation ltree NOT NULL CONSTRAINT organisation_unknown REFERENCES organisation,
    kind         text NOT NULL CHECK (kind IN ('member', 'probationary', 'honorary')),
    since        date NOT NULL,
    until        date,                                 -- the first day on which it no longer holds
    reason       text CHECK (reason IN ('left', 'graduated', 'expired', 'transferred', 'expelled', 'dissolved')),
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT campus.now(),
    updated_at   timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT until_before_since CHECK (until >= since),
    CONSTRAINT reason_of_the_open CHECK ((until IS NULL) = (reason IS NULL)),
    CONSTRAINT membership_overlaps EXCLUDE USING gist
        (person_id WITH =, organisation WITH =, kind WITH =, daterange(since, until) WITH &&)
);
CREATE INDEX membership_person ON membership (person_id, id);
CREATE INDEX membership_organisation ON membership (organisation, id);

-- A membership lies inside its organisation's life. One that never came into force (since = until) lies anywhere.
CREATE FUNCTION membership_in_life() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('outside_organisation_life')
       FROM membership.organisation o
      WHERE o.path = NEW.organisation AND NEW.since IS DISTINCT FROM NEW.until
        AND (NEW.since < o.founded_on OR coalesce(NEW.until, 'infinity') > o.dissolved_on);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER membership_in_life AFTER INSERT OR UPDATE ON membership
    FOR EACH ROW EXECUTE FUNCTION membership_in_life();

-- The same from the other side.
CREATE FUNCTION organisation_around_memberships() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('members_before_founded')
      WHERE EXISTS (SELECT FROM membership.membership m
                     WHERE m.organisation = NEW.path AND m.since < NEW.founded_on AND m.since IS DISTINCT FROM m.until);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER organisation_around_memberships AFTER UPDATE ON organisation
    FOR EACH ROW WHEN (NEW.founded_on IS DISTINCT FROM OLD.founded_on)
    EXECUTE FUNCTION organisation_around_memberships();

-- Whether a person belongs today to an organisation or one under it.
CREATE FUNCTION is_member(person_id uuid, organisation ltree) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT FROM membership.membership m
                    WHERE m.person_id = $1 AND m.organisation <@ $2
                      AND m.since <= (SELECT campus.today())
                      AND (m.until IS NULL OR m.until > (SELECT campus.today())))
$$;

-- ---- who is seen from where ----

-- Makes the reach of some people anew, from their homes and the memberships that have not ended. Their rows are locked first: of
-- two changes to one person at once the later then sees what the earlier did. By the indexes always: right after a great import the
-- planner knows no better than to read all people for the sake of one.
CREATE FUNCTION person_reach_renew(people uuid[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM FROM membership.person WHERE id = ANY (people) ORDER BY id FOR NO KEY UPDATE;
    DELETE FROM membership.person_reach WHERE person_id = ANY (people);
    INSERT INTO membership.person_reach
    SELECT w.ancestor, p.id, coalesce(lower(w.span), '-infinity'), coalesce(upper(w.span), 'infinity'),
           p.name, p.student_number, p.home, p.grade, p.status
      FROM (SELECT person_id, ancestor, unnest(range_agg(span)) AS span
              FROM (SELECT id AS person_id, membership.ancestors(home) AS ancestor, daterange(NULL, NULL) AS span
                      FROM membership.person WHERE id = ANY (people)
                     UNION ALL
                    SELECT person_id, membership.ancestors(organisation), daterange(since, until)
                      FROM membership.membership
                     WHERE person_id = ANY (people) AND (until IS NULL OR until > (SELECT campus.today()))) AS each_one
             GROUP BY person_id, ancestor) AS w
      JOIN membership.person p ON p.id = w.person_id;
END $$;

CREATE FUNCTION person_reach_of_people() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM membership.person_reach_renew(array_agg(n.id))
       FROM changed n JOIN before o ON o.id = n.id
      WHERE (n.home, n.name, n.student_number, n.grade, n.status)
            IS DISTINCT FROM (o.home, o.name, o.student_number, o.grade, o.status)
     HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER person_changed AFTER UPDATE ON person REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION person_reach_of_people();

CREATE FUNCTION person_reach_of_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM membership.person_reach_renew(array_agg(DISTINCT person_id)) FROM changed HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER membership_opened AFTER INSERT ON membership REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION person_reach_of_members();
CREATE TRIGGER membership_closed AFTER UPDATE ON membership REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION person_reach_of_members();

GRANT SELECT, INSERT, UPDATE ON membership TO campus_membership;
