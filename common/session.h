/* session.h -- a blocking connection to PostgreSQL, for commands and for the start. What serves requests has database.h. */
#ifndef CAMPUS_SESSION_H
#define CAMPUS_SESSION_H

#include "common/arena.h"

#include <libpq-fe.h>

/* NULL with *error, a line in the arena. The caller ends it with PQfinish(). */
PGconn *session_open(struct arena *arena, const char *conninfo, const char *role, const char *application,
                     const char **error) __attribute__((warn_unused_result));
/* Runs statements, of which none has parameters. False with *error, PostgreSQL's first line. */
bool session_run(struct arena *arena, PGconn *session, const char *sql, const char **error)
    __attribute__((warn_unused_result));
/* What PostgreSQL says of a result that is a refusal, its first line, in the arena. */
const char *session_words(struct arena *arena, const PGresult *result);
/* One statement with its parameters as text; the result is the caller's to clear, whatever it is. */
PGresult *session_query(PGconn *session, const char *sql, int count, const char *const *values)
    __attribute__((warn_unused_result));

#endif
