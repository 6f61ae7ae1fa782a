/* test_charset.c -- what spreadsheets write, what is damaged on the way, and what is something else. */
#include "common/charset.h"

#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

/* 学号,姓名 CR LF 1,李雷 CR LF in each of them. */
#define ROSTER "学号,姓名\r\n1,李雷\r\n"
#define ROSTER_GBK "\xD1\xA7\xBA\xC5,\xD0\xD5\xC3\xFB\r\n1,\xC0\xEE\xC0\xD7\r\n"

struct sample {
    struct slice file;
    enum charset charset;
    const char *text; /* NULL: none */
    uint32_t line;
};

static void expect(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena *arena = arena_new();
        struct charset_text read = charset_read(arena, arena_copy(arena, samples[i].file));
        assert_int_equal(read.charset, samples[i].charset);
        if (samples[i].text)
            assert_string_equal(arena_text(arena, read.text), samples[i].text);
        else
            assert_int_equal(read.line, samples[i].line);
        arena_free(arena);
    }
}

static void each_encoding(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { BYTES(""), CHARSET_UTF_8, "", 0 },
        { BYTES("a,b\n"), CHARSET_UTF_8, "a,b\n", 0 },
        { BYTES(ROSTER), CHARSET_UTF_8, ROSTER, 0 },
        { BYTES("\xEF\xBB\xBF" ROSTER), CHARSET_UTF_8, ROSTER, 0 },
        { BYTES("\xEF\xBB\xBF"), CHARSET_UTF_8, "", 0 },
        { BYTES(ROSTER_GBK), CHARSET_GB18030, ROSTER, 0 },
        { BYTES("\x84\x31\x95\x33" ROSTER_GBK), CHARSET_GB18030, ROSTER, 0 },
        { BYTES("\xFF\xFE\x66\x5B\xF7\x53\t\0\x31\0"), CHARSET_UTF_16LE, "学号\t1", 0 },
        { BYTES("\xFE\xFF\x5B\x66\x53\xF7\0\t\0\x31"), CHARSET_UTF_16BE, "学号\t1", 0 },
        { BYTES("\xFF\xFE"), CHARSET_UTF_16LE, "", 0 },
        { BYTES("\xFF\xFE\x40\xD8\x87\xDC"), CHARSET_UTF_16LE, "\U00020087", 0 }, /* a pair of surrogates */
    };
    expect(samples, COUNT(samples));
}

/* What GB 2312 lacks: of GBK, of GB 18030 in two bytes and in four; the dot in names of minorities. */
static void rare_characters(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { BYTES("\xCD\xF5\x86\xB4,\xD6\xEC\xE9\x46\xBB\xF9"), CHARSET_GB18030, "王喆,朱镕基", 0 },
        { BYTES("\xCD\xF5\xFE\x9F"), CHARSET_GB18030, "王䶮", 0 },
        { BYTES("\xCD\xF5\x99\x33\xA9\x32"), CHARSET_GB18030, "王𬭎", 0 },
        { BYTES("\xC1\xF5\xA9\x96"), CHARSET_GB18030, "刘〇", 0 },
        { BYTES("\xB0\xAC\xC1\xA6\xA1\xA4\xC2\xF2"), CHARSET_GB18030, "艾力·买", 0 },
        { BYTES("\xFE\x51\xCD\xF5"), CHARSET_GB18030, "\U00020087王", 0 }, /* two bytes to four */
        { BYTES("\x8C\x57\xCC\x96,\xD0\xD5\xC3\xFB"), CHARSET_GB18030, "學號,姓名", 0 }, /* traditional, in GBK */
    };
    expect(samples, COUNT(samples));
}

/* As GB 18030 most of these would be valid, and nonsense. */
static void damaged_utf8(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { BYTES("学号,姓名\n1,李\xE9\x9B"), CHARSET_UNKNOWN, NULL, 2 }, /* cut off within 雷 */
        { BYTES("学号,姓名\n1,李\xE9"), CHARSET_UNKNOWN, NULL, 2 },
        { BYTES("学号,姓名\n1,李雷\n2,\x9F韩梅\n"), CHARSET_UNKNOWN, NULL, 3 },
        { BYTES("\xEF\xBB\xBF" ROSTER_GBK), CHARSET_UNKNOWN, NULL, 1 }, /* the mark says otherwise */
    };
    expect(samples, COUNT(samples));
}

