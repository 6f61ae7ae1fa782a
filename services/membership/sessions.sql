-- sessions.sql -- sessions of people: opened by signing in, renewed, listed, ended. Conventions: common/method.h.

-- Always one row, whoever the login names: what follows takes as long for nobody as for somebody.
-- name: find_account
SELECT p.id AS person_id, a.password_hash, a.version AS account_version, encode(a.totp_sealed, 'hex') AS totp_sealed, a.totp_step,
       extract(epoch FROM campus.now())::bigint AS now_seconds,
       (SELECT CASE WHEN bool_or(NOT l.anywhere) THEN max(l.wait_ms) END
          FROM limits_reached(:login_hash::bytea, :client::bytea) l) AS wait_ms
  FROM (SELECT person_of_login(:login) AS id) AS named
  LEFT JOIN person p ON p.id = named.id
  LEFT JOIN account a ON a.person_id = p.id AND sign_in_refusal(p.id) IS NULL

-- Attempts with one login are judged one after another: so of many at once no more count than the limit admits.
-- name: lock_login
SELECT pg_advisory_xact_lock(hashtextextended(:login_hash::text, 0))

-- What was found right is right only if it is so still, and if its code has not served meanwhile. Whether the account is locked the row
-- itself is asked too: where it was waited for, the function sees it as it was before. Where a login has failed too often from anywhere,
-- the right password opens from a network that the person is known from. A wrong one is told there what it is told of a login that
-- nobody has, and counts as that does: so nobody learns who is known from where, nor that they are.
-- name: sign_in
WITH reached AS (
  SELECT max(wait_ms) AS wait_ms, coalesce(bool_or(NOT anywhere), false) AS from_there
    FROM limits_reached(:login_hash::bytea, :client::bytea)),
asked AS (
  SELECT wait_ms, from_there,
         wait_ms IS NULL
         OR (NOT from_there AND :verdict::text IS DISTINCT FROM 'credentials_wrong'
             AND is_known_client(:found_person::uuid, :client)) AS open
    FROM reached),
spent AS (
  UPDATE account_recovery_code c SET used_at = campus.now()
    FROM asked
   WHERE asked.open AND :verdict IS NULL AND c.person_id = :found_person AND c.code_hash = :recovery_hash::bytea
     AND c.used_at IS NULL
  RETURNING c.person_id),
taken AS (
  UPDATE account a
     SET totp_step = coalesce(:totp_step::bigint, a.totp_step), password_hash = coalesce(:new_password_hash::text, a.password_hash),
         signed_in_at = campus.now()
    FROM asked
   WHERE asked.open AND :verdict IS NULL AND a.person_id = :found_person AND a.version = :account_version::bigint
     AND a.locked_at IS NULL AND sign_in_refusal(a.person_id) IS NULL
     AND (:totp_step::bigint IS NULL OR a.totp_step < :totp_step::bigint)
     AND (:recovery_hash::bytea IS NULL OR EXISTS (SELECT FROM spent))
  RETURNING a.person_id, a.totp_sealed IS NOT NULL AS second_factor),
judged AS (
  SELECT CASE WHEN NOT asked.open THEN asked.wait_ms END AS wait_ms, asked.from_there,
         CASE WHEN NOT asked.open THEN 'too_many_attempts'
              WHEN :verdict IS NOT NULL THEN :verdict
              WHEN taken.person_id IS NOT NULL THEN NULL
              WHEN :totp_step IS NOT NULL OR :recovery_hash IS NOT NULL THEN 'second_factor_wrong'
              ELSE 'credentials_wrong' END AS refusal
    FROM asked LEFT JOIN taken ON true),
made AS (
  SELECT s.*, session_expires_at(s) AS expires_at
    FROM taken
   CROSS JOIN LATERAL open_session(:new_id::uuid, taken.person_id, :token_hash::bytea, :client, 'password',
                                   taken.second_factor) AS s),
failed AS (
  INSERT INTO sign_in_failure AS f (login_hash, client, count, until)
  SELECT :login_hash, w.counted, 1, campus.now() + make_interval(secs => w.seconds)
    FROM judged, failure_windows(:client) w
   WHERE judged.refusal IN ('credentials_wrong', 'second_factor_wrong')
      OR (judged.refusal = 'too_many_attempts' AND NOT judged.from_there)
  ON CONFLICT (login_hash, client) DO UPDATE
     SET count = CASE WHEN f.until <= campus.now() THEN 1 ELSE f.count + 1 END,
         until = CASE WHEN f.until <= campus.now() THEN EXCLUDED.until ELSE f.until END),
forgiven AS (
  DELETE FROM sign_in_failure f USING taken WHERE f.login_hash = :login_hash AND f.client = coalesce(:client, '')),
known AS (
  INSERT INTO account_client AS k (person_id, client, last_at)
  SELECT person_id, coalesce(:client, ''), campus.now() FROM taken
  ON CONFLICT (person_id, client) DO UPDATE SET last_at = EXCLUDED.last_at),
reply AS (
  SELECT made.id, made.person_id, made.second_factor, made.created_at, made.ends_at,
         made.expires_at, judged.refusal AS refused_as, judged.wait_ms AS retry_after_ms
    FROM judged LEFT JOIN made ON true)

