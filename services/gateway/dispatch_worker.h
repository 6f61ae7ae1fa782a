/* dispatch_worker.h -- those who work: joining, choice, pings and death. Within the dispatcher. */
#ifndef CAMPUS_GATEWAY_DISPATCH_WORKER_H
#define CAMPUS_GATEWAY_DISPATCH_WORKER_H

#include "common/bus_socket.h"
#include "common/curve.h"
#include "services/gateway/dispatch_state.h"

/* GREETED: READY came and a ping went; requests go once its PONG shows that it heard us. So any READY of a LIVE worker
 * is said anew, and none that merely crossed our ping. */
enum worker_state { WORKER_GREETED, WORKER_LIVE, WORKER_DRAINING };

struct worker_key {
    struct endpoint *endpoint;
    struct peer peer;
};

struct worker {
    struct worker_key key; /* zeroed before it is filled: compared as bytes */
    UT_hash_handle hh; /* in dispatcher->workers */
    TAILQ_ENTRY(worker) at; /* in service->workers, the one chosen least recently first */
    struct service *service;
    enum worker_state state;
    bool full; /* its pipe is; until it is heard again */
    uint32_t credits, held;
    uint32_t unanswered; /* pings since it was heard last */
    int64_t sent_us;
    uint64_t fingerprint; /* of its instance, never 0 */
    char public_key[CURVE_TEXT]; /* that its connection has proved; empty where the transport trusts the host */
    Campus__Bus__WorkerReport *report; /* what it told of itself last, or NULL; ours to free */
    int64_t reported_us;
    struct ticket_list tickets; /* `held` of them, in the order of sending */
};

void worker_on_ready(struct endpoint *endpoint, const struct peer *from, const BusEnvelope *envelope);
void worker_on_pong(struct worker *worker);
/* Keeps what a worker tells of itself, in place of what it told before. */
void worker_on_report(struct worker *worker, const Campus__Bus__WorkerReport *report);
void worker_on_drain(struct worker *worker);
void worker_on_bye(struct worker *worker);
struct worker *worker_find(struct endpoint *endpoint, const struct peer *peer);
/* One with credit, the most of it; NULL where there is none. Not the instance `lost` unless it is the service's only. */
struct worker *worker_choose(struct service *service, uint64_t lost);
/* What is unroutable is dead: then the worker is gone after the call, and false is returned. */
bool worker_send(struct worker *worker, struct slice envelope, struct slice body);
void workers_ping(struct dispatcher *dispatcher);
/* Pings those that hold requests and have not been sent anything for PROBE_MS: a dead one is unroutable. */
void workers_probe(struct dispatcher *dispatcher, int64_t now_us);
void worker_free(struct worker *worker);

#endif
