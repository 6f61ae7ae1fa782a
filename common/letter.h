/* letter.h -- a mail as it travels: RFC 5322 with a text body (RFC 2045), whatever language it is in. Pure. */
#ifndef CAMPUS_LETTER_H
#define CAMPUS_LETTER_H

#include "common/buffer.h"

struct letter {
    const char *id; /* a UUID: the same letter sent twice has the same Message-ID */
    const char *from_name; /* UTF-8, or NULL */
    const char *from, *to; /* addresses */
    const char *date; /* "Sat, 21 Nov 2026 18:30:00 +0000" */
    const char *language; /* "zh" */
    const char *subject; /* UTF-8 */
    const char *text; /* UTF-8; lines end in \n */
};

/* Whether it is one plain address (RFC 5321 without quotes and address literals, in ASCII): nothing in it can end a header or
 * name a second recipient. */
bool letter_is_address(const char *text);

/* "Name <address>" or "address" in its parts; false where the address is none. */
bool letter_split_address(struct arena *arena, const char *text, const char **name, const char **address)
    __attribute__((warn_unused_result));

/* What stands behind the @. */
const char *letter_domain(const char *address);

/* Adds the letter. Its addresses have been checked; all else is encoded, so that no text of it can become a header. Lines end
 * in CRLF and have at most 78 characters. */
void letter_write(struct buffer *out, const struct letter *letter);

#endif
