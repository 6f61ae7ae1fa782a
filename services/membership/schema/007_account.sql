-- admits: 1
-- Accounts of people: how they prove who they are, the sessions that this opens, and what keeps others from guessing.

-- What may be tuned without a release. One row.
CREATE TABLE account_policy (
    one                    boolean PRIMARY KEY DEFAULT true CHECK (one),
    password_shortest      int NOT NULL DEFAULT 12 CHECK (password_shortest BETWEEN 10 AND 64),
    idle_seconds           int NOT NULL DEFAULT 1800 CHECK (idle_seconds > 0),      -- a session that nobody uses
    session_seconds        int NOT NULL DEFAULT 43200 CHECK (session_seconds > 0),  -- any session
    overlap_seconds        int NOT NULL DEFAULT 60 CHECK (overlap_seconds >= 0),    -- the secret before a renewal
    setup_seconds          int NOT NULL DEFAULT 604800 CHECK (setup_seconds > 0),
    reset_seconds          int NOT NULL DEFAULT 3600 CHECK (reset_seconds > 0),
    failures_of_client     int NOT NULL DEFAULT 5 CHECK (failures_of_client > 0),   -- with one login from one network
    client_seconds         int NOT NULL DEFAULT 900 CHECK (client_seconds > 0),     -- ... within
    failures_in_all        int NOT NULL DEFAULT 30 CHECK (failures_in_all > 0),     -- with one login from anywhere
    all_seconds            int NOT NULL DEFAULT 3600 CHECK (all_seconds > 0),       -- ... within
    client_known_days      int NOT NULL DEFAULT 90 CHECK (client_known_days > 0),   -- since it last signed in from there
    mails_at_once          int NOT NULL DEFAULT 3 CHECK (mails_at_once > 0),        -- for one login that is forgotten
    mail_seconds           int NOT NULL DEFAULT 3600 CHECK (mail_seconds > 0),      -- ... within
    statuses               text[] NOT NULL DEFAULT '{active,on_leave,graduated}'    -- of whom may sign in
                           CHECK (statuses <@ '{active,on_leave,graduated,left}')
);
INSERT INTO account_policy DEFAULT VALUES;

-- Made by the first password, or whatever else a person first proves themselves with.
CREATE TABLE account (
    person_id          uuid PRIMARY KEY REFERENCES person ON DELETE CASCADE,
    password_hash      text,                            -- Argon2id's text, with its salt and parameters
    password_set_at    timestamptz,
    signed_in_at       timestamptz,
    totp_sealed        bytea,                           -- encrypted under the server's secret; NULL: no second factor
    totp_since         timestamptz,
    totp_step          bigint NOT NULL DEFAULT 0,       -- of the last code that was accepted: each serves once
    totp_pending       bytea,                           -- shown, and not yet confirmed
    totp_pending_until timestamptz,
    locked_at          timestamptz,
    locked_reason      text,
    version            bigint NOT NULL DEFAULT 1,       -- of what it is proved with
    created_at         timestamptz NOT NULL DEFAULT campus.now(),
    updated_at         timestamptz NOT NULL DEFAULT campus.now(),
    CHECK ((password_hash IS NULL) = (password_set_at IS NULL)),
    CHECK ((totp_sealed IS NULL) = (totp_since IS NULL)),
    CHECK ((totp_pending IS NULL) = (totp_pending_until IS NULL)),
    CHECK ((locked_at IS NULL) = (locked_reason IS NULL))
) WITH (fillfactor = 80);

-- Who signs in by e-mail is found by it.
CREATE INDEX person_email ON person (lower(email COLLATE "C")) WHERE email IS NOT NULL;

