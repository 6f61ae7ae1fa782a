/* test_wheel.c -- deadlines fire once, in time, and can be moved from within. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/wheel.h"

enum { TICK_US = WHEEL_TICK_MS * 1000, TURN_US = WHEEL_SLOTS * TICK_US, START_US = 123456789 };

static void test_never_early_hardly_late(void **state)
{
    static const int64_t waits_us[] = { 0, 1, TICK_US - 1, TICK_US, 7 * TICK_US + 5, TURN_US, 3 * TURN_US + 77 };
    (void)state;
    for (size_t i = 0; i < sizeof waits_us / sizeof *waits_us; i++) {
        struct wheel wheel;
        struct wheel_entry entry = { 0 };
        int64_t due_us = START_US + waits_us[i], now_us = START_US;
        wheel_init(&wheel, START_US);
        wheel_set(&wheel, &entry, due_us);
        while (wheel_take(&wheel, now_us) == NULL)
            now_us += TICK_US / 4;
        assert_in_range(now_us, due_us, due_us + 3 * TICK_US);
        assert_int_equal(wheel.count, 0);
        assert_null(wheel_take(&wheel, now_us + 9 * (int64_t)TURN_US));
    }
}

static void test_after_a_long_stop(void **state)
{
    struct wheel wheel;
    struct wheel_entry entries[5] = { 0 };
    int taken = 0;
    (void)state;
    wheel_init(&wheel, START_US);
    for (int i = 0; i < 5; i++)
        wheel_set(&wheel, &entries[i], START_US + i * (TURN_US / 2));
    while (wheel_take(&wheel, START_US + 100 * (int64_t)TURN_US))
        taken++;
    assert_int_equal(taken, 5);
}

static void test_moved_and_cleared_while_taking(void **state)
{
    struct wheel wheel;
    struct wheel_entry a = { 0 }, b = { 0 }, c = { 0 };
    int64_t now_us = START_US + 10 * TICK_US;
    (void)state;
    wheel_init(&wheel, START_US);
    wheel_set(&wheel, &a, START_US);
    wheel_set(&wheel, &b, START_US);
    wheel_set(&wheel, &c, START_US);
    struct wheel_entry *first = wheel_take(&wheel, now_us);
    assert_non_null(first);
    struct wheel_entry *moved = first == &a ? &b : &a, *cleared = first == &c ? &b : &c;
    if (moved == cleared)
        moved = &a;
    wheel_set(&wheel, moved, now_us + TURN_US);
    wheel_clear(&wheel, cleared);
    wheel_clear(&wheel, cleared);
    assert_null(wheel_take(&wheel, now_us));
    assert_ptr_equal(wheel_take(&wheel, now_us + TURN_US + 2 * TICK_US), moved);
    assert_int_equal(wheel.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_early_hardly_late),
        cmocka_unit_test(test_after_a_long_stop),
        cmocka_unit_test(test_moved_and_cleared_while_taking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
