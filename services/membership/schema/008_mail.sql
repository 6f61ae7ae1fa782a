-- admits: 1
-- The outbox: what is to be mailed is a row of the transaction that wants it, and is sent after it by whichever worker comes first.
-- No text and no secret stands here: both are made when the mail is sent, the text by kind and language, the secret from
-- subject_id and the server's own.

-- A migration that brings a kind adds a row; its texts are services/membership/mail/<kind>.<locale>.txt.
CREATE TABLE mail_kind (
    kind text PRIMARY KEY
);
INSERT INTO mail_kind VALUES
    ('account_setup'), ('password_reset'), ('password_changed'), ('account_locked'), ('address_changed'), ('application_decided'),
    ('office_appointed');

CREATE TABLE mail (
    id              uuid PRIMARY KEY DEFAULT campus.new_id(),       -- also its Message-ID
    kind            text NOT NULL CONSTRAINT mail_kind_unknown REFERENCES mail_kind,
    recipient       text,                                           -- an address; blanked a month after the mail has ended
    locale          text NOT NULL DEFAULT 'zh' CHECK (locale IN ('zh', 'en')),
    subject_id      uuid NOT NULL,                                  -- what it is about: the account token, the application ...
    created_at      timestamptz NOT NULL DEFAULT campus.now(),
    attempts        int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT campus.now(),
    leased_until    timestamptz,
    sent_at         timestamptz,
    failed_at       timestamptz,
    failure         text,                                           -- the last one; nothing personal
    CONSTRAINT mail_ends_once CHECK (sent_at IS NULL OR failed_at IS NULL),
    CONSTRAINT mail_has_recipient CHECK (recipient IS NOT NULL OR sent_at IS NOT NULL OR failed_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX mail_due ON mail (next_attempt_at, id) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX mail_ended ON mail (coalesce(sent_at, failed_at)) WHERE recipient IS NOT NULL;
CREATE INDEX mail_old ON mail (coalesce(sent_at, failed_at));

GRANT SELECT ON mail_kind TO campus_membership;
GRANT SELECT, INSERT, UPDATE (recipient, attempts, next_attempt_at, leased_until, sent_at, failed_at, failure), DELETE
   ON mail TO campus_membership;
