-- accounts.sql -- accounts of people: how they begin, change and are closed. Conventions: common/method.h.

-- ---- tokens that set a password ----

-- name: target_invited
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN p.home <@ ANY (:scopes) THEN coalesce(
            sign_in_refusal(p.id),
            CASE WHEN :deliver::text = 'email' AND p.email IS NULL THEN 'no_email' END,
            CASE WHEN :deliver = 'email' THEN NULL
                 WHEN p.id = :caller_person::uuid THEN 'own_account' -- who finds a session open would have the account
                 WHEN EXISTS (SELECT FROM account a WHERE a.person_id = p.id)
                  AND NOT campus.holds(:grant_organisations::text[], :grant_permissions::text[],
                                       ARRAY['membership.accounts.recover'], p.home)
                 THEN 'recover_not_permitted'
                 WHEN authority_exceeds(p.id, :grant_organisations, :grant_permissions) THEN 'authority_exceeds_yours'
            END) END AS refusal
  FROM person p
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE

-- name: void_tokens
UPDATE account_token SET void_at = campus.now() WHERE person_id = :id::uuid AND used_at IS NULL AND void_at IS NULL

-- name: invite_person
WITH made AS (
  INSERT INTO account_token (id, person_id, kind, token_hash, expires_at)
  SELECT :token_id::uuid, p.id, 'setup', :token_hash::bytea, campus.now() + make_interval(secs => policy.setup_seconds)
    FROM person p, account_policy policy
   WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[])
  RETURNING *),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'account_setup', p.email, made.id FROM made JOIN person p ON p.id = made.person_id WHERE :deliver::text = 'email'),
reply AS (SELECT person_id, expires_at FROM made),
facts AS (SELECT 'account.invited' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: find_token
SELECT t.person_id, p.student_number, p.name, p.latin_name, p.email, policy.password_shortest,
       CASE WHEN t.id IS NULL THEN 'token_unknown' ELSE sign_in_refusal(t.person_id) END AS refusal
  FROM account_policy policy
  LEFT JOIN account_token t
    ON t.token_hash = sha256(convert_to(:token, 'UTF8')) AND t.used_at IS NULL AND t.void_at IS NULL AND t.expires_at > campus.now()
  LEFT JOIN person p ON p.id = t.person_id

-- name: lock_token
SELECT CASE WHEN t.used_at IS NOT NULL OR t.void_at IS NOT NULL THEN 'token_unknown'
            ELSE sign_in_refusal(t.person_id) END AS refusal
  FROM account_token t
 WHERE t.token_hash = sha256(convert_to(:token, 'UTF8'))
   FOR UPDATE

-- Who ends all sessions locks the account before, as a sign-in does: so the one that is just being opened is seen, and ends too.
-- name: lock_account_of_token
SELECT FROM account WHERE person_id = (SELECT person_id FROM account_token WHERE token_hash = sha256(convert_to(:token, 'UTF8')))
   FOR UPDATE

-- name: lock_account_own
SELECT FROM account WHERE person_id = :caller_person::uuid FOR UPDATE

-- name: lock_account_of
SELECT FROM account WHERE person_id = :id::uuid FOR UPDATE

-- A token is as good as the person: the network from which it came is known from now on, and sessions of before are over.
-- name: set_up_account
WITH used AS (
  UPDATE account_token SET used_at = campus.now()
   WHERE token_hash = sha256(convert_to(:token, 'UTF8')) AND used_at IS NULL AND void_at IS NULL AND expires_at > campus.now()
  RETURNING person_id, kind),
made AS (
  INSERT INTO account AS a (person_id, password_hash, password_set_at)
  SELECT person_id, :password_hash, campus.now() FROM used
  ON CONFLICT (person_id) DO UPDATE
     SET password_hash = EXCLUDED.password_hash, password_set_at = EXCLUDED.password_set_at, version = a.version + 1,
         updated_at = campus.now()
  RETURNING a.person_id, a.password_set_at),
ended AS (
  UPDATE session s SET revoked_at = campus.now(), reason = 'password_changed'
    FROM used WHERE s.person_id = used.person_id AND s.revoked_at IS NULL AND s.ends_at > campus.now()),
known AS (
  INSERT INTO account_client AS k (person_id, client, last_at)
  SELECT person_id, coalesce(:client::bytea, ''), campus.now() FROM used
  ON CONFLICT (person_id, client) DO UPDATE SET last_at = EXCLUDED.last_at),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'password_changed', p.email, p.id FROM used JOIN person p ON p.id = used.person_id
   WHERE used.kind = 'reset' AND p.email IS NOT NULL),
reply AS (SELECT person_id, password_set_at FROM made),
facts AS (
  SELECT CASE kind WHEN 'setup' THEN 'account.set_up' ELSE 'account.password_changed' END AS type, person_id::text AS subject,
         '{}'::jsonb AS data
    FROM used)

