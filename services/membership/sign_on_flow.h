/* sign_on_flow.h -- a sign-in that is under way, as the browser keeps it: signed, so that nothing of it has to be stored. Its
 * secrets are derived from it and the server's. Pure. */
#ifndef CAMPUS_MEMBERSHIP_SIGN_ON_FLOW_H
#define CAMPUS_MEMBERSHIP_SIGN_ON_FLOW_H

#include "common/arena.h"

enum { SIGN_ON_FLOW_ID = 16, SIGN_ON_FLOW_REDIRECT = 8 };

struct sign_on_flow {
    uint8_t id[SIGN_ON_FLOW_ID]; /* random */
    uint8_t redirect[SIGN_ON_FLOW_REDIRECT]; /* a hash of the redirect URI */
    int64_t began_ms;
};

const char *sign_on_flow_text(struct arena *arena, const uint8_t secret[32], const struct sign_on_flow *flow);
/* False for what was not written with this secret. */
bool sign_on_flow_read(struct arena *arena, const uint8_t secret[32], struct slice text, struct sign_on_flow *flow)
    __attribute__((warn_unused_result));

/* What only who has the secret can tell of a flow: its "state", "nonce" and "verifier", each 43 characters of base64url. */
const char *sign_on_flow_secret(struct arena *arena, const uint8_t secret[32], const struct sign_on_flow *flow,
                                const char *purpose);

#endif
