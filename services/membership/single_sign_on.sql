-- single_sign_on.sql -- signing in with the campus's own account. Conventions: common/method.h.

-- name: find_flow_times
SELECT (extract(epoch FROM campus.now()) * 1000)::bigint AS now_ms

-- name: begin_single_sign_on
SELECT :authorization_url::text AS authorization_url, :flow::text AS flow,
       to_timestamp(:flow_began_ms::float8 / 1000) + interval '10 minutes' AS expires_at

-- name: find_flow
SELECT CASE WHEN to_timestamp(:flow_began_ms::float8 / 1000) + interval '10 minutes' <= campus.now()
              OR EXISTS (SELECT FROM sign_on_flow WHERE id = :flow_id::uuid)
            THEN 'flow_unknown' END AS refusal

-- Of two that complete one sign-in at once the later is refused by the key's name.
-- name: take_flow
INSERT INTO sign_on_flow (id, expires_at)
VALUES (:flow_id::uuid, to_timestamp(:flow_began_ms::float8 / 1000) + interval '10 minutes')

-- name: lock_signed_on
SELECT id FROM person WHERE student_number = :student_number::text FOR SHARE

-- Whom the provider knows and we do not is refused, and that stays as the answer: the code is spent.
-- name: complete_single_sign_on
WITH asked AS (SELECT :student_number::text AS student_number),
judged AS (
  SELECT p.id AS person_id,
         CASE WHEN p.id IS NULL THEN 'person_unknown'
              ELSE replace(sign_in_refusal(p.id), 'sign_in_not_allowed', 'person_left') END AS refusal
    FROM asked LEFT JOIN person p ON p.student_number = asked.student_number),
proved AS (
  INSERT INTO account AS a (person_id, signed_in_at)
  SELECT person_id, campus.now() FROM judged WHERE refusal IS NULL
  ON CONFLICT (person_id) DO UPDATE SET signed_in_at = EXCLUDED.signed_in_at),
known AS (
  INSERT INTO account_client AS k (person_id, client, last_at)
  SELECT person_id, coalesce(:client::bytea, ''), campus.now() FROM judged WHERE refusal IS NULL
  ON CONFLICT (person_id, client) DO UPDATE SET last_at = EXCLUDED.last_at),
made AS (
  SELECT s.*, session_expires_at(s) AS expires_at
    FROM judged
   CROSS JOIN LATERAL open_session(:new_id::uuid, judged.person_id, :token_hash::bytea, :client::bytea, 'single_sign_on', false) AS s
   WHERE judged.refusal IS NULL),
reply AS (
  SELECT made.id, made.person_id, made.second_factor, made.created_at, made.ends_at, made.expires_at, judged.refusal AS refused_as
    FROM judged LEFT JOIN made ON true)

-- name: sweep_flows
WITH gone AS (
  DELETE FROM sign_on_flow
   WHERE id = ANY (ARRAY (SELECT id FROM sign_on_flow WHERE expires_at <= (SELECT campus.now()) - interval '1 hour'
                           LIMIT 1000 FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) FROM gone
