/* dispatch.c -- the dispatcher: its sockets and timers, what comes in, and what its users call. */
#include "services/gateway/dispatch.h"

#include "common/clock.h"
#include "common/log.h"
#include "services/gateway/dispatch_ticket.h"
#include "services/gateway/dispatch_worker.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <zmq.h>

enum { SHORTEST_PING_MS = 10, LONGEST_PING_MS = 250 };

static const struct timeval soon = { 0 };
static const struct timeval tick_time = { .tv_usec = WHEEL_TICK_MS * 1000 };

void dispatch_kick(struct dispatcher *dispatcher)
{
    evtimer_add(dispatcher->kick, &soon);
}

static void answer_refused(struct dispatcher *dispatcher)
{
    struct dispatch_ticket *ticket;
    /* What on_reply sends and is refused anew waits for the next turn: an end is certain. */
    uint64_t last_id = dispatcher->last_id;
    while ((ticket = TAILQ_FIRST(&dispatcher->refused)) && ticket->id <= last_id)
        ticket_answer_refusal(ticket, ticket->outcome);
}

static void on_kick(evutil_socket_t fd, short what, void *context)
{
    struct dispatcher *dispatcher = context;
    (void)fd, (void)what;
    for (size_t i = 0; i < dispatcher->service_count; i++)
        service_serve(&dispatcher->services[i]);
    answer_refused(dispatcher);
}

/* Runs only while there is a deadline to keep. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct dispatcher *dispatcher = context;
    int64_t now_us = clock_monotonic_us();
    struct wheel_entry *due;
    (void)fd, (void)what;
    while ((due = wheel_take(&dispatcher->wheel, now_us))) {
        char *entry = (char *)due;
        ticket_expire((struct dispatch_ticket *)(void *)(entry - offsetof(struct dispatch_ticket, due)), now_us);
    }
    workers_probe(dispatcher, now_us);
    if (dispatcher->wheel.count > 0)
        evtimer_add(dispatcher->tick, &tick_time);
}

static void on_ping_time(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    workers_ping(context);
}

/* A reply counts when it is to a request of this start, from the worker that has it now. */
static struct dispatch_ticket *find_ticket(struct endpoint *endpoint, const struct peer *from,
                                           const BusEnvelope *envelope)
{
    struct dispatcher *dispatcher = endpoint->dispatcher;
    struct dispatch_ticket *ticket = NULL;
    if (envelope->boot == dispatcher->boot)
        HASH_FIND(hh, dispatcher->tickets, &envelope->id, sizeof envelope->id, ticket);
    if (!ticket || ticket->state != TICKET_SENT || ticket->worker->key.endpoint != endpoint ||
        !peer_equal(&ticket->worker->key.peer, from))
        return NULL;
    return ticket;
}

static void worker_heard(struct worker *worker)
{
    worker->unanswered = 0;
    worker->full = false;
}

static void on_reply(struct endpoint *endpoint, const struct peer *from, const BusEnvelope *envelope, struct slice body)
{
    struct dispatch_ticket *ticket = find_ticket(endpoint, from, envelope);
    if (!ticket) {
        endpoint->dispatcher->replies_dropped++;
        return;
    }
    struct service *service = ticket->service;
    worker_heard(ticket->worker);
    if ((unsigned)envelope->reply->status >= STATUS_COUNT)
        envelope->reply->status = CAMPUS__STATUS__INTERNAL;
    ticket_answer(ticket, OUTCOME_ANSWERED, envelope->reply, body);
    service_serve(service);
}

/* Kinds that only a worker we know may say. */
static void (*const worker_kinds[])(struct worker *worker) = {
    [CAMPUS__BUS__ENVELOPE__KIND__PONG] = worker_on_pong,
    [CAMPUS__BUS__ENVELOPE__KIND__DRAIN] = worker_on_drain,
    [CAMPUS__BUS__ENVELOPE__KIND__BYE] = worker_on_bye,
};

