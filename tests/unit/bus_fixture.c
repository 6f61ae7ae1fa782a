/* bus_fixture.c -- the workers' threads, and what a gateway sends and hears. */
#include "tests/unit/bus_fixture.h"

#include "common/bus.h"

#include <bus.pb-c.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct field fields[] = {
    { .name = "note", .number = 1, .type = FIELD_STRING },
    { .name = "count", .number = 2, .index = 1, .type = FIELD_INT32 },
};
static const struct message message = { .name = "Echo", .count = 2, .fields = fields, .largest = 2 };
static const struct message old_message = { .name = "Echo", .count = 1, .fields = fields, .largest = 1 };
static const struct rpc echo = { .name = "Echo", .service = "echo", .request = &message, .reply = &message };
/* The same method in an older build, without `count`. */
static const struct rpc old_echo = { .name = "Echo", .service = "echo", .request = &message, .reply = &old_message };
const struct schema fixture_schema = { .rpcs = &echo, .rpc_count = 1 };
const struct schema fixture_old_schema = { .rpcs = &old_echo, .rpc_count = 1 };

struct held {
    LIST_ENTRY(held) at; /* in worker->held */
    struct fixture_worker *worker;
    struct bus_origin origin;
    struct event *timer;
};

static void answer(struct fixture_worker *worker, struct bus_origin origin, const void *data, size_t size)
{
    char name[32];
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    snprintf(name, sizeof name, "%s", worker->name);
    reply.status = CAMPUS__STATUS__OK;
    reply.code = name;
    atomic_fetch_add(&worker->served, 1);
    bus_reply(worker->bus, origin, &reply, slice_of(data, size));
}

static void held_free(struct held *held)
{
    LIST_REMOVE(held, at);
    event_free(held->timer);
    free(held);
}

static void on_late(evutil_socket_t fd, short what, void *context)
{
    struct held *held = context;
    (void)fd, (void)what;
    answer(held->worker, held->origin, "late", 4);
    held_free(held);
}

static void hold(struct fixture_worker *worker, struct bus_origin origin)
{
    static const struct timeval delay = { .tv_usec = 100000 };
    struct held *held = malloc(sizeof *held);
    *held = (struct held){ .worker = worker, .origin = origin };
    held->timer = evtimer_new(worker->base, on_late, held);
    evtimer_add(held->timer, &delay);
    LIST_INSERT_HEAD(&worker->held, held, at);
}

static void on_request(struct bus_origin origin, const BusRequest *header, struct slice body, void *context)
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
    case 'f':
        if (strcmp(worker->name, "first") != 0)
            answer(worker, origin, body.data, body.size);
        break;
    case 'l':
        hold(worker, origin);
        break;
    case 'k':
        snprintf(text, sizeof text, "%s %u", header->idempotency_key, header->left_ms);
        answer(worker, origin, text, strlen(text));
        break;
    case 'b':
        answer(worker, origin, large, sizeof large);
        break;
    default:
        answer(worker, origin, body.data, body.size);
    }
}

static void on_cancel(struct bus_origin origin, void *context)
{
    struct fixture_worker *worker = context;
    atomic_fetch_add(&worker->cancelled, 1);
    answer(worker, origin, "cancelled", 9);
}

static bool has_started(void *context)
{
    struct fixture_worker *worker = context;
    atomic_fetch_add(&worker->asked, 1);
    return !atomic_load(&worker->starting);
}

/* Which host it says to be on is its name. */
static WorkerReport *on_report(struct arena *arena, void *context)
{
    struct fixture_worker *worker = context;
    WorkerReport *report = arena_alloc(arena, sizeof *report);
    campus__bus__worker_report__init(report);
    report->database = arena_alloc(arena, sizeof *report->database);
    campus__bus__database_report__init(report->database);
    report->database->reachable = !atomic_load(&worker->cut_off);
    report->version = arena_strdup(arena, "0");
    report->host = arena_strdup(arena, worker->name);
    report->pending = (uint32_t)bus_pending(worker->bus);
    atomic_fetch_add(&worker->reports, 1);
    return report;
}

static uint64_t read_command(int fd)
{
    uint64_t value = 0;
    while (read(fd, &value, sizeof value) < 0 && errno == EINTR)
        ;
    return value;
}

static void on_command(evutil_socket_t fd, short what, void *context)
{
    struct fixture_worker *worker = context;
    (void)what;
    switch (read_command(fd)) {
    case COMMAND_CLOSE:
        event_base_loopbreak(worker->base);
        break;
    case COMMAND_FREEZE:
        read_command(fd); /* nothing moves in this thread until the next command */
        break;
    case COMMAND_DRAIN:
        bus_drain(worker->bus);
        break;
    }
}

