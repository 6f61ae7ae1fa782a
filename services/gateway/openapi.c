/* openapi.c -- an operation for each route; what all share stands in the frame. */
#include "services/gateway/openapi.h"

#include "common/buffer.h"
#include "common/embed.h"
#include "services/gateway/json_schema.h"
#include "services/gateway/problem.h"
#include "services/gateway/route.h"

#include <ctype.h>
#include <stdlib.h>

/* The text of JSON that is written out as it is. */
#define JSON(...) #__VA_ARGS__

/* clang-format off */
static const char frame[] = JSON({
    "openapi": "3.1.0",
    "info": { "title": "Campus", "version": "", "description": "" },
    "tags": [],
    "paths": {},
    "components": {
        "securitySchemes": {
            "bearer": { "type": "http", "scheme": "bearer",
                "description": "A key, campus_…, of `POST /v1/keys`, or a session, campus_s_…, of `POST /v1/sessions`." }
        },
        "parameters": {
            "IfMatch": { "name": "If-Match", "in": "header", "required": true, "schema": { "type": "string" },
                "example": "\"1\"",
                "description": "The ETag of the version that is to be changed: another version is 412." },
            "IfNoneMatch": { "name": "If-None-Match", "in": "header", "schema": { "type": "string" },
                "description": "The ETag of the version at hand: 304 while it is the present one." },
            "IdempotencyKey": { "name": "Idempotency-Key", "in": "header", "schema": { "type": "string" },
                "description": "Names this change, in visible ASCII, 255 at most: sent again within a day, it takes effect once." }
        },
        "headers": {
            "ETag": { "schema": { "type": "string" }, "description": "The version, for If-Match and If-None-Match." },
            "Location": { "schema": { "type": "string" }, "description": "Where what was made can be found." }
        },
        "responses": {
            "Problem": {
                "description": "Any other refusal; `code` says which.",
                "content": {
                    "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemDetails" } }
                }
            }
        },
        "schemas": {
            "ProblemDetails": {
                "type": "object",
                "description": "Why a request was refused (RFC 9457).",
                "required": ["type", "title", "status", "code", "detail"],
                "properties": {
                    "type": { "type": "string", "const": "about:blank" },
                    "title": { "type": "string", "description": "The HTTP status in words." },
                    "status": { "type": "integer", "description": "The HTTP status." },
                    "code": { "type": "string", "description": "The reason, for programs." },
                    "detail": { "type": "string", "description": "The reason, in the language of Accept-Language." },
                    "errors": {
                        "type": "array",
                        "description": "Each complaint about a field.",
                        "items": {
                            "type": "object",
                            "required": ["pointer", "code", "detail"],
                            "properties": {
                                "pointer": { "type": "string",
                                    "description": "A JSON pointer into the body, or a parameter's name." },
                                "code": { "type": "string" },
                                "detail": { "type": "string" }
                            }
                        }
                    },
                    "request_id": { "type": "string", "description": "As in the header X-Request-Id." },
                    "next_step": { "type": "string", "description": "What the caller can do now." },
                    "retry_after": { "type": "integer", "description": "Seconds, as in the header Retry-After." }
                }
            }
        }
    }
});
/* clang-format on */

