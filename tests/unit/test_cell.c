/* test_cell.c -- what stands around a value, and what a spreadsheet has made of it. */
#include "common/cell.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void trims(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { " \t\r\n", "" },
        { " a b ", "a b" },
        { "\u3000\u00A0李雷\u200B\uFEFF", "李雷" },
        { "\u202D2026\u202C", "2026" },
        { "\tx\n", "x" },
        { "　", "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(slice_is(cell_trim(slice_text(cases[i][0])), cases[i][1]));
}

static void narrows(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { "2026", "2026" },
        { "'2026", "2026" },
        { "＇２０２６", "2026" },
        { "２０２６－０１", "2026-01" },
        { "ａ＠Ｂ．ｃｎ", "a@B.cn" },
        { "'", "" },
        { "1　2", "1 2" },
        { "2026级", "2026级" },
        { "\uFF00\uFF5F", "\uFF00\uFF5F" }, /* beyond both ends of the full-width forms */
        { "''1", "'1" },
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(arena_text(arena, cell_narrow(arena, slice_text(cases[i][0]))), cases[i][1]);
    arena_free(arena);
}

static void headers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { "Student_Number", "studentnumber" },
        { " E-Mail ", "email" },
        { "学号（必填）", "学号" },
        { "*学 号：", "学号" },
        { "姓名＊", "姓名" },
        { "姓　名", "姓名" },
        { "\uFEFF学号", "学号" },
        { "姓名【拼音】", "姓名(拼音)" },
        { "手机（家长）", "手机(家长)" }, /* what it says is not left out */
        { "ＮＡＭＥ [Required]", "name" },
        { "班级\n（选填）", "班级" },
        { "（必填）", "" },
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(cell_header(arena, slice_text(cases[i][0])), cases[i][1]);
    arena_free(arena);
}

static void scientific_numbers(void **state)
{
    (void)state;
    static const char *const numbers[] = { "2.02699E+09", "2E+09", "1.e+1", "1.38001380013800E+10" };
    static const char *const others[] = { "",       "2",     "2E10",  "E+09", "2.0", "2.0E+",
                                          "2.0E-5", "2E+1x", ".5E+1", "2e",   "2." };
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_true(cell_is_scientific(slice_text(numbers[i])));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(cell_is_scientific(slice_text(others[i])));
}

static void errors(void **state)
{
    (void)state;
    static const char *const faults[] = { "#N/A",   "#REF!", "#VALUE!", "#NAME?",  "#DIV/0!",
                                          "#NULL!", "#NUM!", "##",      "########" };
    static const char *const others[] = { "", "#", "#1", "##a", "N/A", "#N/A " };
    for (size_t i = 0; i < COUNT(faults); i++)
        assert_true(cell_is_error(slice_text(faults[i])));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(cell_is_error(slice_text(others[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trims),   cmocka_unit_test(narrows),
        cmocka_unit_test(headers), cmocka_unit_test(scientific_numbers),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
