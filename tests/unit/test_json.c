/* test_json.c -- values and complaints of the reader: RFC 6901 pointers, RFC 7396 patches, fields and parameters. */
#include "tests/unit/json_fixture.h"

/* ---- values: JSON to wire and back ---- */

#define EXACT "9007199254740991"

static const struct {
    const char *json;
    const char *back; /* NULL: the same text comes back */
} values[] = {
    { "{}", NULL },
    { "{\"flag\":true}", NULL },
    { "{\"flag\":false}", NULL },
    { "{\"small\":0}", NULL },
    { "{\"small\":-0}", "{\"small\":0}" },
    { "{\"small\":2147483647}", NULL },
    { "{\"small\":-2147483648}", NULL },
    { "{\"large\":" EXACT "}", NULL },
    { "{\"large\":-" EXACT "}", NULL },
    { "{\"large\":-0}", "{\"large\":0}" },
    { "{\"count\":4294967295}", NULL },
    { "{\"count\":-0}", "{\"count\":0}" },
    { "{\"total\":" EXACT "}", NULL },
    { "{\"ratio\":0.1}", NULL },
    { "{\"ratio\":0}", NULL },
    { "{\"ratio\":-0.0}", "{\"ratio\":-0}" },
    { "{\"ratio\":1.0}", "{\"ratio\":1}" },
    { "{\"ratio\":0.30000000000000004}", NULL },
    { "{\"ratio\":1e2}", "{\"ratio\":100}" },
    { "{\"ratio\":123456789012345678}", "{\"ratio\":123456789012345680}" },
    { "{\"ratio\":1e300}", "{\"ratio\":1e+300}" },
    { "{\"ratio\":1.7976931348623157e308}", "{\"ratio\":1.7976931348623157e+308}" },
    { "{\"ratio\":5e-324}", "{\"ratio\":4.94065645841247e-324}" },
    { "{\"ratio\":1e-400}", "{\"ratio\":0}" },
    { "{\"ratio\":-2.5}", NULL },
    { "{\"ratio\":1e-99999999999999999999}", "{\"ratio\":0}" },
    { "{\"ratio\":0e99999999999999999999}", "{\"ratio\":0}" },
    { "{\"ratio\":9007199254740993}", "{\"ratio\":9007199254740992}" },
    { "{\"ratio\":2.2250738585072011e-308}", "{\"ratio\":2.225073858507201e-308}" },
    { "{\"ratio\":1.7976931348623158e308}", "{\"ratio\":1.7976931348623157e+308}" },
    { "{\"ratio\":0.10000000000000000000000000000000000000000000000000000000000001}", "{\"ratio\":0.1}" },
    { "{\"title\":\"\"}", NULL },
    { "{\"title\":\"学生会\"}", NULL },
    { "{\"title\":\"\\u5b66\\ud83c\\udf89\\u00e9\"}", "{\"title\":\"学🎉é\"}" },
    { "{\"title\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u001F\"}", "{\"title\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\"}" },
    { "{\"title\":\"a longer text without any escape\"}", NULL },
    { "{\"title\":\"seven..\\nand then more of it\"}", NULL },
    { "{\"t\\u0069tle\":\"x\"}", "{\"title\":\"x\"}" },
    { "{\"digest\":\"\"}", NULL },
    { "{\"digest\":\"AA\"}", NULL },
    { "{\"digest\":\"AA==\"}", "{\"digest\":\"AA\"}" },
    { "{\"digest\":\"AAA=\"}", "{\"digest\":\"AAA\"}" },
    { "{\"digest\":\"-_-_\"}", NULL },
    { "{\"digest\":\"AAECAwQFBgcICQ\"}", NULL },
    { "{\"kind\":\"union\"}", NULL },
    { "{\"kind\":\"past\"}", NULL },
    { "{\"starts_at\":\"2026-09-01T08:00:00Z\"}", NULL },
    { "{\"starts_at\":\"2026-09-01T16:00:00.500+08:00\"}", "{\"starts_at\":\"2026-09-01T08:00:00.5Z\"}" },
    { "{\"venue\":{}}", NULL },
    { "{\"venue\":{\"name\":\"hall\",\"seats\":300,\"doors\":[\"a\",\"b\"]}}", NULL },
    { "{\"people\":[]}", "{}" },
    { "{\"people\":[{}]}", NULL },
    { "{\"people\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"tags\":[\"x\"]}", NULL },
    { "{\"tags\":[\"\",\"b\"]}", NULL },
    { "{\"sizes\":[]}", "{}" },
    { "{\"sizes\":[0]}", NULL },
    { "{\"sizes\":[1,-1,300]}", NULL },
    { "{\"ratios\":[0.5,1,-1e300]}", "{\"ratios\":[0.5,1,-1e+300]}" },
    { "{\"kinds\":[\"union\",\"past\"]}", NULL },
    { "{\"flag\":null,\"venue\":null,\"tags\":null,\"people\":null}", "{}" },
    { "{\"venue\":{\"name\":null}}", "{\"venue\":{}}" },
    { " { \"tags\" : [ \"x\" , \"y\" ] , \"sizes\" : [ ] } ", "{\"tags\":[\"x\",\"y\"]}" },
    { "{\"phone\":\"1\",\"email\":null}", "{\"phone\":\"1\"}" },
    { "{\"title\":\"z\",\"small\":1,\"flag\":true}", NULL }, /* in the order of the text */
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buffer wire;
        const char *said = read_as(&sample_message, slice_text(values[i].json), (struct json_options){ 0 }, &wire);
        assert_string_equal(said, "");
        assert_string_equal(written(buffer_slice(&wire)), values[i].back ? values[i].back : values[i].json);
    }
}

