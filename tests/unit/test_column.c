/* test_column.c -- PostgreSQL's binary values as fields, each type at its edges. */
#include "tests/unit/arena_fixture.h"

#include "common/column.h"
#include "common/oid.h"
#include "common/parameter.h"
#include "common/wire.h"
#include "tests/unit/sample_message.h"

static const struct field *sample(int index)
{
    return &sample_message.fields[index];
}

static struct slice big_endian(int64_t value, size_t size)
{
    uint8_t *bytes = arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((uint64_t)value >> (8 * (size - 1 - i)));
    return slice_of(bytes, size);
}

/* The field's value as SQL would write it, once put; "" where it stays absent, "refused" where it does not fit. */
static const char *put(Oid oid, int index, struct slice value)
{
    struct buffer out = buffer_in(arena);
    const struct column_type *type = column_type_find(oid);
    assert_non_null(type);
    assert_true(type->fits(sample(index)));
    if (!type->put(&out, sample(index), value))
        return "refused";
    const char *text = parameter_text(arena, sample(index), buffer_slice(&out));
    return text ? text : "";
}

/* ---- which type fits which field ---- */

/* Every column type against every field: those that fit, by the field's name. */
static const char *fitting(Oid oid)
{
    struct buffer names = buffer_in(arena);
    const struct column_type *type = column_type_find(oid);
    assert_non_null(type);
    assert_int_equal(type->oid, oid);
    for (int i = 0; i < SAMPLE_FIELDS; i++)
        if (type->fits(sample(i)))
            buffer_printf(&names, "%s ", sample(i)->name);
    return buffer_cstring(&names);
}

