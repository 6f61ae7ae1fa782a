/* gateway.c -- puts the parts together, and takes them apart gracefully. */
#include "services/gateway/gateway.h"

#include "common/allowed.h"
#include "common/clock.h"
#include "common/identity.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/version.h"
#include "services/gateway/control.h"
#include "services/gateway/exchange.h"
#include "services/gateway/forwarded.h"
#include "services/gateway/openapi.h"

#include "status.pb-c.h"

#include <event2/event.h>
#include <stdlib.h>

enum { TICK_MS = 20, LIMITED_KEYS = 65536, HIGHEST_BURST = 1000000 };

struct gateway {
    struct arena *arena;
    const struct role_options *options;
    struct event_base *base;
    struct identity identity;
    struct http_server *http;
    struct control *control; /* NULL where the setting is empty */
    struct exchange_context context;
    struct http_handler handler;
    struct event *stop, *tick;
    struct metrics_page *page;
    struct allowed *allowed; /* keys of the bus over tcp, or NULL */
    struct limits *arrivals; /* of connections from an address */
    int64_t stop_by_us;
    bool failed;
};

static bool start_failed(const char *error)
{
    log_error("cannot start", "reason=\"%s\"", error);
    return false;
}

static bool is_ready(void *context)
{
    struct gateway *gateway = context;
    return !gateway->context.draining && dispatch_ready(gateway->context.dispatcher);
}

/* A successor takes no connection from its predecessor before it can answer. */
static void begin(struct gateway *gateway)
{
    const struct settings *settings = gateway->options->settings;
    const char *listen = settings->listen, *colon = strrchr(listen, ':'), *error;
    if (settings->reuse_port && !http_listen(gateway->http, &error)) {
        gateway->failed = !start_failed(error);
        event_base_loopbreak(gateway->base);
        return;
    }
    metrics_refresh(gateway->page);
    log_info("ready", "url=%s://%.*s:%u", *settings->tls_certificate_file ? "https" : "http", (int)(colon - listen),
             listen, http_port(gateway->http));
    event_del(gateway->tick);
}

