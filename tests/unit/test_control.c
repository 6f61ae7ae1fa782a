/* test_control.c -- the operators' endpoint: who is heard there, as whom, how many at once; and what status tells. */
#include "tests/unit/bus_fixture.h"

#include "common/envelope.h"
#include "services/gateway/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

/* A message of the contract that a fixture's worker answers with itself, or holds back. */
#define ECHO_BODY "x\1"
#define HELD_BODY "h\1"

static const char bus[] = "inproc://bus";

struct world {
    struct bus_place place;
    struct arena *arena;
    struct fixture_gateway gateway;
    struct control *control;
    void *asker; /* an operator's command */
};

static struct slice tell_status(struct arena *arena, void *context)
{
    (void)context;
    return arena_copy(arena, slice_text("status"));
}

static struct control *open_control(struct world *world, const char *endpoint, const char **error)
{
    struct control_options options = {
        .endpoint = endpoint,
        .schema = &fixture_schema,
        .dispatcher = world->gateway.dispatcher,
        .max_message = FIXTURE_MESSAGE,
        .status = tell_status,
    };
    return control_open(world->arena, world->gateway.loop.base, world->place.zmq, &options, error);
}

static void *dial(struct world *world, const char *endpoint)
{
    void *raw = zmq_socket(world->place.zmq, ZMQ_DEALER);
    zmq_setsockopt(raw, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
    assert_int_equal(zmq_connect(raw, endpoint), 0);
    return raw;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    const char *error = NULL;
    world->place = bus_place_open();
    world->arena = arena_new();
    world->gateway = fixture_gateway_open(world->place.zmq, (struct fixture_gateway_options){ .endpoint = bus });
    world->control = open_control(world, world->place.ipc, &error);
    assert_non_null(world->control);
    world->asker = dial(world, world->place.ipc);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    zmq_close(world->asker);
    control_close(world->control);
    fixture_gateway_close(&world->gateway);
    arena_free(world->arena);
    bus_place_close(&world->place);
    free(world);
    return 0;
}

/* ---- conversations ---- */

static void say(void *raw, struct slice envelope, const char *body)
{
    assert_true(zmq_send(raw, envelope.data, envelope.size, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(raw, body, strlen(body), 0) >= 0);
}

static void say_plain(struct world *world, void *raw, Campus__Bus__Envelope__Kind kind)
{
    say(raw, envelope_pack_plain(world->arena, kind, 7, 1), "");
}

/* As an operator's command does, but in the name of a caller of its own making. */
static void ask(struct world *world, uint64_t id, const char *method, uint32_t left_ms, const char *body)
{
    char nobody[] = "somebody", key[] = "key-1";
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    BusRequest request = CAMPUS__BUS__REQUEST__INIT;
    Campus__Bus__Principal caller = CAMPUS__BUS__PRINCIPAL__INIT;
    caller.id = nobody;
    request.method = arena_strdup(world->arena, method);
    request.left_ms = left_ms;
    request.idempotency_key = key;
    request.caller = &caller;
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__REQUEST;
    envelope.has_boot = envelope.has_id = true;
    envelope.boot = 7;
    envelope.id = id;
    envelope.request = &request;
    say(world->asker, envelope_pack(world->arena, &envelope), body);
}

static const BusEnvelope *try_hear(struct world *world, void *raw, char body[64])
{
    uint8_t bytes[4096];
    int size = zmq_recv(raw, bytes, sizeof bytes, ZMQ_DONTWAIT);
    if (size < 0)
        return NULL;
    int body_size = zmq_recv(raw, body, 63, 0);
    body[body_size < 63 ? body_size : 63] = '\0';
    return envelope_read(world->arena, slice_of(bytes, (size_t)size));
}

static const BusEnvelope *hear(struct world *world, void *raw, Campus__Bus__Envelope__Kind kind, char body[64])
{
    const BusEnvelope *heard = NULL;
    RUN_UNTIL(&world->gateway, (heard = try_hear(world, raw, body)) && heard->kind == kind);
    return heard;
}

static void assert_refused(struct world *world, uint64_t id, const char *code)
{
    char body[64];
    const BusEnvelope *heard = hear(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__REPLY, body);
    assert_int_equal(heard->boot, 7);
    assert_int_equal(heard->id, id);
    assert_string_equal(heard->reply->code, code);
    assert_string_equal(body, "");
}

/* ---- who is heard ---- */

static void test_workers_are_not_heard(void **state)
{
    struct world *world = *state;
    char body[64];
    say(world->asker, envelope_pack_ready(world->arena, &fixture_schema, "echo", "one", 1), "");
    say_plain(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__PONG);
    say_plain(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__BYE);
    say(world->asker, slice_text("\377\377"), "");
    say_plain(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__STATUS);
    /* The first thing to come back is the answer to the last thing said. */
    const BusEnvelope *heard = NULL;
    RUN_UNTIL(&world->gateway, (heard = try_hear(world, world->asker, body)));
    assert_int_equal(heard->kind, CAMPUS__BUS__ENVELOPE__KIND__STATUS);
    assert_int_equal(heard->boot, 7);
    assert_int_equal(heard->id, 1);
    assert_string_equal(body, "status");
    assert_int_equal(fixture_metric(&world->gateway, WORKERS), 0);
}

static void test_operators_are_not_heard_on_the_bus(void **state)
{
    struct world *world = *state;
    char body[64];
    zmq_close(world->asker);
    world->asker = dial(world, bus);
    ask(world, 1, "Echo", 1000, ECHO_BODY);
    say_plain(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__STATUS);
    say(world->asker, envelope_pack_ready(world->arena, &fixture_schema, "echo", "one", 1), "");
    const BusEnvelope *heard = NULL;
    RUN_UNTIL(&world->gateway, (heard = try_hear(world, world->asker, body)));
    assert_int_equal(heard->kind, CAMPUS__BUS__ENVELOPE__KIND__PING);
    assert_int_equal(dispatch_pending(world->gateway.dispatcher), 0);
}

/* ---- calls ---- */

static void test_the_caller_is_the_operator(void **state)
{
    struct world *world = *state;
    char body[64];
    void *worker = dial(world, bus);
    say(worker, envelope_pack_ready(world->arena, &fixture_schema, "echo", "one", 1), "");
    hear(world, worker, CAMPUS__BUS__ENVELOPE__KIND__PING, body);
    say_plain(world, worker, CAMPUS__BUS__ENVELOPE__KIND__PONG);
    ask(world, 9, "Echo", UINT32_MAX, ECHO_BODY);
    const BusRequest *request = hear(world, worker, CAMPUS__BUS__ENVELOPE__KIND__REQUEST, body)->request;
    assert_string_equal(request->caller->id, "00000000-0000-0000-0000-000000000000");
    assert_int_equal(request->caller->n_grants, 1);
    assert_string_equal(request->caller->grants[0]->permissions[0], "*");
    assert_int_equal(request->n_scopes, 1);
    assert_string_equal(request->scopes[0], "");
    assert_string_equal(request->idempotency_key, "key-1");
    assert_in_range(request->left_ms, CONTROL_LONGEST_CALL_MS - PATIENCE_MS, CONTROL_LONGEST_CALL_MS);
    assert_string_equal(body, ECHO_BODY);
    zmq_close(worker);
}

static struct fixture_worker start_worker(struct world *world)
{
    return (struct fixture_worker){ .zmq = world->place.zmq, .name = "worker", .endpoint = bus, .credits = 1000 };
}

static void test_answers_find_their_way(void **state)
{
    struct world *world = *state;
    char body[64];
    struct fixture_worker worker = start_worker(world);
    fixture_worker_start(&worker);
    fixture_await_workers(&world->gateway, 1);
    for (uint64_t id = 1; id <= 3; id++)
        ask(world, id, "Echo", PATIENCE_MS, ECHO_BODY);
    for (uint64_t id = 1; id <= 3; id++) {
        const BusEnvelope *heard = hear(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__REPLY, body);
        assert_int_equal(heard->boot, 7);
        assert_int_equal(heard->id, id);
        assert_string_equal(body, ECHO_BODY);
    }
    fixture_worker_stop(&worker);
}

static void test_what_the_contract_does_not_admit(void **state)
{
    struct world *world = *state;
    ask(world, 1, "Nothing", 1000, ECHO_BODY);
    assert_refused(world, 1, "not_found");
    ask(world, 2, "Echo", 1000, "\377");
    assert_refused(world, 2, "bad_request");
    control_drain(world->control);
    ask(world, 3, "Echo", 1000, ECHO_BODY);
    assert_refused(world, 3, "unavailable");
    assert_int_equal(dispatch_pending(world->gateway.dispatcher), 0);
}

static void test_so_many_at_once(void **state)
{
    struct world *world = *state;
    struct fixture_worker worker = start_worker(world);
    fixture_worker_start(&worker);
    fixture_await_workers(&world->gateway, 1);
    for (uint64_t id = 1; id <= CONTROL_MOST_CALLS; id++)
        ask(world, id, "Echo", PATIENCE_MS, HELD_BODY);
    RUN_UNTIL(&world->gateway, dispatch_pending(world->gateway.dispatcher) == CONTROL_MOST_CALLS);
    ask(world, 1000, "Echo", PATIENCE_MS, ECHO_BODY);
    assert_refused(world, 1000, "unavailable");
    /* The end cancels them all. */
    control_close(world->control);
    world->control = NULL;
    assert_int_equal(dispatch_pending(world->gateway.dispatcher), 0);
    RUN_UNTIL(&world->gateway, atomic_load(&worker.cancelled) == CONTROL_MOST_CALLS);
    fixture_worker_stop(&worker);
}

static void test_asker_that_goes_away_cancels_nothing(void **state)
{
    struct world *world = *state;
    char body[64];
    struct fixture_worker worker = start_worker(world);
    fixture_worker_start(&worker);
    fixture_await_workers(&world->gateway, 1);
    fixture_worker_command(&worker, COMMAND_FREEZE);
    ask(world, 1, "Echo", PATIENCE_MS, ECHO_BODY);
    RUN_UNTIL(&world->gateway, fixture_metric(&world->gateway, IN_FLIGHT) == 1);
    zmq_close(world->asker);
    world->asker = dial(world, world->place.ipc);
    fixture_worker_command(&worker, COMMAND_THAW);
    RUN_UNTIL(&world->gateway, dispatch_pending(world->gateway.dispatcher) == 0);
    assert_int_equal(atomic_load(&worker.served), 1);
    assert_int_equal(atomic_load(&worker.cancelled), 0);
    ask(world, 2, "Echo", PATIENCE_MS, ECHO_BODY);
    assert_int_equal(hear(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__REPLY, body)->id, 2);
    fixture_worker_stop(&worker);
}

/* ---- status ---- */

/* Whether all is ready; *report is the only worker's, or NULL. */
static bool look(struct world *world, const Campus__Bus__WorkerReport **report)
{
    Campus__Bus__GatewayStatus status = CAMPUS__BUS__GATEWAY_STATUS__INIT;
    dispatch_status(world->gateway.dispatcher, world->arena, &status);
    assert_int_equal(status.n_services, 1);
    assert_string_equal(status.services[0]->name, "echo");
    *report = status.services[0]->n_workers == 1 ? status.services[0]->workers[0]->report : NULL;
    return status.ready;
}

static void test_workers_tell_of_themselves(void **state)
{
    struct world *world = *state;
    const Campus__Bus__WorkerReport *report = NULL;
    struct fixture_worker worker = start_worker(world);
    assert_false(look(world, &report));
    fixture_worker_start(&worker);
    fixture_await_workers(&world->gateway, 1);
    RUN_UNTIL(&world->gateway, look(world, &report));
    assert_string_equal(report->host, "worker");
    atomic_store(&worker.cut_off, true);
    RUN_UNTIL(&world->gateway, !look(world, &report));
    assert_false(report->database->reachable);
    fixture_worker_stop(&worker);
    RUN_UNTIL(&world->gateway, fixture_metric(&world->gateway, WORKERS) == 0);
    assert_false(look(world, &report));
}

/* However often it is pinged. */
static void test_reports_are_rare(void **state)
{
    struct world *world = *state;
    struct fixture_worker worker = start_worker(world);
    int64_t begun_us = clock_monotonic_us();
    fixture_worker_start(&worker);
    fixture_await_workers(&world->gateway, 1);
    RUN_UNTIL(&world->gateway, atomic_load(&worker.reports) >= 3);
    assert_true(clock_monotonic_us() - begun_us >= 1900000);
    fixture_worker_stop(&worker);
}

/* ---- the endpoint ---- */

static void test_successor_takes_the_place(void **state)
{
    struct world *world = *state;
    struct stat found;
    const char *error = NULL, *path = control_endpoint_path(world->place.ipc);
    char body[64];
    struct control *successor = open_control(world, world->place.ipc, &error);
    assert_non_null(successor);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    say_plain(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__STATUS);
    hear(world, world->asker, CAMPUS__BUS__ENVELOPE__KIND__STATUS, body); /* from the predecessor */
    control_close(world->control);
    world->control = successor;
    void *newcomer = dial(world, world->place.ipc);
    say_plain(world, newcomer, CAMPUS__BUS__ENVELOPE__KIND__STATUS);
    hear(world, newcomer, CAMPUS__BUS__ENVELOPE__KIND__STATUS, body);
    zmq_close(newcomer);
    control_close(world->control);
    world->control = NULL;
    assert_int_not_equal(stat(path, &found), 0);
}

static void test_endpoints(void **state)
{
    char path[128] = "ipc:///";
    (void)state;
    assert_null(control_endpoint_fault("ipc:///run/campus/control.sock"));
    assert_non_null(control_endpoint_fault("ipc://control.sock"));
    assert_non_null(control_endpoint_fault("ipc://@abstract"));
    assert_non_null(control_endpoint_fault("tcp://127.0.0.1:1"));
    memset(path + strlen("ipc:///"), 'x', 98);
    assert_null(control_endpoint_fault(path));
    strcat(path, "x");
    assert_non_null(control_endpoint_fault(path));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_workers_are_not_heard),
        TEST(test_operators_are_not_heard_on_the_bus),
        TEST(test_the_caller_is_the_operator),
        TEST(test_answers_find_their_way),
        TEST(test_what_the_contract_does_not_admit),
        TEST(test_so_many_at_once),
        TEST(test_asker_that_goes_away_cancels_nothing),
        TEST(test_workers_tell_of_themselves),
        TEST(test_reports_are_rare),
        TEST(test_successor_takes_the_place),
        cmocka_unit_test(test_endpoints),
    };
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
