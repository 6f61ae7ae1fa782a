/* test_utf8.c -- validity by RFC 3629, normal form by UAX #15, and the control characters that are refused. */
#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <utf8proc.h>

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

static void test_valid(void **state)
{
    static const struct {
        struct slice text;
        bool valid;
        size_t length;
    } cases[] = {
        { TEXT(""), true, 0 },
        { TEXT("a"), true, 1 },
        { TEXT("exactly eight bytes, and then some"), true, 34 },
        { TEXT("a\0b"), true, 3 },
        { TEXT("青年科技协会"), true, 6 },
        { TEXT("abcdefg青年 abcdefgh é"), true, 20 },
        { TEXT("\xF0\x9F\x8E\x89"), true, 1 },
        { TEXT("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), true, 6 },
        { TEXT("\xED\x9F\xBF\xEE\x80\x80"), true, 2 },
        { TEXT("\x80"), false, 0 }, /* a continuation alone */
        { TEXT("\xC0\x80"), false, 0 }, /* overlong */
        { TEXT("\xC1\xBF"), false, 0 },
        { TEXT("\xE0\x9F\xBF"), false, 0 },
        { TEXT("\xF0\x8F\xBF\xBF"), false, 0 },
        { TEXT("\xED\xA0\x80"), false, 0 }, /* a surrogate */
        { TEXT("\xED\xBF\xBF"), false, 0 },
        { TEXT("\xF4\x90\x80\x80"), false, 0 }, /* above U+10FFFF */
        { TEXT("\xF5\x80\x80\x80"), false, 0 },
        { TEXT("\xFF"), false, 0 },
        { TEXT("\xE9\x9D"), false, 0 }, /* cut off */
        { TEXT("\xF0\x9F\x8E"), false, 0 },
        { TEXT("\xC3"), false, 0 },
        { TEXT("\xE9\x41\x92"), false, 0 },
        { TEXT("abcdefghijklmnop\xFFqrstuvwx"), false, 0 },
    };
    (void)state;
    assert_true(utf8_valid(slice_of(NULL, 0)));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(utf8_valid(cases[i].text), cases[i].valid);
        if (cases[i].valid)
            assert_int_equal(utf8_length(cases[i].text), cases[i].length);
    }
}

static void test_normal_form(void **state)
{
    static const struct {
        struct slice text;
        bool nfc;
    } cases[] = {
        { TEXT(""), true },
        { TEXT("plain"), true },
        { TEXT("caf\xC3\xA9"), true },
        { TEXT("cafe\xCC\x81"), false }, /* e and a combining acute */
        { TEXT("学生会，第一届（2026）——“新生”！"), true },
        { TEXT("\xEF\xA4\x80"), false }, /* U+F900, a compatibility ideograph with a canonical equal */
        { TEXT("\xE2\x84\xAB"), false }, /* the angstrom sign */
        { TEXT("\xE1\x84\x80\xE1\x85\xA1"), false }, /* two jamo that make a syllable */
        { TEXT("\xEA\xB0\x80"), true },
        { TEXT("q\xCC\x87\xCC\xA3"), false }, /* marks out of order */
        { TEXT("q\xCC\xA3\xCC\x87"), true },
        { TEXT("\xF0\x9F\x8E\x89 party"), true },
        { TEXT("\xE3\x81\x8B\xE3\x82\x99"), false }, /* ka and the voicing mark */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_is_nfc(cases[i].text), cases[i].nfc);
}

/* Every code point alone says the same as the library, whichever way it was found. */
static void test_every_point(void **state)
{
    (void)state;
    for (utf8proc_int32_t point = 1; point < 0x110000; point++) {
        uint8_t bytes[4];
        if (point >= 0xD800 && point <= 0xDFFF)
            continue;
        size_t size = (size_t)utf8proc_encode_char(point, bytes);
        struct slice text = slice_of(bytes, size);
        utf8proc_uint8_t *composed = NULL;
        utf8proc_ssize_t composed_size =
            utf8proc_map(bytes, (utf8proc_ssize_t)size, &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        bool equal = slice_equal(text, slice_of(composed, (size_t)composed_size));
        free(composed);
        assert_true(utf8_valid(text));
        assert_int_equal(utf8_length(text), 1);
        if (utf8_is_nfc(text) != equal)
            fail_msg("U+%04X", (unsigned)point);
    }
}

/* What is taken to be stable on its own must never move or join: checked behind a mark and behind each likely base. */
static void test_stable_pairs(void **state)
{
    static const utf8proc_int32_t before[] = { 'A', 0x0323, 0x3042, 0x4E00, 0xAC00, 0x1100, 0x0415 };
    (void)state;
    for (utf8proc_int32_t point = 1; point < 0x20000; point++) {
        uint8_t pair[8];
        if (point >= 0xD800 && point <= 0xDFFF)
            continue;
        for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
            size_t size = (size_t)utf8proc_encode_char(before[i], pair);
            size += (size_t)utf8proc_encode_char(point, pair + size);
            utf8proc_uint8_t *composed = NULL;
            utf8proc_ssize_t made =
                utf8proc_map(pair, (utf8proc_ssize_t)size, &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
            bool equal = slice_equal(slice_of(pair, size), slice_of(composed, (size_t)made));
            free(composed);
            if (utf8_is_nfc(slice_of(pair, size)) != equal)
                fail_msg("U+%04X U+%04X", (unsigned)before[i], (unsigned)point);
        }
    }
}

static void test_control(void **state)
{
    static const struct {
        struct slice text;
        bool control, control_in_lines;
    } cases[] = {
        { TEXT(""), false, false },
        { TEXT("no more than words, all of them fine"), false, false },
        { TEXT("青年，志愿者"), false, false },
        { TEXT("two\nlines\tand\r\n"), true, false },
        { TEXT("12345678\n"), true, false },
        { TEXT("1234\n5678"), true, false },
        { TEXT("a\0b"), true, true },
        { TEXT("bell\x07"), true, true },
        { TEXT("del\x7F"), true, true },
        { TEXT("\xC2\x80"), true, true }, /* C1 */
        { TEXT("\xC2\x9F"), true, true },
        { TEXT("\xC2\xA0"), false, false },
        { TEXT("\xE2\x80\xA7\xE2\x80\xAF"), false, false }, /* the neighbours of what follows */
        { TEXT("\xE2\x80\xA8"), true, true }, /* line separator */
        { TEXT("\xE2\x80\xA9"), true, true },
        { TEXT("\xE2\x80\xAE"), true, true }, /* right-to-left override */
        { TEXT("\xE2\x81\xA6"), true, true },
        { TEXT("\xE2\x81\xA9"), true, true },
        { TEXT("\xE2\x81\xA5\xE2\x81\xAA"), false, false },
        { TEXT("\xF0\x9F\x8E\x89"), false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(utf8_has_control(cases[i].text, false), cases[i].control);
        assert_int_equal(utf8_has_control(cases[i].text, true), cases[i].control_in_lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),        cmocka_unit_test(test_normal_form), cmocka_unit_test(test_every_point),
        cmocka_unit_test(test_stable_pairs), cmocka_unit_test(test_control),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
