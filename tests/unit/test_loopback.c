/* test_loopback.c -- which URLs stay on this host: by their words, and in doubt none. */
#include "tests/unit/arena_fixture.h"

#include "common/loopback.h"

static void test_loopback(void **state)
{
    (void)state;
    static const char *const here[] = { "http://localhost",    "http://127.0.0.1:80/a", "smtp://127.1.2.3",
                                        "https://[::1]:443/a", "http://localhost:1?a",  "http://127.0.0.1#a" };
    static const char *const elsewhere[] = {
        "",
        "localhost",
        "http://",
        "http://localhost.example.com",
        "http://mail.localhost",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://localhost:80@example.com",
        "http://example.com/127.0.0.1",
        "http://example.com\\@localhost",
        "http://128.0.0.1",
        "http://127.1",
        "http://[::2]",
        "http://[::1",
        "http://[::1].example.com:80",
        "http://0.0.0.0",
    };
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        assert_true(url_is_loopback(here[i]));
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        assert_false(url_is_loopback(elsewhere[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_loopback) };
    return cmocka_run_group_tests_name("loopback", tests, NULL, NULL);
}
