/* identity.h -- which process this is and for how long, for what it tells of itself. */
#ifndef CAMPUS_IDENTITY_H
#define CAMPUS_IDENTITY_H

#include "common/clock.h"

#include <string.h>
#include <unistd.h>

struct identity {
    uint32_t pid;
    char host[65];
    int64_t since_us; /* clock_monotonic_us() */
};

static inline struct identity identity_new(void)
{
    struct identity identity = { .pid = (uint32_t)getpid(), .since_us = clock_monotonic_us() };
    if (gethostname(identity.host, sizeof identity.host - 1) != 0)
        strcpy(identity.host, "?");
    return identity;
}

/* Whole seconds since a moment of the monotonic clock. */
static inline uint64_t seconds_since(int64_t since_us)
{
    return (uint64_t)(clock_monotonic_us() - since_us) / 1000000;
}

#endif
