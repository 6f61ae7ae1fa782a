/* job.c -- lease, work, note: one row at a time, and at once the next while there is one. */
#include "common/job.h"

#include "common/clock.h"
#include "common/log.h"

#include <event2/event.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    DEADLINE_US = 30000000,
    NOTE_AGAIN_MS = 250, /* a note that did not reach the database: the row would else be done again */
    FIRST_DELAY_MS = 2000,
    LONGEST_DELAY_MS = 3600000,
    OUTCOMES = JOB_FAILED + 1,
};

static const char *const outcome_names[OUTCOMES] = {
    [JOB_DONE] = "done", [JOB_RETRY] = "retry", [JOB_FAILED] = "failed"
};

struct job_task {
    const struct job_runner *runner;
    struct arena *arena;
    const char *const *values; /* by the columns of the lease */
    uint32_t attempt;
    enum job_outcome outcome;
    const char *failure;
};

struct job_runner {
    const struct job *job;
    struct database *database;
    const struct plans *plans;
    void *state;
    struct aside *aside;
    struct event *timer;
    struct aside_job work;
    /* One for each statement: the database still holds the last one while its on_done runs. */
    struct question {
        size_t prepared; /* in plans->prepared */
        struct batch batch;
        struct step step;
    } lease, note;
    struct job_task task;
    enum { IDLE, LEASING, WORKING, NOTING } doing;
    bool draining;
    atomic_bool stopping;
    uint64_t counts[OUTCOMES];
};

/* ---- what work asks ---- */

struct arena *job_arena(struct job_task *task)
{
    return task->arena;
}

static int column_of(const struct prepared *prepared, const char *name)
{
    int i = 0;
    while (i < prepared->column_count && strcmp(prepared->column_names[i], name) != 0)
        i++;
    return i < prepared->column_count ? i : -1;
}

const char *job_value(const struct job_task *task, const char *column)
{
    const struct prepared *lease = &task->runner->plans->prepared[task->runner->lease.prepared];
    int i = column_of(lease, column);
    return i < 0 ? NULL : task->values[i];
}

void job_failure(struct job_task *task, const char *failure)
{
    task->failure = arena_strdup(task->arena, failure);
}

bool job_stopping(const struct job_task *task)
{
    return atomic_load(&task->runner->stopping);
}

uint32_t job_delay_ms(uint32_t attempt, uint32_t chance)
{
    uint32_t delay = FIRST_DELAY_MS;
    for (uint32_t i = 1; i < attempt && delay < LONGEST_DELAY_MS; i++)
        delay *= 2;
    if (delay > LONGEST_DELAY_MS)
        delay = LONGEST_DELAY_MS;
    return delay - (uint32_t)((uint64_t)(delay / 2) * chance >> 32);
}

/* ---- the statements ---- */

static bool gather(struct plans *plans, const struct statements *queries, const struct job *job, const char *name)
{
    const struct statement *statement = statements_find(queries, slice_text(name));
    if (!statement)
        return plans_complain(plans, "job %s: there is no statement %s", job->name, name);
    plans_add_sql(plans, name, arena_text(plans->arena, statement->source));
    return true;
}

static bool gather_waiting(struct plans *plans, const struct statements *queries)
{
    struct buffer sql = buffer_in(plans->arena);
    int n = 0;
    for (const struct job *job = plans->service->jobs; job && job->name; job++, n++) {
        const struct statement *statement = statements_find(queries, slice_text(job->waiting));
        if (!statement)
            return plans_complain(plans, "job %s: there is no statement %s", job->name, job->waiting);
        if (statement->parameter_count)
            return plans_complain(plans, "job %s: statement %s has parameters", job->name, job->waiting);
        buffer_printf(&sql, "%sSELECT %d AS n, w.waiting, w.oldest_ms FROM (%.*s\n) AS w", n ? " UNION ALL " : "", n,
                      (int)statement->source.size, (const char *)statement->source.data);
    }
    buffer_text(&sql, " ORDER BY n");
    if (n)
        plans_add_sql(plans, JOBS_WAITING, buffer_cstring(&sql));
    return true;
}

bool jobs_gather(struct plans *plans, const struct statements *queries)
{
    for (const struct job *job = plans->service->jobs; job && job->name; job++)
        if (!gather(plans, queries, job, job->lease) || !gather(plans, queries, job, job->note))
            return false;
    return gather_waiting(plans, queries);
}

