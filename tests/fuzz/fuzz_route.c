/* fuzz_route.c -- targets of any text on the routes of the contract: what is found is what was asked for, and parameters
 * are read once and the same each time. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#include "common/embed.h"
#include "common/json.h"
#include "common/utf8.h"
#include "services/gateway/http_target.h"
#include "services/gateway/query.h"
#include "services/gateway/route.h"

static const struct schema *schema;
static const struct routes *routes;

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    const char *error = NULL;
    struct arena *arena = arena_new(); /* lives as long as the program */
    (void)count, (void)arguments;
    schema = schema_load(arena, embed_get("schema.binpb"), &error);
    routes = schema ? routes_new(arena, schema, &error) : NULL;
    if (!routes)
        fprintf(stderr, "%s\n", error);
    need(routes);
    return 0;
}

/* ---- routes ---- */

static bool is_text(struct slice text)
{
    return text.size == 0 || (utf8_valid(text) && !memchr(text.data, '\0', text.size));
}

/* A value that comes as text, as request.c reads it: a message with that one field, or a complaint. */
static void check_scalar(struct arena *arena, const struct rpc *rpc, const struct field *field, struct slice text)
{
    struct buffer wire = buffer_in(arena), json = buffer_in(arena);
    if (!json_scalar_from_text(field, text, &wire))
        need(json_from_wire(rpc->request, buffer_slice(&wire), &json) && json.size > 2);
    else
        need(wire.size == 0);
}

static void check_variable(struct arena *arena, const struct route_match *match, size_t i, bool sound)
{
    const struct route_variable *variable = &match->variables[i];
    struct slice text;
    need(variable->raw.size > 0 && !memchr(variable->raw.data, '/', variable->raw.size));
    need(route_place(match->rpc, variable->field) == PLACE_PATH);
    if (!query_decode(arena, variable->raw, QUERY_PATH, &text))
        return;
    need(is_text(text) && text.size <= variable->raw.size);
    need(!sound || (!memchr(text.data, '/', text.size) && !slice_is(text, ".") && !slice_is(text, "..")));
    check_scalar(arena, match->rpc, variable->field, text);
}

/* The route's path with what was found for its variables: again what was asked for. */
static struct slice rebuilt(struct arena *arena, const struct route_match *match)
{
    struct buffer path = buffer_in(arena);
    size_t next = 0;
    for (const char *at = match->rpc->path; *at; at++) {
        if (*at != '{') {
            buffer_byte(&path, (uint8_t)*at);
            continue;
        }
        need(next < match->variable_count);
        buffer_add(&path, match->variables[next].raw.data, match->variables[next].raw.size);
        next++;
        at = strchr(at, '}');
    }
    need(next == match->variable_count);
    return buffer_slice(&path);
}

static enum route_result check_path(struct arena *arena, enum http_method method, struct slice path)
{
    struct route_match match, options;
    struct slice same, query;
    enum route_result result = routes_find(routes, method, path, &match);
    bool sound = http_target_split(path, &same, &query) && slice_equal(same, path);
    need((result == ROUTE_NOT_FOUND) == (match.allow == NULL) && (result == ROUTE_FOUND) == (match.rpc != NULL));
    need(routes_find(routes, METHOD_OPTIONS, path, &options) == (match.allow ? ROUTE_OPTIONS : ROUTE_NOT_FOUND));
    need(options.allow == match.allow);
    if (result != ROUTE_FOUND)
        return result;
    need(slice_equal(rebuilt(arena, &match), path));
    for (size_t i = 0; i < match.variable_count; i++)
        check_variable(arena, &match, i, sound);
    return result;
}

/* A path that some method's route admits; its variables are parts of the input. */
static struct slice path_of(struct arena *arena, const struct rpc *rpc, struct slice *input)
{
    struct buffer path = buffer_in(arena);
    for (const char *at = rpc->path; *at; at++) {
        if (*at != '{') {
            buffer_byte(&path, (uint8_t)*at);
            continue;
        }
        struct slice value = fuzz_take(input, '/');
        buffer_byte(&path, 'x');
        buffer_add(&path, value.data, value.size);
        at = strchr(at, '}');
    }
    return buffer_slice(&path);
}

static void check_routed(struct arena *arena, struct slice input)
{
    static const enum http_method methods[] = { [HTTP_GET] = METHOD_GET,
                                                [HTTP_POST] = METHOD_POST,
                                                [HTTP_PUT] = METHOD_PUT,
                                                [HTTP_PATCH] = METHOD_PATCH,
                                                [HTTP_DELETE] = METHOD_DELETE };
    const struct rpc *rpc = &schema->rpcs[fuzz_byte(&input) % schema->rpc_count];
    if (!rpc->path || memchr(input.data, ':', input.size))
        return; /* a colon would be an action */
    need(check_path(arena, methods[rpc->verb], path_of(arena, rpc, &input)) == ROUTE_FOUND);
}

/* ---- parameters ---- */

static void encode(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        buffer_printf(out, "%%%02x", text.data[i]);
}

/* What was read, in its longest form, is read as the same. */
static void check_pairs(struct arena *arena, struct slice query, const struct query_pair *pairs, size_t count)
{
    struct query_reader reader = query_read(arena, query);
    struct query_pair pair;
    for (size_t i = 0; i < count; i++) {
        need(query_next(&reader, &pair) == QUERY_PAIR);
        need(slice_equal(pair.name, pairs[i].name) && slice_equal(pair.value, pairs[i].value));
    }
    need(query_next(&reader, &pair) == QUERY_END);
}

static void check_query(struct arena *arena, struct slice query)
{
    struct query_reader reader = query_read(arena, query);
    struct query_pair pairs[QUERY_MOST_PAIRS], pair;
    struct buffer again = buffer_in(arena);
    size_t count = 0;
    enum query_step step;
    while ((step = query_next(&reader, &pair)) != QUERY_END && step != QUERY_TOO_MANY) {
        if (step != QUERY_PAIR)
            continue;
        need(is_text(pair.name) && is_text(pair.value) && count < QUERY_MOST_PAIRS);
        pairs[count++] = pair;
        buffer_text(&again, count > 1 ? "&" : "");
        encode(&again, pair.name);
        buffer_byte(&again, '=');
        encode(&again, pair.value);
    }
    check_pairs(arena, buffer_slice(&again), pairs, count);
}

/* A byte for the method, then a target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct slice input = slice_of(data, size);
    enum http_method method = (enum http_method)(fuzz_byte(&input) % (METHOD_OTHER + 1));
    check_routed(arena, input);
    check_path(arena, method, fuzz_take(&input, '?'));
    check_query(arena, input);
    arena_free(arena);
    return 0;
}
