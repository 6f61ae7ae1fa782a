/* dispatch_worker.c -- who works: READY, pings, choice, and what becomes of the requests of one that is gone. */
#include "services/gateway/dispatch_worker.h"

#include "common/allowed.h"
#include "common/clock.h"
#include "common/log.h"
#include "services/gateway/dispatch_ticket.h"

struct worker *worker_find(struct endpoint *endpoint, const struct peer *peer)
{
    struct worker_key key;
    struct worker *worker;
    memset(&key, 0, sizeof key);
    key.endpoint = endpoint;
    key.peer.size = peer->size;
    memcpy(key.peer.id, peer->id, peer->size);
    HASH_FIND(hh, endpoint->dispatcher->workers, &key, sizeof key, worker);
    return worker;
}

/* Hands back what it holds, to the head of the queue and in the order in which it was sent. `lost` where the requests
 * may be why it is gone. */
static void worker_hand_back(struct worker *worker, bool lost)
{
    struct dispatch_ticket *ticket;
    while ((ticket = TAILQ_LAST(&worker->tickets, ticket_list))) {
        if (lost) {
            ticket->losses++;
            ticket->lost_instance = worker->fingerprint;
        }
        if (ticket->abandoned)
            ticket_free(ticket);
        else if (ticket->losses >= MOST_LOSSES)
            ticket_refuse(ticket, OUTCOME_UNAVAILABLE);
        else
            ticket_queue(ticket, true);
    }
    dispatch_kick(worker->service->dispatcher);
}

void worker_free(struct worker *worker)
{
    TAILQ_REMOVE(&worker->service->workers, worker, at);
    worker->service->worker_count--;
    HASH_DEL(worker->service->dispatcher->workers, worker);
    if (worker->report)
        campus__bus__worker_report__free_unpacked(worker->report, NULL);
    free(worker);
}

static void worker_lost(struct worker *worker, const char *why)
{
    log_warning("worker lost", "service=%s instance=%016llx why=%s held=%u", worker->service->name,
                (unsigned long long)worker->fingerprint, why, worker->held);
    worker->service->deaths++;
    worker_hand_back(worker, true);
    worker_free(worker);
}

bool worker_send(struct worker *worker, struct slice envelope, struct slice body)
{
    switch (bus_socket_send(worker->key.endpoint->socket, &worker->key.peer, envelope, body)) {
    case BUS_SENT:
        return true;
    case BUS_FULL:
        worker->full = true;
        return false;
    case BUS_UNROUTABLE:
        worker_lost(worker, "unroutable");
        return false;
    }
    return false;
}

static void worker_ping(struct worker *worker)
{
    worker->sent_us = clock_monotonic_us();
    worker_send(worker, worker->service->dispatcher->ping_bytes, slice_of(NULL, 0));
}

/* inproc and ipc trust the host; over tcp a key may serve what the list says, now. */
static bool may_serve(const struct dispatcher *dispatcher, const char *key, const char *service)
{
    return !key || !*key || (dispatcher->options.allowed && allowed_may(dispatcher->options.allowed, key, service));
}

/* A connection outlives the list that let it in. */
static void drop_disallowed(struct dispatcher *dispatcher)
{
    struct worker *worker, *next;
    if (!dispatcher->options.allowed)
        return;
    allowed_refresh(dispatcher->options.allowed);
    HASH_ITER(hh, dispatcher->workers, worker, next)
    {
        if (!may_serve(dispatcher, worker->public_key, worker->service->name))
            worker_lost(worker, "key_not_allowed");
    }
}

/* Pings are counted, not time: when this process was stopped itself, the answers lie in the socket unread. */
void workers_ping(struct dispatcher *dispatcher)
{
    struct worker *worker, *next;
    drop_disallowed(dispatcher);
    HASH_ITER(hh, dispatcher->workers, worker, next)
    {
        if (worker->unanswered >= MOST_MISSED_PINGS) {
            worker_lost(worker, "silent");
            continue;
        }
        worker->unanswered++;
        worker_ping(worker);
    }
}

