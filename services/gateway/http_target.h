/* http_target.h -- whether a request target and a Host are what this server admits: pure checks of bytes. */
#ifndef CAMPUS_GATEWAY_HTTP_TARGET_H
#define CAMPUS_GATEWAY_HTTP_TARGET_H

#include "common/slice.h"

/* Splits a target at its "?": in origin form (RFC 9112 §3.2.1), or of http or https in absolute form (§3.2.2), whose
 * authority is checked and left aside. False where it is anything else, or says one thing in a way that another program
 * may read as a different one: an empty or a dot segment, however encoded, an encoded slash, backslash or NUL, a fragment,
 * a user before the host, a byte that belongs percent-encoded. A slash at the end is admitted. */
bool http_target_split(struct slice target, struct slice *path, struct slice *query)
    __attribute__((warn_unused_result));

/* Whether it is a uri-host with or without a port (RFC 9112 §3.2, RFC 3986 §3.2.2), and not empty. */
bool http_host_valid(struct slice host);

/* A method or a field name: tchar of RFC 9110 §5.6.2, at least one. */
bool http_token_valid(struct slice token);

#endif
