/* bus_place.c -- a context of sockets, a folder for one of them, and a loop that turns. */
#include "tests/unit/bus_place.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { TERM_SECONDS = 10 };

struct bus_place bus_place_open(void)
{
    alarm(120);
    struct bus_place place = { .zmq = zmq_ctx_new(), .folder = "/tmp/campus-bus-XXXXXX" };
    assert_non_null(mkdtemp(place.folder));
    snprintf(place.ipc, sizeof place.ipc, "ipc://%s/bus", place.folder);
    return place;
}

static void *term(void *zmq)
{
    zmq_ctx_term(zmq);
    return NULL;
}

/* A test that fails leaves its sockets open, for which zmq_ctx_term() waits without end; cmocka tells of the failure only
 * after the test is torn down. */
static void term_or_leave(void *zmq)
{
    struct timespec latest;
    pthread_t thread;
    clock_gettime(CLOCK_REALTIME, &latest);
    latest.tv_sec += TERM_SECONDS;
    assert_int_equal(pthread_create(&thread, NULL, term, zmq), 0);
    if (pthread_timedjoin_np(thread, NULL, &latest) != 0)
        fprintf(stderr, "bus_place: sockets are still open after %d s\n", TERM_SECONDS);
}

void bus_place_close(struct bus_place *place)
{
    term_or_leave(place->zmq);
    unlink(place->ipc + strlen("ipc://"));
    rmdir(place->folder);
}

int bus_place_set_up(void **state)
{
    struct bus_place *place = malloc(sizeof *place);
    assert_non_null(place);
    *place = bus_place_open();
    *state = place;
    return 0;
}

int bus_place_tear_down(void **state)
{
    bus_place_close(*state);
    free(*state);
    return 0;
}

static void on_heartbeat(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
}

struct bus_loop bus_loop_open(void)
{
    static const struct timeval often = { .tv_usec = 2000 };
    struct bus_loop loop = { .base = event_base_new() };
    loop.heartbeat = event_new(loop.base, -1, EV_PERSIST, on_heartbeat, NULL);
    event_add(loop.heartbeat, &often);
    return loop;
}

void bus_loop_close(struct bus_loop *loop)
{
    event_free(loop->heartbeat);
    event_base_free(loop->base);
}
