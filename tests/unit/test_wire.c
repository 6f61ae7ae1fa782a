/* test_wire.c -- protobuf's wire format, whole and broken. */
#include "tests/unit/arena_fixture.h"

#include "common/wire.h"

#define BYTES(literal) slice_of(literal, sizeof(literal) - 1)

/* https://protobuf.dev/programming-guides/encoding/: its own examples. */
static void test_written_as_the_guide_has_it(void **state)
{
    (void)state;
    struct buffer out = buffer_in(arena);
    wire_put_varint(&out, 1, 150);
    assert_true(slice_equal(buffer_slice(&out), BYTES("\x08\x96\x01")));
    out = buffer_in(arena);
    wire_put_text(&out, 2, "testing");
    assert_true(slice_equal(buffer_slice(&out), BYTES("\x12\x07testing")));
    out = buffer_in(arena);
    size_t mark = wire_open(&out, 3);
    wire_put_varint(&out, 1, 150);
    wire_close(&out, mark);
    assert_true(slice_equal(buffer_slice(&out), BYTES("\x1a\x03\x08\x96\x01")));
    out = buffer_in(arena);
    wire_put_varint(&out, 2, (uint64_t)-2);
    assert_true(slice_equal(buffer_slice(&out), BYTES("\x10\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
    out = buffer_in(arena);
    wire_put_double(&out, 1, 1.0);
    assert_true(slice_equal(buffer_slice(&out), BYTES("\x09\0\0\0\0\0\0\xf0\x3f")));
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX };
    struct buffer out = buffer_in(arena);
    struct wire_field field;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        wire_put_varint(&out, (uint32_t)i * 1000 + 1, values[i]);
    wire_put_bytes(&out, (1u << 29) - 1, slice_of(NULL, 0));
    struct wire_reader reader = wire_read(buffer_slice(&out));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_true(wire_next(&reader, &field));
        assert_int_equal(field.number, i * 1000 + 1);
        assert_int_equal(field.type, WIRE_VARINT);
        assert_true(field.value == values[i]);
    }
    assert_true(wire_next(&reader, &field));
    assert_int_equal(field.number, (1u << 29) - 1);
    assert_int_equal(field.bytes.size, 0);
    assert_false(wire_next(&reader, &field));
    assert_false(reader.broken);
}

static void test_fixed_fields(void **state)
{
    (void)state;
    struct wire_reader reader = wire_read(BYTES("\x09\x01\x02\x03\x04\x05\x06\x07\x88\x15\x01\x02\x03\x84"));
    struct wire_field field;
    assert_true(wire_next(&reader, &field));
    assert_int_equal(field.type, WIRE_FIXED64);
    assert_true(field.value == 0x8807060504030201);
    assert_true(wire_next(&reader, &field));
    assert_int_equal(field.number, 2);
    assert_int_equal(field.type, WIRE_FIXED32);
    assert_true(field.value == 0x84030201);
}

/* A length of one byte, of two, of three: closing makes room for it. */
static void test_nested_messages_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 127, 128, 129, 16383, 16384, 40000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buffer out = buffer_in(arena);
        struct wire_field field;
        size_t outer = wire_open(&out, 1), inner = wire_open(&out, 2);
        for (size_t j = 0; j < sizes[i]; j++)
            buffer_byte(&out, (uint8_t)j);
        wire_close(&out, inner);
        wire_close(&out, outer);
        wire_put_varint(&out, 3, 7);
        assert_true(wire_find(buffer_slice(&out), 3, &field));
        assert_true(wire_find(buffer_slice(&out), 1, &field));
        assert_true(wire_find(field.bytes, 2, &field));
        assert_int_equal(field.bytes.size, sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(field.bytes.data[j], (uint8_t)j);
    }
}

static void test_find_gives_the_last(void **state)
{
    (void)state;
    struct buffer out = buffer_in(arena);
    struct wire_field field;
    wire_put_varint(&out, 1, 1);
    wire_put_varint(&out, 2, 5);
    wire_put_varint(&out, 1, 2);
    assert_true(wire_find(buffer_slice(&out), 1, &field));
    assert_int_equal(field.value, 2);
    assert_false(wire_find(buffer_slice(&out), 3, &field));
    assert_false(wire_find(slice_of(NULL, 0), 1, &field));
}

/* The bytes stand in memory of their own size, so that a sanitizer sees a step beyond. */
static void assert_broken(struct slice bytes)
{
    struct slice own = arena_copy(arena, bytes);
    struct wire_reader reader = wire_read(slice_of(own.data, bytes.size));
    struct wire_field field;
    while (wire_next(&reader, &field))
        assert_in_range((uintptr_t)reader.at, (uintptr_t)own.data, (uintptr_t)own.data + own.size);
    assert_true(reader.broken);
    assert_false(wire_next(&reader, &field)); /* and stays so */
    assert_false(wire_find(own, 1, &field));
}

static void test_broken_messages(void **state)
{
    (void)state;
    assert_broken(BYTES("\x08")); /* a tag without its value */
    assert_broken(BYTES("\x08\x80")); /* a varint without its end */
    assert_broken(BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")); /* of 65 bits */
    assert_broken(BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")); /* of 11 bytes */
    assert_broken(BYTES("\x0a\x02x")); /* bytes that are not there */
    assert_broken(BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x")); /* as many as there cannot be */
    assert_broken(BYTES("\x09\x01\x02\x03\x04\x05\x06\x07")); /* seven bytes of eight */
    assert_broken(BYTES("\x0d\x01\x02\x03")); /* three of four */
    assert_broken(BYTES("\x0b")); /* a group */
    assert_broken(BYTES("\x0c"));
    assert_broken(BYTES("\x0e\x01")); /* types that do not exist */
    assert_broken(BYTES("\x0f\x01"));
    assert_broken(BYTES("\x00\x01")); /* field 0 */
    assert_broken(BYTES("\x80\x80\x80\x80\x10\x01")); /* field 2^29 */
    assert_broken(BYTES("\x08\x01\x0a\x05"
                        "abc")); /* a good field first: it is not found either */
}

static void test_largest_varint(void **state)
{
    (void)state;
    struct wire_reader reader = wire_read(BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05"));
    uint64_t value = 0;
    assert_true(wire_varint(&reader, &value));
    assert_true(value == UINT64_MAX);
    assert_true(wire_varint(&reader, &value));
    assert_int_equal(value, 5);
    assert_false(wire_varint(&reader, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_written_as_the_guide_has_it),
        TEST(test_what_is_written_is_read),
        TEST(test_fixed_fields),
        TEST(test_nested_messages_of_any_size),
        TEST(test_find_gives_the_last),
        TEST(test_broken_messages),
        TEST(test_largest_varint),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
