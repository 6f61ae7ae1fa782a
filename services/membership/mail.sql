-- mail.sql -- the outbox. Conventions: common/job.h.

-- Two minutes: more than a conversation with a mail server may take.
-- name: lease_mail
UPDATE mail
   SET attempts = attempts + 1, leased_until = campus.now() + interval '2 minutes'
 WHERE id = (SELECT id
               FROM mail
              WHERE sent_at IS NULL AND failed_at IS NULL
                AND next_attempt_at <= (SELECT campus.now())
                AND (leased_until IS NULL OR leased_until <= (SELECT campus.now()))
              ORDER BY next_attempt_at, id
              LIMIT 1
                FOR UPDATE SKIP LOCKED)
RETURNING id, attempts, kind, recipient, locale, subject_id,
          to_char(created_at AT TIME ZONE 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS "+0000"') AS date

-- name: note_mail
UPDATE mail
   SET leased_until = NULL,
       sent_at = CASE WHEN :outcome::text = 'done' THEN campus.now() END,
       failed_at = CASE WHEN :outcome = 'failed' THEN campus.now() END,
       failure = :failure::text,
       next_attempt_at = campus.now() + make_interval(secs => :delay_ms::float8 / 1000)
 WHERE id = :id::uuid AND attempts = :attempt::int AND sent_at IS NULL AND failed_at IS NULL

-- At most 10,000, those that are to go first.
-- name: waiting_mail
SELECT count(*) AS waiting, (extract(epoch FROM campus.now() - min(created_at)) * 1000)::bigint AS oldest_ms
  FROM (SELECT created_at FROM mail WHERE sent_at IS NULL AND failed_at IS NULL ORDER BY next_attempt_at, id LIMIT 10000) AS first

-- A month after it has ended nobody needs to know any more to whom it went.
-- name: sweep_mail_recipients
WITH blanked AS (
  UPDATE mail SET recipient = NULL
   WHERE id = ANY (ARRAY (SELECT id FROM mail
                           WHERE recipient IS NOT NULL
                             AND coalesce(sent_at, failed_at) <= (SELECT campus.now()) - interval '30 days'
                           LIMIT 1000 FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) FROM blanked

-- name: sweep_mail
WITH gone AS (
  DELETE FROM mail
   WHERE id = ANY (ARRAY (SELECT id FROM mail
                           WHERE coalesce(sent_at, failed_at) <= (SELECT campus.now()) - interval '1 year'
                           LIMIT 1000 FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) FROM gone
