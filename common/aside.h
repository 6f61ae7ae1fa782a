/* aside.h -- work that would hold an event loop too long, on a thread beside it: one job after another, in the order in
 * which they came. The loop goes on meanwhile: it hears pings and answers others. */
#ifndef CAMPUS_ASIDE_H
#define CAMPUS_ASIDE_H

#include <stdbool.h>

struct aside;
struct event_base;

/* Its owner's until on_done. */
struct aside_job {
    /* On the thread: may touch what is the job's own, and what nobody changes. */
    void (*work)(void *context);
    /* In the loop, once, never from within aside_submit(). worked is false where aside_close() came before the work. */
    void (*on_done)(bool worked, void *context);
    void *context;
    /* The aside's own: */
    struct aside_job *next;
    bool worked;
};

/* `role` is what the thread's log lines are under: a static string. */
struct aside *aside_open(struct event_base *base, const char *role);
void aside_submit(struct aside *aside, struct aside_job *job);
/* Waits for the job at work, then ends all. NULL is fine. */
void aside_close(struct aside *aside);

#endif
