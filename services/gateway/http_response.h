/* http_response.h -- an answer as bytes. Pure. */
#ifndef CAMPUS_GATEWAY_HTTP_RESPONSE_H
#define CAMPUS_GATEWAY_HTTP_RESPONSE_H

#include "services/gateway/http.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL (RFC 9110 §5.6.7). */
enum { HTTP_DATE_SIZE = 30 };

/* What an answer owes to its request and its connection. */
struct http_manner {
    const char *date;
    bool head; /* the request was HEAD */
    bool close; /* the connection ends with it */
    bool old; /* the request was HTTP/1.0, for which to go on is not the default */
};

/* More than http_response_write() will write. */
size_t http_response_bound(const struct http_response *response);
/* Of how many bytes the body is that the caller adds behind what http_response_write() wrote, by reference: a large one
 * that lasts. 0: it is written with the rest, or there is none. */
size_t http_response_referred(const struct http_response *response, const struct http_manner *manner);
/* Status line, headers and a body that is not referred to, in one run of bytes; returns its size. */
size_t http_response_write(uint8_t *out, const struct http_response *response, const struct http_manner *manner);

#endif
