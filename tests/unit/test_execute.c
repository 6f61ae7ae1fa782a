/* test_execute.c -- calls of a small service against a real PostgreSQL: effect, answer and facts of each. */
#include "tests/unit/sample_run.h"

enum { MANY = 16 };

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

static struct call *list_parts(const char *id)
{
    struct asked asked_for = asked("ListParts");
    struct buffer body = buffer_in(arena);
    put_text(&body, "ListPartsRequest", "id", id);
    return run(&asked_for, &body);
}

/* A read's target needs no guard: what it says is read from its rows. */
static void test_target_of_a_read(void **state)
{
    (void)state;
    add_thing("1", "'su', 'free', 'book', 1, false");
    add_thing("2", "'su', 'tool', 'tool', 1, false");
    add_thing("3", "'su', 'locked', 'book', 1, true");
    add_thing("4", "'federation', 'unseen', 'tool', 1, true");
    sql("INSERT INTO part SELECT id, 'cover', 1 FROM thing");
    assert_refused(list_parts(ID("0")), STATUS_NOT_FOUND, "not_found");
    assert_refused(list_parts(ID("2")), STATUS_FORBIDDEN, "permission_denied");
    assert_refused(list_parts(ID("3")), STATUS_GONE, "thing_locked");
    struct call *call = list_parts(ID("4"));
    assert_refused(call, STATUS_NOT_FOUND, "not_found");
    assert_int_equal(call->reply.size, 0);
    call = list_parts(ID("1"));
    assert_done(call);
    struct wire_field part;
    assert_true(wire_find(buffer_slice(&call->reply), call->plan->rpc->rows->number, &part));
    assert_string_equal(told(part.bytes, "Part", "name"), "cover");
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

static void test_each_key_has_its_own_answer(void **state)
{
    (void)state;
    const char *first = reply_of(create("key-1", "a"), "id"), *second = reply_of(create("key-2", "b"), "id");
    assert_string_not_equal(first, second);
    assert_told(create("key-1", "a"), "id", first);
    assert_told(create("key-2", "b"), "id", second);
    assert_string_equal(written(), "2 2 2");
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
        begin(probes[i]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SAMPLE_TEST(test_read_fills_the_reply),
        SAMPLE_TEST(test_null_is_an_absent_field),
        SAMPLE_TEST(test_read_of_nothing),
        SAMPLE_TEST(test_target_of_a_read),
        SAMPLE_TEST(test_value_that_no_rule_caught),
        SAMPLE_TEST(test_row_that_does_not_fit),
        SAMPLE_TEST(test_deadline_that_has_passed),
        SAMPLE_TEST(test_write_and_its_replay),
        SAMPLE_TEST(test_what_a_write_stores),
        SAMPLE_TEST(test_key_with_another_request),
        SAMPLE_TEST(test_each_key_has_its_own_answer),
        SAMPLE_TEST(test_key_of_another_caller),
        SAMPLE_TEST(test_twins),
        SAMPLE_TEST(test_claim_that_another_holds),
        SAMPLE_TEST(test_lock_that_another_holds),
        SAMPLE_TEST(test_expired_answer_makes_way),
        SAMPLE_TEST(test_minted_key_is_kept_for_minutes),
        SAMPLE_TEST(test_sweep_takes_only_what_has_expired),
        SAMPLE_TEST(test_guard_refuses_and_nothing_is_written),
        SAMPLE_TEST(test_empty_reply_is_a_conflict),
        SAMPLE_TEST(test_constraints_name_their_code),
        SAMPLE_TEST(test_target_says_why),
        SAMPLE_TEST(test_if_match),
        SAMPLE_TEST(test_if_match_of_many_at_once),
    };
    return cmocka_run_group_tests_name("execute", tests, sample_start, sample_stop);
}
