/* report.c -- most of it is read where it stands; the facts' lag and what waits for jobs are looked up now and then and
 * remembered. */
#include "common/report.h"

#include "common/background.h"
#include "common/identity.h"
#include "common/job.h"
#include "common/version.h"

#include "status.pb-c.h"

#include <stdlib.h>

enum { LAG_MS = 2000, MOST_CONSUMERS = 32, MOST_JOBS = 8, LONGEST_VERSION = 64 };

/* The columns of fact_lag_sql(). */
enum { COLUMN_N, COLUMN_VERSION, COLUMN_FACTS, COLUMN_OLDEST_MS };

/* What the last look-up told. */
struct lag {
    int64_t told_us; /* 0: nothing yet */
    uint64_t unpublished, oldest_ms; /* oldest_ms only where there are some */
    uint64_t behind[MOST_CONSUMERS];
    size_t consumer_count;
    char version[LONGEST_VERSION];
};

/* What waits, job by job. */
struct waits {
    int64_t told_us; /* 0: nothing yet */
    struct {
        uint64_t waiting, oldest_ms; /* oldest_ms only where something waits */
    } of[MOST_JOBS];
};

struct report {
    const struct database *database;
    const struct job *jobs;
    struct background *waits_lookup;
    struct waits waits;
    bool left[MOST_JOBS]; /* job by job, as in `waits` */
    const struct consumer *consumers;
    struct identity identity;
    struct background *lookup;
    struct lag lag;
    bool reachable;
    int64_t since_us; /* since when it is reachable, or is not */
};

/* ---- looking ---- */

/* NULL and what clocks set back make negative are 0. */
static uint64_t count_at(const PGresult *result, int row, int column)
{
    int64_t value = column_integer(slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)));
    return value > 0 ? (uint64_t)value : 0;
}

static void on_lag(const PGresult *result, void *context)
{
    struct lag *lag = &((struct report *)context)->lag;
    int rows = PQntuples(result);
    if (rows == 0)
        return;
    *lag = (struct lag){ .told_us = clock_monotonic_us() };
    strncpy(lag->version, PQgetvalue(result, 0, COLUMN_VERSION), sizeof lag->version - 1);
    lag->unpublished = count_at(result, 0, COLUMN_FACTS);
    lag->oldest_ms = count_at(result, 0, COLUMN_OLDEST_MS);
    for (int row = 1; row < rows && lag->consumer_count < MOST_CONSUMERS; row++)
        lag->behind[lag->consumer_count++] = count_at(result, row, COLUMN_FACTS);
}

static void on_waits(const PGresult *result, void *context)
{
    struct waits *waits = &((struct report *)context)->waits;
    waits->told_us = clock_monotonic_us();
    for (int row = 0; row < PQntuples(result) && row < MOST_JOBS; row++) {
        waits->of[row].waiting = count_at(result, row, JOBS_COLUMN_WAITING);
        waits->of[row].oldest_ms = count_at(result, row, JOBS_COLUMN_OLDEST_MS);
    }
}

void report_left(struct report *report, const struct job *job)
{
    size_t n = (size_t)(job - report->jobs);
    if (n < MOST_JOBS)
        report->left[n] = true;
}

void report_look(struct report *report)
{
    bool reachable = database_ready(report->database);
    if (reachable == report->reachable)
        return;
    report->reachable = reachable;
    report->since_us = clock_monotonic_us();
}

/* ---- telling ---- */

static Campus__Bus__DatabaseReport *database_part(const struct report *report, struct arena *arena)
{
    Campus__Bus__DatabaseReport *part = arena_alloc(arena, sizeof *part);
    campus__bus__database_report__init(part);
    part->reachable = report->reachable;
    part->since_s = seconds_since(report->since_us);
    part->version = *report->lag.version ? arena_strdup(arena, report->lag.version) : NULL;
    return part;
}

static Campus__Bus__LaneReport *lane_part(const struct report *report, enum lane lane, struct arena *arena)
{
    struct lane_figures figures = database_lane(report->database, lane);
    Campus__Bus__LaneReport *part = arena_alloc(arena, sizeof *part);
    campus__bus__lane_report__init(part);
    part->name = arena_strdup(arena, figures.name);
    part->connections = figures.connections;
    part->wanted = figures.wanted;
    part->waiting = (uint32_t)figures.waiting;
    part->in_flight = (uint32_t)figures.in_flight;
    return part;
}

