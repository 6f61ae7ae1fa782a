/* test_dispatch.c -- the dispatcher against workers that break the rules, played by hand on raw sockets. */
#include "tests/unit/bus_fixture.h"

#include "common/envelope.h"

#include <bus.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct world {
    struct bus_place place;
    struct arena *arena;
    struct fixture_gateway gateway;
};

static const char endpoint[] = "inproc://bus";

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->place = bus_place_open();
    world->arena = arena_new();
    world->gateway = fixture_gateway_open(world->place.zmq,
                                          (struct fixture_gateway_options){ .endpoint = endpoint, .queue_ms = 500 });
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    fixture_gateway_close(&world->gateway);
    arena_free(world->arena);
    bus_place_close(&world->place);
    free(world);
    return 0;
}

static void *dial(struct world *world)
{
    void *raw = zmq_socket(world->place.zmq, ZMQ_DEALER);
    zmq_setsockopt(raw, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
    assert_int_equal(zmq_connect(raw, endpoint), 0);
    return raw;
}

static void say(void *raw, struct slice envelope, const char *body)
{
    assert_true(zmq_send(raw, envelope.data, envelope.size, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(raw, body, strlen(body), 0) >= 0);
}

static void say_plain(struct world *world, void *raw, Campus__Bus__Envelope__Kind kind)
{
    say(raw, envelope_pack_plain(world->arena, kind, 0, 0), "");
}

static void say_ready(struct world *world, void *raw, const char *instance, uint32_t credits)
{
    say(raw, envelope_pack_ready(world->arena, &fixture_schema, "echo", instance, credits), "");
}

static void say_reply(struct world *world, void *raw, uint64_t boot, uint64_t id, const char *body)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__REPLY;
    envelope.has_boot = envelope.has_id = true;
    envelope.boot = boot;
    envelope.id = id;
    envelope.reply = &reply;
    say(raw, envelope_pack(world->arena, &envelope), body);
}

static const BusEnvelope *try_hear(struct world *world, void *raw)
{
    uint8_t bytes[4096], body[4096];
    int size = zmq_recv(raw, bytes, sizeof bytes, ZMQ_DONTWAIT);
    if (size < 0)
        return NULL;
    zmq_recv(raw, body, sizeof body, 0);
    return envelope_read(world->arena, slice_of(bytes, (size_t)size));
}

/* The next message of this kind; others are skipped. */
static const BusEnvelope *hear(struct world *world, void *raw, Campus__Bus__Envelope__Kind kind)
{
    const BusEnvelope *heard = NULL;
    RUN_UNTIL(&world->gateway, (heard = try_hear(world, raw)) && heard->kind == kind);
    return heard;
}

/* Joins as workers do: READY, a ping, a pong. */
static void *join(struct world *world, const char *instance, uint32_t credits)
{
    void *raw = dial(world);
    say_ready(world, raw, instance, credits);
    hear(world, raw, CAMPUS__BUS__ENVELOPE__KIND__PING);
    say_plain(world, raw, CAMPUS__BUS__ENVELOPE__KIND__PONG);
    return raw;
}

static void test_only_the_holder_answers(void **state)
{
    struct world *world = *state;
    struct fixture_request request;
    void *holder = join(world, "holder", 1), *stranger = dial(world);
    fixture_send(&world->gateway, &request, "x");
    const BusEnvelope *asked = hear(world, holder, CAMPUS__BUS__ENVELOPE__KIND__REQUEST);
    void *other = join(world, "other", 1);
    say_reply(world, stranger, asked->boot, asked->id, "stranger");
    say_reply(world, other, asked->boot, asked->id, "other");
    say_reply(world, holder, asked->boot + 1, asked->id, "another start");
    say_reply(world, holder, asked->boot, asked->id + 1, "another request");
    RUN_UNTIL(&world->gateway, fixture_metric(&world->gateway, DROPPED) == 4);
    assert_int_equal(request.answers, 0);
    say_reply(world, holder, asked->boot, asked->id, "mine");
    RUN_UNTIL(&world->gateway, request.answers);
    assert_string_equal(request.body, "mine");
    say_reply(world, holder, asked->boot, asked->id, "twice");
    RUN_UNTIL(&world->gateway, fixture_metric(&world->gateway, DROPPED) == 5);
    assert_int_equal(request.answers, 1);
    zmq_close(holder), zmq_close(stranger), zmq_close(other);
}

/* A request goes only to one that has answered the ping, and READYs that crossed it change nothing. */
static void test_ready_is_repeated(void **state)
{
    struct world *world = *state;
    struct fixture_request request;
    void *raw = dial(world);
    for (int i = 0; i < 5; i++)
        say_ready(world, raw, "eager", 1);
    fixture_send(&world->gateway, &request, "x");
    for (int i = 0; i < 5; i++)
        assert_int_equal(hear(world, raw, CAMPUS__BUS__ENVELOPE__KIND__PING)->has_boot, 1);
    assert_int_equal(fixture_metric(&world->gateway, WORKERS), 1);
    assert_int_equal(fixture_metric(&world->gateway, IN_FLIGHT), 0);
    say_plain(world, raw, CAMPUS__BUS__ENVELOPE__KIND__PONG);
    uint64_t id = hear(world, raw, CAMPUS__BUS__ENVELOPE__KIND__REQUEST)->id;
    /* Said anew, it starts from nothing: what it held comes again. */
    say_ready(world, raw, "eager", 1);
    hear(world, raw, CAMPUS__BUS__ENVELOPE__KIND__PING);
    assert_int_equal(fixture_metric(&world->gateway, QUEUE_LENGTH), 1);
    say_plain(world, raw, CAMPUS__BUS__ENVELOPE__KIND__PONG);
    const BusEnvelope *again = hear(world, raw, CAMPUS__BUS__ENVELOPE__KIND__REQUEST);
    assert_int_equal(again->id, id);
    assert_in_range(again->request->left_ms, 1, PATIENCE_MS);
    say_reply(world, raw, again->boot, id, "done");
    RUN_UNTIL(&world->gateway, request.answers);
    zmq_close(raw);
}

/* The same instance on a new connection takes its own place. */
static void test_dials_anew(void **state)
{
    struct world *world = *state;
    struct fixture_request request;
    void *before = join(world, "instance", 1);
    fixture_send(&world->gateway, &request, "x");
    hear(world, before, CAMPUS__BUS__ENVELOPE__KIND__REQUEST);
    void *after = join(world, "instance", 1);
    const BusEnvelope *asked = hear(world, after, CAMPUS__BUS__ENVELOPE__KIND__REQUEST);
    assert_int_equal(fixture_metric(&world->gateway, WORKERS), 1);
    say_reply(world, after, asked->boot, asked->id, "done");
    RUN_UNTIL(&world->gateway, request.answers);
    assert_int_equal(fixture_metric(&world->gateway, DEATHS), 0);
    zmq_close(before), zmq_close(after);
}

/* Requests taken back stand in front of those that wait, in the order in which they came. */
static void test_order_after_a_loss(void **state)
{
    struct world *world = *state;
    struct fixture_request requests[6];
    void *first = join(world, "first", 4);
    RUN_UNTIL(&world->gateway, dispatch_ready(world->gateway.dispatcher));
    for (int i = 0; i < 6; i++)
        fixture_send(&world->gateway, &requests[i], "x");
    uint64_t id = hear(world, first, CAMPUS__BUS__ENVELOPE__KIND__REQUEST)->id;
    say_plain(world, first, CAMPUS__BUS__ENVELOPE__KIND__BYE);
    RUN_UNTIL(&world->gateway, fixture_metric(&world->gateway, QUEUE_LENGTH) == 6);
    void *second = join(world, "second", 6);
    for (uint64_t i = 0; i < 6; i++) {
        const BusEnvelope *asked = hear(world, second, CAMPUS__BUS__ENVELOPE__KIND__REQUEST);
        assert_int_equal(asked->id, id + i);
        say_reply(world, second, asked->boot, asked->id, "done");
    }
    RUN_UNTIL(&world->gateway, dispatch_pending(world->gateway.dispatcher) == 0);
    zmq_close(first), zmq_close(second);
}

static void test_nonsense(void **state)
{
    struct world *world = *state;
    char long_name[100];
    void *raw = dial(world);
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    say(raw, slice_text("\377\377 not an envelope"), "");
    for (int kind = CAMPUS__BUS__ENVELOPE__KIND__READY; kind <= CAMPUS__BUS__ENVELOPE__KIND__BYE; kind++)
        say(raw, envelope_pack_plain(world->arena, (Campus__Bus__Envelope__Kind)kind, 1, 1), "body");
    say(raw, envelope_pack_plain(world->arena, (Campus__Bus__Envelope__Kind)77, 1, 1), "");
    say(raw, envelope_pack_ready(world->arena, &fixture_schema, "another", "i", 1), "");
    say(raw, envelope_pack_ready(world->arena, &fixture_schema, "echo", long_name, 1), "");
    say_reply(world, raw, 1, 1, "");
    RUN_UNTIL(&world->gateway, fixture_metric(&world->gateway, DROPPED) == 1);
    assert_int_equal(fixture_metric(&world->gateway, WORKERS), 0);
    zmq_close(raw);
}

static void test_credits_are_clamped(void **state)
{
    struct world *world = *state;
    struct fixture_request requests[2];
    void *raw = join(world, "none", 0);
    RUN_UNTIL(&world->gateway, dispatch_ready(world->gateway.dispatcher));
    fixture_send(&world->gateway, &requests[0], "x");
    fixture_send(&world->gateway, &requests[1], "x");
    assert_int_equal(fixture_metric(&world->gateway, IN_FLIGHT), 1);
    zmq_close(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_the_holder_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ready_is_repeated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dials_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_after_a_loss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_credits_are_clamped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