static void test_wire_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        struct slice wire;
    } cases[] = {
        { "{\"flag\":true}", TEXT("\x08\x01") },
        { "{\"small\":-1}", TEXT("\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01") },
        { "{\"ratio\":1}", TEXT("\x31\0\0\0\0\0\0\xF0\x3F") },
        { "{\"title\":\"ab\"}", TEXT("\x3A\x02"
                                     "ab") },
        { "{\"digest\":\"-_8\"}", TEXT("\x42\x02\xFB\xFF") },
        { "{\"kind\":\"society\"}", TEXT("\x48\x02") },
        { "{\"venue\":{\"seats\":300}}", TEXT("\x5A\x03\x10\xAC\x02") },
        { "{\"tags\":[\"a\",\"\"]}", TEXT("\x6A\x01"
                                          "a\x6A\x00") },
        { "{\"sizes\":[1,300]}", TEXT("\x72\x03\x01\xAC\x02") }, /* packed */
        { "{\"kinds\":[\"society\"]}", TEXT("\x82\x01\x01\x02") },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer wire;
        read_as(&sample_message, slice_text(cases[i].json), (struct json_options){ 0 }, &wire);
        assert_int_equal(wire.size, cases[i].wire.size);
        assert_memory_equal(wire.data, cases[i].wire.data, wire.size);
    }
}

/* ---- complaints ---- */

