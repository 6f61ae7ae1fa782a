/* session.c -- libpq's blocking calls, with errors as one line. */
#include "common/session.h"

static const char *one_line(struct arena *arena, const char *message)
{
    char *line = arena_strdup(arena, message);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

PGconn *session_open(struct arena *arena, const char *conninfo, const char *role, const char *application,
                     const char **error)
{
    const char *const names[] = { "dbname", "user", "gssencmode", "connect_timeout", "application_name", NULL };
    const char *const values[] = { conninfo, role, "disable", "5", application, NULL };
    PGconn *session = PQconnectdbParams(names, values, 1);
    if (PQstatus(session) == CONNECTION_OK)
        return session;
    *error = arena_printf(arena, "database: %s", one_line(arena, PQerrorMessage(session)));
    PQfinish(session);
    return NULL;
}

const char *session_words(struct arena *arena, const PGresult *result)
{
    return one_line(arena, PQresultErrorMessage(result));
}

bool session_run(struct arena *arena, PGconn *session, const char *sql, const char **error)
{
    PGresult *result = PQexec(session, sql);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
    if (!done)
        *error = session_words(arena, result);
    PQclear(result);
    return done;
}

PGresult *session_query(PGconn *session, const char *sql, int count, const char *const *values)
{
    return PQexecParams(session, sql, count, NULL, values, NULL, NULL, 0);
}
