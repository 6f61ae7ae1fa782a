/* http_framing.h -- what a head says about its message: its length, its coding, what is expected. Pure. */
#ifndef CAMPUS_GATEWAY_HTTP_FRAMING_H
#define CAMPUS_GATEWAY_HTTP_FRAMING_H

#include "services/gateway/http.h"

/* The fields that decide where a message ends and whom it is for; NULL where absent. */
struct http_framing {
    const struct slice *host, *length, *coding, *expect, *upgrade;
};

/* Finds them. False where they contradict each other, stand twice, or are malformed: then nobody can say for sure where
 * the message ends (RFC 9112 §6.3). `old` is HTTP/1.0. */
bool http_framing_read(struct http_framing *framing, const struct http_request *request, bool old)
    __attribute__((warn_unused_result));

#endif
