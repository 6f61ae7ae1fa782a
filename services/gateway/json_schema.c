/* json_schema.c -- a field's type, format and limits in JSON Schema's words. */
#include "services/gateway/json_schema.h"

#include "common/buffer.h"
#include "services/gateway/route.h"

#include <stdlib.h>

/* As rules.c has it: labels joined by dots. */
#define PATH_PATTERN "^[a-z0-9_]{1,40}(\\.[a-z0-9_]{1,40}){0,15}$"

/* ---- jansson ---- */

void json_put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        abort();
}

void json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        abort();
}

void json_put_text(json_t *object, const char *name, const char *text)
{
    json_put(object, name, json_string(text));
}

void json_append_text(json_t *array, const char *text)
{
    json_append(array, json_string(text));
}

static json_t *reference(const char *component)
{
    json_t *ref = json_object();
    json_put(ref, "$ref", json_sprintf("#/components/schemas/%s", component));
    return ref;
}

/* ---- fields ---- */

static const struct {
    const char *type, *format;
} json_types[] = {
    [FIELD_BOOL] = { "boolean", NULL },     [FIELD_INT32] = { "integer", "int32" },
    [FIELD_INT64] = { "integer", "int64" }, [FIELD_UINT32] = { "integer", NULL },
    [FIELD_UINT64] = { "integer", NULL },   [FIELD_DOUBLE] = { "number", "double" },
    [FIELD_STRING] = { "string", NULL },    [FIELD_BYTES] = { "string", NULL },
    [FIELD_ENUM] = { "string", NULL },      [FIELD_MESSAGE] = { "object", NULL },
};

static const char *const text_formats[] = {
    [FORMAT_UUID] = "uuid",
    [FORMAT_DATE] = "date",
    [FORMAT_INSTANT] = "date-time",
    [FORMAT_ANY] = NULL,
};

static bool is_instant(const struct field *field)
{
    return field->rules.format == FORMAT_INSTANT;
}

static void put_enum(json_t *json, const struct enumeration *enumeration)
{
    json_t *names = json_array();
    for (size_t i = 0; i < enumeration->count; i++)
        json_append_text(names, enumeration->values[i].name);
    json_put(json, "enum", names);
}

static void put_type(json_t *json, const struct field *field)
{
    const char *format = json_types[field->type].format;
    if (field->type == FIELD_STRING || is_instant(field))
        format = text_formats[field->rules.format];
    json_put_text(json, "type", is_instant(field) ? "string" : json_types[field->type].type);
    if (format)
        json_put_text(json, "format", format);
    if (field->type == FIELD_BYTES)
        json_put_text(json, "contentEncoding", "base64url");
    if (field->type == FIELD_ENUM)
        put_enum(json, field->enumeration);
}

static void put_count(json_t *json, const char *name, uint32_t count)
{
    if (count)
        json_put(json, name, json_integer(count));
}

static void put_text_limits(json_t *json, const struct field_rules *rules)
{
    bool free_text = rules->format != FORMAT_UUID && rules->format != FORMAT_DATE && rules->format != FORMAT_PATH;
    if (free_text) {
        put_count(json, "minLength", rules->min_length);
        put_count(json, "maxLength", rules->max_length);
    }
    if (rules->pattern)
        json_put(json, "pattern", json_sprintf("^(?:%s)$", rules->pattern));
    else if (rules->format == FORMAT_PATH)
        json_put_text(json, "pattern", PATH_PATTERN);
}

static void put_number_limits(json_t *json, const struct field *field)
{
    bool natural = field->type == FIELD_UINT32 || field->type == FIELD_UINT64;
    if (field->rules.has_min || natural)
        json_put(json, "minimum", json_integer(field->rules.has_min ? field->rules.min : 0));
    if (field->rules.has_max)
        json_put(json, "maximum", json_integer(field->rules.max));
}

static void put_limits(json_t *json, const struct field *field)
{
    if (field->type == FIELD_STRING)
        put_text_limits(json, &field->rules);
    else if (strcmp(json_types[field->type].type, "integer") == 0 || field->type == FIELD_DOUBLE)
        put_number_limits(json, field);
}

static json_t *message_ref(struct components *components, const struct message *message, enum schema_use use);

static json_t *one_value(struct components *components, const struct field *field, enum schema_use use)
{
    if (field->type == FIELD_MESSAGE)
        return message_ref(components, field->message, use);
    json_t *json = json_object();
    put_type(json, field);
    if (use != SCHEMA_REPLY && !is_instant(field))
        put_limits(json, field);
    return json;
}

/* In a merge patch an array is replaced as a whole: its items are those of a body. */
static json_t *many_values(struct components *components, const struct field *field, enum schema_use use)
{
    json_t *json = json_object();
    json_put_text(json, "type", "array");
    json_put(json, "items", one_value(components, field, use == SCHEMA_PATCH ? SCHEMA_BODY : use));
    if (use == SCHEMA_REPLY)
        return json;
    put_count(json, "minItems", field->rules.min_items);
    put_count(json, "maxItems", field->rules.max_items);
    return json;
}

json_t *json_schema_of_field(struct components *components, const struct field *field, enum schema_use use)
{
    return field->repeated ? many_values(components, field, use) : one_value(components, field, use);
}

/* ---- examples ---- */

static json_t *example_value(const struct field *field)
{
    const char *type = is_instant(field) ? "string" : json_types[field->type].type;
    if (strcmp(type, "boolean") == 0)
        return json_boolean(strcmp(field->example, "true") == 0);
    if (strcmp(type, "integer") == 0)
        return json_integer(strtoll(field->example, NULL, 10));
    if (strcmp(type, "number") == 0)
        return json_real(strtod(field->example, NULL));
    return json_string(field->example);
}

