/* test_uuid.c -- identifiers: their bits, their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/uuid.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 5000 };

static int64_t milliseconds_of(const char *uuid)
{
    char digits[13];
    memcpy(digits, uuid, 8);
    memcpy(digits + 8, uuid + 9, 4);
    digits[12] = '\0';
    return strtoll(digits, NULL, 16);
}

static void test_format(void **state)
{
    (void)state;
    static const uint8_t bytes[16] = { 0x00, 0x1f, 0xab, 0xcd, 0xef, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff };
    char text[UUID_TEXT];
    uuid_format(bytes, text);
    assert_string_equal(text, "001fabcd-ef05-0607-0809-0a0b0c0d0eff");
}

static void test_version_variant_and_time(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        char text[UUID_TEXT];
        int64_t before_ms = clock_wall_us() / 1000;
        uuid_new(text);
        assert_in_range(milliseconds_of(text), before_ms, clock_wall_us() / 1000);
        assert_int_equal(strlen(text), 36);
        assert_int_equal(strspn(text, "0123456789abcdef-"), 36);
        assert_int_equal(text[14], '7');
        assert_non_null(strchr("89ab", text[19]));
    }
}

static void test_later_sorts_behind(void **state)
{
    (void)state;
    char earlier[UUID_TEXT], later[UUID_TEXT];
    for (int i = 0; i < 20; i++) {
        uuid_new(earlier);
        while (clock_wall_us() / 1000 <= milliseconds_of(earlier))
            ;
        uuid_new(later);
        assert_true(strcmp(earlier, later) < 0);
    }
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, UUID_TEXT);
}

/* Also within a millisecond; and each random bit is both 0 and 1 somewhere. */
static void test_no_two_are_equal(void **state)
{
    (void)state;
    static char all[MANY][UUID_TEXT];
    for (int i = 0; i < MANY; i++)
        uuid_new(all[i]);
    for (size_t place = 15; place < 36; place++) {
        bool differs = all[0][place] == '-';
        for (int i = 1; i < MANY; i++)
            differs |= all[i][place] != all[0][place];
        assert_true(differs);
    }
    qsort(all, MANY, UUID_TEXT, compare);
    for (int i = 1; i < MANY; i++)
        assert_string_not_equal(all[i - 1], all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_version_variant_and_time),
        cmocka_unit_test(test_later_sorts_behind),
        cmocka_unit_test(test_no_two_are_equal),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
