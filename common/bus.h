/* bus.h -- a worker's side of the bus: dials every gateway, says READY, takes requests against credit, sends replies.
 *
 * Lives in its service's event loop and thread; knows no method. */
#ifndef CAMPUS_BUS_H
#define CAMPUS_BUS_H

#include "common/arena.h"
#include "common/schema.h"
#include "common/slice.h"

struct bus;
struct curve_keys;
struct event_base;
typedef struct Campus__Bus__Request BusRequest; /* build/bus.pb-c.h */
typedef struct Campus__Bus__Reply BusReply;
typedef struct Campus__Bus__WorkerReport WorkerReport;

/* From which gateway a request came, and as which: what a reply needs to find its way. A value to be kept. */
struct bus_origin {
    uint32_t gateway; /* its place among those that are dialled */
    uint64_t boot, id;
};

struct bus_handler {
    /* A request has come. header and body are borrowed for the call. The handler answers each exactly once with
     * bus_reply(), now or later. */
    void (*on_request)(struct bus_origin origin, const BusRequest *header, struct slice body, void *context);
    /* The caller has gone away: an answer is still due, but nobody needs it. */
    void (*on_cancel)(struct bus_origin origin, void *context);
    /* Whether the start is over, so that this worker can serve: no gateway is offered it before. Asked every few
     * milliseconds until it says yes, once. Or no function: at once. */
    bool (*started)(void *context);
    /* What this worker tells of itself, in the arena: asked once a second for each gateway that pings. Or no function. */
    WorkerReport *(*report)(struct arena *arena, void *context);
    void *context;
};

struct bus_options {
    const char *service;
    /* NULL-terminated: inproc, ipc or tcp, one gateway each; behind a name of tcp, one at each of its addresses. What
     * stands for any address is where others dial, and passed over. */
    const char *const *endpoints;
    const struct curve_keys *keys; /* for tcp, or NULL */
    uint32_t resolve_ms; /* between two look-ups of a name */
    uint32_t credits; /* requests that one gateway may have here at once */
    size_t max_message;
    const struct schema *schema; /* for the signatures of READY */
};

/* What the options point to outlives the bus. NULL with *error, which lies in the arena. */
struct bus *bus_open(struct arena *arena, struct event_base *base, void *zmq, const struct bus_options *options,
                     const struct bus_handler *handler, const char **error);
void bus_reply(struct bus *bus, struct bus_origin origin, const BusReply *reply, struct slice body);
/* Says DRAIN to every gateway: no new requests come, but for those already on the way. */
void bus_drain(struct bus *bus);
/* Requests not yet answered. */
size_t bus_pending(const struct bus *bus);
/* Whether any gateway has answered our READY and is there. */
bool bus_heard(const struct bus *bus);
/* Says BYE, closes. NULL is fine. */
void bus_close(struct bus *bus);

#endif
