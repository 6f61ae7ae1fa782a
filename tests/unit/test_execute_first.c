/* test_execute_first.c -- calls that look something up before they are checked, refusals that are written, and what nobody's calls
 * are told apart by. */
#include "tests/unit/sample_run.h"

static struct asked knock(const char *key)
{
    struct asked asked_for = asked("OpenThing");
    asked_for.key = key;
    asked_for.caller = NULL;
    return asked_for;
}

static struct buffer word(const char *digit, const char *said)
{
    struct buffer body = buffer_in(arena);
    put_text(&body, "OpenThingRequest", "id", arena_printf(arena, "01900000-0000-7000-8000-00000000000%s", digit));
    put_text(&body, "OpenThingRequest", "word", said);
    return body;
}

static struct call *say(const char *key, const char *digit, const char *said)
{
    struct asked asked_for = knock(key);
    struct buffer body = word(digit, said);
    return run(&asked_for, &body);
}

static const char *title(void)
{
    return sql("SELECT title FROM thing");
}

static void test_check_knows_what_was_found(void **state)
{
    (void)state;
    add_thing("1", "'su', 'sesame', 'book', 0, false");
    struct call *call = say("key-1", "1", "sesame");
    assert_done(call);
    assert_told(call, "id", ID("1"));
    assert_null(call_found(call, "label"));
    assert_string_equal(call_found(call, "opens"), "true");
    assert_string_equal(title(), "open sesame");
    assert_refused(say("key-2", "2", "sesame"), STATUS_NOT_FOUND, "not_found");
}

/* After its own effect it would be refused; it is answered from what is stored instead. */
static void test_repetition_is_not_checked_again(void **state)
{
    (void)state;
    add_thing("1", "'su', 'sesame', 'book', 0, false");
    struct call *first = say("key-1", "1", "sesame"), *again = say("key-1", "1", "sesame");
    assert_done(first);
    assert_done(again);
    assert_true(again->replayed);
    assert_true(slice_equal(buffer_slice(&first->reply), buffer_slice(&again->reply)));
    assert_refused(say("key-1", "1", "other"), STATUS_INVALID, "idempotency_key_reused");
    sql("UPDATE thing SET locked = true");
    assert_done(say("key-1", "1", "sesame"));
    sql("UPDATE clock SET shift = '25 hours'");
    assert_refused(say("key-1", "1", "sesame"), STATUS_GONE, "thing_locked"); /* the answer has expired */
    assert_string_equal(title(), "open sesame");
}

static void test_twins_of_which_one_is_late(void **state)
{
    (void)state;
    enum { TWINS = 8 };
    struct probe *twins[TWINS];
    struct asked asked_for = knock("key-1");
    struct buffer body = word("1", "sesame");
    add_thing("1", "'su', 'sesame', 'book', 0, false");
    for (size_t i = 0; i < TWINS; i++)
        twins[i] = submit(&asked_for, &body);
    for (size_t i = 0; i < TWINS; i++) {
        finish(twins[i]);
        assert_done(&twins[i]->call);
    }
    assert_string_equal(title(), "open sesame");
}

/* The look-up's own refusal, before any check; nothing is written. */
static void test_look_up_refuses(void **state)
{
    (void)state;
    add_thing("1", "'su', 'sesame', 'book', 0, true");
    assert_refused(say("key-1", "1", "sesame"), STATUS_GONE, "thing_locked");
    assert_refused(say("key-1", "2", "sesame"), STATUS_NOT_FOUND, "not_found");
    assert_string_equal(sql("SELECT count(*) FROM answer"), "0");
}

static void test_refusal_that_is_written(void **state)
{
    (void)state;
    add_thing("1", "'su', 'sesame', 'book', 0, false");
    struct call *call = say("key-1", "1", "wheat");
    assert_refused(call, STATUS_INVALID, "wrong_word");
    assert_int_equal(call->problem.retry_after_ms, 1500);
    assert_int_equal(call->reply.size, 0);
    assert_string_equal(sql("SELECT size FROM thing"), "1");
    call = say("key-1", "1", "wheat"); /* the same again: the same answer, counted once */
    assert_refused(call, STATUS_INVALID, "wrong_word");
    assert_int_equal(call->problem.retry_after_ms, 1500);
    assert_string_equal(sql("SELECT size FROM thing"), "1");
    assert_refused(say("key-2", "1", "barley"), STATUS_INVALID, "wrong_word");
    call = say("key-3", "1", "sesame");
    assert_refused(call, STATUS_TOO_MANY_REQUESTS, "tried_enough");
    assert_int_equal(call->problem.retry_after_ms, 60000);
}