static void test_what_fits(void **state)
{
    (void)state;
    static const struct {
        Oid oid;
        const char *fields;
    } cases[] = {
        { OID_BOOL, "flag " },
        { OID_BYTEA, "digest photo " },
        { OID_INT2, "small large count total version " },
        { OID_INT4, "small large count total version " },
        { OID_INT8, "small large count total version " },
        { OID_TEXT, "title kind id email phone " },
        { OID_VARCHAR, "title kind id email phone " },
        { OID_FLOAT8, "ratio " },
        { OID_DATE, "title id email phone " },
        { OID_TIMESTAMPTZ, "starts_at " },
        { OID_UUID, "title id email phone " },
        { OID_JSONB, "title venue people id email phone " },
        { OID_TEXT_ARRAY, "tags kinds " },
        { OID_INT8_ARRAY, "sizes " },
        { OID_UUID_ARRAY, "tags " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(fitting(cases[i].oid), cases[i].fields);
    assert_null(column_type_find(1700)); /* numeric */
    assert_null(column_type_find(OID_FIRST_EXTENSION));
    assert_null(column_type_find(0));
}

/* ---- scalars ---- */

static void test_integers(void **state)
{
    (void)state;
    assert_string_equal(put(OID_INT2, SAMPLE_SMALL, big_endian(-2, 2)), "-2");
    assert_string_equal(put(OID_INT4, SAMPLE_SMALL, big_endian(INT32_MIN, 4)), "-2147483648");
    assert_string_equal(put(OID_INT4, SAMPLE_LARGE, big_endian(INT32_MAX, 4)), "2147483647");
    assert_string_equal(put(OID_INT8, SAMPLE_LARGE, big_endian(INT64_MIN, 8)), "-9223372036854775808");
    assert_string_equal(put(OID_INT8, SAMPLE_LARGE, big_endian(INT64_MAX, 8)), "9223372036854775807");
    assert_string_equal(put(OID_INT8, SAMPLE_LARGE, big_endian(0, 8)), "0"); /* present */
}

static void test_other_scalars(void **state)
{
    (void)state;
    static const uint8_t uuid[] = { 0x01, 0x90, 0xab, 0xcd, 0xef, 0x00, 0x70, 0x01, 0x80, 0x02, 3, 4, 5, 6, 7, 0xff };
    assert_string_equal(put(OID_BOOL, SAMPLE_FLAG, big_endian(1, 1)), "true");
    assert_string_equal(put(OID_BOOL, SAMPLE_FLAG, big_endian(0, 1)), "false");
    assert_string_equal(put(OID_TEXT, SAMPLE_TITLE, slice_text("社团")), "社团");
    assert_string_equal(put(OID_TEXT, SAMPLE_KIND, slice_text("society")), "society");
    assert_string_equal(put(OID_TEXT, SAMPLE_KIND, slice_text("past")), "past"); /* a negative number */
    assert_string_equal(put(OID_TEXT, SAMPLE_KIND, slice_text("societ")), "refused");
    assert_string_equal(put(OID_BYTEA, SAMPLE_DIGEST, slice_text("\x01z")), "\\x017a");
    assert_string_equal(put(OID_FLOAT8, SAMPLE_RATIO, big_endian(0x3ff8000000000000, 8)), "1.5");
    assert_string_equal(put(OID_UUID, SAMPLE_ID, slice_of(uuid, 16)), "0190abcd-ef00-7001-8002-0304050607ff");
    assert_string_equal(put(OID_UUID, SAMPLE_ID, slice_of(uuid, 15)), "refused");
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t days; /* since 2000 */
        const char *text;
    } cases[] = {
        { 0, "2000-01-01" },       { -1, "1999-12-31" },      { 59, "2000-02-29" },    { 60, "2000-03-01" },
        { 365, "2000-12-31" },     { 366, "2001-01-01" },     { 8825, "2024-02-29" },  { -36466, "1900-02-28" },
        { -36465, "1900-03-01" },  { 36583, "2100-02-28" },   { 36584, "2100-03-01" }, { -10957, "1970-01-01" },
        { -730119, "0001-01-01" }, { 2921939, "9999-12-31" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice value = big_endian(cases[i].days, 4);
        assert_string_equal(put(OID_DATE, SAMPLE_TITLE, value), cases[i].text);
        assert_string_equal(column_text(arena, OID_DATE, value), cases[i].text);
    }
    assert_string_equal(put(OID_DATE, SAMPLE_TITLE, big_endian(INT32_MAX, 4)), "");
    assert_string_equal(put(OID_DATE, SAMPLE_TITLE, big_endian(INT32_MIN, 4)), "");
}

static void test_instants(void **state)
{
    (void)state;
    assert_string_equal(put(OID_TIMESTAMPTZ, SAMPLE_STARTS_AT, big_endian(0, 8)), "2000-01-01T00:00:00Z");
    assert_string_equal(put(OID_TIMESTAMPTZ, SAMPLE_STARTS_AT, big_endian(-1, 8)), "1999-12-31T23:59:59.999999Z");
    assert_string_equal(put(OID_TIMESTAMPTZ, SAMPLE_STARTS_AT, big_endian(INT64_MAX, 8)), "");
    assert_string_equal(put(OID_TIMESTAMPTZ, SAMPLE_STARTS_AT, big_endian(INT64_MIN, 8)), "");
    /* The largest that PostgreSQL knows is beyond int64 when it is counted from 1970. */
    assert_string_not_equal(put(OID_TIMESTAMPTZ, SAMPLE_STARTS_AT, big_endian(9223371331199999999, 8)), "refused");
}

/* ---- jsonb ---- */

static void test_jsonb(void **state)
{
    (void)state;
    struct buffer out = buffer_in(arena);
    const struct column_type *type = column_type_find(OID_JSONB);
    assert_string_equal(put(OID_JSONB, SAMPLE_TITLE, slice_text("\x01{\"a\": 1}")), "{\"a\": 1}");
    assert_string_equal(put(OID_JSONB, SAMPLE_TITLE, slice_text("\x02{}")), "refused"); /* an unknown version */
    assert_string_equal(put(OID_JSONB, SAMPLE_TITLE, slice_text("")), "refused");
    assert_true(type->put(&out, sample(SAMPLE_PEOPLE), slice_text("\x01[{\"name\": \"A\"}, {\"name\": \"B\"}]")));
    struct wire_reader reader = wire_read(buffer_slice(&out));
    struct wire_field field;
    for (int i = 0; i < 2; i++) {
        assert_true(wire_next(&reader, &field));
        assert_int_equal(field.number, sample(SAMPLE_PEOPLE)->number);
        assert_string_equal(parameter_text(arena, &sample_venue.fields[0], field.bytes), i ? "B" : "A");
    }
    assert_false(wire_next(&reader, &field));
    assert_false(type->put(&out, sample(SAMPLE_VENUE), slice_text("\x01{\"colour\": 1}")));
}

/* ---- arrays ---- */

static void put_word(struct buffer *out, int64_t word)
{
    struct slice bytes = big_endian(word, 4);
    buffer_add(out, bytes.data, bytes.size);
}

/* One dimension of texts, NULL for NULL, as array_send writes it. */
static struct buffer array_of(Oid element, const char *const *texts, size_t count)
{
    struct buffer out = buffer_in(arena);
    put_word(&out, count > 0);
    put_word(&out, 0);
    put_word(&out, element);
    if (count == 0)
        return out;
    put_word(&out, (int64_t)count);
    put_word(&out, 1);
    for (size_t i = 0; i < count; i++) {
        put_word(&out, texts[i] ? (int64_t)strlen(texts[i]) : -1);
        buffer_text(&out, texts[i] ? texts[i] : "");
    }
    return out;
}

static void test_arrays(void **state)
{
    (void)state;
    static const char *const texts[] = { "a", "", "b\"c" }, *const kinds[] = { "society", "union" };
    struct buffer array = array_of(OID_TEXT, texts, 3), none = array_of(OID_TEXT, NULL, 0);
    struct buffer known = array_of(OID_TEXT, kinds, 2);
    assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_TAGS, buffer_slice(&array)), "{\"a\",\"\",\"b\\\"c\"}");
    assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_TAGS, buffer_slice(&none)), "");
    assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_KINDS, buffer_slice(&known)), "{\"society\",\"union\"}");
    assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_KINDS, buffer_slice(&array)), "refused");
    struct buffer sizes = array_of(OID_INT8, (const char *const[]){ "\x01\x01\x01\x01\x01\x01\x01\x01" }, 1);
    assert_string_equal(put(OID_INT8_ARRAY, SAMPLE_SIZES, buffer_slice(&sizes)), "{\"72340172838076673\"}");
}

