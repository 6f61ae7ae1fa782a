/* A bus over tcp: nothing passes without keys, and a key serves what the list says, for as long as it says so. */
#include "tests/unit/bus_fixture.h"

#include "common/allowed.h"
#include "common/bus_socket.h"
#include "common/curve.h"
#include "common/zap.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { A_WHILE_MS = 400 };

/* A folder of keys, a context, and a port that was free a moment ago. */
struct host {
    struct bus_place place;
    struct arena *arena;
    struct zap *zap;
    char endpoint[64];
    struct curve_keys gateway, worker, stranger;
};

static struct curve_keys make_keys(struct host *host, const char *name)
{
    struct curve_keys keys;
    char public_key[CURVE_TEXT];
    const char *error = "", *folder = host->place.folder;
    if (!curve_make(host->arena, folder, name, public_key, &error))
        fail_msg("%s", error);
    const char *secret = arena_printf(host->arena, "%s/%s.secret", folder, name);
    const char *gateway = arena_printf(host->arena, "%s/gateway.public", folder);
    if (!curve_load(host->arena, &keys, secret, gateway, &error))
        fail_msg("%s", error);
    assert_string_equal(keys.own, public_key);
    return keys;
}

static const char *list_path(struct host *host)
{
    return arena_printf(host->arena, "%s/allowed", host->place.folder);
}

/* The list with one line, put in place in one step. */
static void allow(struct host *host, const char *key, const char *roles)
{
    const char *draft = arena_printf(host->arena, "%s/allowed.new", host->place.folder);
    FILE *file = fopen(draft, "we");
    assert_non_null(file);
    fprintf(file, "# who may serve what\n\n%s %s worker\n", key, roles);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(draft, list_path(host)), 0);
}

static struct allowed *load(struct host *host)
{
    const char *error = "";
    struct allowed *allowed = allowed_load(host->arena, list_path(host), &error);
    if (!allowed)
        fail_msg("%s", error);
    return allowed;
}

static void find_port(struct host *host)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(probe, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&address, &size), 0);
    close(probe);
    snprintf(host->endpoint, sizeof host->endpoint, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
}

static struct host host_open(const char *roles)
{
    struct host host = { .place = bus_place_open(), .arena = arena_new() };
    host.gateway = make_keys(&host, "gateway");
    host.worker = make_keys(&host, "worker");
    host.stranger = make_keys(&host, "stranger");
    allow(&host, host.worker.own, roles);
    find_port(&host);
    return host;
}

