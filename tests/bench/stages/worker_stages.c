/* worker_stages.c -- the stages of a worker: from a request to the batch of its statements, from their rows to a reply. */
#include "tests/bench/stages/cuts.h"
#include "tests/bench/stages/road.h"
#include "tests/bench/stages/stages.h"

#include "common/clock.h"
#include "common/execute.h"

#include <event2/event.h>

static void on_end(struct call *call)
{
    (void)call;
}

void stage_call(struct operation *operation)
{
    struct road *road = operation->road;
    arena_reset(operation->scratch);
    operation->read = (struct call){
        .arena = operation->scratch,
        .plan = plans_find(&road->plans, operation->header.method),
        .begun_us = clock_monotonic_us(),
        .deadline_us = INT64_MAX,
        .secret = road->secret,
        .on_end = on_end,
    };
    if (!operation->read.plan || !call_read(&operation->read, &operation->header, operation->message))
        road_fail(operation->name, "is no call");
}

/* What .check does is in it, and the page token. */
void stage_bind(struct operation *operation)
{
    arena_reset(operation->scratch);
    operation->call = operation->read;
    operation->call.arena = operation->scratch;
    cuts = (struct cuts){ .database_closed = true };
    execute(&operation->call, NULL, &operation->road->plans, on_end);
    cuts.database_closed = false;
    if (!cuts.batch)
        road_fail(operation->name, operation->call.problem.code);
}

static void on_done(struct batch *batch, enum batch_outcome outcome, void *context)
{
    size_t *done = context;
    if (outcome != BATCH_DONE)
        road_fail(batch->steps[0].statement->name, "was not done");
    ++*done;
}

/* The same batch, to be sent. */
static struct batch *copy_batch(struct arena *arena, const struct batch *batch, size_t *done)
{
    struct batch *copy = arena_alloc(arena, sizeof *copy);
    *copy = (struct batch){ .lane = batch->lane,
                            .steps = arena_alloc(arena, batch->step_count * sizeof *copy->steps),
                            .step_count = batch->step_count,
                            .deadline_us = INT64_MAX,
                            .on_done = on_done,
                            .context = done };
    for (size_t i = 0; i < batch->step_count; i++) {
        const struct step *step = &batch->steps[i];
        copy->steps[i] =
            (struct step){ .statement = step->statement, .together = step->together, .values = step->values };
    }
    return copy;
}

/* The client's side of it: what PostgreSQL itself does is another process's. */
void stage_database(struct operation *operation)
{
    struct road *road = operation->road;
    size_t done = 0;
    arena_reset(operation->scratch);
    for (size_t i = 0; i < operation->crowd; i++)
        database_submit(road->database, copy_batch(operation->scratch, operation->call.batch, &done));
    while (done < operation->crowd)
        event_base_loop(road->base, EVLOOP_ONCE);
}

void stage_rows(struct operation *operation)
{
    struct call *call = &operation->call;
    arena_reset(operation->scratch);
    call->arena = operation->scratch;
    call->batch->on_done(call->batch, BATCH_DONE, call);
    if (call->problem.status != STATUS_OK)
        road_fail(operation->name, call->problem.code);
}
