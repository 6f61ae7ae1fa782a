/* report.h -- what a worker tells gateways of itself: its database, its lanes, how far behind its facts are, what waits for its jobs. */
#ifndef CAMPUS_REPORT_H
#define CAMPUS_REPORT_H

#include "common/plan.h"

struct event_base;
struct job;
struct report;
typedef struct Campus__Bus__WorkerReport WorkerReport; /* build/status.pb-c.h */

/* Looks up the facts' lag, and what waits for jobs, every few seconds from now on. What it is given is borrowed. */
struct report *report_start(struct event_base *base, struct database *database, const struct plans *plans);
/* This worker leaves what waits for that job to others. */
void report_left(struct report *report, const struct job *job);
/* Looks at the database: once a second or so, so that it is known since when it is as it is. */
void report_look(struct report *report);
/* A report of this moment, in the arena. `pending`: calls under way. */
WorkerReport *report_make(struct report *report, struct arena *arena, size_t pending);
/* After the database is closed. NULL is fine. */
void report_free(struct report *report);

#endif