static void test_broken_arrays(void **state)
{
    (void)state;
    static const char *const texts[] = { "a", "bc" }, *const with_null[] = { "a", NULL, "b" };
    struct buffer array = array_of(OID_TEXT, texts, 2), null = array_of(OID_TEXT, with_null, 3);
    struct buffer strange = array_of(1700, texts, 2);
    for (size_t size = 0; size < array.size; size++) /* each in memory of its own size */
        assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_TAGS, arena_copy(arena, slice_of(array.data, size))), "refused");
    assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_TAGS, buffer_slice(&null)), "refused");
    assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_TAGS, buffer_slice(&strange)), "refused");
    array.data[3] = 2; /* two dimensions */
    assert_string_equal(put(OID_TEXT_ARRAY, SAMPLE_TAGS, buffer_slice(&array)), "refused");
}

/* ---- as text, for page tokens ---- */

static void test_text(void **state)
{
    (void)state;
    static const uint8_t uuid[16] = { 0xff };
    assert_string_equal(column_text(arena, OID_TEXT, slice_text("张")), "张");
    assert_string_equal(column_text(arena, OID_VARCHAR, slice_of("ab", 1)), "a");
    assert_string_equal(column_text(arena, OID_INT2, big_endian(-1, 2)), "-1");
    assert_string_equal(column_text(arena, OID_INT8, big_endian(INT64_MIN, 8)), "-9223372036854775808");
    assert_string_equal(column_text(arena, OID_UUID, slice_of(uuid, 16)), "ff000000-0000-0000-0000-000000000000");
    assert_string_equal(column_text(arena, OID_TIMESTAMPTZ, big_endian(1, 8)), "2000-01-01T00:00:00.000001Z");
    assert_null(column_text(arena, OID_JSONB, slice_text("\x01{}")));
    assert_null(column_text(arena, OID_TEXT_ARRAY, slice_text("")));
}

/* A list in the order of an end that is open must find its next page too. */
static void test_text_of_infinities(void **state)
{
    (void)state;
    assert_string_equal(column_text(arena, OID_TIMESTAMPTZ, big_endian(INT64_MAX, 8)), "infinity");
    assert_string_equal(column_text(arena, OID_TIMESTAMPTZ, big_endian(INT64_MIN, 8)), "-infinity");
    assert_string_equal(column_text(arena, OID_DATE, big_endian(INT32_MAX, 4)), "infinity");
    assert_string_equal(column_text(arena, OID_DATE, big_endian(INT32_MIN, 4)), "-infinity");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_fits),     TEST(test_integers),
        TEST(test_other_scalars), TEST(test_dates),
        TEST(test_instants),      TEST(test_jsonb),
        TEST(test_arrays),        TEST(test_broken_arrays),
        TEST(test_text),          TEST(test_text_of_infinities),
    };
    return cmocka_run_group_tests_name("column", tests, NULL, NULL);
}