static const struct {
    const char *json, *complaints;
} refused[] = {
    { "[]", " wrong_type an object\n" },
    { "null", " wrong_type an object\n" },
    { "3", " wrong_type an object\n" },
    { "\"{}\"", " wrong_type an object\n" },
    { "{\"flag\":1}", "/flag wrong_type true or false\n" },
    { "{\"flag\":\"true\"}", "/flag wrong_type true or false\n" },
    { "{\"small\":1.0}", "/small wrong_type an integer\n" },
    { "{\"small\":1e3}", "/small wrong_type an integer\n" },
    { "{\"small\":0.0}", "/small wrong_type an integer\n" },
    { "{\"small\":1E0}", "/small wrong_type an integer\n" },
    { "{\"small\":1e-99999999999999999999}", "/small wrong_type an integer\n" },
    { "{\"small\":1e99999999999999999999}", "/small wrong_type an integer\n" },
    { "{\"small\":\"1\"}", "/small wrong_type an integer\n" },
    { "{\"small\":true}", "/small wrong_type an integer\n" },
    { "{\"small\":{\"a\":1}}", "/small wrong_type an integer\n" },
    { "{\"small\":[1]}", "/small wrong_type an integer\n" },
    { "{\"small\":2147483648}", "/small out_of_range -2147483648 to 2147483647\n" },
    { "{\"small\":-2147483649}", "/small out_of_range -2147483648 to 2147483647\n" },
    { "{\"large\":9007199254740992}", "/large out_of_range -9007199254740991 to 9007199254740991\n" },
    { "{\"large\":9007199254740993}", "/large out_of_range -9007199254740991 to 9007199254740991\n" },
    { "{\"large\":-9007199254740992}", "/large out_of_range -9007199254740991 to 9007199254740991\n" },
    { "{\"large\":9223372036854775808}", "/large out_of_range -9007199254740991 to 9007199254740991\n" },
    { "{\"large\":18446744073709551617}", "/large out_of_range -9007199254740991 to 9007199254740991\n" },
    { "{\"large\":99999999999999999999999999999999}", "/large out_of_range -9007199254740991 to 9007199254740991\n" },
    { "{\"large\":\"1\"}", "/large wrong_type an integer\n" },
    { "{\"total\":\"1\"}", "/total wrong_type an integer\n" },
    { "{\"count\":-1}", "/count out_of_range 0 to 4294967295\n" },
    { "{\"count\":4294967296}", "/count out_of_range 0 to 4294967295\n" },
    { "{\"total\":-1}", "/total out_of_range 0 to 9007199254740991\n" },
    { "{\"total\":9007199254740992}", "/total out_of_range 0 to 9007199254740991\n" },
    { "{\"ratio\":1e400}", "/ratio out_of_range -1.7976931348623157e308 to 1.7976931348623157e308\n" },
    { "{\"ratio\":-1e400}", "/ratio out_of_range -1.7976931348623157e308 to 1.7976931348623157e308\n" },
    { "{\"ratio\":1.7976931348623159e308}", "/ratio out_of_range -1.7976931348623157e308 to 1.7976931348623157e308\n" },
    { "{\"ratio\":1e99999999999999999999}", "/ratio out_of_range -1.7976931348623157e308 to 1.7976931348623157e308\n" },
    { "{\"ratio\":\"1\"}", "/ratio wrong_type a number\n" },
    { "{\"ratio\":\"NaN\"}", "/ratio wrong_type a number\n" },
    { "{\"ratio\":\"Infinity\"}", "/ratio wrong_type a number\n" },
    { "{\"title\":1}", "/title wrong_type a string\n" },
    { "{\"title\":[\"a\"]}", "/title wrong_type a string\n" },
    { "{\"digest\":\"A\"}", "/digest bad_format base64url\n" },
    { "{\"digest\":\"AB\"}", "/digest bad_format base64url\n" },
    { "{\"digest\":\"AA=\"}", "/digest bad_format base64url\n" },
    { "{\"digest\":\"=\"}", "/digest bad_format base64url\n" },
    { "{\"digest\":\"AAAA====\"}", "/digest bad_format base64url\n" },
    { "{\"digest\":\"+/+/\"}", "/digest bad_format base64url\n" },
    { "{\"digest\":\"AA AA\"}", "/digest bad_format base64url\n" },
    { "{\"digest\":1}", "/digest wrong_type base64url\n" },
    { "{\"kind\":\"club\"}", "/kind wrong_type one of: union, society, past\n" },
    { "{\"kind\":\"UNION\"}", "/kind wrong_type one of: union, society, past\n" },
    { "{\"kind\":\"\"}", "/kind wrong_type one of: union, society, past\n" },
    { "{\"kind\":1}", "/kind wrong_type one of: union, society, past\n" },
    { "{\"starts_at\":1}", "/starts_at wrong_type an instant such as 2026-09-01T08:00:00Z\n" },
    { "{\"starts_at\":\"2026-09-01\"}", "/starts_at bad_format an instant such as 2026-09-01T08:00:00Z\n" },
    { "{\"venue\":\"hall\"}", "/venue wrong_type an object\n" },
    { "{\"venue\":[{}]}", "/venue wrong_type an object\n" },
    { "{\"people\":{}}", "/people wrong_type an array\n" },
    { "{\"tags\":\"x\"}", "/tags wrong_type an array\n" },
    { "{\"tags\":[\"x\",null]}", "/tags/1 wrong_type a string\n" },
    { "{\"sizes\":[null]}", "/sizes/0 wrong_type an integer\n" },
    { "{\"people\":[{},null]}", "/people/1 wrong_type an object\n" },
    { "{\"people\":[{},{},{\"seats\":\"x\"},{\"name\":2}]}",
      "/people/2/seats wrong_type an integer\n/people/3/name wrong_type a string\n" },
    { "{\"nobody\":{\"a\":[1,2,{}]},\"small\":1}", "/nobody unknown_field -\n" },
    { "{\"titl\":1,\"titles\":1,\"\":1}", "/titl unknown_field -\n/titles unknown_field -\n/ unknown_field -\n" },
    { "{\"a/b~c\":1,\"venue\":{\"~\":2}}", "/a~1b~0c unknown_field -\n/venue/~0 unknown_field -\n" },
    { "{\"学\":1}", "/学 unknown_field -\n" },
    { "{\"flag\":true,\"flag\":true}", "/flag duplicate_key -\n" },
    { "{\"flag\":null,\"flag\":true}", "/flag duplicate_key -\n" },
    { "{\"fl\\u0061g\":true,\"flag\":true}", "/flag duplicate_key -\n" },
    { "{\"starts_at\":null,\"startsAt\":null}", "/startsAt unknown_field -\n" },
    { "{\"people\":[{\"name\":\"a\",\"name\":\"a\"}]}", "/people/0/name duplicate_key -\n" },
    { "{\"venue\":{\"seats\":1,\"seats\":1}}", "/venue/seats duplicate_key -\n" },
    { "{\"version\":3}", "/version output_only -\n" },
    { "{\"photo\":\"AA\"}", "/photo unknown_field -\n" },
    { "{\"id\":\"x\"}", "/id unknown_field -\n" }, /* taken: the path has given it */
    { "{\"email\":\"a\",\"phone\":\"b\"}", "/phone one_of email, phone\n" },
    { "{\"flag\":1,\"small\":true,\"ratio\":{}}",
      "/flag wrong_type true or false\n/small wrong_type an integer\n/ratio wrong_type a number\n" },
    { "{\"flag\":1,\"small\":}", " bad_json a value is missing at byte 18\n" }, /* outweighs the first */
};

