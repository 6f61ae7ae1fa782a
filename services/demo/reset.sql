-- reset.sql -- what `campus demo reset` does before it fills the campus anew, as campus_owner, in one transaction. Workers go on
-- meanwhile: readers see the old campus until the commit, writers wait. Only DELETE, so that nothing that is prepared is
-- lost. What migrations filled stays, and so do keys that are bound to nothing which goes.

BEGIN;
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '120s';

-- Every write begins with its answer: those that have begun end before us, the others have nothing yet that we want.
LOCK TABLE membership.answer IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE membership.organisation, membership.person, membership.membership IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM membership.membership;
DELETE FROM membership.person_reach;
DELETE FROM membership.api_key WHERE organisation IS NOT NULL OR person_id IS NOT NULL;
DELETE FROM membership.person;
DELETE FROM membership.organisation;

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
