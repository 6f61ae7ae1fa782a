/* test_csv.c -- the forms of RFC 4180, what stands around them in real files, and what is refused. */
#include "common/csv.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { CAPACITY = 4 };

/* The rows as one text: cells in brackets, rows by their lines; "!" at the end where the file is broken. */
static const char *read_all(struct arena *arena, struct slice file)
{
    struct csv_reader reader = csv_read(file);
    struct slice cells[CAPACITY];
    struct csv_row row;
    const char *text = "";
    while (csv_next(&reader, arena, cells, CAPACITY, &row)) {
        text = arena_printf(arena, "%s%u:", text, row.line);
        for (size_t i = 0; i < row.count && i < CAPACITY; i++)
            text = arena_printf(arena, "%s[%.*s]", text, (int)cells[i].size, (const char *)cells[i].data);
        if (row.count > CAPACITY)
            text = arena_printf(arena, "%s+%zu", text, row.count - CAPACITY);
    }
    return reader.broken ? arena_printf(arena, "%s!", text) : text;
}

static void expect(const char *file, const char *rows)
{
    struct arena *arena = arena_new();
    assert_string_equal(read_all(arena, slice_text(file)), rows);
    arena_free(arena);
}

static void rows_and_cells(void **state)
{
    (void)state;
    expect("", "");
    expect("a", "1:[a]");
    expect("a,b\n", "1:[a][b]");
    expect("a,b\r\nc,d", "1:[a][b]2:[c][d]");
    expect(",\n", "1:[][]");
    expect("a\n\nb\n", "1:[a]2:[]3:[b]");
    expect("a,", "1:[a][]");
    expect("a,b,c,d,e,f\n", "1:[a][b][c][d]+2");
}

static void quotes(void **state)
{
    (void)state;
    expect("\"a\",b\n", "1:[a][b]");
    expect("\"a,b\"\r\nc", "1:[a,b]2:[c]");
    expect("\"say \"\"yes\"\"\"\n", "1:[say \"yes\"]");
    expect("\"\",x\n", "1:[][x]");
    expect("\"\"\"\"\n", "1:[\"]");
    expect("\"two\nlines\",x\ny\n", "1:[two\nlines][x]3:[y]");
    expect("x,\"y\"", "1:[x][y]");
}

static void around_the_file(void **state)
{
    (void)state;
    expect("a\rb\n", "1:[a\rb]"); /* a lone CR ends no line */
    expect("a\r", "1:[a\r]");
    expect(" a , b \n", "1:[ a ][ b ]"); /* spaces are part of a cell */
}

static void separators(void **state)
{
    (void)state;
    expect("a\tb\n1,5\t2\n", "1:[a][b]2:[1,5][2]");
    expect("a;b\r\n1,5;2\r\n", "1:[a][b]2:[1,5][2]");
    expect("a,b;c,d\n1;2,3\n", "1:[a][b;c][d]2:[1;2][3]");
    expect("a,b;c\n", "1:[a][b;c]"); /* as many: the comma */
    expect("\"a,b,c\";d\n", "1:[a,b,c][d]"); /* not those in quotes */
    expect("\"a\n,,\";d\n", "1:[a\n,,][d]");
    expect("title\n\na\tb\n", "1:[title]2:[]3:[a][b]"); /* a line without any says nothing */
    expect("one\ntwo\n", "1:[one]2:[two]");
}

static void separator_declared(void **state)
{
    (void)state;
    expect("sep=;\r\na,b;c\r\n", "2:[a,b][c]");
    expect("SEP=\t\na\tb,c,d\n", "2:[a][b,c,d]");
    expect("sep=,\na;b;c,d\n", "2:[a;b;c][d]");
    expect("sep=;", "");
    expect("sep=|\na,b\n", "1:[sep=|]2:[a][b]"); /* none that we know: a row like any other */
    expect("sep=,x\n", "1:[sep=][x]");
    expect("sep=", "1:[sep=]");
    expect("a\nsep=;\n", "1:[a]2:[sep=][]");
}

/* ="0012" keeps a spreadsheet from reading digits as a number. */
static void formula_texts(void **state)
{
    (void)state;
    expect("=\"0012\",b\n", "1:[0012][b]");
    expect("a,\"=\"\"0012\"\"\"\r\n", "1:[a][0012]");
    expect("=\"\",x", "1:[][x]");
    expect("=1+2,=\n", "1:[=1+2][=]");
    expect("\"=\"\"a\"\"&\"\"b\"\"\"\n", "1:[=\"a\"&\"b\"]"); /* a formula of another kind stays as it is */
    expect("=\"a\"&\"b\"\n", "!");
    expect("=\"0012", "!");
}

static void broken_files(void **state)
{
    (void)state;
    expect("\"a", "!");
    expect("\"", "!");
    expect("\"a\"b\n", "!");
    expect("a\"b\n", "!");
    expect("x\n\"a\"\"", "1:[x]!");
    expect("\"a\" ,b\n", "!");
}

/* Each file also with its end cut off at every byte: no read behind the end (for the sanitizers), no endless loop. */
static void cut_anywhere(void **state)
{
    (void)state;
    static const char file[] = "sep=,\r\na,\"b\"\"c\",\"d\r\ne\"\r\n,,=\"1\"\r\n\"=\"\"x\"\"\"\n";
    for (size_t size = 0; size < sizeof file; size++) {
        struct arena *arena = arena_new();
        struct slice cut = arena_copy(arena, slice_of(file, size));
        assert_non_null(read_all(arena, cut));
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_cells),     cmocka_unit_test(quotes),
        cmocka_unit_test(around_the_file),    cmocka_unit_test(separators),
        cmocka_unit_test(separator_declared), cmocka_unit_test(formula_texts),
        cmocka_unit_test(broken_files),       cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
