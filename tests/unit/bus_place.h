/* bus_place.h -- where the sockets of a test of the bus meet, and the loop that a test runs until something holds. */
#ifndef CAMPUS_TESTS_BUS_PLACE_H
#define CAMPUS_TESTS_BUS_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"

#include <event2/event.h>
#include <stdbool.h>

enum { PATIENCE_MS = 10000 };

struct bus_place {
    void *zmq;
    char folder[32], ipc[64]; /* its endpoint */
};

/* Ends the program two minutes later, should the test still run: a failed one leaves threads and sockets behind, for which
 * its tear-down would wait. */
struct bus_place bus_place_open(void);
/* Waits for all sockets of the place to be closed. */
void bus_place_close(struct bus_place *place);

/* For tests whose state is a place. */
int bus_place_set_up(void **state);
int bus_place_tear_down(void **state);

#define BUS_TEST(function) cmocka_unit_test_setup_teardown(function, bus_place_set_up, bus_place_tear_down)

/* A loop that turns now and then although nothing happens. */
struct bus_loop {
    struct event_base *base;
    struct event *heartbeat;
};

struct bus_loop bus_loop_open(void);
void bus_loop_close(struct bus_loop *loop);

/* Runs the loop of what has one until the condition holds, at most PATIENCE_MS. */
#define RUN_UNTIL(owner, condition)                                                                                    \
    do {                                                                                                               \
        bool met;                                                                                                      \
        int64_t until_us = clock_monotonic_us() + PATIENCE_MS * 1000;                                                  \
        while (!(met = (condition)) && clock_monotonic_us() < until_us)                                                \
            event_base_loop((owner)->loop.base, EVLOOP_ONCE);                                                          \
        assert_true(met);                                                                                              \
    } while (0)

#endif
