/* test_fact.c -- the SQL of relays and consumers: texts, and relays that meet on a real PostgreSQL. */
#include "common/fact.h"
#include "tests/unit/cluster.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { GATE_US = 5000, MOST_LOOKS = 2000 };

/* The statements find this hashtext before PostgreSQL's: it waits at a gate, where it is told to. */
static const char schema[] =
    "CREATE SCHEMA shadow;"
    "CREATE FUNCTION shadow.hashtext(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
    " IF current_setting('test.waits', true) = 'yes' THEN PERFORM pg_advisory_xact_lock_shared(99); END IF;"
    " RETURN 1; END $$;"
    "CREATE TABLE fact (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pos bigint UNIQUE, type text);"
    "CREATE TABLE numbered_anew (id bigint);"
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN INSERT INTO numbered_anew VALUES (OLD.id); RETURN NEW; END $$;"
    "CREATE TRIGGER note BEFORE UPDATE ON fact FOR EACH ROW WHEN (OLD.pos IS NOT NULL) EXECUTE FUNCTION note()";

static void run(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    PQclear(result);
}

static PGconn *connect_to(const struct cluster *cluster)
{
    const char *const names[] = { "dbname", "user", NULL };
    const char *const values[] = { cluster_conninfo(cluster), "postgres", NULL };
    PGconn *pg = PQconnectdbParams(names, values, 1);
    assert_int_equal(PQstatus(pg), CONNECTION_OK);
    run(pg, "SET search_path = shadow, pg_catalog, public");
    return pg;
}

/* The first column of the first row. */
static int64_t number_of(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

/* Until what was sent on pg has ended, or waits at the gate. */
static void wait_for(PGconn *pg, PGconn *watch)
{
    for (int i = 0; i < MOST_LOOKS; i++) {
        assert_true(PQconsumeInput(pg));
        if (!PQisBusy(pg) || number_of(watch, "SELECT count(*) FROM pg_locks WHERE objid = 99 AND NOT granted"))
            return;
        usleep(GATE_US);
    }
    fail_msg("it neither ends nor waits");
}

static void finish_sent(PGconn *pg)
{
    PGresult *result;
    while ((result = PQgetResult(pg))) {
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            fail_msg("%s", PQerrorMessage(pg));
        PQclear(result);
    }
}

/* A relay that came second tried for the lock once more while it numbered: it got it when the first had just committed, and,
 * with its snapshot from before, numbered again what was numbered. */
static void second_relay_numbers_nothing_anew(void **state)
{
    struct cluster *cluster = cluster_start();
    (void)state;
    cluster_run(cluster, schema);
    PGconn *first = connect_to(cluster), *second = connect_to(cluster), *gate = connect_to(cluster);
    run(first, "INSERT INTO fact (type) VALUES ('a'), ('b'), ('c')");
    run(gate, "SELECT pg_advisory_lock(99)");
    run(first, "BEGIN");
    run(first, fact_relay_lock_sql);
    run(first, fact_relay_number_sql);
    run(second, "BEGIN");
    run(second, fact_relay_lock_sql);
    run(second, "SET LOCAL test.waits = 'yes'");
    assert_true(PQsendQuery(second, fact_relay_number_sql));
    wait_for(second, gate);
    run(first, "COMMIT");
    run(gate, "SELECT pg_advisory_unlock(99)");
    finish_sent(second);
    run(second, "COMMIT");
    assert_int_equal(number_of(gate, "SELECT count(*) FROM numbered_anew"), 0);
    assert_int_equal(number_of(gate, "SELECT sum(pos) FROM fact"), 1 + 2 + 3);
    PQfinish(first);
    PQfinish(second);
    PQfinish(gate);
    cluster_stop(cluster);
}

static void relays_take_turns(void **state)
{
    struct cluster *cluster = cluster_start();
    (void)state;
    cluster_run(cluster, schema);
    PGconn *pgs[] = { connect_to(cluster), connect_to(cluster) };
    for (int i = 0; i < 6; i++) {
        PGconn *pg = pgs[i % 2];
        run(pg, "INSERT INTO fact (type) VALUES ('one'), ('two')");
        run(pg, "BEGIN");
        run(pg, fact_relay_lock_sql);
        assert_int_equal(number_of(pg, fact_relay_number_sql), 2);
        run(pg, "COMMIT");
    }
    assert_int_equal(number_of(pgs[0], "SELECT max(pos) FROM fact WHERE pos = id"), 12);
    PQfinish(pgs[0]);
    PQfinish(pgs[1]);
    cluster_stop(cluster);
}

static void consumer_statement_is_wrapped(void **state)
{
    struct arena *arena = arena_new();
    (void)state;
    const char *sql = fact_apply_sql(arena, "membership", "  WITH x AS (SELECT 1)\n ; ");
    assert_non_null(strstr(sql, "FROM membership.facts f"));
    assert_non_null(strstr(sql, "), x AS (SELECT 1)\n, moved AS (UPDATE fact_cursor"));
    assert_null(fact_apply_sql(arena, "membership", "SELECT 1"));
    assert_non_null(strstr(fact_cursor_sql(arena, "membership"), "source = 'membership' FOR UPDATE"));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consumer_statement_is_wrapped),
        cmocka_unit_test(relays_take_turns),
        cmocka_unit_test(second_relay_numbers_nothing_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