static const char *const verb_names[] = {
    [HTTP_GET] = "get", [HTTP_POST] = "post", [HTTP_PUT] = "put", [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
};

struct document {
    struct arena *arena;
    struct components components;
    json_t *tags, *paths;
};

/* ---- words ---- */

/* Who may, in words for the description. */
static const char *who_may(struct arena *arena, const struct rpc *rpc)
{
    if (rpc->access == ACCESS_PUBLIC)
        return "Needs no key.";
    if (rpc->access != ACCESS_AUTHENTICATED)
        return arena_printf(arena, "Permission: `%s`%s.", rpc->permission,
                            rpc->access == ACCESS_OWNER ? "; people need none for what is their own" : "");
    if (!rpc->permission)
        return "Any valid key or session.";
    return arena_printf(arena, "Any valid key or session; the permission `%s` opens more.", rpc->permission);
}

/* The first sentence is the summary, which is plain text; the rest is CommonMark. */
static void put_words(struct document *document, json_t *operation, const struct rpc *rpc)
{
    const char *comment = rpc->comment, *end = schema_first_sentence(comment), *rest = end;
    char *summary = arena_text(document->arena, slice_of(comment, (size_t)(end - comment))), *out = summary;
    for (const char *at = summary; *at; at++)
        if (*at != '`')
            *out++ = *at == '\n' ? ' ' : *at;
    *out = '\0';
    while (*rest == '.' || isspace((unsigned char)*rest))
        rest++;
    if (*summary)
        json_put_text(operation, "summary", summary);
    const char *who = who_may(document->arena, rpc);
    json_put(operation, "description", json_sprintf("%s%s%s", rest, *rest ? "\n\n" : "", who));
}

/* ---- what goes in ---- */

static json_t *shared(const char *kind, const char *name)
{
    json_t *ref = json_object();
    json_put(ref, "$ref", json_sprintf("#/components/%s/%s", kind, name));
    return ref;
}

/* Takes `example`, which may be NULL. */
static void put_example(json_t *json, json_t *example)
{
    if (example)
        json_put(json, "example", example);
}

static json_t *parameter(struct document *document, const struct field *field, enum route_place place)
{
    const char *description = json_schema_description(document->arena, field);
    json_t *json = json_object();
    json_put_text(json, "name", field->name);
    json_put_text(json, "in", place == PLACE_PATH ? "path" : "query");
    if (field->rules.required || place == PLACE_PATH)
        json_put(json, "required", json_true());
    if (*description)
        json_put_text(json, "description", description);
    json_put(json, "schema", json_schema_of_field(&document->components, field, SCHEMA_BODY));
    put_example(json, json_schema_example(field));
    return json;
}

static void put_parameters(struct document *document, json_t *operation, const struct rpc *rpc)
{
    json_t *parameters = json_array();
    for (size_t i = 0; i < rpc->request->count; i++) {
        const struct field *field = &rpc->request->fields[i];
        enum route_place place = route_place(rpc, field);
        if (place == PLACE_PATH || (place == PLACE_QUERY && !field->output))
            json_append(parameters, parameter(document, field, place));
    }
    if (rpc->if_match)
        json_append(parameters, shared("parameters", "IfMatch"));
    if (rpc->verb == HTTP_GET && rpc->etag)
        json_append(parameters, shared("parameters", "IfNoneMatch"));
    if (rpc->kind == RPC_WRITE)
        json_append(parameters, shared("parameters", "IdempotencyKey"));
    if (json_array_size(parameters))
        json_put(operation, "parameters", json_incref(parameters));
    json_decref(parameters);
}

/* {"media/type": {"schema": ...}}, of which the inner is returned; takes `schema`. */
static json_t *put_content(json_t *content, const char *media_type, json_t *schema)
{
    json_t *json = json_object();
    json_put(json, "schema", schema);
    json_put(content, media_type, json);
    return json;
}

static void put_raw_content(json_t *content, const struct rpc *rpc)
{
    for (const char *const *type = rpc->body_types; *type; type++) {
        json_t *schema = json_object();
        json_put_text(schema, "type", "string");
        if (strncmp(*type, "text/", 5) != 0)
            json_put_text(schema, "format", "binary");
        put_example(put_content(content, *type, schema), json_schema_example(rpc->body));
    }
}

static void put_json_content(struct document *document, json_t *content, const struct rpc *rpc)
{
    json_t *schema = json_schema_of_body(&document->components, rpc);
    if (schema && rpc->verb == HTTP_PATCH)
        put_example(put_content(content, "application/merge-patch+json", json_incref(schema)),
                    json_schema_body_example(rpc));
    if (schema)
        put_example(put_content(content, "application/json", schema), json_schema_body_example(rpc));
}

/* A body of nothing but what may be absent may be absent itself; a merge patch may not. */
static bool needs_body(const struct rpc *rpc)
{
    bool needs = rpc->body || rpc->verb == HTTP_PATCH;
    for (size_t i = 0; i < rpc->request->count; i++) {
        const struct field *field = &rpc->request->fields[i];
        needs = needs || (json_schema_needs(field) && route_place(rpc, field) == PLACE_JSON);
    }
    return needs;
}

static void put_request_body(struct document *document, json_t *operation, const struct rpc *rpc)
{
    json_t *body = json_object(), *content = json_object();
    if (rpc->body)
        put_raw_content(content, rpc);
    else
        put_json_content(document, content, rpc);
    if (needs_body(rpc))
        json_put(body, "required", json_true());
    json_put(body, "content", content);
    if (json_object_size(content))
        json_put(operation, "requestBody", json_incref(body));
    json_decref(body);
}

/* ---- what comes out ---- */

static json_t *success(struct document *document, const struct rpc *rpc)
{
    json_t *json = json_object(), *headers = json_object(), *content = json_object();
    json_put_text(json, "description", rpc->created ? "Created" : "OK");
    if (rpc->etag)
        json_put(headers, "ETag", shared("headers", "ETag"));
    if (rpc->location)
        json_put(headers, "Location", shared("headers", "Location"));
    if (json_object_size(headers))
        json_put(json, "headers", json_incref(headers));
    json_decref(headers);
    put_content(content, "application/json", json_schema_of_reply(&document->components, rpc->reply));
    json_put(json, "content", content);
    return json;
}

/* The reasons for which the method answers with this status, a line each; "" where there are none. */
static const char *reasons(struct arena *arena, const struct rpc *rpc, enum status status)
{
    struct buffer text = buffer_in(arena);
    for (size_t i = 0; i < rpc->refusal_count; i++) {
        const struct refusal *refusal = &rpc->refusals[i];
        if (refusal->status != status)
            continue;
        buffer_printf(&text, "%s- `%s`: ", text.size ? "\n" : "", refusal->code);
        struct slice words = problem_text(arena, refusal->en, NULL);
        buffer_add(&text, words.data, words.size);
    }
    return buffer_cstring(&text);
}

/* The document with which a refusal is told, by its code. */
static void add_problem(struct document *document, json_t *examples, const struct rpc *rpc, enum status status,
                        const char *code)
{
    const struct problem problem = { .status = status, .code = code };
    struct buffer text = buffer_in(document->arena);
    problem_write(&text, &problem, rpc, "0193a1c5-6c1e-7b60-9c2a-5f2d8f0f3c11", "en");
    json_t *example = json_object(), *value = json_loadb((const char *)text.data, text.size, 0, NULL);
    if (!value)
        abort();
    json_put(example, "value", value);
    json_put(examples, code, example);
}

static void put_refusal(struct document *document, json_t *responses, const struct rpc *rpc, enum status status,
                        const char *description)
{
    json_t *json = json_object(), *content = json_object(), *examples = json_object();
    json_put_text(json, "description", description);
    for (size_t i = 0; i < rpc->refusal_count; i++)
        if (rpc->refusals[i].status == status)
            add_problem(document, examples, rpc, status, rpc->refusals[i].code);
    json_put(put_content(content, PROBLEM_TYPE, shared("schemas", "ProblemDetails")), "examples", examples);
    json_put(json, "content", content);
    json_put(responses, arena_printf(document->arena, "%d", status_http(status)), json);
}

static void put_responses(struct document *document, json_t *operation, const struct rpc *rpc)
{
    json_t *responses = json_object();
    json_put(responses, rpc->created ? "201" : "200", success(document, rpc));
    if (rpc->verb == HTTP_GET && rpc->etag) {
        json_t *unchanged = json_object();
        json_put_text(unchanged, "description", "Not Modified");
        json_put(responses, "304", unchanged);
    }
    for (enum status status = STATUS_BAD_REQUEST; status < STATUS_COUNT; status++) {
        const char *description = reasons(document->arena, rpc, status);
        if (*description)
            put_refusal(document, responses, rpc, status, description);
    }
    json_put(responses, "default", shared("responses", "Problem"));
    json_put(operation, "responses", responses);
}

/* ---- the whole ---- */

static void put_security(json_t *operation, const struct rpc *rpc)
{
    static const char *const accesses[] = { [ACCESS_GRANTED] = "granted",
                                            [ACCESS_OWNER] = "owner",
                                            [ACCESS_PUBLIC] = "public",
                                            [ACCESS_AUTHENTICATED] = "authenticated",
                                            [ACCESS_INTERNAL] = "internal" };
    json_t *security = json_array();
    if (rpc->access != ACCESS_PUBLIC) {
        json_t *scheme = json_object();
        json_put(scheme, "bearer", json_array());
        json_append(security, scheme);
    }
    json_put(operation, "security", security);
    json_put_text(operation, "x-access", accesses[rpc->access]);
    if (rpc->permission)
        json_put_text(operation, "x-permission", rpc->permission);
}

static json_t *operation_of(struct document *document, const struct rpc *rpc)
{
    json_t *operation = json_object(), *tags = json_array();
    json_put_text(operation, "operationId", rpc->name);
    json_append_text(tags, rpc->section->name);
    json_put(operation, "tags", tags);
    put_words(document, operation, rpc);
    put_parameters(document, operation, rpc);
    put_request_body(document, operation, rpc);
    put_responses(document, operation, rpc);
    put_security(operation, rpc);
    return operation;
}

/* Two services may head methods alike. */
static void note_tag(struct document *document, const struct section *section)
{
    size_t i;
    json_t *tag;
    json_array_foreach(document->tags, i, tag)
    {
        if (strcmp(json_string_value(json_object_get(tag, "name")), section->name) == 0)
            return;
    }
    tag = json_object();
    json_put_text(tag, "name", section->name);
    if (*section->comment)
        json_put_text(tag, "description", section->comment);
    json_append(document->tags, tag);
}

static void add_rpc(struct document *document, const struct rpc *rpc)
{
    json_t *path = json_object_get(document->paths, rpc->path);
    note_tag(document, rpc->section);
    if (!path) {
        path = json_object();
        json_put(document->paths, rpc->path, path);
    }
    json_put(path, verb_names[rpc->verb], operation_of(document, rpc));
}

static void put_info(json_t *info, const char *version)
{
    struct slice introduction = embed_get("services/gateway/docs/introduction.md");
    json_put_text(info, "version", version);
    json_put(info, "description", json_stringn((const char *)introduction.data, introduction.size));
}

/* The refusals that any method can end in: the commonest stand for all. */
static void put_default(struct document *document, json_t *responses)
{
    json_t *content = json_object_get(json_object_get(responses, "Problem"), "content"), *examples = json_object();
    add_problem(document, examples, NULL, STATUS_UNAUTHENTICATED, "unauthenticated");
    add_problem(document, examples, NULL, STATUS_FORBIDDEN, "permission_denied");
    add_problem(document, examples, NULL, STATUS_NOT_FOUND, "not_found");
    json_put(json_object_get(content, PROBLEM_TYPE), "examples", examples);
}

static struct slice dumped(struct arena *arena, const json_t *root)
{
    char *text = json_dumps(root, JSON_COMPACT);
    if (!text)
        abort();
    struct slice copy = arena_copy(arena, slice_text(text));
    free(text);
    return copy;
}

struct slice openapi_write(struct arena *arena, const struct schema *schema, const char *version)
{
    json_t *root = json_loads(frame, 0, NULL);
    if (!root)
        abort();
    json_t *schemas = json_object_get(json_object_get(root, "components"), "schemas");
    struct document document = {
        .arena = arena,
        .components = { .arena = arena, .schema = schema, .schemas = schemas },
        .tags = json_object_get(root, "tags"),
        .paths = json_object_get(root, "paths"),
    };
    put_info(json_object_get(root, "info"), version);
    put_default(&document, json_object_get(json_object_get(root, "components"), "responses"));
    for (size_t i = 0; i < schema->rpc_count; i++)
        if (schema->rpcs[i].path)
            add_rpc(&document, &schema->rpcs[i]);
    struct slice text = dumped(arena, root);
    json_decref(root);
    return text;
}
