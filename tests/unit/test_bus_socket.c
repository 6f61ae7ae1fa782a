/* test_bus_socket.c -- no wake-up is lost, and what the network may do to a socket. */
#include "tests/unit/bus_place.h"

#include "common/bus_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

enum { MAX_MESSAGE = 4096, ROUNDS = 300, BURST = 7 };

struct world {
    struct bus_place place;
    struct bus_loop loop;
    /* what the sockets of a test have seen */
    struct bus_socket *router, *dealer;
    struct peer last_peer;
    char last_text[16];
    size_t received, sent, answered;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->place = bus_place_open();
    world->loop = bus_loop_open();
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    bus_socket_close(world->dealer, 0);
    bus_socket_close(world->router, 0);
    bus_loop_close(&world->loop);
    bus_place_close(&world->place);
    free(world);
    return 0;
}

static void on_router(const struct peer *from, struct slice envelope, struct slice body, void *context)
{
    struct world *world = context;
    world->received++;
    world->last_peer = *from;
    snprintf(world->last_text, sizeof world->last_text, "%.*s", (int)envelope.size, (const char *)envelope.data);
    if (bus_socket_send(world->router, from, envelope, body) == BUS_SENT)
        world->sent++;
}

static void on_dealer(const struct peer *from, struct slice envelope, struct slice body, void *context)
{
    struct world *world = context;
    assert_null(from);
    assert_true(slice_is(envelope, "hello"));
    assert_true(slice_is(body, "world") || body.size == 0 || body.size == MAX_MESSAGE);
    world->answered++;
}

static void open_both(struct world *world, const char *endpoint)
{
    struct bus_socket_options router = { BUS_ROUTER, endpoint, NULL, MAX_MESSAGE, on_router, NULL, world };
    struct bus_socket_options dealer = { BUS_DEALER, endpoint, NULL, MAX_MESSAGE, on_dealer, NULL, world };
    world->dealer = bus_socket_open(world->loop.base, world->place.zmq, &dealer);
    world->router = bus_socket_open(world->loop.base, world->place.zmq, &router);
    assert_non_null(world->dealer);
    assert_non_null(world->router);
}

static enum bus_sent say_hello(struct world *world, size_t size)
{
    static const uint8_t bytes[2 * MAX_MESSAGE];
    struct slice body = size ? slice_of(bytes, size) : slice_text("world");
    return bus_socket_send(world->dealer, NULL, slice_text("hello"), body);
}

/* Both ends share a loop and send from outside their pumps as well as from within. */
static void there_and_back(struct world *world, const char *endpoint)
{
    open_both(world, endpoint);
    RUN_UNTIL(world, bus_socket_writable(world->dealer));
    for (size_t round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < BURST; i++)
            assert_int_equal(say_hello(world, i == 0 ? MAX_MESSAGE : 0), BUS_SENT);
        RUN_UNTIL(world, world->answered == round * BURST);
    }
    assert_int_equal(world->received, ROUNDS * BURST);
}

static void test_inproc(void **state)
{
    there_and_back(*state, "inproc://socket");
}

static void test_ipc(void **state)
{
    struct world *world = *state;
    there_and_back(world, world->place.ipc);
}

/* Replies arrive while the loop does nothing but send: each send may eat the wake-up of what has come. (A socket that
 * only reads when ZMQ_FD fires never sees them.) Without the kick after a send, only housekeeping would bring them. */
