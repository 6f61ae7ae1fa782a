/* metrics.h -- what each role tells of itself, in the Prometheus text format, for one server to hand out.
 *
 * Roles are threads and share nothing: each renders its own text in its own loop once a second and publishes it here. */
#ifndef CAMPUS_METRICS_H
#define CAMPUS_METRICS_H

#include <stdio.h>

struct metrics;
struct metrics_page; /* one role's text, published again and again */
struct event_base;

struct metrics *metrics_new(void);
/* After all threads have ended. NULL is fine. */
void metrics_free(struct metrics *metrics);
/* All pages, one behind another. Any thread. */
void metrics_write(struct metrics *metrics, FILE *out);

/* Publishes what `write` tells, now and every second in this loop, until metrics_stop(). */
struct metrics_page *metrics_start(struct metrics *metrics, struct event_base *base,
                                   void (*write)(FILE *out, void *context), void *context);
void metrics_stop(struct metrics_page *page);

#endif
