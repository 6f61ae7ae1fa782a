/* test_forwarded.c -- which networks are trusted, and whose request it is. */
#include "services/gateway/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define PROXIES "10.0.0.0/8, 192.0.2.7 fd00::/8,2001:db8::5"

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_text(text), &address));
    return address;
}

static void trusts_what_it_names(void **state)
{
    static const struct {
        const char *trusted, *address;
        bool trusts;
    } cases[] = {
        { "", "127.0.0.1", false },
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "127.0.0.2", false },
        { "127.0.0.1", "::ffff:127.0.0.1", true }, /* the same in IPv6's clothes */
        { "::ffff:127.0.0.1", "127.0.0.1", true },
        { "10.0.0.0/8", "10.255.255.255", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "172.16.0.0/12", "172.31.255.255", true },
        { "172.16.0.0/12", "172.32.0.0", false },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.1/32", "192.0.2.1", true },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "2001:db8::1", true },
        { "::/0", "203.0.113.9", false },
        { "::1", "::1", true },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "2001:db8::1/128", "2001:db8::2", false },
        { PROXIES, "192.0.2.7", true },
        { PROXIES, "fdff::1", true },
        { PROXIES, "2001:db8::6", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *arena = arena_new();
        const char *error = NULL;
        struct address address = address_of(cases[i].address);
        const struct forwarded_trust *trust = forwarded_trust_new(arena, cases[i].trusted, &error);
        assert_non_null(trust);
        if (forwarded_trusts(trust, &address) != cases[i].trusts)
            fail_msg("'%s' and %s", cases[i].trusted, cases[i].address);
        arena_free(arena);
    }
}

static void refuses_what_is_no_network(void **state)
{
    static const char *const cases[] = {
        "localhost",  "10.0.0",        "10.0.0.256",   "010.0.0.1",
        "10.0.0.0/",  "10.0.0.0/33",   "10.0.0.0/-1",  "10.0.0.0/+8",
        "/8",         "::/129",        "::g",          "fe80::1%lo0",
        "10.0.0.1/8", "2001:db8::/16", "10.0.0.1:80",  "[::1]",
        "*",          "::/8x",         "10.0.0.0/8/8", "::/18446744073709551617",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *arena = arena_new();
        const char *error = NULL;
        if (forwarded_trust_new(arena, arena_printf(arena, "127.0.0.1, %s", cases[i]), &error))
            fail_msg("'%s' is no network", cases[i]);
        assert_string_equal(
            error, arena_printf(arena, "setting trusted_proxies: '%s' is neither an address nor a network", cases[i]));
        arena_free(arena);
    }
}

