/* provider.h -- the campus's sign-in, an OpenID provider: what it has published, and what it says for a code. Blocks, and may be
 * asked by several threads at once. */
#ifndef CAMPUS_MEMBERSHIP_PROVIDER_H
#define CAMPUS_MEMBERSHIP_PROVIDER_H

#include "common/arena.h"

struct provider;
struct settings;

/* *provider is NULL where the setting oidc_issuer is empty. False with *error where the settings cannot work. Nothing is asked of
 * the provider yet: it may come later. */
bool provider_open(struct arena *arena, const struct settings *settings, struct provider **provider, const char **error)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void provider_close(struct provider *provider);

/* The redirect URI of the settings that is equal to this one, or the only one for NULL; NULL where there is none. */
const char *provider_redirect(const struct provider *provider, const char *wanted);
/* The same by a hash of it. */
enum { PROVIDER_REDIRECT_HASH = 8 };
void provider_redirect_hash(const char *redirect, uint8_t hash[PROVIDER_REDIRECT_HASH]);
const char *provider_redirect_of_hash(const struct provider *provider, const uint8_t hash[PROVIDER_REDIRECT_HASH]);

/* One sign-in: what its two requests have in common. */
struct provider_flow {
    const char *redirect, *state, *nonce, *verifier;
    int64_t deadline_us; /* clock_monotonic_us() */
    const char *request_id; /* for the log */
};

/* Codes of the refusals that both calls may give; NULL is success. */

/* Where the browser is to go. */
const char *provider_authorization(struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                                   const char **url) __attribute__((warn_unused_result));
/* Redeems a code, which can be done once, and checks what comes for it: the student number of whoever signed in. */
const char *provider_redeem(struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                            const char *code, const char **student_number) __attribute__((warn_unused_result));

#endif
