/* rules.h -- what the contract asks of a message: required fields, lengths, ranges, formats, patterns. Pure. */
#ifndef CAMPUS_RULES_H
#define CAMPUS_RULES_H

#include "common/schema.h"

struct json_set; /* common/json.h */

/* How a check of one value is to be reported. */
struct rules_context {
    struct arena *arena;
    struct problem *problem;
    bool bare_names; /* pointers are plain parameter names, as in a query, not JSON pointers */
};

/* Checks a whole request in wire format: required fields, numbers of items, and each value by its field's rules. Every
 * complaint is added with its pointer. Of a merge patch `set` holds the paths that it names: an absent field is then
 * missing only where the patch has cleared it. NULL: no merge patch. */
void rules_check(const struct rules_context *context, const struct message *message, struct slice wire,
                 const struct json_set *set);

/* Checks one text by the rules of its field (format, length, pattern); NULL when it holds, else the violation's code and in
 * *argument what its text names. */
const char *rules_text(struct arena *arena, const struct field *field, struct slice text, const char **argument)
    __attribute__((warn_unused_result));
/* The same for an integer. */
const char *rules_integer(struct arena *arena, const struct field *field, int64_t value, const char **argument)
    __attribute__((warn_unused_result));

#endif
