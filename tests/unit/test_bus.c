/* test_bus.c -- dispatcher and workers in threads: credit, limits, deadlines, joining and leaving. */
#include "tests/unit/bus_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void one_request_travels(void *zmq, const char *endpoint)
{
    struct fixture_worker worker = { .zmq = zmq, .name = "one", .endpoint = endpoint, .credits = 4 };
    struct fixture_gateway gateway =
        fixture_gateway_open(zmq, (struct fixture_gateway_options){ .endpoint = endpoint });
    struct fixture_request request, empty;
    fixture_worker_start(&worker);
    fixture_send(&gateway, &request, "key and time, please");
    fixture_send(&gateway, &empty, "");
    RUN_UNTIL(&gateway, request.answers && empty.answers);
    assert_int_equal(request.status, STATUS_OK);
    assert_string_equal(request.code, "one");
    assert_int_equal(strncmp(request.body, "key-1 ", 6), 0);
    long left_ms = strtol(request.body + 6, NULL, 10);
    assert_in_range(left_ms, 1, PATIENCE_MS);
    assert_string_equal(empty.body, "");
    assert_int_equal(dispatch_pending(gateway.dispatcher), 0);
    assert_true(dispatch_ready(gateway.dispatcher));
    fixture_worker_stop(&worker);
    RUN_UNTIL(&gateway, !dispatch_ready(gateway.dispatcher));
    fixture_gateway_close(&gateway);
}

static void test_inproc(void **state)
{
    struct bus_place *place = *state;
    one_request_travels(place->zmq, "inproc://bus");
}

static void test_ipc(void **state)
{
    struct bus_place *place = *state;
    one_request_travels(place->zmq, place->ipc);
}

