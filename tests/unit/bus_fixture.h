/* bus_fixture.h -- a small contract, workers that do what a request's body says, and a gateway's loop, for the tests of
 * the bus. */
#ifndef CAMPUS_TESTS_BUS_FIXTURE_H
#define CAMPUS_TESTS_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bus.h"
#include "common/clock.h"
#include "services/gateway/dispatch.h"

#include <bus.pb-c.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { PATIENCE_MS = 10000, FIXTURE_MESSAGE = 65536 };

static const struct field fixture_fields[] = {
    { .name = "note", .number = 1, .type = FIELD_STRING },
    { .name = "count", .number = 2, .index = 1, .type = FIELD_INT32 },
};
static const struct message fixture_message = { .name = "Echo", .count = 2, .fields = fixture_fields, .largest = 2 };
static const struct message fixture_old_message = {
    .name = "Echo", .count = 1, .fields = fixture_fields, .largest = 1
};
static const struct rpc fixture_rpc = {
    .name = "Echo", .service = "echo", .request = &fixture_message, .reply = &fixture_message
};
/* The same method in an older build, without `count`. */
static const struct rpc fixture_old_rpc = {
    .name = "Echo", .service = "echo", .request = &fixture_message, .reply = &fixture_old_message
};
static const struct schema fixture_schema = { .rpcs = &fixture_rpc, .rpc_count = 1 };
static const struct schema fixture_old_schema = { .rpcs = &fixture_old_rpc, .rpc_count = 1 };

/* A worker. What a request's body begins with says what it does:
 *   d  dies at once            h  answers only when it is cancelled
 *   l  answers after 100 ms    k  answers its idempotency key and left_ms
 *   b  answers too much        anything else: answers the body itself
 * The reply's code is the worker's name. */
struct fixture_worker {
    void *zmq;
    const char *name, *endpoint;
    const struct schema *schema; /* NULL: the gateway's */
    uint32_t credits;
    int command; /* eventfd: one of the commands */
    atomic_size_t most_pending, served, cancelled;
    /* private to its thread */
    pthread_t thread;
    struct event_base *base;
    struct bus *bus;
};

enum { COMMAND_CLOSE = 1, COMMAND_FREEZE = 100, COMMAND_THAW = 10000, COMMAND_DRAIN = 1000000 };

struct fixture_held {
    struct fixture_worker *worker;
    struct bus_origin origin;
    struct event *timer;
};

static inline void fixture_answer(struct fixture_worker *worker, struct bus_origin origin, const void *data,
                                  size_t size)
{
    char name[32];
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    snprintf(name, sizeof name, "%s", worker->name);
    reply.status = CAMPUS__STATUS__OK;
    reply.code = name;
    atomic_fetch_add(&worker->served, 1);
    bus_reply(worker->bus, origin, &reply, slice_of(data, size));
}

static inline void fixture_answer_late(evutil_socket_t fd, short what, void *context)
{
    struct fixture_held *held = context;
    (void)fd, (void)what;
    fixture_answer(held->worker, held->origin, "late", 4);
    event_free(held->timer);
    free(held);
}

static inline void fixture_hold(struct fixture_worker *worker, struct bus_origin origin)
{
    static const struct timeval delay = { .tv_usec = 100000 };
    struct fixture_held *held = malloc(sizeof *held);
    *held = (struct fixture_held){ .worker = worker, .origin = origin };
    held->timer = evtimer_new(worker->base, fixture_answer_late, held);
    evtimer_add(held->timer, &delay);
}

