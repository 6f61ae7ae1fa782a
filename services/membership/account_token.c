/* account_token.c */
#include "services/membership/account_token.h"

#include <sodium.h>
#include <string.h>

void account_token_text(const uint8_t secret[32], const char *subject_id, char out[ACCOUNT_TOKEN_TEXT])
{
    static const char purpose[] = "campus account token";
    uint8_t token[32];
    crypto_generichash_state state;
    crypto_generichash_init(&state, secret, 32, sizeof token);
    crypto_generichash_update(&state, (const uint8_t *)purpose, sizeof purpose);
    crypto_generichash_update(&state, (const uint8_t *)subject_id, strlen(subject_id));
    crypto_generichash_final(&state, token, sizeof token);
    sodium_bin2base64(out, ACCOUNT_TOKEN_TEXT, token, sizeof token, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
