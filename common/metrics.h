/* metrics.h -- what each role tells of itself, in the Prometheus text format and as a yes or no, for one server to hand out.
 *
 * Roles are threads and share nothing: each renders its own text in its own loop once a second and publishes it here. */
#ifndef CAMPUS_METRICS_H
#define CAMPUS_METRICS_H

#include <stdbool.h>
#include <stdio.h>

struct metrics;
struct metrics_page; /* one role's text, published again and again */
struct event_base;

/* Where a role's text comes from, and whether the role is ready for work. Called in the role's own loop. */
struct metrics_source {
    const char *role; /* borrowed */
    void (*write)(FILE *out, void *context);
    bool (*ready)(void *context);
    void *context;
};

struct metrics *metrics_new(void);
/* After all threads have ended. NULL is fine. */
void metrics_free(struct metrics *metrics);
/* All pages, one behind another. Any thread. */
void metrics_write(struct metrics *metrics, FILE *out);

/* Whether so many roles publish and all of them are ready. The first that is not is printed on `out`, with a line feed. Any
 * thread. */
bool metrics_ready(struct metrics *metrics, size_t roles, FILE *out);

/* Publishes what the source tells, now and every second in this loop, until metrics_stop(). */
struct metrics_page *metrics_start(struct metrics *metrics, struct event_base *base,
                                   const struct metrics_source *source);
/* Publishes now, since something has changed. */
void metrics_refresh(struct metrics_page *page);
void metrics_stop(struct metrics_page *page);

#endif