static void finds_the_client(void **state)
{
    static const struct {
        const char *peer, *fields[4], *client;
    } cases[] = {
        /* nobody forwarded, or nobody who may */
        { "10.0.0.1", { NULL }, "10.0.0.1" },
        { "203.0.113.9", { "198.51.100.1" }, "203.0.113.9" },
        { "203.0.113.9", { "198.51.100.1, 10.0.0.1" }, "203.0.113.9" },
        /* one proxy, several, and what a client wrote before them */
        { "10.0.0.1", { "198.51.100.1" }, "198.51.100.1" },
        { "10.0.0.1", { "198.51.100.1, 10.9.9.9" }, "198.51.100.1" },
        { "10.0.0.1", { "10.0.0.2,198.51.100.1,192.0.2.7" }, "198.51.100.1" },
        { "10.0.0.1", { "127.0.0.1, 203.0.113.1, 198.51.100.1" }, "198.51.100.1" },
        { "10.0.0.1", { "10.0.0.3, 10.0.0.2" }, "10.0.0.3" }, /* a proxy is the client itself */
        { "fd00::1", { "2001:db8::9, 2001:db8::5" }, "2001:db8::9" },
        { "::ffff:10.0.0.1", { "198.51.100.1" }, "198.51.100.1" },
        /* several fields are one list */
        { "10.0.0.1", { "203.0.113.1", "198.51.100.1" }, "198.51.100.1" },
        { "10.0.0.1", { "203.0.113.1, 198.51.100.1", "10.0.0.2, 10.0.0.3" }, "198.51.100.1" },
        { "10.0.0.1", { "203.0.113.1", "10.0.0.2", "10.0.0.3" }, "203.0.113.1" },
        /* ports and brackets, spaces and tabs */
        { "10.0.0.1", { "198.51.100.1:4711" }, "198.51.100.1" },
        { "10.0.0.1", { "[2001:db8::9]:4711" }, "2001:db8::9" },
        { "10.0.0.1", { "[2001:db8::9]" }, "2001:db8::9" },
        { "10.0.0.1", { "\t198.51.100.1 \t,\t 10.0.0.2:80\t" }, "198.51.100.1" },
        { "10.0.0.1", { "::ffff:198.51.100.1" }, "198.51.100.1" },
        /* what is no address ends the search */
        { "10.0.0.1", { "unknown" }, "10.0.0.1" },
        { "10.0.0.1", { "" }, "10.0.0.1" },
        { "10.0.0.1", { " , " }, "10.0.0.1" },
        { "10.0.0.1", { "198.51.100.1, unknown, 10.0.0.2" }, "10.0.0.2" },
        { "10.0.0.1", { "198.51.100.1,,10.0.0.2" }, "10.0.0.2" },
        { "10.0.0.1", { "198.51.100.1", "", "10.0.0.2" }, "10.0.0.2" },
        { "10.0.0.1", { "198.51.100.1, 10.0.0.2," }, "10.0.0.1" },
        { "10.0.0.1", { "198.51.100.1 198.51.100.2" }, "10.0.0.1" },
        { "10.0.0.1", { "198.51.100.1:" }, "10.0.0.1" },
        { "10.0.0.1", { "198.51.100.1:http" }, "10.0.0.1" },
        { "10.0.0.1", { "198.51.100.1:123456" }, "10.0.0.1" },
        { "10.0.0.1", { "[198.51.100.1]" }, "10.0.0.1" },
        { "10.0.0.1", { "[2001:db8::9" }, "10.0.0.1" },
        { "10.0.0.1", { "[2001:db8::9]80" }, "10.0.0.1" },
        { "10.0.0.1", { "[]:80" }, "10.0.0.1" },
        { "10.0.0.1", { "fe80::1%eth0" }, "10.0.0.1" },
        { "10.0.0.1", { "\"198.51.100.1\"" }, "10.0.0.1" },
        { "10.0.0.1", { "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0009:0000:0000" }, "10.0.0.1" },
    };
    struct arena *arena = arena_new();
    const char *error = NULL;
    const struct forwarded_trust *trust = forwarded_trust_new(arena, PROXIES, &error);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_header headers[COUNT(cases[i].fields) + 1] = { { slice_text("host"),
                                                                     slice_text("198.51.100.77") } };
        struct http_request request = { .headers = headers, .header_count = 1, .address = address_of(cases[i].peer) };
        for (size_t field = 0; field < COUNT(cases[i].fields) && cases[i].fields[field]; field++)
            headers[request.header_count++] =
                (struct http_header){ slice_text("x-forwarded-for"), slice_text(cases[i].fields[field]) };
        struct address client = forwarded_client(trust, &request), expected = address_of(cases[i].client);
        if (memcmp(&client, &expected, sizeof client) != 0)
            fail_msg("case %zu: %s, \"%s\" is not from %s", i, cases[i].peer, cases[i].fields[0], cases[i].client);
    }
    arena_free(arena);
}

static void nobody_is_trusted_without_a_list(void **state)
{
    struct http_header header = { slice_text("x-forwarded-for"), slice_text("198.51.100.1") };
    struct http_request request = { .headers = &header, .header_count = 1, .address = address_of("10.0.0.1") };
    struct address client = forwarded_client(NULL, &request);
    (void)state;
    assert_memory_equal(&client, &request.address, sizeof client);
}

static void counts_clients(void **state)
{
    static const struct {
        const char *a, *b;
        bool one;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", true },          { "192.0.2.1", "::ffff:192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },         { "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true },
        { "2001:db8::1", "2001:db8:0:1::1", false }, { "32.1.13.184", "2001:db8::1", false }, /* the same first bytes */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address a = address_of(cases[i].a), b = address_of(cases[i].b);
        if ((address_client(&a) == address_client(&b)) != cases[i].one)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusts_what_it_names), cmocka_unit_test(refuses_what_is_no_network),
        cmocka_unit_test(finds_the_client),     cmocka_unit_test(nobody_is_trusted_without_a_list),
        cmocka_unit_test(counts_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
