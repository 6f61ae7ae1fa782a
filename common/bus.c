/* bus.c -- the worker's half of the conversation: READY until pinged, requests in, replies out. */
#include "common/bus_state.h"
#include "common/clock.h"
#include "common/envelope.h"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>

enum {
    READY_MS = 20, /* between two READYs, until a ping answers one */
    PING_MS = 250, /* what a gateway keeps to, and how often its silence is counted */
    MOST_SILENCE = 3, /* pings missed: that gateway is gone, or takes us for gone */
    LONGEST_SLEEP_US = 10000000, /* between two ticks; far below what an answer under a minted key is kept for */
    MOST_UNREACHED = 250, /* ticks without a connection, five seconds of eager ones: then it is dialled anew */
    EAGER_READIES = 50, /* then once in PING_MS: a gateway that does not answer may have refused us */
    MOST_CREDITS = 4096,
    GENERATIONS = 2, /* of requests at once: a gateway's, and those of the one before its restart */
    BYE_LINGER_MS = 1000,
    REPORT_US = 1000000, /* between two reports to one gateway, at least */
};

static enum bus_sent gateway_send(struct gateway *gateway, struct slice envelope, struct slice body)
{
    return gateway->socket ? bus_socket_send(gateway->socket, NULL, envelope, body) : BUS_UNROUTABLE;
}

static bool gateway_tell(struct gateway *gateway, Campus__Bus__Envelope__Kind kind)
{
    arena_reset(gateway->bus->outgoing);
    struct slice envelope = envelope_pack_plain(gateway->bus->outgoing, kind, gateway->boot, 0);
    return gateway_send(gateway, envelope, slice_of(NULL, 0)) == BUS_SENT;
}

/* That gateway at another of its addresses, where it is heard; or NULL. */
static struct gateway *gateway_twin(const struct gateway *gateway)
{
    struct gateway *twin = gateway->bus->gateways;
    for (; twin < gateway->bus->gateways + MOST_GATEWAYS; twin++)
        if (twin != gateway && twin->open && twin->heard && twin->boot == gateway->boot)
            return twin;
    return NULL;
}

static bool may_offer(struct bus *bus)
{
    if (!bus->started)
        bus->started = !bus->handler.started || bus->handler.started(bus->handler.context);
    return bus->started && !bus->draining;
}

/* Not to a gateway that has us already: it would take this connection in that one's place. */
static void gateway_say_ready(struct gateway *gateway)
{
    if (may_offer(gateway->bus) && !gateway_twin(gateway) &&
        gateway_send(gateway, gateway->bus->ready, slice_of(NULL, 0)) == BUS_SENT)
        gateway->readies++;
}

static bool send_unsent(void *context, struct slice envelope, struct slice body)
{
    return gateway_send(context, envelope, body) == BUS_SENT;
}

static bool on_flush(void *context)
{
    struct gateway *gateway = context;
    return !outbox_flush(&gateway->unsent, send_unsent, gateway);
}

static struct pending_key key_of(struct bus_origin origin)
{
    return (struct pending_key){ .gateway = origin.gateway, .boot = origin.boot, .id = origin.id };
}

static struct pending *pending_find(struct bus *bus, struct bus_origin origin)
{
    struct pending_key key = key_of(origin);
    struct pending *pending;
    HASH_FIND(hh, bus->pending, &key, sizeof key, pending);
    return pending;
}

static void pending_add(struct bus *bus, struct bus_origin origin)
{
    struct pending *pending = malloc(sizeof *pending);
    if (!pending)
        abort();
    pending->key = key_of(origin);
    HASH_ADD(hh, bus->pending, key, sizeof pending->key, pending);
    bus->gateways[origin.gateway].pending++;
}

static void pending_remove(struct bus *bus, struct pending *pending)
{
    bus->gateways[pending->key.gateway].pending--;
    HASH_DEL(bus->pending, pending);
    free(pending);
}

static void refuse(struct gateway *gateway, struct bus_origin origin)
{
    static char code[] = "unavailable";
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    reply.status = CAMPUS__STATUS__UNAVAILABLE;
    reply.code = code;
    reply.has_retry_after_ms = true;
    reply.retry_after_ms = 1000;
    pending_add(gateway->bus, origin);
    bus_reply(gateway->bus, origin, &reply, slice_of(NULL, 0));
}

