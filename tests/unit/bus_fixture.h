/* bus_fixture.h -- a small contract, workers that do what a request's body says, and a gateway that asks them. */
#ifndef CAMPUS_TESTS_BUS_FIXTURE_H
#define CAMPUS_TESTS_BUS_FIXTURE_H

#include "tests/unit/bus_place.h"

#include "common/status.h"
#include "services/gateway/dispatch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

enum { FIXTURE_MESSAGE = 65536 };

/* One method, Echo of the service echo; and the same in an older build, whose reply lacks a field. */
extern const struct schema fixture_schema, fixture_old_schema;

/* A worker in a thread. What a request's body begins with says what it does:
 *   d  dies at once            h  answers only when it is cancelled
 *   l  answers after 100 ms    k  answers its idempotency key and left_ms
 *   b  answers too much        f  answers, unless its name is "first": that one holds it
 *   anything else: answers the body itself
 * The reply's code is the worker's name. */
struct fixture_worker {
    void *zmq;
    const char *name, *endpoint;
    const char *also; /* another endpoint that it dials, or NULL */
    const struct schema *schema; /* NULL: the gateway's */
    const struct curve_keys *keys;
    uint32_t credits;
    int command; /* eventfd: one of the commands */
    atomic_bool cut_off; /* reports that its database is not reachable */
    atomic_bool starting; /* not to be offered yet */
    atomic_size_t most_pending, served, cancelled, reports, asked; /* asked: whether it has started */
    /* private to its thread */
    pthread_t thread;
    struct event_base *base;
    struct bus *bus;
    LIST_HEAD(, held) held; /* requests that are answered late */
};

enum { COMMAND_CLOSE = 1, COMMAND_FREEZE = 100, COMMAND_THAW = 10000, COMMAND_DRAIN = 1000000 };

void fixture_worker_start(struct fixture_worker *worker);
void fixture_worker_command(struct fixture_worker *worker, uint64_t command);
void fixture_worker_stop(struct fixture_worker *worker);
/* The same as a process: returns only when the worker is told to close. */
void fixture_worker_run(struct fixture_worker *worker);

/* A gateway: a loop and a dispatcher, in the test's thread. */
struct fixture_gateway {
    struct bus_loop loop;
    struct dispatcher *dispatcher;
};

/* Changes to the usual options; 0 is the usual. */
struct fixture_gateway_options {
    const char *endpoint;
    uint32_t queue_limit, queue_ms, caller_limit;
    const struct curve_keys *keys;
    struct allowed *allowed;
};

struct fixture_gateway fixture_gateway_open(void *zmq, struct fixture_gateway_options with);
void fixture_gateway_close(struct fixture_gateway *gateway);
/* Which of the workers stand ready can be seen only by sending: until `count` have joined. */
void fixture_await_workers(struct fixture_gateway *gateway, long count);

/* One request and what came of it. */
struct fixture_request {
    struct dispatch_ticket *ticket;
    int answers;
    enum status status;
    uint32_t retry_after_ms;
    char code[32], body[64];
    bool sending; /* within dispatch_send() */
};

void fixture_send(struct fixture_gateway *gateway, struct fixture_request *request, const char *body);
/* Likewise, for somebody. */
void fixture_send_for(struct fixture_gateway *gateway, struct fixture_request *request, const char *body, char *caller);
void fixture_send_bytes(struct fixture_gateway *gateway, struct fixture_request *request, struct slice body,
                        uint32_t left_ms);

/* The value of a metric's line: one of these. */
long fixture_metric(struct fixture_gateway *gateway, const char *line);

#define WORKERS "\ncampus_bus_workers{service=\"echo\"} "
#define IN_FLIGHT "\ncampus_bus_in_flight{service=\"echo\"} "
#define QUEUE_LENGTH "\ncampus_bus_queue_length{service=\"echo\"} "
#define DEATHS "\ncampus_bus_worker_deaths_total{service=\"echo\"} "
#define DROPPED "\ncampus_bus_replies_dropped_total "

#endif
