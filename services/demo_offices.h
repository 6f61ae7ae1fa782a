/* demo_offices.h -- who holds which office on the demo campus. */
#ifndef CAMPUS_DEMO_OFFICES_H
#define CAMPUS_DEMO_OFFICES_H

#include "services/demo_call.h"

/* The organisations to staff, and the people to do it with, each of whom gets one office at most. */
struct demo_staff {
    const struct slice *paths, *kinds; /* of the organisations */
    size_t organisation_count;
    const char *const *people; /* ids */
    size_t people_count;
};

/* Establishes the offices of demo/offices.csv and appoints to them. Run again it changes nothing. */
bool demo_offices_load(struct demo_caller *caller, struct arena *arena, const struct demo_staff *staff)
    __attribute__((warn_unused_result));

#endif