static struct bus_origin origin_of(const struct gateway *gateway, const BusEnvelope *envelope)
{
    return (struct bus_origin){ .gateway = gateway->index, .boot = envelope->boot, .id = envelope->id };
}

/* A request says how long it may take, not when it was sent. One that has waited in the socket while this process was stopped
 * another worker has had since, and by now its answer may be forgotten, or its caller have lost the right to it. */
static bool gateway_slept(struct gateway *gateway)
{
    gateway->slept = gateway->slept || clock_monotonic_us() - gateway->ticked_us > LONGEST_SLEEP_US;
    return gateway->slept;
}

static void on_request(struct gateway *gateway, const BusEnvelope *envelope, struct slice body)
{
    struct bus *bus = gateway->bus;
    struct bus_origin origin = origin_of(gateway, envelope);
    /* The gateway may send again what we still work on, when it took us for gone: the one answer will do. */
    if (pending_find(bus, origin) || gateway_slept(gateway))
        return;
    if (gateway->pending >= (size_t)GENERATIONS * bus->options.credits) {
        refuse(gateway, origin);
        return;
    }
    pending_add(bus, origin);
    bus->handler.on_request(origin, envelope->request, body, bus->handler.context);
}

static void on_cancel(struct gateway *gateway, const BusEnvelope *envelope, struct slice body)
{
    struct bus *bus = gateway->bus;
    struct bus_origin origin = origin_of(gateway, envelope);
    (void)body;
    if (bus->handler.on_cancel && pending_find(bus, origin))
        bus->handler.on_cancel(origin, bus->handler.context);
}

static void gateway_tick_in(struct gateway *gateway, int ms)
{
    struct timeval delay = { .tv_usec = ms * 1000 };
    evtimer_add(gateway->tick, &delay);
}

static void gateway_pong(struct gateway *gateway)
{
    struct bus *bus = gateway->bus;
    int64_t now_us = clock_monotonic_us();
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    arena_reset(bus->outgoing);
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__PONG;
    envelope.has_boot = true;
    envelope.boot = gateway->boot;
    if (bus->handler.report && (!gateway->reported_us || now_us - gateway->reported_us >= REPORT_US)) {
        envelope.report = bus->handler.report(bus->outgoing, bus->handler.context);
        gateway->reported_us = now_us;
    }
    gateway_send(gateway, envelope_pack(bus->outgoing, &envelope), slice_of(NULL, 0));
}

/* No longer the connection over which that gateway sends. Should it send there again, its ping tells. */
static void gateway_rest(struct gateway *gateway)
{
    gateway->heard = false;
    outbox_clear(&gateway->unsent);
}

static void on_ping(struct gateway *gateway, const BusEnvelope *envelope, struct slice body)
{
    bool restarted = gateway->boot != 0 && gateway->boot != envelope->boot;
    (void)body;
    if (restarted)
        outbox_clear(&gateway->unsent);
    /* A ping while we were heard, but of another start: it cannot know us. */
    if (restarted && gateway->heard)
        gateway_say_ready(gateway);
    gateway->boot = envelope->boot;
    gateway->silence = 0;
    gateway->readies = 0;
    if (!gateway->heard)
        gateway_tick_in(gateway, PING_MS);
    if (!gateway->heard || restarted)
        gateway->reported_us = 0;
    gateway->heard = true;
    /* Two addresses may be one gateway's, as of IPv4 and IPv6. It keeps the connection that has said READY last. */
    struct gateway *twin = gateway_twin(gateway);
    if (twin)
        gateway_rest(twin);
    gateway_pong(gateway);
}

typedef void (*on_kind)(struct gateway *gateway, const BusEnvelope *envelope, struct slice body);

static const on_kind on_kinds[] = {
    [CAMPUS__BUS__ENVELOPE__KIND__REQUEST] = on_request,
    [CAMPUS__BUS__ENVELOPE__KIND__CANCEL] = on_cancel,
    [CAMPUS__BUS__ENVELOPE__KIND__PING] = on_ping,
};

