/* route.c -- the tree of routes: a level for each segment, and one more for an action. */
#include "services/gateway/route.h"

#include "common/buffer.h"

enum { MOST_SEGMENTS = 12, VERB_COUNT = HTTP_DELETE + 1 };

/* What one rpc calls the variables of its path. */
struct route {
    const struct rpc *rpc;
    const struct field *fields[ROUTE_MOST_VARIABLES];
    size_t field_count;
};

/* An action is a child like any other, under its name with the colon: no segment of a route begins with one. */
struct node {
    struct slice literal;
    struct node **literals; /* sorted by text */
    size_t literal_count;
    struct node *variable; /* what follows any one segment, or NULL */
    const struct route *routes[VERB_COUNT]; /* what ends here, by verb */
    const char *allow; /* NULL where nothing ends */
};

struct routes {
    struct node root;
};

struct segments {
    struct slice parts[MOST_SEGMENTS];
    size_t count;
};

static const struct {
    const char *name, *allow;
} verbs[VERB_COUNT] = {
    [HTTP_GET] = { "GET", "GET, HEAD, " }, [HTTP_POST] = { "POST", "POST, " },       [HTTP_PUT] = { "PUT", "PUT, " },
    [HTTP_PATCH] = { "PATCH", "PATCH, " }, [HTTP_DELETE] = { "DELETE", "DELETE, " },
};

static const enum http_verb verb_of_method[] = {
    [METHOD_GET] = HTTP_GET,      [METHOD_HEAD] = HTTP_GET,    [METHOD_POST] = HTTP_POST,
    [METHOD_PUT] = HTTP_PUT,      [METHOD_PATCH] = HTTP_PATCH, [METHOD_DELETE] = HTTP_DELETE,
    [METHOD_OPTIONS] = HTTP_NONE, [METHOD_OTHER] = HTTP_NONE,
};

static bool add_segment(struct segments *segments, const uint8_t *from, const uint8_t *to)
{
    if (from == to || segments->count == MOST_SEGMENTS)
        return false;
    segments->parts[segments->count++] = slice_of(from, (size_t)(to - from));
    return true;
}

/* Cuts a path, or a route, at its slashes, and the last segment before its last colon. False where a part is empty or
 * there are too many. */
static bool split(struct slice path, struct segments *segments)
{
    segments->count = 0;
    if (path.size < 2 || path.data[0] != '/')
        return false;
    const uint8_t *at = path.data + 1, *end = path.data + path.size, *slash;
    while ((slash = memchr(at, '/', (size_t)(end - at)))) {
        if (!add_segment(segments, at, slash))
            return false;
        at = slash + 1;
    }
    const uint8_t *colon = memrchr(at, ':', (size_t)(end - at));
    if (!colon)
        return add_segment(segments, at, end);
    return colon + 1 < end && add_segment(segments, at, colon) && add_segment(segments, colon, end);
}

