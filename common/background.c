/* background.c -- one batch at a time, its timer armed again when it has ended. */
#include "common/background.h"

#include "common/clock.h"
#include "common/log.h"

#include <event2/event.h>
#include <stdlib.h>

enum { DEADLINE_US = 30000000 };

struct background {
    struct database *database;
    const struct plans *plans;
    struct background_job job;
    struct event *timer;
    struct batch batch;
    struct step steps[2];
};

static void arm(struct background *background, uint32_t in_ms)
{
    struct timeval in = { .tv_sec = in_ms / 1000, .tv_usec = (suseconds_t)(in_ms % 1000) * 1000 };
    evtimer_add(background->timer, &in);
}

static int64_t count_in(const PGresult *result)
{
    return PQntuples(result) == 1
               ? column_integer(slice_of(PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0)))
               : 0;
}

static void on_done(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct background *background = context;
    const struct background_job *job = &background->job;
    if (outcome == BATCH_DONE && job->on_result)
        job->on_result(batch->steps[job->count - 1].result, job->context);
    bool more = outcome == BATCH_DONE && job->full && count_in(batch->steps[job->count - 1].result) >= job->full;
    /* Who holds what it needs (lock_not_available) lets go of it: it is only later. */
    if (outcome == BATCH_REFUSED && strcmp(batch->sqlstate, "55P03") != 0)
        log_error("background work refused", "statement=%s sqlstate=%s",
                  batch->steps[batch->failed_step].statement->name, batch->sqlstate);
    arm(background, more ? 0 : job->every_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct background *background = context;
    (void)fd, (void)what;
    background->batch = (struct batch){
        .lane = LANE_BACKGROUND,
        .steps = background->steps,
        .step_count = background->job.count,
        .deadline_us = clock_monotonic_us() + DEADLINE_US,
        .on_done = on_done,
        .context = background,
    };
    for (size_t i = 0; i < background->job.count; i++)
        background->steps[i] = (struct step){ .statement = &background->plans->prepared[background->job.prepared[i]] };
    database_submit(background->database, &background->batch);
}

struct background *background_start(struct event_base *base, struct database *database, const struct plans *plans,
                                    struct background_job job)
{
    struct background *background = calloc(1, sizeof *background);
    if (!background)
        abort();
    *background = (struct background){ .database = database, .plans = plans, .job = job };
    background->timer = evtimer_new(base, on_timer, background);
    arm(background, 0);
    return background;
}

void background_free(struct background *background)
{
    if (!background)
        return;
    event_free(background->timer);
    free(background);
}
