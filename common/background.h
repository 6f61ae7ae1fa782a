/* background.h -- what a service does by itself: a batch of framework statements at an interval, again at once while
 * there is more. */
#ifndef CAMPUS_BACKGROUND_H
#define CAMPUS_BACKGROUND_H

#include "common/plan.h"

struct background;
struct event_base;

struct background_job {
    size_t prepared[2]; /* the statements in order: a lock and the work, or the work alone */
    size_t count;
    uint32_t every_ms;
    int64_t full; /* the last statement's count at which there may be more; 0: never */
    void (*on_result)(const PGresult *result, void *context); /* gets the last statement's; or NULL */
    void *context;
};

struct background *background_start(struct event_base *base, struct database *database, const struct plans *plans,
                                    struct background_job job);
/* Stops the interval; a batch on its way must have ended (the database is closed first). NULL is fine. */
void background_free(struct background *background);

#endif