static void test_refused(void **state)
{
    (void)state;
    const uint64_t taken = UINT64_C(1) << SAMPLE_ID;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct buffer wire;
        const char *said =
            read_as(&sample_message, slice_text(refused[i].json), (struct json_options){ .taken = &taken }, &wire);
        assert_string_equal(said, refused[i].complaints);
    }
}

static void test_problem_status(void **state)
{
    (void)state;
    static const struct {
        const char *json, *code;
        enum status status;
    } cases[] = {
        { "{\"flag\":1}", "invalid", STATUS_INVALID },
        { "{\"flag\":1", "bad_json", STATUS_BAD_REQUEST },
        { "{\"flag\":true,\"flag\":true}", "duplicate_key", STATUS_BAD_REQUEST },
        { "[]", "invalid", STATUS_INVALID },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct problem problem = { 0 };
        struct buffer wire = buffer_in(arena);
        assert_false(json_to_wire(arena, &sample_message, slice_text(cases[i].json), (struct json_options){ 0 }, &wire,
                                  NULL, &problem));
        assert_int_equal(problem.status, cases[i].status);
        assert_string_equal(problem.code, cases[i].code);
    }
}

/* What was said before the body was looked at stays. */
static void test_earlier_complaints(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    struct buffer wire = buffer_in(arena);
    problem_add(arena, &problem, "page_size", "bad_parameter", "an integer");
    assert_false(json_to_wire(arena, &sample_message, slice_text("{\"flag\":1,"), (struct json_options){ 0 }, &wire,
                              NULL, &problem));
    assert_string_equal(complaints(&problem),
                        "page_size bad_parameter an integer\n bad_json a key is missing at byte 10\n");
}

