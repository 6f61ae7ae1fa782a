/* http.c -- the listener: who is let in, how many at once, and what is told about it. */
#include "services/gateway/http.h"

#include "common/clock.h"
#include "common/log.h"
#include "services/gateway/forwarded.h"
#include "services/gateway/http_connection.h"
#include "services/gateway/http_succession.h"
#include "services/gateway/http_tls.h"
#include "services/gateway/limits.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    MOST_SURPLUS = 64, /* connections at once that are told of being too many; beyond, they are just closed */
    ADDRESS_PART = 4, /* of the memory for bodies, what one address may have: a quarter */
    RETRY_MS = 100, /* how long accepting rests when there are no descriptors left */
    PEER_COUNT = sizeof((struct http_server *)0)->peers / sizeof(struct http_peer *),
};

/* Addresses that are connected now. */
struct http_peer {
    struct http_peer *next;
    uint64_t key;
    uint32_t count;
    bool trusted; /* a proxy: many clients */
    size_t body_memory;
};

static struct http_peer **peer_place(struct http_server *server, uint64_t key)
{
    uint64_t hash = (key ^ server->peer_seed) * 0x9e3779b97f4a7c15U;
    struct http_peer **place = &server->peers[(hash >> 32) % PEER_COUNT];
    while (*place && (*place)->key != key)
        place = &(*place)->next;
    return place;
}

/* NULL when the address has as many connections as it may. A trusted proxy's are those of many clients. */
static struct http_peer *peer_join(struct http_server *server, const struct address *address)
{
    uint64_t key = address_client(address);
    struct http_peer **place = peer_place(server, key), *peer = *place;
    bool full = (peer ? peer->count : 0) >= server->options.max_connections_address;
    bool trusted = forwarded_trusts(server->options.trusted, address);
    if (full && !trusted)
        return NULL;
    if (!peer) {
        if (!(peer = *place = malloc(sizeof *peer)))
            abort();
        *peer = (struct http_peer){ .key = key, .trusted = trusted };
    }
    peer->count++;
    return peer;
}

bool http_peer_hold(struct http_server *server, struct http_peer *peer, size_t size)
{
    size_t most = server->options.body_memory, most_of_peer = peer->trusted ? most : most / ADDRESS_PART;
    if (most && (server->body_memory + size > most || peer->body_memory + size > most_of_peer))
        return false;
    server->body_memory += size;
    peer->body_memory += size;
    return true;
}

void http_peer_let_go(struct http_server *server, struct http_peer *peer, size_t size)
{
    server->body_memory -= size;
    peer->body_memory -= size;
}

void http_peer_leave(struct http_server *server, struct http_peer *peer)
{
    if (--peer->count)
        return;
    *peer_place(server, peer->key) = peer->next;
    free(peer);
}

static bool arrives_too_often(const struct http_server *server, const struct address *address)
{
    uint64_t key = address_client(address);
    struct limits *arrivals = server->options.arrivals;
    return arrivals && !forwarded_trusts(server->options.trusted, address) &&
           !limits_take(arrivals, slice_of(&key, sizeof key), clock_monotonic_us()).allowed;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *socket, int size,
                      void *context)
{
    struct http_server *server = context;
    struct address address = address_of_socket(socket);
    (void)listener, (void)size;
    if (server->knock >= 0 && succession_met(evconnlistener_get_fd(listener), server->knock, socket)) {
        close(fd);
        return;
    }
    server->counters.plain[COUNTER_ACCEPTED]++;
    struct http_peer *peer = NULL;
    bool hasty = arrives_too_often(server, &address);
    if (!hasty && server->connection_count < server->options.max_connections)
        peer = peer_join(server, &address);
    /* To tell somebody why over TLS costs a handshake, which is what haste must not get. */
    if (!peer && (server->surplus_count >= MOST_SURPLUS || (hasty && server->tls))) {
        server->counters.refusals[REFUSAL_UNAVAILABLE]++;
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    http_connection_open(server, fd, &address, peer);
}

/* Out of descriptors, the socket stays readable: to try again at once would be to spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct http_server *server = context;
    log_warning("cannot accept connections", "errno=%d", errno);
    evconnlistener_disable(listener);
    event_add(server->retry, &(struct timeval){ .tv_usec = RETRY_MS * 1000 });
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    const struct http_server *server = context;
    (void)fd, (void)what;
    if (server->listener)
        evconnlistener_enable(server->listener);
}

/* The kernel has already greeted those in the queue; closing the listener would reset them. */
static void accept_queued(struct http_server *server)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    int fd;
    while ((fd = accept4(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        on_accept(server->listener, fd, (struct sockaddr *)&address, (int)size, server);
        size = sizeof address;
    }
}

static void stop_listening(struct http_server *server)
{
    accept_queued(server);
    evconnlistener_free(server->listener);
    server->listener = NULL;
    if (server->knock >= 0)
        close(server->knock);
    server->knock = -1;
}

static void on_left(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    stop_listening(context);
}

/* libevent reads the address, but holds port 0 for a mistake. */
bool http_parse_listen(const char *text, struct sockaddr_storage *address, int *size)
{
    char host[64], *end;
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host || !isdigit((unsigned char)colon[1]))
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (*end || port > UINT16_MAX || evutil_parse_sockaddr_port(host, (struct sockaddr *)address, size) != 0)
        return false;
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)(void *)address)->sin_port = htons((uint16_t)port);
    return true;
}

