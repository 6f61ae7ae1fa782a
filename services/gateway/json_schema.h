/* json_schema.h -- the contract's messages and fields as JSON Schema (2020-12), for the OpenAPI document.
 *
 * Given objects are new references (jansson's), the caller's to keep. Out of memory aborts. */
#ifndef CAMPUS_GATEWAY_JSON_SCHEMA_H
#define CAMPUS_GATEWAY_JSON_SCHEMA_H

#include "common/schema.h"

#include <jansson.h>

/* What a message is described for. A body holds no output fields and nothing unknown, and its limits are checked; a
 * reply's fields may grow, and the limits of a request say nothing of it. In a merge patch nothing is required and null
 * clears what is optional. */
enum schema_use { SCHEMA_REPLY, SCHEMA_BODY, SCHEMA_PATCH };

/* #/components/schemas, filled with each message when it is first referred to. */
struct components {
    struct arena *arena;
    const struct schema *schema;
    json_t *schemas; /* borrowed */
};

/* One field's values, without its comment. */
json_t *json_schema_of_field(struct components *components, const struct field *field, enum schema_use use);
/* The field's comment, and what each value of its enum means; "" where nothing is said. */
const char *json_schema_description(struct arena *arena, const struct field *field);
/* The field's example as a value; NULL where it has none. */
json_t *json_schema_example(const struct field *field);
/* {"$ref"} to a message of a reply. */
json_t *json_schema_of_reply(struct components *components, const struct message *message);
/* {"$ref"} to the JSON body of a method, which is its request without what stands elsewhere; NULL where nothing is
 * left. Once a method. */
json_t *json_schema_of_body(struct components *components, const struct rpc *rpc);

/* Whether a body cannot be without the field: a list that must have items is refused when it is absent. */
bool json_schema_needs(const struct field *field);
/* A body of the examples of its fields; NULL where there are none. */
json_t *json_schema_body_example(const struct rpc *rpc);

/* jansson, where only being out of memory can fail. json_put takes `value`. */
void json_put(json_t *object, const char *name, json_t *value);
void json_put_text(json_t *object, const char *name, const char *text);
void json_append(json_t *array, json_t *value);
void json_append_text(json_t *array, const char *text);

#endif
