/* statement.h -- named SQL in a file: `-- name: get_person`, then the statement with :parameters. Pure. */
#ifndef CAMPUS_STATEMENT_H
#define CAMPUS_STATEMENT_H

#include "common/arena.h"

struct statement {
    const char *name;
    struct slice source; /* as it stands in the file */
    const char *text; /* with $1, $2 ... where :names stood */
    const char **parameters; /* the name behind $1, $2 ... */
    size_t parameter_count;
};

struct statements {
    struct statement *all;
    size_t count;
};

/* Reads a whole file. False with *error naming the statement. Names are unique in a file. */
bool statements_parse(struct arena *arena, struct slice file, struct statements *statements, const char **error)
    __attribute__((warn_unused_result));

const struct statement *statements_find(const struct statements *statements, struct slice name);

/* One statement; its text need not end in NUL. */
struct statement statement_parse(struct arena *arena, const char *name, struct slice text);

/* The statement as it stands in the file, without what ends it, so that it can be put into another. */
const char *statement_body(struct arena *arena, const struct statement *statement);

/* The statement's text with instead[n - 1] where $n stands. */
const char *statement_with(struct arena *arena, const struct statement *statement, const char *const *instead);

/* Whether a CTE `name AS (` is defined in the text. */
bool statement_has_cte(const struct statement *statement, const char *name);

/* "a, b" to its parts, without the spaces around; NULL has none. Returns how many. */
size_t names_split(struct arena *arena, const char *list, struct slice **parts);

#endif
