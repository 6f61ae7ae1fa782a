/* id_token.h -- what a provider says of whom it has signed in (OpenID Connect Core 1.0, 3.1.3.7). Pure. */
#ifndef CAMPUS_MEMBERSHIP_ID_TOKEN_H
#define CAMPUS_MEMBERSHIP_ID_TOKEN_H

#include "common/jose.h"

/* What a token must say. */
struct id_token_wanted {
    const char *issuer, *client_id, *nonce;
    const char *claim; /* which of its claims names the person */
    int64_t now_s; /* since 1970 */
};

enum { ID_TOKEN_LEEWAY_S = 60 }; /* by which clocks may differ */

struct id_token_claims {
    const char *subject;
    const char *person; /* the wanted claim's text, or NULL where the token does not have it */
};

/* Reads the payload of a token whose signature is valid. NULL, or a static text that says what is wrong with it. */
const char *id_token_read(struct arena *arena, struct slice payload, const struct id_token_wanted *wanted,
                          struct id_token_claims *claims) __attribute__((warn_unused_result));

/* The wanted claim of a UserInfo answer that is about this subject (5.3.2); NULL where it is not, or has none. */
const char *id_token_userinfo(struct arena *arena, struct slice body, const char *subject, const char *claim);

/* code_challenge of a code_verifier (RFC 7636 4.2, S256). */
const char *pkce_challenge(struct arena *arena, const char *verifier);

#endif
