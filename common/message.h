/* message.h -- a message of the contract as the program sees it: its fields, and what each may hold.
 *
 * Built once at start (schema.h); immutable from then on, so threads share it. */
#ifndef CAMPUS_MESSAGE_H
#define CAMPUS_MESSAGE_H

#include "common/slice.h"

struct message;
struct pcre2_real_code_8;

enum field_type {
    FIELD_BOOL,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_UINT32,
    FIELD_UINT64,
    FIELD_DOUBLE,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_ENUM,
    FIELD_MESSAGE,
};

/* As Field.Format in options.proto, in its order. */
enum field_format {
    FORMAT_TEXT,
    FORMAT_LINES,
    FORMAT_UUID,
    FORMAT_DATE,
    FORMAT_PATH,
    FORMAT_INSTANT,
    FORMAT_ANY,
};

struct enum_value {
    const char *name; /* lower snake_case, as in JSON and in SQL */
    int32_t number;
    const char *comment;
};

struct enumeration {
    const char *name;
    size_t count;
    const struct enum_value *values;
};

/* Limits of a field, from (campus.field). */
struct field_rules {
    bool required, has_min, has_max;
    enum field_format format;
    uint32_t min_length, max_length; /* characters; of bytes: bytes */
    int64_t min, max;
    const char *pattern; /* NULL: none */
    const struct pcre2_real_code_8 *compiled;
    uint32_t min_items, max_items; /* of a repeated field */
};

struct field {
    const char *name; /* snake_case: the SQL column, the :parameter and the JSON key too */
    uint32_t number;
    uint16_t index; /* its place in message->fields */
    enum field_type type;
    bool repeated;
    bool rows, etag, body, secret, output; /* see options.proto */
    const char *personal; /* the purpose, or NULL */
    const char *example; /* as text, or NULL */
    const char *oneof; /* the oneof's name, or NULL */
    const struct message *message; /* of FIELD_MESSAGE */
    const struct enumeration *enumeration; /* of FIELD_ENUM */
    struct field_rules rules;
    const char *comment; /* "" where there is none */
};

struct message {
    const char *name; /* "Person" */
    const char *full_name; /* "campus.membership.Person" */
    size_t count; /* fewer than 64, so that a bitmap of fields is one word */
    const struct field *fields;
    const struct field *const *by_number; /* [0 .. largest]; NULL in the gaps */
    uint32_t largest;
    const char *comment;
};

static inline const struct field *message_field(const struct message *message, uint32_t number)
{
    return number <= message->largest ? message->by_number[number] : NULL;
}
/* By name; NULL where there is none. */
const struct field *message_find(const struct message *message, struct slice name);
/* NULL where the enum has no such value. */
const struct enum_value *enum_by_number(const struct enumeration *enumeration, int32_t number);
const struct enum_value *enum_by_name(const struct enumeration *enumeration, struct slice name);

#endif