static void other_files(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { BYTES("PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0"), CHARSET_UNKNOWN, NULL, 1 }, /* a workbook */
        { BYTES("a,b\nc\0,d\n"), CHARSET_UNKNOWN, NULL, 2 },
        { BYTES("a\0,\0b\0\n\0"), CHARSET_UNKNOWN, NULL, 1 }, /* UTF-16 without a mark */
        { BYTES("\xFF\xFE\0\0a\0\0\0"), CHARSET_UNKNOWN, NULL, 1 }, /* UTF-32 */
        { BYTES("\xBE\xC7\xB8\xB9,\xA9\x6D\xA6\x57\n"), CHARSET_UNKNOWN, NULL, 1 }, /* 學號,姓名 in Big5 */
        { BYTES("name\nM\xFCller\n"), CHARSET_UNKNOWN, NULL, 1 }, /* Latin-1: would be M黮ler */
        { BYTES("name\nJos\xE9,x\n"), CHARSET_UNKNOWN, NULL, 2 },
        { BYTES("\x82\xD0\x82\xE7\x82\xAA\x82\xC8"), CHARSET_UNKNOWN, NULL, 1 }, /* ひらがな in Shift JIS */
        { BYTES("\xCD\xF5\n\xAA\xA1\n"), CHARSET_UNKNOWN, NULL, 2 }, /* for private use */
        { BYTES("\xCD\xF5\n\x80\n"), CHARSET_UNKNOWN, NULL, 2 },
        { BYTES("\xCD\xF5\n\x01\n"), CHARSET_UNKNOWN, NULL, 2 },
        { BYTES("\xCD\xF5\n\xCD"), CHARSET_UNKNOWN, NULL, 2 }, /* cut off */
        { BYTES("\xCD\xF5\n\x99\x33\xA9"), CHARSET_UNKNOWN, NULL, 2 },
        { BYTES("\xFF\xFE\x66\x5B\n\0\x66"), CHARSET_UNKNOWN, NULL, 2 }, /* cut off */
        { BYTES("\xFF\xFE\0\xD8\n\0"), CHARSET_UNKNOWN, NULL, 1 }, /* half a pair */
    };
    expect(samples, COUNT(samples));
}

/* Every text that is cut at a byte is refused or read up to there, never as another encoding. */
static void cut_anywhere(void **state)
{
    (void)state;
    static const struct {
        struct slice file;
        enum charset charset;
    } samples[] = {
        { BYTES(ROSTER ROSTER), CHARSET_UTF_8 },
        { BYTES("\xEF\xBB\xBF" ROSTER), CHARSET_UTF_8 },
        { BYTES(ROSTER_GBK ROSTER_GBK), CHARSET_GB18030 },
        { BYTES("\xFF\xFE\x66\x5B\xF7\x53\r\0\n\0"), CHARSET_UTF_16LE },
    };
    for (size_t i = 0; i < COUNT(samples); i++)
        for (size_t size = 6; size <= samples[i].file.size; size++) {
            struct arena *arena = arena_new();
            struct charset_text read = charset_read(arena, arena_copy(arena, slice_of(samples[i].file.data, size)));
            if (read.charset != CHARSET_UNKNOWN)
                assert_int_equal(read.charset, samples[i].charset);
            assert_true(read.text.size <= 2 * size && utf8_valid(read.text));
            arena_free(arena);
        }
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(charset_name(CHARSET_UTF_8), "utf_8");
    assert_string_equal(charset_name(CHARSET_UTF_16LE), "utf_16le");
    assert_string_equal(charset_name(CHARSET_UTF_16BE), "utf_16be");
    assert_string_equal(charset_name(CHARSET_GB18030), "gb18030");
    assert_null(charset_missing());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_encoding), cmocka_unit_test(rare_characters), cmocka_unit_test(damaged_utf8),
        cmocka_unit_test(other_files),   cmocka_unit_test(cut_anywhere),    cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
