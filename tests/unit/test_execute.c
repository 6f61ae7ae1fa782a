/* test_execute.c -- calls of a small service against a real PostgreSQL: effect, answer, facts and pages of each. */
#include "tests/unit/sample_service.h"

#include "common/call_state.h"
#include "common/clock.h"
#include "common/execute.h"
#include "common/log.h"
#include "common/parameter.h"

#include <bus.pb-c.h>
#include <event2/event.h>

enum { PATIENCE_US = 20 * 1000000, MANY = 16, DAY_S = 86400 };

static struct cluster *cluster;
static struct arena *lasting; /* of the contract and the plans, for all tests */
static const struct schema *schema;
static struct plans plans;
static struct database_options options;
static PGconn *other; /* another client of the database, as the superuser */

static struct arena *arena;
static struct event_base *base;
static struct database *database;

static const uint8_t secret[PAGE_SECRET] = "sixteen and another sixteen byte";

static int start(void **state)
{
    (void)state;
    const struct method *const tables[] = { sample_methods, NULL };
    const struct service service = { "sample", tables, NULL };
    const char *error = NULL;
    bool unreachable;
    log_set_level(LOG_ERROR);
    cluster = sample_cluster();
    lasting = arena_new();
    schema = contract_schema(lasting, sample_files);
    options = sample_database_options(cluster);
    if (!plans_gather(&plans, lasting, &service, schema, sample_queries(lasting, NULL)))
        fail_msg("%s", plans.error);
    if (!database_describe(lasting, &options, plans.prepared, plans.prepared_count, &error, &unreachable))
        fail_msg("%s", error);
    size_t described = plans.prepared_count;
    if (!plans_bind(&plans))
        fail_msg("%s", plans.error);
    if (!database_describe(lasting, &options, plans.prepared + described, plans.prepared_count - described, &error,
                           &unreachable))
        fail_msg("%s", error);
    other = PQconnectdb(arena_printf(lasting, "%s user=postgres options='-c search_path=sample,campus,public'",
                                     cluster_conninfo(cluster)));
    assert_int_equal(PQstatus(other), CONNECTION_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    PQfinish(other);
    arena_free(lasting);
    cluster_stop(cluster);
    return 0;
}

/* Runs SQL beside the service; the first value, or "". */
static const char *sql(const char *text)
{
    PGresult *result = PQexec(other, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s", PQresultErrorMessage(result));
    const char *value = arena_strdup(arena, PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    /* No TRUNCATE: connections of the test before may still be preparing. */
    sql("DELETE FROM thing; DELETE FROM answer; DELETE FROM fact; UPDATE clock SET shift = '0'");
    base = event_base_new();
    database = database_open(base, &options, plans.prepared, plans.prepared_count);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    database_close(database);
    event_base_free(base);
    if (PQtransactionStatus(other) != PQTRANS_IDLE)
        sql("ROLLBACK");
    arena_free(arena);
    return 0;
}

/* ---- calls ---- */

/* A call and how often it has ended. */
struct probe {
    struct call call;
    unsigned ended;
};

/* What a gateway sends with the body; a test changes what it is about. */
struct asked {
    const char *method, *key, *caller, *scope;
    const char *set; /* the one path that a merge patch names, or NULL */
    int64_t if_version; /* 0: none */
    bool minted;
    int64_t left_us;
};

static const char someone[] = "01900000-0000-7000-8000-000000000001";

static struct asked asked(const char *method)
{
    return (struct asked){ .method = method, .caller = someone, .scope = "su", .left_us = 10 * 1000000 };
}

static void fill_header(const struct asked *asked, BusRequest *header, Campus__Bus__Principal *caller, char **lists)
{
    campus__bus__request__init(header);
    campus__bus__principal__init(caller);
    caller->id = arena_strdup(arena, asked->caller);
    lists[0] = arena_strdup(arena, asked->scope);
    lists[1] = asked->set ? arena_strdup(arena, asked->set) : NULL;
    header->caller = caller;
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

static struct probe *probe_of(const struct asked *asked, const struct buffer *body)
{
    BusRequest header;
    Campus__Bus__Principal caller;
    char *lists[2];
    struct probe *probe = arena_zalloc(arena, sizeof *probe);
    probe->call = (struct call){
        .arena = arena,
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

static struct probe *submit(const struct asked *asked, const struct buffer *body)
{
    struct probe *probe = probe_of(asked, body);
    execute(&probe->call, database, &plans, on_end);
    return probe;
}

static void finish(const struct probe *probe)
{
    int64_t limit_us = clock_monotonic_us() + PATIENCE_US;
    while (!probe->ended) {
        event_base_loop(base, EVLOOP_ONCE);
        assert_true(clock_monotonic_us() < limit_us);
    }
    assert_int_equal(probe->ended, 1);
}

static struct call *run(const struct asked *asked, const struct buffer *body)
{
    struct probe *probe = submit(asked, body);
    finish(probe);
    return &probe->call;
}

static void assert_done(const struct call *call)
{
    if (call->problem.status != STATUS_OK)
        fail_msg("%s: %s", call->plan->rpc->name, call->problem.code);
}

static void assert_refused(const struct call *call, enum status status, const char *code)
{
    assert_non_null(call->problem.code);
    assert_string_equal(call->problem.code, code);
    assert_int_equal(call->problem.status, status);
}

/* ---- requests and replies, by the names of fields ---- */

static const struct field *field_of(const char *message, const char *name)
{
    const struct message *known = schema_message(schema, arena_printf(arena, "campus.sample.%s", message));
    assert_non_null(known);
    const struct field *field = message_find(known, slice_text(name));
    assert_non_null(field);
    return field;
}

static void put_text(struct buffer *body, const char *message, const char *name, const char *value)
{
    wire_put_text(body, field_of(message, name)->number, value);
}

static void put_number(struct buffer *body, const char *message, const char *name, int64_t value)
{
    wire_put_varint(body, field_of(message, name)->number, (uint64_t)value);
}

/* As SQL would write it; NULL where it is absent. */
static const char *told(struct slice wire, const char *message, const char *name)
{
    return parameter_text(arena, field_of(message, name), wire);
}

static const char *reply_of(const struct call *call, const char *name)
{
    return told(buffer_slice(&call->reply), call->plan->rpc->reply->name, name);
}

static void assert_told(const struct call *call, const char *name, const char *expected)
{
    const char *value = reply_of(call, name);
    if (!value)
        fail_msg("%s is absent", name);
    assert_string_equal(value, expected);
}

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

static struct buffer creation(const char *title)
{
    struct buffer body = buffer_in(arena);
    put_text(&body, "CreateThingRequest", "path", "su.learning");
    if (title)
        put_text(&body, "CreateThingRequest", "title", title);
    return body;
}

static struct call *create(const char *key, const char *title)
{
    struct asked asked_for = asked("CreateThing");
    struct buffer body = creation(title);
    asked_for.key = key;
    return run(&asked_for, &body);
}

/* How many things, answers and facts there are. */
static const char *written(void)
{
    return sql("SELECT concat_ws(' ', (SELECT count(*) FROM thing), (SELECT count(*) FROM answer), (SELECT count(*) "
               "FROM fact))");
}

#define ID(digit) "01900000-0000-7000-8000-00000000000" digit

static void add_thing(const char *digit, const char *values)
{
    sql(arena_printf(arena,
                     "INSERT INTO thing (id, path, title, kind, size, locked) VALUES "
                     "('01900000-0000-7000-8000-00000000000%s', %s)",
                     digit, values));
}

/* ---- reads ---- */

static struct call *get(const char *id, const char *scope)
{
    struct asked asked_for = asked("GetThing");
    struct buffer body = buffer_in(arena);
    asked_for.scope = scope;
    put_text(&body, "GetThingRequest", "id", id);
    return run(&asked_for, &body);
}

static void test_read_fills_the_reply(void **state)
{
    (void)state;
    add_thing("1", "'su.learning', '书', 'tool', -7, false");
    sql("UPDATE thing SET contact = 'c', tags = '{a,\"b c\"}', place_floor = 3, version = 4611686018427387904");
    struct call *call = get(ID("1"), "su");
    assert_done(call);
    assert_told(call, "id", ID("1"));
    assert_told(call, "path", "su.learning");
    assert_told(call, "title", "书");
    assert_told(call, "kind", "tool");
    assert_told(call, "contact", "c");
    assert_told(call, "size", "-7");
    assert_told(call, "tags", "{\"a\",\"b c\"}");
    assert_told(call, "version", "4611686018427387904");
    assert_told(call, "made_at", "2026-09-01T08:00:00Z");
    assert_null(reply_of(call, "note"));
    struct wire_field place;
    assert_true(wire_find(buffer_slice(&call->reply), field_of("Thing", "place")->number, &place));
    assert_string_equal(told(place.bytes, "Place", "floor"), "3");
    assert_null(told(place.bytes, "Place", "name"));
    assert_false(call->replayed);
}

static void test_null_is_an_absent_field(void **state)
{
    (void)state;
    struct wire_field place;
    add_thing("1", "'su', 'a', 'book', NULL, false");
    struct call *call = get(ID("1"), "su");
    assert_done(call);
    assert_null(reply_of(call, "contact"));
    assert_null(reply_of(call, "size"));
    assert_false(wire_find(buffer_slice(&call->reply), field_of("Thing", "place")->number, &place));
}

static void test_read_of_nothing(void **state)
{
    (void)state;
    add_thing("1", "'su', 'a', 'book', 1, false");
    assert_refused(get(ID("2"), "su"), STATUS_NOT_FOUND, "not_found");
    assert_refused(get(ID("1"), "federation"), STATUS_NOT_FOUND, "not_found");
}

static void test_value_that_no_rule_caught(void **state)
{
    (void)state;
    assert_refused(get("no uuid", "su"), STATUS_INVALID, "invalid");
}

static void test_row_that_does_not_fit(void **state)
{
    (void)state;
    add_thing("1", "'su', 'a', 'spoon', 1, false");
    assert_refused(get(ID("1"), "su"), STATUS_INTERNAL, "internal");
}

static void test_deadline_that_has_passed(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = creation("a");
    asked_for.key = "k";
    asked_for.left_us = 0;
    struct probe *probe = submit(&asked_for, &body);
    assert_int_equal(probe->ended, 1); /* at once */
    assert_refused(&probe->call, STATUS_DEADLINE_EXCEEDED, "deadline_exceeded");
    assert_string_equal(written(), "0 0 0");
}

/* ---- writes: once ---- */

static struct buffer full_creation(void)
{
    struct buffer body = creation("secret title");
    put_text(&body, "CreateThingRequest", "contact", "secret contact");
    put_number(&body, "CreateThingRequest", "size", 12);
    put_text(&body, "CreateThingRequest", "tags", "one");
    put_text(&body, "CreateThingRequest", "tags", "two");
    put_number(&body, "CreateThingRequest", "state", 1);
    return body;
}

static void test_write_and_its_replay(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = full_creation();
    asked_for.key = "key-1";
    struct call *first = run(&asked_for, &body);
    assert_done(first);
    assert_false(first->replayed);
    assert_told(first, "kind", "book"); /* the statement's */
    assert_told(first, "version", "1");
    assert_told(first, "note", "shaped"); /* .finish */
    assert_told(first, "path", "su.learning"); /* echoed */
    assert_told(first, "title", "secret title");
    assert_told(first, "contact", "secret contact");
    assert_told(first, "size", "12");
    assert_told(first, "tags", "{\"one\",\"two\"}");
    assert_null(reply_of(first, "state")); /* the request's is another enum */
    struct call *again = run(&asked_for, &body);
    assert_done(again);
    assert_true(again->replayed);
    assert_true(slice_equal(buffer_slice(&first->reply), buffer_slice(&again->reply)));
    assert_string_equal(written(), "1 1 1");
    assert_string_equal(sql("SELECT label || contact FROM thing"), "#secret titlesecret contact");
}

static void test_what_a_write_stores(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = full_creation();
    asked_for.key = "key-1";
    struct call *call = run(&asked_for, &body);
    assert_done(call);
    assert_string_equal(
        sql("SELECT concat_ws(' ', f.pos, type, subject = t.id::text, data ->> 'kind', actor, method, request_id)"
            "  FROM fact f, thing t"),
        arena_printf(arena, "thing.created t book %s CreateThing request-1", someone));
    assert_string_equal(sql("SELECT jsonb_array_length(rows) FROM answer"), "1");
    assert_string_equal(
        sql("SELECT count(*) FROM answer WHERE answer::text LIKE '%secret%' OR answer::text LIKE '%key-1%'"), "0");
    assert_string_equal(sql("SELECT count(*) FROM fact WHERE fact::text LIKE '%secret%'"), "0");
    assert_string_equal(sql("SELECT key_hash = sha256('key-1') FROM answer"), "t");
}

static void test_key_with_another_request(void **state)
{
    (void)state;
    struct asked patch = asked("PatchThing");
    struct buffer body = buffer_in(arena);
    assert_done(create("key-1", "a"));
    assert_refused(create("key-1", "b"), STATUS_INVALID, "idempotency_key_reused");
    put_text(&body, "PatchThingRequest", "id", sql("SELECT id FROM thing"));
    patch.key = "key-1";
    assert_refused(run(&patch, &body), STATUS_INVALID, "idempotency_key_reused");
    patch.key = "key-2";
    patch.if_version = 1;
    assert_done(run(&patch, &body));
    patch.if_version = 2;
    assert_refused(run(&patch, &body), STATUS_INVALID, "idempotency_key_reused");
    patch.if_version = 1;
    patch.set = "title";
    assert_refused(run(&patch, &body), STATUS_INVALID, "idempotency_key_reused");
    assert_string_equal(written(), "1 2 1");
    assert_string_equal(sql("SELECT version FROM thing"), "2");
}

static void test_key_of_another_caller(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = creation("b");
    assert_done(create("key-1", "a"));
    asked_for.key = "key-1";
    asked_for.caller = ID("2");
    struct call *call = run(&asked_for, &body);
    assert_done(call);
    assert_false(call->replayed);
    assert_string_equal(written(), "2 2 2");
}

/* Both under way at once: one waits for the other's claim. */
static void test_twins(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = creation("a");
    struct probe *twins[MANY];
    unsigned replayed = 0;
    asked_for.key = "key-1";
    for (size_t i = 0; i < MANY; i++)
        twins[i] = submit(&asked_for, &body);
    for (size_t i = 0; i < MANY; i++) {
        finish(twins[i]);
        assert_done(&twins[i]->call);
        assert_true(slice_equal(buffer_slice(&twins[i]->call.reply), buffer_slice(&twins[0]->call.reply)));
        replayed += twins[i]->call.replayed;
    }
    assert_int_equal(replayed, MANY - 1);
    assert_string_equal(written(), "1 1 1");
}

static void test_claim_that_another_holds(void **state)
{
    (void)state;
    sql(arena_printf(arena,
                     "BEGIN; INSERT INTO answer VALUES ('%s', sha256('key-1'), 'CreateThing', '', 'null', "
                     "'2100-01-01')",
                     someone));
    struct call *call = create("key-1", "a");
    assert_refused(call, STATUS_CONFLICT, "request_in_progress");
    assert_true(call->problem.retry_after_ms > 0);
    sql("ROLLBACK");
    call = create("key-1", "a");
    assert_done(call);
    assert_false(call->replayed);
    assert_string_equal(written(), "1 1 1");
}

/* A lock that is not the claim's is no twin. */
static void test_lock_that_another_holds(void **state)
{
    (void)state;
    sql("BEGIN; SELECT 1 FROM place FOR UPDATE");
    struct call *call = create("key-1", "a");
    sql("ROLLBACK");
    assert_refused(call, STATUS_UNAVAILABLE, "unavailable");
    assert_true(call->problem.retry_after_ms > 0);
    assert_string_equal(written(), "0 0 0");
}

/* ---- answers expire ---- */

static void test_expired_answer_makes_way(void **state)
{
    (void)state;
    assert_done(create("key-1", "a"));
    sql("UPDATE clock SET shift = '23 hours 59 minutes'");
    assert_refused(create("key-1", "b"), STATUS_INVALID, "idempotency_key_reused");
    sql("UPDATE clock SET shift = '24 hours 1 minute'");
    struct call *call = create("key-1", "b");
    assert_done(call);
    assert_false(call->replayed);
    assert_string_equal(written(), "2 1 2");
    assert_string_equal(sql("SELECT expires_at > campus.now() FROM answer"), "t");
}

static void test_minted_key_is_kept_for_minutes(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = creation("a");
    asked_for.key = "minted";
    asked_for.minted = true;
    assert_done(run(&asked_for, &body));
    assert_string_equal(sql("SELECT expires_at - campus.now() BETWEEN '4 minutes' AND '5 minutes' FROM answer"), "t");
}

static void test_sweep_takes_only_what_has_expired(void **state)
{
    (void)state;
    assert_done(create("old", "a"));
    sql("UPDATE clock SET shift = '12 hours'");
    assert_done(create("new", "b"));
    sql("UPDATE clock SET shift = '25 hours'");
    sql(answer_sweep_sql);
    assert_string_equal(sql("SELECT count(*) || ' ' || bool_and(key_hash = sha256('new')) FROM answer"), "1 true");
}

/* ---- refusals write nothing ---- */

static void test_guard_refuses_and_nothing_is_written(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = creation("a");
    asked_for.key = "key-1";
    asked_for.scope = "federation";
    assert_refused(run(&asked_for, &body), STATUS_FORBIDDEN, "permission_denied");
    assert_string_equal(written(), "0 0 0");
    assert_refused(create("key-1", NULL), STATUS_INVALID, "nameless");
    assert_string_equal(written(), "0 0 0");
    asked_for.scope = "su";
    assert_done(run(&asked_for, &body)); /* the key is still free */
}

static void test_empty_reply_is_a_conflict(void **state)
{
    (void)state;
    assert_refused(create("key-1", "nothing"), STATUS_CONFLICT, "conflict");
    assert_string_equal(written(), "0 0 0");
}

static void test_constraints_name_their_code(void **state)
{
    (void)state;
    struct asked asked_for = asked("CreateThing");
    struct buffer body = creation("b");
    assert_done(create("key-1", "a"));
    assert_refused(create("key-2", "a"), STATUS_CONFLICT, "title_taken");
    put_number(&body, "CreateThingRequest", "size", 2000000);
    asked_for.key = "key-3";
    assert_refused(run(&asked_for, &body), STATUS_CONFLICT,
                   "conflict"); /* size_small: the method does not declare it */
    assert_string_equal(written(), "1 1 1");
}

static struct call *patch(const char *digit, int64_t if_version)
{
    static unsigned keys;
    struct asked asked_for = asked("PatchThing");
    struct buffer body = buffer_in(arena);
    put_text(&body, "PatchThingRequest", "id", arena_printf(arena, "01900000-0000-7000-8000-00000000000%s", digit));
    put_text(&body, "PatchThingRequest", "title", "new");
    asked_for.set = "title";
    asked_for.key = arena_printf(arena, "patch-%u", keys++);
    asked_for.if_version = if_version;
    return run(&asked_for, &body);
}

static void test_target_says_why(void **state)
{
    (void)state;
    add_thing("1", "'su', 'free', 'book', 1, false");
    add_thing("2", "'su', 'tool', 'tool', 1, false");
    add_thing("3", "'su', 'locked', 'book', 1, true");
    add_thing("4", "'federation', 'unseen', 'tool', 1, true");
    assert_refused(patch("0", 1), STATUS_NOT_FOUND, "not_found");
    assert_refused(patch("2", 1), STATUS_FORBIDDEN, "permission_denied");
    assert_refused(patch("3", 1), STATUS_GONE, "thing_locked");
    assert_refused(patch("4", 7), STATUS_NOT_FOUND, "not_found"); /* says nothing of what may not be seen */
    assert_refused(patch("3", 7), STATUS_STALE, "stale_version");
    assert_string_equal(sql("SELECT count(*) FROM thing WHERE version > 1"), "0");
    assert_string_equal(written(), "4 0 0");
    assert_done(patch("1", 1));
}

static void test_if_match(void **state)
{
    (void)state;
    add_thing("1", "'su', 'old', 'book', 1, false");
    assert_refused(patch("1", 2), STATUS_STALE, "stale_version");
    assert_string_equal(sql("SELECT title || version FROM thing"), "old1");
    struct call *call = patch("1", 1);
    assert_done(call);
    assert_told(call, "version", "2");
    assert_told(call, "title", "new");
    assert_refused(patch("1", 1), STATUS_STALE, "stale_version");
    assert_done(patch("1", 0)); /* none: it is the gateway that asks for one */
    assert_string_equal(sql("SELECT title || version FROM thing"), "new3");
}

/* Of several at once that name the same version one wins: the target is locked before it is compared. */
static void test_if_match_of_many_at_once(void **state)
{
    (void)state;
    struct probe *probes[MANY];
    struct buffer body = buffer_in(arena);
    unsigned done = 0;
    add_thing("1", "'su', 'old', 'book', 1, false");
    put_text(&body, "PatchThingRequest", "id", ID("1"));
    for (size_t i = 0; i < MANY; i++) {
        struct asked asked_for = asked("PatchThing");
        asked_for.key = arena_printf(arena, "key-%zu", i);
        asked_for.if_version = 1;
        probes[i] = probe_of(&asked_for, &body);
        /* Without queue_by they would meet on several connections. */
        struct plan *spread = arena_alloc(arena, sizeof *spread);
        *spread = *probes[i]->call.plan;
        spread->queue_by = NULL;
        probes[i]->call.plan = spread;
        execute(&probes[i]->call, database, &plans, on_end);
    }
    for (size_t i = 0; i < MANY; i++) {
        finish(probes[i]);
        done += probes[i]->call.problem.status == STATUS_OK;
        if (probes[i]->call.problem.status != STATUS_OK)
            assert_refused(&probes[i]->call, STATUS_STALE, "stale_version");
    }
    assert_int_equal(done, 1);
    assert_string_equal(sql("SELECT version FROM thing"), "2");
}

/* ---- lists ---- */

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

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_fills_the_reply),
        TEST(test_null_is_an_absent_field),
        TEST(test_read_of_nothing),
        TEST(test_value_that_no_rule_caught),
        TEST(test_row_that_does_not_fit),
        TEST(test_deadline_that_has_passed),
        TEST(test_write_and_its_replay),
        TEST(test_what_a_write_stores),
        TEST(test_key_with_another_request),
        TEST(test_key_of_another_caller),
        TEST(test_twins),
        TEST(test_claim_that_another_holds),
        TEST(test_lock_that_another_holds),
        TEST(test_expired_answer_makes_way),
        TEST(test_minted_key_is_kept_for_minutes),
        TEST(test_sweep_takes_only_what_has_expired),
        TEST(test_guard_refuses_and_nothing_is_written),
        TEST(test_empty_reply_is_a_conflict),
        TEST(test_constraints_name_their_code),
        TEST(test_target_says_why),
        TEST(test_if_match),
        TEST(test_if_match_of_many_at_once),
        TEST(test_pages),
        TEST(test_list_of_nothing),
        TEST(test_count),
        TEST(test_search_has_a_statement_of_its_own),
        TEST(test_token_belongs_to_its_query),
        TEST(test_token_gives_no_authority),
    };
    return cmocka_run_group_tests_name("execute", tests, start, stop);
}