-- What sets a password once: from an administrator, or by mail. The token itself is derived from the id (account_token.h).
CREATE TABLE account_token (
    id         uuid PRIMARY KEY,
    person_id  uuid REFERENCES person ON DELETE CASCADE, -- NULL: nobody's, so that to forget a login of nobody is as much work
    kind       text NOT NULL CHECK (kind IN ('setup', 'reset')),
    token_hash bytea NOT NULL UNIQUE,                   -- SHA-256
    created_at timestamptz NOT NULL DEFAULT campus.now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    void_at    timestamptz,                             -- a later one took its place
    CHECK (person_id IS NOT NULL OR void_at IS NOT NULL)
);
CREATE UNIQUE INDEX account_token_of_one ON account_token (person_id) WHERE used_at IS NULL AND void_at IS NULL;
CREATE INDEX account_token_old ON account_token (expires_at);

-- Instead of a code, where the device is lost. Hashes under the server's secret.
CREATE TABLE account_recovery_code (
    person_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at   timestamptz,
    PRIMARY KEY (person_id, code_hash)
);

-- From which networks somebody has signed in: whoever fails from elsewhere cannot keep them out there. Keyed hashes.
CREATE TABLE account_client (
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    client    bytea NOT NULL,
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (person_id, client)
);
CREATE INDEX account_client_old ON account_client (last_at);

-- How often a login has failed, whether or not anybody has it: from one network, and ('\x00') from all. Keyed hashes.
CREATE TABLE sign_in_failure (
    login_hash bytea NOT NULL,
    client     bytea NOT NULL,
    count      int NOT NULL,
    until      timestamptz NOT NULL,                    -- then it is forgotten
    PRIMARY KEY (login_hash, client)
) WITH (fillfactor = 80);
CREATE INDEX sign_in_failure_old ON sign_in_failure (until);

