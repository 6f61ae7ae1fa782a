/* test_json_scan.c -- RFC 8259 at its strictest: what is JSON, what is not, and at which byte. */
#include "tests/unit/json_fixture.h"

/* ---- what is JSON and what is not ---- */

static const struct {
    struct slice json;
    const char *reason; /* NULL: it is JSON */
} syntax[] = {
    { TEXT("{}"), NULL },
    { TEXT(" \t\r\n{ \t\r\n} \t\r\n"), NULL },
    { TEXT("{\"title\":\"\"}"), NULL },
    { TEXT("{\"title\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u5B66\\uD83C\\uDF89\"}"), NULL },
    { TEXT("{\"\\u0074itle\":\"escaped key\"}"), NULL },
    { TEXT("{\"title\":\"\x7F\xC2\x80\xF4\x8F\xBF\xBF\"}"), NULL },
    { TEXT("{\"ratio\":-0.0}"), NULL },
    { TEXT("{\"ratio\":1E+2}"), NULL },
    { TEXT(""), "an end too early at byte 0" },
    { TEXT("  "), "an end too early at byte 2" },
    { TEXT("\xEF\xBB\xBF{}"), "a value is missing at byte 0" },
    { TEXT("{}x"), "something behind the end at byte 2" },
    { TEXT("{}{}"), "something behind the end at byte 2" },
    { TEXT("{}\0"), "something behind the end at byte 2" },
    { TEXT("{"), "an end too early at byte 1" },
    { TEXT("{,}"), "a key is missing at byte 1" },
    { TEXT("{\"flag\":true,}"), "a key is missing at byte 13" },
    { TEXT("{\"flag\":true \"small\":1}"), "a comma or a closing bracket is missing at byte 13" },
    { TEXT("{\"flag\" true}"), "a colon is missing at byte 8" },
    { TEXT("{\"flag\":}"), "a value is missing at byte 8" },
    { TEXT("{flag:true}"), "a key is missing at byte 1" },
    { TEXT("{'flag':true}"), "a key is missing at byte 1" },
    { TEXT("{\"flag\":true]"), "a comma or a closing bracket is missing at byte 12" },
    { TEXT("{\"flag\":tru}"), "a word that is not true, false or null at byte 8" },
    { TEXT("{\"flag\":t"), "a word that is not true, false or null at byte 8" },
    { TEXT("{\"flag\":TRUE}"), "a value is missing at byte 8" },
    { TEXT("{\"flag\":truex}"), "a comma or a closing bracket is missing at byte 12" },
    { TEXT("{\"sizes\":[1,]}"), "a value is missing at byte 12" },
    { TEXT("{\"sizes\":[1 2]}"), "a comma or a closing bracket is missing at byte 12" },
    { TEXT("{\"sizes\":[1}"), "a comma or a closing bracket is missing at byte 11" },
    { TEXT("{/* no */}"), "a key is missing at byte 1" },
    { TEXT("{\"small\":01}"), "a number with a leading zero at byte 11" },
    { TEXT("{\"small\":-01}"), "a number with a leading zero at byte 12" },
    { TEXT("{\"small\":+1}"), "a value is missing at byte 9" },
    { TEXT("{\"small\":-}"), "a number without digits at byte 10" },
    { TEXT("{\"ratio\":1.}"), "a number without digits at byte 11" },
    { TEXT("{\"ratio\":.5}"), "a value is missing at byte 9" },
    { TEXT("{\"ratio\":1e}"), "a number without digits at byte 11" },
    { TEXT("{\"ratio\":1e+}"), "a number without digits at byte 12" },
    { TEXT("{\"ratio\":1"), "an end too early at byte 10" },
    { TEXT("{\"ratio\":0x10}"), "a comma or a closing bracket is missing at byte 10" },
    { TEXT("{\"ratio\":NaN}"), "a value is missing at byte 9" },
    { TEXT("{\"ratio\":Infinity}"), "a value is missing at byte 9" },
    { TEXT("{\"ratio\":-Infinity}"), "a number without digits at byte 10" },
    { TEXT("{\"title\":\"abc"), "a string without an end at byte 13" },
    { TEXT("{\"title\":\"abc\\"), "a bad escape at byte 14" },
    { TEXT("{\"title\":\"abc\\\""), "a string without an end at byte 15" },
    { TEXT("{\"title\":\"\\x\"}"), "a bad escape at byte 11" },
    { TEXT("{\"title\":\"\\u12\"}"), "a bad \\u escape at byte 12" },
    { TEXT("{\"title\":\"\\u12G4\"}"), "a bad \\u escape at byte 12" },
    { TEXT("{\"title\":\"\\u0000\"}"), "\\u0000 in a string at byte 16" },
    { TEXT("{\"title\":\"\\uD83C\"}"), "a lone surrogate at byte 16" },
    { TEXT("{\"title\":\"\\uD83Cx\"}"), "a lone surrogate at byte 16" },
    { TEXT("{\"title\":\"\\uDF89\"}"), "a lone surrogate at byte 16" },
    { TEXT("{\"title\":\"\\uDF89\\uD83C\"}"), "a lone surrogate at byte 16" },
    { TEXT("{\"title\":\"\\uD83C\\u0041\"}"), "a lone surrogate at byte 22" },
    { TEXT("{\"title\":\"\\uD83C\\n\"}"), "a lone surrogate at byte 16" },
    { TEXT("{\"title\":\"a\nb\"}"), "a control character in a string at byte 11" },
    { TEXT("{\"title\":\"a\0b\"}"), "a control character in a string at byte 11" },
    { TEXT("{\"title\":\"a\\n\tb\"}"), "a control character in a string at byte 13" },
    { TEXT("{\"title\":\"\xFF\"}"), "a string that is not UTF-8 at byte 11" },
    { TEXT("{\"title\":\"\xED\xA0\x80\"}"), "a string that is not UTF-8 at byte 13" },
    { TEXT("{\"title\":\"\\n\xC0\x80\"}"), "a string that is not UTF-8 at byte 14" },
    { TEXT("{\"title\":\"\xE5\"}"), "a string that is not UTF-8 at byte 11" },
    { TEXT("{\xC2\xA0}"), "a key is missing at byte 1" },
    { TEXT("{\"nobody\":[1,{\"a\":tru}]}"), "a word that is not true, false or null at byte 18" },
    { TEXT("[1,2"), "an end too early at byte 4" },
    { TEXT("nul"), "a word that is not true, false or null at byte 0" },
};

