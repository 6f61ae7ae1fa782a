/* test_http_phases.c -- how long a connection may take for what: each phase as a whole, although bytes keep coming. */
#include "services/gateway/limits.h"
#include "tests/unit/http_fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct phase {
    const char *begins; /* what comes at once */
    const char *drop; /* what then comes again and again; NULL: nothing */
    const char *heard; /* what is heard before the end; "": nothing */
    size_t limit; /* which one is short */
} phases[] = {
    { "", NULL, "", offsetof(struct http_options, idle_ms) },
    { "\r\n", NULL, "", offsetof(struct http_options, idle_ms) },
    { GET, NULL, "GET /a? ", offsetof(struct http_options, idle_ms) },
    { "GET /a HTTP/1.1\r\nX: ", "a", "<request_timeout>", offsetof(struct http_options, header_ms) },
    { GET "G", NULL, "<request_timeout>", offsetof(struct http_options, header_ms) },
    { POST "Content-Length: 999999\r\n\r\n", "a", "<request_timeout>", offsetof(struct http_options, body_ms) },
    { CHUNKED, "1\r\na\r\n", "<request_timeout>", offsetof(struct http_options, body_ms) },
};

static const char *greeting;
static int greeter;

/* In the loop: the server finds a client who has already said something. */
static void dial_and_say(struct world *world)
{
    greeter = client_dial(world);
    client_say(greeter, greeting);
}

static int greet(struct world *world, const char *text)
{
    greeting = text;
    world_order(world, dial_and_say);
    return greeter;
}

static void phase_ends(const struct phase *phase)
{
    struct http_options options = patient();
    memcpy((char *)&options + phase->limit, &(uint32_t){ PHASE_MS }, sizeof(uint32_t));
    struct world *world = world_new(options);
    struct heard heard = { 0 };
    int64_t start = clock_monotonic_us();
    int fd = greet(world, phase->begins);
    while (phase->drop && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PHASE_MS / 10) == 0)
        client_say(fd, phase->drop);
    client_hear_all(fd, &heard);
    int64_t took_ms = (clock_monotonic_us() - start) / 1000;
    assert_true(heard.ended);
    assert_true(took_ms >= PHASE_MS - 20 && took_ms < PATIENCE_MS);
    assert_non_null(strstr(heard.text, phase->heard));
    assert_true(*phase->heard || heard.size == 0);
    assert_int_equal(client_count(heard.text, " 408 "), strcmp(phase->heard, "<request_timeout>") == 0);
    close(fd);
    world_free(world);
}

static void every_phase_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        phase_ends(&phases[i]);
}

#define HASTY "GET /hasty HTTP/1.1\r\n" H "\r\n"

