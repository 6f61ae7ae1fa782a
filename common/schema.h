/* schema.h -- the contract in proto/, as the program sees it: messages, fields with their rules, methods with their routes.
 *
 * Read once at start from the descriptor set that the build embeds; immutable from then on, so threads share it. */
#ifndef CAMPUS_SCHEMA_H
#define CAMPUS_SCHEMA_H

#include "common/arena.h"
#include "common/status.h"

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

enum rpc_kind { RPC_READ, RPC_WRITE };
enum rpc_access { ACCESS_GRANTED, ACCESS_OWNER, ACCESS_PUBLIC, ACCESS_AUTHENTICATED, ACCESS_INTERNAL };
enum http_verb { HTTP_NONE, HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE };

struct refusal {
    const char *code;
    enum status status;
    const char *en, *zh;
    const char *field; /* or NULL */
    const char *next_step; /* or NULL */
};

/* A method as the contract declares it. (What implements it is `struct method`, in a service's table.) */
struct rpc {
    const char *name; /* "GetPerson"; unique over all services */
    const char *service; /* "membership" */
    const struct message *request, *reply;
    enum rpc_kind kind;
    enum rpc_access access;
    enum http_verb verb;
    const char *path; /* "/v1/people/{id}", or NULL without a route */
    const char *permission; /* or NULL */
    const char *location; /* or NULL */
    bool created, if_match;
    uint32_t max_body_bytes, timeout_ms; /* timeout 0: the gateway's default */
    const char *const *body_types; /* NULL-terminated; empty where the body is JSON */
    const struct refusal *refusals;
    size_t refusal_count;
    const struct field *rows; /* of the reply: what a list's rows fill, or NULL */
    const struct field *etag; /* of the reply: its version, or NULL */
    const struct field *body; /* of the request: the raw body, or NULL */
    const char *comment;
};

struct schema {
    const struct message *messages;
    size_t message_count;
    const struct rpc *rpcs; /* of one service behind another, in the order of proto/ */
    size_t rpc_count;
};

/* Reads a FileDescriptorSet. On NULL, *error (in the arena) names what is wrong with the contract. */
const struct schema *schema_load(struct arena *arena, struct slice descriptor_set, const char **error)
    __attribute__((warn_unused_result));

const struct rpc *schema_rpc(const struct schema *schema, const char *name);
/* By full name. */
const struct message *schema_message(const struct schema *schema, const char *full_name);

static inline const struct field *message_field(const struct message *message, uint32_t number)
{
    return number <= message->largest ? message->by_number[number] : NULL;
}
/* By name; NULL where there is none. */
const struct field *message_find(const struct message *message, struct slice name);
/* NULL where the enum has no such value. */
const struct enum_value *enum_by_number(const struct enumeration *enumeration, int32_t number);
const struct enum_value *enum_by_name(const struct enumeration *enumeration, struct slice name);
/* The reason with this code among those that the method declares, or NULL. */
const struct refusal *rpc_refusal(const struct rpc *rpc, const char *code);

#endif
