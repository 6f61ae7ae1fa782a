/* bus_socket.c -- the pump: flush, then receive until there is nothing, and again after every send from outside. */
#include "common/bus_socket.h"

#include "common/clock.h"
#include "common/curve.h"
#include "common/log.h"
#include "common/zap.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    PUMP_BUDGET = 256, /* messages before the loop's other events have their turn */
    HOUSEKEEPING_MS = 100, /* turns a lost wake-up, should there be one, into a delay */
    RETRY_MS = 2, /* for what the high-water mark held back */
    HIGH_WATER = 10000, /* a backstop: credit is the limit that is felt */
    LONGEST_ENDPOINT = 256,
    MOST_FRAMES = 3, /* routing id, envelope, body */
    QUIET_S = 60, /* between two log lines about handshakes that fail: who is refused dials again and again */
};

/* The header hides it, since it is new, but the library has it: where nobody answers for the domain, nobody gets in. */
#define ZAP_ENFORCE_DOMAIN 93

struct bus_socket {
    struct bus_socket_options options;
    void *zmq;
    void *monitor; /* of a tcp socket: tells of handshakes that failed */
    struct event *readable, *kick, *housekeeping;
    zmq_msg_t *delivering; /* its envelope; a ROUTER's */
    int64_t quiet_until_us;
    bool pumping, kicked;
};

/* For both kinds. Heartbeats stay off: with them a receiver at its high-water mark aborts when its peer is killed
 * (libzmq 4.3.4, issues 4364 and 3937). The gateway pings instead. */
static const struct {
    int option, value;
} common_options[] = {
    { ZMQ_LINGER, 0 },
    { ZMQ_SNDHWM, HIGH_WATER },
    { ZMQ_RCVHWM, HIGH_WATER },
    { ZMQ_HEARTBEAT_IVL, 0 },
    { ZMQ_HANDSHAKE_IVL, 5000 },
    { ZMQ_RECONNECT_IVL, 20 },
    { ZMQ_RECONNECT_IVL_MAX, 200 },
    { ZMQ_BACKLOG, 1024 },
    { ZMQ_IPV6, 1 },
    { ZMQ_TCP_KEEPALIVE, 1 },
    { ZMQ_TCP_KEEPALIVE_IDLE, 10 },
    { ZMQ_TCP_KEEPALIVE_INTVL, 5 },
    { ZMQ_TCP_KEEPALIVE_CNT, 3 },
    { ZMQ_TCP_MAXRT, 10000 },
};

/* At the end of this loop turn, behind all that it has brought. */
static void kick(struct bus_socket *socket)
{
    if (!socket->kicked)
        event_active(socket->kick, EV_TIMEOUT, 0);
    socket->kicked = true;
}

/* A timer, where the pump itself asks: event_active() would have it run again and again before any other event. */
static void pump_after(struct bus_socket *socket, int ms)
{
    struct timeval delay = { .tv_usec = ms * 1000 };
    evtimer_add(socket->kick, &delay);
}

/* 0, or -1 with errno. */
static int receive_frame(void *zmq, zmq_msg_t *frame)
{
    int received;
    zmq_msg_init(frame);
    do
        received = zmq_msg_recv(frame, zmq, ZMQ_DONTWAIT);
    while (received < 0 && errno == EINTR);
    return received < 0 ? -1 : 0;
}

static struct slice frame_slice(zmq_msg_t *frame)
{
    return slice_of(zmq_msg_data(frame), zmq_msg_size(frame));
}

/* What has another number of frames, or a routing id that is not of our making, is nobody's message. */
static void deliver(struct bus_socket *socket, zmq_msg_t frames[MOST_FRAMES], size_t count)
{
    const struct bus_socket_options *options = &socket->options;
    struct peer peer = { 0 };
    if (options->kind == BUS_DEALER) {
        if (count == 2)
            options->on_message(NULL, frame_slice(&frames[0]), frame_slice(&frames[1]), options->context);
        return;
    }
    struct slice id = frame_slice(&frames[0]);
    if (count != 3 || id.size > PEER_SIZE)
        return;
    peer.size = (uint8_t)id.size;
    memcpy(peer.id, id.data, id.size);
    socket->delivering = &frames[1]; /* the connection's properties are not on the id's frame */
    options->on_message(&peer, frame_slice(&frames[1]), frame_slice(&frames[2]), options->context);
    socket->delivering = NULL;
}

/* Takes one message with all its frames; false where there is none. After the first frame the others are there. */
static bool receive(struct bus_socket *socket)
{
    zmq_msg_t frames[MOST_FRAMES], excess;
    size_t count = 0;
    bool more = true;
    while (more) {
        zmq_msg_t *frame = count < MOST_FRAMES ? &frames[count] : &excess;
        if (receive_frame(socket->zmq, frame) < 0)
            break;
        more = zmq_msg_more(frame);
        if (frame == &excess)
            zmq_msg_close(frame);
        count++;
    }
    if (count > 0 && !more)
        deliver(socket, frames, count);
    for (size_t i = 0; i < count && i < MOST_FRAMES; i++)
        zmq_msg_close(&frames[i]);
    return count > 0;
}

