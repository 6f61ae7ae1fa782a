/* metrics_server.h -- /metrics and /readyz on a port of their own, in a thread of their own, which answers even while a role
 * is stuck. */
#ifndef CAMPUS_METRICS_SERVER_H
#define CAMPUS_METRICS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct metrics;
struct metrics_server;

/* /readyz is 200 once `roles` roles publish and are ready. An empty `listen` starts none: *server stays NULL. False after one log line. */
bool metrics_server_start(struct metrics_server **server, struct metrics *metrics, size_t roles, const char *listen)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void metrics_server_stop(struct metrics_server *server);

#endif