static int compare(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* The place of a literal among the children, or where it would belong. */
static size_t literal_place(const struct node *node, struct slice literal)
{
    size_t low = 0, high = node->literal_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(node->literals[middle]->literal, literal) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct node *literal_find(const struct node *node, struct slice literal)
{
    size_t place = literal_place(node, literal);
    if (place == node->literal_count || !slice_equal(node->literals[place]->literal, literal))
        return NULL;
    return node->literals[place];
}

/* ---- building ---- */

struct builder {
    struct arena *arena;
    const char **error;
};

static bool is_variable(struct slice part)
{
    return part.data[0] == '{';
}

static struct slice variable_name(struct slice part)
{
    return slice_of(part.data + 1, part.size - 2);
}

static bool all_of(struct slice text, const char *admitted)
{
    for (size_t i = 0; i < text.size; i++)
        if (!text.data[i] || !strchr(admitted, text.data[i]))
            return false;
    return text.size > 0;
}

/* Literals keep to what is never escaped (RFC 3986 §2.3), so that a path has one spelling. */
static bool part_is_sound(struct slice part)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    static const char literal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    if (is_variable(part))
        return part.size > 2 && part.data[part.size - 1] == '}' && all_of(variable_name(part), name);
    if (part.data[0] == ':')
        return all_of(slice_of(part.data + 1, part.size - 1), literal);
    return all_of(part, literal);
}

static bool parts_are_sound(const struct segments *segments)
{
    for (size_t i = 0; i < segments->count; i++)
        if (!part_is_sound(segments->parts[i]))
            return false;
    return true;
}

static struct node *literal_add(struct arena *arena, struct node *node, struct slice literal)
{
    struct node *child = literal_find(node, literal);
    if (child)
        return child;
    size_t place = literal_place(node, literal), old = node->literal_count * sizeof *node->literals;
    child = arena_zalloc(arena, sizeof *child);
    child->literal = literal;
    node->literals = arena_grow(arena, node->literals, old, old + sizeof *node->literals);
    memmove(node->literals + place + 1, node->literals + place, (node->literal_count - place) * sizeof *node->literals);
    node->literals[place] = child;
    node->literal_count++;
    return child;
}

static struct node *part_add(struct arena *arena, struct node *node, struct slice part)
{
    if (!is_variable(part))
        return literal_add(arena, node, part);
    if (!node->variable)
        node->variable = arena_zalloc(arena, sizeof *node->variable);
    return node->variable;
}

static const char *bind_variable(struct arena *arena, struct route *route, struct slice name)
{
    const struct rpc *rpc = route->rpc;
    const struct field *field = message_find(rpc->request, name);
    const char *text = arena_text(arena, name), *request = rpc->request->name;
    if (!field)
        return arena_printf(arena, "route of %s names {%s}, which is no field of %s", rpc->name, text, request);
    if (field->repeated || field->type == FIELD_MESSAGE || field->type == FIELD_BYTES)
        return arena_printf(arena, "route of %s names {%s}, but that field of %s is no single scalar", rpc->name, text,
                            request);
    for (size_t i = 0; i < route->field_count; i++)
        if (route->fields[i] == field)
            return arena_printf(arena, "route of %s names {%s} twice", rpc->name, text);
    if (route->field_count == ROUTE_MOST_VARIABLES)
        return arena_printf(arena, "route of %s has more than %d variables", rpc->name, ROUTE_MOST_VARIABLES);
    route->fields[route->field_count++] = field;
    return NULL;
}

static const char *bind_variables(struct arena *arena, struct route *route, const struct segments *segments)
{
    const char *error = NULL;
    for (size_t i = 0; i < segments->count && !error; i++)
        if (is_variable(segments->parts[i]))
            error = bind_variable(arena, route, variable_name(segments->parts[i]));
    return error;
}

/* A query parameter is text: a nested message has no place there. */
static const char *check_query(struct arena *arena, const struct rpc *rpc)
{
    for (size_t i = 0; i < rpc->request->count; i++) {
        const struct field *field = &rpc->request->fields[i];
        if (field->type == FIELD_MESSAGE && !field->output && route_place(rpc, field) == PLACE_QUERY)
            return arena_printf(arena, "%s of %s is a message, which cannot come as a query parameter of %s",
                                field->name, rpc->request->name, rpc->name);
    }
    return NULL;
}

static bool same_names(const struct route *a, const struct route *b)
{
    for (size_t i = 0; i < a->field_count; i++)
        if (strcmp(a->fields[i]->name, b->fields[i]->name) != 0)
            return false;
    return true;
}

/* Two routes of one verb and shape collide. Of several verbs they are one resource, whose variables have one name:
 * OpenAPI admits no other. */
static const char *check_neighbours(struct arena *arena, const struct node *node, const struct route *route)
{
    for (size_t verb = HTTP_GET; verb < VERB_COUNT; verb++) {
        const struct rpc *ours = route->rpc, *theirs = node->routes[verb] ? node->routes[verb]->rpc : NULL;
        if (!theirs)
            continue;
        if (verb == ours->verb)
            return arena_printf(arena, "routes of %s (%s %s) and %s (%s %s) are the same", theirs->name,
                                verbs[verb].name, theirs->path, ours->name, verbs[verb].name, ours->path);
        if (!same_names(route, node->routes[verb]))
            return arena_printf(arena, "routes of %s (%s) and %s (%s) name the variables of one path differently",
                                theirs->name, theirs->path, ours->name, ours->path);
    }
    return NULL;
}

static const char *add_route(struct arena *arena, struct routes *routes, const struct rpc *rpc)
{
    struct segments segments;
    if (rpc->verb == HTTP_NONE || !split(slice_text(rpc->path), &segments) || !parts_are_sound(&segments))
        return arena_printf(arena, "route of %s, \"%s\", is malformed", rpc->name, rpc->path);
    struct route *route = arena_zalloc(arena, sizeof *route);
    route->rpc = rpc;
    const char *error = bind_variables(arena, route, &segments);
    if (!error)
        error = check_query(arena, rpc);
    if (error)
        return error;
    struct node *node = &routes->root;
    for (size_t i = 0; i < segments.count; i++)
        node = part_add(arena, node, segments.parts[i]);
    error = check_neighbours(arena, node, route);
    node->routes[rpc->verb] = route;
    return error;
}

/* Depth is at most MOST_SEGMENTS. */
static void write_allow(struct arena *arena, struct node *node)
{
    struct buffer allow = buffer_in(arena);
    for (size_t verb = HTTP_GET; verb < VERB_COUNT; verb++)
        if (node->routes[verb])
            buffer_text(&allow, verbs[verb].allow);
    if (allow.size) {
        buffer_text(&allow, "OPTIONS");
        node->allow = buffer_cstring(&allow);
    }
    for (size_t i = 0; i < node->literal_count; i++)
        write_allow(arena, node->literals[i]);
    if (node->variable)
        write_allow(arena, node->variable);
}

const struct routes *routes_new(struct arena *arena, const struct schema *schema, const char **error)
{
    struct routes *routes = arena_zalloc(arena, sizeof *routes);
    *error = NULL;
    for (size_t i = 0; i < schema->rpc_count && !*error; i++)
        if (schema->rpcs[i].path)
            *error = add_route(arena, routes, &schema->rpcs[i]);
    if (*error)
        return NULL;
    write_allow(arena, &routes->root);
    return routes;
}

/* ---- finding ---- */

struct search {
    struct segments segments;
    struct slice values[ROUTE_MOST_VARIABLES];
};

/* The node where the segments from `at` on end, literals first; `taken` values are filled in so far. Depth and width
 * are those of the tree, so a hostile path costs no more than a real one. */
static const struct node *descend(struct search *search, const struct node *node, size_t at, size_t taken)
{
    if (at == search->segments.count)
        return node->allow ? node : NULL;
    struct slice part = search->segments.parts[at];
    const struct node *child = literal_find(node, part), *found = NULL;
    if (child)
        found = descend(search, child, at + 1, taken);
    bool action = part.data[0] == ':' && at + 1 == search->segments.count;
    if (found || action || !node->variable || taken == ROUTE_MOST_VARIABLES)
        return found;
    search->values[taken] = part;
    return descend(search, node->variable, at + 1, taken + 1);
}

static void fill(struct route_match *match, const struct route *route, const struct slice *values)
{
    match->rpc = route->rpc;
    match->variable_count = route->field_count;
    for (size_t i = 0; i < route->field_count; i++)
        match->variables[i] = (struct route_variable){ .field = route->fields[i], .raw = values[i] };
}

enum route_result routes_find(const struct routes *routes, enum http_method method, struct slice path,
                              struct route_match *match)
{
    struct search search;
    match->rpc = NULL;
    match->variable_count = 0;
    match->allow = NULL;
    const struct node *node = split(path, &search.segments) ? descend(&search, &routes->root, 0, 0) : NULL;
    if (!node)
        return ROUTE_NOT_FOUND;
    match->allow = node->allow;
    if (method == METHOD_OPTIONS)
        return ROUTE_OPTIONS;
    const struct route *route = node->routes[verb_of_method[method]];
    if (!route)
        return ROUTE_METHOD_NOT_ALLOWED;
    fill(match, route, search.values);
    return ROUTE_FOUND;
}

enum route_place route_place(const struct rpc *rpc, const struct field *field)
{
    size_t size = strlen(field->name);
    for (const char *at = strchr(rpc->path, '{'); at; at = strchr(at + 1, '{'))
        if (strncmp(at + 1, field->name, size) == 0 && at[1 + size] == '}')
            return PLACE_PATH;
    if (field == rpc->body)
        return PLACE_RAW;
    bool json = rpc->verb != HTTP_GET && rpc->verb != HTTP_DELETE && !rpc->body;
    return json ? PLACE_JSON : PLACE_QUERY;
}
