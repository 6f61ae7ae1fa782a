/* sign_on_flow.c -- 32 bytes and their signature, in base64url. */
#include "services/membership/sign_on_flow.h"

#include "common/jose.h"

#include <sodium.h>

enum { RAW = SIGN_ON_FLOW_ID + SIGN_ON_FLOW_REDIRECT + 8, MAC = 16, WHOLE = RAW + MAC, DERIVED = 32 };

static void write_raw(const struct sign_on_flow *flow, uint8_t raw[RAW])
{
    memcpy(raw, flow->id, SIGN_ON_FLOW_ID);
    memcpy(raw + SIGN_ON_FLOW_ID, flow->redirect, SIGN_ON_FLOW_REDIRECT);
    for (size_t i = 0; i < 8; i++)
        raw[SIGN_ON_FLOW_ID + SIGN_ON_FLOW_REDIRECT + i] = (uint8_t)((uint64_t)flow->began_ms >> (56 - 8 * i));
}

static void derive(const uint8_t secret[32], const char *purpose, const uint8_t raw[RAW], uint8_t *out, size_t size)
{
    static const char domain[] = "campus single sign-on";
    crypto_generichash_state state;
    crypto_generichash_init(&state, secret, 32, size);
    crypto_generichash_update(&state, (const uint8_t *)domain, sizeof domain);
    crypto_generichash_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1);
    crypto_generichash_update(&state, raw, RAW);
    crypto_generichash_final(&state, out, size);
}

const char *sign_on_flow_text(struct arena *arena, const uint8_t secret[32], const struct sign_on_flow *flow)
{
    uint8_t whole[WHOLE];
    write_raw(flow, whole);
    derive(secret, "flow", whole, whole + RAW, MAC);
    return base64url_text(arena, whole, sizeof whole);
}

bool sign_on_flow_read(struct arena *arena, const uint8_t secret[32], struct slice text, struct sign_on_flow *flow)
{
    struct slice bytes;
    uint8_t mac[MAC];
    if (!base64url_read(arena, text, &bytes) || bytes.size != WHOLE)
        return false;
    derive(secret, "flow", bytes.data, mac, MAC);
    if (sodium_memcmp(mac, bytes.data + RAW, MAC) != 0)
        return false;
    uint64_t began_ms = 0;
    for (size_t i = 0; i < 8; i++)
        began_ms = began_ms << 8 | bytes.data[SIGN_ON_FLOW_ID + SIGN_ON_FLOW_REDIRECT + i];
    memcpy(flow->id, bytes.data, SIGN_ON_FLOW_ID);
    memcpy(flow->redirect, bytes.data + SIGN_ON_FLOW_ID, SIGN_ON_FLOW_REDIRECT);
    flow->began_ms = (int64_t)began_ms;
    return true;
}

const char *sign_on_flow_secret(struct arena *arena, const uint8_t secret[32], const struct sign_on_flow *flow,
                                const char *purpose)
{
    uint8_t raw[RAW], out[DERIVED];
    write_raw(flow, raw);
    derive(secret, purpose, raw, out, sizeof out);
    return base64url_text(arena, out, sizeof out);
}