void workers_probe(struct dispatcher *dispatcher, int64_t now_us)
{
    struct worker *worker, *next;
    HASH_ITER(hh, dispatcher->workers, worker, next)
    {
        if (worker->held > 0 && now_us - worker->sent_us >= PROBE_MS * 1000)
            worker_ping(worker);
    }
}

struct worker *worker_choose(struct service *service, uint64_t lost)
{
    struct worker *worker, *best = NULL;
    bool only = TAILQ_FIRST(&service->workers) == TAILQ_LAST(&service->workers, worker_list);
    TAILQ_FOREACH(worker, &service->workers, at)
    {
        if (worker->state != WORKER_LIVE || worker->full || worker->held >= worker->credits)
            continue;
        if (lost && worker->fingerprint == lost && !only)
            continue;
        if (!best || worker->credits - worker->held > best->credits - best->held)
            best = worker;
    }
    if (best && !only) {
        TAILQ_REMOVE(&service->workers, best, at);
        TAILQ_INSERT_TAIL(&service->workers, best, at);
    }
    return best;
}

/* FNV-1a: told apart are only workers that live at the same time. */
static uint64_t fingerprint_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
    return hash ? hash : 1;
}

static bool remember_refused(struct dispatcher *dispatcher, uint64_t fingerprint)
{
    for (size_t i = 0; i < REMEMBERED_REFUSALS; i++)
        if (dispatcher->refused_instances[i] == fingerprint)
            return false;
    dispatcher->refused_instances[dispatcher->next_refused++ % REMEMBERED_REFUSALS] = fingerprint;
    return true;
}

/* Each instance is logged once: it will say READY again and again. */
static void worker_refuse(struct dispatcher *dispatcher, const Campus__Bus__Ready *ready, const char *why,
                          const char *what)
{
    if (remember_refused(dispatcher, fingerprint_of(ready->instance)))
        log_error("worker refused", "service=%.64s instance=%016llx why=%s what=%.200s", ready->service,
                  (unsigned long long)fingerprint_of(ready->instance), why, what);
}

static const Campus__Bus__Signature *find_method(const Campus__Bus__Ready *ready, const char *method)
{
    for (size_t i = 0; i < ready->n_methods; i++)
        if (strcmp(ready->methods[i]->method, method) == 0)
            return ready->methods[i];
    return NULL;
}

/* Whether the worker knows all that we know of the service; else *what names a method or a field that it lacks. */
static bool service_fits(const struct service *service, const Campus__Bus__Ready *ready, const char **what)
{
    for (size_t i = 0; i < service->signature_count; i++) {
        const struct signature *ours = &service->signatures[i];
        const Campus__Bus__Signature *theirs = find_method(ready, ours->method);
        *what = ours->method;
        if (!theirs || !signature_fits(ours, (const char *const *)(uintptr_t)theirs->fields, theirs->n_fields, what))
            return false;
    }
    return true;
}

static struct service *find_service(struct dispatcher *dispatcher, const char *name)
{
    for (size_t i = 0; i < dispatcher->service_count; i++)
        if (strcmp(dispatcher->services[i].name, name) == 0)
            return &dispatcher->services[i];
    return NULL;
}

/* As logs name who offers: the list's name of its key, or the key. */
static const char *name_of(const struct dispatcher *dispatcher, const char *key)
{
    const char *name = dispatcher->options.allowed ? allowed_name(dispatcher->options.allowed, key) : NULL;
    return name ? name : key;
}

/* The service that this worker may join, or NULL: then it is refused. `key` is NULL where the transport trusts the host. */
static struct service *admit(struct dispatcher *dispatcher, const Campus__Bus__Ready *ready, const char *key)
{
    struct service *service = find_service(dispatcher, ready->service);
    const char *what = "", *why = NULL;
    if (key && dispatcher->options.allowed)
        allowed_refresh(dispatcher->options.allowed); /* who let the connection in has just read it */
    if (strlen(ready->service) > LONGEST_NAME || strlen(ready->instance) > LONGEST_NAME)
        why = "long_name";
    else if (!service)
        why = "unknown_service";
    else if (service->worker_count >= MOST_WORKERS)
        why = "too_many_workers";
    else if (!may_serve(dispatcher, key, service->name))
        why = "key_not_allowed", what = name_of(dispatcher, key);
    else if (!service_fits(service, ready, &what))
        why = "lacks";
    if (why)
        worker_refuse(dispatcher, ready, why, what);
    return why ? NULL : service;
}

