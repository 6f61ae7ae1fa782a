/* principal.h -- who is behind a bearer token, and in which subtrees that gives a permission.
 *
 * The answer is cached for at most a second, and never past the key's own end: so a revocation is effective within a
 * second on every gateway, without a push. Only the token's SHA-256 is kept. */
#ifndef CAMPUS_GATEWAY_PRINCIPAL_H
#define CAMPUS_GATEWAY_PRINCIPAL_H

#include "common/schema.h"
#include "services/gateway/dispatch.h"

struct principals;
struct principal_wait;

struct principal {
    const char *id;
    const char *person; /* or NULL */
    const char *organisation; /* the subtree; "" is all */
    const char **permissions; /* patterns: "membership.people.read", "membership.*", "*" */
    size_t permission_count;
};

enum principal_result {
    PRINCIPAL_KNOWN,
    PRINCIPAL_UNKNOWN, /* no such key, or one that is revoked or has ended */
    PRINCIPAL_UNAVAILABLE, /* nobody could say */
};

/* principal is borrowed for the call; NULL unless known. */
typedef void (*principal_on_result)(enum principal_result result, const struct principal *principal, void *context);

/* NULL with *error where the contract has no method to ask. */
struct principals *principals_new(struct dispatcher *dispatcher, const struct schema *schema, const char **error);
void principals_free(struct principals *principals);

/* Finds who is behind a token: on_result is called now where the cache knows, and then *wait is not touched, since the
 * answer may have freed what holds it; else later, and until then *wait takes the question back through
 * principal_forget(). */
void principal_find(struct principals *principals, struct slice token, uint32_t within_ms, struct principal_wait **wait,
                    principal_on_result on_result, void *context);
void principal_forget(struct principal_wait *wait);

/* Whether it holds the permission (in its subtree). */
bool principal_holds(const struct principal *principal, const char *permission);

#endif