static const char *client_of(const char *key, uint64_t client)
{
    struct asked asked_for = knock(key);
    struct buffer body = word("1", "wrong");
    sql("UPDATE thing SET size = 0");
    asked_for.client = client;
    assert_refused(run(&asked_for, &body), STATUS_INVALID, "wrong_word");
    return sql("SELECT label FROM thing");
}

static void test_client_is_a_keyed_hash(void **state)
{
    (void)state;
    add_thing("1", "'su', 'sesame', 'book', 0, false");
    const char *one = client_of("key-1", 0x7F000001), *again = client_of("key-2", 0x7F000001);
    assert_int_equal(strlen(one), 64);
    assert_string_equal(one, again);
    assert_string_not_equal(one, client_of("key-3", 0x7F000002));
    assert_string_equal(client_of("key-4", 0), ""); /* an operator's */
}

/* Nobody is called as nobody else: the same key leads two strangers to two secrets. */
static void test_secret_of_nobody(void **state)
{
    (void)state;
    uint8_t mine[32], again[32], other[32];
    struct asked asked_for = knock("key-1");
    struct buffer body = word("1", "sesame"), theirs = word("1", "simsim");
    struct probe *probes[] = { probe_of(&asked_for, &body), probe_of(&asked_for, &body),
                               probe_of(&asked_for, &theirs) };
    probes[0]->call.plans = probes[1]->call.plans = probes[2]->call.plans = NULL;
    call_derive_secret(&probes[0]->call, mine);
    call_derive_secret(&probes[1]->call, again);
    call_derive_secret(&probes[2]->call, other);
    assert_memory_equal(mine, again, sizeof mine);
    assert_memory_not_equal(mine, other, sizeof mine);
}

/* Cancelled while it looks: it goes no further. */
static void test_cancelled_while_it_looks(void **state)
{
    (void)state;
    struct asked asked_for = knock("key-1");
    struct buffer body = word("1", "sesame");
    add_thing("1", "'su', 'sesame', 'book', 0, false");
    struct probe *probe = submit(&asked_for, &body);
    assert_true(probe->call.looking);
    atomic_store(&probe->call.cancelled, true);
    finish(probe);
    assert_refused(&probe->call, STATUS_DEADLINE_EXCEEDED, "deadline_exceeded");
    assert_string_equal(title(), "sesame");
}

/* More at once than the lane beside the loop takes: the rest is told to come again, and nothing is lost. */
static void test_flood(void **state)
{
    (void)state;
    enum { FLOOD = 300 };
    static struct probe *probes[FLOOD];
    struct buffer body = word("9", "sesame");
    unsigned refused = 0;
    for (size_t i = 0; i < FLOOD; i++) {
        struct asked asked_for = knock(arena_printf(arena, "key-%zu", i));
        asked_for.client = 7;
        probes[i] = submit(&asked_for, &body);
    }
    for (size_t i = 0; i < FLOOD; i++) {
        finish(probes[i]);
        if (probes[i]->call.problem.status == STATUS_NOT_FOUND)
            continue;
        assert_refused(&probes[i]->call, STATUS_UNAVAILABLE, "unavailable");
        assert_true(probes[i]->call.problem.retry_after_ms > 0);
        refused++;
    }
    assert_true(refused < FLOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SAMPLE_TEST(test_check_knows_what_was_found),
        SAMPLE_TEST(test_repetition_is_not_checked_again),
        SAMPLE_TEST(test_twins_of_which_one_is_late),
        SAMPLE_TEST(test_look_up_refuses),
        SAMPLE_TEST(test_refusal_that_is_written),
        SAMPLE_TEST(test_client_is_a_keyed_hash),
        SAMPLE_TEST(test_secret_of_nobody),
        SAMPLE_TEST(test_cancelled_while_it_looks),
        SAMPLE_TEST(test_flood),
    };
    return cmocka_run_group_tests_name("execute: look up first", tests, sample_start, sample_stop);
}
