/* gateway.h -- the role that offers the services as HTTP and JSON. */
#ifndef CAMPUS_GATEWAY_GATEWAY_H
#define CAMPUS_GATEWAY_GATEWAY_H

#include "common/service.h"

/* Runs until it is told to stop. 0, or 1 after one log line that says why it could not start. */
int gateway_run(const struct role_options *options) __attribute__((warn_unused_result));

#endif
