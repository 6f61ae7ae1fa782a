-- admits: 1
-- What each noun keeps about people: why, what it tells them of it, and how it forgets.

-- One name may stand for different things: the reason of a ban is not the reason of a lock.
ALTER TABLE personal_field DROP CONSTRAINT personal_field_pkey, ADD PRIMARY KEY (service, field, purpose);

INSERT INTO personal_field (service, field, purpose, rule) VALUES
    ('membership', 'login',            'to find the account',                        'not_kept'),
    ('membership', 'student_number',   'to find the person',                         'not_kept'),
    ('membership', 'except',           'to tell people apart and to match rosters',  'not_kept'),
    ('membership', 'reason',           'to explain why sign-in is refused',          'until_erasure'),
    ('membership', 'locked_reason',    'to explain why sign-in is refused',          'until_erasure'),
    ('membership', 'answers',          'to decide on the application',               'until_erasure'),
    ('membership', 'text',             'to decide on the application',               'until_erasure'),
    ('membership', 'reason',           'to tell the applicant why',                  'until_erasure'),
    ('membership', 'reason',           'to say why a person cannot join',            'until_erasure'),
    ('membership', 'lifted_reason',    'to say why a ban was lifted',                'until_erasure'),
    ('membership', 'reason',           'to say why a member was expelled',           'until_erasure'),
    ('membership', 'expulsion_reason', 'to say why a member was expelled',           'until_erasure');

-- ---- who was here when ----

CREATE OR REPLACE FUNCTION is_here(person uuid, at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM membership.person p
                    WHERE p.id = $1 AND (p.status <> 'left' OR membership.day_of($2) < p.ended_on))
$$;

