/* fuzz_forwarded.c -- proxies and fields of any text: nobody chooses an address but the proxies that are believed. */
#include "tests/fuzz/fuzz.h"

#include "common/arena.h"
#include "services/gateway/forwarded.h"

enum { MOST_FIELDS = 8 };

#define NAME                                                                                                           \
    {                                                                                                                  \
        (const uint8_t *)"x-forwarded-for", 15                                                                         \
    }

static struct address client_of(const struct forwarded_trust *trust, struct address from, struct http_header *headers,
                                size_t count)
{
    struct http_request request = { .headers = headers, .header_count = count, .address = from };
    return forwarded_client(trust, &request);
}

static bool same(struct address a, struct address b)
{
    return address_same_bits(&a, &b, ADDRESS_BITS);
}

/* What somebody writes in front of all changes nothing, unless everybody behind is believed. */
static void check_forged(struct arena *arena, const struct forwarded_trust *trust, struct address from,
                         struct http_header *headers, size_t count)
{
    struct address client = client_of(trust, from, headers, count);
    struct slice *first = &headers[0].value;
    if (forwarded_trusts(trust, &client) || memchr(first->data, '\0', first->size))
        return;
    *first = slice_text(arena_printf(arena, "198.51.100.66, %.*s", (int)first->size, (const char *)first->data));
    need(same(client_of(trust, from, headers, count), client));
}

static void check(struct arena *arena, const struct forwarded_trust *trust, struct address from, struct slice fields)
{
    struct http_header headers[MOST_FIELDS];
    size_t count = 0;
    for (; fields.size && count < MOST_FIELDS; count++)
        headers[count] = (struct http_header){ .name = NAME, .value = fuzz_take(&fields, '\n') };
    need(same(client_of(NULL, from, headers, count), from));
    need(forwarded_trusts(trust, &from) || same(client_of(trust, from, headers, count), from));
    if (count)
        check_forged(arena, trust, from, headers, count);
}

/* The list, the address of who is connected, and each field are a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct slice input = slice_of(data, size);
    const char *list = arena_text(arena, fuzz_take(&input, '\n')), *error = NULL;
    const struct forwarded_trust *trust = forwarded_trust_new(arena, list, &error);
    struct address from;
    need((trust == NULL) == (error != NULL));
    if (!address_parse(fuzz_take(&input, '\n'), &from))
        need(address_parse(slice_text("10.0.0.1"), &from));
    check(arena, trust, from, input);
    arena_free(arena);
    return 0;
}
