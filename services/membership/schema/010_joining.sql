-- admits: 1
-- Joining and leaving: recruitment campaigns, applications, bans, the terms of memberships.

-- ---- campaigns ----

-- What is asked of an applicant: an array of objects whose members the contract has checked one by one. Here what holds between them.
CREATE FUNCTION questions_are_sound(questions jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT jsonb_typeof(questions) = 'array'
       AND coalesce((SELECT bool_and(
               q ?& ARRAY['id', 'text', 'kind']
               AND CASE q->>'kind'
                     WHEN 'choice' THEN jsonb_array_length(coalesce(q->'choices', '[]')) >= 2
                                        AND NOT q ? 'least' AND coalesce((q->>'most')::numeric, 1) >= 1
                     WHEN 'text' THEN NOT q ? 'choices' AND coalesce((q->>'least')::numeric, 0) >= 0
                     WHEN 'number' THEN NOT q ? 'choices'
                     WHEN 'yes_no' THEN NOT q ?| ARRAY['choices', 'least', 'most']
                     ELSE false
                   END
               AND coalesce((q->>'least')::numeric <= (q->>'most')::numeric, true))
             FROM jsonb_array_elements(questions) q), true)
$$;

CREATE FUNCTION questions_differ(questions jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT count(*) = count(DISTINCT q->>'id') FROM jsonb_array_elements(questions) q
$$;

CREATE TABLE campaign (
    id                uuid PRIMARY KEY,
    organisation      ltree NOT NULL CONSTRAINT organisation_unknown REFERENCES organisation,
    title             text NOT NULL,
    description       text,
    opens_at          timestamptz NOT NULL,
    closes_at         timestamptz NOT NULL,
    quota             int CHECK (quota >= 0),          -- in all its tracks together; NULL: as many as these take
    audience_homes    ltree[] NOT NULL DEFAULT '{}',   -- who may apply; an empty array asks nothing
    audience_grades   int[] NOT NULL DEFAULT '{}',
    audience_statuses text[] NOT NULL DEFAULT '{active}' CHECK (audience_statuses <@ '{active,on_leave}'),
    questions         jsonb NOT NULL DEFAULT '[]' CONSTRAINT question_unsound CHECK (questions_are_sound(questions)),
    gives             text NOT NULL CHECK (gives IN ('member', 'probationary')), -- the membership's kind
    cancelled_at      timestamptz,
    version           bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT campus.now(),
    updated_at        timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT closes_before_it_opens CHECK (closes_at > opens_at),
    CONSTRAINT question_twice CHECK (questions_differ(questions))
);
CREATE INDEX campaign_by_end ON campaign (closes_at, id);
CREATE INDEX campaign_of_organisation ON campaign (organisation, closes_at, id);

-- For whom it recruits: at least one track each.
CREATE TABLE campaign_track (
    campaign_id  uuid NOT NULL REFERENCES campaign,
    organisation ltree NOT NULL CONSTRAINT track_unknown REFERENCES organisation,
    quota        int CHECK (quota >= 0),               -- NULL: as many as the campaign takes
    CONSTRAINT track_twice PRIMARY KEY (campaign_id, organisation)
);

CREATE FUNCTION campaign_state(c campaign) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN c.cancelled_at IS NOT NULL THEN 'cancelled'
                WHEN (SELECT campus.now()) < c.opens_at THEN 'planned'
                WHEN (SELECT campus.now()) < c.closes_at THEN 'open'
                ELSE 'closed' END
$$;

-- An organisation that is to be relied upon, locked so that it does not end meanwhile.
CREATE FUNCTION living_organisation(path ltree) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM membership.organisation o
      WHERE o.path = $1 AND (o.dissolved_on IS NULL OR o.dissolved_on > campus.today()) FOR SHARE;
    RETURN FOUND;
END $$;

CREATE FUNCTION campaign_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('organisation_unknown') WHERE NOT membership.living_organisation(NEW.organisation);
    PERFORM campus.refuse('outside_organisation_life')
       FROM membership.organisation o
      WHERE o.path = NEW.organisation AND NEW.closes_at > membership.midnight(o.dissolved_on);
    PERFORM campus.refuse('home_unknown')
      WHERE EXISTS (SELECT FROM unnest(NEW.audience_homes) h WHERE h NOT IN (SELECT path FROM membership.organisation));
    RETURN NEW;
END $$;
CREATE TRIGGER campaign_rules BEFORE INSERT OR UPDATE OF audience_homes, closes_at ON campaign
    FOR EACH ROW EXECUTE FUNCTION campaign_rules();

CREATE FUNCTION campaign_track_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('track_unknown')
      WHERE NOT NEW.organisation <@ (SELECT organisation FROM membership.campaign WHERE id = NEW.campaign_id)
         OR NOT membership.living_organisation(NEW.organisation);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER campaign_track_rules AFTER INSERT ON campaign_track
    FOR EACH ROW EXECUTE FUNCTION campaign_track_rules();

-- ---- applications ----

CREATE FUNCTION paths_differ(paths ltree[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT count(*) = count(DISTINCT p) FROM unnest(paths) p
$$;

CREATE TABLE application (
    id              uuid PRIMARY KEY,
    campaign_id     uuid NOT NULL CONSTRAINT campaign_unknown REFERENCES campaign,
    person_id       uuid NOT NULL REFERENCES person,
    state           text NOT NULL DEFAULT 'draft'
                    CHECK (state IN ('draft', 'submitted', 'interview', 'accepted', 'refused', 'withdrawn')),
    choices         ltree[] NOT NULL DEFAULT '{}',     -- tracks, the preferred one first
    any_track       boolean NOT NULL DEFAULT false,    -- another track is welcome too
    answers         jsonb NOT NULL DEFAULT '[]',       -- of a draft: as far as they have come
    reviewers       uuid[] NOT NULL DEFAULT '{}',      -- people
    submitted_at    timestamptz,
    interview_at    timestamptz,
    interview_place text,
    decided_at      timestamptz,
    decided_by      text,                              -- the caller
    track           ltree,                             -- where it was accepted
    membership_id   uuid REFERENCES membership,
    reason          text,                              -- why it was refused: the applicant reads it
    version         bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT campus.now(),
    updated_at      timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT already_applied UNIQUE (campaign_id, person_id),
    CONSTRAINT choice_twice CHECK (paths_differ(choices)),
    CONSTRAINT track_in_use FOREIGN KEY (campaign_id, track) REFERENCES campaign_track,
    CONSTRAINT accepted_is_member CHECK ((state = 'accepted') = (membership_id IS NOT NULL)
                                         AND (membership_id IS NULL) = (track IS NULL)),
    CONSTRAINT refused_for_a_reason CHECK ((state = 'refused') = (reason IS NOT NULL)),
    CONSTRAINT decided_at_a_time CHECK ((state IN ('accepted', 'refused')) = (decided_at IS NOT NULL))
);
CREATE INDEX application_of_campaign ON application (campaign_id, id);
CREATE INDEX application_by_state ON application (campaign_id, state, id);
CREATE INDEX application_reviewers ON application USING gin (reviewers);
CREATE INDEX application_of_person ON application (person_id, id);
CREATE INDEX application_accepted ON application (campaign_id, track) WHERE state = 'accepted';

-- Whether a campaign is for this person.
CREATE FUNCTION in_audience(p person, c campaign) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p.status = ANY (c.audience_statuses)
       AND (c.audience_homes = '{}' OR p.home <@ ANY (c.audience_homes))
       AND (c.audience_grades = '{}' OR coalesce(p.grade = ANY (c.audience_grades), false))
$$;

-- Who has said that they are too near to an applicant. Of oneself it need not be said.
CREATE TABLE application_conflict (
    application_id uuid NOT NULL REFERENCES application,
    person_id      uuid NOT NULL REFERENCES person,
    declared_at    timestamptz NOT NULL DEFAULT campus.now(),
    PRIMARY KEY (application_id, person_id)
);

-- Only ever added to.
CREATE TABLE application_comment (
    id             uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES application,
    author         text NOT NULL,                      -- the caller
    person_id      uuid REFERENCES person,             -- behind whom this person stands
    shown          boolean NOT NULL,                   -- to the applicant too
    text           text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT campus.now()
);
CREATE INDEX application_comment_of ON application_comment (application_id, id);

-- An application can choose only tracks that there are; these are locked, so that none goes meanwhile.
CREATE FUNCTION application_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM membership.campaign_track
      WHERE campaign_id = NEW.campaign_id AND organisation = ANY (NEW.choices) FOR KEY SHARE;
    PERFORM campus.refuse('track_unknown')
      WHERE NOT NEW.choices <@ ARRAY (SELECT organisation FROM membership.campaign_track WHERE campaign_id = NEW.campaign_id);
    RETURN NEW;
END $$;
CREATE TRIGGER application_rules BEFORE INSERT OR UPDATE OF choices ON application
    FOR EACH ROW EXECUTE FUNCTION application_rules();

CREATE FUNCTION campaign_track_is_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('track_in_use')
      WHERE EXISTS (SELECT FROM membership.application
                     WHERE campaign_id = OLD.campaign_id AND OLD.organisation = ANY (choices || track));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER campaign_track_is_free AFTER DELETE ON campaign_track
    FOR EACH ROW EXECUTE FUNCTION campaign_track_is_free();

-- What is wrong with an application that is to be submitted: (pointer, code, argument) each. Pointers name questions by their
-- ids, since to one that was not answered no place in the array leads.
CREATE FUNCTION application_faults(a application, questions jsonb)
RETURNS TABLE (pointer text, code text, argument text) LANGUAGE sql STABLE AS $$
    WITH asked AS (
      SELECT q->>'id' AS id, q->>'kind' AS kind, coalesce((q->>'required')::bool, false) AS required, q->'choices' AS choices,
             (q->>'least')::numeric AS least, (q->>'most')::numeric AS most, n
        FROM jsonb_array_elements(questions) WITH ORDINALITY AS e (q, n)),
    given AS (
      SELECT r->>'question' AS id, r->>'text' AS text, (r->>'number')::numeric AS number, r->'choices' AS choices, r->'yes' AS yes,
             count(*) OVER (PARTITION BY r->>'question') AS times
        FROM jsonb_array_elements(a.answers) r),
    judged AS (
      SELECT a_.n, coalesce(a_.id, g.id) AS id, CASE
          WHEN a_.id IS NULL THEN ARRAY['question_unknown', '']
          WHEN g.times > 1 THEN ARRAY['answered_twice', '']
          WHEN g.id IS NULL THEN CASE WHEN a_.required THEN ARRAY['required', ''] END
          WHEN a_.kind <> 'text' AND g.text IS NOT NULL OR a_.kind <> 'number' AND g.number IS NOT NULL
               OR a_.kind <> 'choice' AND g.choices IS NOT NULL OR a_.kind <> 'yes_no' AND g.yes IS NOT NULL
               THEN ARRAY['wrong_type', CASE a_.kind WHEN 'text' THEN 'a text, in `text`' WHEN 'number' THEN 'a number, in `number`'
                                                     WHEN 'choice' THEN 'a list, in `choices`' ELSE 'true or false, in `yes`' END]
          WHEN coalesce(g.text, g.number::text, g.choices::text, g.yes::text, '') IN ('', '[]')
               THEN CASE WHEN a_.required THEN ARRAY['required', ''] END
          WHEN a_.kind = 'text' AND length(g.text) < a_.least THEN ARRAY['too_short', a_.least::text]
          WHEN a_.kind = 'text' AND length(g.text) > coalesce(a_.most, 1000) THEN ARRAY['too_long', coalesce(a_.most, 1000)::text]
          WHEN a_.kind = 'number' AND (g.number < a_.least OR g.number > a_.most)
               THEN ARRAY['out_of_range', CASE WHEN a_.most IS NULL THEN a_.least || ' and more'
                                               WHEN a_.least IS NULL THEN 'up to ' || a_.most
                                               ELSE a_.least || ' to ' || a_.most END]
          WHEN a_.kind = 'choice' AND NOT g.choices <@ a_.choices THEN ARRAY['not_a_choice', '']
          WHEN a_.kind = 'choice' AND jsonb_array_length(g.choices) > coalesce(a_.most, 1)
               THEN ARRAY['too_many', coalesce(a_.most, 1)::text]
          WHEN a_.kind = 'choice' AND (SELECT count(*) <> count(DISTINCT c) FROM jsonb_array_elements_text(g.choices) c)
               THEN ARRAY['chosen_twice', '']
        END AS fault
        FROM asked a_ FULL JOIN given g ON g.id = a_.id)
    SELECT '/choices', 'required', '' WHERE a.choices = '{}'
     UNION ALL
    (SELECT DISTINCT ON (n, id) '/answers/' || id, fault[1], fault[2] FROM judged WHERE fault IS NOT NULL ORDER BY n, id LIMIT 20)
$$;

-- Refuses with every fault that was found; NULL where there is none.
CREATE FUNCTION refuse_faults(a application, questions jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    faults text := (SELECT string_agg(concat_ws(E'\t', pointer, code, argument) || E'\n', '')
                      FROM membership.application_faults(a, questions));
BEGIN
    IF faults IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'CA422', CONSTRAINT = 'application_incomplete', MESSAGE = 'application_incomplete',
                              DETAIL = faults;
    END IF;
    RETURN NULL;
END $$;

-- Where a caller may review an application: in the campaign's organisation, or in one of the tracks that were chosen.
CREATE FUNCTION reviews(scopes ltree[], organisation ltree, a application) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT a.state <> 'draft' AND (organisation <@ ANY (scopes) OR a.choices <@ ANY (scopes) OR coalesce(a.track <@ ANY (scopes), false))
$$;

-- Whether the person behind a caller is too near to judge, and why.
CREATE FUNCTION review_refusal(a application, caller uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN a.person_id = caller THEN 'own_application'
                WHEN EXISTS (SELECT FROM membership.application_conflict c WHERE c.application_id = a.id AND c.person_id = caller)
                THEN 'conflict_of_interest' END
$$;

-- Whose work is done ("handover"): it belongs to the organisation, whoever holds its offices.
CREATE VIEW open_items_joining AS
SELECT c.organisation, 'application' AS kind, a.id::text AS item_id, c.title, coalesce(a.interview_at, c.closes_at) AS due_at,
       a.state
  FROM application a JOIN campaign c ON c.id = a.campaign_id
 WHERE a.state IN ('submitted', 'interview')
 UNION ALL
SELECT c.organisation, 'campaign', c.id::text, c.title, c.closes_at, campaign_state(c)
  FROM campaign c
 WHERE c.cancelled_at IS NULL AND c.closes_at > (SELECT campus.now());
CREATE INDEX application_open ON application (campaign_id) WHERE state IN ('submitted', 'interview');

-- ---- bans ----

-- From joining an organisation and all under it; it ends by itself.
CREATE TABLE ban (
    id            uuid PRIMARY KEY,
    person_id     uuid NOT NULL CONSTRAINT person_unknown REFERENCES person,
    organisation  ltree NOT NULL CONSTRAINT organisation_unknown REFERENCES organisation,
    since         date NOT NULL,
    until         date NOT NULL,                       -- the first day on which it no longer holds
    reason        text NOT NULL,
    lifted_at     timestamptz,
    lifted_reason text,
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT campus.now(),
    updated_at    timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT until_before_since CHECK (until > since),
    CONSTRAINT lifted_for_a_reason CHECK ((lifted_at IS NULL) = (lifted_reason IS NULL))
);
CREATE INDEX ban_of_person ON ban (person_id, id);
CREATE INDEX ban_of_organisation ON ban (organisation, id);

CREATE FUNCTION is_banned(person_id uuid, organisation ltree) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM membership.ban b
                    WHERE b.person_id = $1 AND $2 <@ b.organisation AND b.lifted_at IS NULL
                      AND b.since <= (SELECT campus.today()) AND b.until > (SELECT campus.today()))
$$;

-- Whichever way somebody becomes a member. Who bans and who takes in have both locked the person before.
CREATE FUNCTION membership_not_banned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campus.refuse('banned') WHERE membership.is_banned(NEW.person_id, NEW.organisation);
    RETURN NEW;
END $$;
CREATE TRIGGER membership_not_banned BEFORE INSERT ON membership FOR EACH ROW EXECUTE FUNCTION membership_not_banned();

-- ---- the ends of memberships ----

ALTER TABLE membership ADD COLUMN renew_by date;       -- who has not renewed by then may be ended; NULL: it runs on
ALTER TABLE membership ADD COLUMN expulsion_reason text;
ALTER TABLE membership ADD CONSTRAINT expelled_for_a_reason
    CHECK (reason IS DISTINCT FROM 'expelled' OR expulsion_reason IS NOT NULL) NOT VALID; -- of before it nobody knows
CREATE INDEX membership_renew_by ON membership (organisation, renew_by, id) WHERE until IS NULL AND renew_by IS NOT NULL;

-- Whether memberships are renewed: of an organisation and of those under it that say nothing else.
CREATE TABLE membership_term (
    organisation ltree PRIMARY KEY CONSTRAINT organisation_unknown REFERENCES organisation,
    renewal      text NOT NULL CHECK (renewal IN ('none', 'yearly')),
    month        int CHECK (month BETWEEN 1 AND 12),
    day          int CHECK (day BETWEEN 1 AND 31),
    opens_days   int NOT NULL DEFAULT 60 CHECK (opens_days BETWEEN 1 AND 365), -- so long before the day one can renew
    grace_days   int NOT NULL DEFAULT 0 CHECK (grace_days BETWEEN 0 AND 365),  -- so long after it nobody is ended
    version      bigint NOT NULL DEFAULT 1,
    updated_at   timestamptz NOT NULL DEFAULT campus.now(),
    CONSTRAINT term_has_a_day CHECK ((renewal = 'yearly') = (month IS NOT NULL AND day IS NOT NULL)
                                     AND (month IS NULL) = (day IS NULL)),
    CONSTRAINT no_such_day CHECK (day <= CASE WHEN month = 2 THEN 28 WHEN month IN (4, 6, 9, 11) THEN 30 ELSE 31 END)
);

-- The term that counts for an organisation: the nearest one above it or its own; no row where nobody has said anything.
CREATE FUNCTION term_of(organisation ltree) RETURNS SETOF membership_term LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT t.* FROM membership.membership_term t WHERE t.organisation @> $1 ORDER BY nlevel(t.organisation) DESC LIMIT 1
$$;

-- The first day of renewal behind a day; NULL where there is no renewal, or no such day before the end of the year 9999.
CREATE FUNCTION next_renewal(t membership_term, behind date) RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN t.renewal = 'yearly' THEN
        (SELECT min(d) FROM (SELECT make_date(extract(year FROM behind)::int + n, t.month, t.day) AS d
                               FROM generate_series(0, 1) n) AS days
          WHERE d > behind AND d <= '9999-12-31') END
$$;

CREATE FUNCTION membership_gets_term() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.renew_by IS NULL AND NEW.kind <> 'honorary' THEN
        NEW.renew_by := (SELECT membership.next_renewal(t, greatest(NEW.since, campus.today()))
                           FROM membership.term_of(NEW.organisation) t);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER membership_gets_term BEFORE INSERT ON membership FOR EACH ROW EXECUTE FUNCTION membership_gets_term();

-- A change that touches no dates, as a renewal, makes nobody's reach anew.
CREATE FUNCTION person_reach_of_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM membership.person_reach_renew(array_agg(DISTINCT n.person_id))
       FROM changed n JOIN before o ON o.id = n.id
      WHERE (n.person_id, n.organisation, n.since, n.until) IS DISTINCT FROM (o.person_id, o.organisation, o.since, o.until)
     HAVING count(*) > 0;
    RETURN NULL;
END $$;
DROP TRIGGER membership_closed ON membership;
CREATE TRIGGER membership_closed AFTER UPDATE ON membership REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION person_reach_of_closed();

INSERT INTO mail_kind VALUES ('application_interview'), ('member_expelled'); -- 'application_decided' there is

GRANT SELECT, INSERT, UPDATE (title, description, opens_at, closes_at, quota, audience_homes, audience_grades, audience_statuses,
                              questions, gives, cancelled_at, version, updated_at) ON campaign TO campus_membership;
GRANT SELECT, INSERT, UPDATE (state, choices, any_track, answers, reviewers, submitted_at, interview_at, interview_place,
                              decided_at, decided_by, track, membership_id, reason, version, updated_at) ON application TO campus_membership;
GRANT SELECT, INSERT, UPDATE (lifted_at, lifted_reason, version, updated_at) ON ban TO campus_membership;
GRANT SELECT, INSERT, UPDATE (renewal, month, day, opens_days, grace_days, version, updated_at) ON membership_term
   TO campus_membership;
GRANT UPDATE (renew_by, expulsion_reason) ON membership TO campus_membership;
GRANT SELECT, INSERT, UPDATE (quota), DELETE ON campaign_track TO campus_membership;
GRANT SELECT, INSERT ON application_conflict, application_comment TO campus_membership;
GRANT SELECT ON open_items_joining TO campus_membership;

INSERT INTO role_permission (role, permission)
SELECT role, 'membership.' || unnest(string_to_array(permissions, ' ')) FROM (VALUES
    ('secretary', 'campaigns.read campaigns.write applications.review bans.read terms.read terms.write'),
    ('chair', 'campaigns.read campaigns.write applications.review bans.read bans.write memberships.expel terms.read'),
    ('head', 'campaigns.read campaigns.write applications.review bans.read'),
    ('officer', 'campaigns.read'),
    ('reviewer', 'campaigns.read applications.review'),
    ('supervisor', 'campaigns.read bans.read terms.read'),
    ('registrar', 'people.graduate'),
    ('auditor', 'campaigns.read bans.read terms.read')
) AS given (role, permissions);
