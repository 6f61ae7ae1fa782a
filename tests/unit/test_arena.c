/* test_arena.c -- memory that goes away together. */
#include "tests/unit/arena_fixture.h"

#include "common/arena.h"

#include <stdalign.h>
#include <stdlib.h>

static void test_allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    uint8_t *all[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 97;
        all[i] = arena_alloc(arena, size);
        assert_int_equal((uintptr_t)all[i] % alignof(max_align_t), 0);
        memset(all[i], (int)(i % 251), size);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i % 97; j++)
            assert_int_equal(all[i][j], i % 251);
    assert_ptr_not_equal(arena_alloc(arena, 0), arena_alloc(arena, 0));
}

static void test_larger_than_any_block(void **state)
{
    (void)state;
    size_t size = (size_t)5 << 20;
    uint8_t *large = arena_alloc(arena, size);
    memset(large, 1, size);
    assert_true(arena_size(arena) > size);
    assert_non_null(arena_alloc(arena, 1));
}

static void test_zeroed(void **state)
{
    (void)state;
    memset(arena_alloc(arena, 1000), 0xff, 1000);
    arena_reset(arena);
    const uint8_t *zeroed = arena_zalloc(arena, 1000); /* the same bytes again */
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(zeroed[i], 0);
}

static void test_newest_grows_in_place(void **state)
{
    (void)state;
    char *text = arena_strdup(arena, "abc"), *grown = arena_grow(arena, text, 4, 100);
    assert_ptr_equal(grown, text);
    char *behind = arena_alloc(arena, 8);
    assert_true(behind >= grown + 100); /* what it grew by is its own */
}

static void test_older_is_copied(void **state)
{
    (void)state;
    char *text = arena_strdup(arena, "abc"), *behind = arena_strdup(arena, "def");
    char *grown = arena_grow(arena, text, 4, 100);
    assert_ptr_not_equal(grown, text);
    memset(grown + 4, 'x', 96);
    assert_string_equal(grown, "abc");
    assert_string_equal(behind, "def");
    assert_non_null(arena_grow(arena, NULL, 0, 10));
}

static void test_growth_beyond_its_block(void **state)
{
    (void)state;
    char *text = arena_strdup(arena, "abc");
    for (size_t size = 4; size < 3000000; size *= 2) {
        text = arena_grow(arena, text, size, size * 2);
        memset(text + size, 'x', size);
        assert_memory_equal(text, "abc", 4);
    }
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(arena_text(arena, slice_of("abcd", 2)), "ab");
    assert_string_equal(arena_text(arena, slice_of(NULL, 0)), "");
    assert_string_equal(arena_printf(arena, "%s-%05d", "x", 42), "x-00042");
    char *lengthy = arena_printf(arena, "%*d", 100000, 7);
    assert_int_equal(strlen(lengthy), 100000);
    char original[] = "abc";
    struct slice copy = arena_copy(arena, slice_of(original, 3));
    original[0] = 'x';
    assert_true(slice_is(copy, "abc"));
}

/* ---- clean-ups ---- */

static char order[8];

static void note(void *context)
{
    strcat(order, context);
}

static void test_cleanups_run_newest_first(void **state)
{
    (void)state;
    static char one[] = "1", two[] = "2", three[] = "3";
    *order = '\0';
    arena_defer(arena, note, one);
    arena_alloc(arena, (size_t)1 << 20); /* the records lie in several blocks */
    arena_defer(arena, note, two);
    arena_reset(arena);
    assert_string_equal(order, "21");
    arena_reset(arena);
    assert_string_equal(order, "21"); /* each once */
    arena_defer(arena, note, three);
    arena_free(arena);
    assert_string_equal(order, "213");
    arena = arena_new();
}

static void test_cleanup_may_use_the_memory(void **state)
{
    (void)state;
    *order = '\0';
    arena_defer(arena, note, arena_strdup(arena, "m"));
    arena_alloc(arena, (size_t)1 << 20);
    arena_reset(arena);
    assert_string_equal(order, "m");
}

static void test_reset_keeps_the_first_block_only(void **state)
{
    (void)state;
    size_t fresh = arena_size(arena);
    void *first = arena_alloc(arena, 16);
    arena_alloc(arena, (size_t)1 << 20);
    assert_true(arena_size(arena) > fresh);
    arena_reset(arena);
    assert_int_equal(arena_size(arena), fresh);
    assert_ptr_equal(arena_alloc(arena, 16), first);
}

static void test_nothing_to_free(void **state)
{
    (void)state;
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_allocations_are_aligned_and_apart),
        TEST(test_larger_than_any_block),
        TEST(test_zeroed),
        TEST(test_newest_grows_in_place),
        TEST(test_older_is_copied),
        TEST(test_growth_beyond_its_block),
        TEST(test_texts),
        TEST(test_cleanups_run_newest_first),
        TEST(test_cleanup_may_use_the_memory),
        TEST(test_reset_keeps_the_first_block_only),
        TEST(test_nothing_to_free),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