-- Nobody signs in as who is erased, though they had graduated.
CREATE OR REPLACE FUNCTION sign_in_refusal(person uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN p.erased_at IS NOT NULL OR NOT p.status = ANY (policy.statuses) THEN 'sign_in_not_allowed'
        WHEN a.locked_at IS NOT NULL THEN 'account_locked'
    END
      FROM membership.account_policy policy
     CROSS JOIN membership.person p
      LEFT JOIN membership.account a ON a.person_id = p.id
     WHERE p.id = $1
$$;

-- What the roles came with they have always held.
UPDATE role_permission SET since = '-infinity';

-- ---- what a person is told ----

CREATE VIEW personal_export_accounts AS
    SELECT person_id, 'account' AS section,
           jsonb_build_object('password_set_at', password_set_at, 'signed_in_at', signed_in_at, 'second_factor_since', totp_since,
                              'locked_at', locked_at, 'locked_reason', locked_reason, 'created_at', created_at) AS data
      FROM account
     UNION ALL
    SELECT person_id, 'sessions',
           jsonb_build_object('begun_by', begun_by, 'second_factor', second_factor, 'created_at', created_at,
                              'last_used_at', last_used_at, 'ends_at', ends_at, 'revoked_at', revoked_at, 'reason', reason)
      FROM session
     UNION ALL
    SELECT t.person_id, 'mails', jsonb_build_object('kind', m.kind, 'recipient', m.recipient, 'created_at', m.created_at, 'sent_at', m.sent_at)
      FROM mail m JOIN account_token t ON t.id = m.subject_id
     UNION ALL
    SELECT p.id, 'mails', jsonb_build_object('kind', m.kind, 'recipient', m.recipient, 'created_at', m.created_at, 'sent_at', m.sent_at)
      FROM person p JOIN mail m ON lower(m.recipient) = lower(p.email)
     WHERE NOT EXISTS (SELECT FROM account_token t WHERE t.id = m.subject_id);

CREATE VIEW personal_export_offices AS
    SELECT a.person_id, 'appointments' AS section,
           jsonb_build_object('organisation', a.organisation::text, 'title', o.title, 'acting', a.acting, 'since', a.since,
                              'until', a.until, 'chosen', a.chosen, 'resolution', a.resolution, 'reason', a.reason) AS data
      FROM appointment a JOIN office o ON o.id = a.office_id
     UNION ALL
    SELECT person_id, 'grants',
           jsonb_build_object('role', role, 'organisation', organisation::text, 'since', since, 'until', until, 'reason', reason)
      FROM role_grant;

CREATE VIEW personal_export_joining AS
    SELECT a.person_id, 'applications' AS section,
           jsonb_build_object('campaign', c.title, 'organisation', c.organisation::text, 'state', a.state, 'answers', a.answers::text,
                              'submitted_at', a.submitted_at, 'decided_at', a.decided_at, 'reason', a.reason) AS data
      FROM application a JOIN campaign c ON c.id = a.campaign_id
     UNION ALL
    SELECT person_id, 'bans',
           jsonb_build_object('organisation', organisation::text, 'since', since, 'until', until, 'reason', reason,
                              'lifted_at', lifted_at, 'lifted_reason', lifted_reason)
      FROM ban
     UNION ALL
    SELECT person_id, 'expulsions', jsonb_build_object('organisation', organisation::text, 'until', until, 'reason', expulsion_reason)
      FROM membership WHERE expulsion_reason IS NOT NULL;

GRANT SELECT ON personal_export_accounts, personal_export_offices, personal_export_joining TO campus_membership;

-- ---- how it is forgotten ----

-- The account goes whole, and with it every way to sign in.
CREATE FUNCTION erase_accounts(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.account WHERE person_id = person)
                       + (SELECT count(*) FROM membership.session WHERE person_id = person)
                       + (SELECT count(*) FROM membership.account_token WHERE person_id = person);
BEGIN
    IF NOT dry THEN
        -- Whatever waits for them or went to them: by what it is about, as they may have had other addresses, and by the one that they had.
        UPDATE membership.mail
           SET recipient = NULL, failed_at = CASE WHEN sent_at IS NULL THEN coalesce(failed_at, campus.now()) END
         WHERE recipient IS NOT NULL
           AND (subject_id = person
                OR subject_id IN (SELECT id FROM membership.account_token WHERE person_id = person
                                   UNION ALL SELECT id FROM membership.appointment WHERE person_id = person
                                   UNION ALL SELECT id FROM membership.application WHERE person_id = person
                                   UNION ALL SELECT id FROM membership.membership WHERE person_id = person)
                OR lower(recipient) = (SELECT lower(p.email) FROM membership.person p WHERE p.id = $1));
        DELETE FROM membership.session WHERE person_id = person;
        DELETE FROM membership.account_token WHERE person_id = person;
        DELETE FROM membership.account_client WHERE person_id = person;
        DELETE FROM membership.account WHERE person_id = person;
    END IF;
    RETURN found_rows;
END $$;

-- That somebody applied and what became of it stays, for the figures; what they wrote and what was said of them goes.
CREATE FUNCTION erase_applications(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.application WHERE person_id = person);
BEGIN
    IF NOT dry THEN
        UPDATE membership.application_comment SET text = '—'
         WHERE application_id IN (SELECT id FROM membership.application WHERE person_id = person);
        UPDATE membership.application
           SET answers = '[]', interview_place = NULL, reason = CASE WHEN reason IS NOT NULL THEN '—' END,
               state = CASE WHEN state IN ('draft', 'submitted', 'interview') THEN 'withdrawn' ELSE state END, version = version + 1
         WHERE person_id = person;
    END IF;
    RETURN found_rows;
END $$;

CREATE FUNCTION erase_bans(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.ban WHERE person_id = person)
                       + (SELECT count(*) FROM membership.membership WHERE person_id = person AND expulsion_reason IS NOT NULL);
BEGIN
    IF NOT dry THEN
        UPDATE membership.ban SET reason = '—', lifted_reason = CASE WHEN lifted_reason IS NOT NULL THEN '—' END
         WHERE person_id = person;
        UPDATE membership.membership SET expulsion_reason = '—' WHERE person_id = person AND expulsion_reason IS NOT NULL;
    END IF;
    RETURN found_rows;
END $$;

-- Grants end; that there were any stays.
CREATE FUNCTION erase_grants(person uuid, dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint := (SELECT count(*) FROM membership.role_grant WHERE person_id = person);
BEGIN
    UPDATE membership.role_grant
       SET until = CASE WHEN until <= campus.now() THEN until ELSE greatest(since, campus.now()) END, reason = '—',
           version = version + 1, updated_at = campus.now()
     WHERE person_id = person AND NOT dry;
    RETURN found_rows;
END $$;
