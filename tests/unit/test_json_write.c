/* test_json_write.c -- wire format out as JSON, and wire format that is none. */
#include "tests/unit/json_fixture.h"

/* ---- out ---- */

static void test_write(void **state)
{
    (void)state;
    static const struct {
        struct slice wire;
        const char *json; /* NULL: no message */
    } cases[] = {
        { TEXT(""), "{}" },
        { TEXT("\x70\x01\x70\x02"), "{\"sizes\":[1,2]}" }, /* not packed */
        { TEXT("\x70\x01\x72\x02\x02\x03\x70\x04"), "{\"sizes\":[1,2,3,4]}" },
        { TEXT("\x72\x00"), "{}" },
        { TEXT("\xFA\x06\x03xyz\x08\x01"), "{\"flag\":true}" }, /* an unknown field */
        { TEXT("\x48\x63\x08\x01"), "{\"flag\":true}" }, /* an unknown value of an enum */
        { TEXT("\x82\x01\x03\x01\x63\x02"), "{\"kinds\":[\"union\",\"society\"]}" },
        { TEXT("\x31\0\0\0\0\0\0\xF8\x7F"), "{\"ratio\":null}" }, /* not a number */
        { TEXT("\x50\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), "{\"starts_at\":\"9999-12-31T23:59:59.999999Z\"}" },
        { TEXT("\x08"), NULL },
        { TEXT("\x08\x80"), NULL },
        { TEXT("\x3A\x05"
               "ab"),
          NULL },
        { TEXT("\x3B"), NULL },
        { TEXT("\x0A\x01x"), NULL }, /* a bool as bytes */
        { TEXT("\x38\x01"), NULL }, /* a string as a varint */
        { TEXT("\x72\x01\x80"), NULL },
        { TEXT("\x7A\x03"
               "abc"),
          NULL }, /* doubles of three bytes */
        { TEXT("\x5A\x01\x08"), NULL }, /* broken inside */
        { TEXT("\x08\x01\x08\x01"), NULL }, /* the key would stand twice */
        { TEXT("\x6A\x01x\x08\x01\x6A\x01x"), NULL },
        { TEXT("\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), NULL }, /* beyond 2^53 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer json = buffer_in(arena);
        struct slice wire = exact(cases[i].wire);
        assert_int_equal(json_from_wire(&sample_message, wire, &json), cases[i].json != NULL);
        release(wire);
        if (cases[i].json)
            assert_string_equal(buffer_cstring(&json), cases[i].json);
    }
}

static void test_empty_rows(void **state)
{
    (void)state;
    static const struct field fields[] = {
        { .name = "people",
          .number = 1,
          .type = FIELD_MESSAGE,
          .repeated = true,
          .rows = true,
          .message = &sample_venue },
        { .name = "next_page_token", .number = 2, .index = 1, .type = FIELD_STRING },
    };
    static const struct field *const numbers[] = { NULL, &fields[0], &fields[1] };
    static const struct message list = {
        .name = "List", .count = 2, .fields = fields, .by_number = numbers, .largest = 2
    };
    static const struct {
        struct slice wire;
        const char *json;
    } cases[] = {
        { TEXT(""), "{\"people\":[]}" },
        { TEXT("\x12\x01x"), "{\"next_page_token\":\"x\",\"people\":[]}" },
        { TEXT("\x0A\x00"), "{\"people\":[{}]}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer json = buffer_in(arena);
        assert_true(json_from_wire(&list, cases[i].wire, &json));
        assert_string_equal(buffer_cstring(&json), cases[i].json);
    }
}

static void test_strings(void **state)
{
    (void)state;
    struct buffer json = buffer_in(arena);
    json_put_string(&json, slice_of(NULL, 0));
    json_put_string(&json, slice_text("\x01\x1f\"\\/\x7f 学 12345678\n12345678"));
    assert_string_equal(buffer_cstring(&json), "\"\"\"\\u0001\\u001f\\\"\\\\/\x7f 学 12345678\\n12345678\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_write),
        TEST(test_empty_rows),
        TEST(test_strings),
    };
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