static void test_most_complaints(void **state)
{
    (void)state;
    struct buffer json = buffer_in(arena), wire = buffer_in(arena);
    struct problem problem = { 0 };
    buffer_text(&json, "{\"tags\":[0");
    for (int i = 0; i < 1000; i++)
        buffer_text(&json, ",1");
    buffer_text(&json, "]}");
    assert_false(
        json_to_wire(arena, &sample_message, buffer_slice(&json), (struct json_options){ 0 }, &wire, NULL, &problem));
    assert_int_equal(problem.count, MOST_VIOLATIONS);
    assert_string_equal(problem.last->pointer, "/tags/49");
}

/* ---- merge patches ---- */

static const struct {
    const char *json, *paths, *back;
} patches[] = {
    { "{}", "", "{}" },
    { "{\"title\":\"t\",\"small\":null}", "title small ", "{\"title\":\"t\"}" },
    { "{\"tags\":[],\"sizes\":[1]}", "tags sizes ", "{\"sizes\":[1]}" },
    { "{\"tags\":null}", "tags ", "{}" },
    { "{\"venue\":{}}", "", "{\"venue\":{}}" },
    { "{\"venue\":{\"seats\":null,\"name\":\"n\",\"doors\":[\"a\"]}}", "venue.seats venue.name venue.doors ",
      "{\"venue\":{\"name\":\"n\",\"doors\":[\"a\"]}}" },
    { "{\"venue\":null}", "venue venue.name venue.seats venue.doors ", "{}" },
    { "{\"people\":[{\"name\":\"a\",\"seats\":null}]}", "people ", "{\"people\":[{\"name\":\"a\"}]}" },
};

static void test_patches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        struct buffer wire = buffer_in(arena), paths = buffer_in(arena);
        struct json_set set = { 0 };
        struct problem problem = { 0 };
        assert_true(json_to_wire(arena, &sample_message, slice_text(patches[i].json),
                                 (struct json_options){ .patch = true }, &wire, &set, &problem));
        for (size_t p = 0; p < set.count; p++)
            buffer_printf(&paths, "%s ", set.paths[p]);
        assert_string_equal(buffer_cstring(&paths), patches[i].paths);
        assert_string_equal(written(buffer_slice(&wire)), patches[i].back);
    }
}

/* ---- one field, as a jsonb column holds it ---- */

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        int field;
        const char *json, *back, *complaints;
    } cases[] = {
        { SAMPLE_PEOPLE, "[{\"name\": \"a\", \"seats\": null}, {\"seats\": 2}]",
          "{\"people\":[{\"name\":\"a\"},{\"seats\":2}]}", "" },
        { SAMPLE_PEOPLE, "[]", "{}", "" },
        { SAMPLE_PEOPLE, "null", "{}", "" },
        { SAMPLE_VENUE, "{\"name\": \"hall\"}", "{\"venue\":{\"name\":\"hall\"}}", "" },
        { SAMPLE_VERSION, "7", "{\"version\":7}", "" },
        { SAMPLE_STARTS_AT, "\"2026-09-01T16:00:00.000001+08:00\"", "{\"starts_at\":\"2026-09-01T08:00:00.000001Z\"}",
          "" },
        { SAMPLE_SIZES, "[1, 2]", "{\"sizes\":[1,2]}", "" },
        { SAMPLE_PEOPLE, "[{\"nane\": 1}]", "{\"people\":[{}]}", "/people/0/nane unknown_field -\n" },
        { SAMPLE_SMALL, "1 2", "{\"small\":1}", " bad_json something behind the end at byte 2\n" },
        { SAMPLE_SMALL, "", "{}", " bad_json an end too early at byte 0\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer wire = buffer_in(arena);
        struct problem problem = { 0 };
        bool read = json_field_to_wire(arena, &sample_message.fields[cases[i].field], slice_text(cases[i].json), &wire,
                                       &problem);
        assert_string_equal(complaints(&problem), cases[i].complaints);
        assert_int_equal(read, problem.status == STATUS_OK);
        assert_string_equal(written(buffer_slice(&wire)), cases[i].back);
    }
}

