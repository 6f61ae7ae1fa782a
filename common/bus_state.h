/* bus_state.h -- what the files of a worker's bus share: its gateways, and the requests that are not answered yet. */
#ifndef CAMPUS_BUS_STATE_H
#define CAMPUS_BUS_STATE_H

#include "common/bus.h"
#include "common/bus_socket.h"
#include "common/outbox.h"
#include "common/resolver.h"

#define uthash_fatal(message) abort()
#include <stdlib.h>
#include <uthash.h>

enum { MOST_GATEWAYS = RESOLVER_MOST, LONGEST_ENDPOINT = 256 };

struct gateway {
    struct bus *bus;
    uint32_t index; /* in bus->gateways */
    bool open; /* else a place to be taken, once nothing is pending there */
    bool listed; /* still among the endpoints; else it goes when it falls silent */
    const struct dial *dial; /* the setting's endpoint that it comes from */
    char endpoint[LONGEST_ENDPOINT];
    struct bus_socket *socket; /* NULL where it could not be opened: tried again at the next tick */
    struct event *tick;
    struct outbox unsent; /* replies: at most one for each request taken */
    uint64_t boot; /* of the ping heard last; 0 before */
    size_t pending;
    uint32_t readies; /* sent without an answer */
    uint32_t silence; /* ticks since the last ping */
    uint32_t unreached; /* ticks without a connection */
    int64_t ticked_us;
    bool slept; /* this process was stopped: what lies in the socket is of before, and is left there */
    bool heard; /* a ping has answered our READY, and pings go on; of a gateway's several addresses, at one */
    bool drain_told;
    int64_t reported_us; /* 0: nothing told yet */
};

/* An endpoint of the setting: one gateway, or a name with as many as it has addresses. */
struct dial {
    struct bus *bus;
    const char *endpoint;
    struct resolver *resolver; /* of a name */
};

/* Without padding: compared as bytes. */
struct pending_key {
    uint64_t gateway, boot, id;
};

/* A request that its handler has not answered yet. */
struct pending {
    struct pending_key key;
    UT_hash_handle hh;
};

struct bus {
    struct event_base *base;
    void *zmq;
    struct bus_options options;
    struct bus_handler handler;
    struct arena *forever, *incoming, *outgoing;
    struct slice ready;
    struct pending *pending;
    struct gateway gateways[MOST_GATEWAYS];
    struct dial *dials;
    size_t dial_count;
    bool started, draining;
};

/* Dials, in a place that is not open. False with errno where the endpoint is none. */
bool gateway_open(struct gateway *gateway, const struct dial *dial, const char *endpoint)
    __attribute__((warn_unused_result));
/* Says BYE. Its place is free once nothing is pending there. */
void gateway_close(struct gateway *gateway);

/* bus_dial.c: which gateways there are. */
bool bus_dial_start(struct bus *bus, struct arena *arena, const char **error) __attribute__((warn_unused_result));
/* No new ones any more. */
void bus_dial_stop(struct bus *bus);
void bus_dial_free(struct bus *bus);

#endif
