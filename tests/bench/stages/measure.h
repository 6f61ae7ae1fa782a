/* measure.h -- what one run of a piece of code costs: time, instructions, allocations. */
#ifndef CAMPUS_TESTS_STAGES_MEASURE_H
#define CAMPUS_TESTS_STAGES_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

/* Costs of one. Below zero: this machine, or this build, cannot tell. */
struct cost {
    double ns, least_ns, most_ns; /* of processors, by all threads: the median of the repetitions, and their spread */
    double instructions; /* in user space, of all threads */
    double allocations; /* calls of malloc, calloc and realloc, of all threads */
};

struct measured {
    void (*settle)(void *context); /* before each repetition and not measured, or NULL */
    void (*run)(void *context);
    void *context;
};

/* Before the first thread: those that are there already are not counted. */
void measure_open(void);
void measure_close(void);
/* Repeats until the figures are worth quoting: some 50 ms. Each run does `times` what is to be told the cost of. */
struct cost measure(const struct measured *measured, size_t times);

/* Calls of malloc, calloc and realloc so far; -1 where a sanitizer has them. (allocations.c) */
long allocations_so_far(void);

#endif
