/* column.h -- a value in PostgreSQL's binary format, as a field in wire format or as text. Pure. */
#ifndef CAMPUS_COLUMN_H
#define CAMPUS_COLUMN_H

#include "common/buffer.h"
#include "common/schema.h"

#include <libpq-fe.h>

/* How a column's type becomes a field: one row of a table. */
struct column_type {
    Oid oid;
    const char *sql; /* its name in SQL, to give stored rows their types again */
    bool (*fits)(const struct field *field);
    /* Adds the value; false where it cannot be said in this field (an enum's unknown name, a broken array). */
    bool (*put)(struct buffer *out, const struct field *field, struct slice value);
    /* SQL's text of the value; NULL for a type by which no list can be ordered. */
    const char *(*text)(struct arena *arena, struct slice value);
};

/* NULL for a type that has no mapping: cast it in the statement. */
const struct column_type *column_type_find(Oid oid);

/* An integer of any size, as it stands in binary format; 0 where there is nothing. */
int64_t column_integer(struct slice value);

/* Whether column_said() can say values of this type. */
bool column_has_text(Oid oid);
/* The value as SQL's text, for handlers. */
const char *column_said(struct arena *arena, Oid oid, struct slice value);

/* The value as SQL's text, for a page token; NULL for a type that no list can be ordered by. */
const char *column_text(struct arena *arena, Oid oid, struct slice value);

#endif