/* Who asks too often is answered, and what he asks next waits: others are answered, and no answer is lost. */
static void haste_makes_wait(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard hasty = { 0 }, calm = { 0 };
    int one = client_dial(world), other = client_dial(world);
    int64_t start = clock_monotonic_us();
    client_say(one, HASTY GET HASTY "GET /last HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    shutdown(one, SHUT_WR);
    client_say(other, GET);
    assert_true(client_hear(other, &calm, "GET /a? ", 1));
    client_hear_all(one, &hasty);
    assert_true(clock_monotonic_us() - start >= 2 * 100000);
    assert_true(hasty.ended);
    assert_int_equal(client_count(hasty.text, "GET /hasty? "), 2);
    assert_int_equal(client_count(hasty.text, "GET /a? "), 1);
    assert_int_equal(client_count(hasty.text, "GET /last? "), 1);
    close(one);
    close(other);
    world_free(world);
}

/* Large bodies have their room, of which an address has a quarter; the others are told so before they are sent. */
static void large_bodies_have_their_room(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.body_memory = 400000;
    struct world *world = world_new(options);
    struct heard first = { 0 }, surplus = { 0 }, small = { 0 };
    int one = client_dial(world), two = client_dial(world), three = client_dial(world);
    client_say(one, POST "Expect: 100-continue\r\nContent-Length: 60000\r\n\r\n");
    assert_true(client_hear(one, &first, "100 Continue", 1));
    client_say(two, POST "Expect: 100-continue\r\nContent-Length: 60000\r\n\r\n");
    client_hear_all(two, &surplus);
    assert_true(strstr(surplus.text, " 503 ") && strstr(surplus.text, "<unavailable>"));
    client_say(three, POST "Content-Length: 2\r\n\r\nok");
    assert_true(client_hear(three, &small, "POST /a? ok", 1));
    client_say_bytes(one, (char[60000]){ "large" }, 60000);
    assert_true(client_hear(one, &first, "POST /a? large", 1));
    client_say(three, POST "Expect: 100-continue\r\nContent-Length: 60000\r\n\r\n"); /* the room is free again */
    assert_true(client_hear(three, &small, "100 Continue", 1));
    close(one);
    close(two);
    close(three);
    world_free(world);
}

/* More connections from an address than its rate are told so. */
static void arrivals_have_their_rate(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.arrivals = limits_new(1, 2, 100);
    struct world *world = world_new(options);
    int served = 0, surplus = 0;
    for (int i = 0; i < 20 && !(served && surplus); i++) {
        struct heard heard = { 0 };
        int fd = client_dial(world);
        client_say(fd, "GET /a HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
        client_hear_all(fd, &heard);
        served += client_count(heard.text, " 200 ");
        surplus += client_count(heard.text, "<unavailable>");
        close(fd);
    }
    assert_true(served >= 2 && surplus == 1);
    world_free(world);
    limits_free(options.arrivals);
}

/* The clients' times do not run while the handler thinks. */
static void the_handler_has_its_time(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.idle_ms = options.header_ms = options.body_ms = options.write_ms = 20;
    struct world *world = world_new(options);
    struct heard heard;
    int fd = greet(world, "GET /hold HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 1);
    assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PHASE_MS), 0);
    world_order(world, world_release);
    assert_true(client_hear(fd, &heard, "HTTP/1.1 204 ", 1));
    close(fd);
    world_free(world);
}

static void a_reader_that_stalls_is_left(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.write_ms = PHASE_MS;
    struct world *world = world_new(options);
    int fd = client_dial(world);
    client_say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 1);
    WAIT_FOR((world_order(world, world_look), atomic_load(&world->connections) == 0));
    close(fd);
    world_free(world);
}

enum { STALL_MS = 1000 };

/* Slowly, but it reads: all of it comes, in more time than one stall may take. */
static void a_slow_reader_is_served(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.write_ms = STALL_MS;
    struct world *world = world_new(options);
    static char text[BIG / 20];
    int fd = client_dial(world);
    size_t size = 0;
    int64_t start = clock_monotonic_us();
    client_say(fd, "GET /big HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    for (ssize_t more; (more = recv(fd, text, sizeof text, MSG_WAITALL)) > 0; size += (size_t)more)
        poll(NULL, 0, STALL_MS / 10);
    assert_true(size > BIG);
    assert_true(clock_monotonic_us() - start > STALL_MS * 1000);
    close(fd);
    world_free(world);
}

/* Requests are not taken from one who reads no answers. */
static void a_deaf_client_is_not_listened_to(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    int fd = client_dial(world);
    for (int i = 0; i < 20; i++)
        client_say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 1);
    world_order(world, world_look);
    assert_int_equal(atomic_load(&world->requests), 1);
    close(fd);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_ends),
        cmocka_unit_test(haste_makes_wait),
        cmocka_unit_test(large_bodies_have_their_room),
        cmocka_unit_test(arrivals_have_their_rate),
        cmocka_unit_test(the_handler_has_its_time),
        cmocka_unit_test(a_reader_that_stalls_is_left),
        cmocka_unit_test(a_slow_reader_is_served),
        cmocka_unit_test(a_deaf_client_is_not_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
