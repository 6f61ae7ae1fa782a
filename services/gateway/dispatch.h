/* dispatch.h -- the gateway's side of the bus: which worker gets which request, and what happens when it dies.
 *
 * Keeps every request until its reply. A worker that is gone (BYE, unroutable, silent for three pings) has its requests
 * sent to another, within their deadlines; a request that loses two workers is answered 503, so that one which kills
 * its worker does not kill them all. Queues are bounded; what does not fit is refused at once. */
#ifndef CAMPUS_GATEWAY_DISPATCH_H
#define CAMPUS_GATEWAY_DISPATCH_H

#include "common/arena.h"
#include "common/schema.h"
#include "common/slice.h"

struct Campus__Bus__GatewayStatus; /* build/status.pb-c.h */

#include <stdio.h>

struct allowed;
struct curve_keys;
struct dispatcher;
struct dispatch_ticket; /* one request on its way */
struct event_base;
typedef struct Campus__Bus__Request BusRequest; /* build/bus.pb-c.h */
typedef struct Campus__Bus__Reply BusReply;

struct dispatch_options {
    const char *const *endpoints; /* NULL-terminated: each is bound by a ROUTER of its own */
    const struct curve_keys *keys; /* for those over tcp, or NULL */
    struct allowed *allowed; /* likewise: which key may serve what. The dispatcher's thread's own; borrowed */
    const struct schema *schema; /* a worker must know every method of its service in it */
    uint32_t queue_limit; /* requests of one service that wait for a worker, at most */
    uint32_t caller_limit; /* requests of one caller at once, those included that their client has left; 0: any */
    uint32_t queue_ms; /* how long one waits at most: then 503 with Retry-After */
    uint32_t ping_ms; /* between two pings, 10 to 250 (what workers count on); three missed ones are a death */
    size_t max_message;
};

/* The answer, or the dispatcher's own refusal (UNAVAILABLE, DEADLINE_EXCEEDED, TOO_LARGE, TOO_MANY_REQUESTS). reply and
 * body are borrowed for the call. Called once a ticket, never from within dispatch_send(). */
typedef void (*dispatch_on_reply)(const BusReply *reply, struct slice body, void *context);

/* NULL with *error, which lies in the arena. */
struct dispatcher *dispatch_open(struct arena *arena, struct event_base *base, void *zmq,
                                 const struct dispatch_options *options, const char **error);
/* Forgets the tickets that are still open, without calling their on_reply. NULL is fine. */
void dispatch_close(struct dispatcher *dispatcher);

/* Sends a request to a worker of the rpc's service, now or when one has credit. header->left_ms is the deadline from now.
 * header and body are copied. */
struct dispatch_ticket *dispatch_send(struct dispatcher *dispatcher, const struct rpc *rpc, const BusRequest *header,
                                      struct slice body, dispatch_on_reply on_reply, void *context);
/* The client has gone: on_reply will not be called; the worker is told. */
void dispatch_cancel(struct dispatch_ticket *ticket);

/* Whether each service of the schema has a worker. */
bool dispatch_ready(const struct dispatcher *dispatcher);
/* Requests not yet answered. */
size_t dispatch_pending(const struct dispatcher *dispatcher);
/* Fills in services and workers, and whether each service has a worker that can work. What it adds lies in the arena or is
 * borrowed until the loop goes on. */
void dispatch_status(const struct dispatcher *dispatcher, struct arena *arena,
                     struct Campus__Bus__GatewayStatus *status);
/* Counters and gauges in the Prometheus text format. */
void dispatch_metrics(const struct dispatcher *dispatcher, FILE *out);

#endif
