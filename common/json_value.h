/* json_value.h -- one scalar into wire format, by its field's type. For json.h's own files. */
#ifndef CAMPUS_JSON_VALUE_H
#define CAMPUS_JSON_VALUE_H

#include "common/buffer.h"
#include "common/json_scan.h"
#include "common/schema.h"

/* Adds a value with its tag. NULL, or the code of what is wrong with it; then nothing is added. */
const char *json_value_put(const struct field *field, const struct json_token *token, struct buffer *wire)
    __attribute__((warn_unused_result));
/* The same without a tag, for a packed field; only where json_is_packed(). */
const char *json_value_pack(const struct field *field, const struct json_token *token, struct buffer *wire)
    __attribute__((warn_unused_result));

/* What the code's text is to name for this field: "an integer", "one of: union, society", "0 to 4294967295". */
const char *json_value_argument(struct arena *arena, const struct field *field, const char *code);

/* A repeated number, enum or bool: written as one run. */
static inline bool json_is_packed(const struct field *field)
{
    return field->repeated && field->type != FIELD_STRING && field->type != FIELD_BYTES && field->type != FIELD_MESSAGE;
}

#endif
