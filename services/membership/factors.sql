-- factors.sql -- the second factor: codes of an authenticator, and codes for when it is lost. Conventions: common/method.h.

-- name: begin_totp
WITH asked AS (
  SELECT sign_in_wait_ms(:login_hash::bytea, :client::bytea, :caller_person::uuid) AS wait_ms),
made AS (
  INSERT INTO account AS a (person_id, totp_pending, totp_pending_until)
  SELECT :caller_person, :totp_sealed::bytea, campus.now() + interval '10 minutes'
    FROM asked WHERE asked.wait_ms IS NULL AND :verdict::text IS NULL
  ON CONFLICT (person_id) DO UPDATE
     SET totp_pending = EXCLUDED.totp_pending, totp_pending_until = EXCLUDED.totp_pending_until, updated_at = campus.now()
   WHERE a.totp_sealed IS NULL AND a.version = :account_version::bigint
  RETURNING a.person_id, a.totp_pending_until),
judged AS (
  SELECT asked.wait_ms, made.totp_pending_until,
         CASE WHEN wait_ms IS NOT NULL THEN 'too_many_attempts'
              WHEN made.person_id IS NULL THEN coalesce(:verdict, 'second_factor_on') END AS refusal
    FROM asked LEFT JOIN made ON true),
failed AS (
  INSERT INTO sign_in_failure AS f (login_hash, client, count, until)
  SELECT :login_hash, w.counted, 1, campus.now() + make_interval(secs => w.seconds)
    FROM judged, failure_windows(:client) w WHERE judged.refusal = 'password_wrong'
  ON CONFLICT (login_hash, client) DO UPDATE
     SET count = CASE WHEN f.until <= campus.now() THEN 1 ELSE f.count + 1 END,
         until = CASE WHEN f.until <= campus.now() THEN EXCLUDED.until ELSE f.until END),
reply AS (SELECT totp_pending_until AS confirm_until, refusal AS refused_as, wait_ms AS retry_after_ms FROM judged)

-- name: lock_pending_totp
SELECT CASE WHEN totp_sealed IS NOT NULL THEN 'second_factor_on'
            WHEN totp_pending IS DISTINCT FROM decode(:pending_seen::text, 'hex') THEN 'no_pending_factor' END AS refusal
  FROM account
 WHERE person_id = :caller_person::uuid
   FOR UPDATE

-- name: clear_recovery_codes
DELETE FROM account_recovery_code WHERE person_id = :caller_person::uuid

-- name: confirm_totp
WITH made AS (
  UPDATE account
     SET totp_sealed = totp_pending, totp_since = campus.now(), totp_step = :totp_step::bigint, totp_pending = NULL,
         totp_pending_until = NULL, version = version + 1, updated_at = campus.now()
   WHERE person_id = :caller_person::uuid AND totp_pending IS NOT NULL AND totp_sealed IS NULL
  RETURNING person_id, totp_since),
codes AS (
  INSERT INTO account_recovery_code (person_id, code_hash)
  SELECT made.person_id, h FROM made, unnest(:recovery_hashes::bytea[]) h),
reply AS (SELECT totp_since AS second_factor_since FROM made),
facts AS (SELECT 'account.second_factor_on' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: disable_totp
WITH asked AS (
  SELECT sign_in_wait_ms(:login_hash::bytea, :client::bytea, :caller_person::uuid) AS wait_ms),
made AS (
  UPDATE account a
     SET totp_sealed = NULL, totp_since = NULL, totp_pending = NULL, totp_pending_until = NULL, version = a.version + 1,
         updated_at = campus.now()
    FROM asked
   WHERE asked.wait_ms IS NULL AND :verdict::text IS NULL AND a.person_id = :caller_person
     AND a.version = :account_version::bigint AND a.totp_sealed IS NOT NULL
  RETURNING a.person_id),
judged AS (
  SELECT asked.wait_ms, made.person_id,
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
codes AS (DELETE FROM account_recovery_code c USING made WHERE c.person_id = made.person_id),
reply AS (SELECT person_id, refusal AS refused_as, wait_ms AS retry_after_ms FROM judged),
facts AS (SELECT 'account.second_factor_off' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM made)

-- name: target_factor
SELECT p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN NOT p.home <@ ANY (:scopes) THEN NULL
            WHEN p.id = :caller_person::uuid THEN 'own_account' -- the password is asked for where they end it themselves
            WHEN a.totp_sealed IS NULL THEN 'no_second_factor'
            WHEN authority_exceeds(p.id, :grant_organisations::text[], :grant_permissions::text[]) THEN 'authority_exceeds_yours'
       END AS refusal
  FROM person p
  LEFT JOIN account a ON a.person_id = p.id
 WHERE p.id = :id::uuid
   FOR NO KEY UPDATE OF p

-- name: reset_factor
WITH made AS (
  UPDATE account a
     SET totp_sealed = NULL, totp_since = NULL, totp_pending = NULL, totp_pending_until = NULL, version = a.version + 1,
         updated_at = campus.now()
    FROM person p
   WHERE p.id = :id::uuid AND p.home <@ ANY (:scopes::ltree[]) AND a.person_id = p.id AND a.totp_sealed IS NOT NULL
  RETURNING a.person_id),
ended AS (
  UPDATE session s SET revoked_at = campus.now(), reason = 'factor_reset'
    FROM made WHERE s.person_id = made.person_id AND s.revoked_at IS NULL AND s.ends_at > campus.now()),
codes AS (DELETE FROM account_recovery_code c USING made WHERE c.person_id = made.person_id),
reply AS (SELECT person_id FROM made),
facts AS (SELECT 'account.second_factor_off' AS type, person_id::text AS subject, '{}'::jsonb AS data FROM made)
