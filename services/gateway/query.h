/* query.h -- percent-encoding (RFC 3986 §2.1) undone, and the parameters of a query string. Pure. */
#ifndef CAMPUS_GATEWAY_QUERY_H
#define CAMPUS_GATEWAY_QUERY_H

#include "common/arena.h"

enum { QUERY_MOST_PAIRS = 64 };

enum query_part {
    QUERY_PATH, /* of a path segment: '+' is itself */
    QUERY_PARAMETER, /* of a name or value behind the '?': '+' is a space */
};

/* Decodes once. Gives `raw` itself where nothing is encoded, else a copy in the arena. False where an escape is
 * malformed, or what comes out is no valid UTF-8 or holds a NUL. */
bool query_decode(struct arena *arena, struct slice raw, enum query_part part, struct slice *text)
    __attribute__((warn_unused_result));

struct query_reader {
    struct arena *arena;
    const uint8_t *at, *end;
    size_t count; /* pairs so far */
};

/* What stands behind the '?'; size 0 is fine. */
static inline struct query_reader query_read(struct arena *arena, struct slice query)
{
    return (
        struct query_reader){ .arena = arena, .at = query.data, .end = query.data ? query.data + query.size : NULL };
}

/* One name=value, decoded. "name" without '=' has the value "". */
struct query_pair {
    struct slice name, value;
};

enum query_step {
    QUERY_PAIR, /* pair holds the next one */
    QUERY_END,
    QUERY_BAD_NAME, /* not decodable; pair holds the name as sent, which may not be UTF-8 */
    QUERY_BAD_VALUE, /* not decodable; pair->name is */
    QUERY_TOO_MANY, /* more than QUERY_MOST_PAIRS */
};

/* The next pair. Empty ones ("a=1&&b=2&") are passed over. After a bad one, reading may go on. */
enum query_step query_next(struct query_reader *reader, struct query_pair *pair) __attribute__((warn_unused_result));

#endif
