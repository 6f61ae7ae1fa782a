/* http_connection.h -- the server's inside, shared by its listener (http.c) and its connections (http_connection.c). */
#ifndef CAMPUS_GATEWAY_HTTP_CONNECTION_H
#define CAMPUS_GATEWAY_HTTP_CONNECTION_H

#include "services/gateway/http_parse.h"
#include "services/gateway/http_response.h"

#include <sys/queue.h>
#include <sys/socket.h>

struct http_connection;
struct http_peer;
struct http_tls;
struct evconnlistener;
struct event;

LIST_HEAD(http_connections, http_connection);

enum http_counter {
    COUNTER_ACCEPTED,
    COUNTER_ABORTED, /* the client went away before its answer */
    COUNTER_TIMED_OUT, /* closed because a phase took too long */
    COUNTER_HANDSHAKES_FAILED, /* ended before TLS was agreed */
    COUNTER_COUNT,
};

struct http_counters {
    uint64_t plain[COUNTER_COUNT];
    uint64_t classes[6]; /* answers by the first digit of their status */
    uint64_t refusals[REFUSAL_COUNT];
};

struct http_server {
    struct event_base *base;
    struct http_options options;
    struct http_tls *tls; /* NULL: plain */
    struct evconnlistener *listener; /* NULL when it listens no more */
    struct event *retry; /* takes up accepting again after it failed for want of descriptors */
    struct event *left; /* ends the listening of one that has stepped back */
    int knock; /* while stepping back, or -1: see http_succession.h */
    uint16_t port;
    bool draining;
    struct http_connections connections;
    size_t connection_count, surplus_count; /* surplus: only told that there are too many; not in the first */
    size_t body_memory; /* that all connections hold */
    struct http_peer *peers[1024]; /* who is connected how often, chained by hash */
    uint64_t peer_seed;
    struct http_counters counters;
    time_t date_of;
    char date[HTTP_DATE_SIZE];
};

/* Serves the descriptor, which it owns from now on. One too many has no peer (NULL): it is refused with 503. */
void http_connection_open(struct http_server *server, int fd, const struct address *address, struct http_peer *peer);
/* Closes all that have been idle for long; the others close with their next answer, or soon. server->draining is set. */
void http_connections_drain(struct http_server *server);
/* Closes all; what is unanswered is told on_abort. */
void http_connections_close(struct http_server *server);

/* Takes of what bodies may hold; false where that is too much, of all or of the peer's address (http.c). */
bool http_peer_hold(struct http_server *server, struct http_peer *peer, size_t size)
    __attribute__((warn_unused_result));
void http_peer_let_go(struct http_server *server, struct http_peer *peer, size_t size);
/* The connection has gone (http.c). */
void http_peer_leave(struct http_server *server, struct http_peer *peer);
/* The time for Date, made anew each second (http.c). */
const char *http_date(struct http_server *server);

#endif
