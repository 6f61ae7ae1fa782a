/* dispatch_state.h -- what the files of the dispatcher share: tickets, workers, services. Included by dispatch_*.c only.
 *
 * A ticket's state says which list holds it: QUEUED its service's queue, SENT its worker's tickets, REFUSED the
 * dispatcher's refused. */
#ifndef CAMPUS_GATEWAY_DISPATCH_STATE_H
#define CAMPUS_GATEWAY_DISPATCH_STATE_H

#include "common/envelope.h"
#include "common/signature.h"
#include "common/wheel.h"
#include "services/gateway/dispatch.h"

#include <stdlib.h>
#include <sys/queue.h>

#define uthash_fatal(message) abort()
#include <uthash.h>

enum {
    MOST_ENDPOINTS = 16,
    MOST_WORKERS = 256, /* of one service */
    MOST_WORKER_CREDITS = 4096,
    MOST_LOSSES = 2, /* workers that one request may take with it */
    MOST_MISSED_PINGS = 3,
    PROBE_MS = 25, /* after this much quiet, a worker that holds requests is asked whether it lives */
    RETRY_AFTER_MS = 1000,
    LONGEST_NAME = 64, /* of a service or an instance that a worker names */
    LONGEST_REPORT = 4096, /* bytes that a worker may tell of itself */
    CALLER_PLACES = 4096, /* where callers' requests are counted; those that meet in one share its limit */
    REMEMBERED_REFUSALS = 64, /* instances that were refused, so that each is logged once */
};

/* How a request ended; also the label of its counter. */
enum outcome {
    OUTCOME_ANSWERED,
    OUTCOME_UNAVAILABLE,
    OUTCOME_DEADLINE,
    OUTCOME_TOO_LARGE,
    OUTCOME_TOO_MANY,
    OUTCOME_CANCELLED,
    OUTCOMES
};

enum ticket_state { TICKET_QUEUED, TICKET_SENT, TICKET_REFUSED };

TAILQ_HEAD(ticket_list, dispatch_ticket);
TAILQ_HEAD(worker_list, worker);

struct dispatch_ticket {
    uint64_t id;
    UT_hash_handle hh; /* in dispatcher->tickets */
    TAILQ_ENTRY(dispatch_ticket) at;
    struct wheel_entry due;
    enum ticket_state state;
    enum outcome outcome; /* of REFUSED */
    bool abandoned; /* nobody waits any more, but the worker still holds a credit for it until it answers */
    bool sent; /* to a worker already, which may yet come to it */
    uint32_t losses;
    uint64_t lost_instance; /* the worker lost last (its fingerprint), or 0: rather not to that one again */
    struct service *service;
    struct worker *worker; /* of SENT */
    uint32_t *of_caller; /* where its caller's are counted; NULL: nobody's */
    int64_t deadline_us, queued_until_us;
    dispatch_on_reply on_reply;
    void *context;
    size_t envelope_size, body_size;
    uint8_t bytes[]; /* the envelope, ready to be sent (again), and the body */
};

struct service {
    struct dispatcher *dispatcher;
    const char *name;
    struct signature *signatures; /* of its methods */
    size_t signature_count;
    struct worker_list workers;
    size_t worker_count;
    struct ticket_list queue;
    size_t queue_length, in_flight;
    uint64_t ended[OUTCOMES], redispatched, deaths;
};

struct endpoint {
    struct dispatcher *dispatcher;
    struct bus_socket *socket;
};

struct dispatcher {
    struct event_base *base;
    struct dispatch_options options;
    struct arena *forever, *incoming, *outgoing;
    struct endpoint *endpoints;
    size_t endpoint_count;
    struct service *services;
    size_t service_count;
    struct worker *workers;
    struct dispatch_ticket *tickets;
    size_t pending;
    uint32_t of_callers[CALLER_PLACES]; /* tickets, by a hash of their caller */
    struct ticket_list refused;
    struct wheel wheel;
    struct event *tick, *ping, *kick;
    struct slice ping_bytes;
    uint64_t boot, last_id, replies_dropped;
    uint64_t refused_instances[REMEMBERED_REFUSALS];
    size_t next_refused;
};

/* Does soon, from the loop, what the present caller must not see happen: answers refusals, serves queues. */
void dispatch_kick(struct dispatcher *dispatcher);

#endif
