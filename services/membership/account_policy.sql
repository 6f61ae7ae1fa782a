-- account_policy.sql -- what is asked of accounts, campus-wide: one row. Conventions: common/method.h.

-- name: get_account_policy
SELECT password_shortest, idle_seconds, session_seconds, overlap_seconds, setup_seconds, reset_seconds, failures_of_client,
       client_seconds, failures_in_all, all_seconds, client_known_days, mails_at_once, mail_seconds, statuses, version, updated_at
  FROM account_policy
 WHERE :scopes::ltree[] <> '{}'

-- name: target_account_policy
SELECT '' = ANY (:scopes::text[]) AS permitted, version FROM account_policy FOR UPDATE

-- name: patch_account_policy
WITH made AS (
  UPDATE account_policy
     SET password_shortest = CASE WHEN 'password_shortest' = ANY (:set::text[]) THEN :password_shortest::int ELSE password_shortest END,
         idle_seconds = CASE WHEN 'idle_seconds' = ANY (:set) THEN :idle_seconds::int ELSE idle_seconds END,
         session_seconds = CASE WHEN 'session_seconds' = ANY (:set) THEN :session_seconds::int ELSE session_seconds END,
         overlap_seconds = CASE WHEN 'overlap_seconds' = ANY (:set) THEN :overlap_seconds::int ELSE overlap_seconds END,
         setup_seconds = CASE WHEN 'setup_seconds' = ANY (:set) THEN :setup_seconds::int ELSE setup_seconds END,
         reset_seconds = CASE WHEN 'reset_seconds' = ANY (:set) THEN :reset_seconds::int ELSE reset_seconds END,
         failures_of_client = CASE WHEN 'failures_of_client' = ANY (:set) THEN :failures_of_client::int ELSE failures_of_client END,
         client_seconds = CASE WHEN 'client_seconds' = ANY (:set) THEN :client_seconds::int ELSE client_seconds END,
         failures_in_all = CASE WHEN 'failures_in_all' = ANY (:set) THEN :failures_in_all::int ELSE failures_in_all END,
         all_seconds = CASE WHEN 'all_seconds' = ANY (:set) THEN :all_seconds::int ELSE all_seconds END,
         client_known_days = CASE WHEN 'client_known_days' = ANY (:set) THEN :client_known_days::int ELSE client_known_days END,
         mails_at_once = CASE WHEN 'mails_at_once' = ANY (:set) THEN :mails_at_once::int ELSE mails_at_once END,
         mail_seconds = CASE WHEN 'mail_seconds' = ANY (:set) THEN :mail_seconds::int ELSE mail_seconds END,
         statuses = CASE WHEN 'statuses' = ANY (:set) THEN ARRAY (SELECT DISTINCT s FROM unnest(:statuses::text[]) s ORDER BY s)
                         ELSE statuses END,
         version = version + 1, updated_at = campus.now()
   WHERE '' = ANY (:scopes::text[]) AND version = coalesce(:if_version::bigint, version)
  RETURNING *),
reply AS (
  SELECT password_shortest, idle_seconds, session_seconds, overlap_seconds, setup_seconds, reset_seconds, failures_of_client,
         client_seconds, failures_in_all, all_seconds, client_known_days, mails_at_once, mail_seconds, statuses, version, updated_at
    FROM made),
facts AS (SELECT 'policy.changed' AS type, 'account' AS subject, jsonb_build_object('fields', to_jsonb(:set)) AS data FROM made)
