/* pagetoken.c -- values with a keyed hash (BLAKE2b) over query and values in front. */
#include "common/pagetoken.h"

#include "common/wire.h"

#include <sodium.h>

enum { SEAL = 16, VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING };

static void seal_over(uint8_t seal[SEAL], const uint8_t *secret, struct slice query, struct slice values)
{
    crypto_generichash_state state;
    uint64_t size = query.size; /* so that no byte can move from the one to the other */
    crypto_generichash_init(&state, secret, PAGE_SECRET, SEAL);
    crypto_generichash_update(&state, (const uint8_t *)&size, sizeof size);
    crypto_generichash_update(&state, query.data, query.size);
    crypto_generichash_update(&state, values.data, values.size);
    crypto_generichash_final(&state, seal, SEAL);
}

const char *page_token_seal(struct arena *arena, const uint8_t secret[PAGE_SECRET], struct slice query,
                            const char *const *values, size_t count)
{
    struct buffer token = buffer_in(arena);
    buffer_reserve(&token, SEAL);
    token.size = SEAL;
    for (size_t i = 0; i < count; i++)
        if (values[i])
            wire_put_text(&token, (uint32_t)i + 1, values[i]);
    seal_over(token.data, secret, query, slice_of(token.data + SEAL, token.size - SEAL));
    size_t size = sodium_base64_encoded_len(token.size, VARIANT);
    char *text = arena_alloc(arena, size);
    return sodium_bin2base64(text, size, token.data, token.size, VARIANT);
}

bool page_token_open(struct arena *arena, const uint8_t secret[PAGE_SECRET], struct slice query, const char *token,
                     const char **values, size_t count)
{
    size_t capacity = strlen(token), size;
    uint8_t *bytes = arena_alloc(arena, capacity + 1), seal[SEAL];
    if (sodium_base642bin(bytes, capacity, token, capacity, NULL, &size, NULL, VARIANT) != 0 || size < SEAL)
        return false;
    struct slice packed = slice_of(bytes + SEAL, size - SEAL);
    seal_over(seal, secret, query, packed);
    if (sodium_memcmp(seal, bytes, SEAL) != 0)
        return false;
    struct wire_reader reader = wire_read(packed);
    struct wire_field field;
    for (size_t i = 0; i < count; i++)
        values[i] = NULL;
    while (wire_next(&reader, &field))
        if (field.number >= 1 && field.number <= count && field.type == WIRE_BYTES)
            values[field.number - 1] = arena_text(arena, field.bytes);
    return !reader.broken;
}
