/* fact_sources.c -- asks PostgreSQL's catalogue over one blocking connection. */
#include "common/fact_sources.h"

#include "common/log.h"
#include "common/session.h"

static const char published_sql[] = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
                                    "n.nspname = $1 AND c.relname = 'facts' "
                                    "AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')";

static size_t count_consumers(const struct consumer *consumers)
{
    size_t count = 0;
    while (consumers && consumers[count].source)
        count++;
    return count;
}

static bool any_optional(const struct consumer *consumers)
{
    for (; consumers && consumers->source; consumers++)
        if (consumers->optional)
            return true;
    return false;
}

/* False with *error where PostgreSQL does not say. */
static bool ask(struct arena *arena, PGconn *session, const char *source, bool *published, const char **error)
{
    PGresult *result = session_query(session, published_sql, 1, &source);
    bool told = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (told)
        *published = PQntuples(result) > 0;
    else
        *error = session_words(arena, result);
    PQclear(result);
    return told;
}

static bool keep_present(struct arena *arena, PGconn *session, const struct consumer *consumers, struct consumer *kept,
                         const char **error)
{
    for (; consumers->source; consumers++) {
        bool published = true;
        if (consumers->optional && !ask(arena, session, consumers->source, &published, error))
            return false;
        if (published)
            *kept++ = *consumers;
        else
            log_info("no facts are published to us: left out until the next start", "source=%s", consumers->source);
    }
    return true;
}

const struct consumer *fact_sources_present(struct arena *arena, const char *conninfo, const char *role,
                                            const struct consumer *consumers, const char **error, bool *unreachable)
{
    struct consumer *kept = arena_zalloc(arena, (count_consumers(consumers) + 1) * sizeof *kept);
    *unreachable = false;
    if (!any_optional(consumers)) {
        memcpy(kept, consumers ? consumers : kept, count_consumers(consumers) * sizeof *kept);
        return kept;
    }
    PGconn *session = session_open(arena, conninfo, role, "campus/start", error);
    *unreachable = !session;
    if (!session)
        return NULL;
    bool told = keep_present(arena, session, consumers, kept, error);
    *unreachable = !told && PQstatus(session) == CONNECTION_BAD;
    PQfinish(session);
    return told ? kept : NULL;
}
