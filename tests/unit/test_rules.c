/* test_rules.c -- what the contract asks of values, and how a complaint points to its place. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "tests/unit/contract_fixture.h"
#include "tests/unit/json_fixture.h"

#include "common/rules.h"

#include <pcre2.h>

#define TEN "1234567890"

static const struct field text_field = { .name = "t", .type = FIELD_STRING, .rules = { .max_length = 200 } };
static const struct field lines_field = { .name = "t",
                                          .type = FIELD_STRING,
                                          .rules = { .format = FORMAT_LINES, .max_length = 200 } };
static const struct field brief_field = { .name = "t",
                                          .type = FIELD_STRING,
                                          .rules = { .min_length = 2, .max_length = 4 } };
static const struct field uuid_field = { .name = "t",
                                         .type = FIELD_STRING,
                                         .rules = { .format = FORMAT_UUID, .max_length = 200 } };
static const struct field date_field = { .name = "t",
                                         .type = FIELD_STRING,
                                         .rules = { .format = FORMAT_DATE, .max_length = 200 } };
static const struct field path_field = { .name = "t",
                                         .type = FIELD_STRING,
                                         .rules = { .format = FORMAT_PATH, .max_length = 1000 } };
static const struct field any_field = { .name = "t",
                                        .type = FIELD_STRING,
                                        .rules = { .format = FORMAT_ANY, .max_length = 200 } };

static const struct {
    const struct field *field;
    struct slice text;
    const char *code, *argument;
} texts[] = {
    { &text_field, TEXT(""), NULL, NULL },
    { &text_field, TEXT("  "), NULL, NULL },
    { &text_field, TEXT("学生会"), NULL, NULL },
    { &text_field, TEXT("a\nb"), "bad_text", "free of control characters" },
    { &text_field, TEXT("cafe\xCC\x81"), "bad_text", "in Unicode normalization form C" },
    { &text_field, TEXT("\xFF"), "bad_text", "UTF-8" },
    { &lines_field, TEXT("a\n\tb\r\n"), NULL, NULL },
    { &lines_field, TEXT("a\x01"), "bad_text", "free of control characters" },
    { &any_field, TEXT("a\x01\ncafe\xCC\x81"), NULL, NULL },
    { &any_field, TEXT("a\0b"), "bad_text", "free of NUL" },
    { &brief_field, TEXT("a"), "too_short", "2" },
    { &brief_field, TEXT("会"), "too_short", "2" },
    { &brief_field, TEXT("学生"), NULL, NULL },
    { &brief_field, TEXT("学生会员"), NULL, NULL },
    { &brief_field, TEXT("学生会员们"), "too_long", "4" },
    { &brief_field, TEXT("abcde"), "too_long", "4" },
    { &uuid_field, TEXT("0190a6c5-7b1e-7c3d-8f00-0123456789ab"), NULL, NULL },
    { &uuid_field, TEXT("0190A6C5-7b1e-7c3d-8f00-0123456789ab"), "bad_format", "a UUID" },
    { &uuid_field, TEXT("0190a6c5-7b1e-7c3d-8f00-0123456789a"), "bad_format", "a UUID" },
    { &uuid_field, TEXT("0190a6c5-7b1e-7c3d-8f000-123456789ab"), "bad_format", "a UUID" },
    { &uuid_field, TEXT("{190a6c5-7b1e-7c3d-8f00-0123456789ab"), "bad_format", "a UUID" },
    { &uuid_field, TEXT(""), "bad_format", "a UUID" },
    { &date_field, TEXT("2026-09-01"), NULL, NULL },
    { &date_field, TEXT("2024-02-29"), NULL, NULL },
    { &date_field, TEXT("2000-02-29"), NULL, NULL },
    { &date_field, TEXT("0001-01-01"), NULL, NULL },
    { &date_field, TEXT("9999-12-31"), NULL, NULL },
    { &date_field, TEXT("2023-02-29"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("1900-02-29"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("2026-04-31"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("2026-13-01"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("2026-00-01"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("2026-01-00"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("0000-01-01"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("2026/09/01"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("2026-9-01"), "bad_format", "a date YYYY-MM-DD" },
    { &date_field, TEXT("2026-09-011"), "bad_format", "a date YYYY-MM-DD" },
    { &path_field, TEXT("su"), NULL, NULL },
    { &path_field, TEXT("su.learning_2.x"), NULL, NULL },
    { &path_field, TEXT(TEN TEN TEN TEN), NULL, NULL },
    { &path_field, TEXT(TEN TEN TEN TEN "1"), "bad_format", "a path of labels a-z, 0-9, _" },
    { &path_field, TEXT("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p"), NULL, NULL },
    { &path_field, TEXT("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q"), "bad_format", "a path of labels a-z, 0-9, _" },
    { &path_field, TEXT(""), "bad_format", "a path of labels a-z, 0-9, _" },
    { &path_field, TEXT(".a"), "bad_format", "a path of labels a-z, 0-9, _" },
    { &path_field, TEXT("a."), "bad_format", "a path of labels a-z, 0-9, _" },
    { &path_field, TEXT("a..b"), "bad_format", "a path of labels a-z, 0-9, _" },
    { &path_field, TEXT("A"), "bad_format", "a path of labels a-z, 0-9, _" },
    { &path_field, TEXT("学生会"), "bad_format", "a path of labels a-z, 0-9, _" },
};

static void same_text(const char *actual, const char *expected)
{
    if (!expected)
        assert_null(actual);
    else
        assert_string_equal(actual, expected);
}

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *argument = NULL;
        same_text(rules_text(arena, texts[i].field, texts[i].text, &argument), texts[i].code);
        same_text(argument, texts[i].argument);
    }
}

static pcre2_code *compile(const char *pattern)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &at, NULL);
    assert_non_null(code);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

static bool matches(const char *pattern, struct slice text)
{
    pcre2_code *code = compile(pattern);
    const struct field field = { .type = FIELD_STRING,
                                 .rules = { .pattern = pattern, .compiled = code, .max_length = 1000 } };
    const char *argument = NULL, *complaint = rules_text(arena, &field, text, &argument);
    if (complaint) {
        assert_string_equal(complaint, "bad_format");
        assert_string_equal(argument, arena_printf(arena, "a match of %s", pattern));
    }
    pcre2_code_free(code);
    return !complaint;
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(matches("[0-9]{4}", slice_text("2026")));
    assert_false(matches("[0-9]{4}", slice_text("20261")));
    assert_false(matches("[0-9]{4}", slice_text("x2026")));
    assert_true(matches("\\p{Han}+", slice_text("学生会")));
    assert_true(matches("a*", slice_of(NULL, 0)));
    assert_false(matches("a+", slice_of(NULL, 0)));
    /* Exponential without a limit on its steps. */
    assert_false(matches("(a+)+(b+)+c", slice_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbb")));
}

static void test_integers(void **state)
{
    static const struct field both = { .rules = { .has_min = true, .has_max = true, .min = 1, .max = 200 } };
    static const struct field low = { .rules = { .has_min = true, .min = 1 } };
    static const struct field high = { .rules = { .has_max = true, .max = -5 } };
    static const struct {
        const struct field *field;
        int64_t value;
        const char *argument;
    } cases[] = {
        { &both, 1, NULL },         { &both, 200, NULL },        { &both, 0, "1 to 200" },
        { &both, 201, "1 to 200" }, { &low, INT64_MAX, NULL },   { &low, 0, "at least 1" },
        { &high, -5, NULL },        { &high, -4, "at most -5" }, { &text_field, -1, NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argument = NULL;
        const char *code = rules_integer(arena, cases[i].field, cases[i].value, &argument);
        same_text(code, cases[i].argument ? "out_of_range" : NULL);
        same_text(argument, cases[i].argument);
    }
}

/* ---- whole requests ---- */

static struct arena *loaded;
static const struct message *request; /* of sample/rules.proto */

static int load_request(void **state)
{
    (void)state;
    loaded = arena_new();
    request = schema_message(contract_sample(loaded, "rules.proto"), "campus.rules.Request");
    return request ? 0 : -1;
}

static int free_request(void **state)
{
    (void)state;
    arena_free(loaded);
    return 0;
}

static const char *check(const char *json, bool patch, bool bare)
{
    struct buffer wire = buffer_in(arena);
    struct problem problem = { 0 };
    struct json_set set = { 0 };
    assert_true(
        json_to_wire(arena, request, slice_text(json), (struct json_options){ .patch = patch }, &wire, &set, &problem));
    struct rules_context context = { .arena = arena, .problem = &problem, .bare_names = bare };
    rules_check(&context, request, buffer_slice(&wire), patch ? &set : NULL);
    assert_int_equal(problem.status, problem.first ? STATUS_INVALID : STATUS_OK);
    return complaints(&problem);
}

#define WHOLE "\"title\":\"t\",\"sizes\":[1],\"venue\":{\"name\":\"n\"}"

static const struct {
    const char *json;
    bool patch, bare;
    const char *complaints;
} requests[] = {
    { "{" WHOLE "}", false, false, "" },
    { "{}", false, false, "/title required -\n/venue required -\n/sizes too_few 1\n" },
    { "{}", false, true, "title required -\nvenue required -\nsizes too_few 1\n" },
    { "{}", true, false, "" },
    { "{" WHOLE ",\"seats\":-4}", false, false, "/seats out_of_range -3 to 9\n" },
    { "{" WHOLE ",\"seats\":10}", false, true, "seats out_of_range -3 to 9\n" },
    { "{" WHOLE ",\"ratio\":1.5}", false, false, "/ratio out_of_range 0 to 1\n" },
    { "{" WHOLE ",\"ratios\":[1,0.5,2]}", false, false, "/ratios/2 out_of_range at most 1\n" },
    { "{" WHOLE ",\"digest\":\"AAAA\"}", false, false, "" },
    { "{" WHOLE ",\"digest\":\"AAAAAA\"}", false, false, "/digest too_long 3\n" },
    { "{\"title\":\"a\\n\",\"sizes\":[1,10],\"venue\":{\"seats\":0}}", false, false,
      "/title bad_text free of control characters\n/sizes/1 out_of_range at most 9\n"
      "/venue/seats out_of_range at least 1\n/venue/name required -\n" },
    { "{\"title\":\"a\",\"sizes\":[1,10],\"venue\":{\"seats\":0}}", false, true,
      "sizes out_of_range at most 9\nvenue.seats out_of_range at least 1\nvenue.name required -\n" },
    { "{" WHOLE ",\"people\":[{\"name\":\"a\"},{\"doors\":[\"x\",\"\\u0007\"]}]}", false, false,
      "/people/1/doors/1 bad_text free of control characters\n/people/1/name required -\n" },
    { "{" WHOLE ",\"people\":[{\"name\":\"a\"},{\"name\":\"b\"},{}]}", false, false, "/people too_many 2\n" },
    { "{\"title\":\"t\",\"venue\":{\"name\":\"n\"},\"sizes\":[1,2,3,10]}", false, false, "/sizes too_many 3\n" },
    /* a merge patch: absent is unchanged, null is cleared */
    { "{\"title\":null}", true, false, "/title required -\n" },
    { "{\"title\":null,\"seats\":null}", true, true, "title required -\n" },
    { "{\"sizes\":[]}", true, false, "/sizes too_few 1\n" },
    { "{\"sizes\":null}", true, false, "/sizes too_few 1\n" },
    { "{\"venue\":null}", true, false, "/venue required -\n" },
    { "{\"venue\":{\"seats\":1}}", true, false, "" },
    { "{\"venue\":{\"name\":null}}", true, false, "/venue/name required -\n" },
    { "{\"venue\":{\"seats\":0}}", true, false, "/venue/seats out_of_range at least 1\n" },
    { "{\"people\":[{}]}", true, false, "/people/0/name required -\n" },
    { "{\"title\":\"\\u0007\"}", true, false, "/title bad_text free of control characters\n" },
};

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        print_message("%s\n", requests[i].json);
        assert_string_equal(check(requests[i].json, requests[i].patch, requests[i].bare), requests[i].complaints);
    }
}