static void test_syntax(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++) {
        struct buffer wire;
        const char *said = read_as(&sample_message, syntax[i].json, (struct json_options){ 0 }, &wire);
        assert_string_equal(said, syntax[i].reason ? arena_printf(arena, " bad_json %s\n", syntax[i].reason) : "");
    }
}

static const char *nested(int levels, const char *opening, const char *closing)
{
    struct buffer json = buffer_in(arena);
    buffer_text(&json, "{\"nobody\":");
    for (int i = 1; i < levels; i++)
        buffer_text(&json, opening);
    buffer_text(&json, "1");
    for (int i = 1; i < levels; i++)
        buffer_text(&json, closing);
    buffer_text(&json, "}");
    return buffer_cstring(&json);
}

static void test_depth(void **state)
{
    (void)state;
    static const struct {
        int levels;
        const char *said;
    } cases[] = { { 32, "/nobody unknown_field -\n" }, { 33, " too_deep 32\n" }, { 100000, " too_deep 32\n" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer wire;
        struct slice arrays = slice_text(nested(cases[i].levels, "[", "]"));
        struct slice objects = slice_text(nested(cases[i].levels, "{\"a\":", "}"));
        assert_string_equal(read_as(&sample_message, arrays, (struct json_options){ 0 }, &wire), cases[i].said);
        assert_string_equal(read_as(&sample_message, objects, (struct json_options){ 0 }, &wire), cases[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_syntax),
        TEST(test_depth),
    };
    return cmocka_run_group_tests_name("json_scan", tests, NULL, NULL);
}
