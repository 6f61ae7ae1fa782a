/* test_buffer.c -- bytes that grow at the end. */
#include "tests/unit/arena_fixture.h"

#include "common/buffer.h"

static void test_parts_stand_one_behind_another(void **state)
{
    (void)state;
    struct buffer buffer = buffer_in(arena);
    buffer_text(&buffer, "a");
    buffer_byte(&buffer, 'b');
    buffer_add(&buffer, "cde", 2);
    buffer_add(&buffer, NULL, 0);
    buffer_printf(&buffer, "%d%s", 42, "");
    assert_true(slice_is(buffer_slice(&buffer), "abcd42"));
}

/* Other allocations stand behind it, so that it has to move. */
static void test_growth_keeps_what_is_there(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct buffer buffer = buffer_in(arena);
    for (unsigned i = 0; i < COUNT; i++) {
        buffer_byte(&buffer, (uint8_t)(i * 7));
        if (i % 1000 == 0)
            arena_alloc(arena, 1);
    }
    assert_int_equal(buffer.size, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(buffer.data[i], (uint8_t)(i * 7));
}

static void test_printf_over_the_capacity(void **state)
{
    (void)state;
    struct buffer buffer = buffer_in(arena);
    for (unsigned i = 0; i < 300; i++)
        buffer_printf(&buffer, "%03u", i); /* each size once meets the end of the room */
    assert_int_equal(buffer.size, 900);
    for (unsigned i = 0; i < 300; i++)
        assert_true(slice_is(slice_of(buffer.data + (size_t)3 * i, 3), arena_printf(arena, "%03u", i)));
    buffer_printf(&buffer, "%*d", 70000, 1);
    assert_int_equal(buffer.size, 70900);
}

static void test_cstring_does_not_count_its_nul(void **state)
{
    (void)state;
    struct buffer buffer = buffer_in(arena);
    assert_string_equal(buffer_cstring(&buffer), "");
    assert_int_equal(buffer.size, 0);
    buffer_text(&buffer, "ab");
    assert_string_equal(buffer_cstring(&buffer), "ab");
    buffer_text(&buffer, "c");
    assert_string_equal(buffer_cstring(&buffer), "abc");
    assert_int_equal(buffer.size, 3);
}

static void test_reserved_room_may_be_written(void **state)
{
    (void)state;
    struct buffer buffer = buffer_in(arena);
    buffer_text(&buffer, "ab");
    buffer_reserve(&buffer, 5000);
    assert_true(buffer.capacity >= 5002);
    memset(buffer.data + buffer.size, 'x', 5000);
    assert_true(slice_is(buffer_slice(&buffer), "ab"));
    buffer_reserve(&buffer, 0);
    assert_true(slice_is(buffer_slice(&buffer), "ab"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parts_stand_one_behind_another), TEST(test_growth_keeps_what_is_there),
        TEST(test_printf_over_the_capacity),       TEST(test_cstring_does_not_count_its_nul),
        TEST(test_reserved_room_may_be_written),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
