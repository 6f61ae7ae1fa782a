/* service.c -- a worker: binds its methods at start, then turns requests from the bus into calls and calls into replies. */
#include "common/service.h"

#include "common/aside.h"
#include "common/background.h"
#include "common/bus.h"
#include "common/call_state.h"
#include "common/clock.h"
#include "common/embed.h"
#include "common/envelope.h"
#include "common/execute.h"
#include "common/fact.h"
#include "common/fact_sources.h"
#include "common/job.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/migrate.h"
#include "common/report.h"

#include "bus.pb-c.h"

#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_JOBS = 16, MOST_RUNNERS = 8, KEPT_ARENAS = 64, SWEEP_MS = 10000, RETRY_MS = 250, TICK_MS = 20 };

struct runtime {
    struct arena *arena;
    const struct service *service;
    struct service present; /* the service without the consumers whose sources are not here */
    const struct role_options *options;
    struct service_host host;
    void *state; /* the service's own */
    struct plans plans;
    struct database_options database_options;
    struct event_base *base;
    struct database *database;
    struct aside *aside;
    struct bus *bus;
    struct event *stop, *tick;
    struct metrics_page *page;
    struct report *report;
    struct background *jobs[MOST_JOBS];
    size_t job_count;
    struct job_runner *runners[MOST_RUNNERS];
    size_t runner_count;
    struct call *working; /* calls under way */
    struct call *finished; /* answered; their memory is still in use by whoever called us */
    struct arena *arenas[KEPT_ARENAS];
    size_t arena_count;
    int64_t stop_by_us; /* 0: not stopping */
};

/* ---- calls ---- */

static struct arena *take_arena(struct runtime *runtime)
{
    return runtime->arena_count ? runtime->arenas[--runtime->arena_count] : arena_new();
}

static void release_finished(struct runtime *runtime)
{
    while (runtime->finished) {
        struct arena *arena = runtime->finished->arena;
        runtime->finished = runtime->finished->next;
        if (runtime->arena_count == KEPT_ARENAS) {
            arena_free(arena);
            continue;
        }
        arena_reset(arena);
        runtime->arenas[runtime->arena_count++] = arena;
    }
}

static void link_call(struct runtime *runtime, struct call *call)
{
    call->next = runtime->working;
    if (call->next)
        call->next->previous = call;
    runtime->working = call;
}

static void finish_call(struct runtime *runtime, struct call *call)
{
    *(call->previous ? &call->previous->next : &runtime->working) = call->next;
    if (call->next)
        call->next->previous = call->previous;
    call->next = runtime->finished;
    runtime->finished = call;
}

static void on_end(struct call *call)
{
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    struct runtime *runtime = call->runtime;
    bool refused = call->problem.status != STATUS_OK;
    reply.status = (Campus__Status)call->problem.status;
    reply.code = refused ? arena_strdup(call->arena, call->problem.code) : NULL;
    reply.has_replayed = call->replayed;
    reply.replayed = call->replayed;
    reply.has_retry_after_ms = call->problem.retry_after_ms > 0;
    reply.retry_after_ms = call->problem.retry_after_ms;
    reply.n_violations = envelope_violations(call->arena, &call->problem, &reply.violations);
    bus_reply(runtime->bus, call->origin, &reply, refused ? slice_of(NULL, 0) : buffer_slice(&call->reply));
    finish_call(runtime, call);
}

static void on_request(struct bus_origin origin, const BusRequest *header, struct slice body, void *context)
{
    struct runtime *runtime = context;
    release_finished(runtime);
    struct arena *arena = take_arena(runtime);
    struct call *call = arena_zalloc(arena, sizeof *call);
    *call = (struct call){
        .arena = arena,
        .runtime = runtime,
        .plan = plans_find(&runtime->plans, header->method),
        .aside = runtime->aside,
        .service = runtime->state,
        .origin = origin,
        .begun_us = clock_monotonic_us(),
        .secret = runtime->options->secret,
        .on_end = on_end,
    };
    call->deadline_us = call->begun_us + (int64_t)header->left_ms * 1000;
    link_call(runtime, call);
    if (!call->plan || !call_read(call, header, body)) {
        log_error("a request is no message of its method", "request=%s", header->request_id ? header->request_id : "-");
        problem_set(&call->problem, "internal");
        on_end(call);
        return;
    }
    execute(call, runtime->database, &runtime->plans, on_end);
}

/* A write that has been sent goes on, and its key makes a repeat harmless. A read that waits is let go; so is what is still
 * being checked. */
