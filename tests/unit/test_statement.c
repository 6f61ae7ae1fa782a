/* test_statement.c -- named SQL: where a parameter stands, and where it only seems to. */
#include "tests/unit/arena_fixture.h"

#include "common/statement.h"

static struct statement parse(const char *text)
{
    return statement_parse(arena, "s", slice_text(text));
}

static void check_text(const char *source, const char *expected)
{
    assert_string_equal(parse(source).text, expected);
}

static void test_parameters_are_numbered(void **state)
{
    (void)state;
    struct statement statement = parse("SELECT :b, :a FROM t WHERE x = :b AND :a_1 < :A;\n ");
    assert_string_equal(statement.text, "SELECT $1, $2 FROM t WHERE x = $1 AND $3 < $4");
    assert_int_equal(statement.parameter_count, 4);
    assert_string_equal(statement.parameters[0], "b");
    assert_string_equal(statement.parameters[1], "a");
    assert_string_equal(statement.parameters[2], "a_1");
    assert_string_equal(statement.parameters[3], "A");
}

static void test_what_is_no_parameter(void **state)
{
    (void)state;
    check_text("SELECT x::text, :x::int[]", "SELECT x::text, $1::int[]");
    check_text("SELECT a[1:2], b[:n]", "SELECT a[1:2], b[$1]");
    check_text("SELECT ':a', 'it''s :a', :a", "SELECT ':a', 'it''s :a', $1");
    check_text("SELECT \":a\", \"x\"\":a\", :a", "SELECT \":a\", \"x\"\":a\", $1");
    check_text("-- of :a\nSELECT :a -- :b", "-- of :a\nSELECT $1 -- :b");
    check_text("SELECT /* :a\n:b */ :c", "SELECT /* :a\n:b */ $1");
    check_text("DO $$ :a $$ :a $x$ :b $$ $x$", "DO $$ :a $$ $1 $x$ :b $$ $x$");
    check_text("SELECT $1, a - -1, 4/2, :_x", "SELECT $1, a - -1, 4/2, $1");
    check_text(":", ":");
    check_text("", "");
}

static void test_open_ends_reach_to_the_end(void **state)
{
    (void)state;
    check_text("SELECT ':a", "SELECT ':a");
    check_text("SELECT /* :a", "SELECT /* :a");
    check_text("SELECT $$ :a", "SELECT $$ :a");
    check_text("SELECT -- :a", "SELECT -- :a");
    check_text("SELECT $x", "SELECT $x");
}

static void test_text_needs_no_nul(void **state)
{
    (void)state;
    static const char text[] = { 'S', ' ', ':', 'a', 'b', '\'' };
    struct statement statement = statement_parse(arena, "s", slice_of(text, 5));
    assert_string_equal(statement.text, "S $1");
    assert_string_equal(statement.parameters[0], "ab");
    assert_string_equal(statement_parse(arena, "s", slice_of(text, 4)).parameters[0], "a");
    assert_string_equal(statement_parse(arena, "s", slice_of(text, 3)).text, "S :");
}

static void test_file(void **state)
{
    (void)state;
    struct statements statements;
    const char *error = NULL;
    assert_true(statements_parse(arena,
                                 slice_text("-- before :x\n-- name: one\nSELECT :a;\n\n-- ---- two ----\n"
                                            "--  name: no marker\n-- name:two  \r\nSELECT ';' -- name: inside\n"),
                                 &statements, &error));
    assert_int_equal(statements.count, 2);
    assert_string_equal(statements.all[0].name, "one");
    assert_string_equal(statements.all[1].name, "two");
    assert_string_equal(statements_find(&statements, slice_text("two"))->text, "\nSELECT ';' -- name: inside");
    assert_int_equal(statements.all[0].parameter_count, 1);
    assert_null(statements_find(&statements, slice_text("tw")));
    assert_true(statements_parse(arena, slice_text(""), &statements, &error));
    assert_int_equal(statements.count, 0);
}

static const char *file_error(const char *text)
{
    struct statements statements;
    const char *error = NULL;
    assert_false(statements_parse(arena, slice_text(text), &statements, &error));
    return error;
}

static void test_wrong_files(void **state)
{
    (void)state;
    assert_string_equal(file_error("-- name: a\nSELECT 1\n-- name: a\nSELECT 2"), "there are two statements a");
    assert_string_equal(file_error("-- name: a\n ;\n-- name: b\nSELECT 2"), "statement a is empty");
    assert_string_equal(file_error("-- name: b\nSELECT 1\n-- name: a"), "statement a is empty");
    assert_string_equal(file_error("-- name: a b\nSELECT 1"), "a statement's name is not one word: a b");
    assert_string_equal(file_error("-- name:\nSELECT 1"), "a statement's name is not one word:");
}

static void test_body(void **state)
{
    (void)state;
    struct statement statement = parse("SELECT :a \n;\t\r\n");
    assert_string_equal(statement_body(arena, &statement), "SELECT :a"); /* with its parameters' names */
}

static void test_other_words_for_the_parameters(void **state)
{
    (void)state;
    struct statement statement = parse("SELECT :b, ':a', :a::int -- :c\n WHERE :b ;");
    const char *const instead[] = { "x", "y.z" };
    assert_string_equal(statement_with(arena, &statement, instead), "SELECT x, ':a', y.z::int -- :c\n WHERE x");
}

static void check_cte(const char *text, bool expected)
{
    struct statement statement = parse(text);
    assert_int_equal(statement_has_cte(&statement, "reply"), expected);
}

static void test_cte(void **state)
{
    (void)state;
    check_cte("WITH reply AS (SELECT 1)", true);
    check_cte("WITH a AS (SELECT 1),reply\n as(SELECT 1)", true);
    check_cte("WITH replys AS (SELECT 1), my_reply AS (SELECT 2)", false);
    check_cte("SELECT reply FROM x", false);
    check_cte("WITH replys AS (SELECT reply), reply AS (SELECT 1)", true); /* not the first that looks so */
    check_cte("SELECT reply ASC", false);
    check_cte("", false);
}

static void check_split(const char *list, const char *expected)
{
    struct slice *parts;
    size_t count = names_split(arena, list, &parts);
    char *joined = arena_strdup(arena, "");
    for (size_t i = 0; i < count; i++)
        joined = arena_printf(arena, "%s[%.*s]", joined, (int)parts[i].size, (const char *)parts[i].data);
    assert_string_equal(joined, expected);
}

static void test_names(void **state)
{
    (void)state;
    check_split("a, bc ,d", "[a][bc][d]");
    check_split("a", "[a]");
    check_split(" ,, a b\t,", "[a][b]");
    check_split(" , ", "");
    check_split("", "");
    check_split(NULL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parameters_are_numbered),
        TEST(test_what_is_no_parameter),
        TEST(test_open_ends_reach_to_the_end),
        TEST(test_text_needs_no_nul),
        TEST(test_file),
        TEST(test_wrong_files),
        TEST(test_body),
        TEST(test_other_words_for_the_parameters),
        TEST(test_cte),
        TEST(test_names),
    };
    return cmocka_run_group_tests_name("statement", tests, NULL, NULL);
}