static void host_close(struct host *host)
{
    static const char *const files[] = { "gateway.secret",  "gateway.public",  "worker.secret", "worker.public",
                                         "stranger.secret", "stranger.public", "allowed" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(arena_printf(host->arena, "%s/%s", host->place.folder, files[i]));
    zap_stop(host->zap);
    bus_place_close(&host->place);
    arena_free(host->arena);
}

/* Runs the gateway's loop for a while, which must suffice for a worker to come in. */
static void run_a_while(struct fixture_gateway *gateway)
{
    int64_t until_us = clock_monotonic_us() + A_WHILE_MS * 1000;
    while (clock_monotonic_us() < until_us)
        event_base_loop(gateway->loop.base, EVLOOP_ONCE);
}

struct meeting {
    struct fixture_gateway gateway;
    struct allowed *allowed;
    struct fixture_worker worker;
};

static void meet(struct host *host, struct meeting *meeting, const struct curve_keys *keys)
{
    *meeting = (struct meeting){ .allowed = load(host) };
    struct fixture_gateway_options options = { .endpoint = host->endpoint,
                                               .keys = &host->gateway,
                                               .allowed = meeting->allowed };
    meeting->gateway = fixture_gateway_open(host->place.zmq, options);
    meeting->worker = (struct fixture_worker){
        .zmq = host->place.zmq, .name = "a", .endpoint = host->endpoint, .keys = keys, .credits = 4
    };
    fixture_worker_start(&meeting->worker);
}

static void part(struct meeting *meeting)
{
    fixture_worker_stop(&meeting->worker);
    fixture_gateway_close(&meeting->gateway);
    allowed_free(meeting->allowed);
}

static void test_allowed_key_serves(void **state)
{
    struct host host = host_open("other,echo");
    struct meeting meeting;
    struct fixture_request request = { 0 };
    (void)state;
    host.zap = zap_start(host.place.zmq, load(&host));
    meet(&host, &meeting, &host.worker);
    fixture_await_workers(&meeting.gateway, 1);
    fixture_send(&meeting.gateway, &request, "word");
    RUN_UNTIL(&meeting.gateway, request.answers == 1);
    assert_string_equal(request.body, "word");
    part(&meeting);
    host_close(&host);
}

/* It joins nobody, and its requests wait for a worker that may. */
static void refused(const char *roles, bool with_zap, bool stranger, bool wrong_server)
{
    struct host host = host_open(roles);
    struct meeting meeting;
    struct curve_keys keys = stranger ? host.stranger : host.worker;
    if (wrong_server)
        memcpy(keys.gateway, host.stranger.own, CURVE_TEXT);
    if (with_zap)
        host.zap = zap_start(host.place.zmq, load(&host));
    meet(&host, &meeting, &keys);
    run_a_while(&meeting.gateway);
    assert_int_equal(fixture_metric(&meeting.gateway, WORKERS), 0);
    part(&meeting);
    host_close(&host);
}

static void test_unlisted_key(void **state)
{
    (void)state;
    refused("echo", true, true, false);
}

static void test_key_of_another_role(void **state)
{
    (void)state;
    refused("other", true, false, false);
}

static void test_wrong_key_of_the_gateway(void **state)
{
    (void)state;
    refused("echo", true, false, true);
}

static void test_no_handler_is_closed(void **state)
{
    (void)state;
    refused("*", false, false, false);
}

static void test_key_taken_from_the_list(void **state)
{
    struct host host = host_open("echo");
    struct meeting meeting;
    (void)state;
    host.zap = zap_start(host.place.zmq, load(&host));
    meet(&host, &meeting, &host.worker);
    fixture_await_workers(&meeting.gateway, 1);
    allow(&host, host.stranger.own, "echo");
    RUN_UNTIL(&meeting.gateway, fixture_metric(&meeting.gateway, WORKERS) == 0);
    run_a_while(&meeting.gateway);
    assert_int_equal(fixture_metric(&meeting.gateway, WORKERS), 0);
    allow(&host, host.worker.own, "echo");
    RUN_UNTIL(&meeting.gateway, fixture_metric(&meeting.gateway, WORKERS) == 1);
    part(&meeting);
    host_close(&host);
}

static void ignore(const struct peer *from, struct slice envelope, struct slice body, void *context)
{
    (void)from, (void)envelope, (void)body, (void)context;
}

static void test_tcp_without_keys_does_not_open(void **state)
{
    struct bus_place place = bus_place_open();
    struct bus_loop loop = bus_loop_open();
    struct bus_socket_options options = { .endpoint = "tcp://127.0.0.1:*", .max_message = 1024, .on_message = ignore };
    (void)state;
    for (options.kind = BUS_ROUTER; options.kind <= BUS_DEALER; options.kind++) {
        assert_null(bus_socket_open(loop.base, place.zmq, &options));
        assert_int_equal(errno, EACCES);
    }
    options.kind = BUS_DEALER;
    options.keys = &(struct curve_keys){ .secret = "mine", .own = "mine" }; /* but not the gateways' */
    assert_null(bus_socket_open(loop.base, place.zmq, &options));
    assert_int_equal(errno, EACCES);
    bus_loop_close(&loop);
    bus_place_close(&place);
}

static void test_key_files(void **state)
{
    struct host host = host_open("echo");
    struct curve_keys keys;
    char public_key[CURVE_TEXT];
    struct stat status;
    const char *error = NULL, *folder = host.place.folder;
    const char *secret = arena_printf(host.arena, "%s/worker.secret", folder);
    (void)state;
    assert_int_equal(stat(secret, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_false(curve_make(host.arena, folder, "worker", public_key, &error));
    assert_non_null(strstr(error, "worker.secret: File exists"));
    assert_int_equal(chmod(secret, 0640), 0);
    assert_false(curve_load(host.arena, &keys, secret, NULL, &error));
    assert_non_null(strstr(error, "bus_key_file"));
    assert_non_null(strstr(error, "0600"));
    assert_false(curve_load(host.arena, &keys, "", NULL, &error));
    assert_non_null(strstr(error, "needs it"));
    assert_int_equal(chmod(secret, 0600), 0);
    assert_false(curve_load(host.arena, &keys, secret, list_path(&host), &error));
    assert_non_null(strstr(error, "gateway_key_file"));
    host_close(&host);
}

static void test_broken_list(void **state)
{
    struct host host = host_open("echo");
    const char *error = NULL;
    (void)state;
    allow(&host, "no-key", "echo");
    assert_null(allowed_load(host.arena, list_path(&host), &error));
    assert_non_null(strstr(error, "line 3"));
    assert_null(allowed_load(host.arena, "/nowhere/allowed", &error));
    assert_non_null(strstr(error, "No such file"));
    assert_null(allowed_load(host.arena, host.place.folder, &error));
    assert_non_null(strstr(error, "Is a directory"));
    host_close(&host);
}

/* Waits until the list may be taken for what it shall be. */
static void await_settled(void)
{
    enum { SETTLED_MS = 120 };
    usleep(SETTLED_MS * 1000);
}

/* What is not understood leaves the list as it was. */
static void test_list_broken_later(void **state)
{
    struct host host = host_open("echo,other");
    struct allowed *allowed = load(&host);
    (void)state;
    allow(&host, "no-key", "echo");
    await_settled();
    allowed_refresh(allowed);
    assert_true(allowed_may(allowed, host.worker.own, "other"));
    assert_false(allowed_may(allowed, host.worker.own, "oth"));
    assert_string_equal(allowed_name(allowed, host.worker.own), "worker");
    assert_null(allowed_name(allowed, host.stranger.own));
    unlink(list_path(&host));
    allowed_refresh(allowed);
    assert_true(allowed_may(allowed, host.worker.own, "echo"));
    assert_int_equal(mkdir(list_path(&host), 0700), 0);
    await_settled();
    allowed_refresh(allowed);
    assert_true(allowed_may(allowed, host.worker.own, "echo"));
    assert_int_equal(rmdir(list_path(&host)), 0);
    allowed_free(allowed);
    host_close(&host);
}

/* Empties the list as an editor does, and looks at it at once: within the moment that it is given. Whoever was held up in
 * between begins anew. */
static FILE *empty_list(struct host *host, struct allowed *allowed)
{
    enum { MOMENT_US = 90000 };
    for (;;) {
        int64_t begun_us = clock_monotonic_us();
        FILE *file = fopen(list_path(host), "we");
        assert_non_null(file);
        allowed_refresh(allowed);
        if (clock_monotonic_us() - begun_us < MOMENT_US)
            return file;
        assert_int_equal(fclose(file), 0);
        allow(host, host->worker.own, "echo");
        await_settled();
        allowed_refresh(allowed);
    }
}

/* An editor empties the file, and fills it a moment later: no key loses its right in between. */
static void test_list_written_in_place(void **state)
{
    struct host host = host_open("echo");
    struct allowed *allowed = load(&host);
    struct stat before;
    (void)state;
    assert_int_equal(stat(list_path(&host), &before), 0);
    FILE *file = empty_list(&host, allowed);
    assert_true(allowed_may(allowed, host.worker.own, "echo"));
    /* As long as before, and with the former times, as a tool that copies them would leave it. */
    fprintf(file, "# who may serve what\n\n%s echo worker\n", host.stranger.own);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(utimensat(AT_FDCWD, list_path(&host), (struct timespec[]){ before.st_atim, before.st_mtim }, 0),
                     0);
    await_settled();
    allowed_refresh(allowed);
    assert_false(allowed_may(allowed, host.worker.own, "echo"));
    assert_true(allowed_may(allowed, host.stranger.own, "echo"));
    allowed_free(allowed);
    host_close(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowed_key_serves),
        cmocka_unit_test(test_unlisted_key),
        cmocka_unit_test(test_key_of_another_role),
        cmocka_unit_test(test_wrong_key_of_the_gateway),
        cmocka_unit_test(test_no_handler_is_closed),
        cmocka_unit_test(test_key_taken_from_the_list),
        cmocka_unit_test(test_tcp_without_keys_does_not_open),
        cmocka_unit_test(test_key_files),
        cmocka_unit_test(test_broken_list),
        cmocka_unit_test(test_list_broken_later),
        cmocka_unit_test(test_list_written_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