void fixture_worker_run(struct fixture_worker *worker)
{
    const char *endpoints[] = { worker->endpoint, worker->also, NULL };
    struct bus_options options = {
        .service = "echo",
        .endpoints = endpoints,
        .keys = worker->keys,
        .credits = worker->credits,
        .max_message = FIXTURE_MESSAGE,
        .schema = worker->schema ? worker->schema : &fixture_schema,
    };
    struct bus_handler handler = { on_request, on_cancel, has_started, on_report, worker };
    worker->base = event_base_new();
    struct event *command = event_new(worker->base, worker->command, EV_READ | EV_PERSIST, on_command, worker);
    event_add(command, NULL);
    struct arena *arena = arena_new();
    const char *error = NULL;
    worker->bus = bus_open(arena, worker->base, worker->zmq, &options, &handler, &error);
    arena_free(arena);
    if (!worker->bus)
        abort();
    event_base_dispatch(worker->base);
    bus_close(worker->bus);
    while (!LIST_EMPTY(&worker->held)) /* the test was over before they were due */
        held_free(LIST_FIRST(&worker->held));
    event_free(command);
    event_base_free(worker->base);
}

static void *worker_main(void *context)
{
    fixture_worker_run(context);
    return NULL;
}

void fixture_worker_start(struct fixture_worker *worker)
{
    worker->command = eventfd(0, 0);
    assert_int_equal(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
}

void fixture_worker_command(struct fixture_worker *worker, uint64_t command)
{
    assert_int_equal(write(worker->command, &command, sizeof command), sizeof command);
}

void fixture_worker_stop(struct fixture_worker *worker)
{
    fixture_worker_command(worker, COMMAND_CLOSE);
    pthread_join(worker->thread, NULL);
    close(worker->command);
}

struct fixture_gateway fixture_gateway_open(void *zmq, struct fixture_gateway_options with)
{
    struct fixture_gateway gateway = { .loop = bus_loop_open() };
    const char *endpoints[] = { with.endpoint, NULL }, *error = NULL;
    struct dispatch_options options = {
        .endpoints = endpoints,
        .keys = with.keys,
        .allowed = with.allowed,
        .schema = &fixture_schema,
        .queue_limit = with.queue_limit ? with.queue_limit : 100,
        .caller_limit = with.caller_limit,
        .queue_ms = with.queue_ms ? with.queue_ms : 5000,
        .ping_ms = 250,
        .max_message = FIXTURE_MESSAGE,
    };
    struct arena *arena = arena_new();
    gateway.dispatcher = dispatch_open(arena, gateway.loop.base, zmq, &options, &error);
    if (!gateway.dispatcher)
        fail_msg("dispatch_open: %s", error);
    arena_free(arena);
    return gateway;
}

void fixture_gateway_close(struct fixture_gateway *gateway)
{
    dispatch_close(gateway->dispatcher);
    bus_loop_close(&gateway->loop);
}

static void on_reply(const BusReply *reply, struct slice body, void *context)
{
    struct fixture_request *request = context;
    assert_false(request->sending);
    request->answers++;
    request->status = (enum status)reply->status;
    request->retry_after_ms = reply->retry_after_ms;
    snprintf(request->code, sizeof request->code, "%s", reply->code ? reply->code : "");
    snprintf(request->body, sizeof request->body, "%.*s", (int)body.size, body.size ? (const char *)body.data : "");
}

static void send_with(struct fixture_gateway *gateway, struct fixture_request *request, struct slice body,
                      BusRequest header)
{
    char method[] = "Echo", key[] = "key-1";
    header.method = method;
    header.idempotency_key = key;
    *request = (struct fixture_request){ .sending = true };
    request->ticket = dispatch_send(gateway->dispatcher, &echo, &header, body, on_reply, request);
    request->sending = false;
}

void fixture_send_bytes(struct fixture_gateway *gateway, struct fixture_request *request, struct slice body,
                        uint32_t left_ms)
{
    BusRequest header = CAMPUS__BUS__REQUEST__INIT;
    header.left_ms = left_ms;
    send_with(gateway, request, body, header);
}

void fixture_send_for(struct fixture_gateway *gateway, struct fixture_request *request, const char *body, char *caller)
{
    BusRequest header = CAMPUS__BUS__REQUEST__INIT;
    Campus__Bus__Principal principal = CAMPUS__BUS__PRINCIPAL__INIT;
    principal.id = caller;
    header.caller = &principal;
    header.left_ms = PATIENCE_MS;
    send_with(gateway, request, slice_text(body), header);
}

void fixture_send(struct fixture_gateway *gateway, struct fixture_request *request, const char *body)
{
    fixture_send_bytes(gateway, request, slice_text(body), PATIENCE_MS);
}

long fixture_metric(struct fixture_gateway *gateway, const char *line)
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

void fixture_await_workers(struct fixture_gateway *gateway, long count)
{
    RUN_UNTIL(gateway, fixture_metric(gateway, WORKERS) == count && dispatch_ready(gateway->dispatcher));
}
