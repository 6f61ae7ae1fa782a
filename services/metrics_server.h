/* metrics_server.h -- /metrics on a port of its own, in a thread of its own: it answers even while a role is stuck. */
#ifndef CAMPUS_METRICS_SERVER_H
#define CAMPUS_METRICS_SERVER_H

#include <stdbool.h>

struct metrics;
struct metrics_server;

/* An empty `listen` starts none: *server stays NULL. False after one log line. */
bool metrics_server_start(struct metrics_server **server, struct metrics *metrics, const char *listen)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void metrics_server_stop(struct metrics_server *server);

#endif
