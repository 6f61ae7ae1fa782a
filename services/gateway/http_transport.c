/* http_transport.c -- the socket, and the plain way over it; the other one is in http_tls.c. */
#include "services/gateway/http_transport.h"

#include "services/gateway/http_tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

static void take_plain(struct http_transport *t)
{
    (void)t;
}

static void seal_plain(struct http_transport *t, bool last)
{
    (void)t, (void)last;
}

static bool holds_plain(const struct http_transport *t)
{
    (void)t;
    return false;
}

static const struct http_way plain = { take_plain, seal_plain, holds_plain, take_plain, .ends_bare = true };

static struct evbuffer *wire_of(const struct http_transport *t)
{
    return bufferevent_get_output(t->bev);
}

void http_transport_open(struct http_transport *t, struct event_base *base, int fd, struct http_tls *tls)
{
    struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        abort(); /* out of memory */
    bufferevent_disable(bev, EV_WRITE);
    *t = (struct http_transport){ .way = &plain,
                                  .bev = bev,
                                  .input = bufferevent_get_input(bev),
                                  .output = bufferevent_get_output(bev),
                                  .ready = true };
    if (tls)
        http_tls_start(tls, t);
}

/* False when nobody takes it any more. */
static bool write_now(struct http_transport *t)
{
    struct evbuffer *wire = wire_of(t);
    if (evbuffer_get_length(wire) == 0 || (bufferevent_get_enabled(t->bev) & EV_WRITE))
        return true;
    evbuffer_unfreeze(wire, 1);
    int written = evbuffer_write(wire, http_transport_fd(t));
    evbuffer_freeze(wire, 1);
    return written >= 0 || errno == EAGAIN || errno == EINTR;
}

void http_transport_close(struct http_transport *t)
{
    if (t->ready && !t->failed && http_transport_unsent(t) == 0) {
        t->way->seal(t, true);
        (void)write_now(t); /* or not: who is gone needs no farewell */
    }
    t->way->free(t);
    bufferevent_free(t->bev);
}

int http_transport_fd(const struct http_transport *t)
{
    return bufferevent_getfd(t->bev);
}

size_t http_transport_unsent(const struct http_transport *t)
{
    size_t sealed = evbuffer_get_length(wire_of(t));
    return t->output == wire_of(t) ? sealed : sealed + evbuffer_get_length(t->output);
}

void http_transport_take(struct http_transport *t)
{
    t->way->take(t);
}

bool http_transport_flush(struct http_transport *t, bool last)
{
    do {
        t->way->seal(t, last);
        if (!write_now(t) || t->failed)
            return false;
    } while (evbuffer_get_length(wire_of(t)) == 0 && http_transport_unsent(t));
    if (http_transport_unsent(t))
        bufferevent_enable(t->bev, EV_WRITE);
    else
        bufferevent_disable(t->bev, EV_WRITE);
    return true;
}

void http_transport_half_close(struct http_transport *t)
{
    shutdown(http_transport_fd(t), SHUT_WR);
}

bool http_transport_end(struct http_transport *t)
{
    bool said = t->ended || t->way->ends_bare;
    t->ended = true;
    return said;
}

bool http_transport_broken(const struct http_transport *t)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    return getsockopt(http_transport_fd(t), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_CLOSE;
}

bool http_transport_quiet(const struct http_transport *t)
{
    char byte;
    return evbuffer_get_length(t->input) == 0 && !t->way->holds(t) &&
           recv(http_transport_fd(t), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}
