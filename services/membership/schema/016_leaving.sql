-- admits: 1
-- What ends with a person's time at the university, whoever records that it is over.

-- Memberships but for honorary ones, and appointments, end on the day, which is today or before; what had ended by today keeps its day
-- and reason, and what was to begin later never will. Grants end now, and applications that are open are withdrawn. `reasons[i]` is
-- why people[i] goes: 'graduated' or 'left'. What has happened is told as facts. The caller holds the locks on organisations,
-- offices and people.
CREATE FUNCTION people_go(people uuid[], reasons text[], day date) RETURNS TABLE (type text, subject text, data jsonb)
LANGUAGE sql VOLATILE AS $$
    WITH going AS (SELECT g.person_id, g.reason FROM unnest($1, $2) AS g (person_id, reason)),
    ended AS (
      UPDATE membership.membership m
         SET until = greatest(m.since, $3), reason = g.reason, version = m.version + 1, updated_at = campus.now()
        FROM going g
       WHERE m.person_id = g.person_id AND m.kind <> 'honorary'
         AND (m.until IS NULL OR m.until > greatest(m.since, $3, campus.today()))
      RETURNING m.*),
    stepped_down AS (
      UPDATE membership.appointment a
         SET until = greatest(a.since, $3), reason = g.reason, version = a.version + 1, updated_at = campus.now()
        FROM going g
       WHERE a.person_id = g.person_id AND (a.until IS NULL OR a.until > greatest(a.since, $3))
         AND (a.reason IS NULL OR a.until > campus.today())
      RETURNING a.*),
    revoked AS (
      UPDATE membership.role_grant r SET until = greatest(r.since, campus.now()), version = r.version + 1, updated_at = campus.now()
        FROM going g
       WHERE r.person_id = g.person_id AND (r.until IS NULL OR r.until > greatest(r.since, campus.now()))
      RETURNING r.*),
    withdrawn AS (
      UPDATE membership.application a SET state = 'withdrawn', version = a.version + 1, updated_at = campus.now()
        FROM going g
       WHERE a.person_id = g.person_id AND a.state IN ('draft', 'submitted', 'interview')
      RETURNING a.*)
    SELECT 'membership.ended', id::text,
           jsonb_build_object('person_id', person_id, 'organisation', organisation::text, 'until', until, 'reason', reason)
      FROM ended
     UNION ALL
    SELECT 'appointment.ended', id::text,
           jsonb_build_object('office_id', office_id, 'person_id', person_id, 'until', until, 'reason', reason)
      FROM stepped_down
     UNION ALL
    SELECT 'grant.revoked', id::text,
           jsonb_build_object('person_id', person_id, 'role', role, 'organisation', organisation::text)
      FROM revoked
     UNION ALL
    SELECT 'application.withdrawn', id::text, jsonb_build_object('campaign_id', campaign_id, 'person_id', person_id)
      FROM withdrawn
$$;