static void on_message(const struct peer *from, struct slice bytes, struct slice body, void *context)
{
    struct endpoint *endpoint = context;
    struct arena *arena = endpoint->dispatcher->incoming;
    arena_reset(arena);
    const BusEnvelope *envelope = envelope_read(arena, bytes);
    if (!envelope) {
        log_warning("unreadable message from a worker", "bytes=%zu", bytes.size);
        return;
    }
    if (envelope->kind == CAMPUS__BUS__ENVELOPE__KIND__REPLY) {
        on_reply(endpoint, from, envelope, body);
        return;
    }
    if (envelope->kind == CAMPUS__BUS__ENVELOPE__KIND__READY) {
        worker_on_ready(endpoint, from, envelope);
        return;
    }
    size_t kind = (size_t)envelope->kind;
    struct worker *worker = worker_find(endpoint, from);
    if (!worker || kind >= sizeof worker_kinds / sizeof *worker_kinds || !worker_kinds[kind])
        return;
    worker_heard(worker);
    if (envelope->report)
        worker_on_report(worker, envelope->report);
    worker_kinds[kind](worker);
}

static struct service *add_service(struct dispatcher *dispatcher, const char *name)
{
    struct service *service = &dispatcher->services[dispatcher->service_count++];
    const struct schema *schema = dispatcher->options.schema;
    *service = (struct service){ .dispatcher = dispatcher, .name = name };
    service->signatures = arena_alloc(dispatcher->forever, schema->rpc_count * sizeof *service->signatures);
    TAILQ_INIT(&service->workers);
    TAILQ_INIT(&service->queue);
    return service;
}

static struct service *service_of(const struct dispatcher *dispatcher, const char *name)
{
    for (size_t i = 0; i < dispatcher->service_count; i++)
        if (dispatcher->services[i].name == name || strcmp(dispatcher->services[i].name, name) == 0)
            return &dispatcher->services[i];
    return NULL;
}

static void add_services(struct dispatcher *dispatcher)
{
    const struct schema *schema = dispatcher->options.schema;
    dispatcher->services = arena_alloc(dispatcher->forever, schema->rpc_count * sizeof *dispatcher->services);
    for (size_t i = 0; i < schema->rpc_count; i++) {
        const struct rpc *rpc = &schema->rpcs[i];
        struct service *service = service_of(dispatcher, rpc->service);
        if (!service)
            service = add_service(dispatcher, rpc->service);
        service->signatures[service->signature_count++] = signature_of(dispatcher->forever, rpc);
    }
}

static bool bind_endpoint(struct dispatcher *dispatcher, void *zmq, const char *name)
{
    struct endpoint *endpoint = &dispatcher->endpoints[dispatcher->endpoint_count++];
    struct bus_socket_options options = {
        .kind = BUS_ROUTER,
        .endpoint = name,
        .keys = dispatcher->options.keys,
        .max_message = dispatcher->options.max_message,
        .on_message = on_message,
        .context = endpoint,
    };
    endpoint->dispatcher = dispatcher;
    endpoint->socket = bus_socket_open(dispatcher->base, zmq, &options);
    return endpoint->socket;
}

/* NULL, or what went wrong, in the arena. */
static const char *bind_endpoints(struct dispatcher *dispatcher, struct arena *arena, void *zmq)
{
    dispatcher->endpoints = arena_zalloc(dispatcher->forever, MOST_ENDPOINTS * sizeof *dispatcher->endpoints);
    for (const char *const *name = dispatcher->options.endpoints; *name; name++) {
        if (dispatcher->endpoint_count == MOST_ENDPOINTS)
            return "too many bus endpoints";
        if (!bind_endpoint(dispatcher, zmq, *name))
            return arena_printf(arena, "bus %s: %s", *name, zmq_strerror(errno));
    }
    return NULL;
}

static void add_timers(struct dispatcher *dispatcher)
{
    uint32_t ping_ms = dispatcher->options.ping_ms;
    struct timeval ping_time = { .tv_usec = (int)ping_ms * 1000 };
    dispatcher->tick = evtimer_new(dispatcher->base, on_tick, dispatcher);
    dispatcher->kick = evtimer_new(dispatcher->base, on_kick, dispatcher);
    dispatcher->ping = event_new(dispatcher->base, -1, EV_PERSIST, on_ping_time, dispatcher);
    if (!dispatcher->tick || !dispatcher->kick || !dispatcher->ping)
        abort();
    evtimer_add(dispatcher->ping, &ping_time);
}

