/* migrate.h -- the database's schema, from the numbered SQL files that travel in the program.
 *
 * A file stands in common/schema/ (schema `campus`) or services/<name>/schema/ (schema <name>), is run once, in its own
 * transaction, as campus_owner, in the order of its number, and never changes afterwards: its checksum is kept. Its line
 * `-- admits: N` names the oldest program number that may work on the schema from then on. */
#ifndef CAMPUS_MIGRATE_H
#define CAMPUS_MIGRATE_H

#include "common/arena.h"

#include <stdio.h>

/* Applies what is missing, under an advisory lock; tells each on `out`. NULL-terminated names of services. False with
 * *error. */
bool migrate(struct arena *arena, const char *conninfo, const char *const *services, FILE *out, const char **error)
    __attribute__((warn_unused_result));

/* Whether this program may work on the schema as it is: all of its own migrations are there, unchanged, and none asks for
 * a newer program. *unreachable tells a database that is not there, or went meanwhile. */
bool migrate_check(struct arena *arena, const char *conninfo, const char *role, const char *service, const char **error,
                   bool *unreachable) __attribute__((warn_unused_result));

#endif
