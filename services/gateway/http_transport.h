/* http_transport.h -- what carries a connection's bytes over its socket: TCP as it is, or TLS on top of it.
 *
 * A connection takes requests from `input` and puts answers into `output`. Plain, these are the bufferevent's own
 * buffers. Under TLS they stand behind them, and its way turns the one pair into the other. All that concerns the socket
 * (when it is read and written, how it ends) is one code for both. */
#ifndef CAMPUS_GATEWAY_HTTP_TRANSPORT_H
#define CAMPUS_GATEWAY_HTTP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct evbuffer;
struct event_base;
struct http_tls;
struct http_transport;
struct ssl_st;

struct http_way {
    /* From what has come on the socket to `input`. */
    void (*take)(struct http_transport *transport);
    /* From `output` to what waits for the socket, as much as belongs there now. `last`: nothing will follow it. */
    void (*seal)(struct http_transport *transport, bool last);
    /* Whether it keeps a part of something that is not whole yet. */
    bool (*holds)(const struct http_transport *transport);
    void (*free)(struct http_transport *transport);
    bool ends_bare; /* the socket's end is the end of what the client says; else it is said before */
};

struct http_transport {
    const struct http_way *way;
    struct bufferevent *bev;
    struct evbuffer *input, *output;
    struct ssl_st *session; /* NULL: plain */
    uint64_t queued; /* bytes ever put into output; what TLS adds to them is counted when it does */
    bool ready; /* the handshake is done: requests may come */
    bool ended; /* the client sends no more, and has said so */
    bool failed; /* what came was no TLS, or not ours: nothing more can be read */
};

/* Carries a connection over the descriptor, which it owns from now on. `tls` NULL: plain. */
void http_transport_open(struct http_transport *transport, struct event_base *base, int fd, struct http_tls *tls);
/* Says the end where that is still possible, and closes. */
void http_transport_close(struct http_transport *transport);

int http_transport_fd(const struct http_transport *transport);
/* Of what was put into output, bytes that the kernel does not have yet. */
size_t http_transport_unsent(const struct http_transport *transport);

/* Makes input of what has come. */
void http_transport_take(struct http_transport *transport);
/* Writes now what fits, instead of waiting for the loop to say that it would: one system call an answer. What does not fit
 * is left to libevent. `last`: nothing will follow. False when nobody takes it any more. */
bool http_transport_flush(struct http_transport *transport, bool last) __attribute__((warn_unused_result));
/* Everything is written: the client may still send. */
void http_transport_half_close(struct http_transport *transport);

/* The socket has come to its end. False when that cuts the client off instead of being its last word. */
bool http_transport_end(struct http_transport *transport) __attribute__((warn_unused_result));
/* Whether the other side has reset the connection, as opposed to having said all it has to say. */
bool http_transport_broken(const struct http_transport *transport);
/* Whether nothing has come that is not taken yet, nor a part of it. */
bool http_transport_quiet(const struct http_transport *transport);

#endif