static void on_cancel(struct bus_origin origin, void *context)
{
    struct runtime *runtime = context;
    for (struct call *call = runtime->working; call; call = call->next) {
        if (call->origin.id != origin.id || call->origin.boot != origin.boot)
            continue;
        if (!call->batch || call->looking)
            atomic_store(&call->cancelled, true);
        else if (call->plan->rpc->kind == RPC_READ)
            call->batch->deadline_us = 0;
    }
}

/* The connections that the calls need: before they are there, a call is better off with another worker, or in the
 * gateway's queue. */
static bool has_started(void *context)
{
    struct runtime *runtime = context;
    bool started = database_ready(runtime->database);
    if (started)
        log_info("serving", "methods=%zu statements=%zu", runtime->plans.count, runtime->plans.prepared_count);
    return started;
}

static WorkerReport *on_report(struct arena *arena, void *context)
{
    struct runtime *runtime = context;
    return report_make(runtime->report, arena, bus_pending(runtime->bus));
}

/* ---- start ---- */

static bool start_failed(const char *error)
{
    log_error("cannot start", "reason=\"%s\"", error);
    return false;
}

/* What one caller may have of so many, where others should always find one. */
static uint32_t all_but_one(uint32_t count)
{
    return count > 1 ? count - 1 : 1;
}

static void set_database_options(struct runtime *runtime)
{
    const struct settings *settings = runtime->options->settings;
    runtime->database_options = (struct database_options){
        .conninfo = settings->database,
        .role = arena_printf(runtime->arena, "campus_%s", runtime->service->name),
        .schema = runtime->service->name,
        .lanes = { [LANE_POINT] = { settings->point_connections, settings->point_depth },
                   [LANE_HEAVY] = { settings->heavy_connections, 1 },
                   [LANE_WRITE] = { settings->write_connections, 1 },
                   [LANE_BRIEF] = { 2, 1 },
                   [LANE_IMPORT] = { 2, 1 },
                   [LANE_BACKGROUND] = { 1, 1 } },
        .shares = { [LANE_HEAVY] = all_but_one(settings->heavy_connections), [LANE_IMPORT] = 1 },
        .statement_ms = settings->statement_ms,
        .lock_ms = settings->lock_ms,
        .queue_limit = settings->queue_limit,
        .unavailable_ms = settings->unavailable_ms,
    };
}

bool role_told_to_stop(const struct role_options *options)
{
    uint64_t count;
    return read(options->stop_fd, &count, sizeof count) == sizeof count;
}

/* Has the statements described from that one on. Waits for a database that is still starting, or has gone meanwhile, at most
 * startup_ms; what it refuses is final at once. */
static bool meet_database(struct runtime *runtime, size_t first)
{
    const struct database_options *options = &runtime->database_options;
    int64_t give_up = clock_monotonic_us() + (int64_t)runtime->options->settings->startup_ms * 1000;
    const char *error = NULL;
    for (;;) {
        bool unreachable = false;
        if (migrate_check(runtime->arena, options->conninfo, options->role, runtime->service->name, &error,
                          &unreachable) &&
            database_describe(runtime->arena, options, runtime->plans.prepared + first,
                              runtime->plans.prepared_count - first, &error, &unreachable))
            return true;
        if (!unreachable || clock_monotonic_us() >= give_up || role_told_to_stop(runtime->options))
            return start_failed(error);
        usleep(RETRY_MS * 1000);
    }
}

/* As meet_database(), for what the statements depend on. */
static bool find_sources(struct runtime *runtime)
{
    const struct database_options *options = &runtime->database_options;
    int64_t give_up = clock_monotonic_us() + (int64_t)runtime->options->settings->startup_ms * 1000;
    const char *error = NULL;
    runtime->present = *runtime->service;
    for (;;) {
        bool unreachable = false;
        runtime->present.consumers = fact_sources_present(runtime->arena, options->conninfo, options->role,
                                                          runtime->service->consumers, &error, &unreachable);
        if (runtime->present.consumers) {
            runtime->service = &runtime->present;
            return true;
        }
        if (!unreachable || clock_monotonic_us() >= give_up || role_told_to_stop(runtime->options))
            return start_failed(error);
        usleep(RETRY_MS * 1000);
    }
}

static bool load_plans(struct runtime *runtime)
{
    struct slice statements = embed_statements(runtime->arena, runtime->service->name);
    if (!plans_gather(&runtime->plans, runtime->arena, runtime->service, runtime->options->schema, statements))
        return start_failed(runtime->plans.error);
    return true;
}

