/* test_database.c -- batches, lanes, retries and limits, against a PostgreSQL of its own. */
#include "common/clock.h"
#include "common/database.h"
#include "tests/unit/cluster.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PATIENCE_US = 20 * 1000000, MANY = 200 };

static const char schema_sql[] =
    "CREATE ROLE unit LOGIN; CREATE SCHEMA unit AUTHORIZATION unit; SET ROLE unit; SET search_path = unit;"
    "CREATE TABLE seat (id int CONSTRAINT seat_taken PRIMARY KEY, holder int NOT NULL,"
    "                   note text CONSTRAINT note_short CHECK (length(note) < 9));"
    "CREATE TABLE pledge (id int CONSTRAINT pledge_once UNIQUE DEFERRABLE INITIALLY DEFERRED);"
    "CREATE SEQUENCE tries; CREATE SEQUENCE turn; CREATE TABLE log (turn int, backend int, value int);"
    "INSERT INTO seat SELECT i, i FROM generate_series(1, 1000) i;"
    "CREATE FUNCTION conflict(failures int) RETURNS int LANGUAGE plpgsql AS $$"
    " BEGIN IF nextval('tries') <= failures THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;"
    " RETURN currval('tries'); END $$;"
    "CREATE FUNCTION fail(code text) RETURNS int LANGUAGE plpgsql AS $$"
    " BEGIN RAISE EXCEPTION 'failed' USING ERRCODE = code; END $$;";

enum {
    FIND,
    DIVIDE,
    INSERT,
    PLEDGE,
    CONFLICT,
    FAIL,
    SLEEP,
    LOCK,
    LOG,
    BACKEND,
    CHANGING,
    CROWD,
    FIND_TOGETHER,
    DIVIDE_TOGETHER,
    CROWD_TOGETHER,
    STATEMENTS
};

#define ASKED "unnest($1::text[]) WITH ORDINALITY AS asked (p, pos)"

static struct prepared statements[] = {
    [FIND] = { .name = "find", .text = "SELECT holder FROM seat WHERE id = $1" },
    [DIVIDE] = { .name = "divide", .text = "SELECT 100 / $1::int" },
    [INSERT] = { .name = "insert", .text = "INSERT INTO seat (id, holder) VALUES ($1, $1) RETURNING id" },
    [PLEDGE] = { .name = "pledge", .text = "INSERT INTO pledge VALUES ($1)" },
    [CONFLICT] = { .name = "conflict", .text = "SELECT conflict($1)" },
    [FAIL] = { .name = "fail", .text = "SELECT fail($1)" },
    [SLEEP] = { .name = "sleep", .text = "SELECT 1 FROM pg_sleep($1::int / 1000.0)" },
    [LOCK] = { .name = "lock", .text = "SELECT holder FROM seat WHERE id = $1 FOR UPDATE" },
    [LOG] = { .name = "log",
              .text = "INSERT INTO log VALUES (nextval('turn'), pg_backend_pid(), $1) RETURNING backend" },
    [BACKEND] = { .name = "backend", .text = "SELECT pg_backend_pid() + 0 * $1::int" },
    [CHANGING] = { .name = "changing", .text = "SELECT * FROM pledge WHERE id = $1" },
    [CROWD] = { .name = "crowd", .text = "SELECT 1 + 0 * $1::int" },
    [FIND_TOGETHER] = { .name = "find_together",
                        .text = "SELECT holder, pos FROM " ASKED ", seat WHERE id = p::int ORDER BY pos" },
    [DIVIDE_TOGETHER] = { .name = "divide_together", .text = "SELECT 100 / p::int, pos FROM " ASKED " ORDER BY pos" },
    [CROWD_TOGETHER] = { .name = "crowd_together",
                         .text = "SELECT (count(*) OVER ())::int, pos FROM " ASKED " ORDER BY pos" },
};