static void test_broken_wire(void **state)
{
    static const char *const broken[] = { "\x0A\x05x", "\x08\x01", "\x2A\x01\x80", "\x4A\x03\x01\x02\x03",
                                          "\x1A\x01\xFF" };
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct problem problem = { 0 };
        struct rules_context context = { .arena = arena, .problem = &problem };
        rules_check(&context, request, slice_text(broken[i]), NULL);
        assert_int_equal(problem.status, STATUS_BAD_REQUEST);
    }
}

static void test_most_complaints(void **state)
{
    (void)state;
    struct buffer json = buffer_in(arena), wire = buffer_in(arena);
    struct problem problem = { 0 };
    buffer_text(&json, "{\"tags\":[\"x\"");
    for (int i = 0; i < 90; i++)
        buffer_text(&json, ",\"\\u0001\"");
    buffer_text(&json, "]}");
    assert_true(
        json_to_wire(arena, &sample_message, buffer_slice(&json), (struct json_options){ 0 }, &wire, NULL, &problem));
    struct rules_context context = { .arena = arena, .problem = &problem };
    rules_check(&context, &sample_message, buffer_slice(&wire), NULL);
    assert_int_equal(problem.count, MOST_VIOLATIONS);
    assert_string_equal(problem.last->pointer, "/tags/50");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_texts),    TEST(test_patterns),    TEST(test_integers),
        TEST(test_requests), TEST(test_broken_wire), TEST(test_most_complaints),
    };
    return cmocka_run_group_tests_name("rules", tests, load_request, free_request);
}
