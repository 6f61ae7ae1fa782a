/* metrics.c -- pages under one lock, held only to swap or to copy a text. */
#include "common/metrics.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

struct metrics_page {
    struct metrics_page *next;
    struct metrics *metrics;
    struct event *timer;
    void (*write)(FILE *out, void *context);
    void *context;
    char *text;
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

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct metrics_page *page = context;
    char *text = NULL, *old;
    size_t size;
    (void)fd, (void)what;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    page->write(out, page->context);
    fclose(out);
    pthread_mutex_lock(&page->metrics->lock);
    old = page->text;
    page->text = text;
    pthread_mutex_unlock(&page->metrics->lock);
    free(old);
}

struct metrics_page *metrics_start(struct metrics *metrics, struct event_base *base,
                                   void (*write)(FILE *out, void *context), void *context)
{
    const struct timeval every = { .tv_sec = 1 };
    struct metrics_page *page = calloc(1, sizeof *page);
    if (!page)
        abort();
    *page = (struct metrics_page){ .metrics = metrics, .write = write, .context = context };
    page->timer = event_new(base, -1, EV_PERSIST, on_timer, page);
    event_add(page->timer, &every);
    pthread_mutex_lock(&metrics->lock);
    page->next = metrics->pages;
    metrics->pages = page;
    pthread_mutex_unlock(&metrics->lock);
    on_timer(-1, 0, page);
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
