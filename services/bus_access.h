/* bus_access.h -- what a bus over tcp asks of a process: its keys, and who answers for others' keys. Without them it does not
 * start. */
#ifndef CAMPUS_BUS_ACCESS_H
#define CAMPUS_BUS_ACCESS_H

#include "common/curve.h"
#include "common/settings.h"

struct zap;

struct bus_access {
    struct curve_keys keys;
    bool needed; /* some endpoint is tcp: only then are there keys */
    struct zap *zap; /* where a gateway binds tcp */
};

/* `gateway` and `worker`: whether the process is such a one. False with *error, in the arena. */
bool bus_access_open(struct arena *arena, struct bus_access *access, void *zmq, const struct settings *settings,
                     bool gateway, bool worker, const char **error) __attribute__((warn_unused_result));
/* When the roles have ended; the context ends with it. */
void bus_access_close(struct bus_access *access);

#endif