static const int together[STATEMENTS] = {
    [FIND] = FIND_TOGETHER,
    [DIVIDE] = DIVIDE_TOGETHER,
    [CROWD] = CROWD_TOGETHER,
};

static struct cluster *cluster;
static struct database_options options; /* set anew by each test's setup */
static struct event_base *base;
static struct database *database;
static struct arena *arena;

/* A batch and what became of it. Tests hold theirs in static memory, as it outlives a failed assertion. */
struct probe {
    struct batch batch;
    struct step steps[4];
    const char *values[4];
    bool done;
    enum batch_outcome outcome;
    int32_t number; /* first column of the first row of the last step, 0 where there is none */
    unsigned order;
};

static unsigned finished;

static void on_done(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct probe *probe = context;
    const struct step *last = &batch->steps[batch->step_count - 1];
    assert_false(probe->done);
    probe->done = true;
    probe->outcome = outcome;
    probe->order = ++finished;
    if (outcome == BATCH_DONE && last->row_count > 0 && PQgetlength(last->result, last->first_row, 0) == 4) {
        uint32_t wire;
        memcpy(&wire, PQgetvalue(last->result, last->first_row, 0), sizeof wire);
        probe->number = (int32_t)ntohl(wire);
    }
}

static void prepare_probe(struct probe *probe, enum lane lane)
{
    *probe = (struct probe){ .batch = { .lane = lane, .steps = probe->steps, .on_done = on_done, .context = probe } };
    probe->batch.deadline_us = clock_monotonic_us() + 10 * 1000000;
}

static void add_step(struct probe *probe, int statement, const char *value)
{
    size_t i = probe->batch.step_count++;
    probe->values[i] = value;
    probe->steps[i] = (struct step){ .statement = &statements[statement], .values = &probe->values[i] };
    if (together[statement])
        probe->steps[i].together = &statements[together[statement]];
}

static void submit(struct probe *probe, enum lane lane, int statement, const char *value)
{
    prepare_probe(probe, lane);
    add_step(probe, statement, value);
    database_submit(database, &probe->batch);
    assert_false(probe->done);
}

/* Turns the loop until it holds; fails after a time that no sound run needs. */
#define until(condition)                                                                                               \
    do {                                                                                                               \
        int64_t limit_us = clock_monotonic_us() + PATIENCE_US;                                                         \
        while (!(condition)) {                                                                                         \
            event_base_loop(base, EVLOOP_ONCE);                                                                        \
            assert_true(clock_monotonic_us() < limit_us);                                                              \
        }                                                                                                              \
    } while (0)

static enum batch_outcome outcome_of(struct probe *probe)
{
    until(probe->done);
    return probe->outcome;
}

static enum batch_outcome run(struct probe *probe, enum lane lane, int statement, const char *value)
{
    submit(probe, lane, statement, value);
    return outcome_of(probe);
}

/* ---- another, who holds what batches wait for ---- */

static PGconn *other;

static int ask_other(const char *sql)
{
    PGresult *result = PQexec(other, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(other));
    int number = PQntuples(result) ? atoi(PQgetvalue(result, 0, 0)) : 0;
    PQclear(result);
    return number;
}

/* Until let_go(). Nobody loses patience with it before. */
static void hold_seat(const char *id)
{
    char sql[120];
    options.lock_ms = options.statement_ms;
    const char *const names[] = { "dbname", "user", NULL }, *const values[] = { options.conninfo, "postgres", NULL };
    other = PQconnectdbParams(names, values, 1);
    snprintf(sql, sizeof sql, "BEGIN; SELECT id FROM unit.seat WHERE id = %s FOR UPDATE", id);
    ask_other(sql);
}

static void let_go(void)
{
    ask_other("ROLLBACK");
    PQfinish(other);
    other = NULL;
}

static char *metrics(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    database_metrics(database, "unit", out);
    fclose(out);
    return text;
}