static Campus__Bus__FactsReport *facts_part(const struct report *report, struct arena *arena)
{
    const struct lag *lag = &report->lag;
    Campus__Bus__FactsReport *part = arena_alloc(arena, sizeof *part);
    campus__bus__facts_report__init(part);
    part->age_ms = (uint64_t)(clock_monotonic_us() - lag->told_us) / 1000;
    part->unpublished = lag->unpublished;
    part->has_oldest_ms = lag->unpublished > 0;
    part->oldest_ms = lag->oldest_ms;
    part->consumers = arena_alloc(arena, (lag->consumer_count + 1) * sizeof *part->consumers);
    for (size_t i = 0; i < lag->consumer_count; i++) {
        Campus__Bus__ConsumerReport *consumer = arena_alloc(arena, sizeof *consumer);
        campus__bus__consumer_report__init(consumer);
        consumer->source = arena_strdup(arena, report->consumers[i].source);
        consumer->behind = lag->behind[i];
        part->consumers[part->n_consumers++] = consumer;
    }
    return part;
}

static Campus__Bus__JobReport *job_part(const struct report *report, size_t n, struct arena *arena)
{
    Campus__Bus__JobReport *part = arena_alloc(arena, sizeof *part);
    campus__bus__job_report__init(part);
    part->name = arena_strdup(arena, report->jobs[n].name);
    part->age_ms = (uint64_t)(clock_monotonic_us() - report->waits.told_us) / 1000;
    part->waiting = report->waits.of[n].waiting;
    part->has_oldest_ms = part->waiting > 0;
    part->oldest_ms = report->waits.of[n].oldest_ms;
    part->left = report->left[n] ? arena_strdup(arena, report->jobs[n].left) : NULL;
    return part;
}

static void add_jobs(const struct report *report, WorkerReport *whole, struct arena *arena)
{
    whole->jobs = arena_alloc(arena, MOST_JOBS * sizeof *whole->jobs);
    for (size_t n = 0; report->waits.told_us && report->jobs[n].name && n < MOST_JOBS; n++)
        whole->jobs[whole->n_jobs++] = job_part(report, n, arena);
}

WorkerReport *report_make(struct report *report, struct arena *arena, size_t pending)
{
    report_look(report);
    WorkerReport *whole = arena_alloc(arena, sizeof *whole);
    campus__bus__worker_report__init(whole);
    whole->version = arena_strdup(arena, CAMPUS_VERSION);
    whole->pid = report->identity.pid;
    whole->host = arena_strdup(arena, report->identity.host);
    whole->uptime_s = seconds_since(report->identity.since_us);
    whole->pending = (uint32_t)pending;
    whole->database = database_part(report, arena);
    whole->lanes = arena_alloc(arena, LANE_COUNT * sizeof *whole->lanes);
    for (enum lane lane = 0; lane < LANE_COUNT; lane++)
        whole->lanes[whole->n_lanes++] = lane_part(report, lane, arena);
    whole->facts = report->lag.told_us ? facts_part(report, arena) : NULL;
    add_jobs(report, whole, arena);
    return whole;
}

/* ---- life ---- */

struct report *report_start(struct event_base *base, struct database *database, const struct plans *plans)
{
    struct report *report = calloc(1, sizeof *report);
    if (!report)
        abort();
    report->database = database;
    report->consumers = plans->service->consumers;
    report->jobs = plans->service->jobs;
    report->identity = identity_new();
    report->since_us = report->identity.since_us;
    report->lookup = background_start(
        base, database, plans,
        (struct background_job){
            .prepared = { plans->lag }, .count = 1, .every_ms = LAG_MS, .on_result = on_lag, .context = report });
    size_t waiting = plans_find_prepared(plans, JOBS_WAITING);
    if (waiting < plans->prepared_count)
        report->waits_lookup = background_start(
            base, database, plans,
            (struct background_job){
                .prepared = { waiting }, .count = 1, .every_ms = LAG_MS, .on_result = on_waits, .context = report });
    return report;
}

void report_free(struct report *report)
{
    if (!report)
        return;
    background_free(report->lookup);
    background_free(report->waits_lookup);
    free(report);
}
