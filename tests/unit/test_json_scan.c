/* test_json_scan.c -- RFC 8259 at its strictest: what is JSON, what is not, and at which byte. */
#include "tests/unit/json_fixture.h"

/* ---- what is JSON and what is not ---- */

/* By the sections of RFC 8259. An element is a field of the sample message where its type does not matter. */
static const struct {
    const char *section;
    struct slice json;
    const char *reason; /* NULL: it is JSON */
} syntax[] = {
    /* the grammar's outermost: one value, white space of four kinds around each token */
    { "2", TEXT("{}"), NULL },
    { "2", TEXT(" \t\r\n{ \t\r\n} \t\r\n"), NULL },
    { "2", TEXT("{\"sizes\"\n:\t[\r1\n,\t2 ] }"), NULL },
    { "2", TEXT(""), "an end too early at byte 0" },
    { "2", TEXT("  "), "an end too early at byte 2" },
    { "2", TEXT("{}x"), "something behind the end at byte 2" },
    { "2", TEXT("{}{}"), "something behind the end at byte 2" },
    { "2", TEXT("{} {}"), "something behind the end at byte 3" },
    { "2", TEXT("{}\n{}\n"), "something behind the end at byte 3" }, /* JSON Lines */
    { "2", TEXT("\x1E{}\n"), "a value is missing at byte 0" }, /* RFC 7464 */
    { "2", TEXT("{},"), "something behind the end at byte 2" },
    { "2", TEXT("{}]"), "something behind the end at byte 2" },
    { "2", TEXT("{}#"), "something behind the end at byte 2" },
    { "2", TEXT("{}\0"), "something behind the end at byte 2" },
    { "2", TEXT("\0{}"), "a value is missing at byte 0" },
    { "2", TEXT("\f{}"), "a value is missing at byte 0" },
    { "2", TEXT("{\v}"), "a key is missing at byte 1" },
    { "2", TEXT("{\xC2\xA0}"), "a key is missing at byte 1" }, /* U+00A0 */
    { "2", TEXT("{\xC2\x85}"), "a key is missing at byte 1" }, /* U+0085 */
    { "2", TEXT("{\xE2\x80\xA8}"), "a key is missing at byte 1" }, /* U+2028 */
    { "2", TEXT("{\xE2\x81\xA0}"), "a key is missing at byte 1" }, /* U+2060 */
    { "2", TEXT("{\xE3\x80\x80}"), "a key is missing at byte 1" }, /* U+3000 */
    { "2", TEXT("{/* no */}"), "a key is missing at byte 1" },
    { "2", TEXT("{}// no"), "something behind the end at byte 2" },
    { "2", TEXT("<json/>"), "a value is missing at byte 0" },
    { "2", TEXT("("), "a value is missing at byte 0" },

    /* three words, in lower case */
    { "3", TEXT("{\"flag\":true,\"venue\":null}"), NULL },
    { "3", TEXT("{\"flag\":tru}"), "a word that is not true, false or null at byte 8" },
    { "3", TEXT("{\"flag\":t"), "a word that is not true, false or null at byte 8" },
    { "3", TEXT("{\"flag\":fals"), "a word that is not true, false or null at byte 8" },
    { "3", TEXT("{\"flag\":nil}"), "a word that is not true, false or null at byte 8" },
    { "3", TEXT("{\"flag\":True}"), "a value is missing at byte 8" },
    { "3", TEXT("{\"flag\":TRUE}"), "a value is missing at byte 8" },
    { "3", TEXT("{\"flag\":tRue}"), "a word that is not true, false or null at byte 8" },
    { "3", TEXT("{\"flag\":truex}"), "a comma or a closing bracket is missing at byte 12" },
    { "3", TEXT("{\"flag\":true0}"), "a comma or a closing bracket is missing at byte 12" },
    { "3", TEXT("{\"flag\":undefined}"), "a value is missing at byte 8" },
    { "3", TEXT("{\"flag\":\xE5}"), "a value is missing at byte 8" },
    { "3", TEXT("nul"), "a word that is not true, false or null at byte 0" },

    { "4", TEXT("{\"title\":\"\",\"flag\":true}"), NULL },
    { "4", TEXT("{\"\\u0074itle\":\"escaped key\"}"), NULL },
    { "4", TEXT("{"), "an end too early at byte 1" },
    { "4", TEXT("}"), "a value is missing at byte 0" },
    { "4", TEXT("{,}"), "a key is missing at byte 1" },
    { "4", TEXT("{\"flag\":true,}"), "a key is missing at byte 13" },
    { "4", TEXT("{\"flag\":true,,\"small\":1}"), "a key is missing at byte 13" },
    { "4", TEXT("{\"flag\":true \"small\":1}"), "a comma or a closing bracket is missing at byte 13" },
    { "4", TEXT("{\"flag\":true;\"small\":1}"), "a comma or a closing bracket is missing at byte 12" },
    { "4", TEXT("{\"flag\" true}"), "a colon is missing at byte 8" },
    { "4", TEXT("{\"flag\",true}"), "a colon is missing at byte 7" },
    { "4", TEXT("{\"flag\"=true}"), "a colon is missing at byte 7" },
    { "4", TEXT("{\"flag\"}"), "a colon is missing at byte 7" },
    { "4", TEXT("{\"flag\""), "a colon is missing at byte 7" },
    { "4", TEXT("{\"flag\":"), "an end too early at byte 8" },
    { "4", TEXT("{\"flag\":}"), "a value is missing at byte 8" },
    { "4", TEXT("{\"flag\"::true}"), "a value is missing at byte 8" },
    { "4", TEXT("{:true}"), "a key is missing at byte 1" },
    { "4", TEXT("{flag:true}"), "a key is missing at byte 1" },
    { "4", TEXT("{'flag':true}"), "a key is missing at byte 1" },
    { "4", TEXT("{1:true}"), "a key is missing at byte 1" },
    { "4", TEXT("{null:true}"), "a key is missing at byte 1" },
    { "4", TEXT("{[]:true}"), "a key is missing at byte 1" },
    { "4", TEXT("{\"flag\":true"), "an end too early at byte 12" },
    { "4", TEXT("{\"flag\":true]"), "a comma or a closing bracket is missing at byte 12" },
    { "4", TEXT("{\"nobody\":[1,{\"a\":tru}]}"), "a word that is not true, false or null at byte 18" },
    { "4", TEXT("{\"nobody\":{\"a\" 1}}"), "a colon is missing at byte 15" },

    { "5", TEXT("{\"sizes\":[]}"), NULL },
    { "5", TEXT("{\"sizes\":[ 1 , 2 ]}"), NULL },
    { "5", TEXT("{\"sizes\":[,]}"), "a value is missing at byte 10" },
    { "5", TEXT("{\"sizes\":[,1]}"), "a value is missing at byte 10" },
    { "5", TEXT("{\"sizes\":[1,]}"), "a value is missing at byte 12" },
    { "5", TEXT("{\"sizes\":[1,,2]}"), "a value is missing at byte 12" },
    { "5", TEXT("{\"sizes\":[1 2]}"), "a comma or a closing bracket is missing at byte 12" },
    { "5", TEXT("{\"sizes\":[1:2]}"), "a comma or a closing bracket is missing at byte 11" },
    { "5", TEXT("{\"sizes\":[1}"), "a comma or a closing bracket is missing at byte 11" },
    { "5", TEXT("{\"sizes\":[1]]}"), "a comma or a closing bracket is missing at byte 12" },
    { "5", TEXT("{\"sizes\":["), "an end too early at byte 10" },
    { "5", TEXT("[1,2"), "an end too early at byte 4" },
    { "5", TEXT("[1,"), "an end too early at byte 3" },

    { "6", TEXT("{\"small\":0}"), NULL },
    { "6", TEXT("{\"small\":-0}"), NULL },
    { "6", TEXT("{\"ratio\":-0.0}"), NULL },
    { "6", TEXT("{\"ratio\":0e0}"), NULL },
    { "6", TEXT("{\"ratio\":1E+2}"), NULL },
    { "6", TEXT("{\"ratio\":1e-02}"), NULL },
    { "6", TEXT("{\"ratio\":10.010}"), NULL },
    { "6", TEXT("{\"small\":01}"), "a number with a leading zero at byte 11" },
    { "6", TEXT("{\"small\":-01}"), "a number with a leading zero at byte 12" },
    { "6", TEXT("{\"small\":00}"), "a number with a leading zero at byte 11" },
    { "6", TEXT("{\"ratio\":00.5}"), "a number with a leading zero at byte 11" },
    { "6", TEXT("{\"small\":+1}"), "a value is missing at byte 9" },
    { "6", TEXT("{\"small\":--1}"), "a number without digits at byte 10" },
    { "6", TEXT("{\"small\":- 1}"), "a number without digits at byte 10" },
    { "6", TEXT("{\"small\":-}"), "a number without digits at byte 10" },
    { "6", TEXT("{\"small\":-a}"), "a number without digits at byte 10" },
    { "6", TEXT("{\"small\":1a}"), "a comma or a closing bracket is missing at byte 10" },
    { "6", TEXT("{\"small\":1 000}"), "a comma or a closing bracket is missing at byte 11" },
    { "6", TEXT("{\"small\":1_000}"), "a comma or a closing bracket is missing at byte 10" },
    { "6", TEXT("{\"small\":\xEF\xBC\x91}"), "a value is missing at byte 9" }, /* a full-width one */
    { "6", TEXT("{\"ratio\":1.}"), "a number without digits at byte 11" },
    { "6", TEXT("{\"ratio\":-1.}"), "a number without digits at byte 12" },
    { "6", TEXT("{\"ratio\":1.e1}"), "a number without digits at byte 11" },
    { "6", TEXT("{\"ratio\":.5}"), "a value is missing at byte 9" },
    { "6", TEXT("{\"ratio\":-.5}"), "a number without digits at byte 10" },
    { "6", TEXT("{\"ratio\":1.2.3}"), "a comma or a closing bracket is missing at byte 12" },
    { "6", TEXT("{\"ratio\":1e}"), "a number without digits at byte 11" },
    { "6", TEXT("{\"ratio\":1e+}"), "a number without digits at byte 12" },
    { "6", TEXT("{\"ratio\":1e+-1}"), "a number without digits at byte 12" },
    { "6", TEXT("{\"ratio\":1ee1}"), "a number without digits at byte 11" },
    { "6", TEXT("{\"ratio\":1e1.5}"), "a comma or a closing bracket is missing at byte 12" },
    { "6", TEXT("{\"ratio\":e1}"), "a value is missing at byte 9" },
    { "6", TEXT("{\"ratio\":1"), "an end too early at byte 10" },
    { "6", TEXT("{\"ratio\":1,5}"), "a key is missing at byte 11" },
    { "6", TEXT("{\"ratio\":0x10}"), "a comma or a closing bracket is missing at byte 10" },
    { "6", TEXT("{\"ratio\":0b1}"), "a comma or a closing bracket is missing at byte 10" },
    { "6", TEXT("{\"ratio\":1f}"), "a comma or a closing bracket is missing at byte 10" },
    { "6", TEXT("{\"ratio\":1n}"), "a comma or a closing bracket is missing at byte 10" },
    { "6", TEXT("{\"ratio\":NaN}"), "a value is missing at byte 9" },
    { "6", TEXT("{\"ratio\":nan}"), "a word that is not true, false or null at byte 9" },
    { "6", TEXT("{\"ratio\":-NaN}"), "a number without digits at byte 10" },
    { "6", TEXT("{\"ratio\":Infinity}"), "a value is missing at byte 9" },
    { "6", TEXT("{\"ratio\":inf}"), "a value is missing at byte 9" },
    { "6", TEXT("{\"ratio\":-Infinity}"), "a number without digits at byte 10" },

    { "7", TEXT("{\"title\":\"\"}"), NULL },
    { "7", TEXT("{\"title\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u5B66\\uD83C\\uDF89\"}"), NULL },
    { "7", TEXT("{\"title\":\"\\u0001\\u001F\\u007f\"}"), NULL },
    { "7", TEXT("{\"title\":\"// no /* comment */\"}"), NULL },
    { "7", TEXT("{\"title\":\"\x7F\xC2\x80\xE2\x80\xA8\"}"), NULL }, /* DEL, C1 and U+2028 may stand as they are */
    { "7", TEXT("{\"title\":'a'}"), "a value is missing at byte 9" },
    { "7", TEXT("{\"title\":a}"), "a value is missing at byte 9" },
    { "7", TEXT("{\"title\":\"abc"), "a string without an end at byte 13" },
    { "7", TEXT("{\"title\":\""), "a string without an end at byte 10" },
    { "7", TEXT("{\"title\":\"abc\\"), "a bad escape at byte 14" },
    { "7", TEXT("{\"title\":\"abc\\\""), "a string without an end at byte 15" },
    { "7", TEXT("{\"title\":\"a\"b\"}"), "a comma or a closing bracket is missing at byte 12" },
    { "7", TEXT("{\"title\":\"\\x41\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\0\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\a\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\'\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\N\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\\n\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\\0\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\\xE5\xAD\xA6\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\U0041\"}"), "a bad escape at byte 11" },
    { "7", TEXT("{\"title\":\"\\u12\"}"), "a bad \\u escape at byte 12" },
    { "7", TEXT("{\"title\":\"\\u12G4\"}"), "a bad \\u escape at byte 12" },
    { "7", TEXT("{\"title\":\"\\u+123\"}"), "a bad \\u escape at byte 12" },
    { "7", TEXT("{\"title\":\"\\u 123\"}"), "a bad \\u escape at byte 12" },
    { "7", TEXT("{\"title\":\"\\u{41}\"}"), "a bad \\u escape at byte 12" },
    { "7", TEXT("{\"title\":\"\\u004"), "a bad \\u escape at byte 12" },
    { "7", TEXT("{\"title\":\"a\nb\"}"), "a control character in a string at byte 11" },
    { "7", TEXT("{\"title\":\"a\tb\"}"), "a control character in a string at byte 11" },
    { "7", TEXT("{\"title\":\"a\0b\"}"), "a control character in a string at byte 11" },
    { "7", TEXT("{\"title\":\"seven..\x1F\"}"), "a control character in a string at byte 17" },
    { "7", TEXT("{\"title\":\"a\\n\tb\"}"), "a control character in a string at byte 13" },
    { "7", TEXT("{\"ti\ntle\":\"\"}"), "a control character in a string at byte 4" },
    /* JSON, but no text that PostgreSQL holds */
    { "7", TEXT("{\"title\":\"\\u0000\"}"), "\\u0000 in a string at byte 16" },
    { "7", TEXT("{\"a\\u0000\":1}"), "\\u0000 in a string at byte 9" },

    /* UTF-8 without a byte order mark */
    { "8.1", TEXT("{\"title\":\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBD\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"}"), NULL },
    { "8.1", TEXT("\xEF\xBB\xBF{}"), "a value is missing at byte 0" },
    { "8.1", TEXT("\xEF\xBB{}"), "a value is missing at byte 0" },
    { "8.1", TEXT("\xFF\xFE{\0}\0"), "a value is missing at byte 0" },
    { "8.1", TEXT("{\0}\0"), "a key is missing at byte 1" }, /* UTF-16LE */
    { "8.1", TEXT("\0{\0}"), "a value is missing at byte 0" }, /* UTF-16BE */
    { "8.1", TEXT("{\"title\":\"\xE9\"}"), "a string that is not UTF-8 at byte 11" }, /* Latin-1 */
    { "8.1", TEXT("{\"title\":\"\xD1\xA7\xC9\xFA\"}"), "a string that is not UTF-8 at byte 14" }, /* GBK */
    { "8.1", TEXT("{\"title\":\"\x80\"}"), "a string that is not UTF-8 at byte 11" },
    { "8.1", TEXT("{\"title\":\"\xFF\"}"), "a string that is not UTF-8 at byte 11" },
    { "8.1", TEXT("{\"title\":\"\xE5\"}"), "a string that is not UTF-8 at byte 11" },
    { "8.1", TEXT("{\"title\":\"\xE5\xAD\"}"), "a string that is not UTF-8 at byte 12" },
    { "8.1", TEXT("{\"title\":\"\xC0\xAF\"}"), "a string that is not UTF-8 at byte 12" }, /* overlong */
    { "8.1", TEXT("{\"title\":\"\xE0\x80\xAF\"}"), "a string that is not UTF-8 at byte 13" },
    { "8.1", TEXT("{\"title\":\"\xF0\x80\x80\xAF\"}"), "a string that is not UTF-8 at byte 14" },
    { "8.1", TEXT("{\"title\":\"\\n\xC0\x80\"}"), "a string that is not UTF-8 at byte 14" },
    { "8.1", TEXT("{\"title\":\"\xED\xA0\x80\"}"), "a string that is not UTF-8 at byte 13" },
    { "8.1", TEXT("{\"title\":\"\xED\xA0\xBC\xED\xBE\x89\"}"), "a string that is not UTF-8 at byte 16" }, /* CESU-8 */
    { "8.1", TEXT("{\"title\":\"\xF4\x90\x80\x80\"}"), "a string that is not UTF-8 at byte 14" },
    { "8.1", TEXT("{\"title\":\"\xF8\x88\x80\x80\x80\"}"), "a string that is not UTF-8 at byte 15" },
    { "8.1", TEXT("{\"\xE9\":1}"), "a string that is not UTF-8 at byte 3" },
    { "8.1", TEXT("{\"nobody\":{\"\xFF\":[\"\"]}}"), "a string that is not UTF-8 at byte 13" },

    /* escapes that are no characters; noncharacters are */
    { "8.2", TEXT("{\"title\":\"\\uFFFE\\uFFFF\\uFDD0\\uDBFF\\uDFFF\xEF\xBF\xBE\"}"), NULL },
    { "8.2", TEXT("{\"title\":\"\\uD83C\"}"), "a lone surrogate at byte 16" },
    { "8.2", TEXT("{\"title\":\"\\uD83Cx\"}"), "a lone surrogate at byte 16" },
    { "8.2", TEXT("{\"title\":\"\\uDF89\"}"), "a lone surrogate at byte 16" },
    { "8.2", TEXT("{\"title\":\"\\uDF89\\uD83C\"}"), "a lone surrogate at byte 16" },
    { "8.2", TEXT("{\"title\":\"\\uD83C\\uD83C\\uDF89\"}"), "a lone surrogate at byte 22" },
    { "8.2", TEXT("{\"title\":\"\\uD83C\\u0041\"}"), "a lone surrogate at byte 22" },
    { "8.2", TEXT("{\"title\":\"\\uD83C\\uE000\"}"), "a lone surrogate at byte 22" },
    { "8.2", TEXT("{\"title\":\"\\uD83C\\uDF8\"}"), "a lone surrogate at byte 18" },
    { "8.2", TEXT("{\"title\":\"\\uD83C\\n\"}"), "a lone surrogate at byte 16" },
    { "8.2", TEXT("{\"title\":\"\\uD83C\\"), "a lone surrogate at byte 16" },
    { "8.2", TEXT("{\"\\uD800\":1}"), "a lone surrogate at byte 8" },
};

static void test_syntax(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++) {
        struct buffer wire;
        const char *said = read_as(&sample_message, syntax[i].json, (struct json_options){ 0 }, &wire);
        const char *reason = syntax[i].reason ? arena_printf(arena, " bad_json %s\n", syntax[i].reason) : "";
        if (strcmp(said, reason) != 0)
            fail_msg("RFC 8259 section %s: %.*s: %s", syntax[i].section, (int)syntax[i].json.size,
                     (const char *)syntax[i].json.data, said);
    }
}

/* ---- limits, which section 9 leaves to the reader ---- */

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