static const char *const note_parameters[] = { "id", "attempt", "outcome", "failure", "delay_ms" };

static bool is_note_parameter(const char *name)
{
    for (size_t i = 0; i < sizeof note_parameters / sizeof *note_parameters; i++)
        if (strcmp(note_parameters[i], name) == 0)
            return true;
    return false;
}

static bool bind_lease(struct plans *plans, const struct job *job)
{
    size_t at = plans_find_prepared(plans, job->lease);
    const struct prepared *lease = &plans->prepared[at];
    if (plans->statements[at]->parameter_count)
        return plans_complain(plans, "job %s: statement %s has parameters", job->name, job->lease);
    if (column_of(lease, "id") < 0 || column_of(lease, "attempts") < 0)
        return plans_complain(plans, "job %s: statement %s lacks a column id or attempts", job->name, job->lease);
    for (int i = 0; i < lease->column_count; i++) {
        const struct column_type *type = column_type_find(lease->column_types[i]);
        if (!type || !type->text)
            return plans_complain(plans, "job %s: column %s of statement %s has no text; cast it", job->name,
                                  lease->column_names[i], job->lease);
    }
    return true;
}

bool jobs_bind(struct plans *plans)
{
    for (const struct job *job = plans->service->jobs; job && job->name; job++) {
        const struct statement *note = plans->statements[plans_find_prepared(plans, job->note)];
        if (!bind_lease(plans, job))
            return false;
        for (size_t i = 0; i < note->parameter_count; i++)
            if (!is_note_parameter(note->parameters[i]))
                return plans_complain(plans, "job %s: parameter :%s of statement %s has no source", job->name,
                                      note->parameters[i], job->note);
    }
    return true;
}

/* ---- one row ---- */

static void arm(struct job_runner *runner, uint32_t in_ms)
{
    struct timeval in = { .tv_sec = in_ms / 1000, .tv_usec = (suseconds_t)(in_ms % 1000) * 1000 };
    evtimer_add(runner->timer, &in);
}

static void submit(struct job_runner *runner, struct question *question, const char *const *values,
                   void (*on_done)(struct batch *, enum batch_outcome, void *))
{
    question->step = (struct step){ .statement = &runner->plans->prepared[question->prepared], .values = values };
    question->batch = (struct batch){
        .lane = LANE_BACKGROUND,
        .steps = &question->step,
        .step_count = 1,
        .deadline_us = clock_monotonic_us() + DEADLINE_US,
        .on_done = on_done,
        .context = runner,
    };
    database_submit(runner->database, &question->batch);
}

static void end(struct job_runner *runner, uint32_t next_ms)
{
    runner->doing = IDLE;
    if (!runner->draining)
        arm(runner, next_ms);
}

static void on_noted(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct job_runner *runner = context;
    if (outcome == BATCH_REFUSED)
        log_error("a job's note is refused", "job=%s sqlstate=%s", runner->job->name, batch->sqlstate);
    if (outcome == BATCH_DONE || outcome == BATCH_REFUSED)
        end(runner, outcome == BATCH_DONE ? 0 : runner->job->every_ms);
    else if (!atomic_load(&runner->stopping))
        arm(runner, NOTE_AGAIN_MS);
}

static const char *note_value(const struct job_task *task, const char *name)
{
    if (strcmp(name, "id") == 0)
        return job_value(task, "id");
    if (strcmp(name, "attempt") == 0)
        return job_value(task, "attempts");
    if (strcmp(name, "outcome") == 0)
        return outcome_names[task->outcome];
    if (strcmp(name, "failure") == 0)
        return task->failure;
    return arena_printf(task->arena, "%" PRIu32, job_delay_ms(task->attempt, randombytes_random()));
}

static void note(struct job_runner *runner)
{
    const struct statement *statement = runner->plans->statements[runner->note.prepared];
    const char **values = arena_alloc(runner->task.arena, (statement->parameter_count + 1) * sizeof *values);
    for (size_t i = 0; i < statement->parameter_count; i++)
        values[i] = note_value(&runner->task, statement->parameters[i]);
    submit(runner, &runner->note, values, on_noted);
}

static void conclude(struct job_runner *runner)
{
    struct job_task *task = &runner->task;
    if (task->outcome == JOB_RETRY && task->attempt >= runner->job->most_attempts)
        task->outcome = JOB_FAILED;
    runner->counts[task->outcome]++;
    if (task->outcome != JOB_DONE)
        log_warning("a job is not done", "job=%s id=%s attempt=%" PRIu32 " outcome=%s reason=\"%s\"", runner->job->name,
                    job_value(task, "id"), task->attempt, outcome_names[task->outcome],
                    task->failure ? task->failure : "-");
    runner->doing = NOTING;
    note(runner);
}

