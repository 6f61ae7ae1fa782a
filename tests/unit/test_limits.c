/* test_limits.c -- buckets that empty, refill, and give way to each other. */
#include "services/gateway/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum { SECOND = 1000000, START = 5 * SECOND };

static void follows_the_bucket(void **state)
{
    /* 2 a second after 3 at once. */
    static const struct {
        int64_t at_us;
        bool allowed;
        uint32_t remaining, reset_ms, retry_after_ms;
    } cases[] = {
        { 0, true, 2, 500, 0 },          { 0, true, 1, 1000, 0 },
        { 0, true, 0, 1500, 0 },         { 0, false, 0, 1500, 500 },
        { 100000, false, 0, 1400, 400 }, { 499999, false, 0, 1001, 1 }, /* rounded up: never told to come too early */
        { 500000, true, 0, 1500, 0 }, /* the refused ones cost nothing */
        { 1750000, true, 1, 750, 0 },    { 60 * SECOND, true, 2, 500, 0 }, /* never more than the burst */
    };
    struct limits *limits = limits_new(2, 3, 100);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct limits_result result = limits_take(limits, slice_text("somebody"), START + cases[i].at_us);
        assert_int_equal(result.allowed, cases[i].allowed);
        assert_int_equal(result.limit, 3);
        assert_int_equal(result.remaining, cases[i].remaining);
        assert_int_equal(result.reset_ms, cases[i].reset_ms);
        assert_int_equal(result.retry_after_ms, cases[i].retry_after_ms);
    }
    limits_free(limits);
}

static void keeps_keys_apart(void **state)
{
    struct limits *limits = limits_new(1, 1, 100);
    (void)state;
    assert_true(limits_take(limits, slice_text("a"), START).allowed);
    assert_true(limits_take(limits, slice_text("b"), START).allowed);
    assert_true(limits_take(limits, slice_of(NULL, 0), START).allowed);
    assert_false(limits_take(limits, slice_text("a"), START).allowed);
    assert_false(limits_take(limits, slice_text("b"), START).allowed);
    assert_false(limits_take(limits, slice_of(NULL, 0), START).allowed);
    limits_free(limits);
}

static void takes_back_what_is_given(void **state)
{
    struct limits *limits = limits_new(1, 2, 100);
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(limits_take(limits, slice_text("a"), START).allowed);
        limits_give(limits, slice_text("a"));
    }
    assert_true(limits_take(limits, slice_text("a"), START).allowed);
    assert_int_equal(limits_take(limits, slice_text("a"), START).remaining, 0);
    assert_false(limits_take(limits, slice_text("a"), START).allowed);
    limits_give(limits, slice_text("never asked")); /* never more than the burst */
    assert_int_equal(limits_take(limits, slice_text("never asked"), START).remaining, 1);
    limits_free(limits);
}

static void rate_zero_is_no_limit(void **state)
{
    struct limits *limits = limits_new(0, 1, 100);
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct limits_result result = limits_take(limits, slice_text("a"), START);
        assert_true(result.allowed);
        assert_int_equal(result.limit, 0);
    }
    limits_free(limits);
}

static void holds_at_the_ends_of_its_range(void **state)
{
    static const struct {
        uint32_t rate, burst;
    } cases[] = { { 1, 1 }, { 1, LIMITS_LARGEST_BURST }, { LIMITS_HIGHEST_RATE, 1 }, { 3, 7 } };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct limits *limits = limits_new(cases[i].rate, cases[i].burst, 1);
        uint32_t taken = 0;
        while (limits_take(limits, slice_text("a"), START).allowed)
            taken++;
        assert_int_equal(taken, cases[i].burst);
        struct limits_result result = limits_take(limits, slice_text("a"), START);
        int64_t later = START + (int64_t)result.retry_after_ms * 1000;
        assert_true(limits_take(limits, slice_text("a"), later).allowed);
        limits_free(limits);
    }
}

/* In one set of eight, the ninth key takes the place of the fullest bucket; an emptier one stays. */
static void forgets_the_fullest_first(void **state)
{
    struct limits *limits = limits_new(1, 4, 1);
    char key[2] = "a";
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_true(limits_take(limits, slice_text("hot"), START).allowed);
    for (int c = 'a'; c < 'z'; c++) {
        key[0] = (char)c;
        assert_int_equal(limits_take(limits, slice_text(key), START).remaining, 3);
    }
    assert_false(limits_take(limits, slice_text("hot"), START).allowed);
    limits_free(limits);
}

/* However many keys come, those at work keep their buckets while there is room. */
static void keeps_busy_keys_among_many(void **state)
{
    enum { BUSY = 100, OTHERS = 2000 };
    struct limits *limits = limits_new(1, 2, 4096);
    (void)state;
    for (uint32_t key = 0; key < BUSY; key++)
        for (int i = 0; i < 2; i++)
            assert_true(limits_take(limits, slice_of(&key, sizeof key), START).allowed);
    for (uint32_t key = BUSY; key < BUSY + OTHERS; key++)
        assert_true(limits_take(limits, slice_of(&key, sizeof key), START).allowed);
    for (uint32_t key = 0; key < BUSY; key++)
        assert_false(limits_take(limits, slice_of(&key, sizeof key), START).allowed);
    limits_free(limits);
}

static void frees_nothing(void **state)
{
    (void)state;
    limits_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_bucket),
        cmocka_unit_test(keeps_keys_apart),
        cmocka_unit_test(takes_back_what_is_given),
        cmocka_unit_test(rate_zero_is_no_limit),
        cmocka_unit_test(holds_at_the_ends_of_its_range),
        cmocka_unit_test(forgets_the_fullest_first),
        cmocka_unit_test(keeps_busy_keys_among_many),
        cmocka_unit_test(frees_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
