/* service.h -- a role of the program: its thread, its loop, its graceful stop. */
#ifndef CAMPUS_SERVICE_H
#define CAMPUS_SERVICE_H

#include "common/method.h"
#include "common/pagetoken.h"
#include "common/settings.h"

struct curve_keys;
struct metrics;

/* What every role gets. All of it outlives the role. */
struct role_options {
    const struct settings *settings;
    const struct schema *schema;
    void *zmq;
    struct metrics *metrics;
    const struct curve_keys *keys; /* of a bus over tcp, or NULL */
    uint8_t secret[PAGE_SECRET]; /* the server's */
    bool without_jobs; /* a command's own: it leaves the service's jobs to those that serve */
    int stop_fd; /* an eventfd: readable when the role is to stop gracefully */
};

/* Whether the role has been told to stop; takes the word. */
bool role_told_to_stop(const struct role_options *options);

/* Runs a service until it is told to stop. 0, or 1 after one log line that says why it could not start. */
int service_run(const struct service *service, const struct role_options *options) __attribute__((warn_unused_result));

#endif