-- ---- a login that is forgotten ----

-- name: count_forgotten
INSERT INTO sign_in_failure AS f (login_hash, client, count, until)
SELECT :login_hash::bytea, '\x00', 1, campus.now() + make_interval(secs => mail_seconds) FROM account_policy
ON CONFLICT (login_hash, client) DO UPDATE
   SET count = CASE WHEN f.until <= campus.now() THEN 1 ELSE f.count + 1 END,
       until = CASE WHEN f.until <= campus.now() THEN EXCLUDED.until ELSE f.until END

-- Whoever the login names, if anybody: locked, so that of two tokens at once the later voids the earlier.
-- name: lock_forgotten
SELECT FROM person p
 WHERE p.id = person_of_login(:login)
   FOR NO KEY UPDATE

-- name: void_forgotten
UPDATE account_token t SET void_at = campus.now()
  FROM person p, sign_in_failure f, account_policy policy
 WHERE p.id = person_of_login(:login) AND p.email IS NOT NULL AND sign_in_refusal(p.id) IS NULL
   AND f.login_hash = :login_hash::bytea AND f.client = '\x00' AND f.count <= policy.mails_at_once
   AND t.person_id = p.id AND t.used_at IS NULL AND t.void_at IS NULL

-- As much is written for nobody as for somebody, so that the time does not tell: a token that serves nobody and a mail that has
-- failed, which are swept soon.
-- name: forget_account
WITH named AS (
  SELECT p.id, p.email
    FROM (SELECT person_of_login(:login) AS id) AS login
    LEFT JOIN person p ON p.id = login.id AND p.email IS NOT NULL AND sign_in_refusal(p.id) IS NULL),
made AS (
  INSERT INTO account_token (id, person_id, kind, token_hash, expires_at, void_at)
  SELECT :token_id::uuid, named.id, 'reset', :token_hash::bytea,
         CASE WHEN named.id IS NULL THEN '-infinity' ELSE campus.now() + make_interval(secs => policy.reset_seconds) END,
         CASE WHEN named.id IS NULL THEN campus.now() END
    FROM named, sign_in_failure f, account_policy policy
   WHERE f.login_hash = :login_hash::bytea AND f.client = '\x00' AND f.count <= policy.mails_at_once
  RETURNING id),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id, failed_at)
  SELECT 'password_reset', named.email, made.id, CASE WHEN named.id IS NULL THEN '-infinity'::timestamptz END FROM made, named),
reply AS (SELECT true AS accepted)

-- ---- one's own ----

-- What a person must prove again: their password.
-- name: find_own_account
SELECT a.password_hash, a.version AS account_version, encode(a.totp_sealed, 'hex') AS totp_sealed,
       encode(CASE WHEN a.totp_pending_until > campus.now() THEN a.totp_pending END, 'hex') AS totp_pending,
       p.student_number, p.name, p.latin_name, p.email, policy.password_shortest,
       extract(epoch FROM campus.now())::bigint AS now_seconds,
       sign_in_wait_ms(:login_hash::bytea, :client::bytea, p.id) AS wait_ms
  FROM account_policy policy
  JOIN person p ON p.id = :caller_person::uuid
  LEFT JOIN account a ON a.person_id = p.id

-- name: change_password
WITH asked AS (
  SELECT sign_in_wait_ms(:login_hash::bytea, :client::bytea, :caller_person::uuid) AS wait_ms),
made AS (
  UPDATE account a
     SET password_hash = :password_hash, password_set_at = campus.now(), version = a.version + 1, updated_at = campus.now()
    FROM asked
   WHERE asked.wait_ms IS NULL AND :verdict::text IS NULL AND a.person_id = :caller_person
     AND a.version = :account_version::bigint
  RETURNING a.person_id, a.password_set_at),
judged AS (
  SELECT asked.wait_ms, made.person_id, made.password_set_at,
         CASE WHEN wait_ms IS NOT NULL THEN 'too_many_attempts'
              WHEN made.person_id IS NULL THEN coalesce(:verdict, 'password_wrong') END AS refusal
    FROM asked LEFT JOIN made ON true),
failed AS (
  INSERT INTO sign_in_failure AS f (login_hash, client, count, until)
  SELECT :login_hash, w.counted, 1, campus.now() + make_interval(secs => w.seconds)
    FROM judged, failure_windows(:client) w WHERE judged.refusal = 'password_wrong'
  ON CONFLICT (login_hash, client) DO UPDATE
     SET count = CASE WHEN f.until <= campus.now() THEN 1 ELSE f.count + 1 END,
         until = CASE WHEN f.until <= campus.now() THEN EXCLUDED.until ELSE f.until END),