static void on_message(const struct peer *from, struct slice bytes, struct slice body, void *context)
{
    struct gateway *gateway = context;
    (void)from;
    arena_reset(gateway->bus->incoming);
    const BusEnvelope *envelope = envelope_read(gateway->bus->incoming, bytes);
    if (!envelope) {
        log_warning("unreadable message from a gateway", "endpoint=%s bytes=%zu", gateway->endpoint, bytes.size);
        return;
    }
    size_t kind = (size_t)envelope->kind;
    if (kind < sizeof on_kinds / sizeof *on_kinds && on_kinds[kind])
        on_kinds[kind](gateway, envelope, body);
}

static bool gateway_dial(struct gateway *gateway)
{
    struct bus *bus = gateway->bus;
    struct bus_socket_options options = {
        .kind = BUS_DEALER,
        .endpoint = gateway->endpoint,
        .keys = bus->options.keys,
        .max_message = bus->options.max_message,
        .on_message = on_message,
        .on_flush = on_flush,
        .context = gateway,
    };
    gateway->socket = bus_socket_open(bus->base, bus->zmq, &options);
    return gateway->socket;
}

/* What is unsent goes too: whoever asked is helped by another worker, or gone with the gateway.
 *
 * Dials anew rather than only saying READY: inproc does not reconnect by itself, and a new routing id leaves behind
 * whatever the old connection still holds. */
static void gateway_lost(struct gateway *gateway)
{
    log_warning("gateway lost", "endpoint=%s pending=%zu", gateway->endpoint, gateway->pending);
    gateway->heard = gateway->slept = false;
    gateway->readies = 0;
    outbox_clear(&gateway->unsent);
    bus_socket_close(gateway->socket, 0);
    gateway->socket = NULL;
}

/* Silence is counted in ticks, not in time: a process that was stopped itself must not blame the gateway, which has
 * given it up only where that was for long. A gateway that has ended is noticed at once. */
static bool gateway_gone(struct gateway *gateway)
{
    if (gateway_slept(gateway))
        return true;
    return gateway->heard && (++gateway->silence > MOST_SILENCE || !bus_socket_writable(gateway->socket));
}

/* A connection whose key was refused ZeroMQ never tries again; but the list of keys may change. */
static void gateway_drop_unreached(struct gateway *gateway)
{
    bool unreached = !gateway->heard && gateway->socket && !bus_socket_writable(gateway->socket);
    gateway->unreached = unreached ? gateway->unreached + 1 : 0;
    if (gateway->unreached < MOST_UNREACHED)
        return;
    gateway->unreached = 0;
    bus_socket_close(gateway->socket, 0);
    gateway->socket = NULL;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct gateway *gateway = context;
    (void)fd, (void)what;
    if (gateway_gone(gateway))
        gateway_lost(gateway);
    gateway->ticked_us = clock_monotonic_us();
    gateway_drop_unreached(gateway);
    if (!gateway->heard && !gateway->listed) {
        gateway_close(gateway);
        return;
    }
    if (gateway->bus->draining && gateway->heard && !gateway->drain_told)
        gateway->drain_told = gateway_tell(gateway, CAMPUS__BUS__ENVELOPE__KIND__DRAIN);
    if (!gateway->socket && !gateway_dial(gateway))
        log_error("cannot dial a gateway", "endpoint=%s errno=%d", gateway->endpoint, errno);
    if (!gateway->heard)
        gateway_say_ready(gateway);
    bool eager = !gateway->heard && gateway->readies < EAGER_READIES && !gateway_twin(gateway);
    gateway_tick_in(gateway, eager ? READY_MS : PING_MS);
}

bool gateway_open(struct gateway *gateway, const struct dial *dial, const char *endpoint)
{
    struct bus *bus = dial->bus;
    *gateway = (struct gateway){ .bus = bus, .index = (uint32_t)(gateway - bus->gateways), .dial = dial };
    memcpy(gateway->endpoint, endpoint, strlen(endpoint) + 1);
    if (!gateway_dial(gateway))
        return false;
    gateway->open = gateway->listed = true;
    gateway->ticked_us = clock_monotonic_us();
    outbox_init(&gateway->unsent);
    gateway->tick = evtimer_new(bus->base, on_tick, gateway);
    if (!gateway->tick)
        abort();
    gateway_tick_in(gateway, 0);
    return true;
}

