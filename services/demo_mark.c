/* demo_mark.c -- the row in campus.demo, and what hangs on it. */
#include "services/demo_mark.h"

#include "common/embed.h"
#include "common/session.h"

struct demo_mark {
    struct arena *arena;
    PGconn *session;
};

/* The first column of the one row as a text of PostgreSQL's: "t" or "f". */
static bool holds(struct demo_mark *mark, const char *sql, bool *answer, const char **error)
{
    PGresult *result = session_query(mark->session, sql, 0, NULL);
    bool told = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
    if (told)
        *answer = *PQgetvalue(result, 0, 0) == 't';
    else
        *error =
            arena_printf(mark->arena, "demo: %s (has `campus migrate` been run?)", session_words(mark->arena, result));
    PQclear(result);
    return told;
}

struct demo_mark *demo_mark_open(struct arena *arena, const char *conninfo, const char **error)
{
    struct demo_mark *mark = arena_alloc(arena, sizeof *mark);
    bool alone;
    mark->arena = arena;
    mark->session = session_open(arena, conninfo, "campus_owner", "campus/demo", error);
    if (!mark->session)
        return NULL;
    if (holds(mark, "SELECT pg_try_advisory_lock(50801, 1)", &alone, error)) {
        if (alone)
            return mark;
        *error = "demo: another `campus demo` is at work";
    }
    demo_mark_close(mark);
    return NULL;
}

bool demo_mark_set(struct demo_mark *mark, const char **error)
{
    bool is_demo;
    if (!session_run(mark->arena, mark->session,
                     "SET client_min_messages = warning;"
                     "INSERT INTO campus.demo SELECT WHERE NOT EXISTS (SELECT FROM membership.organisation)"
                     " AND NOT EXISTS (SELECT FROM membership.person) ON CONFLICT DO NOTHING",
                     error))
        return false;
    if (!holds(mark, "SELECT EXISTS (SELECT FROM campus.demo)", &is_demo, error))
        return false;
    if (!is_demo)
        *error = "demo: the database holds a campus already, and no demo; `campus demo` fills an empty one";
    return is_demo;
}

bool demo_mark_reset(struct demo_mark *mark, const char **error)
{
    bool is_demo;
    const char *words = NULL;
    const char *sql = arena_text(mark->arena, embed_get("services/demo/reset.sql"));
    if (!holds(mark, "SELECT EXISTS (SELECT FROM campus.demo)", &is_demo, error))
        return false;
    if (!is_demo) {
        *error = "demo reset: this database is no demo campus; nothing was changed";
        return false;
    }
    if (session_run(mark->arena, mark->session, sql, &words))
        return true;
    *error = arena_printf(mark->arena, "demo reset: %s; nothing was changed", words);
    return false;
}

void demo_mark_close(struct demo_mark *mark)
{
    if (mark)
        PQfinish(mark->session); /* the lock ends with it */
}