/* Ready is a lane with one connection; who looks at their number waits for all. */
static bool all_connected(void)
{
    static const char *const names[LANE_COUNT] = { "point", "heavy", "write", "brief", "import", "background" };
    char *text = metrics(), line[120];
    bool all = true;
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        snprintf(line, sizeof line, "campus_database_connections{service=\"unit\",lane=\"%s\"} %u\n", names[lane],
                 options.lanes[lane].connections);
        all = all && strstr(text, line);
    }
    free(text);
    return all;
}

static void open_database(void)
{
    database = database_open(base, &options, statements, STATEMENTS);
    assert_false(database_ready(database));
    until(all_connected());
    assert_true(database_ready(database));
}

static int start_cluster(void **state)
{
    (void)state;
    cluster = cluster_start();
    cluster_run(cluster, schema_sql);
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    cluster_stop(cluster);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    options = (struct database_options){
        .conninfo = cluster_conninfo(cluster),
        .role = "unit",
        .schema = "unit",
        .lanes = { [LANE_POINT] = { 2, 64 },
                   [LANE_HEAVY] = { 1, 2 },
                   [LANE_WRITE] = { 2, 2 },
                   [LANE_BRIEF] = { 1, 1 },
                   [LANE_IMPORT] = { 1, 1 },
                   [LANE_BACKGROUND] = { 1, 1 } },
        .statement_ms = 5000,
        .lock_ms = 1000,
        .queue_limit = 1000,
        .unavailable_ms = 5000,
    };
    cluster_run(cluster, "TRUNCATE unit.pledge, unit.log; DELETE FROM unit.seat WHERE id > 1000;"
                         "ALTER SEQUENCE unit.tries RESTART; ALTER SEQUENCE unit.turn RESTART");
    arena = arena_new();
    base = event_base_new();
    const char *error;
    bool unreachable;
    if (!database_describe(arena, &options, statements, STATEMENTS, &error, &unreachable))
        fail_msg("%s", error);
    finished = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    PQfinish(other);
    other = NULL;
    database_close(database);
    database = NULL;
    event_base_free(base);
    arena_free(arena);
    return 0;
}

/* ---- the way of a batch ---- */

static void test_batch_travels(void **state)
{
    (void)state;
    static struct probe probe;
    open_database();
    assert_int_equal(run(&probe, LANE_POINT, FIND, "42"), BATCH_DONE);
    assert_int_equal(probe.number, 42);
    assert_int_equal(run(&probe, LANE_HEAVY, FIND, "43"), BATCH_DONE);
    assert_int_equal(probe.number, 43);
    assert_int_equal(run(&probe, LANE_IMPORT, INSERT, "2000"), BATCH_DONE);
    assert_int_equal(probe.number, 2000);
    assert_int_equal(database_pending(database), 0);
}

static void test_batch_before_any_connection(void **state)
{
    (void)state;
    static struct probe probe;
    database = database_open(base, &options, statements, STATEMENTS);
    assert_int_equal(run(&probe, LANE_POINT, FIND, "7"), BATCH_DONE);
    assert_int_equal(probe.number, 7);
}

static void test_steps_are_one_transaction(void **state)
{
    (void)state;
    static struct probe before, broken, after, look;
    open_database();
    submit(&before, LANE_WRITE, INSERT, "2001");
    prepare_probe(&broken, LANE_WRITE);
    add_step(&broken, INSERT, "2002");
    add_step(&broken, INSERT, "2003");
    add_step(&broken, INSERT, "1");
    add_step(&broken, INSERT, "2004");
    database_submit(database, &broken.batch);
    submit(&after, LANE_WRITE, INSERT, "2005");
    assert_int_equal(outcome_of(&broken), BATCH_REFUSED);
    assert_string_equal(broken.batch.sqlstate, "23505");
    assert_string_equal(broken.batch.constraint, "seat_taken");
    assert_string_equal(broken.batch.table, "seat");
    assert_int_equal(broken.batch.failed_step, 2);
    assert_int_equal(outcome_of(&before), BATCH_DONE);
    assert_int_equal(outcome_of(&after), BATCH_DONE);
    assert_int_equal(run(&look, LANE_POINT, FIND, "2001"), BATCH_DONE);
    assert_int_equal(look.number, 2001);
    assert_int_equal(run(&look, LANE_POINT, FIND, "2002"), BATCH_DONE);
    assert_int_equal(look.number, 0);
    assert_int_equal(run(&look, LANE_POINT, FIND, "2005"), BATCH_DONE);
    assert_int_equal(look.number, 2005);
}

