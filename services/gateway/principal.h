/* principal.h -- who is behind a bearer token, and what that gives in which subtrees.
 *
 * The answer is cached for at most a second, and never past the earliest end of what it gives: so a revocation is effective within a
 * second on every gateway, without a push. Only the token's SHA-256 is kept.
 *
 * Whoever tries keys is stopped by a limit on those that nobody has. It does not concern keys that were somebody's when
 * last asked about, so that of clients at one address, one cannot keep the others out. */
#ifndef CAMPUS_GATEWAY_PRINCIPAL_H
#define CAMPUS_GATEWAY_PRINCIPAL_H

#include "common/schema.h"
#include "services/gateway/dispatch.h"
#include "services/gateway/network.h"

struct limits;
struct principals;
struct principal_wait;

/* Permissions, and the subtree in which they hold. */
struct principal_grant {
    const char *organisation; /* "" is all */
    const char **permissions; /* patterns: "membership.people.read", "membership.*", "*" */
    size_t permission_count;
};

struct principal {
    const char *id; /* a key's, or a person's who has signed in */
    const char *person; /* or NULL */
    const char *session; /* by which a person calls; NULL for a key */
    const char **own; /* of what is the person's own, what it may do: patterns */
    size_t own_count;
    struct principal_grant *grants;
    size_t grant_count;
    struct network *allowed; /* from where it may call */
    size_t allowed_count; /* 0: from everywhere */
};

enum principal_result {
    PRINCIPAL_KNOWN,
    PRINCIPAL_UNKNOWN, /* no such key, or one that is revoked or has ended */
    PRINCIPAL_UNAVAILABLE, /* nobody could say */
    PRINCIPAL_UNASKED, /* the client has named too many keys that nobody has: it is not asked about this one */
};

struct principal_question {
    struct slice token;
    uint64_t client; /* address_client() of who names it */
    uint32_t within_ms;
};

/* principal is borrowed for the call; NULL unless known. */
typedef void (*principal_on_result)(enum principal_result result, const struct principal *principal, void *context);

/* `failures` is how often a client may name a key that nobody has; borrowed. NULL with *error where the contract has no
 * method to ask. */
struct principals *principals_new(struct dispatcher *dispatcher, const struct schema *schema, struct limits *failures,
                                  const char **error);
void principals_free(struct principals *principals);

/* Finds who is behind a token: on_result is called now where the cache knows, and then *wait is not touched, since the
 * answer may have freed what holds it; else later, and until then *wait takes the question back through
 * principal_forget(). */
void principal_find(struct principals *principals, const struct principal_question *question,
                    struct principal_wait **wait, principal_on_result on_result, void *context);
void principal_forget(struct principal_wait *wait);

/* The subtrees in which it holds the permission, in the arena, none of them within another; returns how many. */
size_t principal_scopes(struct arena *arena, const struct principal *principal, const char *permission,
                        const char ***scopes);
/* Whether it may do this with what is its person's own. */
bool principal_owns(const struct principal *principal, const char *permission);
/* Whether it may call from there. */
bool principal_allows(const struct principal *principal, const struct address *address);
/* A copy for as long as the arena lives; without the addresses, and without the grants unless they are asked for. */
const struct principal *principal_copy(struct arena *arena, const struct principal *principal, bool grants);

#endif
