/* http.h -- the gateway's HTTP/1.1 server (RFC 9110, 9112): connections, limits, phases, answers in order.
 *
 * llhttp parses, libevent's bufferevents carry. Knows no JSON, no route and no service: hands over whole, bounded
 * requests and writes answers. What is broken is refused and the connection closed. */
#ifndef CAMPUS_GATEWAY_HTTP_H
#define CAMPUS_GATEWAY_HTTP_H

#include "common/arena.h"
#include "common/slice.h"
#include "common/status.h"
#include "services/gateway/address.h"

#include <stdio.h>

struct http_server;
struct event_base;
struct sockaddr_storage;
struct http_exchange;
struct http_response;
struct forwarded_trust;
struct limits;

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER
};

struct http_header {
    struct slice name; /* lower case */
    struct slice value; /* trimmed */
};

/* One request, whole. All slices live until the answer. */
struct http_request {
    enum http_method method;
    struct slice path; /* as sent: percent-encoded, begins with "/", no dot segments, no empty ones */
    struct slice query; /* as sent, without "?"; size 0 where there is none */
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    struct address address; /* of who is connected: the client, or a proxy before it */
};

/* The value of a header that must stand at most once; NULL when absent. *twice is set when it stands more often. */
const struct slice *http_header_find(const struct http_request *request, const char *name, bool *twice);
/* The same, NULL also where it stands more often. */
const struct slice *http_header_once(const struct http_request *request, const char *name);

/* What answers: one exchange at a time a connection, in order. */
struct http_handler {
    /* The header section has come and announces a body: how many bytes of it are admitted. The path and the headers are
     * there. Return 0 to admit none (400 body_not_allowed); more than admitted is 413 too_large. Not asked for GET, HEAD and
     * DELETE, which have none. */
    size_t (*body_limit)(const struct http_request *head, void *context);
    /* A whole request. The handler answers exactly once with http_respond(), now or later. */
    void (*on_request)(struct http_exchange *exchange, const struct http_request *request, void *context);
    /* Broken or unfinished HTTP: adds headers and a body to the refusal that will be sent before the connection closes; its
     * status is there. `code` is of common/status.h. May be NULL. */
    void (*on_refusal)(const char *code, struct arena *arena, struct http_response *response, void *context);
    /* The client has gone before its answer: forget the exchange's work. http_respond() must not be called any more. */
    void (*on_abort)(struct http_exchange *exchange, void *context);
    void *context;
};

struct http_options {
    const char *listen; /* "127.0.0.1:8080", "[::]:8080"; port 0 takes a free one */
    bool reuse_port; /* others may listen on the same port: see http_listen() and http_succession.h */
    uint32_t max_connections, max_connections_address; /* at once, and from one address; more are refused with 503 */
    struct limits *arrivals; /* how often one address may connect; NULL: any. Borrowed */
    size_t body_memory; /* bytes that large bodies may take at once; a quarter of it from one address. 0: any */
    const struct forwarded_trust *trusted; /* proxies, to which the limits of one address do not apply; may be NULL */
    const char *tls_certificate_file, *tls_key_file; /* PEM, watched for changes; NULL or "": no TLS */
    uint32_t header_ms, body_ms, idle_ms, write_ms; /* how long each phase may take as a whole */
    const struct http_handler *handler;
};

/* "127.0.0.1:8080" to an address. *size is the storage's and becomes the address's. */
bool http_parse_listen(const char *text, struct sockaddr_storage *address, int *size)
    __attribute__((warn_unused_result));

/* NULL with *error (a static string) naming the reason. Ignores SIGPIPE for the process. With reuse_port the address is
 * taken, but nobody can connect yet. */
struct http_server *http_open(struct event_base *base, const struct http_options *options, const char **error);
/* For reuse_port: takes its share of what connects, when requests can be answered. False with *error, as http_open(). */
bool http_listen(struct http_server *server, const char **error) __attribute__((warn_unused_result));
uint16_t http_port(const struct http_server *server);
/* Stops listening, which with reuse_port takes a while; answers with Connection: close whatever still comes on the
 * connections that are there, soon, and closes those that have been idle for long. */
void http_drain(struct http_server *server);
bool http_drained(const struct http_server *server); /* whether that has come to its end */
size_t http_connections(const struct http_server *server);
/* Closes all, unanswered exchanges through on_abort. Not from within the handler. NULL is fine. */
void http_close(struct http_server *server);
void http_metrics(const struct http_server *server, FILE *out);

/* Memory of the exchange: lives until its answer is queued. */
struct arena *http_arena(struct http_exchange *exchange);
/* Where the handler keeps its own state of the exchange. */
void http_set_context(struct http_exchange *exchange, void *context);
void *http_context(const struct http_exchange *exchange);

struct http_response {
    int status;
    struct slice type; /* media type; size 0: no body */
    struct slice headers; /* further complete lines, each ending in CRLF */
    struct slice body; /* left out on HEAD, 204 and 304, with the length kept on HEAD */
    bool lasting; /* the body outlives the server, so that a large one need not be copied, as any other is */
    bool hasty; /* the client asks too often: what it asks next on this connection waits, at most for a second */
};

/* In on_request, or later and then it writes at once. Never calls the handler. The exchange ends with it. */
void http_respond(struct http_exchange *exchange, const struct http_response *response);

#endif