static void test_refusal_names_the_column(void **state)
{
    (void)state;
    static struct probe probe;
    open_database();
    assert_int_equal(run(&probe, LANE_WRITE, INSERT, NULL), BATCH_REFUSED);
    assert_string_equal(probe.batch.sqlstate, "23502");
    assert_string_equal(probe.batch.column, "id");
}

static void test_constraint_that_fails_at_commit(void **state)
{
    (void)state;
    static struct probe probe, after;
    open_database();
    prepare_probe(&probe, LANE_WRITE);
    add_step(&probe, PLEDGE, "1");
    add_step(&probe, PLEDGE, "1");
    database_submit(database, &probe.batch);
    submit(&after, LANE_WRITE, PLEDGE, "2");
    assert_int_equal(outcome_of(&probe), BATCH_REFUSED);
    assert_string_equal(probe.batch.constraint, "pledge_once");
    assert_int_equal(probe.batch.failed_step, 1);
    assert_int_equal(outcome_of(&after), BATCH_DONE);
}

static void test_shared_sync_repeats_the_others_alone(void **state)
{
    (void)state;
    static struct probe probes[MANY];
    static char values[MANY][12];
    open_database();
    for (int i = 0; i < MANY; i++) {
        bool breaks = i % 50 == 20;
        snprintf(values[i], sizeof values[i], "%d", breaks ? 0 : i + 1);
        submit(&probes[i], LANE_POINT, breaks ? DIVIDE : FIND, values[i]);
    }
    for (int i = 0; i < MANY; i++) {
        bool breaks = i % 50 == 20;
        assert_int_equal(outcome_of(&probes[i]), breaks ? BATCH_REFUSED : BATCH_DONE);
        if (breaks)
            assert_string_equal(probes[i].batch.sqlstate, "22012");
        else
            assert_int_equal(probes[i].number, i + 1);
    }
}

static void test_each_gets_its_own_of_what_is_asked_together(void **state)
{
    (void)state;
    static struct probe probes[MANY], crowd[MANY];
    static char values[MANY][12];
    open_database();
    for (int i = 0; i < MANY; i++) {
        snprintf(values[i], sizeof values[i], "%d", i % 3 == 0 ? 5000 : i + 1);
        submit(&probes[i], LANE_POINT, FIND, i % 7 == 0 ? NULL : values[i]);
        submit(&crowd[i], LANE_POINT, CROWD, "1");
    }
    int32_t most = 0;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(outcome_of(&probes[i]), BATCH_DONE);
        assert_int_equal(probes[i].number, i % 3 == 0 || i % 7 == 0 ? 0 : i + 1);
        assert_int_equal(outcome_of(&crowd[i]), BATCH_DONE);
        most = crowd[i].number > most ? crowd[i].number : most;
    }
    assert_in_range(most, 2, MANY);
}

static void test_error_of_one_is_not_that_of_the_others(void **state)
{
    (void)state;
    static struct probe probes[MANY];
    static char values[MANY][12];
    open_database();
    for (int i = 0; i < MANY; i++) {
        snprintf(values[i], sizeof values[i], "%d", i % 40);
        submit(&probes[i], LANE_POINT, DIVIDE, values[i]);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(outcome_of(&probes[i]), i % 40 ? BATCH_DONE : BATCH_REFUSED);
        assert_int_equal(probes[i].number, i % 40 ? 100 / (i % 40) : 0);
        assert_string_equal(probes[i].batch.sqlstate, i % 40 ? "" : "22012");
    }
}

