/* test_fact_order.c -- facts as their readers see them: each with its place, none skipped, each applied once. */
#include "tests/unit/sample_service.h"

#include "common/fact.h"

static struct cluster *cluster;
static struct arena *arena;
static PGconn *writer, *slow, *relay, *reader;

static PGconn *connect_here(void)
{
    PGconn *pg = PQconnectdb(arena_printf(arena, "%s user=campus_sample options='-c search_path=sample,campus,public'",
                                          cluster_conninfo(cluster)));
    assert_int_equal(PQstatus(pg), CONNECTION_OK);
    return pg;
}

/* The values of a result's first column, "a b c"; it is cleared. */
static const char *values_of(PGresult *result)
{
    struct buffer list = buffer_in(arena);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s", PQresultErrorMessage(result));
    for (int i = 0; i < PQntuples(result); i++)
        buffer_printf(&list, "%s%s", i ? " " : "", PQgetvalue(result, i, 0));
    PQclear(result);
    return buffer_cstring(&list);
}

static const char *sql(PGconn *pg, const char *text)
{
    return values_of(PQexec(pg, text));
}

static int start(void **state)
{
    (void)state;
    cluster = sample_cluster();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    cluster_stop(cluster);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    cluster_run(cluster, "TRUNCATE sample.fact RESTART IDENTITY; TRUNCATE sample.noticed;"
                         "UPDATE sample.fact_cursor SET pos = 0");
    writer = connect_here();
    slow = connect_here();
    relay = connect_here();
    reader = connect_here();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    PQfinish(writer);
    PQfinish(slow);
    PQfinish(relay);
    PQfinish(reader);
    arena_free(arena);
    return 0;
}

static void tell(PGconn *pg, const char *subject)
{
    sql(pg, arena_printf(arena, "INSERT INTO fact (type, subject) VALUES ('thing.moved', '%s')", subject));
}

/* As a service does it: one batch, one transaction. How many it has numbered. */
static const char *run_relay(PGconn *pg)
{
    sql(pg, "BEGIN");
    sql(pg, fact_relay_lock_sql);
    const char *count = sql(pg, fact_relay_number_sql);
    sql(pg, "COMMIT");
    return count;
}

static const char *published(void)
{
    return sql(writer, "SELECT pos || subject FROM facts ORDER BY pos");
}

/* ---- the relay ---- */

static void test_order_is_that_of_ids(void **state)
{
    (void)state;
    tell(writer, "a");
    tell(writer, "b");
    assert_string_equal(published(), ""); /* not before they have a place */
    assert_string_equal(run_relay(relay), "2");
    assert_string_equal(published(), "1a 2b");
    assert_string_equal(run_relay(relay), "0");
    tell(writer, "c");
    assert_string_equal(run_relay(relay), "1");
    assert_string_equal(published(), "1a 2b 3c");
}

static void test_slow_transaction_is_not_skipped(void **state)
{
    (void)state;
    sql(slow, "BEGIN");
    tell(slow, "slow"); /* the smaller id */
    tell(writer, "fast");
    assert_string_equal(run_relay(relay), "1");
    assert_string_equal(published(), "1fast");
    sql(slow, "COMMIT");
    tell(writer, "later");
    assert_string_equal(run_relay(relay), "2");
    assert_string_equal(published(), "1fast 2slow 3later");
}

static void test_rolled_back_fact_leaves_no_gap(void **state)
{
    (void)state;
    sql(slow, "BEGIN");
    tell(slow, "never");
    tell(writer, "a");
    sql(slow, "ROLLBACK");
    tell(writer, "b");
    assert_string_equal(run_relay(relay), "2");
    assert_string_equal(published(), "1a 2b");
}

static void test_one_relay_at_a_time(void **state)
{
    (void)state;
    tell(writer, "a");
    sql(slow, "BEGIN");
    sql(slow, fact_relay_lock_sql);
    assert_string_equal(run_relay(relay), "0"); /* does not wait either */
    assert_string_equal(sql(slow, fact_relay_number_sql), "1");
    sql(slow, "COMMIT");
    assert_string_equal(run_relay(relay), "0");
    assert_string_equal(published(), "1a");
}

/* Nor may it try again: its snapshot may be from before the other's commit. */
static void test_relay_that_came_second_numbers_nothing(void **state)
{
    (void)state;
    tell(writer, "a");
    sql(slow, "BEGIN");
    sql(slow, fact_relay_lock_sql);
    sql(relay, "BEGIN");
    sql(relay, fact_relay_lock_sql);
    sql(slow, "COMMIT"); /* the lock is free again */
    assert_string_equal(sql(relay, fact_relay_number_sql), "0");
    sql(relay, "COMMIT");
    assert_string_equal(published(), "");
    assert_string_equal(run_relay(relay), "1"); /* what was said of the lock is forgotten */
}

static void test_lots_are_bounded(void **state)
{
    (void)state;
    sql(writer,
        arena_printf(arena, "INSERT INTO fact (type, subject) SELECT 't', i::text FROM generate_series(1, %d) i",
                     FACT_LOT + 2));
    cluster_run(cluster, "UPDATE sample.fact SET actor = 'x' WHERE id <= 100"); /* they lie behind the others now */
    assert_string_equal(run_relay(relay), arena_printf(arena, "%d", FACT_LOT));
    assert_string_equal(run_relay(relay), "2");
    assert_string_equal(sql(writer, "SELECT bool_and(pos = id AND subject = id::text) FROM fact"), "t");
}

/* ---- a consumer ---- */

