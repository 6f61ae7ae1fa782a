/* sample_run.c -- the sample service on a PostgreSQL of its own, and its calls. */
#include "tests/unit/sample_run.h"

#include "common/clock.h"
#include "common/execute.h"
#include "common/log.h"
#include "common/parameter.h"
#include "common/plan.h"
#include "common/wire.h"

#include <bus.pb-c.h>
#include <event2/event.h>

enum { PATIENCE_US = 20 * 1000000 };

static const uint8_t secret[PAGE_SECRET] = "sixteen and another sixteen byte";
const char someone[] = "01900000-0000-7000-8000-000000000001";

static struct cluster *cluster;
static struct arena *lasting; /* of the contract and the plans, for all tests */
static const struct schema *schema;
static struct plans plans;
static struct database_options options;
static PGconn *other; /* another client of the database, as the superuser */

static struct event_base *base;
static struct database *database;
static struct aside *aside;

static bool describe(size_t from)
{
    bool unreachable;
    return database_describe(lasting, &options, plans.prepared + from, plans.prepared_count - from, &plans.error,
                             &unreachable);
}

/* The service's plans, described and bound, as a start makes them. */
static void bind_plans(void)
{
    static const struct method *const tables[] = { sample_methods, NULL };
    static const struct service service = { .name = "sample", .tables = tables };
    bool right = plans_gather(&plans, lasting, &service, schema, sample_queries(lasting, NULL));
    size_t gathered = plans.prepared_count;
    if (!right || !describe(0) || !plans_bind(&plans) || !describe(gathered))
        fail_msg("%s", plans.error);
}

int sample_start(void **state)
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

int sample_stop(void **state)
{
    (void)state;
    PQfinish(other);
    arena_free(lasting);
    cluster_stop(cluster);
    return 0;
}

const char *sql(const char *text)
{
    PGresult *result = PQexec(other, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s", PQresultErrorMessage(result));
    const char *value = arena_strdup(arena, PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

int sample_set_up(void **state)
{
    arena_set_up(state);
    /* No TRUNCATE: connections of the test before may still be preparing. */
    sql("DELETE FROM thing; DELETE FROM part; DELETE FROM answer; DELETE FROM fact; UPDATE clock SET shift = '0'");
    base = event_base_new();
    database = database_open(base, &options, plans.prepared, plans.prepared_count);
    aside = aside_open(base, "sample");
    return 0;
}

int sample_tear_down(void **state)
{
    aside_close(aside);
    database_close(database);
    event_base_free(base);
    if (PQtransactionStatus(other) != PQTRANS_IDLE)
        sql("ROLLBACK");
    return arena_tear_down(state);
}

void add_thing(const char *digit, const char *values)
{
    sql(arena_printf(arena,
                     "INSERT INTO thing (id, path, title, kind, size, locked) VALUES "
                     "('01900000-0000-7000-8000-00000000000%s', %s)",
                     digit, values));
}

/* ---- calls ---- */

struct asked asked(const char *method)
{
    return (struct asked){ .method = method, .caller = someone, .scope = "su", .left_us = 10 * 1000000 };
}

static void fill_header(const struct asked *asked, BusRequest *header, Campus__Bus__Principal *caller, char **lists)
{
    campus__bus__request__init(header);
    campus__bus__principal__init(caller);
    caller->id = asked->caller ? arena_strdup(arena, asked->caller) : NULL;
    lists[0] = arena_strdup(arena, asked->scope);
    lists[1] = asked->set ? arena_strdup(arena, asked->set) : NULL;
    header->caller = asked->caller ? caller : NULL;
    header->has_client = asked->client != 0;
    header->client = asked->client;
    header->scopes = &lists[0];
    header->n_scopes = 1;
    header->set = &lists[1];
    header->n_set = asked->set != NULL;
    header->idempotency_key = asked->key ? arena_strdup(arena, asked->key) : NULL;
    header->key_minted = asked->minted;
    header->has_if_version = asked->if_version != 0;
    header->if_version = asked->if_version;
    header->request_id = arena_strdup(arena, "request-1");
}

static void free_arena(void *context)
{
    arena_free(context);
}

/* A call's own, as long as the test's. */
static struct arena *own_arena(void)
{
    struct arena *own = arena_new();
    arena_defer(arena, free_arena, own);
    return own;
}

struct probe *probe_of(const struct asked *asked, const struct buffer *body)
{
    BusRequest header;
    Campus__Bus__Principal caller;
    char *lists[2];
    struct probe *probe = arena_zalloc(arena, sizeof *probe);
    probe->call = (struct call){
        .arena = own_arena(),
        .aside = aside,
        .plan = plans_find(&plans, asked->method),
        .deadline_us = clock_monotonic_us() + asked->left_us,
        .secret = secret,
    };
    assert_non_null(probe->call.plan);
    fill_header(asked, &header, &caller, lists);
    assert_true(call_read(&probe->call, &header, buffer_slice(body)));
    return probe;
}

static void on_end(struct call *call)
{
    ((struct probe *)(void *)call)->ended++;
}

void begin(struct probe *probe)
{
    execute(&probe->call, database, &plans, on_end);
}

struct probe *submit(const struct asked *asked, const struct buffer *body)
{
    struct probe *probe = probe_of(asked, body);
    begin(probe);
    return probe;
}

void finish(const struct probe *probe)
{
    int64_t limit_us = clock_monotonic_us() + PATIENCE_US;
    while (!probe->ended) {
        event_base_loop(base, EVLOOP_ONCE);
        assert_true(clock_monotonic_us() < limit_us);
    }
    assert_int_equal(probe->ended, 1);
}

struct call *run(const struct asked *asked, const struct buffer *body)
{
    struct probe *probe = submit(asked, body);
    finish(probe);
    return &probe->call;
}

void assert_done(const struct call *call)
{
    if (call->problem.status != STATUS_OK)
        fail_msg("%s: %s", call->plan->rpc->name, call->problem.code);
}

void assert_refused(const struct call *call, enum status status, const char *code)
{
    assert_non_null(call->problem.code);
    assert_string_equal(call->problem.code, code);
    assert_int_equal(call->problem.status, status);
}

const struct field *field_of(const char *message, const char *name)
{
    const struct message *known = schema_message(schema, arena_printf(arena, "campus.sample.%s", message));
    assert_non_null(known);
    const struct field *field = message_find(known, slice_text(name));
    assert_non_null(field);
    return field;
}

void put_text(struct buffer *body, const char *message, const char *name, const char *value)
{
    wire_put_text(body, field_of(message, name)->number, value);
}

void put_number(struct buffer *body, const char *message, const char *name, int64_t value)
{
    wire_put_varint(body, field_of(message, name)->number, (uint64_t)value);
}

const char *told(struct slice wire, const char *message, const char *name)
{
    return parameter_text(arena, field_of(message, name), wire);
}

const char *reply_of(const struct call *call, const char *name)
{
    return told(buffer_slice(&call->reply), call->plan->rpc->reply->name, name);
}

void assert_told(const struct call *call, const char *name, const char *expected)
{
    const char *value = reply_of(call, name);
    if (!value)
        fail_msg("%s is absent", name);
    assert_string_equal(value, expected);
}