/* ---- on_done may continue and may free ---- */

struct chain {
    struct probe *probe;
    int left;
};

static void on_link(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct chain *chain = context;
    assert_int_equal(outcome, BATCH_DONE);
    if (--chain->left > 0) {
        database_submit(database, batch);
        return;
    }
    free(chain->probe);
    chain->probe = NULL;
}

static void test_batch_continues_and_is_freed_within_on_done(void **state)
{
    (void)state;
    static struct chain chain;
    chain = (struct chain){ .probe = malloc(sizeof *chain.probe), .left = 10 };
    open_database();
    prepare_probe(chain.probe, LANE_POINT);
    add_step(chain.probe, FIND, "5");
    chain.probe->batch.on_done = on_link;
    chain.probe->batch.context = &chain;
    database_submit(database, &chain.probe->batch);
    until(!chain.probe);
}

/* ---- errors ---- */

static void test_conflict_is_tried_again(void **state)
{
    (void)state;
    static struct probe probe;
    open_database();
    assert_int_equal(run(&probe, LANE_WRITE, CONFLICT, "3"), BATCH_DONE);
    assert_int_equal(probe.number, 4);
    assert_string_equal(probe.batch.sqlstate, "");
}

static void test_conflict_without_end_is_refused(void **state)
{
    (void)state;
    static struct probe probe;
    open_database();
    assert_int_equal(run(&probe, LANE_WRITE, CONFLICT, "1000"), BATCH_REFUSED);
    assert_string_equal(probe.batch.sqlstate, "40001");
    assert_int_equal(run(&probe, LANE_WRITE, CONFLICT, "1"), BATCH_DONE);
    assert_int_equal(probe.number, 6); /* five attempts before */
}

static void test_deadlock_is_tried_again(void **state)
{
    (void)state;
    static struct probe two[2];
    static const char *const seats[2][3] = { { "1", "3", "2" }, { "2", "3", "1" } };
    options.lanes[LANE_WRITE].depth = 1;
    hold_seat("3");
    open_database();
    for (int i = 0; i < 2; i++) {
        prepare_probe(&two[i], LANE_WRITE);
        for (int step = 0; step < 3; step++)
            add_step(&two[i], LOCK, seats[i][step]);
        database_submit(database, &two[i].batch);
    }
    until(ask_other("SELECT count(*) FROM pg_locks WHERE NOT granted") == 2);
    let_go(); /* each has the other's last, and one of them gets what both wait for */
    assert_int_equal(outcome_of(&two[0]), BATCH_DONE);
    assert_int_equal(outcome_of(&two[1]), BATCH_DONE);
    assert_in_range(two[0].batch.attempts + two[1].batch.attempts, 1, 4); /* they may meet again */
}

static void test_codes_and_outcomes(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        enum batch_outcome outcome;
    } cases[] = {
        { "P0001", BATCH_REFUSED }, { "0A000", BATCH_REFUSED },     { "53100", BATCH_UNAVAILABLE },
        { "57014", BATCH_EXPIRED }, { "58030", BATCH_UNAVAILABLE },
    };
    static struct probe probe;
    open_database();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(run(&probe, LANE_WRITE, FAIL, cases[i].sqlstate), cases[i].outcome);
}

static void test_lock_timeout_is_refused(void **state)
{
    (void)state;
    static struct probe waiter;
    hold_seat("1");
    options.lock_ms = 100;
    open_database();
    assert_int_equal(run(&waiter, LANE_WRITE, LOCK, "1"), BATCH_REFUSED);
    assert_string_equal(waiter.batch.sqlstate, "55P03");
    let_go();
    assert_int_equal(run(&waiter, LANE_WRITE, LOCK, "1"), BATCH_DONE);
}

