/* parameter.c -- text for SQL from wire format, and the table of what the framework provides. */
#include "common/parameter.h"

#include "common/call_state.h"
#include "common/json.h"
#include "common/oid.h"
#include "common/uuid.h"

#include <assert.h>
#include <inttypes.h>

enum { MOST_TYPES = 6 };

static const struct {
    enum field_type type;
    bool repeated;
    Oid oids[MOST_TYPES];
    bool extensions;
} fitting[] = {
    { FIELD_BOOL, false, { OID_BOOL }, false },
    { FIELD_INT32, false, { OID_INT2, OID_INT4, OID_INT8 }, false },
    { FIELD_UINT32, false, { OID_INT2, OID_INT4, OID_INT8 }, false },
    { FIELD_INT64, false, { OID_INT2, OID_INT4, OID_INT8, OID_TIMESTAMPTZ }, false },
    { FIELD_UINT64, false, { OID_INT8 }, false },
    { FIELD_DOUBLE, false, { OID_FLOAT8 }, false },
    { FIELD_STRING, false, { OID_TEXT, OID_VARCHAR, OID_UUID, OID_DATE }, true },
    { FIELD_ENUM, false, { OID_TEXT, OID_VARCHAR }, false },
    { FIELD_BYTES, false, { OID_BYTEA }, false },
    { FIELD_STRING, true, { OID_TEXT_ARRAY, OID_VARCHAR_ARRAY, OID_UUID_ARRAY }, true },
    { FIELD_ENUM, true, { OID_TEXT_ARRAY }, false },
    { FIELD_INT32, true, { OID_INT4_ARRAY, OID_INT8_ARRAY }, false },
    { FIELD_INT64, true, { OID_INT8_ARRAY }, false },
    { FIELD_MESSAGE, false, { OID_JSONB }, false },
    { FIELD_MESSAGE, true, { OID_JSONB }, false },
};

bool parameter_fits(const struct field *field, Oid type)
{
    for (size_t i = 0; i < sizeof fitting / sizeof *fitting; i++) {
        if (fitting[i].type != field->type || fitting[i].repeated != field->repeated)
            continue;
        for (size_t j = 0; j < MOST_TYPES && fitting[i].oids[j]; j++)
            if (fitting[i].oids[j] == type)
                return true;
        return fitting[i].extensions && type >= OID_FIRST_EXTENSION;
    }
    return false;
}

/* ---- fields ---- */

static const char *scalar_text(struct arena *arena, const struct field *field, const struct wire_field *value)
{
    struct buffer out = buffer_in(arena);
    switch (field->type) {
    case FIELD_STRING:
        return arena_text(arena, value->bytes);
    case FIELD_BYTES:
        return parameter_bytes(arena, value->bytes);
    case FIELD_BOOL:
        return value->value ? "true" : "false";
    case FIELD_ENUM: {
        const struct enum_value *known = enum_by_number(field->enumeration, (int32_t)value->value);
        return known ? known->name : NULL;
    }
    case FIELD_DOUBLE: {
        double number;
        memcpy(&number, &value->value, sizeof number);
        return arena_printf(arena, "%.17g", number);
    }
    case FIELD_MESSAGE: /* as JSON; NULL where JSON cannot say an integer, which the gateway has refused */
        return json_from_wire(field->message, value->bytes, &out) ? buffer_cstring(&out) : NULL;
    default:
        if (field->rules.format != FORMAT_INSTANT)
            return arena_printf(arena, "%" PRId64, (int64_t)value->value);
        json_instant_format(&out, (int64_t)value->value);
        return buffer_cstring(&out);
    }
}

static size_t count_values(const struct field *field, struct slice wire)
{
    struct wire_reader reader = wire_read(wire);
    struct wire_field value;
    size_t count = 0;
    while (wire_next(&reader, &value))
        if (value.number == field->number) /* a packed run has at most a value a byte */
            count += value.type == WIRE_BYTES ? value.bytes.size + 1 : 1;
    return count;
}

static size_t unpack(struct arena *arena, const struct field *field, struct slice run, const char **values)
{
    struct wire_reader reader = wire_read(run);
    size_t count = 0;
    for (uint64_t bits; reader.at < reader.end && wire_varint(&reader, &bits);)
        values[count++] = scalar_text(arena, field, &(struct wire_field){ .value = bits });
    return count;
}

/* A JSON array of objects. */
static const char *messages_text(struct arena *arena, const struct field *field, struct slice wire)
{
    struct buffer out = buffer_in(arena);
    struct wire_reader reader = wire_read(wire);
    struct wire_field value;
    size_t count = 0;
    buffer_byte(&out, '[');
    while (wire_next(&reader, &value)) {
        if (value.number != field->number)
            continue;
        if (count++)
            buffer_byte(&out, ',');
        if (!json_from_wire(field->message, value.bytes, &out))
            return NULL;
    }
    buffer_byte(&out, ']');
    return count ? buffer_cstring(&out) : NULL;
}

