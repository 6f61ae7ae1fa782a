/* operator.h -- who calls where nobody's key does: the operator behind the program's own commands, who may do all. */
#ifndef CAMPUS_OPERATOR_H
#define CAMPUS_OPERATOR_H

#include "common/arena.h"

typedef struct Campus__Bus__Request BusRequest; /* build/bus.pb-c.h */

/* Makes the operator the caller of a request, in place of whomever it names: the nil UUID with every permission, over the
 * whole campus. What it adds lies in the arena. */
void operator_calls(struct arena *arena, BusRequest *request);

#endif