static void test_statement_timeout_expires(void **state)
{
    (void)state;
    static struct probe slow, next;
    options.statement_ms = 500;
    open_database();
    assert_int_equal(run(&slow, LANE_HEAVY, SLEEP, "5000"), BATCH_EXPIRED);
    assert_int_equal(run(&next, LANE_HEAVY, FIND, "9"), BATCH_DONE);
    assert_int_equal(run(&slow, LANE_IMPORT, SLEEP, "1000"), BATCH_DONE); /* ten times as long */
}

static void test_reading_lanes_refuse_writes(void **state)
{
    (void)state;
    static struct probe probe;
    open_database();
    assert_int_equal(run(&probe, LANE_POINT, INSERT, "3000"), BATCH_REFUSED);
    assert_string_equal(probe.batch.sqlstate, "25006");
    assert_int_equal(run(&probe, LANE_HEAVY, INSERT, "3000"), BATCH_REFUSED);
}

/* ---- waiting ---- */

static void test_deadline_before_sending(void **state)
{
    (void)state;
    static struct probe late, blocking, waiting;
    options.lanes[LANE_WRITE] = (struct lane_options){ 1, 1 };
    hold_seat("1");
    open_database();
    prepare_probe(&late, LANE_WRITE);
    add_step(&late, INSERT, "2100");
    late.batch.deadline_us = clock_monotonic_us();
    database_submit(database, &late.batch);
    assert_int_equal(outcome_of(&late), BATCH_EXPIRED);
    submit(&blocking, LANE_WRITE, LOCK, "1");
    prepare_probe(&waiting, LANE_WRITE);
    add_step(&waiting, INSERT, "2101");
    waiting.batch.deadline_us = clock_monotonic_us() + 50000;
    database_submit(database, &waiting.batch);
    assert_int_equal(outcome_of(&waiting), BATCH_EXPIRED);
    assert_false(blocking.done);
    let_go();
    assert_int_equal(outcome_of(&blocking), BATCH_DONE);
    assert_int_equal(run(&late, LANE_POINT, FIND, "2100"), BATCH_DONE);
    assert_int_equal(late.number, 0);
    assert_int_equal(run(&late, LANE_POINT, FIND, "2101"), BATCH_DONE);
    assert_int_equal(late.number, 0);
}

static void test_full_queue_turns_away(void **state)
{
    (void)state;
    static struct probe probes[6];
    options.queue_limit = 3;
    options.lanes[LANE_WRITE] = (struct lane_options){ 1, 2 };
    hold_seat("1");
    open_database();
    for (int i = 0; i < 6; i++)
        submit(&probes[i], LANE_WRITE, LOCK, "1"); /* two fly, three wait */
    assert_int_equal(outcome_of(&probes[5]), BATCH_UNAVAILABLE);
    assert_false(probes[0].done);
    let_go();
    for (int i = 0; i < 5; i++)
        assert_int_equal(outcome_of(&probes[i]), BATCH_DONE);
}

static void test_equal_values_keep_their_order_on_one_connection(void **state)
{
    (void)state;
    static struct probe probes[MANY];
    static char values[MANY][12];
    int32_t backends[5] = { 0 };
    options.lanes[LANE_WRITE] = (struct lane_options){ 4, 2 };
    open_database();
    for (int i = 0; i < MANY; i++) {
        snprintf(values[i], sizeof values[i], "%d", i);
        prepare_probe(&probes[i], LANE_WRITE);
        add_step(&probes[i], LOG, values[i]);
        probes[i].batch.queue_by = (uint32_t)i % 5; /* 0 is any */
        database_submit(database, &probes[i].batch);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(outcome_of(&probes[i]), BATCH_DONE);
        if (i % 5 == 0)
            continue;
        if (i >= 5) {
            assert_int_equal(probes[i].number, backends[i % 5]);
            assert_true(probes[i].order > probes[i - 5].order);
        }
        backends[i % 5] = probes[i].number;
    }
}