static struct dispatcher *dispatcher_new(struct event_base *base, const struct dispatch_options *options)
{
    struct dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (!dispatcher || sodium_init() < 0)
        abort();
    dispatcher->base = base;
    dispatcher->options = *options;
    dispatcher->forever = arena_new();
    dispatcher->incoming = arena_new();
    dispatcher->outgoing = arena_new();
    TAILQ_INIT(&dispatcher->refused);
    wheel_init(&dispatcher->wheel, clock_monotonic_us());
    do
        randombytes_buf(&dispatcher->boot, sizeof dispatcher->boot);
    while (dispatcher->boot == 0); /* 0 is "none" on the wire */
    dispatcher->ping_bytes =
        envelope_pack_plain(dispatcher->forever, CAMPUS__BUS__ENVELOPE__KIND__PING, dispatcher->boot, 0);
    return dispatcher;
}

struct dispatcher *dispatch_open(struct arena *arena, struct event_base *base, void *zmq,
                                 const struct dispatch_options *options, const char **error)
{
    if (options->ping_ms < SHORTEST_PING_MS || options->ping_ms > LONGEST_PING_MS) {
        *error = "ping_ms is not within 10 to 250";
        return NULL;
    }
    struct dispatcher *dispatcher = dispatcher_new(base, options);
    add_services(dispatcher);
    add_timers(dispatcher);
    *error = bind_endpoints(dispatcher, arena, zmq);
    if (!*error)
        return dispatcher;
    dispatch_close(dispatcher);
    return NULL;
}

void dispatch_close(struct dispatcher *dispatcher)
{
    struct dispatch_ticket *ticket, *next_ticket;
    struct worker *worker, *next_worker;
    if (!dispatcher)
        return;
    HASH_ITER(hh, dispatcher->tickets, ticket, next_ticket)
    {
        ticket_free(ticket);
    }
    HASH_ITER(hh, dispatcher->workers, worker, next_worker)
    {
        worker_free(worker);
    }
    for (size_t i = 0; i < dispatcher->endpoint_count; i++)
        bus_socket_close(dispatcher->endpoints[i].socket, 0);
    event_free(dispatcher->tick);
    event_free(dispatcher->kick);
    event_free(dispatcher->ping);
    arena_free(dispatcher->outgoing);
    arena_free(dispatcher->incoming);
    arena_free(dispatcher->forever);
    free(dispatcher);
}

struct dispatch_ticket *dispatch_send(struct dispatcher *dispatcher, const struct rpc *rpc, const BusRequest *header,
                                      struct slice body, dispatch_on_reply callback, void *context)
{
    struct service *service = service_of(dispatcher, rpc->service);
    assert(service); /* the rpc is of our schema */
    struct dispatch_ticket *ticket = ticket_new(service, header, body);
    size_t most = dispatcher->options.max_message;
    uint32_t most_of_caller = dispatcher->options.caller_limit;
    ticket->on_reply = callback;
    ticket->context = context;
    ticket_queue(ticket, false);
    if (!evtimer_pending(dispatcher->tick, NULL))
        evtimer_add(dispatcher->tick, &tick_time);
    if (ticket->envelope_size > most || ticket->body_size > most) {
        ticket_refuse(ticket, OUTCOME_TOO_LARGE);
        return ticket;
    }
    if (ticket->of_caller && most_of_caller && *ticket->of_caller > most_of_caller) {
        ticket_refuse(ticket, OUTCOME_TOO_MANY);
        return ticket;
    }
    service_serve(service);
    if (ticket->state == TICKET_QUEUED && service->queue_length > dispatcher->options.queue_limit)
        ticket_refuse(ticket, OUTCOME_UNAVAILABLE);
    return ticket;
}

void dispatch_cancel(struct dispatch_ticket *ticket)
{
    ticket_abandon(ticket, OUTCOME_CANCELLED);
}

static bool service_ready(const struct service *service)
{
    const struct worker *worker;
    TAILQ_FOREACH(worker, &service->workers, at)
    {
        if (worker->state == WORKER_LIVE)
            return true;
    }
    return false;
}

bool dispatch_ready(const struct dispatcher *dispatcher)
{
    for (size_t i = 0; i < dispatcher->service_count; i++)
        if (!service_ready(&dispatcher->services[i]))
            return false;
    return true;
}

size_t dispatch_pending(const struct dispatcher *dispatcher)
{
    return dispatcher->pending;
}