/* What binding has added (guards, replays) is described in its turn. */
static bool bind_plans(struct runtime *runtime)
{
    size_t described = runtime->plans.prepared_count;
    if (!plans_bind(&runtime->plans))
        return start_failed(runtime->plans.error);
    return meet_database(runtime, described);
}

static void start_job(struct runtime *runtime, struct background_job job)
{
    if (runtime->job_count < MOST_JOBS)
        runtime->jobs[runtime->job_count++] = background_start(runtime->base, runtime->database, &runtime->plans, job);
}

static void start_jobs(struct runtime *runtime)
{
    uint32_t every_ms = runtime->options->settings->relay_ms;
    size_t consumer_statement = PREPARED_OWN;
    start_job(runtime, (struct background_job){ .prepared = { PREPARED_SWEEP }, .count = 1, .every_ms = SWEEP_MS });
    start_job(runtime, (struct background_job){ .prepared = { PREPARED_RELAY_LOCK, PREPARED_RELAY_NUMBER },
                                                .count = 2,
                                                .every_ms = every_ms,
                                                .full = FACT_LOT });
    for (const struct consumer *c = runtime->service->consumers; c && c->source; c++, consumer_statement += 2)
        start_job(runtime, (struct background_job){ .prepared = { consumer_statement, consumer_statement + 1 },
                                                    .count = 2,
                                                    .every_ms = every_ms,
                                                    .full = FACT_LOT });
    for (const char *const *sweep = runtime->service->sweeps; sweep && *sweep; sweep++)
        start_job(runtime, (struct background_job){ .prepared = { plans_find_prepared(&runtime->plans, *sweep) },
                                                    .count = 1,
                                                    .every_ms = SWEEP_MS,
                                                    .full = SWEEP_LOT });
}

/* Those of the service's own jobs that this host does. */
static bool start_runners(struct runtime *runtime)
{
    const struct job *job = runtime->options->without_jobs ? NULL : runtime->service->jobs;
    const struct job_place place = {
        .base = runtime->base, .aside = runtime->aside, .database = runtime->database, .plans = &runtime->plans
    };
    const char *error = NULL;
    for (; job && job->name && runtime->runner_count < MOST_RUNNERS; job++) {
        struct job_runner *runner = job_start(runtime->arena, job, &runtime->host, &place, &error);
        if (error)
            return start_failed(error);
        if (runner)
            runtime->runners[runtime->runner_count++] = runner;
        else
            report_left(runtime->report, job);
    }
    return true;
}

static bool runners_busy(const struct runtime *runtime)
{
    for (size_t i = 0; i < runtime->runner_count; i++)
        if (job_busy(runtime->runners[i]))
            return true;
    return false;
}

/* ---- stop ---- */

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct runtime *runtime = context;
    (void)fd, (void)what;
    if ((bus_pending(runtime->bus) == 0 && !runners_busy(runtime)) || clock_monotonic_us() >= runtime->stop_by_us)
        event_base_loopbreak(runtime->base);
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    struct runtime *runtime = context;
    (void)fd, (void)what;
    if (!role_told_to_stop(runtime->options))
        return;
    struct timeval every = { .tv_usec = TICK_MS * 1000 };
    runtime->stop_by_us = clock_monotonic_us() + (int64_t)runtime->options->settings->drain_ms * 1000;
    log_info("stopping", "pending=%zu", bus_pending(runtime->bus));
    bus_drain(runtime->bus);
    for (size_t i = 0; i < runtime->runner_count; i++)
        job_drain(runtime->runners[i]);
    metrics_refresh(runtime->page);
    event_add(runtime->tick, &every);
}

static void write_metrics(FILE *out, void *context)
{
    struct runtime *runtime = context;
    report_look(runtime->report);
    database_metrics(runtime->database, runtime->service->name, out);
    fprintf(out, "campus_calls_pending{service=\"%s\"} %zu\n", runtime->service->name, bus_pending(runtime->bus));
    for (size_t i = 0; i < runtime->runner_count; i++)
        job_metrics(runtime->runners[i], out);
    if (runtime->service->metrics)
        runtime->service->metrics(out);
}

static bool is_ready(void *context)
{
    struct runtime *runtime = context;
    return !runtime->stop_by_us && database_ready(runtime->database) && bus_heard(runtime->bus);
}

