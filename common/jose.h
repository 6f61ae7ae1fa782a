/* jose.h -- a signed token in compact form (JWS, RFC 7515) held against a set of public keys (JWK, RFC 7517). Pure.
 *
 * Taken are RS256 (2048 to 8192 bits), ES256 and EdDSA with Ed25519 (RFC 7518, RFC 8037), each by a key of its own kind alone:
 * what a token says of itself cannot make a public key into an HMAC's secret, nor do without a signature. */
#ifndef CAMPUS_JOSE_H
#define CAMPUS_JOSE_H

#include "common/arena.h"

enum { JOSE_LONGEST = 65536 };

/* Its three parts, checked for their form only. */
struct jose_token {
    const char *algorithm; /* one of the above */
    const char *key_id; /* or NULL */
    struct slice payload; /* decoded */
    struct slice signed_part, signature;
};

/* False where the text is no such token, or names an algorithm or a critical header that we do not know. */
bool jose_read(struct arena *arena, struct slice text, struct jose_token *token) __attribute__((warn_unused_result));

enum jose_verdict {
    JOSE_VALID,
    JOSE_INVALID,
    JOSE_KEY_UNKNOWN, /* no key of the set can be meant: the issuer may have a new one */
};

/* `keys` is a JWK set as JSON; what in it is not a public key that we take is passed over. */
enum jose_verdict jose_verify(struct arena *arena, struct slice keys, const struct jose_token *token);

/* base64url without padding (RFC 7515 2), strictly. False for what is none. */
bool base64url_read(struct arena *arena, struct slice text, struct slice *bytes) __attribute__((warn_unused_result));
const char *base64url_text(struct arena *arena, const void *bytes, size_t size);

#endif