ended AS (
  UPDATE session s SET revoked_at = campus.now(), reason = 'password_changed'
    FROM made
   WHERE s.person_id = made.person_id AND s.id IS DISTINCT FROM :caller_session::uuid AND s.revoked_at IS NULL
     AND s.ends_at > campus.now()),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'password_changed', p.email, p.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (
  SELECT person_id, password_set_at, refusal AS refused_as, wait_ms AS retry_after_ms FROM judged),
facts AS (
  SELECT 'account.password_changed' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM made)

-- ---- an administrator's ----

-- name: get_account
SELECT p.id AS person_id, a.password_hash IS NOT NULL AS has_password, a.password_set_at, a.signed_in_at,
       a.totp_sealed IS NOT NULL AS second_factor, a.totp_since AS second_factor_since,
       (SELECT count(*) FROM account_recovery_code c WHERE c.person_id = p.id AND c.used_at IS NULL)::int AS recovery_codes_left,
       a.locked_at, a.locked_reason,
       (SELECT t.expires_at FROM account_token t
         WHERE t.person_id = p.id AND t.used_at IS NULL AND t.void_at IS NULL AND t.expires_at > campus.now()) AS invited_until
  FROM person p
  LEFT JOIN account a ON a.person_id = p.id
 WHERE p.id = :id::uuid AND (p.home <@ ANY (:scopes::ltree[]) OR p.id = :caller_person::uuid)

-- name: target_account_to_lock
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN p.home <@ ANY (:scopes) AND p.erased_at IS NOT NULL THEN 'person_erased'
            WHEN p.home <@ ANY (:scopes) AND a.locked_at IS NOT NULL THEN 'already_locked'
            WHEN p.home <@ ANY (:scopes) AND p.id = :caller_person::uuid THEN 'own_account'
            WHEN p.home <@ ANY (:scopes) AND authority_exceeds(p.id, :grant_organisations::text[], :grant_permissions::text[])
            THEN 'authority_exceeds_yours' END AS refusal
  FROM person p
  LEFT JOIN account a ON a.person_id = p.id
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE OF p

-- name: lock_account
WITH made AS (
  INSERT INTO account AS a (person_id, locked_at, locked_reason)
  SELECT p.id, campus.now(), :reason FROM person p WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[])
  ON CONFLICT (person_id) DO UPDATE
     SET locked_at = EXCLUDED.locked_at, locked_reason = EXCLUDED.locked_reason, updated_at = campus.now()
   WHERE a.locked_at IS NULL
  RETURNING a.person_id, a.locked_at),
ended AS (
  UPDATE session s SET revoked_at = campus.now(), reason = 'locked'
    FROM made WHERE s.person_id = made.person_id AND s.revoked_at IS NULL AND s.ends_at > campus.now()),
voided AS (
  UPDATE account_token t SET void_at = campus.now()
    FROM made WHERE t.person_id = made.person_id AND t.used_at IS NULL AND t.void_at IS NULL),
mailed AS (
  INSERT INTO mail (kind, recipient, subject_id)
  SELECT 'account_locked', p.email, p.id FROM made JOIN person p ON p.id = made.person_id WHERE p.email IS NOT NULL),
reply AS (SELECT person_id, locked_at FROM made),
facts AS (SELECT 'account.locked' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: target_account_to_unlock
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN p.home <@ ANY (:scopes) AND a.locked_at IS NULL THEN 'not_locked'
            WHEN p.home <@ ANY (:scopes) AND authority_exceeds(p.id, :grant_organisations::text[], :grant_permissions::text[])
            THEN 'authority_exceeds_yours' END AS refusal
  FROM person p
  LEFT JOIN account a ON a.person_id = p.id
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE OF p

-- name: unlock_account
WITH made AS (
  UPDATE account a SET locked_at = NULL, locked_reason = NULL, updated_at = campus.now()
    FROM person p
   WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[]) AND a.person_id = p.id AND a.locked_at IS NOT NULL
  RETURNING a.person_id),
reply AS (SELECT person_id FROM made),
facts AS (SELECT 'account.unlocked' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM made)

-- ---- what is over ----

-- name: sweep_account_tokens
WITH gone AS (
  DELETE FROM account_token
   WHERE id = ANY (ARRAY (SELECT id FROM account_token WHERE expires_at <= (SELECT campus.now()) - interval '90 days'
                           LIMIT 1000 FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) FROM gone

-- name: sweep_account_clients
WITH gone AS (
  DELETE FROM account_client
   WHERE ctid = ANY (ARRAY (SELECT ctid FROM account_client
                             WHERE last_at <= (SELECT campus.now() - make_interval(days => client_known_days) FROM account_policy)
                             LIMIT 1000 FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) FROM gone

-- name: sweep_sign_in_failures
WITH gone AS (
  DELETE FROM sign_in_failure
   WHERE ctid = ANY (ARRAY (SELECT ctid FROM sign_in_failure WHERE until <= (SELECT campus.now())
                             LIMIT 1000 FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) FROM gone