static void test_reads_spread_over_connections(void **state)
{
    (void)state;
    static struct probe probes[4];
    open_database();
    for (int i = 0; i < 4; i++)
        submit(&probes[i], LANE_POINT, BACKEND, "0");
    for (int i = 0; i < 4; i++)
        assert_int_equal(outcome_of(&probes[i]), BATCH_DONE);
    assert_int_not_equal(probes[0].number, probes[1].number);
    assert_int_equal(probes[0].number, probes[2].number);
    assert_int_equal(probes[1].number, probes[3].number);
}

/* ---- loss ---- */

static void test_server_restarts_under_queued_batches(void **state)
{
    (void)state;
    static struct probe probes[MANY];
    static struct probe after;
    open_database();
    for (int i = 0; i < MANY; i++)
        submit(&probes[i], i % 2 ? LANE_WRITE : LANE_POINT, SLEEP, "5");
    until(finished > 10);
    cluster_kill(cluster);
    until(!database_ready(database));
    cluster_revive(cluster);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(outcome_of(&probes[i]), BATCH_DONE);
    assert_int_equal(run(&after, LANE_WRITE, INSERT, "2200"), BATCH_DONE);
    until(database_ready(database));
}

static void test_server_stays_away(void **state)
{
    (void)state;
    static struct probe probes[8], after;
    options.unavailable_ms = 200;
    open_database();
    for (int i = 0; i < 8; i++)
        submit(&probes[i], i % 2 ? LANE_WRITE : LANE_POINT, SLEEP, "4000");
    event_base_loop(base, EVLOOP_NONBLOCK);
    cluster_kill(cluster);
    int64_t killed_us = clock_monotonic_us();
    for (int i = 0; i < 8; i++)
        assert_int_equal(outcome_of(&probes[i]), BATCH_UNAVAILABLE);
    assert_in_range(clock_monotonic_us() - killed_us, 150000, 4000000); /* and not after the usual 5 s */
    cluster_revive(cluster);
    until(database_ready(database));
    assert_int_equal(run(&after, LANE_POINT, FIND, "8"), BATCH_DONE);
}

static void test_ended_backend_is_replaced(void **state)
{
    (void)state;
    static struct probe probe, next;
    char sql[80];
    options.lanes[LANE_WRITE] = (struct lane_options){ 1, 2 };
    hold_seat("1");
    open_database();
    assert_int_equal(run(&probe, LANE_WRITE, BACKEND, "0"), BATCH_DONE);
    submit(&next, LANE_WRITE, LOCK, "1");
    event_base_loop(base, EVLOOP_NONBLOCK);
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)", (int)probe.number);
    ask_other(sql);
    let_go();
    assert_int_equal(outcome_of(&next), BATCH_DONE);
    assert_int_equal(next.batch.attempts, 1);
    assert_int_equal(run(&next, LANE_WRITE, BACKEND, "0"), BATCH_DONE);
    assert_int_not_equal(next.number, probe.number);
}

static void test_frozen_server_is_left(void **state)
{
    (void)state;
    static struct probe probe, next;
    options.statement_ms = 500;
    options.lanes[LANE_WRITE] = (struct lane_options){ 1, 2 };
    open_database();
    assert_int_equal(run(&probe, LANE_WRITE, BACKEND, "0"), BATCH_DONE);
    kill(probe.number, SIGSTOP);
    enum batch_outcome outcome = run(&next, LANE_WRITE, BACKEND, "0");
    kill(probe.number, SIGCONT);
    assert_int_equal(outcome, BATCH_DONE);
    assert_int_not_equal(next.number, probe.number);
}

