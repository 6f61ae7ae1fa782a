/* aside.h -- work that would hold an event loop too long, on threads beside it. The loop goes on meanwhile: it hears pings and
 * answers others. Each kind of work has a lane of its own, so that none waits for another's. */
#ifndef CAMPUS_ASIDE_H
#define CAMPUS_ASIDE_H

#include <stdbool.h>
#include <stdint.h>

struct aside;
struct event_base;

enum aside_lane {
    ASIDE_NONE, /* in the loop */
    ASIDE_LONG, /* reading a file: one job after another, in the order in which they came */
    ASIDE_HASH, /* passwords: two at once, behind all else, and few may wait */
    ASIDE_NETWORK, /* blocking calls of other servers, each within a time limit of its own: several at once, few may wait */
    ASIDE_JOBS, /* what a service does by itself (common/job.h), one after another */
    ASIDE_LANES
};

/* Its owner's until on_done. */
struct aside_job {
    /* On the thread: may touch what is the job's own, and what nobody changes. */
    void (*work)(void *context);
    /* In the loop, once, never from within aside_submit(). worked is false where aside_close() came before the work. */
    void (*on_done)(bool worked, void *context);
    void *context;
    uint64_t client; /* whose it is: of the places that are left a client has no more than half; 0: nobody's */
    /* The aside's own: */
    struct aside_job *next;
    enum aside_lane lane;
    bool worked;
};

/* `role` is what the threads' log lines are under: a static string. */
struct aside *aside_open(struct event_base *base, const char *role);
/* False, and the job is its owner's again, where too many wait in the lane. */
bool aside_submit(struct aside *aside, enum aside_lane lane, struct aside_job *job) __attribute__((warn_unused_result));
/* Waits for the jobs at work, then ends all. NULL is fine. */
void aside_close(struct aside *aside);

#endif