-- name: target_person_to_issue
SELECT CASE WHEN NOT EXISTS (SELECT FROM campus.demo) THEN 'not_a_demo' ELSE sign_in_refusal(p.id) END AS refusal
  FROM person p
 WHERE p.id = coalesce(:person_id::uuid, (SELECT n.id FROM person n WHERE n.student_number = :student_number))

-- name: issue_session
WITH made AS (
  SELECT s.*, session_expires_at(s) AS expires_at
    FROM person p
   CROSS JOIN LATERAL open_session(:new_id::uuid, p.id, :token_hash::bytea, :client::bytea, 'operator', false) AS s
   WHERE p.id = coalesce(:person_id::uuid, (SELECT n.id FROM person n WHERE n.student_number = :student_number))),
reply AS (
  SELECT id, person_id, second_factor, created_at, ends_at, expires_at FROM made)

-- name: lock_own_session
SELECT CASE WHEN s.revoked_at IS NOT NULL OR session_expires_at(s) <= campus.now() THEN 'session_ended' END AS refusal
  FROM session s
 WHERE s.id = :caller_session::uuid
   FOR UPDATE

-- name: renew_session
WITH made AS (
  UPDATE session s
     SET previous_token_hash = s.token_hash,
         previous_expires_at = campus.now() + make_interval(secs => (SELECT overlap_seconds FROM account_policy)),
         token_hash = :token_hash::bytea, last_used_at = campus.now()
   WHERE s.id = :caller_session::uuid AND s.revoked_at IS NULL
  RETURNING s.*, session_expires_at(s) AS expires_at),
reply AS (
  SELECT id, person_id, second_factor, created_at, ends_at, expires_at FROM made)

-- name: sign_out
WITH made AS (
  UPDATE session SET revoked_at = campus.now(), reason = 'signed_out' WHERE id = :caller_session::uuid AND revoked_at IS NULL
  RETURNING id, revoked_at),
reply AS (SELECT id, revoked_at FROM made)

-- name: list_sessions
SELECT s.id, s.person_id, s.begun_by, s.second_factor, s.created_at, s.last_used_at, session_expires_at(s) AS expires_at, s.ends_at,
       s.id IS NOT DISTINCT FROM :caller_session::uuid AS current
  FROM person p
  JOIN session s ON s.person_id = p.id
 WHERE p.id = coalesce(:person_id::uuid, :caller_person::uuid)
   AND (p.id = :caller_person OR p.home <@ ANY (:scopes::ltree[]))
   AND s.revoked_at IS NULL AND session_expires_at(s) > (SELECT campus.now())
   AND s.id > coalesce(:after_id::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY s.id
 LIMIT :page_limit

-- name: get_session
SELECT s.id, s.person_id, s.begun_by, s.second_factor, s.created_at, s.last_used_at, session_expires_at(s) AS expires_at, s.ends_at,
       s.revoked_at, s.id IS NOT DISTINCT FROM :caller_session::uuid AS current
  FROM session s
  JOIN person p ON p.id = s.person_id
 WHERE s.id = :id::uuid AND (p.id = :caller_person::uuid OR p.home <@ ANY (:scopes::ltree[]))

-- name: target_session
SELECT p.id = :caller_person::uuid OR p.home <@ ANY (:scopes::ltree[]) AS visible,
       CASE WHEN (p.id = :caller_person OR p.home <@ ANY (:scopes))
             AND (s.revoked_at IS NOT NULL OR session_expires_at(s) <= campus.now()) THEN 'session_ended' END AS refusal
  FROM session s
  JOIN person p ON p.id = s.person_id
 WHERE s.id = :id::uuid
   FOR UPDATE OF s

-- name: revoke_session
WITH made AS (
  UPDATE session SET revoked_at = campus.now(), reason = 'revoked' WHERE id = :id::uuid AND revoked_at IS NULL
  RETURNING id, person_id, revoked_at),
reply AS (SELECT id, revoked_at FROM made),
facts AS (SELECT 'session.revoked' AS type, id::text AS subject, jsonb_build_object('person_id', person_id) AS data FROM made)

-- name: target_person_of_sessions
SELECT p.id = :caller_person::uuid OR p.home <@ ANY (:scopes::ltree[]) AS visible
  FROM person p
 WHERE p.id = coalesce(:person_id::uuid, :caller_person)

-- name: revoke_sessions
WITH ended AS (
  UPDATE session s SET revoked_at = campus.now(), reason = 'revoked'
   WHERE s.person_id = coalesce(:person_id::uuid, :caller_person::uuid) AND s.revoked_at IS NULL
     AND session_expires_at(s) > campus.now()
     AND NOT (coalesce(:keep_current::bool, false) AND s.id IS NOT DISTINCT FROM :caller_session::uuid)
  RETURNING s.id, s.person_id),
reply AS (SELECT count(*)::int AS revoked FROM ended),
facts AS (
  SELECT 'session.revoked' AS type, id::text AS subject, jsonb_build_object('person_id', person_id) AS data FROM ended)

-- name: sweep_sessions
WITH gone AS (
  DELETE FROM session
   WHERE id = ANY (ARRAY (SELECT id FROM session WHERE ends_at <= (SELECT campus.now()) - interval '90 days'
                           LIMIT 1000 FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) FROM gone
