/* pagetoken.h -- where the next page of a list begins: the last row's key, encrypted, since it may be a person's name, and
 * bound to the query it came from. Pure but for its nonces. */
#ifndef CAMPUS_PAGETOKEN_H
#define CAMPUS_PAGETOKEN_H

#include "common/arena.h"

enum { MOST_KEYS = 4, PAGE_SECRET = 32 };

/* base64url without padding. `query` is whatever the token is bound to: method, filters, order. Values may be NULL. */
const char *page_token_seal(struct arena *arena, const uint8_t secret[PAGE_SECRET], struct slice query,
                            const char *const *values, size_t count);
/* False where it is no token, was altered, or was made for another query. */
bool page_token_open(struct arena *arena, const uint8_t secret[PAGE_SECRET], struct slice query, const char *token,
                     const char **values, size_t count) __attribute__((warn_unused_result));

#endif