/* False with *error when it is wanted and cannot be. */
static bool open_tls(struct http_server *server, const char **error)
{
    const char *certificate = server->options.tls_certificate_file, *key = server->options.tls_key_file;
    if ((!certificate || !*certificate) && (!key || !*key))
        return true;
    server->tls = http_tls_new(server->base, certificate, key, error);
    return server->tls != NULL;
}

/* Takes the address, though nobody can connect before http_listen(); -1 with errno. libevent's own would listen at once. */
static int bind_to(const struct sockaddr_storage *address, int size, bool reuse_port)
{
    int one = 1, fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) == 0 && /* what is accepted has it too */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0) &&
        bind(fd, (const struct sockaddr *)address, (socklen_t)size) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static struct evconnlistener *open_listener(struct http_server *server, const char **error)
{
    const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED;
    struct sockaddr_storage address;
    int size = sizeof address;
    if (!http_parse_listen(server->options.listen, &address, &size)) {
        *error = "listen: not a numeric address and a port";
        return NULL;
    }
    int fd = bind_to(&address, size, server->options.reuse_port);
    struct evconnlistener *listener =
        fd >= 0 ? evconnlistener_new(server->base, on_accept, server, flags, 0, fd) : NULL;
    if (!listener)
        *error = strerrordesc_np(errno);
    return listener;
}

static uint16_t bound_port(struct evconnlistener *listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = { .six = { 0 } };
    socklen_t size = sizeof address;
    if (getsockname(evconnlistener_get_fd(listener), &address.any, &size) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

struct http_server *http_open(struct event_base *base, const struct http_options *options, const char **error)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->base = base;
    server->options = *options;
    server->knock = -1;
    LIST_INIT(&server->connections);
    if (!open_tls(server, error) || !(server->listener = open_listener(server, error))) {
        http_tls_free(server->tls);
        free(server);
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN); /* libevent writes with writev(), which cannot be told to raise none */
    if (getrandom(&server->peer_seed, sizeof server->peer_seed, 0) < 0)
        server->peer_seed = (uint64_t)clock_monotonic_us();
    server->port = bound_port(server->listener);
    server->retry = evtimer_new(base, on_retry, server);
    server->left = evtimer_new(base, on_left, server);
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    if (options->reuse_port || http_listen(server, error))
        return server;
    http_close(server);
    return NULL;
}

bool http_listen(struct http_server *server, const char **error)
{
    int fd = evconnlistener_get_fd(server->listener);
    if (listen(fd, BACKLOG) != 0) {
        *error = strerrordesc_np(errno);
        return false;
    }
    if (server->options.reuse_port)
        succession_join(fd);
    evconnlistener_enable(server->listener);
    return true;
}

uint16_t http_port(const struct http_server *server)
{
    return server->port;
}

size_t http_connections(const struct http_server *server)
{
    return server->connection_count;
}

const char *http_date(struct http_server *server)
{
    time_t now = time(NULL);
    if (now != server->date_of) {
        struct tm utc;
        server->date_of = now;
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    }
    return server->date;
}

/* Another on the port takes what is new; what is on the way to us is still taken in for a while. */
static void step_back(struct http_server *server)
{
    const struct timeval while_open = { .tv_usec = SUCCESSION_MS * 1000 };
    server->knock = succession_leave(evconnlistener_get_fd(server->listener));
    event_add(server->left, &while_open);
}

void http_drain(struct http_server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    http_connections_drain(server); /* before those come that are still to be accepted */
    if (server->options.reuse_port)
        step_back(server);
    else
        stop_listening(server);
}

bool http_drained(const struct http_server *server)
{
    return !server->listener && server->connection_count == 0;
}

void http_close(struct http_server *server)
{
    if (!server)
        return;
    http_connections_close(server);
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->knock >= 0)
        close(server->knock);
    event_free(server->retry);
    event_free(server->left);
    http_tls_free(server->tls);
    free(server);
}

void http_metrics(const struct http_server *server, FILE *out)
{
    static const char *const names[COUNTER_COUNT] = { "accepted", "aborted", "timed_out", "handshakes_failed" };
    const struct http_counters *counters = &server->counters;
    fprintf(out, "# TYPE campus_http_connections gauge\ncampus_http_connections %zu\n", server->connection_count);
    for (int i = 0; i < COUNTER_COUNT; i++)
        fprintf(out, "# TYPE campus_http_%s_total counter\ncampus_http_%s_total %lu\n", names[i], names[i],
                counters->plain[i]);
    fputs("# TYPE campus_http_requests_total counter\n", out);
    for (int i = 1; i < 6; i++)
        fprintf(out, "campus_http_requests_total{class=\"%dxx\"} %lu\n", i, counters->classes[i]);
    fputs("# TYPE campus_http_refused_total counter\n", out);
    for (enum http_refusal r = REFUSAL_NONE + 1; r < REFUSAL_COUNT; r++)
        fprintf(out, "campus_http_refused_total{code=\"%s\"} %lu\n", http_refusal_code(r), counters->refusals[r]);
}
