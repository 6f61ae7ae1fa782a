/* fuzz_pagetoken.c -- tokens of any text, and ours with a change: what we have not sealed for this query does not open. */
#include "tests/fuzz/fuzz.h"

#include <sodium.h>

#include "common/pagetoken.h"

static const uint8_t secret[PAGE_SECRET] = "one secret, thirty-two bytes lon";
/* For any text: libFuzzer learns the tokens of the other, which it sees compared. */
static const uint8_t other_secret[PAGE_SECRET] = "one secret, thirty-two bytes lom";

/* An input's token is the same each time. */
static const char *generator_name(void)
{
    return "constant";
}

static uint32_t constant(void)
{
    return 7;
}

static void fill(void *const bytes, const size_t size)
{
    memset(bytes, 7, size);
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    static randombytes_implementation generator = { .implementation_name = generator_name,
                                                    .random = constant,
                                                    .buf = fill };
    (void)count, (void)arguments;
    need(randombytes_set_implementation(&generator) == 0 && sodium_init() == 0);
    return 0;
}

static bool opens(struct arena *arena, const uint8_t key[PAGE_SECRET], struct slice query, const char *token)
{
    const char *values[MOST_KEYS];
    return page_token_open(arena, key, query, token, values, MOST_KEYS);
}

/* One character replaced, or with the high bit put before it, or with a NUL removed. */
static const char *changed(struct arena *arena, const char *token, size_t at, uint8_t byte)
{
    const char letter[] = { (char)(byte & 0x7f), '\0' };
    const char *rest = token + at + (byte & 0x80 ? 0 : 1);
    return arena_printf(arena, "%.*s%s%s", (int)at, token, letter, rest);
}

/* Two bytes say which change and where, one which values are NULL; each value ends at a NUL. */
static void seal_and_change(struct arena *arena, struct slice query, struct slice input)
{
    const char *values[MOST_KEYS], *opened[MOST_KEYS];
    size_t at = fuzz_byte(&input);
    uint8_t byte = fuzz_byte(&input), nulls = fuzz_byte(&input);
    for (size_t i = 0; i < MOST_KEYS; i++) {
        struct slice value = fuzz_take(&input, '\0');
        values[i] = nulls >> i & 1 ? NULL : arena_text(arena, value);
    }
    const char *token = page_token_seal(arena, secret, query, values, MOST_KEYS);
    need(page_token_open(arena, secret, query, token, opened, MOST_KEYS));
    for (size_t i = 0; i < MOST_KEYS; i++)
        need(!values[i] == !opened[i] && (!values[i] || strcmp(values[i], opened[i]) == 0));
    const char *forged = changed(arena, token, at % strlen(token), byte);
    need(opens(arena, secret, query, forged) == (strcmp(forged, token) == 0));
    if (query.size)
        need(!opens(arena, secret, slice_of(query.data, query.size - 1), token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct slice input = slice_of(data, size);
    need(!opens(arena, other_secret, slice_of(NULL, 0), arena_text(arena, input)));
    seal_and_change(arena, fuzz_take(&input, '\n'), input);
    arena_free(arena);
    return 0;
}
