/* test_http_ends.c -- clients that go or stop, more of them than are admitted, and the end of the server. */
#include "tests/unit/http_fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The client goes. */

static void reset(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    close(fd);
}

/* Whatever it has sent behind the request: nothing, another request, its end, or more than is taken in. */
static void a_client_that_goes_is_noticed(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    for (int way = 0; way < 4; way++) {
        int fd = client_dial(world);
        client_say(fd, "GET /hold HTTP/1.1\r\n" H "\r\n");
        WAIT_FOR(atomic_load(&world->requests) == way + 1);
        if (way == 1)
            client_say(fd, GET);
        if (way == 2)
            shutdown(fd, SHUT_WR);
        if (way == 3)
            while (send(fd, world->big, BIG, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
                world_order(world, world_look);
        world_order(world, world_look);
        assert_int_equal(atomic_load(&world->aborted), way);
        reset(fd);

        WAIT_FOR(atomic_load(&world->aborted) == way + 1);
    }
    world_order(world, world_look);
    assert_int_equal(atomic_load(&world->connections), 0);
    world_free(world);
}

/* libevent's watermark would call back without end while more waits than is taken in. */
static void a_full_input_does_not_spin(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct timespec before, after;
    clockid_t clock;
    pthread_getcpuclockid(world->thread, &clock);
    int fd = client_dial(world);
    client_say(fd, "GET /hold HTTP/1.1\r\n" H "\r\n");
    while (send(fd, world->big, BIG, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        world_order(world, world_look);
    clock_gettime(clock, &before);
    poll(NULL, 0, PHASE_MS);
    clock_gettime(clock, &after);
    int64_t used_ns = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
    assert_true(used_ns < PHASE_MS * 1000000 / 3);
    close(fd);
    world_free(world);
}

/* One that has said all it has to say still listens. */
static void half_closed_is_answered(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = client_dial(world);
    client_say(fd, LATER GET "GET /hold HTTP/1.1\r\n" H "\r\n" LATER GET);
    shutdown(fd, SHUT_WR);
    WAIT_FOR(atomic_load(&world->requests) == 3);
    world_order(world, world_release);
    client_hear_all(fd, &heard);
    assert_int_equal(client_count(heard.text, "HTTP/1.1 200 "), 4);
    assert_int_equal(client_count(heard.text, "HTTP/1.1 204 "), 1);
    assert_true(heard.ended);
    close(fd);
    world_free(world);
}

static void half_a_request_is_dropped(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = client_dial(world);
    client_say(fd, POST "Content-Length: 5\r\n\r\nhel");
    shutdown(fd, SHUT_WR);
    client_hear_all(fd, &heard);
    assert_true(heard.ended);
    assert_int_equal(atomic_load(&world->requests), 0);
    close(fd);
    world_free(world);
}

/* Limits of connections. */

static void too_many(struct http_options options)
{
    struct world *world = world_new(options);
    struct heard heard;
    int first = client_dial(world), second = client_dial(world);
    client_say(first, GET);
    assert_true(client_hear(first, &heard, "GET /a? ", 1));
    client_say(second, GET);
    client_hear_all(second, &heard);
    assert_non_null(strstr(heard.text, "HTTP/1.1 503 "));
    assert_non_null(strstr(heard.text, "<unavailable>"));
    assert_non_null(strstr(heard.text, "Retry-After: "));
    assert_true(heard.ended);
    close(first);
    close(second);
    WAIT_FOR((world_order(world, world_look), atomic_load(&world->connections) == 0));
    int third = client_dial(world);
    client_say(third, GET);
    assert_true(client_hear(third, &heard, "GET /a? ", 1));
    close(third);
    world_free(world);
}

static void connections_are_limited(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.max_connections = 1;
    too_many(options);
    options = patient();
    options.max_connections_address = 1;
    too_many(options);
}

/* The end of the server. */

static int queued;

/* The kernel has greeted a client whom the server has not accepted yet. */
static void dial_and_drain(struct world *world)
{
    queued = client_dial(world);
    http_drain(world->server);
}

/* What is on its way when the server ends is answered, by the connection's last answer. */
static void drains(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int idle = client_dial(world), busy = client_dial(world), fresh = client_dial(world);
    client_say(idle, GET);
    assert_true(client_hear(idle, &heard, "GET /a? ", 1));
    client_say(busy, "GET /hold HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 2);
    world_order(world, dial_and_drain);
    assert_int_equal(client_dial(world), -1);
    int all[] = { idle, fresh, queued, busy };
    for (int i = 0; i < 3; i++)
        client_say(all[i], GET);
    world_order(world, world_release);
    for (int i = 0; i < 4; i++) {
        client_hear_all(all[i], &heard);
        assert_true(heard.ended);
        assert_non_null(strstr(heard.text, i < 3 ? "GET /a? " : "HTTP/1.1 204 "));
        assert_non_null(strstr(heard.text, "Connection: close\r\n"));
        close(all[i]);
    }
    WAIT_FOR((world_order(world, world_look), atomic_load(&world->connections) == 0));
    world_free(world);
}

enum { GRACE_MS = 2000 };

/* Who has been silent for long is not waited for, and who goes on being silent not for long. */
static void drains_the_silent(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int old = client_dial(world);
    client_say(old, GET);
    assert_true(client_hear(old, &heard, "GET /a? ", 1));
    poll(NULL, 0, GRACE_MS + 100);
    int young = client_dial(world);
    client_say(young, GET);
    assert_true(client_hear(young, &heard, "GET /a? ", 1));
    world_order(world, world_drain);
    assert_int_equal(atomic_load(&world->connections), 1);
    client_hear_all(old, &heard);
    assert_true(heard.ended && heard.size == 0);
    client_hear_all(young, &heard);
    assert_true(heard.ended && heard.size == 0);
    WAIT_FOR((world_order(world, world_look), atomic_load(&world->connections) == 0));
    close(old);
    close(young);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_goes_is_noticed),
        cmocka_unit_test(a_full_input_does_not_spin),
        cmocka_unit_test(half_closed_is_answered),
        cmocka_unit_test(half_a_request_is_dropped),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(drains),
        cmocka_unit_test(drains_the_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
