/* route.h -- which method of the contract a verb and a path mean.
 *
 * A route is literal segments and {variables} between slashes; the last segment may end in an action:
 * "/v1/people/{id}", "/v1/people:import", "/v1/activities/{id}:publish". Pure; immutable once built. */
#ifndef CAMPUS_GATEWAY_ROUTE_H
#define CAMPUS_GATEWAY_ROUTE_H

#include "common/schema.h"
#include "services/gateway/http.h"

struct routes;

enum { ROUTE_MOST_VARIABLES = 4 };

enum route_result {
    ROUTE_FOUND,
    ROUTE_OPTIONS, /* the path exists and OPTIONS was asked: answer with `allow` */
    ROUTE_NOT_FOUND,
    ROUTE_METHOD_NOT_ALLOWED, /* the path exists, but not with this method: `allow` says with which */
};

struct route_variable {
    const struct field *field; /* of the rpc's request: a scalar, not repeated */
    struct slice raw; /* as sent, percent-encoded, never empty; borrowed from the path. See query_decode() */
};

struct route_match {
    const struct rpc *rpc; /* NULL unless ROUTE_FOUND */
    struct route_variable variables[ROUTE_MOST_VARIABLES]; /* in the order of the path */
    size_t variable_count;
    const char *allow; /* "GET, HEAD, PATCH, OPTIONS"; NULL on ROUTE_NOT_FOUND; lives with the routes */
};

/* Every rpc of the schema that has a path. On NULL, *error (in the arena) names the routes that collide, or the one
 * that is malformed or asks for a field that cannot come from where it stands. */
const struct routes *routes_new(struct arena *arena, const struct schema *schema, const char **error)
    __attribute__((warn_unused_result));

/* Allocates nothing. HEAD finds GET's route. A literal segment wins over a variable, as long as the rest fits.
 * Literals are compared as sent, so an escaped one is not found; a ':' in the last segment begins an action, so that
 * in a value it has to be escaped. */
enum route_result routes_find(const struct routes *routes, enum http_method method, struct slice path,
                              struct route_match *match) __attribute__((warn_unused_result));

/* Where a field of the request stands in the HTTP request. */
enum route_place {
    PLACE_PATH,
    PLACE_QUERY, /* of GET and DELETE, and beside a raw body */
    PLACE_JSON, /* a member of the JSON body */
    PLACE_RAW, /* the raw body itself */
};

/* `rpc` has a route, and `field` is of its request. */
enum route_place route_place(const struct rpc *rpc, const struct field *field);

#endif
