/* dispatch_metrics.c -- the dispatcher's counters and gauges in the Prometheus text format. */
#include "services/gateway/dispatch_state.h"

#include <inttypes.h>

static const char *const outcome_names[OUTCOMES] = {
    [OUTCOME_ANSWERED] = "answered",   [OUTCOME_UNAVAILABLE] = "unavailable", [OUTCOME_DEADLINE] = "deadline_exceeded",
    [OUTCOME_TOO_LARGE] = "too_large", [OUTCOME_TOO_MANY] = "too_many",       [OUTCOME_CANCELLED] = "cancelled",
};

/* A number that each service has, at its place in struct service. */
struct metric {
    const char *name, *type, *help;
    size_t offset;
};

static const struct metric metrics[] = {
    { "campus_bus_in_flight", "gauge", "Requests that a worker holds.", offsetof(struct service, in_flight) },
    { "campus_bus_queue_length", "gauge", "Requests that wait for a worker.", offsetof(struct service, queue_length) },
    { "campus_bus_workers", "gauge", "Workers that have said READY.", offsetof(struct service, worker_count) },
    { "campus_bus_worker_deaths_total", "counter", "Workers lost without a BYE.", offsetof(struct service, deaths) },
    { "campus_bus_redispatched_total", "counter", "Requests taken back from a worker to be sent again.",
      offsetof(struct service, redispatched) },
};

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "one width for all metrics");

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_metric(const struct dispatcher *dispatcher, const struct metric *metric, FILE *out)
{
    print_head(out, metric->name, metric->type, metric->help);
    for (size_t i = 0; i < dispatcher->service_count; i++) {
        const struct service *service = &dispatcher->services[i];
        uint64_t value;
        memcpy(&value, (const char *)service + metric->offset, sizeof value);
        fprintf(out, "%s{service=\"%s\"} %" PRIu64 "\n", metric->name, service->name, value);
    }
}

void dispatch_metrics(const struct dispatcher *dispatcher, FILE *out)
{
    print_head(out, "campus_bus_requests_total", "counter", "Requests by how they ended.");
    for (size_t i = 0; i < dispatcher->service_count; i++)
        for (int outcome = 0; outcome < OUTCOMES; outcome++)
            fprintf(out, "campus_bus_requests_total{service=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                    dispatcher->services[i].name, outcome_names[outcome], dispatcher->services[i].ended[outcome]);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        print_metric(dispatcher, &metrics[i], out);
    print_head(out, "campus_bus_replies_dropped_total", "counter", "Replies that came too late, or to nobody.");
    fprintf(out, "campus_bus_replies_dropped_total %" PRIu64 "\n", dispatcher->replies_dropped);
}
