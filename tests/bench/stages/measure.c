/* measure.c -- lots of runs between two looks at the clock and the counters; the median of the lots. */
#include "tests/bench/stages/measure.h"

#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOTS = 15, LOT_NS = 3000000 };

static int counter = -1; /* of perf_event_open(2); -1 where there is none */

void measure_open(void)
{
    struct perf_event_attr what = { .type = PERF_TYPE_HARDWARE,
                                    .size = sizeof what,
                                    .config = PERF_COUNT_HW_INSTRUCTIONS,
                                    .inherit = 1,
                                    .exclude_kernel = 1,
                                    .exclude_hv = 1 };
    counter = (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void measure_close(void)
{
    if (counter >= 0)
        close(counter);
}

static int64_t instructions_so_far(void)
{
    int64_t count;
    return counter >= 0 && read(counter, &count, sizeof count) == sizeof count ? count : -1;
}

/* Of the processors, for all threads: what others run meanwhile is not in it. */
static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* What a whole lot has cost. */
struct lot {
    int64_t ns, instructions, allocations;
};

static struct lot look(void)
{
    return (struct lot){ .instructions = instructions_so_far(), .allocations = allocations_so_far(), .ns = now_ns() };
}

static struct lot run_lot(const struct measured *measured, size_t size)
{
    if (measured->settle)
        measured->settle(measured->context);
    struct lot before = look();
    for (size_t i = 0; i < size; i++)
        measured->run(measured->context);
    int64_t end_ns = now_ns();
    struct lot after = look();
    return (struct lot){ .ns = end_ns - before.ns,
                         .instructions = before.instructions < 0 ? -1 : after.instructions - before.instructions,
                         .allocations = before.allocations < 0 ? -1 : after.allocations - before.allocations };
}

/* How many runs take long enough for the clock; warms up on the way. */
static size_t lot_size(const struct measured *measured)
{
    size_t size = 1;
    while (run_lot(measured, size).ns < LOT_NS)
        size *= 2;
    return size;
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

struct cost measure(const struct measured *measured, size_t times)
{
    size_t size = lot_size(measured);
    double runs = (double)(size * times);
    int64_t ns[LOTS], instructions[LOTS], allocations[LOTS];
    for (size_t i = 0; i < LOTS; i++) {
        struct lot lot = run_lot(measured, size);
        ns[i] = lot.ns;
        instructions[i] = lot.instructions;
        allocations[i] = lot.allocations;
    }
    qsort(ns, LOTS, sizeof *ns, by_value);
    qsort(instructions, LOTS, sizeof *instructions, by_value);
    qsort(allocations, LOTS, sizeof *allocations, by_value);
    return (struct cost){ .ns = (double)ns[LOTS / 2] / runs,
                          .least_ns = (double)ns[0] / runs,
                          .most_ns = (double)ns[LOTS - 1] / runs,
                          .instructions = instructions[0] < 0 ? -1 : (double)instructions[LOTS / 2] / runs,
                          .allocations = allocations[0] < 0 ? -1 : (double)allocations[LOTS / 2] / runs };
}
