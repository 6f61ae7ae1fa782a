/* arena_fixture.h -- an arena a test; and cmocka, with what it wants to stand before it. */
#ifndef CAMPUS_TESTS_ARENA_FIXTURE_H
#define CAMPUS_TESTS_ARENA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buffer.h"

/* Of the TEST that runs: new when it begins, gone when it ends. */
extern struct arena *arena;

int arena_set_up(void **state);
int arena_tear_down(void **state);

#define TEST(function) cmocka_unit_test_setup_teardown(function, arena_set_up, arena_tear_down)

#endif