static struct worker *worker_new(struct service *service, struct endpoint *endpoint, const struct peer *from)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        abort();
    worker->key.endpoint = endpoint;
    worker->key.peer.size = from->size;
    memcpy(worker->key.peer.id, from->id, from->size);
    worker->service = service;
    TAILQ_INIT(&worker->tickets);
    TAILQ_INSERT_HEAD(&service->workers, worker, at);
    service->worker_count++;
    HASH_ADD(hh, service->dispatcher->workers, key, sizeof worker->key, worker);
    return worker;
}

/* The same instance under another routing id: it has dialled anew, and what it held then never reaches us; or it has found
 * us at another of our addresses. */
static void forget_earlier(struct service *service, uint64_t fingerprint)
{
    struct worker *worker;
    TAILQ_FOREACH(worker, &service->workers, at)
    {
        if (worker->fingerprint == fingerprint) {
            worker_hand_back(worker, false);
            worker_free(worker);
            return;
        }
    }
}

static uint32_t clamp_credits(uint32_t credits)
{
    if (credits < 1)
        return 1;
    return credits < MOST_WORKER_CREDITS ? credits : MOST_WORKER_CREDITS;
}

void worker_on_ready(struct endpoint *endpoint, const struct peer *from, const BusEnvelope *envelope)
{
    const Campus__Bus__Ready *ready = envelope->ready;
    struct worker *worker = worker_find(endpoint, from);
    if (worker && worker->state == WORKER_GREETED) {
        worker_ping(worker); /* said before our ping arrived */
        return;
    }
    if (worker) { /* said anew: it took us for gone, and starts from nothing */
        worker_hand_back(worker, false);
        worker_free(worker);
    }
    const char *key = bus_socket_sender(endpoint->socket);
    struct service *service = admit(endpoint->dispatcher, ready, key);
    if (!service)
        return;
    forget_earlier(service, fingerprint_of(ready->instance));
    worker = worker_new(service, endpoint, from);
    worker->credits = clamp_credits(ready->credits);
    worker->fingerprint = fingerprint_of(ready->instance);
    if (key)
        memcpy(worker->public_key, key, strnlen(key, CURVE_TEXT - 1));
    worker_ping(worker);
}

void worker_on_pong(struct worker *worker)
{
    if (worker->state != WORKER_GREETED)
        return;
    worker->state = WORKER_LIVE;
    log_info("worker ready", "service=%s instance=%016llx credits=%u", worker->service->name,
             (unsigned long long)worker->fingerprint, worker->credits);
    service_serve(worker->service);
}

/* There and back through bytes: a copy without pointers into the envelope. */
void worker_on_report(struct worker *worker, const Campus__Bus__WorkerReport *report)
{
    uint8_t bytes[LONGEST_REPORT];
    size_t size = campus__bus__worker_report__get_packed_size(report);
    if (size > sizeof bytes)
        return;
    campus__bus__worker_report__pack(report, bytes);
    if (worker->report)
        campus__bus__worker_report__free_unpacked(worker->report, NULL);
    worker->report = campus__bus__worker_report__unpack(NULL, size, bytes);
    worker->reported_us = clock_monotonic_us();
}

void worker_on_drain(struct worker *worker)
{
    worker->state = WORKER_DRAINING;
    log_info("worker draining", "service=%s instance=%016llx held=%u", worker->service->name,
             (unsigned long long)worker->fingerprint, worker->held);
}

/* Said in good order, so no request is to blame. */
void worker_on_bye(struct worker *worker)
{
    log_info("worker left", "service=%s instance=%016llx held=%u", worker->service->name,
             (unsigned long long)worker->fingerprint, worker->held);
    worker_hand_back(worker, false);
    worker_free(worker);
}
