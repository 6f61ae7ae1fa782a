/* request.c -- each part of the HTTP request gives its fields; then the rules look at the whole. */
#include "services/gateway/request.h"

#include "common/rules.h"
#include "common/wire.h"
#include "services/gateway/query.h"

#include <strings.h>

struct reading {
    struct arena *arena;
    const struct rpc *rpc;
    const struct http_request *request;
    struct request_message *message;
    struct problem *problem;
    uint64_t taken; /* fields that path and query have given */
};

static bool takes_body(const struct rpc *rpc)
{
    return rpc->verb == HTTP_POST || rpc->verb == HTTP_PUT || rpc->verb == HTTP_PATCH;
}

size_t request_body_limit(const struct rpc *rpc)
{
    return takes_body(rpc) ? rpc->max_body_bytes : 0;
}

/* A path that cannot name anything is a thing that does not exist. */
static void read_variable(struct reading *reading, const struct route_variable *variable)
{
    struct slice text;
    const char *argument;
    if (!query_decode(reading->arena, variable->raw, QUERY_PATH, &text) ||
        json_scalar_from_text(variable->field, text, &reading->message->wire) ||
        (variable->field->type == FIELD_STRING &&
         rules_text(reading->arena, variable->field, text, &argument) != NULL)) {
        if (reading->problem->status == STATUS_OK)
            problem_set(reading->problem, "not_found");
        return;
    }
    reading->taken |= UINT64_C(1) << variable->field->index;
}

static void read_pair(struct reading *reading, const struct query_pair *pair)
{
    const char *name = arena_text(reading->arena, pair->name);
    const struct field *field = message_find(reading->rpc->request, pair->name);
    if (!field || route_place(reading->rpc, field) != PLACE_QUERY) {
        problem_add(reading->arena, reading->problem, name, "unknown_parameter", NULL);
        return;
    }
    uint64_t bit = UINT64_C(1) << field->index;
    if (reading->taken & bit && !field->repeated) {
        problem_add(reading->arena, reading->problem, name, "duplicate_parameter", NULL);
        return;
    }
    reading->taken |= bit;
    const char *expected = json_scalar_from_text(field, pair->value, &reading->message->wire);
    if (expected)
        problem_add(reading->arena, reading->problem, name, "bad_parameter", expected);
}

static void read_query(struct reading *reading)
{
    struct query_reader reader = query_read(reading->arena, reading->request->query);
    struct query_pair pair;
    for (;;) {
        switch (query_next(&reader, &pair)) {
        case QUERY_PAIR:
            read_pair(reading, &pair);
            break;
        case QUERY_END:
            return;
        case QUERY_BAD_NAME:
            problem_set(reading->problem, "bad_target");
            return;
        case QUERY_BAD_VALUE:
            problem_add(reading->arena, reading->problem, arena_text(reading->arena, pair.name), "bad_parameter",
                        "valid UTF-8");
            break;
        case QUERY_TOO_MANY:
            problem_set(reading->problem, "bad_target");
            return;
        }
    }
}

/* ---- the body ---- */

static bool same_word(struct slice text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

/* Takes what stands before the next semicolon, without blanks around it. */
static struct slice take_part(struct slice *left)
{
    const uint8_t *semicolon = left->size ? memchr(left->data, ';', left->size) : NULL;
    size_t size = semicolon ? (size_t)(semicolon - left->data) : left->size, skipped = semicolon ? size + 1 : size;
    struct slice part = slice_trimmed(slice_of(left->data, size));
    *left = slice_of(left->data + skipped, left->size - skipped);
    return part;
}

/* Whether the parameters behind a media type name no charset but UTF-8. */
static bool is_utf8(struct slice parameters)
{
    static const char charset[] = "charset=";
    size_t size = sizeof charset - 1;
    while (parameters.size) {
        struct slice part = take_part(&parameters);
        if (part.size < size || strncasecmp((const char *)part.data, charset, size) != 0)
            continue;
        struct slice value = slice_of(part.data + size, part.size - size);
        if (!same_word(value, "utf-8") && !same_word(value, "\"utf-8\""))
            return false;
    }
    return true;
}

/* Whether a Content-Type is one of the types. JSON is UTF-8 (RFC 8259 §8.1), so that no other charset may be named. How
 * a raw body is encoded its method sees in the bytes: senders name a charset by habit, not by the file. */
static bool type_is(struct slice header, const char *const *types, bool raw)
{
    struct slice type = take_part(&header);
    if (!raw && !is_utf8(header))
        return false;
    for (; *types; types++)
        if (same_word(type, *types))
            return true;
    return false;
}

static const char *const *types_of(const struct rpc *rpc)
{
    static const char *const json[] = { "application/json", NULL };
    static const char *const patch[] = { "application/merge-patch+json", "application/json", NULL };
    if (rpc->body)
        return rpc->body_types;
    return rpc->verb == HTTP_PATCH ? patch : json;
}

static bool check_type(struct reading *reading)
{
    bool twice = false;
    const struct slice *header = http_header_find(reading->request, "content-type", &twice);
    const char *const *types = types_of(reading->rpc);
    if (header && !twice && type_is(*header, types, reading->rpc->body != NULL))
        return true;
    problem_set(reading->problem, "unsupported_media_type");
    problem_add(reading->arena, reading->problem, "Content-Type", "unsupported_media_type", types[0]);
    return false;
}

static void read_json(struct reading *reading)
{
    bool patch = reading->rpc->verb == HTTP_PATCH;
    struct json_options options = { .patch = patch, .taken = &reading->taken };
    (void)!json_to_wire(reading->arena, reading->rpc->request, reading->request->body, options, &reading->message->wire,
                        patch ? &reading->message->set : NULL, reading->problem);
}

static void read_body(struct reading *reading)
{
    const struct rpc *rpc = reading->rpc;
    bool empty = reading->request->body.size == 0;
    if (!takes_body(rpc) || (empty && !rpc->body && rpc->verb == HTTP_POST))
        return; /* an action may need no words */
    if (empty)
        problem_set(reading->problem, "body_required");
    else if (check_type(reading) && rpc->body)
        wire_put_bytes(&reading->message->wire, rpc->body->number, reading->request->body);
    else if (reading->problem->status == STATUS_OK)
        read_json(reading);
}

/* Beside a JSON body, a complaint points into it; elsewhere it names a parameter. */
static bool body_is_json(const struct rpc *rpc)
{
    return takes_body(rpc) && !rpc->body;
}

bool request_read(struct arena *arena, const struct route_match *match, const struct http_request *request,
                  struct request_message *message, struct problem *problem)
{
    struct reading reading = {
        .arena = arena, .rpc = match->rpc, .request = request, .message = message, .problem = problem
    };
    *message = (struct request_message){ .wire = buffer_in(arena) };
    for (size_t i = 0; i < match->variable_count; i++)
        read_variable(&reading, &match->variables[i]);
    if (problem->status == STATUS_OK)
        read_query(&reading);
    if (problem->status == STATUS_OK)
        read_body(&reading);
    if (problem->status != STATUS_OK)
        return false;
    struct rules_context rules = { .arena = arena, .problem = problem, .bare_names = !body_is_json(match->rpc) };
    rules_check(&rules, match->rpc->request, buffer_slice(&message->wire),
                match->rpc->verb == HTTP_PATCH ? &message->set : NULL);
    return problem->status == STATUS_OK;
}
