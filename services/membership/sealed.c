/* sealed.c -- XChaCha20-Poly1305 (libsodium's AEAD, draft-irtf-cfrg-xchacha) under a key derived from the server's secret.
 *
 * What is stored: a byte for this form, a random nonce, the text and its tag. Person and field are authenticated with it, so that a value
 * cannot be put into another's row. */
#include "services/membership/sealed.h"

#include "common/call.h"
#include "common/parameter.h"

#include <sodium.h>

enum {
    FORM = 1,
    NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
};
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == CALL_HASH, "call_hash() gives a key");

static const char *place_of(struct call *call, const char *person, const char *field)
{
    return arena_printf(call_arena(call), "membership.sensitive %s %s", person, field);
}

const char *sealed_make(struct call *call, const char *person, const char *field, const char *value)
{
    uint8_t key[CALL_HASH];
    size_t size = strlen(value);
    const char *place = place_of(call, person, field);
    uint8_t *sealed = arena_alloc(call_arena(call), 1 + NONCE + size + TAG), *nonce = sealed + 1;
    sealed[0] = FORM;
    randombytes_buf(nonce, NONCE);
    call_hash(call, "sensitive fields", slice_text(""), key);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE, NULL, (const uint8_t *)value, size,
                                               (const uint8_t *)place, strlen(place), NULL, nonce, key);
    sodium_memzero(key, sizeof key);
    return parameter_bytes(call_arena(call), slice_of(sealed, 1 + NONCE + size + TAG));
}

const char *sealed_open(struct call *call, const char *person, const char *field, struct slice sealed)
{
    uint8_t key[CALL_HASH];
    if (sealed.size < 1 + NONCE + TAG || sealed.data[0] != FORM)
        return NULL;
    size_t size = sealed.size - 1 - NONCE - TAG;
    const char *place = place_of(call, person, field);
    const uint8_t *nonce = sealed.data + 1;
    uint8_t *text = arena_alloc(call_arena(call), size + 1);
    call_hash(call, "sensitive fields", slice_text(""), key);
    bool whole = crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, nonce + NONCE, size + TAG,
                                                            (const uint8_t *)place, strlen(place), nonce, key) == 0;
    sodium_memzero(key, sizeof key);
    text[whole ? size : 0] = '\0';
    return whole ? (const char *)text : NULL;
}
