/* test_metrics.c -- each role's text, handed out by one server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/metrics.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_US = 20 * 1000000 };

static struct metrics *metrics;
static struct event_base *base;

static int set_up(void **state)
{
    (void)state;
    metrics = metrics_new();
    base = event_base_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    metrics_free(metrics);
    return 0;
}

/* Counts how often it was asked: "name 1\n", then "name 2\n" ... */
struct role {
    const char *name;
    unsigned asked;
    bool ready;
};

static bool is_ready(void *context)
{
    return ((struct role *)context)->ready;
}

#define SOURCE(each) ((struct metrics_source){ (each).name, tell, is_ready, &(each) })

static void tell(FILE *out, void *context)
{
    struct role *role = context;
    fprintf(out, "%s %u\n", role->name, ++role->asked);
}

static void assert_written(const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    metrics_write(metrics, out);
    fclose(out);
    bool same = strcmp(text, expected) == 0;
    if (!same)
        print_error("%s", text);
    free(text);
    assert_true(same);
}

static void test_published_at_once_and_until_the_end(void **state)
{
    (void)state;
    struct role a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" };
    assert_written("");
    struct metrics_page *first = metrics_start(metrics, base, &SOURCE(a));
    assert_written("a 1\n");
    struct metrics_page *second = metrics_start(metrics, base, &SOURCE(b));
    struct metrics_page *third = metrics_start(metrics, base, &SOURCE(c));
    assert_written("c 1\nb 1\na 1\n");
    assert_written("c 1\nb 1\na 1\n"); /* reading asks nobody */
    metrics_stop(second);
    assert_written("c 1\na 1\n");
    metrics_stop(third);
    metrics_stop(first);
    assert_written("");
}

/* The line that names who is not ready; "" where all are. */
static void assert_unready(size_t roles, const char *expected)
{
    char said[64] = "";
    FILE *out = fmemopen(said, sizeof said, "w");
    assert_int_equal(metrics_ready(metrics, roles, out), *expected == '\0');
    fclose(out);
    assert_string_equal(said, expected);
}

static void test_ready_when_every_role_is(void **state)
{
    (void)state;
    struct role a = { .name = "a", .ready = true }, b = { .name = "b" };
    assert_unready(1, "starting\n");
    struct metrics_page *first = metrics_start(metrics, base, &SOURCE(a));
    assert_unready(1, "");
    assert_unready(2, "starting\n");
    struct metrics_page *second = metrics_start(metrics, base, &SOURCE(b));
    assert_unready(2, "b\n");
    b.ready = true;
    assert_unready(2, "b\n"); /* as it was published */
    metrics_refresh(second);
    assert_unready(2, "");
    metrics_stop(second);
    metrics_stop(first);
}

static void test_published_anew_every_second(void **state)
{
    (void)state;
    struct role a = { .name = "a" };
    int64_t begun_us = clock_monotonic_us();
    struct metrics_page *page = metrics_start(metrics, base, &SOURCE(a));
    while (a.asked < 2 && clock_monotonic_us() < begun_us + PATIENCE_US)
        event_base_loop(base, EVLOOP_ONCE);
    assert_written("a 2\n");
    assert_true(clock_monotonic_us() - begun_us >= 900000);
    metrics_stop(page);
    assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1); /* no event is left */
}

static atomic_bool stopped;

static void *read_pages(void *context)
{
    (void)context;
    while (!stopped) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        metrics_write(metrics, out);
        fclose(out);
        free(text);
    }
    return NULL;
}

/* For the sanitizers: a reader in another thread while pages come and go. */
static void test_reader_in_another_thread(void **state)
{
    (void)state;
    pthread_t reader;
    struct role a = { .name = "a" };
    stopped = false;
    assert_int_equal(pthread_create(&reader, NULL, read_pages, NULL), 0);
    for (int i = 0; i < 2000; i++)
        metrics_stop(metrics_start(metrics, base, &SOURCE(a)));
    stopped = true;
    pthread_join(reader, NULL);
    assert_written("");
}

static void test_nothing_to_free(void **state)
{
    (void)state;
    metrics_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_published_at_once_and_until_the_end),
        TEST(test_ready_when_every_role_is),
        TEST(test_published_anew_every_second),
        TEST(test_reader_in_another_thread),
        TEST(test_nothing_to_free),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