/* Waits for the workers at start, and for the last answers at the end. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct gateway *gateway = context;
    (void)fd, (void)what;
    if (gateway->stop_by_us) {
        bool empty = http_drained(gateway->http) && dispatch_pending(gateway->context.dispatcher) == 0;
        if (empty || clock_monotonic_us() >= gateway->stop_by_us)
            event_base_loopbreak(gateway->base);
    } else if (is_ready(gateway)) {
        begin(gateway);
    }
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    struct gateway *gateway = context;
    const struct timeval every = { .tv_usec = TICK_MS * 1000 };
    (void)fd, (void)what;
    if (!role_told_to_stop(gateway->options))
        return;
    log_info("stopping", "connections=%zu", http_connections(gateway->http));
    gateway->stop_by_us = clock_monotonic_us() + (int64_t)gateway->options->settings->drain_ms * 1000;
    gateway->context.draining = true;
    http_drain(gateway->http);
    control_drain(gateway->control);
    metrics_refresh(gateway->page);
    event_add(gateway->tick, &every);
}

static void write_metrics(FILE *out, void *context)
{
    struct gateway *gateway = context;
    http_metrics(gateway->http, out);
    dispatch_metrics(gateway->context.dispatcher, out);
    exchange_metrics(&gateway->context, out);
}

static uint32_t burst_of(const struct settings *settings, uint32_t rate)
{
    uint64_t burst = (uint64_t)rate * settings->rate_burst_s;
    return burst > HIGHEST_BURST ? HIGHEST_BURST : burst ? (uint32_t)burst : 1;
}

static bool open_dispatcher(struct gateway *gateway, const char **error)
{
    const struct settings *settings = gateway->options->settings;
    if (gateway->options->keys &&
        !(gateway->allowed = allowed_load(gateway->arena, settings->allowed_keys_file, error)))
        return false;
    struct dispatch_options dispatch = {
        .endpoints = settings_list(gateway->arena, settings->bus),
        .keys = gateway->options->keys,
        .allowed = gateway->allowed,
        .schema = gateway->options->schema,
        .queue_limit = settings->queue_limit,
        .caller_limit = settings->concurrent_principal,
        .queue_ms = settings->queue_ms,
        .ping_ms = settings->ping_ms,
        .max_message = settings->max_message,
    };
    gateway->context.dispatcher = dispatch_open(gateway->arena, gateway->base, gateway->options->zmq, &dispatch, error);
    return gateway->context.dispatcher;
}

static bool open_context(struct gateway *gateway, const char **error)
{
    const struct settings *settings = gateway->options->settings;
    struct exchange_context *context = &gateway->context;
    *context = (struct exchange_context){
        .schema = gateway->options->schema,
        .routes = routes_new(gateway->arena, gateway->options->schema, error),
        .address_limits = limits_new(settings->rate_address, burst_of(settings, settings->rate_address), LIMITED_KEYS),
        .failure_limits =
            limits_new(settings->rate_failures, burst_of(settings, settings->rate_failures), LIMITED_KEYS),
        .principal_limits =
            limits_new(settings->rate_principal, burst_of(settings, settings->rate_principal), LIMITED_KEYS),
        .cors_origins = settings_list(gateway->arena, settings->cors_origins),
        .request_ms = settings->request_ms,
        .counts = arena_zalloc(gateway->arena, (gateway->options->schema->rpc_count + 1) * sizeof *context->counts),
    };
    context->trusted = context->routes ? forwarded_trust_new(gateway->arena, settings->trusted_proxies, error) : NULL;
    if (!context->trusted)
        return false;
    context->docs = docs_new(gateway->arena, error);
    if (!context->docs)
        return false;
    context->openapi = openapi_write(gateway->arena, context->schema, CAMPUS_VERSION);
    if (open_dispatcher(gateway, error))
        context->principals = principals_new(context->dispatcher, context->schema, context->failure_limits, error);
    return context->principals != NULL;
}

static bool open_http(struct gateway *gateway, const char **error)
{
    const struct settings *settings = gateway->options->settings;
    uint32_t rate = *settings->tls_certificate_file ? settings->rate_handshakes : settings->rate_connections;
    gateway->arrivals = limits_new(rate, burst_of(settings, rate), LIMITED_KEYS);
    gateway->handler = (struct http_handler){ .body_limit = exchange_body_limit,
                                              .on_request = exchange_begin,
                                              .on_refusal = exchange_refuse,
                                              .on_abort = exchange_abort,
                                              .context = &gateway->context };
    struct http_options http = {
        .listen = settings->listen,
        .reuse_port = settings->reuse_port,
        .max_connections = settings->max_connections,
        .max_connections_address = settings->max_connections_address,
        .arrivals = gateway->arrivals,
        .body_memory = settings->body_memory,
        .trusted = gateway->context.trusted,
        .tls_certificate_file = settings->tls_certificate_file,
        .tls_key_file = settings->tls_key_file,
        .header_ms = settings->header_ms,
        .body_ms = settings->body_ms,
        .idle_ms = settings->idle_ms,
        .write_ms = settings->write_ms,
        .handler = &gateway->handler,
    };
    gateway->http = http_open(gateway->base, &http, error);
    return gateway->http != NULL;
}

static struct slice write_status(struct arena *arena, void *context)
{
    struct gateway *gateway = context;
    Campus__Bus__GatewayStatus status = CAMPUS__BUS__GATEWAY_STATUS__INIT;
    dispatch_status(gateway->context.dispatcher, arena, &status);
    status.draining = gateway->context.draining;
    status.ready &= !status.draining;
    status.version = arena_strdup(arena, CAMPUS_VERSION);
    status.pid = gateway->identity.pid;
    status.host = gateway->identity.host;
    status.uptime_s = seconds_since(gateway->identity.since_us);
    status.connections = (uint32_t)http_connections(gateway->http);
    uint8_t *bytes = arena_alloc(arena, campus__bus__gateway_status__get_packed_size(&status));
    return slice_of(bytes, campus__bus__gateway_status__pack(&status, bytes));
}

static bool open_control(struct gateway *gateway, const char **error)
{
    const struct settings *settings = gateway->options->settings;
    struct control_options control = {
        .endpoint = settings->control,
        .schema = gateway->options->schema,
        .dispatcher = gateway->context.dispatcher,
        .max_message = settings->max_message,
        .status = write_status,
        .context = gateway,
    };
    if (*control.endpoint)
        gateway->control = control_open(gateway->arena, gateway->base, gateway->options->zmq, &control, error);
    return !*control.endpoint || gateway->control;
}

static void watch(struct gateway *gateway)
{
    const struct timeval every = { .tv_usec = TICK_MS * 1000 };
    gateway->stop = event_new(gateway->base, gateway->options->stop_fd, EV_READ | EV_PERSIST, on_stop, gateway);
    gateway->tick = event_new(gateway->base, -1, EV_PERSIST, on_tick, gateway);
    event_add(gateway->stop, NULL);
    event_add(gateway->tick, &every);
    gateway->page = metrics_start(gateway->options->metrics, gateway->base,
                                  &(struct metrics_source){ "gateway", write_metrics, is_ready, gateway });
}

static void unwatch(struct gateway *gateway)
{
    metrics_stop(gateway->page);
    event_free(gateway->stop);
    event_free(gateway->tick);
}

int gateway_run(const struct role_options *options)
{
    struct gateway gateway = {
        .arena = arena_new(), .options = options, .base = event_base_new(), .identity = identity_new()
    };
    const char *error = NULL;
    log_set_role("gateway");
    bool started = (open_context(&gateway, &error) && open_http(&gateway, &error) && open_control(&gateway, &error)) ||
                   start_failed(error);
    if (started) {
        watch(&gateway);
        event_base_dispatch(gateway.base);
        unwatch(&gateway);
        log_info("stopped", "%s", "");
    }
    if (gateway.http)
        http_close(gateway.http);
    control_close(gateway.control);
    principals_free(gateway.context.principals);
    if (gateway.context.dispatcher)
        dispatch_close(gateway.context.dispatcher);
    allowed_free(gateway.allowed);
    limits_free(gateway.context.address_limits);
    limits_free(gateway.context.failure_limits);
    limits_free(gateway.arrivals);
    limits_free(gateway.context.principal_limits);
    event_base_free(gateway.base);
    arena_free(gateway.arena);
    return started && !gateway.failed ? 0 : 1;
}
