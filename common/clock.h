/* clock.h -- times in int64 microseconds. */
#ifndef CAMPUS_CLOCK_H
#define CAMPUS_CLOCK_H

#include <stdint.h>
#include <time.h>

/* For deadlines and durations: never goes back. */
static inline int64_t clock_monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Since 1970, UTC. For ids and logs; the domain's time is the database's campus.now(). */
static inline int64_t clock_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

#endif
