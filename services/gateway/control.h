/* control.h -- the gateway's endpoint for operators' commands: calls as the operator, and the gateway's status.
 *
 * A ROUTER of its own: what workers say is not heard here, and what operators say is not heard on the bus. Whoever may
 * open the socket may do everything, so only the gateway's own user can (mode 0600). A gateway that starts takes the place
 * of one that is there: its predecessor goes on with the connections that it has. */
#ifndef CAMPUS_GATEWAY_CONTROL_H
#define CAMPUS_GATEWAY_CONTROL_H

#include "common/arena.h"
#include "services/gateway/dispatch.h"

struct control;

enum {
    CONTROL_MOST_CALLS = 64, /* under way at once: one more is refused as unavailable */
    CONTROL_LONGEST_CALL_MS = 600000,
};

struct control_options {
    const char *endpoint;
    const struct schema *schema;
    struct dispatcher *dispatcher;
    size_t max_message;
    /* The gateway's state as a GatewayStatus in wire format, in the arena. */
    struct slice (*status)(struct arena *arena, void *context);
    void *context;
};

/* What is wrong with an endpoint as a value of the setting, or NULL. */
const char *control_endpoint_fault(const char *endpoint);
/* Where an endpoint without a fault lies in the file system. */
const char *control_endpoint_path(const char *endpoint);

/* On NULL, *error (in the arena) names the setting. */
struct control *control_open(struct arena *arena, struct event_base *base, void *zmq,
                             const struct control_options *options, const char **error)
    __attribute__((warn_unused_result));
/* Refuses calls from now on; what is under way is still answered. NULL is fine. */
void control_drain(struct control *control);
/* Cancels what is under way. Before the dispatcher is closed. NULL is fine. */
void control_close(struct control *control);

#endif
