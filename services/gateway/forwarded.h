/* forwarded.h -- whose request it is when proxies stand before us. Pure.
 *
 * Every proxy appends the address that it was called from to X-Forwarded-For, and whoever calls the first one may have
 * written anything before that. So the field is read from its right end, for as long as who wrote is trusted. */
#ifndef CAMPUS_GATEWAY_FORWARDED_H
#define CAMPUS_GATEWAY_FORWARDED_H

#include "services/gateway/http.h"

struct forwarded_trust;

/* The proxies that are believed: "10.0.0.1, 192.168.0.0/16, fd00::/8" ("": none). Lives in the arena. NULL with *error
 * naming the entry that is neither an address nor a network. */
const struct forwarded_trust *forwarded_trust_new(struct arena *arena, const char *text, const char **error)
    __attribute__((warn_unused_result));
/* NULL trusts nobody. */
bool forwarded_trusts(const struct forwarded_trust *trust, const struct address *address);
/* The client: the rightmost address that is not a trusted proxy's, the request's own among them. Where the field ends, or
 * is no address, it is the last one that was read. */
struct address forwarded_client(const struct forwarded_trust *trust, const struct http_request *request);

#endif
