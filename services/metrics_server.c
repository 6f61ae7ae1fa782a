/* metrics_server.c -- the gateway's HTTP server with two paths. */
#include "services/metrics_server.h"

#include "common/log.h"
#include "common/metrics.h"
#include "services/gateway/http.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct metrics_server {
    struct metrics *metrics;
    size_t roles;
    struct event_base *base;
    struct http_handler handler;
    struct http_server *http;
    struct event *stop;
    int stop_fd;
    pthread_t thread;
};

static size_t on_head(const struct http_request *head, void *context)
{
    (void)head, (void)context;
    return 0;
}

static int write_metrics(const struct metrics_server *server, FILE *out)
{
    metrics_write(server->metrics, out);
    return 200;
}

/* The body names the role that is not ready. */
static int write_ready(const struct metrics_server *server, FILE *out)
{
    if (!metrics_ready(server->metrics, server->roles, out))
        return 503;
    fputs("ready\n", out);
    return 200;
}

static const struct {
    const char *path, *type;
    int (*write)(const struct metrics_server *server, FILE *out); /* gives the status */
} paths[] = {
    { "/metrics", "text/plain; version=0.0.4", write_metrics },
    { "/readyz", "text/plain", write_ready },
};

static void on_request(struct http_exchange *exchange, const struct http_request *request, void *context)
{
    char *text = NULL;
    size_t size = 0;
    struct http_response response = { .status = 404 };
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (request->method == METHOD_GET && slice_is(request->path, paths[i].path)) {
            response.status = paths[i].write(context, out);
            response.type = slice_text(paths[i].type);
        }
    fclose(out);
    response.body = slice_of(text, size);
    http_respond(exchange, &response);
    free(text);
}

static void on_refusal(const char *code, struct arena *arena, struct http_response *response, void *context)
{
    (void)code, (void)arena, (void)response, (void)context;
}

static void on_abort(struct http_exchange *exchange, void *context)
{
    (void)exchange, (void)context;
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    struct metrics_server *server = context;
    (void)fd, (void)what;
    event_base_loopbreak(server->base);
}

static void *run(void *context)
{
    struct metrics_server *server = context;
    log_set_role("metrics");
    event_base_dispatch(server->base);
    return NULL;
}

bool metrics_server_start(struct metrics_server **result, struct metrics *metrics, size_t roles, const char *listen)
{
    enum { CONNECTIONS = 64, PHASE_MS = 5000 };
    const char *error = NULL;
    *result = NULL;
    if (!*listen)
        return true;
    struct metrics_server *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->metrics = metrics;
    server->roles = roles;
    server->base = event_base_new();
    server->handler = (struct http_handler){ on_head, on_request, on_refusal, on_abort, server };
    struct http_options options = {
        .listen = listen,
        .max_connections = CONNECTIONS,
        .max_connections_address = CONNECTIONS,
        .header_ms = PHASE_MS,
        .body_ms = PHASE_MS,
        .idle_ms = PHASE_MS,
        .write_ms = PHASE_MS,
        .handler = &server->handler,
    };
    server->http = http_open(server->base, &options, &error);
    if (!server->http) {
        log_error("cannot start", "reason=\"metrics: %s\"", error);
        event_base_free(server->base);
        free(server);
        return false;
    }
    server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->stop = event_new(server->base, server->stop_fd, EV_READ, on_stop, server);
    event_add(server->stop, NULL);
    log_info("metrics", "port=%u", http_port(server->http));
    if (pthread_create(&server->thread, NULL, run, server) != 0)
        abort();
    *result = server;
    return true;
}

void metrics_server_stop(struct metrics_server *server)
{
    const uint64_t one = 1;
    if (!server)
        return;
    if (write(server->stop_fd, &one, sizeof one) != sizeof one)
        abort();
    pthread_join(server->thread, NULL);
    http_close(server->http);
    event_free(server->stop);
    close(server->stop_fd);
    event_base_free(server->base);
    free(server);
}