static json_t *list_of(json_t *value)
{
    json_t *list = json_array();
    json_append(list, value);
    return list;
}

json_t *json_schema_example(const struct field *field)
{
    if (!field->example)
        return NULL;
    return field->repeated ? list_of(example_value(field)) : example_value(field);
}

/* ---- messages ---- */

static json_t *or_null(json_t *json)
{
    json_t *either = json_object(), *choices = json_array(), *null = json_object();
    json_put_text(null, "type", "null");
    json_append(choices, json);
    json_append(choices, null);
    json_put(either, "anyOf", choices);
    return either;
}

const char *json_schema_description(struct arena *arena, const struct field *field)
{
    struct buffer text = buffer_in(arena);
    buffer_text(&text, field->comment);
    for (size_t i = 0; field->enumeration && i < field->enumeration->count; i++) {
        const struct enum_value *value = &field->enumeration->values[i];
        if (*value->comment)
            buffer_printf(&text, "%s- `%s`: %s", text.size ? "\n" : "", value->name, value->comment);
    }
    return buffer_cstring(&text);
}

static json_t *property(struct components *components, const struct field *field, enum schema_use use)
{
    json_t *json = json_schema_of_field(components, field, use);
    if (use == SCHEMA_PATCH && !field->rules.required)
        json = or_null(json);
    const char *description = json_schema_description(components->arena, field);
    if (*description)
        json_put_text(json, "description", description);
    if (field->output)
        json_put(json, "readOnly", json_true());
    if (field->personal)
        json_put_text(json, "x-personal", field->personal);
    if (field->example)
        json_put(json, "examples", list_of(json_schema_example(field)));
    return json;
}

bool json_schema_needs(const struct field *field)
{
    return field->rules.required || (field->repeated && field->rules.min_items);
}

/* `rpc` is that of a whole body, and NULL of what is nested or replied. */
static bool belongs(const struct rpc *rpc, const struct field *field, enum schema_use use)
{
    if (use == SCHEMA_REPLY)
        return true;
    return !field->output && (!rpc || route_place(rpc, field) == PLACE_JSON);
}

static void put_properties(struct components *components, json_t *json, const struct message *message,
                           const struct rpc *rpc, enum schema_use use)
{
    json_t *properties = json_object(), *required = json_array();
    json_put_text(json, "type", "object");
    if (*message->comment)
        json_put_text(json, "description", message->comment);
    json_put(json, "properties", properties);
    for (size_t i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (!belongs(rpc, field, use))
            continue;
        json_put(properties, field->name, property(components, field, use));
        if (use == SCHEMA_REPLY ? field->rules.required : use == SCHEMA_BODY && json_schema_needs(field))
            json_append_text(required, field->name);
    }
    if (json_array_size(required))
        json_put(json, "required", json_incref(required));
    json_decref(required);
    if (use != SCHEMA_REPLY)
        json_put(json, "additionalProperties", json_false());
}

/* "Address"; where two services have one, "events.Address". What is nested in a body is named apart from what is
 * replied. */
static const char *component_name(const struct components *components, const struct message *message,
                                  enum schema_use use)
{
    static const char *const suffixes[] = { [SCHEMA_REPLY] = "", [SCHEMA_BODY] = "Input", [SCHEMA_PATCH] = "Patch" };
    const char *name = message->name;
    for (size_t i = 0; i < components->schema->message_count; i++) {
        const struct message *other = &components->schema->messages[i];
        if (strcmp(other->name, name) == 0 && strcmp(other->full_name, message->full_name) != 0)
            name = message->full_name;
    }
    if (name != message->name && strncmp(name, "campus.", 7) == 0)
        name += 7;
    return arena_printf(components->arena, "%s%s", name, suffixes[use]);
}

static json_t *message_ref(struct components *components, const struct message *message, enum schema_use use)
{
    const char *name = component_name(components, message, use);
    if (!json_object_get(components->schemas, name)) {
        json_t *json = json_object();
        json_put(components->schemas, name, json); /* first, so that it stands before what it refers to */
        put_properties(components, json, message, NULL, use);
    }
    return reference(name);
}

json_t *json_schema_body_example(const struct rpc *rpc)
{
    json_t *body = NULL;
    for (size_t i = 0; i < rpc->request->count; i++) {
        const struct field *field = &rpc->request->fields[i];
        if (!field->example || !belongs(rpc, field, SCHEMA_BODY))
            continue;
        body = body ? body : json_object();
        json_put(body, field->name, json_schema_example(field));
    }
    return body;
}

json_t *json_schema_of_reply(struct components *components, const struct message *message)
{
    return message_ref(components, message, SCHEMA_REPLY);
}

json_t *json_schema_of_body(struct components *components, const struct rpc *rpc)
{
    bool any = false;
    for (size_t i = 0; i < rpc->request->count; i++)
        any = any || belongs(rpc, &rpc->request->fields[i], SCHEMA_BODY);
    if (!any)
        return NULL;
    /* Named by the method: what is left of one message differs with the route. */
    const char *name = arena_printf(components->arena, "%sRequest", rpc->name);
    json_t *json = json_object();
    json_put(components->schemas, name, json);
    put_properties(components, json, rpc->request, rpc, rpc->verb == HTTP_PATCH ? SCHEMA_PATCH : SCHEMA_BODY);
    return reference(name);
}
