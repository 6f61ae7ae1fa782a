/* bus_socket.h -- one ZeroMQ socket in a libevent loop, without lost wake-ups.
 *
 * ZMQ_FD is edge-triggered and any send may eat the edge, so all traffic goes through here: after a send outside the
 * pump, the pump runs once more (STACK: the only pattern that never stalled). A socket belongs to its loop's thread. */
#ifndef CAMPUS_BUS_SOCKET_H
#define CAMPUS_BUS_SOCKET_H

#include "common/arena.h"
#include "common/slice.h"

struct bus_socket;
struct curve_keys;
struct event_base;

enum bus_socket_kind { BUS_ROUTER, BUS_DEALER };

/* The peer of a ROUTER: the routing id as ZeroMQ gave it. */
enum { PEER_SIZE = 16 };
struct peer {
    uint8_t size, id[PEER_SIZE];
};

/* Called in the loop for each message. `from` is NULL on a DEALER. The frames are borrowed for the call. */
typedef void (*bus_on_message)(const struct peer *from, struct slice envelope, struct slice body, void *context);

struct bus_socket_options {
    enum bus_socket_kind kind;
    const char *endpoint; /* a ROUTER binds it, a DEALER connects to it: inproc://..., ipc://..., tcp://... */
    const struct curve_keys
        *keys; /* tcp is always CURVE: without keys it does not open. Used during the opening only */
    size_t max_message; /* bytes; a larger message closes that connection (not on inproc) */
    bus_on_message on_message;
    /* Before each reading: the moment to send again what was BUS_FULL. Returns whether some is still left. Or NULL. */
    bool (*on_flush)(void *context);
    void *context;
};

/* NULL with errno set; EACCES is tcp without keys. `zmq` is the process's ZeroMQ context. */
struct bus_socket *bus_socket_open(struct event_base *base, void *zmq, const struct bus_socket_options *options);
/* Sends what is queued for at most linger_ms, then closes. NULL is fine. Not from within its own on_message. */
void bus_socket_close(struct bus_socket *socket, int linger_ms);

enum bus_sent {
    BUS_SENT,
    BUS_FULL, /* the high-water mark is reached, or (DEALER) nobody is connected: shed, or try later */
    BUS_UNROUTABLE, /* the peer is gone (ROUTER) */
};

/* Copies both frames. `to` is NULL on a DEALER. */
enum bus_sent bus_socket_send(struct bus_socket *socket, const struct peer *to, struct slice envelope,
                              struct slice body) __attribute__((warn_unused_result));

/* The public key, in Z85, of whoever sent the message under delivery, as its connection has proved; NULL where the transport
 * trusts the host (inproc, ipc). Only within on_message, and valid as long. */
const char *bus_socket_sender(const struct bus_socket *socket);

/* Whether a message could be sent now: on a DEALER, whether somebody is connected. */
bool bus_socket_writable(struct bus_socket *socket);

static inline bool peer_equal(const struct peer *a, const struct peer *b)
{
    return a->size == b->size && memcmp(a->id, b->id, a->size) == 0;
}

#endif
