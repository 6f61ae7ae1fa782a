-- admits: 1
-- API keys of systems. Only hashes are kept: who reads this table cannot call.

CREATE TABLE api_key (
    id                  uuid PRIMARY KEY,
    name                text NOT NULL,
    person_id           uuid REFERENCES person,        -- whom it stands for; NULL: a system
    permissions         text[] NOT NULL,
    organisation        ltree CONSTRAINT organisation_unknown REFERENCES organisation, -- the subtree in which they hold; NULL: the whole campus
    token_hash          bytea NOT NULL UNIQUE,         -- SHA-256 of the whole token
    previous_token_hash bytea UNIQUE,
    previous_expires_at timestamptz,
    expires_at          timestamptz,
    revoked_at          timestamptz,
    last_used_at        timestamptz,                   -- within a minute
    version             bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT campus.now(),
    updated_at          timestamptz NOT NULL DEFAULT campus.now(),
    CHECK ((previous_token_hash IS NULL) = (previous_expires_at IS NULL))
) WITH (fillfactor = 80);

-- Why a key of the caller's making cannot live until then. A caller who is no key of ours (the operator) may live for ever.
CREATE FUNCTION key_expiry_refusal(expires_at timestamptz, caller_id text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN $1 <= campus.now() THEN 'already_expired'
        WHEN $1 > (SELECT mine.expires_at FROM membership.api_key mine WHERE mine.id::text = $2) THEN 'expiry_exceeds_yours'
    END
$$;

-- Why the caller may not have a key's new secret: who has it can do what the key can, so it must be no more than they can.
CREATE FUNCTION key_rotation_refusal(key api_key, held text[], caller_id text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN key.revoked_at IS NOT NULL OR key.expires_at <= campus.now() THEN 'already_revoked'
        WHEN NOT campus.covers(held, key.permissions) THEN 'permissions_exceed_yours'
        ELSE membership.key_expiry_refusal(coalesce(key.expires_at, 'infinity'), caller_id)
    END
$$;

GRANT SELECT, INSERT, UPDATE ON api_key TO campus_membership;
