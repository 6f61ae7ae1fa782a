-- admits: 1
-- The policy of accounts is changed through the API: what holds between its values, and which version of it one has read. What somebody
-- has set by hand stays until it is changed.
ALTER TABLE account_policy
    ADD COLUMN version    bigint NOT NULL DEFAULT 1,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT campus.now(),
    ADD CONSTRAINT idle_beyond_session CHECK (idle_seconds <= session_seconds) NOT VALID,
    ADD CONSTRAINT overlap_beyond_idle CHECK (overlap_seconds <= idle_seconds) NOT VALID,
    ADD CONSTRAINT failures_in_all_too_few CHECK (failures_in_all >= failures_of_client) NOT VALID,
    ADD CONSTRAINT active_shut_out CHECK ('active' = ANY (statuses)) NOT VALID;

GRANT UPDATE (password_shortest, idle_seconds, session_seconds, overlap_seconds, setup_seconds, reset_seconds, failures_of_client,
              client_seconds, failures_in_all, all_seconds, client_known_days, mails_at_once, mail_seconds, statuses, version,
              updated_at) ON account_policy TO campus_membership;