static bool open_bus(struct runtime *runtime)
{
    const struct settings *settings = runtime->options->settings;
    const char *error = NULL;
    struct bus_options bus = {
        .service = runtime->service->name,
        .endpoints = settings_list(runtime->arena, settings->bus),
        .keys = runtime->options->keys,
        .resolve_ms = settings->resolve_ms,
        .credits = settings->credits,
        .max_message = settings->max_message,
        .schema = runtime->options->schema,
    };
    struct bus_handler handler = { .on_request = on_request,
                                   .on_cancel = on_cancel,
                                   .started = has_started,
                                   .report = on_report,
                                   .context = runtime };
    runtime->bus = bus_open(runtime->arena, runtime->base, runtime->options->zmq, &bus, &handler, &error);
    return runtime->bus || start_failed(error);
}

static void close_loop(struct runtime *runtime)
{
    metrics_stop(runtime->page);
    for (size_t i = 0; i < runtime->runner_count; i++)
        job_stop(runtime->runners[i]);
    aside_close(runtime->aside);
    database_close(runtime->database); /* what is still under way ends as unavailable, and is answered so */
    for (size_t i = 0; i < runtime->job_count; i++)
        background_free(runtime->jobs[i]);
    for (size_t i = 0; i < runtime->runner_count; i++)
        job_free(runtime->runners[i]);
    report_free(runtime->report);
    bus_close(runtime->bus);
    event_free(runtime->stop);
    event_free(runtime->tick);
    event_base_free(runtime->base);
    release_finished(runtime);
    while (runtime->arena_count)
        arena_free(runtime->arenas[--runtime->arena_count]);
}

static bool open_loop(struct runtime *runtime)
{
    runtime->base = event_base_new();
    if (!open_bus(runtime)) {
        event_base_free(runtime->base);
        return false;
    }
    runtime->database = database_open(runtime->base, &runtime->database_options, runtime->plans.prepared,
                                      runtime->plans.prepared_count);
    runtime->aside = aside_open(runtime->base, runtime->service->name);
    runtime->stop = event_new(runtime->base, runtime->options->stop_fd, EV_READ | EV_PERSIST, on_stop, runtime);
    runtime->tick = event_new(runtime->base, -1, EV_PERSIST, on_tick, runtime);
    event_add(runtime->stop, NULL);
    start_jobs(runtime);
    runtime->report = report_start(runtime->base, runtime->database, &runtime->plans);
    runtime->page = metrics_start(runtime->options->metrics, runtime->base,
                                  &(struct metrics_source){ runtime->service->name, write_metrics, is_ready, runtime });
    if (start_runners(runtime))
        return true;
    close_loop(runtime);
    return false;
}

static bool open_service(struct runtime *runtime)
{
    const struct service *service = runtime->service;
    const char *error = NULL;
    runtime->host = (struct service_host){ .settings = runtime->options->settings, .secret = runtime->options->secret };
    return !service->open || service->open(runtime->arena, &runtime->host, &runtime->state, &error) ||
           start_failed(error);
}

static void close_service(struct runtime *runtime)
{
    if (runtime->service->close)
        runtime->service->close(runtime->state);
}

/* A service that would fail at the first call that needs it does not start. */
static bool host_suffices(const struct service *service)
{
    const char *missing = service->missing ? service->missing() : NULL;
    if (missing)
        log_error("cannot start", "reason=\"this host lacks %s\"", missing);
    return !missing;
}

/* Who sends this thread a request is often about to send the next one. As an ordinary thread it would interrupt the
 * sender for each: woken, served to PostgreSQL alone, asleep again. So it waits until the processor is free: a fifth of
 * the whole road's cost at 64 connections, and nothing lost where a processor is idle. */
static void let_senders_finish(void)
{
    if (sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 }) != 0)
        log_warning("no batch scheduling", "reason=\"%s\"", strerror(errno));
}

int service_run(const struct service *service, const struct role_options *options)
{
    struct runtime runtime = { .arena = arena_new(), .service = service, .options = options };
    int exit_code = 1;
    log_set_role(service->name);
    let_senders_finish();
    set_database_options(&runtime);
    bool started = host_suffices(service) && find_sources(&runtime) && load_plans(&runtime) &&
                   meet_database(&runtime, 0) && bind_plans(&runtime) && open_service(&runtime);
    if (started && open_loop(&runtime)) {
        event_base_dispatch(runtime.base);
        close_loop(&runtime);
        log_info("stopped", "%s", "");
        exit_code = 0;
    }
    if (started)
        close_service(&runtime);
    arena_free(runtime.arena);
    return exit_code;
}