static void test_forgotten_statements_are_prepared_anew(void **state)
{
    (void)state;
    static struct probe probe;
    open_database();
    assert_int_equal(run(&probe, LANE_WRITE, FAIL, "26000"), BATCH_UNAVAILABLE); /* five connections later */
    assert_int_equal(run(&probe, LANE_WRITE, FIND, "4"), BATCH_DONE);
}

static void test_changed_columns_are_not_misread(void **state)
{
    (void)state;
    static struct probe probe;
    options.unavailable_ms = 300;
    open_database();
    assert_int_equal(run(&probe, LANE_POINT, CHANGING, "1"), BATCH_DONE);
    cluster_run(cluster, "ALTER TABLE unit.pledge ADD note text");
    assert_int_equal(run(&probe, LANE_POINT, CHANGING, "1"), BATCH_UNAVAILABLE);
    cluster_run(cluster, "ALTER TABLE unit.pledge DROP note");
    until(database_ready(database));
    assert_int_equal(run(&probe, LANE_POINT, CHANGING, "1"), BATCH_DONE);
}

static void test_close_ends_every_batch(void **state)
{
    (void)state;
    static struct probe probes[8];
    options.lanes[LANE_WRITE] = (struct lane_options){ 1, 2 };
    open_database();
    for (int i = 0; i < 8; i++)
        submit(&probes[i], LANE_WRITE, SLEEP, "100");
    event_base_loop(base, EVLOOP_NONBLOCK);
    database_close(database);
    database = NULL;
    for (int i = 0; i < 8; i++) {
        assert_true(probes[i].done);
        assert_int_equal(probes[i].outcome, BATCH_UNAVAILABLE);
    }
}

/* ---- metrics ---- */

static void test_metrics(void **state)
{
    (void)state;
    static struct probe probe;
    open_database();
    run(&probe, LANE_POINT, FIND, "1");
    run(&probe, LANE_WRITE, INSERT, "1");
    char *text = metrics();
    static const char *const lines[] = {
        "campus_database_batches_total{service=\"unit\",lane=\"point\",outcome=\"done\"} 1\n",
        "campus_database_batches_total{service=\"unit\",lane=\"write\",outcome=\"refused\"} 1\n",
        "campus_database_connections{service=\"unit\",lane=\"point\"} 2\n",
        "campus_database_seconds_bucket{service=\"unit\",lane=\"point\",le=\"+Inf\"} 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_non_null(strstr(text, lines[i]));
    free(text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_batch_travels),
        TEST(test_batch_before_any_connection),
        TEST(test_steps_are_one_transaction),
        TEST(test_refusal_names_the_column),
        TEST(test_constraint_that_fails_at_commit),
        TEST(test_shared_sync_repeats_the_others_alone),
        TEST(test_each_gets_its_own_of_what_is_asked_together),
        TEST(test_error_of_one_is_not_that_of_the_others),
        TEST(test_batch_continues_and_is_freed_within_on_done),
        TEST(test_conflict_is_tried_again),
        TEST(test_conflict_without_end_is_refused),
        TEST(test_deadlock_is_tried_again),
        TEST(test_codes_and_outcomes),
        TEST(test_lock_timeout_is_refused),
        TEST(test_statement_timeout_expires),
        TEST(test_reading_lanes_refuse_writes),
        TEST(test_deadline_before_sending),
        TEST(test_full_queue_turns_away),
        TEST(test_equal_values_keep_their_order_on_one_connection),
        TEST(test_reads_spread_over_connections),
        TEST(test_server_restarts_under_queued_batches),
        TEST(test_server_stays_away),
        TEST(test_ended_backend_is_replaced),
        TEST(test_frozen_server_is_left),
        TEST(test_forgotten_statements_are_prepared_anew),
        TEST(test_changed_columns_are_not_misread),
        TEST(test_close_ends_every_batch),
        TEST(test_metrics),
    };
    return cmocka_run_group_tests_name("database", tests, start_cluster, stop_cluster);
}