/* The last operation on the socket must be a receive that found nothing: only then does ZMQ_FD wake us again. */
static void pump(evutil_socket_t fd, short what, void *context)
{
    struct bus_socket *socket = context;
    bool unsent = false;
    int received = 0;
    (void)fd, (void)what;
    socket->kicked = false;
    socket->pumping = true;
    if (socket->options.on_flush)
        unsent = socket->options.on_flush(socket->options.context);
    while (received < PUMP_BUDGET && receive(socket))
        received++;
    socket->pumping = false;
    if (received == PUMP_BUDGET)
        pump_after(socket, 0);
    else if (unsent)
        pump_after(socket, RETRY_MS);
}

static int set_text(void *zmq, int option, const char *text)
{
    return zmq_setsockopt(zmq, option, text, strlen(text) + 1);
}

/* Who binds is the server, so that a peer who is refused is refused by one who answers. */
static int set_curve(struct bus_socket *socket)
{
    const struct curve_keys *keys = socket->options.keys;
    void *zmq = socket->zmq;
    int one = 1;
    if (!keys || (socket->options.kind == BUS_DEALER && !*keys->gateway)) {
        errno = EACCES;
        return -1;
    }
    if (socket->options.kind == BUS_ROUTER)
        return zmq_setsockopt(zmq, ZMQ_CURVE_SERVER, &one, sizeof one) |
               set_text(zmq, ZMQ_CURVE_SECRETKEY, keys->secret) |
               zmq_setsockopt(zmq, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) |
               zmq_setsockopt(zmq, ZAP_ENFORCE_DOMAIN, &one, sizeof one);
    return set_text(zmq, ZMQ_CURVE_SERVERKEY, keys->gateway) | set_text(zmq, ZMQ_CURVE_PUBLICKEY, keys->own) |
           set_text(zmq, ZMQ_CURVE_SECRETKEY, keys->secret);
}

