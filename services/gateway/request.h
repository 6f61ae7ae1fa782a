/* request.h -- an HTTP request as its method's message in wire format: path, query and body by the contract. Pure. */
#ifndef CAMPUS_GATEWAY_REQUEST_H
#define CAMPUS_GATEWAY_REQUEST_H

#include "common/buffer.h"
#include "common/json.h"
#include "services/gateway/route.h"

struct request_message {
    struct buffer wire;
    struct json_set set; /* of a merge patch */
};

/* False with every complaint in `problem`. All memory is the arena's; slices of the request are borrowed. */
bool request_read(struct arena *arena, const struct route_match *match, const struct http_request *request,
                  struct request_message *message, struct problem *problem) __attribute__((warn_unused_result));

/* How large a body may be that is sent to this route. */
size_t request_body_limit(const struct rpc *rpc);

#endif
