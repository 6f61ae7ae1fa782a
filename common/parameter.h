/* parameter.h -- a request's fields, and the caller's, as parameters of a statement in SQL's text format. */
#ifndef CAMPUS_PARAMETER_H
#define CAMPUS_PARAMETER_H

#include "common/buffer.h"
#include "common/schema.h"

#include <libpq-fe.h>

struct call;

/* The value of a parameter that the framework itself provides, or NULL where there is none of that name. */
typedef const char *parameter_value(struct call *call);
parameter_value *parameter_builtin(const char *name);

/* Whether a field can be bound to a parameter of this type. Types of extensions (ltree) take strings. */
bool parameter_fits(const struct field *field, Oid type);

/* A field of a request in wire format, as text; NULL where it is absent. */
const char *parameter_text(struct arena *arena, const struct field *field, struct slice wire);

/* "{...}" with each value quoted; a NULL value is NULL. */
const char *parameter_array(struct arena *arena, const char *const *values, size_t count);
/* "\\x..." of bytea. */
const char *parameter_bytes(struct arena *arena, struct slice bytes);

#endif
