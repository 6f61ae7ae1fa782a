/* worker_stages.c -- the stages of a worker: from a request to the batch of its statements, from their rows to a reply. */
#include "tests/bench/stages/cuts.h"
#include "tests/bench/stages/road.h"
#include "tests/bench/stages/stages.h"

#include "common/clock.h"
#include "common/execute.h"

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
    cuts.batch = NULL;
    execute(&operation->call, NULL, &operation->road->plans, on_end);
    if (!cuts.batch)
        road_fail(operation->name, operation->call.problem.code);
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