static void test_send_does_not_eat_a_wake_up(void **state)
{
    struct world *world = *state;
    char text[16];
    open_both(world, world->place.ipc);
    void *raw = zmq_socket(world->place.zmq, ZMQ_DEALER);
    assert_int_equal(zmq_connect(raw, world->place.ipc), 0);
    int slow = 0;
    for (size_t round = 1; round <= 50; round++) {
        int64_t begun_us = clock_monotonic_us();
        zmq_send(raw, "raw", 3, ZMQ_SNDMORE);
        zmq_send(raw, "x", 1, 0);
        usleep(2500); /* the message waits in the router, unread */
        if (world->last_peer.size)
            (void)!bus_socket_send(world->router, &world->last_peer, slice_text("outside"), slice_of(NULL, 0));
        RUN_UNTIL(world, world->received == round);
        slow += clock_monotonic_us() - begun_us > 50000;
    }
    assert_in_range(slow, 0, 25); /* a housekeeping comes each 100 ms */
    assert_string_equal(world->last_text, "raw");
    assert_true(zmq_recv(raw, text, sizeof text, ZMQ_DONTWAIT) >= 0);
    zmq_setsockopt(raw, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
    zmq_close(raw);
}

static void test_nobody_there(void **state)
{
    struct world *world = *state;
    struct bus_socket_options dealer = { BUS_DEALER, world->place.ipc, NULL, MAX_MESSAGE, on_dealer, NULL, world };
    struct bus_socket_options router = { BUS_ROUTER, "inproc://other", NULL, MAX_MESSAGE, on_router, NULL, world };
    struct peer stranger = { 3, "abc" };
    world->dealer = bus_socket_open(world->loop.base, world->place.zmq, &dealer);
    world->router = bus_socket_open(world->loop.base, world->place.zmq, &router);
    assert_int_equal(say_hello(world, 0), BUS_FULL);
    assert_false(bus_socket_writable(world->dealer));
    assert_int_equal(bus_socket_send(world->router, &stranger, slice_text("x"), slice_text("y")), BUS_UNROUTABLE);
}

static void test_cannot_bind(void **state)
{
    struct world *world = *state;
    struct bus_socket_options router = {
        BUS_ROUTER, "ipc:///nonexistent/folder/bus", NULL, MAX_MESSAGE, on_router, NULL, world
    };
    assert_null(bus_socket_open(world->loop.base, world->place.zmq, &router));
    assert_int_equal(errno, ENOENT);
}

/* A peer that goes is unroutable at once. */
static void test_peer_gone(void **state)
{
    struct world *world = *state;
    open_both(world, world->place.ipc);
    RUN_UNTIL(world, say_hello(world, 0) == BUS_SENT);
    RUN_UNTIL(world, world->answered == 1);
    bus_socket_close(world->dealer, 0);
    world->dealer = NULL;
    RUN_UNTIL(world, bus_socket_send(world->router, &world->last_peer, slice_text("hello"), slice_text("world")) ==
                         BUS_UNROUTABLE);
}

/* What is too large closes its sender's connection and reaches nobody; the sender may come back. */
static void test_oversize(void **state)
{
    struct world *world = *state;
    open_both(world, world->place.ipc);
    RUN_UNTIL(world, bus_socket_writable(world->dealer));
    assert_int_equal(say_hello(world, MAX_MESSAGE + 1), BUS_SENT);
    RUN_UNTIL(world, say_hello(world, 0) == BUS_SENT && world->answered > 0);
    assert_string_equal(world->last_text, "hello");
}

static void test_wrong_frames(void **state)
{
    struct world *world = *state;
    open_both(world, world->place.ipc);
    void *raw = zmq_socket(world->place.zmq, ZMQ_DEALER), *stranger = zmq_socket(world->place.zmq, ZMQ_DEALER);
    char id[PEER_SIZE + 1];
    memset(id, 'i', sizeof id);
    zmq_setsockopt(stranger, ZMQ_ROUTING_ID, id, sizeof id); /* longer than ours are */
    assert_int_equal(zmq_connect(raw, world->place.ipc), 0);
    assert_int_equal(zmq_connect(stranger, world->place.ipc), 0);
    zmq_send(stranger, "long", 4, ZMQ_SNDMORE);
    zmq_send(stranger, "id", 2, 0);
    zmq_send(raw, "one", 3, 0);
    for (int i = 0; i < 9; i++)
        zmq_send(raw, "many", 4, ZMQ_SNDMORE);
    zmq_send(raw, "", 0, 0);
    zmq_send(raw, "two", 3, ZMQ_SNDMORE);
    zmq_send(raw, "frames", 6, 0);
    RUN_UNTIL(world, world->received > 0);
    assert_int_equal(world->received, 1);
    assert_string_equal(world->last_text, "two");
    zmq_setsockopt(raw, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
    zmq_setsockopt(stranger, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
    zmq_close(raw);
    zmq_close(stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_inproc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_send_does_not_eat_a_wake_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cannot_bind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_peer_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oversize, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_frames, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
