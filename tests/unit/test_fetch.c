/* test_fetch.c -- the pure parts, and what is refused before anything is sent. The rest: tests/membership/test_single_sign_on*.py. */
#include "tests/unit/arena_fixture.h"

#include "common/clock.h"
#include "common/fetch.h"

static void test_max_age(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t age;
    } cases[] = {
        { "", -1 },
        { "public", -1 },
        { "max-age=300", 300 },
        { " Public , MAX-AGE=60 ", 60 },
        { "max-age=0", 0 },
        { "no-store, max-age=300", 0 },
        { "max-age=300, no-cache", 0 },
        { "max-age=", -1 },
        { "max-age=x", -1 },
        { "s-maxage=5", -1 },
        { "max-age=99999999999999999999", 9999999999 },
        { ",,max-age=7,", 7 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(fetch_max_age(slice_text(cases[i].header)), cases[i].age);
}

static void test_forms(void **state)
{
    (void)state;
    struct buffer form = buffer_in(arena);
    fetch_form_add(&form, "a", "x y&=+%/\n密");
    fetch_form_add(&form, "b", "-._~Az09");
    assert_string_equal(buffer_cstring(&form), "a=x%20y%26%3D%2B%25%2F%0A%E5%AF%86&b=-._~Az09");
}

static void test_only_safe_urls(void **state)
{
    (void)state;
    static const char *const urls[] = { "http://192.0.2.1/", "file:///etc/passwd", "ftp://127.0.0.1/",
                                        "gopher://127.0.0.1/" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct fetch_answer answer =
            fetch(arena, &(struct fetch_request){
                             .url = urls[i], .authorities_file = "", .deadline_us = clock_monotonic_us() + 5000000 });
        assert_int_equal(answer.status, 0);
        assert_string_equal(answer.failure, "Unsupported protocol");
    }
    struct fetch_answer late =
        fetch(arena, &(struct fetch_request){ .url = "https://192.0.2.1/", .authorities_file = "" });
    assert_string_equal(late.failure, "there is no time left");
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_max_age), TEST(test_forms), TEST(test_only_safe_urls) };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