CREATE TABLE session (
    id                  uuid PRIMARY KEY,
    person_id           uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    token_hash          bytea NOT NULL UNIQUE,          -- SHA-256 of the whole token
    previous_token_hash bytea UNIQUE,
    previous_expires_at timestamptz,
    begun_by            text NOT NULL CHECK (begun_by IN ('password', 'single_sign_on', 'operator')),
    second_factor       boolean NOT NULL,
    client              bytea,
    created_at          timestamptz NOT NULL DEFAULT campus.now(),
    last_used_at        timestamptz NOT NULL DEFAULT campus.now(), -- within a minute
    idle_seconds        int NOT NULL,
    ends_at             timestamptz NOT NULL,
    revoked_at          timestamptz,
    reason              text CHECK (reason IN ('signed_out', 'revoked', 'password_changed', 'factor_reset', 'locked')),
    CHECK ((previous_token_hash IS NULL) = (previous_expires_at IS NULL)),
    CHECK ((revoked_at IS NULL) = (reason IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX session_person ON session (person_id, id);
CREATE INDEX session_old ON session (ends_at);

-- ---- who may ----

-- Whom a login names: a student number, or the e-mail address of one person alone (of several it is nobody's). Case does not matter
-- of the letters of ASCII alone, just as where failures are counted (proof_count_as): or else who writes one login in many ways
-- would have many times the attempts.
CREATE FUNCTION person_of_login(login text) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN count(*) = 1 THEN (array_agg(named.id))[1] END
      FROM (SELECT id FROM membership.person WHERE student_number = $1
             UNION
            SELECT id FROM membership.person WHERE lower(email COLLATE "C") = lower($1 COLLATE "C")) AS named
$$;

-- Why somebody may not sign in now, however they prove who they are; NULL: they may.
CREATE FUNCTION sign_in_refusal(person uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN NOT p.status = ANY (policy.statuses) THEN 'sign_in_not_allowed'
        WHEN a.locked_at IS NOT NULL THEN 'account_locked'
    END
      FROM membership.account_policy policy
     CROSS JOIN membership.person p
      LEFT JOIN membership.account a ON a.person_id = p.id
     WHERE p.id = $1
$$;

-- Whether a person has signed in from a network not long ago.
CREATE FUNCTION is_known_client(person uuid, client bytea) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM membership.account_client k, membership.account_policy p
                    WHERE k.person_id = $1 AND k.client = coalesce($2, '')
                      AND k.last_at > campus.now() - make_interval(days => p.client_known_days))
$$;

-- Which limits a login has reached: it has failed too often from this network, or too often from anywhere; and for how many
-- milliseconds yet.
CREATE FUNCTION limits_reached(login_hash bytea, client bytea) RETURNS TABLE (anywhere boolean, wait_ms bigint)
LANGUAGE sql STABLE AS $$
    SELECT f.client = '\x00', greatest(1000, (extract(epoch FROM f.until - campus.now()) * 1000)::bigint)
      FROM membership.sign_in_failure f, membership.account_policy p
     WHERE f.login_hash = $1 AND f.until > campus.now()
       AND ((f.client = coalesce($2, '') AND f.count >= p.failures_of_client)
            OR (f.client = '\x00' AND f.count >= p.failures_in_all))
$$;

-- How long somebody who is known already must wait to prove again who they are; NULL: not at all. Too often from there: whoever it
-- is. Too often from anywhere: those from networks that the person is not known from.
CREATE FUNCTION sign_in_wait_ms(login_hash bytea, client bytea, person uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT max(l.wait_ms)
      FROM membership.limits_reached($1, $2) l
     WHERE NOT l.anywhere OR NOT membership.is_known_client($3, $2)
$$;

-- Under what a failure is counted, and for how long.
CREATE FUNCTION failure_windows(client bytea) RETURNS TABLE (counted bytea, seconds int) LANGUAGE sql STABLE AS $$
    SELECT coalesce($1, ''), client_seconds FROM membership.account_policy
     UNION ALL
    SELECT '\x00', all_seconds FROM membership.account_policy
$$;

-- ---- sessions ----

-- When one ends that nobody uses any more.
CREATE FUNCTION session_expires_at(session) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT least($1.ends_at, $1.last_used_at + make_interval(secs => $1.idle_seconds))
$$;

-- Opens one. Whether the person may sign in has been asked (sign_in_refusal).
CREATE FUNCTION open_session(id uuid, person uuid, token_hash bytea, client bytea, begun_by text, second_factor boolean)
RETURNS SETOF session LANGUAGE sql VOLATILE AS $$
    INSERT INTO membership.session (id, person_id, token_hash, client, begun_by, second_factor, idle_seconds, ends_at)
    SELECT $1, $2, $3, $4, $5, $6, p.idle_seconds, campus.now() + make_interval(secs => p.session_seconds)
      FROM membership.account_policy p
    RETURNING *
$$;

GRANT SELECT ON account_policy TO campus_membership;
GRANT SELECT, INSERT, UPDATE (password_hash, password_set_at, signed_in_at, totp_sealed, totp_since, totp_step, totp_pending,
                              totp_pending_until, locked_at, locked_reason, version, updated_at) ON account TO campus_membership;
GRANT SELECT, INSERT, UPDATE (used_at, void_at), DELETE ON account_token TO campus_membership;
GRANT SELECT, INSERT, UPDATE (used_at), DELETE ON account_recovery_code TO campus_membership;
GRANT SELECT, INSERT, UPDATE (last_at), DELETE ON account_client TO campus_membership;
GRANT SELECT, INSERT, UPDATE (count, until), DELETE ON sign_in_failure TO campus_membership;
GRANT SELECT, INSERT, UPDATE (token_hash, previous_token_hash, previous_expires_at, last_used_at, revoked_at, reason), DELETE
   ON session TO campus_membership;

INSERT INTO role_permission (role, permission) VALUES
    ('secretary', 'membership.accounts.read'), ('secretary', 'membership.accounts.write'),
    ('registrar', 'membership.accounts.read'), ('registrar', 'membership.accounts.write'),
    ('registrar', 'membership.accounts.recover'),
    ('registrar', 'membership.sessions.read'), ('registrar', 'membership.sessions.write'),
    ('auditor', 'membership.accounts.read'), ('auditor', 'membership.sessions.read');
