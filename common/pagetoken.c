/* pagetoken.c -- XChaCha20-Poly1305 over the values, with the query as associated data and a random nonce in front. */
#include "common/pagetoken.h"

#include "common/wire.h"

#include <sodium.h>

enum {
    NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    SEAL = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

_Static_assert(PAGE_SECRET == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the server's secret is the key");

const char *page_token_seal(struct arena *arena, const uint8_t secret[PAGE_SECRET], struct slice query,
                            const char *const *values, size_t count)
{
    struct buffer plain = buffer_in(arena);
    for (size_t i = 0; i < count; i++)
        if (values[i])
            wire_put_text(&plain, (uint32_t)i + 1, values[i]);
    size_t size = NONCE + plain.size + SEAL, text_size = sodium_base64_encoded_len(size, VARIANT);
    uint8_t *sealed = arena_alloc(arena, size);
    randombytes_buf(sealed, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE, NULL, plain.data, plain.size, query.data, query.size,
                                               NULL, sealed, secret);
    return sodium_bin2base64(arena_alloc(arena, text_size), text_size, sealed, size, VARIANT);
}

bool page_token_open(struct arena *arena, const uint8_t secret[PAGE_SECRET], struct slice query, const char *token,
                     const char **values, size_t count)
{
    size_t capacity = strlen(token), size;
    uint8_t *sealed = arena_alloc(arena, capacity + 1), *plain = arena_alloc(arena, capacity + 1);
    unsigned long long plain_size;
    if (sodium_base642bin(sealed, capacity, token, capacity, NULL, &size, NULL, VARIANT) != 0 || size < NONCE + SEAL)
        return false;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &plain_size, NULL, sealed + NONCE, size - NONCE, query.data,
                                                   query.size, sealed, secret) != 0)
        return false;
    struct wire_reader reader = wire_read(slice_of(plain, (size_t)plain_size));
    struct wire_field field;
    for (size_t i = 0; i < count; i++)
        values[i] = NULL;
    while (wire_next(&reader, &field))
        if (field.number >= 1 && field.number <= count && field.type == WIRE_BYTES)
            values[field.number - 1] = arena_text(arena, field.bytes);
    return !reader.broken;
}
