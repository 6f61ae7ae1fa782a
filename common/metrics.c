/* metrics.c -- pages under one lock, held only to swap or to copy a text. */
#include "common/metrics.h"

#include "common/clock.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

enum { STUCK_US = 5000000 }; /* a role that has not published for so long is not ready, whatever it said then */

struct metrics_page {
    struct metrics_page *next;
    struct metrics *metrics;
    struct event *timer;
    struct metrics_source source;
    char *text;
    bool ready; /* as the text: of the last publication */
    int64_t published_us;
};

struct metrics {
    pthread_mutex_t lock;
    struct metrics_page *pages;
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        abort();
    pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

void metrics_write(struct metrics *metrics, FILE *out)
{
    pthread_mutex_lock(&metrics->lock);
    for (struct metrics_page *page = metrics->pages; page; page = page->next)
        if (page->text)
            fputs(page->text, out);
    pthread_mutex_unlock(&metrics->lock);
}

bool metrics_ready(struct metrics *metrics, size_t roles, FILE *out)
{
    size_t pages = 0;
    const char *unready = NULL;
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&metrics->lock);
    for (struct metrics_page *page = metrics->pages; page; page = page->next, pages++)
        if (!page->ready || now_us - page->published_us > STUCK_US)
            unready = page->source.role;
    pthread_mutex_unlock(&metrics->lock);
    if (!unready && pages < roles)
        unready = "starting";
    if (unready)
        fprintf(out, "%s\n", unready);
    return !unready;
}

void metrics_refresh(struct metrics_page *page)
{
    char *text = NULL, *old;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    page->source.write(out, page->source.context);
    fclose(out);
    bool ready = page->source.ready(page->source.context);
    pthread_mutex_lock(&page->metrics->lock);
    old = page->text;
    page->text = text;
    page->ready = ready;
    page->published_us = clock_monotonic_us();
    pthread_mutex_unlock(&page->metrics->lock);
    free(old);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    metrics_refresh(context);
}

struct metrics_page *metrics_start(struct metrics *metrics, struct event_base *base,
                                   const struct metrics_source *source)
{
    const struct timeval every = { .tv_sec = 1 };
    struct metrics_page *page = calloc(1, sizeof *page);
    if (!page)
        abort();
    *page = (struct metrics_page){ .metrics = metrics, .source = *source };
    page->timer = event_new(base, -1, EV_PERSIST, on_timer, page);
    event_add(page->timer, &every);
    pthread_mutex_lock(&metrics->lock);
    page->next = metrics->pages;
    metrics->pages = page;
    pthread_mutex_unlock(&metrics->lock);
    metrics_refresh(page);
    return page;
}

void metrics_stop(struct metrics_page *page)
{
    pthread_mutex_lock(&page->metrics->lock);
    struct metrics_page **link = &page->metrics->pages;
    while (*link != page)
        link = &(*link)->next;
    *link = page->next;
    pthread_mutex_unlock(&page->metrics->lock);
    event_free(page->timer);
    free(page->text);
    free(page);
}
