-- reset.sql -- what `campus demo reset` does before it fills the campus anew, as campus_owner, in one transaction. Workers go on
-- meanwhile: readers see the old campus until the commit, writers wait. Only DELETE, so that nothing that is prepared is
-- lost. What migrations filled stays, and so do keys that are bound to nothing which goes.

BEGIN;
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '120s';

-- Every write begins with its answer: those that have begun end before us, the others have nothing yet that we want.
LOCK TABLE membership.answer IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE membership.organisation, membership.person, membership.membership IN SHARE ROW EXCLUSIVE MODE;

-- Whatever names a person or an organisation goes with them, those first that name others. Tables that only grow say no to
-- a DELETE by their own triggers: those are asleep meanwhile. The keys of systems that are bound to nothing stay.
CREATE TEMP VIEW gone AS
WITH RECURSIVE kin (name, depth) AS (
    SELECT unnest(ARRAY['membership.person', 'membership.organisation']::regclass[]), 0
     UNION
    SELECT c.conrelid::regclass, kin.depth + 1
      FROM kin JOIN pg_constraint c ON c.confrelid = kin.name AND c.contype = 'f' AND c.conrelid <> c.confrelid
     WHERE kin.depth < 20)
SELECT name, max(depth) AS depth,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = name AND NOT t.tgisinternal AND t.tgtype & 8 <> 0) AS guarded,
       CASE name WHEN 'membership.api_key'::regclass
                 THEN 'WHERE organisation IS NOT NULL OR person_id IS NOT NULL OR office_id IS NOT NULL' END AS which
  FROM kin GROUP BY name;

DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM gone WHERE guarded LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', one.name);
    END LOOP;
    FOR one IN SELECT * FROM gone ORDER BY depth DESC LOOP
        EXECUTE format('DELETE FROM %s %s', one.name, one.which);
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR one IN SELECT * FROM gone WHERE guarded LOOP
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', one.name);
    END LOOP;
END $$;

DROP VIEW gone;

-- Facts are numbered from 1 again, and whoever reads them begins there. Locked last, since relays do not like to wait.
DO $$
DECLARE
    service text;
BEGIN
    FOR service IN SELECT schemaname FROM pg_tables WHERE tablename = 'fact_cursor' ORDER BY 1 LOOP
        EXECUTE format('DELETE FROM %1$I.answer; LOCK TABLE %1$I.fact IN SHARE ROW EXCLUSIVE MODE;
                        DELETE FROM %1$I.fact; UPDATE %1$I.fact_cursor SET pos = 0', service);
    END LOOP;
END $$;

COMMIT;
