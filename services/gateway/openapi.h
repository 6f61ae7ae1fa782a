/* openapi.h -- /openapi.json: the contract with its comments as an OpenAPI 3.1 document. */
#ifndef CAMPUS_GATEWAY_OPENAPI_H
#define CAMPUS_GATEWAY_OPENAPI_H

#include "common/schema.h"

/* The document as compact JSON in the arena: every rpc that has a route, and what it refers to, in the order of
 * proto/, so the same contract gives the same bytes. The routes have passed routes_new(). */
struct slice openapi_write(struct arena *arena, const struct schema *schema, const char *version);

#endif