static void test_worker_before_gateway(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker worker = { .zmq = place->zmq, .name = "one", .endpoint = "inproc://bus", .credits = 4 };
    fixture_worker_start(&worker);
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus" });
    fixture_await_workers(&gateway, 1);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

enum { MANY = 20000, CREW = 4 };

static void many_requests(void *zmq, const char *endpoint)
{
    struct fixture_gateway gateway =
        fixture_gateway_open(zmq, (struct fixture_gateway_options){ .endpoint = endpoint, .queue_limit = MANY });
    struct fixture_worker workers[CREW];
    struct fixture_request *requests = calloc(MANY, sizeof *requests);
    for (int i = 0; i < CREW; i++) {
        workers[i] = (struct fixture_worker){ .zmq = zmq, .name = "w", .endpoint = endpoint, .credits = 32 };
        fixture_worker_start(&workers[i]);
    }
    fixture_await_workers(&gateway, CREW);
    for (int i = 0; i < MANY; i++) {
        char body[32];
        snprintf(body, sizeof body, "n%d", i);
        fixture_send(&gateway, &requests[i], body);
    }
    RUN_UNTIL(&gateway, dispatch_pending(gateway.dispatcher) == 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(requests[i].answers, 1);
        assert_int_equal(requests[i].status, STATUS_OK);
        assert_int_equal(atoi(requests[i].body + 1), i);
    }
    for (int i = 0; i < CREW; i++) {
        assert_in_range(workers[i].most_pending, 1, 32);
        fixture_worker_stop(&workers[i]);
    }
    free(requests);
    fixture_gateway_close(&gateway);
}

static void test_many_inproc(void **state)
{
    struct bus_place *place = *state;
    many_requests(place->zmq, "inproc://bus");
}

static void test_many_ipc(void **state)
{
    struct bus_place *place = *state;
    many_requests(place->zmq, place->ipc);
}

static void test_credits(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker worker = { .zmq = place->zmq, .name = "one", .endpoint = place->ipc, .credits = 3 };
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request requests[10];
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    for (int i = 0; i < 10; i++)
        fixture_send(&gateway, &requests[i], "late");
    assert_int_equal(fixture_metric(&gateway, IN_FLIGHT), 3);
    assert_int_equal(fixture_metric(&gateway, QUEUE_LENGTH), 7);
    RUN_UNTIL(&gateway, dispatch_pending(gateway.dispatcher) == 0);
    assert_int_equal(worker.most_pending, 3);
    assert_int_equal(worker.served, 10);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

static void test_queue_limits(void **state)
{
    struct bus_place *place = *state;
    struct fixture_gateway gateway = fixture_gateway_open(
        place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus", .queue_limit = 2, .queue_ms = 50 });
    struct fixture_request waits[2], refused;
    fixture_send(&gateway, &waits[0], "x");
    fixture_send(&gateway, &waits[1], "x");
    fixture_send(&gateway, &refused, "x");
    assert_int_equal(refused.answers, 0); /* never from within dispatch_send() */
    RUN_UNTIL(&gateway, refused.answers);
    assert_int_equal(waits[0].answers + waits[1].answers, 0);
    assert_int_equal(refused.status, STATUS_UNAVAILABLE);
    assert_string_equal(refused.code, "unavailable");
    assert_int_equal(refused.retry_after_ms, 1000);
    RUN_UNTIL(&gateway, dispatch_pending(gateway.dispatcher) == 0);
    assert_int_equal(waits[0].status, STATUS_UNAVAILABLE);
    assert_int_equal(waits[1].status, STATUS_UNAVAILABLE);
    fixture_gateway_close(&gateway);
}

/* One caller has no more under way than it may, those included that its client has left; others have theirs. */
static void test_limit_of_one_caller(void **state)
{
    struct bus_place *place = *state;
    struct fixture_gateway gateway = fixture_gateway_open(
        place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus", .caller_limit = 2 });
    struct fixture_worker worker = { .zmq = place->zmq, .name = "a", .endpoint = "inproc://bus", .credits = 10 };
    char mine[] = "one", theirs[] = "another";
    struct fixture_request held, left, refused, other, nobodys, next;
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    fixture_send_for(&gateway, &held, "h", mine);
    fixture_send_for(&gateway, &left, "l", mine);
    dispatch_cancel(left.ticket);
    fixture_send_for(&gateway, &refused, "x", mine);
    fixture_send_for(&gateway, &other, "x", theirs);
    fixture_send(&gateway, &nobodys, "x");
    RUN_UNTIL(&gateway, refused.answers && other.answers && nobodys.answers);
    assert_int_equal(refused.status, STATUS_TOO_MANY_REQUESTS);
    assert_string_equal(refused.code, "too_many_requests");
    assert_int_equal(refused.retry_after_ms, 1000);
    assert_int_equal(other.status, STATUS_OK);
    assert_int_equal(nobodys.status, STATUS_OK);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, IN_FLIGHT) == 1); /* what was left has its answer */
    fixture_send_for(&gateway, &next, "x", mine);
    RUN_UNTIL(&gateway, next.answers);
    assert_int_equal(next.status, STATUS_OK);
    dispatch_cancel(held.ticket);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

static void test_deadline(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker worker = { .zmq = place->zmq, .name = "one", .endpoint = place->ipc, .credits = 1 };
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request held, waiting, next;
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    int64_t begun_us = clock_monotonic_us();
    fixture_send_bytes(&gateway, &held, slice_text("hold"), 60);
    fixture_send_bytes(&gateway, &waiting, slice_text("x"), 30);
    RUN_UNTIL(&gateway, waiting.answers);
    assert_true(!held.answers ||
                clock_monotonic_us() - begun_us >= 60000); /* both are due, if nobody looked meanwhile */
    RUN_UNTIL(&gateway, held.answers);
    assert_in_range(clock_monotonic_us() - begun_us, 60000, 2000000);
    assert_int_equal(waiting.status, STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(held.status, STATUS_DEADLINE_EXCEEDED);
    assert_string_equal(held.code, "deadline_exceeded");
    /* The worker was told, answered, and so has its one credit back. */
    fixture_send(&gateway, &next, "next");
    RUN_UNTIL(&gateway, next.answers);
    assert_string_equal(next.body, "next");
    assert_int_equal(worker.cancelled, 1);
    assert_int_equal(held.answers, 1);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

static void test_cancel(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker worker = { .zmq = place->zmq, .name = "one", .endpoint = "inproc://bus", .credits = 1 };
    struct fixture_gateway gateway = fixture_gateway_open(
        place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus", .queue_limit = 1, .queue_ms = 5000 });
    struct fixture_request held, queued, refused, next;
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &held, "hold");
    fixture_send(&gateway, &queued, "x");
    fixture_send(&gateway, &refused, "x");
    assert_int_equal(dispatch_pending(gateway.dispatcher), 3);
    dispatch_cancel(refused.ticket);
    dispatch_cancel(queued.ticket);
    dispatch_cancel(held.ticket);
    assert_int_equal(dispatch_pending(gateway.dispatcher), 0);
    fixture_send(&gateway, &next, "next");
    RUN_UNTIL(&gateway, next.answers);
    assert_int_equal(worker.cancelled, 1);
    assert_int_equal(held.answers + queued.answers + refused.answers, 0);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

static void test_misfit_is_refused(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker old = { .zmq = place->zmq, .name = "old", .endpoint = "inproc://bus", .credits = 4 };
    struct fixture_worker present = { .zmq = place->zmq, .name = "present", .endpoint = "inproc://bus", .credits = 4 };
    struct fixture_gateway gateway = fixture_gateway_open(
        place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus", .queue_ms = 200 });
    struct fixture_request request;
    old.schema = &fixture_old_schema;
    fixture_worker_start(&old);
    fixture_send(&gateway, &request, "x");
    RUN_UNTIL(&gateway, request.answers);
    assert_int_equal(request.status, STATUS_UNAVAILABLE);
    assert_int_equal(fixture_metric(&gateway, WORKERS), 0);
    fixture_worker_start(&present);
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &request, "x");
    RUN_UNTIL(&gateway, request.answers);
    assert_string_equal(request.code, "present");
    assert_int_equal(old.served, 0);
    fixture_worker_stop(&old);
    fixture_worker_stop(&present);
    fixture_gateway_close(&gateway);
}

static void test_drain(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker leaving = { .zmq = place->zmq, .name = "leaving", .endpoint = place->ipc, .credits = 8 };
    struct fixture_worker staying = { .zmq = place->zmq, .name = "staying", .endpoint = place->ipc, .credits = 1 };
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request held, others[8];
    fixture_worker_start(&leaving);
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &held, "late");
    RUN_UNTIL(&gateway, leaving.most_pending == 1);
    fixture_worker_command(&leaving, COMMAND_DRAIN);
    RUN_UNTIL(&gateway, !dispatch_ready(gateway.dispatcher));
    fixture_worker_start(&staying);
    for (int i = 0; i < 8; i++)
        fixture_send(&gateway, &others[i], "x");
    RUN_UNTIL(&gateway, dispatch_pending(gateway.dispatcher) == 0);
    assert_string_equal(held.code, "leaving");
    for (int i = 0; i < 8; i++)
        assert_string_equal(others[i].code, "staying");
    fixture_worker_stop(&leaving);
    fixture_worker_stop(&staying);
    fixture_gateway_close(&gateway);
}

static void test_too_large(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker worker = { .zmq = place->zmq, .name = "one", .endpoint = place->ipc, .credits = 4 };
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request request, reply;
    static const char large[FIXTURE_MESSAGE + 1] = "x";
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    fixture_send_bytes(&gateway, &request, slice_of(large, sizeof large), 1000);
    fixture_send(&gateway, &reply, "big");
    RUN_UNTIL(&gateway, request.answers && reply.answers);
    assert_int_equal(request.status, STATUS_TOO_LARGE);
    assert_int_equal(reply.status, STATUS_INTERNAL);
    assert_int_equal(fixture_metric(&gateway, DEATHS), 0);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

static void test_not_offered_before_it_can_serve(void **state)
{
    struct bus_place *place = *state;
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus" });
    struct fixture_worker starting = {
        .zmq = place->zmq, .name = "starting", .endpoint = "inproc://bus", .credits = 64
    };
    struct fixture_worker other = { .zmq = place->zmq, .name = "other", .endpoint = "inproc://bus", .credits = 1 };
    struct fixture_request request = { 0 };
    atomic_store(&starting.starting, true);
    fixture_worker_start(&starting);
    RUN_UNTIL(&gateway, atomic_load(&starting.asked) > 10);
    fixture_worker_start(&other);
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &request, "word");
    RUN_UNTIL(&gateway, request.answers == 1);
    assert_string_equal(request.code, "other");
    atomic_store(&starting.starting, false);
    fixture_await_workers(&gateway, 2);
    fixture_worker_stop(&starting);
    fixture_worker_stop(&other);
    fixture_gateway_close(&gateway);
}

/* Whether nothing was sent again for longer than either side takes to miss the other. */
static bool settled(struct fixture_gateway *gateway, long *sent_again, int64_t *changed_us)
{
    long now = fixture_metric(gateway, "\ncampus_bus_redispatched_total{service=\"echo\"} ");
    if (now != *sent_again)
        *changed_us = clock_monotonic_us();
    *sent_again = now;
    return clock_monotonic_us() - *changed_us > 1500000;
}

/* A gateway with two addresses, as one has that is reached by IPv4 and by IPv6: it is one gateway, and has one worker, though
 * that one finds it at both. */
static void test_gateway_at_two_addresses(void **state)
{
    struct bus_place *place = *state;
    char also[96];
    snprintf(also, sizeof also, "ipc://%s/./bus", place->folder);
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_worker worker = {
        .zmq = place->zmq, .name = "one", .endpoint = place->ipc, .also = also, .credits = 4
    };
    struct fixture_request request = { 0 };
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    /* What it holds would be sent anew each time that one of its connections takes the other's place. */
    fixture_send(&gateway, &request, "h");
    int64_t changed_us = clock_monotonic_us();
    long sent_again = 0;
    RUN_UNTIL(&gateway, settled(&gateway, &sent_again, &changed_us));
    assert_int_equal(fixture_metric(&gateway, WORKERS), 1);
    fixture_send(&gateway, &request, "word");
    RUN_UNTIL(&gateway, request.answers == 1);
    assert_int_equal(fixture_metric(&gateway, DEATHS), 0);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(test_inproc),
        BUS_TEST(test_ipc),
        BUS_TEST(test_worker_before_gateway),
        BUS_TEST(test_many_inproc),
        BUS_TEST(test_many_ipc),
        BUS_TEST(test_credits),
        BUS_TEST(test_queue_limits),
        BUS_TEST(test_limit_of_one_caller),
        BUS_TEST(test_deadline),
        BUS_TEST(test_cancel),
        BUS_TEST(test_misfit_is_refused),
        BUS_TEST(test_drain),
        BUS_TEST(test_too_large),
        BUS_TEST(test_not_offered_before_it_can_serve),
        BUS_TEST(test_gateway_at_two_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