static inline void fixture_on_request(struct bus_origin origin, const BusRequest *header, struct slice body,
                                      void *context)
{
    struct fixture_worker *worker = context;
    static const char large[FIXTURE_MESSAGE + 1] = "";
    char text[64];
    size_t pending = bus_pending(worker->bus);
    if (pending > atomic_load(&worker->most_pending))
        atomic_store(&worker->most_pending, pending);
    switch (body.size ? body.data[0] : 0) {
    case 'd':
        raise(SIGKILL);
        break;
    case 'h':
        break;
    case 'l':
        fixture_hold(worker, origin);
        break;
    case 'k':
        snprintf(text, sizeof text, "%s %u", header->idempotency_key, header->left_ms);
        fixture_answer(worker, origin, text, strlen(text));
        break;
    case 'b':
        fixture_answer(worker, origin, large, sizeof large);
        break;
    default:
        fixture_answer(worker, origin, body.data, body.size);
    }
}

static inline void fixture_on_cancel(struct bus_origin origin, void *context)
{
    struct fixture_worker *worker = context;
    atomic_fetch_add(&worker->cancelled, 1);
    fixture_answer(worker, origin, "cancelled", 9);
}

static inline uint64_t fixture_read(int fd)
{
    uint64_t value = 0;
    while (read(fd, &value, sizeof value) < 0 && errno == EINTR)
        ;
    return value;
}

static inline void fixture_on_command(evutil_socket_t fd, short what, void *context)
{
    struct fixture_worker *worker = context;
    (void)what;
    switch (fixture_read(fd)) {
    case COMMAND_CLOSE:
        event_base_loopbreak(worker->base);
        break;
    case COMMAND_FREEZE:
        fixture_read(fd); /* nothing moves in this thread until the next command */
        break;
    case COMMAND_DRAIN:
        bus_drain(worker->bus);
        break;
    }
}

static inline void fixture_worker_run(struct fixture_worker *worker)
{
    const char *endpoints[] = { worker->endpoint, NULL };
    struct bus_options options = {
        .service = "echo",
        .endpoints = endpoints,
        .credits = worker->credits,
        .max_message = FIXTURE_MESSAGE,
        .schema = worker->schema ? worker->schema : &fixture_schema,
    };
    struct bus_handler handler = { fixture_on_request, fixture_on_cancel, worker };
    worker->base = event_base_new();
    struct event *command = event_new(worker->base, worker->command, EV_READ | EV_PERSIST, fixture_on_command, worker);
    event_add(command, NULL);
    worker->bus = bus_open(worker->base, worker->zmq, &options, &handler);
    if (!worker->bus)
        abort();
    event_base_dispatch(worker->base);
    bus_close(worker->bus);
    event_free(command);
    event_base_free(worker->base);
}

static inline void *fixture_worker_main(void *context)
{
    fixture_worker_run(context);
    return NULL;
}

static inline void fixture_worker_start(struct fixture_worker *worker)
{
    worker->command = eventfd(0, 0);
    assert_int_equal(pthread_create(&worker->thread, NULL, fixture_worker_main, worker), 0);
}

static inline void fixture_worker_command(struct fixture_worker *worker, uint64_t command)
{
    assert_int_equal(write(worker->command, &command, sizeof command), sizeof command);
}

static inline void fixture_worker_stop(struct fixture_worker *worker)
{
    fixture_worker_command(worker, COMMAND_CLOSE);
    pthread_join(worker->thread, NULL);
    close(worker->command);
}

/* A gateway: a loop and a dispatcher, in the test's thread. */
struct fixture_gateway {
    struct event_base *base;
    struct event *heartbeat; /* so that the loop returns now and then */
    struct dispatcher *dispatcher;
};

/* One request and what came of it. */
struct fixture_request {
    struct dispatch_ticket *ticket;
    int answers;
    enum status status;
    uint32_t retry_after_ms;
    char code[32], body[64];
    bool sending; /* within dispatch_send() */
};

static inline void fixture_nothing(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
}

/* Changes to the usual options; 0 is the usual. */
struct fixture_gateway_options {
    const char *endpoint;
    uint32_t queue_limit, queue_ms, ping_ms;
};

