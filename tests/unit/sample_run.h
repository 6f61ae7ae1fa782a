/* sample_run.h -- the sample service on a PostgreSQL of its own: a group of tests begins with start() and ends with stop(),
 * each test with set_up() and tear_down(). */
#ifndef CAMPUS_TESTS_SAMPLE_RUN_H
#define CAMPUS_TESTS_SAMPLE_RUN_H

#include "tests/unit/sample_service.h"

#include "common/log.h"
#include "common/plan.h"

#include <event2/event.h>

static struct cluster *cluster;
static struct arena *lasting; /* of the contract and the plans, for all tests */
static const struct schema *schema;
static struct plans plans;
static struct database_options options;
static PGconn *other; /* another client of the database, as the superuser */

static struct arena *arena;
static struct event_base *base;
static struct database *database;

static inline bool describe(size_t from)
{
    bool unreachable;
    return database_describe(lasting, &options, plans.prepared + from, plans.prepared_count - from, &plans.error,
                             &unreachable);
}

/* The service's plans, described and bound, as a start makes them. */
static inline void bind_plans(void)
{
    static const struct method *const tables[] = { sample_methods, NULL };
    static const struct service service = { "sample", tables, NULL };
    bool right = plans_gather(&plans, lasting, &service, schema, sample_queries(lasting, NULL));
    size_t gathered = plans.prepared_count;
    if (!right || !describe(0) || !plans_bind(&plans) || !describe(gathered))
        fail_msg("%s", plans.error);
}

static inline int start(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    cluster = sample_cluster();
    lasting = arena_new();
    schema = sample_schema(lasting);
    options = sample_database_options(cluster);
    bind_plans();
    other = PQconnectdb(arena_printf(lasting, "%s user=postgres options='-c search_path=sample,campus,public'",
                                     cluster_conninfo(cluster)));
    assert_int_equal(PQstatus(other), CONNECTION_OK);
    return 0;
}

static inline int stop(void **state)
{
    (void)state;
    PQfinish(other);
    arena_free(lasting);
    cluster_stop(cluster);
    return 0;
}

/* Runs SQL beside the service; the first value, or "". */
static inline const char *sql(const char *text)
{
    PGresult *result = PQexec(other, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s", PQresultErrorMessage(result));
    const char *value = arena_strdup(arena, PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

static inline int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    /* No TRUNCATE: connections of the test before may still be preparing. */
    sql("DELETE FROM thing; DELETE FROM part; DELETE FROM answer; DELETE FROM fact; UPDATE clock SET shift = '0'");
    base = event_base_new();
    database = database_open(base, &options, plans.prepared, plans.prepared_count);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    database_close(database);
    event_base_free(base);
    if (PQtransactionStatus(other) != PQTRANS_IDLE)
        sql("ROLLBACK");
    arena_free(arena);
    return 0;
}

#define ID(digit) "01900000-0000-7000-8000-00000000000" digit

static inline void add_thing(const char *digit, const char *values)
{
    sql(arena_printf(arena,
                     "INSERT INTO thing (id, path, title, kind, size, locked) VALUES "
                     "('01900000-0000-7000-8000-00000000000%s', %s)",
                     digit, values));
}

#endif
