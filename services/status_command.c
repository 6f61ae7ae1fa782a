/* status_command.c -- a GatewayStatus as a page of text. */
#include "services/status_command.h"

#include "common/json.h"
#include "services/control_client.h"

#include <inttypes.h>

enum { EXIT_UNREADY = 1, EXIT_USAGE = 2, ANSWER_MS = 2000, SPAN_SIZE = 48 };

typedef Campus__Bus__GatewayStatus GatewayStatus;
typedef Campus__Bus__ServiceStatus ServiceStatus;
typedef Campus__Bus__WorkerStatus WorkerStatus;
typedef Campus__Bus__WorkerReport WorkerReport;

struct span {
    char text[SPAN_SIZE];
};

/* "45 s", "12 min", "3 h 12 min", "5 d 3 h". */
static struct span span_of(uint64_t seconds)
{
    struct span span;
    uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (days)
        snprintf(span.text, sizeof span.text, "%" PRIu64 " d %" PRIu64 " h", days, hours % 24);
    else if (hours)
        snprintf(span.text, sizeof span.text, "%" PRIu64 " h %" PRIu64 " min", hours, minutes % 60);
    else if (minutes)
        snprintf(span.text, sizeof span.text, "%" PRIu64 " min", minutes);
    else
        snprintf(span.text, sizeof span.text, "%" PRIu64 " s", seconds);
    return span;
}

/* ---- workers ---- */

static void print_database(const WorkerReport *report)
{
    const Campus__Bus__DatabaseReport *database = report->database;
    printf("    database   %s for %s", database->reachable ? "reachable" : "NOT REACHABLE",
           span_of(database->since_s).text);
    if (database->version)
        printf(", PostgreSQL %s", database->version);
    putchar('\n');
}

static void print_lanes(const WorkerReport *report)
{
    printf("    lanes     ");
    for (size_t i = 0; i < report->n_lanes; i++)
        printf("%s %s %u/%u", i ? "," : "", report->lanes[i]->name, report->lanes[i]->connections,
               report->lanes[i]->wanted);
    putchar('\n');
    for (size_t i = 0; i < report->n_lanes; i++)
        if (report->lanes[i]->waiting || report->lanes[i]->in_flight)
            printf("               %s: %u in flight, %u waiting\n", report->lanes[i]->name, report->lanes[i]->in_flight,
                   report->lanes[i]->waiting);
}

static void print_facts(const Campus__Bus__FactsReport *facts)
{
    printf("    facts      %" PRIu64 " unpublished", facts->unpublished);
    if (facts->has_oldest_ms)
        printf(", the oldest for %" PRIu64 " ms", facts->oldest_ms);
    for (size_t i = 0; i < facts->n_consumers; i++)
        printf(", %" PRIu64 " behind %s", facts->consumers[i]->behind, facts->consumers[i]->source);
    printf(" (%" PRIu64 " s ago)\n", facts->age_ms / 1000);
}

static void print_job(const Campus__Bus__JobReport *job)
{
    printf("    %-10s %" PRIu64 " waiting", job->name, job->waiting);
    if (job->has_oldest_ms)
        printf(", the oldest for %s", span_of(job->oldest_ms / 1000).text);
    if (job->left && job->waiting)
        printf("; %s", job->left);
    printf(" (%" PRIu64 " s ago)\n", job->age_ms / 1000);
}

static void print_worker(const WorkerStatus *worker)
{
    static const char *const states[] = { "greeted", "live", "draining" };
    const WorkerReport *report = worker->report;
    size_t state = (size_t)worker->state;
    printf("  worker %s  %s, holds %u of %u", worker->instance, state < 3 ? states[state] : "?", worker->held,
           worker->credits);
    if (worker->missed_pings)
        printf(", SILENT for %u pings", worker->missed_pings);
    putchar('\n');
    if (!report)
        return;
    printf("    process    %u on %s, campus %s, up %s, %u calls under way\n", report->pid, report->host,
           report->version, span_of(report->uptime_s).text, report->pending);
    print_database(report);
    print_lanes(report);
    if (report->facts)
        print_facts(report->facts);
    for (size_t i = 0; i < report->n_jobs; i++)
        print_job(report->jobs[i]);
}

/* ---- services and the gateway ---- */

static void print_service(const ServiceStatus *service)
{
    const struct {
        const char *name;
        uint64_t count;
    } endings[] = {
        { "unavailable", service->unavailable }, { "late", service->deadline_exceeded },
        { "too large", service->too_large },     { "cancelled", service->cancelled },
        { "sent again", service->redispatched }, { "workers lost", service->deaths },
    };
    printf("\n%s: %zu worker%s, queue %" PRIu64 " of %" PRIu64 ", %" PRIu64 " in flight\n", service->name,
           service->n_workers, service->n_workers == 1 ? "" : "s", service->queue_length, service->queue_limit,
           service->in_flight);
    printf("  answered %" PRIu64, service->answered);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (endings[i].count)
            printf(", %s %" PRIu64, endings[i].name, endings[i].count);
    putchar('\n');
    for (size_t i = 0; i < service->n_workers; i++)
        print_worker(service->workers[i]);
}

static void print_text(const GatewayStatus *status)
{
    printf("%s%s\n", status->ready ? "ready" : "NOT READY", status->draining ? ": stopping" : "");
    printf("gateway: %u on %s, campus %s, up %s, %u connection%s\n", status->pid, status->host, status->version,
           span_of(status->uptime_s).text, status->connections, status->connections == 1 ? "" : "s");
    for (size_t i = 0; i < status->n_services; i++)
        print_service(status->services[i]);
}

/* ---- the command ---- */

static int fail(int exit_code, const char *error)
{
    fprintf(stderr, "campus: %s\n", error);
    return exit_code;
}

static bool print_json(struct arena *arena, const struct schema *schema, struct slice body)
{
    struct buffer json = buffer_in(arena);
    if (!json_from_wire(schema_message(schema, "campus.bus.GatewayStatus"), body, &json))
        return false;
    puts(buffer_cstring(&json));
    return true;
}

int status_command(struct arena *arena, const struct settings *settings, const struct schema *schema,
                   const char *const *words)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    const struct control_question question = { .envelope = &envelope, .answer_ms = ANSWER_MS };
    const char *error = NULL;
    struct slice body;
    bool json = *words && strcmp(*words, "--json") == 0;
    if (words[json])
        return fail(EXIT_USAGE, arena_printf(arena, "what is %s? (campus --help)", words[json]));
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__STATUS;
    if (!control_ask(arena, settings, &question, &body, &error))
        return fail(EXIT_UNREADY, error);
    GatewayStatus *status = campus__bus__gateway_status__unpack(NULL, body.size, body.data);
    if (!status || (json && !print_json(arena, schema, body)))
        return fail(EXIT_UNREADY, "the answer is no status of this program's contract");
    if (!json)
        print_text(status);
    int exit_code = status->ready ? 0 : EXIT_UNREADY;
    campus__bus__gateway_status__free_unpacked(status, NULL);
    return exit_code;
}