static int set_options(struct bus_socket *socket)
{
    bool router = socket->options.kind == BUS_ROUTER;
    int64_t max_message = (int64_t)socket->options.max_message;
    int one = 1, failed = 0;
    if (curve_needed(socket->options.endpoint) && set_curve(socket) != 0)
        return -1;
    for (size_t i = 0; i < sizeof common_options / sizeof *common_options; i++)
        failed |= zmq_setsockopt(socket->zmq, common_options[i].option, &common_options[i].value, sizeof(int));
    failed |= zmq_setsockopt(socket->zmq, ZMQ_MAXMSGSIZE, &max_message, sizeof max_message);
    if (router) {
        failed |= zmq_setsockopt(socket->zmq, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
        failed |= zmq_setsockopt(socket->zmq, ZMQ_ROUTER_HANDOVER, &one, sizeof one);
        return failed;
    }
    /* A fresh routing id each time, so that what is left of an earlier connection cannot be taken for this one. The
     * first byte is not 0: such ids are ZeroMQ's own. */
    uint8_t id[PEER_SIZE];
    randombytes_buf(id, sizeof id);
    id[0] |= 0x80;
    failed |= zmq_setsockopt(socket->zmq, ZMQ_ROUTING_ID, id, sizeof id);
    failed |= zmq_setsockopt(socket->zmq, ZMQ_IMMEDIATE, &one, sizeof one);
    return failed;
}

/* Looked at now and then, so it needs no place in the loop. */
static int open_monitor(struct bus_socket *socket, void *zmq)
{
    enum { FAILURES = ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH };
    char endpoint[64];
    if (!curve_needed(socket->options.endpoint))
        return 0;
    /* Of its own: an earlier monitor's name is freed later, in another thread. */
    snprintf(endpoint, sizeof endpoint, "inproc://monitor-%08x%08x", randombytes_random(), randombytes_random());
    socket->monitor = zmq_socket(zmq, ZMQ_PAIR);
    return socket->monitor && zmq_setsockopt(socket->monitor, ZMQ_LINGER, &(int){ 0 }, sizeof(int)) == 0 &&
                   zmq_socket_monitor(socket->zmq, endpoint, FAILURES) == 0 &&
                   zmq_connect(socket->monitor, endpoint) == 0
               ? 0
               : -1;
}

static void read_monitor(struct bus_socket *socket)
{
    struct {
        uint16_t event;
        uint32_t value;
    } __attribute__((packed)) happened;
    char address[LONGEST_ENDPOINT];
    bool auth = false;
    size_t count = 0;
    while (zmq_recv(socket->monitor, &happened, sizeof happened, ZMQ_DONTWAIT) == sizeof happened) {
        zmq_recv(socket->monitor, address, sizeof address, ZMQ_DONTWAIT);
        auth = happened.event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
        count++;
    }
    int64_t now_us = clock_monotonic_us();
    if (count == 0 || now_us < socket->quiet_until_us)
        return;
    socket->quiet_until_us = now_us + (int64_t)QUIET_S * 1000000;
    log_error("bus: handshake failed", "endpoint=%s reason=%s", socket->options.endpoint,
              auth ? "key_not_allowed" : "wrong_key_or_no_curve");
}

static void on_housekeeping(evutil_socket_t fd, short what, void *context)
{
    struct bus_socket *socket = context;
    if (socket->monitor)
        read_monitor(socket);
    pump(fd, what, socket);
}

static int attach(struct bus_socket *socket, struct event_base *base)
{
    static const struct timeval housekeeping = { .tv_usec = HOUSEKEEPING_MS * 1000 };
    int fd;
    size_t size = sizeof fd;
    if (zmq_getsockopt(socket->zmq, ZMQ_FD, &fd, &size) < 0)
        return -1;
    socket->readable = event_new(base, fd, EV_READ | EV_PERSIST, pump, socket);
    socket->kick = evtimer_new(base, pump, socket);
    socket->housekeeping = event_new(base, -1, EV_PERSIST, on_housekeeping, socket);
    if (!socket->readable || !socket->kick || !socket->housekeeping)
        abort();
    event_add(socket->readable, NULL);
    event_add(socket->housekeeping, &housekeeping);
    kick(socket);
    return 0;
}

struct bus_socket *bus_socket_open(struct event_base *base, void *zmq, const struct bus_socket_options *options)
{
    bool router = options->kind == BUS_ROUTER;
    struct bus_socket *socket = calloc(1, sizeof *socket);
    if (!socket)
        abort();
    socket->options = *options;
    socket->zmq = zmq_socket(zmq, router ? ZMQ_ROUTER : ZMQ_DEALER);
    if (socket->zmq && set_options(socket) == 0 && open_monitor(socket, zmq) == 0 &&
        (router ? zmq_bind : zmq_connect)(socket->zmq, options->endpoint) == 0 && attach(socket, base) == 0)
        return socket;
    int error = errno;
    bus_socket_close(socket, 0);
    errno = error;
    return NULL;
}

/* zmq_close() frees the endpoint later, in another thread; this way whoever opens it next need not wait (inproc). */
static void unbind(struct bus_socket *socket)
{
    char endpoint[LONGEST_ENDPOINT];
    size_t size = sizeof endpoint;
    if (zmq_getsockopt(socket->zmq, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0)
        zmq_unbind(socket->zmq, endpoint);
}

void bus_socket_close(struct bus_socket *socket, int linger_ms)
{
    if (!socket)
        return;
    assert(!socket->pumping);
    struct event *events[] = { socket->readable, socket->kick, socket->housekeeping };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (events[i])
            event_free(events[i]);
    if (socket->monitor) {
        zmq_socket_monitor(socket->zmq, NULL, 0);
        zmq_close(socket->monitor);
    }
    if (socket->zmq) {
        /* First: with its endpoint a ROUTER's connections end, and they linger as the socket does by then. */
        zmq_setsockopt(socket->zmq, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        if (socket->options.kind == BUS_ROUTER)
            unbind(socket);
        zmq_close(socket->zmq);
    }
    free(socket);
}

static int send_frame(void *zmq, struct slice frame, int more)
{
    int sent;
    do
        sent = zmq_send(zmq, frame.data, frame.size, ZMQ_DONTWAIT | more);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

enum bus_sent bus_socket_send(struct bus_socket *socket, const struct peer *to, struct slice envelope,
                              struct slice body)
{
    assert((socket->options.kind == BUS_ROUTER) == (to != NULL));
    /* Even a send that fails may have taken the wake-up of what came in. */
    if (!socket->pumping)
        kick(socket);
    int failed = to ? send_frame(socket->zmq, slice_of(to->id, to->size), ZMQ_SNDMORE) : 0;
    if (!failed)
        failed = send_frame(socket->zmq, envelope, ZMQ_SNDMORE);
    if (!failed)
        failed = send_frame(socket->zmq, body, 0);
    if (!failed)
        return BUS_SENT;
    return errno == EAGAIN ? BUS_FULL : BUS_UNROUTABLE;
}

const char *bus_socket_sender(const struct bus_socket *socket)
{
    assert(socket->delivering);
    return curve_needed(socket->options.endpoint) ? zmq_msg_gets(socket->delivering, "User-Id") : NULL;
}

bool bus_socket_writable(struct bus_socket *socket)
{
    int events = 0;
    size_t size = sizeof events;
    if (!socket->pumping)
        kick(socket); /* asking, too, may take the wake-up */
    return zmq_getsockopt(socket->zmq, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLOUT);
}