static inline struct fixture_gateway fixture_gateway_open(void *zmq, struct fixture_gateway_options with)
{
    static const struct timeval often = { .tv_usec = 2000 };
    struct fixture_gateway gateway = { .base = event_base_new() };
    const char *endpoints[] = { with.endpoint, NULL }, *error = NULL;
    struct dispatch_options options = {
        .endpoints = endpoints,
        .schema = &fixture_schema,
        .queue_limit = with.queue_limit ? with.queue_limit : 100,
        .queue_ms = with.queue_ms ? with.queue_ms : 5000,
        .ping_ms = with.ping_ms ? with.ping_ms : 250,
        .max_message = FIXTURE_MESSAGE,
    };
    gateway.heartbeat = event_new(gateway.base, -1, EV_PERSIST, fixture_nothing, NULL);
    event_add(gateway.heartbeat, &often);
    gateway.dispatcher = dispatch_open(gateway.base, zmq, &options, &error);
    if (!gateway.dispatcher)
        fail_msg("dispatch_open: %s", error);
    return gateway;
}

static inline void fixture_gateway_close(struct fixture_gateway *gateway)
{
    dispatch_close(gateway->dispatcher);
    event_free(gateway->heartbeat);
    event_base_free(gateway->base);
}

/* Runs the loop until the condition holds, at most PATIENCE_MS. */
#define RUN_UNTIL(gateway, condition)                                                                                  \
    do {                                                                                                               \
        bool met;                                                                                                      \
        int64_t until_us = clock_monotonic_us() + PATIENCE_MS * 1000;                                                  \
        while (!(met = (condition)) && clock_monotonic_us() < until_us)                                                \
            event_base_loop((gateway)->base, EVLOOP_ONCE);                                                             \
        assert_true(met);                                                                                              \
    } while (0)

static inline void fixture_on_reply(const BusReply *reply, struct slice body, void *context)
{
    struct fixture_request *request = context;
    assert_false(request->sending);
    request->answers++;
    request->status = (enum status)reply->status;
    request->retry_after_ms = reply->retry_after_ms;
    snprintf(request->code, sizeof request->code, "%s", reply->code ? reply->code : "");
    snprintf(request->body, sizeof request->body, "%.*s", (int)body.size, body.size ? (const char *)body.data : "");
}

static inline void fixture_send_bytes(struct fixture_gateway *gateway, struct fixture_request *request,
                                      struct slice body, uint32_t left_ms)
{
    char method[] = "Echo", key[] = "key-1";
    BusRequest header = CAMPUS__BUS__REQUEST__INIT;
    header.method = method;
    header.idempotency_key = key;
    header.left_ms = left_ms;
    *request = (struct fixture_request){ .sending = true };
    request->ticket = dispatch_send(gateway->dispatcher, &fixture_rpc, &header, body, fixture_on_reply, request);
    request->sending = false;
}

static inline void fixture_send(struct fixture_gateway *gateway, struct fixture_request *request, const char *body)
{
    fixture_send_bytes(gateway, request, slice_text(body), PATIENCE_MS);
}

/* The value of a metric's line. */
static inline long fixture_metric(struct fixture_gateway *gateway, const char *line)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    dispatch_metrics(gateway->dispatcher, out);
    fclose(out);
    const char *found = strstr(text, line);
    long value = found ? strtol(found + strlen(line), NULL, 10) : -1;
    free(text);
    return value;
}

#define WORKERS "\ncampus_bus_workers{service=\"echo\"} "
#define IN_FLIGHT "\ncampus_bus_in_flight{service=\"echo\"} "
#define QUEUE_LENGTH "\ncampus_bus_queue_length{service=\"echo\"} "
#define DEATHS "\ncampus_bus_worker_deaths_total{service=\"echo\"} "
#define DROPPED "\ncampus_bus_replies_dropped_total "

/* Which of the workers stand ready can be seen only by sending: until `count` have joined. */
static inline void fixture_await_workers(struct fixture_gateway *gateway, long count)
{
    RUN_UNTIL(gateway, fixture_metric(gateway, WORKERS) == count && dispatch_ready(gateway->dispatcher));
}

#endif
