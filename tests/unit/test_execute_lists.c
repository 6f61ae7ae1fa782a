/* test_execute_lists.c -- lists of a small service against a real PostgreSQL: their pages, orders, counts and tokens. */
#include "tests/unit/sample_run.h"

/* The ids of a list's rows, each shortened to what distinguishes it. */
static const char *rows_of(const struct call *call)
{
    struct buffer list = buffer_in(arena);
    struct wire_reader reader = wire_read(buffer_slice(&call->reply));
    struct wire_field field;
    while (wire_next(&reader, &field))
        if (field.number == call->plan->rpc->rows->number)
            buffer_printf(&list, "%s%s", list.size ? " " : "", told(field.bytes, "Thing", "id") + 35);
    assert_false(reader.broken);
    return buffer_cstring(&list);
}

/* Seven things; five of one size, so that a page ends among equals. */
static void add_seven(void)
{
    add_thing("1", "'su', 'g', 'book', 2, false");
    add_thing("2", "'su', 'f', 'book', 1, false");
    add_thing("3", "'su', 'ex', 'tool', 1, false");
    add_thing("4", "'su.learning', 'd', 'book', 1, false");
    add_thing("5", "'su', 'cx', 'book', 1, false");
    add_thing("6", "'su', 'b', 'book', 1, false");
    add_thing("7", "'su', 'ax', 'book', 0, false");
    add_thing("8", "'federation', 'x', 'book', 1, false");
}

static const char request[] = "ListThingsRequest";
enum { BY_ID = 1, BY_SIZE = 2, COUNT_NONE = 1, COUNT_EXACT = 2, BOOK = 1 };

static struct buffer listing(int64_t page_size, int64_t sort, const char *token)
{
    struct buffer body = buffer_in(arena);
    put_number(&body, request, "page_size", page_size);
    if (sort)
        put_number(&body, request, "sort", sort);
    if (token)
        put_text(&body, request, "page_token", token);
    return body;
}

static struct call *list(const struct buffer *body)
{
    struct asked asked_for = asked("ListThings");
    return run(&asked_for, body);
}

/* The rows of all pages: "7 2 3 / 4 5 6 / 1". */
static const char *pages(int64_t page_size, int64_t sort)
{
    struct buffer all = buffer_in(arena);
    const char *token = NULL;
    for (size_t i = 0; i == 0 || token; i++) {
        struct buffer body = listing(page_size, sort, token);
        struct call *call = list(&body);
        assert_done(call);
        assert_true(i < 10);
        assert_null(reply_of(call, "total_count"));
        buffer_printf(&all, "%s%s", i ? " / " : "", rows_of(call));
        token = reply_of(call, "next_page_token");
    }
    return buffer_cstring(&all);
}

static void test_pages(void **state)
{
    (void)state;
    add_seven();
    assert_string_equal(pages(3, BY_SIZE), "7 2 3 / 4 5 6 / 1");
    assert_string_equal(pages(1, BY_SIZE), "7 / 2 / 3 / 4 / 5 / 6 / 1");
    assert_string_equal(pages(3, BY_ID), "1 2 3 / 4 5 6 / 7");
    assert_string_equal(pages(3, 0), "1 2 3 / 4 5 6 / 7"); /* the first order is the default */
    assert_string_equal(pages(6, BY_SIZE), "7 2 3 4 5 6 / 1");
    assert_string_equal(pages(7, BY_SIZE), "7 2 3 4 5 6 1"); /* full, and no page behind it */
    assert_string_equal(pages(200, BY_SIZE), "7 2 3 4 5 6 1");
}

static void test_list_of_nothing(void **state)
{
    (void)state;
    struct buffer body = buffer_in(arena);
    struct call *call = list(&body);
    assert_done(call);
    assert_int_equal(call->reply.size, 0);
    assert_int_equal(call->page_limit, 51); /* the default page, and one more */
}

static struct call *list_counted(int64_t count, int64_t kind, const char *q)
{
    struct buffer body = listing(2, BY_SIZE, NULL);
    put_number(&body, request, "count", count);
    if (kind)
        put_number(&body, request, "kind", kind);
    if (q)
        put_text(&body, request, "q", q);
    return list(&body);
}

static void test_count(void **state)
{
    (void)state;
    add_seven();
    struct call *call = list_counted(COUNT_EXACT, 0, NULL);
    assert_done(call);
    assert_told(call, "total_count", "7");
    assert_string_equal(rows_of(call), "7 2");
    assert_told(list_counted(COUNT_EXACT, BOOK, NULL), "total_count", "6");
    assert_told(list_counted(COUNT_EXACT, 0, "x"), "total_count", "3");
    assert_null(reply_of(list_counted(COUNT_NONE, 0, NULL), "total_count"));
}

static void test_search_has_a_statement_of_its_own(void **state)
{
    (void)state;
    add_seven();
    struct buffer first = listing(2, BY_SIZE, NULL);
    put_text(&first, request, "q", "x");
    struct call *call = list(&first);
    assert_done(call);
    assert_string_equal(rows_of(call), "7 5"); /* by title */
    struct buffer second = listing(2, BY_SIZE, reply_of(call, "next_page_token"));
    put_text(&second, request, "q", "x");
    call = list(&second);
    assert_done(call);
    assert_string_equal(rows_of(call), "3");
    assert_null(reply_of(call, "next_page_token"));
}

static void assert_token_refused(const struct buffer *body)
{
    struct call *call = list(body);
    assert_refused(call, STATUS_BAD_REQUEST, "bad_page_token");
    assert_int_equal(call->problem.count, 1);
    assert_string_equal(call->problem.first->pointer, "page_token");
}

static void test_token_belongs_to_its_query(void **state)
{
    (void)state;
    add_seven();
    struct buffer first = listing(3, BY_SIZE, NULL);
    const char *token = reply_of(list(&first), "next_page_token");
    assert_non_null(token);
    struct buffer other_order = listing(3, BY_ID, token), filtered = listing(3, BY_SIZE, token);
    struct buffer searching = listing(3, BY_SIZE, token), wrong = listing(3, BY_SIZE, "AAAA");
    put_number(&filtered, request, "kind", BOOK);
    put_text(&searching, request, "q", "x");
    assert_token_refused(&other_order);
    assert_token_refused(&filtered);
    assert_token_refused(&searching);
    assert_token_refused(&wrong);
    struct buffer larger = listing(200, BY_SIZE, token); /* how much of it may change */
    put_number(&larger, request, "count", COUNT_EXACT);
    struct call *call = list(&larger);
    assert_done(call);
    assert_string_equal(rows_of(call), "4 5 6 1");
    assert_told(call, "total_count", "7");
}

static void test_token_gives_no_authority(void **state)
{
    (void)state;
    add_seven();
    struct asked asked_for = asked("ListThings");
    struct buffer first = listing(1, BY_SIZE, NULL);
    struct buffer second = listing(10, BY_SIZE, reply_of(list(&first), "next_page_token"));
    asked_for.scope = "su.learning";
    struct call *call = run(&asked_for, &second);
    assert_done(call);
    assert_string_equal(rows_of(call), "4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SAMPLE_TEST(test_pages),
        SAMPLE_TEST(test_list_of_nothing),
        SAMPLE_TEST(test_count),
        SAMPLE_TEST(test_search_has_a_statement_of_its_own),
        SAMPLE_TEST(test_token_belongs_to_its_query),
        SAMPLE_TEST(test_token_gives_no_authority),
    };
    return cmocka_run_group_tests_name("execute lists", tests, sample_start, sample_stop);
}
