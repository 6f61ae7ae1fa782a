/* test_accept.c -- the choices of Accept-Language and Accept-Encoding. */
#include "services/gateway/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void reads_each_choice(void **state)
{
    static const struct {
        const char *header, *value;
        int quality;
    } cases[] = {
        { "gzip", "gzip", 1000 },         { " gzip ;q=0.5", "gzip", 500 }, { "gzip; q=0.123", "gzip", 123 },
        { "gzip;Q=1.0", "gzip", 1000 },   { "gzip;q=0", "gzip", 0 },       { "gzip;q=0.000", "gzip", 0 },
        { "gzip;q=nan", "gzip", 0 },      { "gzip;q=", "gzip", 0 },        { "gzip;q=1.999", "gzip", 1000 },
        { "zh-Hans;q=.5", "zh-Hans", 0 }, { "*;q=0.1", "*", 100 },         { ";", "", 1000 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice header = slice_text(cases[i].header);
        struct accept_choice choice;
        assert_true(accept_next(&header, &choice));
        assert_true(slice_is(choice.value, cases[i].value));
        assert_int_equal(choice.quality, cases[i].quality);
        assert_false(accept_next(&header, &choice));
    }
}

static void goes_on_to_the_end(void **state)
{
    struct slice header = slice_text("br, gzip;q=0.8,, identity");
    static const char *const values[] = { "br", "gzip", "", "identity" };
    struct accept_choice choice;
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_true(accept_next(&header, &choice));
        assert_true(slice_is(choice.value, values[i]));
    }
    assert_false(accept_next(&header, &choice));
    header = slice_of(NULL, 0);
    assert_false(accept_next(&header, &choice));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_choice),
        cmocka_unit_test(goes_on_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