/* ---- parameters ---- */

static void test_parameters(void **state)
{
    (void)state;
    static const struct {
        int field;
        struct slice text;
        const char *should, *back;
    } cases[] = {
        { SAMPLE_FLAG, TEXT("true"), NULL, "{\"flag\":true}" },
        { SAMPLE_FLAG, TEXT("false"), NULL, "{\"flag\":false}" },
        { SAMPLE_FLAG, TEXT("1"), "true or false", "{}" },
        { SAMPLE_SMALL, TEXT("42"), NULL, "{\"small\":42}" },
        { SAMPLE_SMALL, TEXT("-42"), NULL, "{\"small\":-42}" },
        { SAMPLE_SMALL, TEXT("042"), "an integer", "{}" },
        { SAMPLE_SMALL, TEXT(" 42"), "an integer", "{}" },
        { SAMPLE_SMALL, TEXT("42 "), "an integer", "{}" },
        { SAMPLE_SMALL, TEXT("4.2"), "an integer", "{}" },
        { SAMPLE_SMALL, TEXT(""), "an integer", "{}" },
        { SAMPLE_SMALL, TEXT("2147483648"), "an integer from -2147483648 to 2147483647", "{}" },
        { SAMPLE_RATIO, TEXT("0.5"), NULL, "{\"ratio\":0.5}" },
        { SAMPLE_RATIO, TEXT("nan"), "a number", "{}" },
        { SAMPLE_RATIO, TEXT("1e999"), "a number", "{}" },
        { SAMPLE_TITLE, TEXT("a\"b"), NULL, "{\"title\":\"a\\\"b\"}" },
        { SAMPLE_TITLE, TEXT(""), NULL, "{\"title\":\"\"}" },
        { SAMPLE_TITLE, TEXT("\xFF"), "UTF-8 text", "{}" },
        { SAMPLE_TITLE, TEXT("a\0b"), "UTF-8 text", "{}" },
        { SAMPLE_DIGEST, TEXT("AA=="), NULL, "{\"digest\":\"AA\"}" },
        { SAMPLE_DIGEST, TEXT("%"), "base64url", "{}" },
        { SAMPLE_KIND, TEXT("society"), NULL, "{\"kind\":\"society\"}" },
        { SAMPLE_KIND, TEXT("club"), "one of: union, society, past", "{}" },
        { SAMPLE_STARTS_AT, TEXT("2026-09-01T08:00:00Z"), NULL, "{\"starts_at\":\"2026-09-01T08:00:00Z\"}" },
        { SAMPLE_STARTS_AT, TEXT("today"), "an instant such as 2026-09-01T08:00:00Z", "{}" },
        { SAMPLE_SIZES, TEXT("7"), NULL, "{\"sizes\":[7]}" },
        { SAMPLE_TAGS, TEXT("x"), NULL, "{\"tags\":[\"x\"]}" },
        { SAMPLE_VENUE, TEXT("{}"), "a scalar", "{}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer wire = buffer_in(arena);
        struct slice text = exact(cases[i].text);
        const char *should = json_scalar_from_text(&sample_message.fields[cases[i].field], text, &wire);
        release(text);
        assert_string_equal(should ? should : "", cases[i].should ? cases[i].should : "");
        assert_string_equal(written(buffer_slice(&wire)), cases[i].back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values),
        TEST(test_wire_bytes),
        TEST(test_refused),
        TEST(test_problem_status),
        TEST(test_earlier_complaints),
        TEST(test_most_complaints),
        TEST(test_patches),
        TEST(test_fields),
        TEST(test_parameters),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
