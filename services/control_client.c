/* control_client.c -- a DEALER in an event loop of its own, for as long as one answer takes. */
#include "services/control_client.h"

#include "common/bus_socket.h"
#include "common/clock.h"
#include "services/gateway/control.h"

#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

enum {
    TICK_MS = 20,
    MOST_CLOSED = 5, /* ticks without the gateway: what it has said before it went has been read by then */
};

struct client {
    struct arena *arena;
    const struct control_question *question;
    struct event_base *base;
    struct bus_socket *socket;
    struct slice envelope; /* the question, packed */
    int64_t asked_us, sent_us; /* 0: not sent yet */
    uint32_t closed; /* ticks since the gateway was there */
    const BusEnvelope *answer;
    struct slice body;
    const char *fault; /* why there is no answer */
};

static bool on_flush(void *context)
{
    struct client *client = context;
    if (!client->sent_us && bus_socket_send(client->socket, NULL, client->envelope, client->question->body) == BUS_SENT)
        client->sent_us = clock_monotonic_us();
    return !client->sent_us;
}

static void on_message(const struct peer *from, struct slice bytes, struct slice body, void *context)
{
    struct client *client = context;
    const BusEnvelope *answer = envelope_read(client->arena, bytes);
    (void)from;
    if (!answer || answer->boot != client->question->envelope->boot || answer->id != client->question->envelope->id)
        return;
    client->answer = answer;
    client->body = arena_copy(client->arena, body);
    event_base_loopbreak(client->base);
}

static bool is_over(int64_t since_us, uint32_t span_ms)
{
    return clock_monotonic_us() - since_us >= (int64_t)span_ms * 1000;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct client *client = context;
    (void)fd, (void)what;
    client->closed = bus_socket_writable(client->socket) ? 0 : client->closed + 1;
    if (!client->sent_us && is_over(client->asked_us, CONTROL_REACH_MS))
        client->fault = "no gateway is there";
    else if (client->sent_us && client->closed > MOST_CLOSED)
        client->fault = "the gateway has gone; whether it did what was asked is not known";
    else if (client->sent_us && is_over(client->sent_us, client->question->answer_ms))
        client->fault = "the gateway does not answer";
    if (client->fault)
        event_base_loopbreak(client->base);
}

/* What the file system knows of the reason why no gateway is there. */
static const char *reason(const char *endpoint)
{
    return access(control_endpoint_path(endpoint), W_OK) == 0 ? "nobody listens" : strerror(errno);
}

static void converse(struct client *client, void *zmq, const struct settings *settings)
{
    const struct timeval tick = { .tv_usec = TICK_MS * 1000 };
    struct bus_socket_options options = {
        .kind = BUS_DEALER,
        .endpoint = settings->control,
        .max_message = settings->max_message,
        .on_message = on_message,
        .on_flush = on_flush,
        .context = client,
    };
    client->base = event_base_new();
    client->socket = bus_socket_open(client->base, zmq, &options);
    struct event *timer = event_new(client->base, -1, EV_PERSIST, on_tick, client);
    if (!client->socket || !timer)
        abort(); /* dialling fails later, not here */
    event_add(timer, &tick);
    event_base_dispatch(client->base);
    event_free(timer);
    bus_socket_close(client->socket, 0);
    event_base_free(client->base);
}

const BusEnvelope *control_ask(struct arena *arena, const struct settings *settings,
                               const struct control_question *question, struct slice *body, const char **error)
{
    struct client client = { .arena = arena, .question = question, .asked_us = clock_monotonic_us() };
    const char *endpoint = settings->control;
    const char *fault = *endpoint ? control_endpoint_fault(endpoint) : "where does the gateway take commands?";
    if (fault) {
        *error = arena_printf(arena, "setting control: '%s': %s", endpoint, fault);
        return NULL;
    }
    BusEnvelope *envelope = question->envelope;
    envelope->has_boot = envelope->has_id = true;
    randombytes_buf(&envelope->boot, sizeof envelope->boot);
    envelope->id = 1;
    client.envelope = envelope_pack(arena, envelope);
    void *zmq = zmq_ctx_new();
    converse(&client, zmq, settings);
    zmq_ctx_term(zmq);
    if (!client.answer)
        *error = arena_printf(arena, "%s: %s%s%s", endpoint, client.fault, client.sent_us ? "" : ": ",
                              client.sent_us ? "" : reason(endpoint));
    *body = client.body;
    return client.answer;
}