static void work(void *context)
{
    struct job_runner *runner = context;
    runner->task.outcome = runner->job->work(&runner->task, runner->state);
}

/* What gave up since the service stops has not failed: the end of its lease brings it back. */
static void on_worked(bool worked, void *context)
{
    struct job_runner *runner = context;
    if (worked && !(runner->task.outcome == JOB_RETRY && atomic_load(&runner->stopping)))
        conclude(runner);
}

static void take_row(struct job_runner *runner, const PGresult *row)
{
    const struct prepared *lease = &runner->plans->prepared[runner->lease.prepared];
    struct job_task *task = &runner->task;
    arena_reset(task->arena);
    const char **values = arena_zalloc(task->arena, ((size_t)lease->column_count + 1) * sizeof *values);
    for (int i = 0; i < lease->column_count; i++)
        if (!PQgetisnull(row, 0, i))
            values[i] = column_text(task->arena, lease->column_types[i],
                                    slice_of(PQgetvalue(row, 0, i), (size_t)PQgetlength(row, 0, i)));
    *task = (struct job_task){ .runner = runner, .arena = task->arena, .values = values };
    task->attempt = (uint32_t)strtoul(job_value(task, "attempts"), NULL, 10);
}

static void on_leased(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct job_runner *runner = context;
    if (outcome == BATCH_REFUSED)
        log_error("a job's lease is refused", "job=%s sqlstate=%s", runner->job->name, batch->sqlstate);
    if (outcome != BATCH_DONE || batch->steps[0].row_count == 0) {
        end(runner, runner->job->every_ms);
        return;
    }
    take_row(runner, batch->steps[0].result);
    if (runner->task.attempt > runner->job->most_attempts) {
        /* Its last attempt was never noted: it may be what ends the workers. */
        runner->task.outcome = JOB_FAILED;
        runner->task.failure = "given up";
        conclude(runner);
        return;
    }
    runner->doing = WORKING;
    runner->work = (struct aside_job){ .work = work, .on_done = on_worked, .context = runner };
    if (!aside_submit(runner->aside, ASIDE_JOBS, &runner->work))
        abort(); /* that lane takes all */
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct job_runner *runner = context;
    (void)fd, (void)what;
    if (runner->doing == NOTING) {
        note(runner);
        return;
    }
    runner->doing = LEASING;
    submit(runner, &runner->lease, NULL, on_leased);
}

/* ---- life ---- */

struct job_runner *job_start(struct arena *arena, const struct job *job, const struct service_host *host,
                             const struct job_place *place, const char **error)
{
    void *state = NULL;
    *error = NULL;
    if (!job->open(arena, host, &state, error) || !state)
        return NULL;
    struct job_runner *runner = calloc(1, sizeof *runner);
    if (!runner || !(runner->timer = evtimer_new(place->base, on_timer, runner)))
        abort();
    runner->job = job;
    runner->database = place->database;
    runner->plans = place->plans;
    runner->state = state;
    runner->lease.prepared = plans_find_prepared(place->plans, job->lease);
    runner->note.prepared = plans_find_prepared(place->plans, job->note);
    runner->task.arena = arena_new();
    runner->aside = place->aside;
    arm(runner, 0);
    return runner;
}

void job_drain(struct job_runner *runner)
{
    runner->draining = true;
    if (runner->doing == IDLE)
        evtimer_del(runner->timer);
}

bool job_busy(const struct job_runner *runner)
{
    return runner->doing != IDLE;
}

void job_stop(struct job_runner *runner)
{
    job_drain(runner);
    evtimer_del(runner->timer);
    atomic_store(&runner->stopping, true);
}

void job_free(struct job_runner *runner)
{
    if (!runner)
        return;
    event_free(runner->timer);
    runner->job->close(runner->state);
    arena_free(runner->task.arena);
    free(runner);
}

void job_metrics(const struct job_runner *runner, FILE *out)
{
    for (size_t i = 0; i < OUTCOMES; i++)
        fprintf(out, "campus_jobs_total{service=\"%s\",job=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                runner->plans->service->name, runner->job->name, outcome_names[i], runner->counts[i]);
}