static const char applying[] =
    "\n WITH applied AS (INSERT INTO noticed (pos, subject) SELECT pos, subject FROM batch) ;\n";

/* Its batch, without the end. How many it has applied. */
static const char *apply(PGconn *pg)
{
    sql(pg, "BEGIN");
    sql(pg, fact_cursor_sql(arena, "sample"));
    return sql(pg, fact_apply_sql(arena, "sample", applying));
}

static const char *noticed(void)
{
    return sql(writer, "SELECT pos || subject FROM noticed ORDER BY pos");
}

static void test_each_fact_is_applied_once(void **state)
{
    (void)state;
    tell(writer, "a");
    tell(writer, "b");
    run_relay(relay);
    assert_string_equal(apply(reader), "2");
    sql(reader, "ROLLBACK"); /* killed before the commit */
    assert_string_equal(noticed(), "");
    assert_string_equal(apply(reader), "2");
    sql(reader, "COMMIT");
    assert_string_equal(noticed(), "1a 2b");
    assert_string_equal(apply(reader), "0"); /* killed after it */
    sql(reader, "COMMIT");
    tell(writer, "c");
    run_relay(relay);
    assert_string_equal(apply(reader), "1");
    sql(reader, "COMMIT");
    assert_string_equal(noticed(), "1a 2b 3c");
    assert_string_equal(sql(writer, "SELECT pos FROM fact_cursor"), "3");
}

static void test_fact_without_a_place_waits(void **state)
{
    (void)state;
    tell(writer, "a");
    assert_string_equal(apply(reader), "0");
    sql(reader, "COMMIT");
    assert_string_equal(sql(writer, "SELECT pos FROM fact_cursor"), "0");
    run_relay(relay);
    assert_string_equal(apply(reader), "1");
    sql(reader, "COMMIT");
    assert_string_equal(noticed(), "1a");
}

/* The lag's rows, "n/facts n/facts". */
static const char *lag(void)
{
    static const struct consumer consumers[] = { { .source = "sample", .statement = "apply" }, { 0 } };
    return sql(reader,
               arena_printf(arena, "SELECT n || '/' || facts FROM (%s) AS lag", fact_lag_sql(arena, consumers)));
}

static void test_lag_of_relay_and_consumer(void **state)
{
    (void)state;
    assert_string_equal(lag(), "0/0 1/0");
    tell(writer, "a");
    tell(writer, "b");
    assert_string_equal(lag(), "0/2 1/0");
    run_relay(relay);
    assert_string_equal(lag(), "0/0 1/2");
    apply(reader);
    sql(reader, "COMMIT");
    assert_string_equal(lag(), "0/0 1/0");
}

/* Whether a connection waits for a lock; the server is asked, not the clock. */
static bool waits(PGconn *pg)
{
    return *sql(writer, arena_printf(arena, "SELECT 1 FROM pg_locks WHERE pid = %d AND NOT granted", PQbackendPID(pg)));
}

/* The second waits for the first one's cursor, and then sees it moved: its statement's snapshot is younger than the lock. */
static void test_two_processes_apply_in_turn(void **state)
{
    (void)state;
    tell(writer, "a");
    run_relay(relay);
    assert_string_equal(apply(reader), "1");
    sql(slow, "BEGIN");
    assert_true(PQsendQuery(slow, fact_cursor_sql(arena, "sample")));
    while (!waits(slow))
        assert_int_equal(PQstatus(slow), CONNECTION_OK);
    sql(reader, "COMMIT");
    assert_string_equal(values_of(PQgetResult(slow)), "1");
    assert_null(PQgetResult(slow));
    assert_string_equal(sql(slow, fact_apply_sql(arena, "sample", applying)), "0");
    sql(slow, "COMMIT");
    assert_string_equal(noticed(), "1a");
}

static void test_lots_of_a_consumer_are_bounded(void **state)
{
    (void)state;
    sql(writer,
        arena_printf(arena, "INSERT INTO fact (type, subject) SELECT 't', i::text FROM generate_series(1, %d) i",
                     FACT_LOT + 2));
    run_relay(relay);
    run_relay(relay);
    assert_string_equal(apply(reader), arena_printf(arena, "%d", FACT_LOT));
    sql(reader, "COMMIT");
    assert_string_equal(apply(reader), "2");
    sql(reader, "COMMIT");
    assert_string_equal(sql(writer, "SELECT count(*) || ' ' || count(DISTINCT pos) FROM noticed"),
                        arena_printf(arena, "%d %d", FACT_LOT + 2, FACT_LOT + 2));
}

/* ---- pure ---- */

static void test_statement_begins_with_the_word(void **state)
{
    (void)state;
    assert_null(fact_apply_sql(arena, "sample", "  "));
    assert_null(fact_apply_sql(arena, "sample", "withdraw"));
    assert_non_null(strstr(fact_apply_sql(arena, "sample", "with x AS (SELECT)"), ", x AS (SELECT)"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_is_that_of_ids),
        TEST(test_slow_transaction_is_not_skipped),
        TEST(test_rolled_back_fact_leaves_no_gap),
        TEST(test_one_relay_at_a_time),
        TEST(test_relay_that_came_second_numbers_nothing),
        TEST(test_lots_are_bounded),
        TEST(test_each_fact_is_applied_once),
        TEST(test_fact_without_a_place_waits),
        TEST(test_two_processes_apply_in_turn),
        TEST(test_lots_of_a_consumer_are_bounded),
        TEST(test_lag_of_relay_and_consumer),
        TEST(test_statement_begins_with_the_word),
    };
    return cmocka_run_group_tests_name("fact order", tests, start, stop);
}
