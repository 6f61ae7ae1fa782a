-- tally.sql -- the statements of tally.c. Its tables are made in test_facts.py: nothing in them is unique, so that what
-- is applied twice shows.

-- name: apply
WITH counted AS (
  INSERT INTO tally (type, facts) SELECT type, count(*) FROM batch GROUP BY type),
noted AS (
  INSERT INTO applied (pos, type, subject) SELECT pos, type, subject FROM batch ORDER BY pos)