struct bus *bus_open(struct arena *arena, struct event_base *base, void *zmq, const struct bus_options *options,
                     const struct bus_handler *handler, const char **error)
{
    assert(options->credits >= 1 && options->credits <= MOST_CREDITS);
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus || sodium_init() < 0)
        abort();
    bus->base = base;
    bus->zmq = zmq;
    bus->options = *options;
    bus->handler = *handler;
    bus->forever = arena_new();
    bus->incoming = arena_new();
    bus->outgoing = arena_new();
    const char *instance =
        arena_printf(bus->forever, "%08x%08x%08x", randombytes_random(), randombytes_random(), randombytes_random());
    bus->ready = envelope_pack_ready(bus->forever, options->schema, options->service, instance, options->credits);
    if (bus_dial_start(bus, arena, error))
        return bus;
    bus_close(bus);
    return NULL;
}

/* What is larger than a message may be would close the connection, again and again, and take the worker with it. */
static struct slice pack_reply(struct bus *bus, struct bus_origin origin, const BusReply *reply, struct slice *body)
{
    static char code[] = "internal";
    BusReply refusal = CAMPUS__BUS__REPLY__INIT;
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__REPLY;
    envelope.has_boot = envelope.has_id = true;
    envelope.boot = origin.boot;
    envelope.id = origin.id;
    envelope.reply = (BusReply *)(uintptr_t)reply; /* protobuf-c knows no const; packing only reads */
    size_t most = bus->options.max_message;
    if (body->size > most || campus__bus__envelope__get_packed_size(&envelope) > most) {
        log_error("reply too large", "id=%llu bytes=%zu", (unsigned long long)origin.id, body->size);
        refusal.status = CAMPUS__STATUS__INTERNAL;
        refusal.code = code;
        envelope.reply = &refusal;
        *body = slice_of(NULL, 0);
    }
    arena_reset(bus->outgoing);
    return envelope_pack(bus->outgoing, &envelope);
}

void bus_reply(struct bus *bus, struct bus_origin origin, const BusReply *reply, struct slice body)
{
    struct pending *pending = pending_find(bus, origin);
    assert(pending); /* each request is answered once */
    struct gateway *gateway = &bus->gateways[origin.gateway];
    pending_remove(bus, pending);
    if (origin.boot != gateway->boot)
        return; /* who asked is gone, and must not be taken for whoever has this id now */
    struct slice envelope = pack_reply(bus, origin, reply, &body);
    bool sent = outbox_empty(&gateway->unsent) && gateway_send(gateway, envelope, body) == BUS_SENT;
    if (!sent && gateway->heard)
        outbox_keep(&gateway->unsent, envelope, body);
}

void bus_drain(struct bus *bus)
{
    bus->draining = true;
    bus_dial_stop(bus);
    for (size_t i = 0; i < MOST_GATEWAYS; i++)
        if (bus->gateways[i].open)
            bus->gateways[i].drain_told = gateway_tell(&bus->gateways[i], CAMPUS__BUS__ENVELOPE__KIND__DRAIN);
}

size_t bus_pending(const struct bus *bus)
{
    return HASH_COUNT(bus->pending);
}

bool bus_heard(const struct bus *bus)
{
    for (uint32_t i = 0; i < MOST_GATEWAYS; i++)
        if (bus->gateways[i].open && bus->gateways[i].heard)
            return true;
    return false;
}

void gateway_close(struct gateway *gateway)
{
    on_flush(gateway);
    gateway_tell(gateway, CAMPUS__BUS__ENVELOPE__KIND__BYE);
    outbox_clear(&gateway->unsent);
    bus_socket_close(gateway->socket, BYE_LINGER_MS);
    event_free(gateway->tick);
    gateway->socket = NULL;
    gateway->open = gateway->heard = false;
}

void bus_close(struct bus *bus)
{
    struct pending *pending, *next;
    if (!bus)
        return;
    bus_dial_free(bus);
    for (size_t i = 0; i < MOST_GATEWAYS; i++)
        if (bus->gateways[i].open)
            gateway_close(&bus->gateways[i]);
    HASH_ITER(hh, bus->pending, pending, next)
    {
        HASH_DEL(bus->pending, pending);
        free(pending);
    }
    arena_free(bus->outgoing);
    arena_free(bus->incoming);
    arena_free(bus->forever);
    free(bus);
}
