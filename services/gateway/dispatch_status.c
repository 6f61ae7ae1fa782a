/* dispatch_status.c -- services and workers as an operator sees them. */
#include "services/gateway/dispatch_worker.h"

#include "common/clock.h"

static Campus__Bus__WorkerStatus *worker_status(const struct worker *worker, struct arena *arena)
{
    static const Campus__Bus__WorkerStatus__State states[] = {
        [WORKER_GREETED] = CAMPUS__BUS__WORKER_STATUS__STATE__GREETED,
        [WORKER_LIVE] = CAMPUS__BUS__WORKER_STATUS__STATE__LIVE,
        [WORKER_DRAINING] = CAMPUS__BUS__WORKER_STATUS__STATE__DRAINING,
    };
    Campus__Bus__WorkerStatus *status = arena_alloc(arena, sizeof *status);
    campus__bus__worker_status__init(status);
    status->instance = arena_printf(arena, "%016llx", (unsigned long long)worker->fingerprint);
    status->state = states[worker->state];
    status->credits = worker->credits;
    status->held = worker->held;
    status->missed_pings = worker->unanswered ? worker->unanswered - 1 : 0; /* the last one may still be on its way */
    status->report = worker->report;
    status->has_report_age_ms = worker->report != NULL;
    status->report_age_ms = worker->report ? (uint64_t)(clock_monotonic_us() - worker->reported_us) / 1000 : 0;
    return status;
}

static Campus__Bus__ServiceStatus *service_status(const struct service *service, struct arena *arena)
{
    const struct worker *worker;
    Campus__Bus__ServiceStatus *status = arena_alloc(arena, sizeof *status);
    campus__bus__service_status__init(status);
    status->name = arena_strdup(arena, service->name);
    status->queue_length = service->queue_length;
    status->queue_limit = service->dispatcher->options.queue_limit;
    status->in_flight = service->in_flight;
    status->answered = service->ended[OUTCOME_ANSWERED];
    status->unavailable = service->ended[OUTCOME_UNAVAILABLE];
    status->deadline_exceeded = service->ended[OUTCOME_DEADLINE];
    status->too_large = service->ended[OUTCOME_TOO_LARGE];
    status->cancelled = service->ended[OUTCOME_CANCELLED];
    status->redispatched = service->redispatched;
    status->deaths = service->deaths;
    status->workers = arena_alloc(arena, (service->worker_count + 1) * sizeof *status->workers);
    TAILQ_FOREACH(worker, &service->workers, at)
    {
        status->workers[status->n_workers++] = worker_status(worker, arena);
    }
    return status;
}

/* One that is live had its database when it came, and most tell since whether they still have it. */
static bool is_of_use(const Campus__Bus__WorkerStatus *worker)
{
    return worker->state == CAMPUS__BUS__WORKER_STATUS__STATE__LIVE &&
           (!worker->report || worker->report->database->reachable);
}

static bool service_works(const Campus__Bus__ServiceStatus *service)
{
    for (size_t i = 0; i < service->n_workers; i++)
        if (is_of_use(service->workers[i]))
            return true;
    return false;
}

void dispatch_status(const struct dispatcher *dispatcher, struct arena *arena, Campus__Bus__GatewayStatus *status)
{
    status->ready = true;
    status->services = arena_alloc(arena, (dispatcher->service_count + 1) * sizeof *status->services);
    for (size_t i = 0; i < dispatcher->service_count; i++) {
        Campus__Bus__ServiceStatus *service = service_status(&dispatcher->services[i], arena);
        status->services[status->n_services++] = service;
        status->ready &= service_works(service);
    }
}