static const char *repeated_text(struct arena *arena, const struct field *field, struct slice wire)
{
    bool texts = field->type == FIELD_STRING || field->type == FIELD_BYTES;
    const char **values = arena_alloc(arena, (count_values(field, wire) + 1) * sizeof *values);
    struct wire_reader reader = wire_read(wire);
    struct wire_field value;
    size_t count = 0;
    while (wire_next(&reader, &value)) {
        if (value.number != field->number)
            continue;
        if (value.type == WIRE_BYTES && !texts)
            count += unpack(arena, field, value.bytes, values + count);
        else
            values[count++] = scalar_text(arena, field, &value);
    }
    return count ? parameter_array(arena, values, count) : NULL;
}

const char *parameter_text(struct arena *arena, const struct field *field, struct slice wire)
{
    struct wire_field value;
    if (field->repeated)
        return field->message ? messages_text(arena, field, wire) : repeated_text(arena, field, wire);
    return wire_find(wire, field->number, &value) ? scalar_text(arena, field, &value) : NULL;
}

const char *parameter_array(struct arena *arena, const char *const *values, size_t count)
{
    struct buffer out = buffer_in(arena);
    buffer_byte(&out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_byte(&out, ',');
        if (!values[i]) {
            buffer_text(&out, "NULL");
            continue;
        }
        buffer_byte(&out, '"');
        for (const char *at = values[i]; *at; at++) {
            if (*at == '"' || *at == '\\')
                buffer_byte(&out, '\\');
            buffer_byte(&out, (uint8_t)*at);
        }
        buffer_byte(&out, '"');
    }
    buffer_byte(&out, '}');
    return buffer_cstring(&out);
}

const char *parameter_bytes(struct arena *arena, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 2 * bytes.size + 3), *at = text;
    *at++ = '\\';
    *at++ = 'x';
    for (size_t i = 0; i < bytes.size; i++) {
        *at++ = digits[bytes.data[i] >> 4];
        *at++ = digits[bytes.data[i] & 15];
    }
    *at = '\0';
    return text;
}

/* ---- what the framework provides ---- */

static const char *caller_id(struct call *call)
{
    return call->caller.id;
}

static const char *caller_person(struct call *call)
{
    return call->caller.person;
}

static const char *caller_session(struct call *call)
{
    return call->caller.session;
}

static const char *scopes(struct call *call)
{
    return parameter_array(call->arena, call->scopes, call->scope_count);
}

static const char *grant_permissions(struct call *call)
{
    return parameter_array(call->arena, call->caller.permissions, call->caller.grant_count);
}

static const char *grant_organisations(struct call *call)
{
    return parameter_array(call->arena, call->caller.organisations, call->caller.grant_count);
}

static const char *new_id(struct call *call)
{
    if (!call->new_id) {
        char text[UUID_TEXT];
        uuid_new(text);
        call->new_id = arena_strdup(call->arena, text);
    }
    return call->new_id;
}

static const char *set(struct call *call)
{
    return parameter_array(call->arena, call->set, call->set_count);
}

static const char *if_version(struct call *call)
{
    return call->has_if_version ? arena_printf(call->arena, "%" PRId64, call->if_version) : NULL;
}

static const char *page_limit(struct call *call)
{
    return arena_printf(call->arena, "%zu", call->page_limit);
}

static const char *request_id(struct call *call)
{
    return call->request_id;
}

/* A plain hash of an address tells it to whoever tries them all. */
static const char *client(struct call *call)
{
    uint8_t hash[CALL_HASH];
    if (!call->has_client)
        return NULL;
    call_hash(call, "client", slice_of(&call->client, sizeof call->client), hash);
    return parameter_bytes(call->arena, slice_of(hash, sizeof hash));
}

static const char *method_name(struct call *call)
{
    return call->plan->rpc->name;
}

static const char *answer_principal(struct call *call)
{
    return call_principal(call);
}

static const char *answer_key(struct call *call)
{
    uint8_t hash[ANSWER_HASH];
    answer_key_hash(call->idempotency_key, hash);
    return parameter_bytes(call->arena, slice_of(hash, sizeof hash));
}

static const char *answer_fingerprint_text(struct call *call)
{
    uint8_t hash[ANSWER_HASH];
    call_fingerprint(call, hash);
    return parameter_bytes(call->arena, slice_of(hash, sizeof hash));
}

/* A client's key is kept for a day; one that the gateway minted serves only its own re-dispatch. */
static const char *answer_seconds(struct call *call)
{
    return call->key_minted ? "300" : "86400";
}

static const char *refusal(struct call *call)
{
    return call->problem.code;
}

static const struct {
    const char *name;
    parameter_value *value;
} builtins[] = {
    { "caller_id", caller_id },
    { "caller_person", caller_person },
    { "caller_session", caller_session },
    { "scopes", scopes },
    { "grant_permissions", grant_permissions },
    { "grant_organisations", grant_organisations },
    { "new_id", new_id },
    { "set", set },
    { "if_version", if_version },
    { "page_limit", page_limit },
    { "request_id", request_id },
    { "client", client },
    { "method", method_name },
    { "answer_principal", answer_principal },
    { "answer_key", answer_key },
    { "answer_fingerprint", answer_fingerprint_text },
    { "answer_seconds", answer_seconds },
    { "refusal", refusal },
};

parameter_value *parameter_builtin(const char *name)
{
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return builtins[i].value;
    return NULL;
}
