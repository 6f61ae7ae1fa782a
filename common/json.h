/* json.h -- between JSON (RFC 8259, strict) and protobuf's wire format, by the schema. Pure.
 *
 * Mapping: keys are the fields' snake_case names; absent means unset; enums by name; instants as RFC 3339 in UTC with
 * up to six digits of fraction; integers as numbers without fraction and exponent, of 64 bits within ±(2^53-1); bytes as
 * base64url without padding. */
#ifndef CAMPUS_JSON_H
#define CAMPUS_JSON_H

#include "common/buffer.h"
#include "common/schema.h"

/* The paths that a merge patch names ("title", "venue.name"), null or not. A message set to null names all in it. */
struct json_set {
    const char **paths;
    size_t count;
};

struct json_options {
    bool patch; /* null clears: the path is noted in `set` and nothing is written */
    bool trusted; /* from our own database: output fields are taken */
    const uint64_t
        *taken; /* bitmap over message->fields of what the path has given already: refused in the body, or NULL */
};

/* Reads one JSON document into wire format, field by field in the order of the text. Complaints (bad JSON first, then
 * unknown or duplicate keys, wrong types, numbers out of their type's range, several members of a oneof) go to `problem`
 * with JSON pointers; on any, false. Field rules are not checked here: see rules.h. `set` may be NULL. */
bool json_to_wire(struct arena *arena, const struct message *message, struct slice json, struct json_options options,
                  struct buffer *wire, struct json_set *set, struct problem *problem)
    __attribute__((warn_unused_result));

/* The same for one value of one field, as it stands in a jsonb column: an array for a repeated field. */
bool json_field_to_wire(struct arena *arena, const struct field *field, struct slice json, struct buffer *wire,
                        struct problem *problem) __attribute__((warn_unused_result));

/* A scalar from a query parameter or a path segment, already decoded: "true", "42", an enum's name, an instant. Adds it to
 * `wire`, or gives the name of what it should have been ("an integer"). */
const char *json_scalar_from_text(const struct field *field, struct slice text, struct buffer *wire)
    __attribute__((warn_unused_result));

/* Writes a message as a JSON object in one pass. The elements of a repeated field are contiguous, as rows and protobuf-c
 * write them. Unknown fields and values of enums are left out; rows that did not come are an empty array. False where the
 * bytes are no message, where a field comes twice, or where an integer is beyond 2^53. */
bool json_from_wire(const struct message *message, struct slice wire, struct buffer *json)
    __attribute__((warn_unused_result));

/* Adds a JSON string literal with its quotes; the text is valid UTF-8. (json_string would be jansson's.) */
void json_put_string(struct buffer *json, struct slice text);

/* RFC 3339 in UTC ("2026-09-01T08:00:00Z", fraction only where there is one) and back; microseconds since 1970.
 * Years 0001 to 9999. instant_parse takes any offset. */
void json_instant_format(struct buffer *out, int64_t microseconds);
bool json_instant_parse(struct slice text, int64_t *microseconds) __attribute__((warn_unused_result));

#endif
