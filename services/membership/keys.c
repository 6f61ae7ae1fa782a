/* keys.c -- the keys of systems: random tokens of which only the hash is kept. */
#include "services/membership/tables.h"

#include "common/call.h"

#include <sodium.h>

enum {
    SECRET_SIZE = 32,
    BASE64_SIZE = sodium_base64_ENCODED_LEN(SECRET_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING), /* with its NUL */
};

static const char prefix[] = "campus_"; /* so that a token that has leaked is known for what it is */

/* The token of this request: derived, so that a retry tells it again and nothing has to store it. */
static const char *token_of(struct call *call)
{
    uint8_t secret[SECRET_SIZE];
    char text[BASE64_SIZE];
    call_derive_secret(call, secret);
    sodium_bin2base64(text, sizeof text, secret, sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return arena_printf(call_arena(call), "%s%s", prefix, text);
}

static void add_token_hash(struct call *call)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hex[2 * crypto_hash_sha256_BYTES + 1];
    const char *token = token_of(call);
    crypto_hash_sha256(hash, (const uint8_t *)token, strlen(token));
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    call_add(call, "token_hash", arena_printf(call_arena(call), "\\x%s", hex));
}

static void show_token(struct call *call)
{
    call_reply_text(call, "secret", token_of(call));
}

const struct method key_methods[] = {
    { "CreateKey", .check = add_token_hash, .adds = "token_hash", .query = "target_key_new, create_key",
      .finish = show_token },
    { "GetKey", .query = "get_key" },
    { "ListKeys", .query = "list_keys", .count = "count_keys", .lane = LANE_HEAVY },
    { "RevokeKey", .query = "target_key, revoke_key" },
    { "RotateKey", .check = add_token_hash, .adds = "token_hash", .query = "target_key_rotation, rotate_key",
      .finish = show_token },
    { 0 },
};
