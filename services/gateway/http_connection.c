/* http_connection.c -- one connection: its phases, the time each may take, its answers in order.
 *
 * All that happens to a connection (bytes, an answer, time, the end) goes through run() and settle(): first take from
 * the input what can be taken, then write, then see what is to be waited for. Whatever frees a connection is the last
 * thing done with it. What carries the bytes, TLS or not, is http_transport.h's. */
#include "services/gateway/http_connection.h"

#include "common/clock.h"
#include "common/status.h"
#include "services/gateway/http_pace.h"
#include "services/gateway/http_transport.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>

enum {
    INPUT_LIMIT = 64 << 10, /* bytes that wait behind a request that is being answered; no more are read */
    OUTPUT_LIMIT = 256 << 10, /* bytes of answers unsent beyond which no more requests are taken, nor read */
    SMALL_BODY = 16 << 10, /* bytes that each connection may hold; what is larger is counted */
    MOST_A_TURN = 16, /* requests of a connection in one turn of the loop, that others' may be heard between them */
    SHORTEST_REST_MS = 100, /* differing, so that those who were refused together do not come back together */
    LONGEST_REST_MS = 1000, /* as long as Retry-After says at least */
    LINGER_MS = 2000,
    GRACE_MS = 2000, /* at the end of the server, for a request that may be on its way */
    HANDSHAKE_MS = 5000, /* at most, within header_ms */
};

enum phase {
    PHASE_HANDSHAKE, /* the transport is not ready for requests */
    PHASE_IDLE, /* nothing of a request has come */
    PHASE_HEADER,
    PHASE_BODY,
    PHASE_ANSWER, /* the handler has it, and keeps the time */
    PHASE_REST, /* as PHASE_IDLE, but the next request is not taken yet: the last one came in haste */
    PHASE_CLOSING, /* the last answer is being written */
    PHASE_LINGER, /* it is written: the client may read it before the connection goes */
};

struct http_exchange {
    void *context;
};

struct http_connection {
    LIST_ENTRY(http_connection) link;
    struct http_server *server;
    struct http_peer *peer; /* NULL: surplus */
    struct http_transport transport;
    struct arena *arena;
    struct event *watch; /* made when first needed: see watch_for_end() */
    enum phase phase;
    bool running, watching;
    unsigned taken; /* requests in this turn */
    size_t held; /* for a large body: see http_peer_hold() */
    struct http_pace pace;
    struct http_exchange exchange;
    struct http_parse parse;
    struct address address;
};

static struct http_connection *connection_of(const struct http_exchange *exchange)
{
    const char *place = (const char *)exchange - offsetof(struct http_connection, exchange);
    return (struct http_connection *)(uintptr_t)place;
}

static size_t unsent(const struct http_connection *c)
{
    return http_transport_unsent(&c->transport);
}

static size_t unread(const struct http_connection *c)
{
    return evbuffer_get_length(c->transport.input);
}

/* Memory and the end. */

static void let_go(struct http_connection *c)
{
    if (c->held)
        http_peer_let_go(c->server, c->peer, c->held);
    c->held = 0;
}

static void connection_free(struct http_connection *c)
{
    struct http_server *server = c->server;
    LIST_REMOVE(c, link);
    let_go(c);
    if (c->peer) {
        server->connection_count--;
        http_peer_leave(server, c->peer);
    } else {
        server->surplus_count--;
    }
    if (c->watch)
        event_free(c->watch);
    event_free(c->pace.timer);
    http_transport_close(&c->transport);
    arena_free(c->arena);
    free(c);
}

/* Ends it without another word. Never inside run(), which still holds it. */
static void abandon(struct http_connection *c)
{
    assert(!c->running);
    if (c->phase == PHASE_HANDSHAKE)
        c->server->counters.plain[COUNTER_HANDSHAKES_FAILED]++;
    if (c->phase == PHASE_ANSWER) {
        c->server->counters.plain[COUNTER_ABORTED]++;
        c->server->options.handler->on_abort(&c->exchange, c->server->options.handler->context);
    }
    connection_free(c);
}

static void next_request(struct http_connection *c)
{
    arena_reset(c->arena);
    let_go(c);
    c->exchange.context = NULL;
    http_parse_start(&c->parse, c->arena, c->server->options.handler, &c->address);
}

/* Writing. */

static void queue_answer(struct http_connection *c, const struct http_response *response, bool closes)
{
    struct http_manner manner = { .date = http_date(c->server),
                                  .head = c->parse.request.method == METHOD_HEAD,
                                  .close = closes,
                                  .old = c->parse.old };
    struct evbuffer *output = c->transport.output;
    struct evbuffer_iovec room;
    size_t referred = http_response_referred(response, &manner);
    if (evbuffer_reserve_space(output, (ev_ssize_t)http_response_bound(response), &room, 1) != 1)
        abort(); /* out of memory */
    room.iov_len = http_response_write(room.iov_base, response, &manner);
    evbuffer_commit_space(output, &room, 1);
    if (referred && evbuffer_add_reference(output, response->body.data, referred, NULL, NULL) != 0)
        abort();
    c->transport.queued += room.iov_len + referred;
    c->server->counters.classes[response->status / 100 % 6]++;
}

/* Time. */

static uint32_t phase_ms(const struct http_connection *c)
{
    const struct http_options *options = &c->server->options;
    bool hurry = c->server->draining && options->idle_ms > GRACE_MS;
    if (c->phase == PHASE_REST)
        return SHORTEST_REST_MS + arc4random_uniform(LONGEST_REST_MS - SHORTEST_REST_MS);
    const uint32_t limits[] = {
        [PHASE_HANDSHAKE] = options->header_ms < HANDSHAKE_MS ? options->header_ms : HANDSHAKE_MS,
        [PHASE_IDLE] = hurry ? GRACE_MS : options->idle_ms,
        [PHASE_HEADER] = options->header_ms,
        [PHASE_BODY] = options->body_ms,
        [PHASE_ANSWER] = 0,
        [PHASE_CLOSING] = 0,
        [PHASE_LINGER] = LINGER_MS,
    };
    return limits[c->phase];
}

static void enter(struct http_connection *c, enum phase phase)
{
    c->phase = phase;
    http_pace_begin(&c->pace, phase_ms(c));
}

static void pace_writing(struct http_connection *c, int64_t now)
{
    size_t left = unsent(c);
    http_pace_write(&c->pace, left, c->transport.queued - left, c->server->options.write_ms, now);
}

/* A client that has sent its end, or more than it may before its answer, is not read from; that it resets the
 * connection shows only at an edge-triggered event, since the end alone would otherwise be told for ever. libevent
 * admits no other kind of event on the descriptor beside it, so it stands only while no other does. */
static void on_end(evutil_socket_t fd, short what, void *context)
{
    struct http_connection *c = context;
    (void)fd, (void)what;
    if (http_transport_broken(&c->transport))
        abandon(c);
}

static void watch_for_end(struct http_connection *c)
{
    bool reads = bufferevent_get_enabled(c->transport.bev) & EV_READ;
    if (c->phase != PHASE_ANSWER || reads || unsent(c))
        return;
    if (!c->watch)
        c->watch =
            event_new(c->server->base, http_transport_fd(&c->transport), EV_READ | EV_ET | EV_PERSIST, on_end, c);
    c->watching = event_add(c->watch, NULL) == 0;
}

static void unwatch(struct http_connection *c)
{
    if (c->watching)
        event_del(c->watch);
    c->watching = false;
}

/* Not by libevent's watermark, which calls back without end while the input stands above it. */
static void read_or_rest(struct http_connection *c)
{
    bool room = !c->transport.ended && unread(c) < INPUT_LIMIT && unsent(c) <= OUTPUT_LIMIT;
    bool reads = bufferevent_get_enabled(c->transport.bev) & EV_READ;
    if (room && !reads)
        bufferevent_enable(c->transport.bev, EV_READ);
    if (!room && reads)
        bufferevent_disable(c->transport.bev, EV_READ);
}

/* The course of things. */

/* Whether a part of a request has come. */
static bool partial(const struct http_connection *c)
{
    return c->phase == PHASE_HEADER || c->phase == PHASE_BODY;
}

/* Whether the last answer is queued and nothing of the next request is taken. */
static bool between(const struct http_connection *c)
{
    return c->phase == PHASE_IDLE || c->phase == PHASE_REST;
}

/* Whether it has nothing more to do, for the client or for us. */
static bool finished(const struct http_connection *c)
{
    if (unsent(c) || c->phase == PHASE_ANSWER)
        return false;
    /* In the middle of a request, or with its last answer read. */
    return c->transport.ended && (!between(c) || unread(c) == 0);
}

/* Writes, closes what is done with, and waits for the right things. May free the connection. */
static void settle(struct http_connection *c)
{
    if (!http_transport_flush(&c->transport, c->phase == PHASE_CLOSING) || finished(c)) {
        abandon(c);
        return;
    }
    if (c->phase == PHASE_CLOSING && unsent(c) == 0) {
        http_transport_half_close(&c->transport);
        enter(c, PHASE_LINGER);
    }
    int64_t now = unsent(c) || c->pace.phase_us ? clock_monotonic_us() : 0;
    pace_writing(c, now);
    http_pace_arm(&c->pace, now);
    read_or_rest(c);
    watch_for_end(c);
}

/* Answers what is no request, and closes: nobody knows where the next one would begin. */
static void refuse(struct http_connection *c, enum http_refusal refusal)
{
    const struct http_handler *handler = c->server->options.handler;
    const char *code = http_refusal_code(refusal);
    struct http_response response = { .status = status_http(code_find(code)->status) };
    if (refusal == REFUSAL_UNAVAILABLE)
        response.headers = slice_text("Retry-After: 1\r\n");
    if (handler->on_refusal)
        handler->on_refusal(code, c->arena, &response, handler->context);
    c->server->counters.refusals[refusal]++;
    queue_answer(c, &response, true);
    enter(c, PHASE_CLOSING);
}

static void hand_over(struct http_connection *c)
{
    const struct http_handler *handler = c->server->options.handler;
    enter(c, PHASE_ANSWER);
    c->taken++;
    if (slice_is(c->parse.request.path, "*"))
        http_respond(&c->exchange, &(struct http_response){ .status = 200 }); /* OPTIONS of the server as such */
    else
        handler->on_request(&c->exchange, &c->parse.request, handler->context);
}

/* Room for the body that is announced; false where there is none. */
static bool hold(struct http_connection *c)
{
    size_t size = http_parse_body_bound(&c->parse);
    if (size <= SMALL_BODY)
        return true;
    if (!http_peer_hold(c->server, c->peer, size))
        return false;
    c->held = size;
    return true;
}

/* The request is not whole yet: which of its phases is it in? */
static void await_more(struct http_connection *c)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (c->parse.section == SECTION_HEAD) {
        if (c->phase == PHASE_IDLE && http_parse_begun(&c->parse))
            enter(c, PHASE_HEADER);
        return;
    }
    if (c->phase == PHASE_BODY)
        return;
    if (!hold(c)) {
        refuse(c, REFUSAL_UNAVAILABLE);
        return;
    }
    enter(c, PHASE_BODY);
    if (c->parse.expects_continue && unread(c) == 0) {
        evbuffer_add(c->transport.output, go_on, sizeof go_on - 1);
        c->transport.queued += sizeof go_on - 1;
    }
}

/* Takes one bite of the input. False when there is none, or it has to wait. */
static bool step(struct http_connection *c)
{
    struct evbuffer *input = c->transport.input;
    struct evbuffer_iovec run;
    if (c->phase == PHASE_CLOSING || c->phase == PHASE_LINGER)
        evbuffer_drain(input, evbuffer_get_length(input));
    if (c->phase >= PHASE_ANSWER || c->taken >= MOST_A_TURN || unsent(c) > OUTPUT_LIMIT ||
        evbuffer_peek(input, -1, NULL, &run, 1) < 1 || run.iov_len == 0)
        return false;
    size_t used;
    enum http_parsed parsed = http_parse_feed(&c->parse, slice_of(run.iov_base, run.iov_len), &used);
    evbuffer_drain(input, used);
    switch (parsed) {
    case PARSE_MORE:
        await_more(c);
        break;
    case PARSE_WHOLE:
        hand_over(c);
        break;
    case PARSE_REFUSED:
        refuse(c, c->parse.refusal);
        break;
    }
    return true;
}

/* The transport is ready, and requests may come; or this is one connection too many. */
static void greet(struct http_connection *c)
{
    enter(c, PHASE_IDLE);
    if (!c->peer)
        refuse(c, REFUSAL_UNAVAILABLE);
}

/* Whether requests had to wait for answers that could be written at once: nothing would call to go on with them. */
static bool relieved(struct http_connection *c)
{
    return unsent(c) > OUTPUT_LIMIT && http_transport_flush(&c->transport, false) && unsent(c) <= OUTPUT_LIMIT;
}

/* Lets the loop hear others, and then goes on with what has come already. */
static void go_on_later(struct http_connection *c)
{
    bufferevent_trigger(c->transport.bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

/* Takes from the input what can be taken. Answers that come meanwhile are written together at the end. */
static void run(struct http_connection *c)
{
    unwatch(c);
    c->running = true;
    c->taken = 0;
    http_transport_take(&c->transport);
    if (c->phase == PHASE_HANDSHAKE && c->transport.ready)
        greet(c);
    do
        while (step(c))
            ;
    while (relieved(c));
    c->running = false;
    if (c->taken >= MOST_A_TURN && unread(c))
        go_on_later(c);
    settle(c);
}

/* What libevent tells. */

static void on_io(struct bufferevent *bev, void *context)
{
    (void)bev;
    run(context);
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
    struct http_connection *c = context;
    (void)bev;
    if (what & BEV_EVENT_ERROR) {
        abandon(c);
    } else if (what & BEV_EVENT_EOF) {
        bool cut_off = !http_transport_end(&c->transport);
        if (cut_off && (partial(c) || c->phase == PHASE_ANSWER))
            abandon(c);
        else
            run(c);
    }
}

static void on_time(evutil_socket_t fd, short what, void *context)
{
    struct http_connection *c = context;
    (void)fd, (void)what;
    int64_t now = clock_monotonic_us();
    c->pace.armed_us = 0;
    pace_writing(c, now);
    bool stalled = http_pace_stalled(&c->pace, now), late = http_pace_late(&c->pace, now);
    if (late && unsent(c)) {
        late = false;
        enter(c, c->phase); /* it has answers to read first, which the write deadline sees to */
    }
    if (stalled || (late && !partial(c) && c->phase != PHASE_REST)) {
        c->server->counters.plain[COUNTER_TIMED_OUT] += stalled;
        abandon(c);
    } else if (late && c->phase == PHASE_REST) {
        enter(c, PHASE_IDLE);
        run(c);
    } else if (late) {
        refuse(c, REFUSAL_REQUEST_TIMEOUT);
        settle(c);
    } else {
        http_pace_arm(&c->pace, now);
    }
}

/* What the server and the handler ask for. */

void http_connection_open(struct http_server *server, int fd, const struct address *address, struct http_peer *peer)
{
    struct http_connection *c = calloc(1, sizeof *c);
    if (!c || !(c->pace.timer = evtimer_new(server->base, on_time, c)))
        abort(); /* out of memory */
    http_transport_open(&c->transport, server->base, fd, server->tls);
    c->server = server;
    c->peer = peer;
    c->arena = arena_new();
    c->address = *address;
    LIST_INSERT_HEAD(&server->connections, c, link);
    *(peer ? &server->connection_count : &server->surplus_count) += 1;
    next_request(c);
    bufferevent_setcb(c->transport.bev, on_io, on_io, on_event, c);
    enter(c, PHASE_HANDSHAKE);
    run(c);
}

/* One that has bytes in the kernel is not idle: its request is on the way to us. */
static bool idle(const struct http_connection *c)
{
    return c->phase == PHASE_IDLE && !c->running && unsent(c) == 0 && http_transport_quiet(&c->transport);
}

/* One that has connected or had its answer just now may be about to send, and would not send again: it has a moment for
 * that, and is then told to connect anew. One that has been silent for longer is not waited for. */
static void drain(struct http_connection *c, int64_t now)
{
    int64_t since = c->pace.phase_us - (int64_t)c->server->options.idle_ms * 1000;
    if (idle(c) && now - since >= GRACE_MS * 1000) {
        abandon(c);
        return;
    }
    enter(c, PHASE_IDLE);
    http_pace_arm(&c->pace, now);
}

void http_connections_drain(struct http_server *server)
{
    int64_t now = clock_monotonic_us();
    for (struct http_connection *c = LIST_FIRST(&server->connections), *next; c; c = next) {
        next = LIST_NEXT(c, link);
        if (c->phase == PHASE_IDLE)
            drain(c, now);
    }
}

void http_connections_close(struct http_server *server)
{
    while (!LIST_EMPTY(&server->connections))
        abandon(LIST_FIRST(&server->connections));
}

struct arena *http_arena(struct http_exchange *exchange)
{
    return connection_of(exchange)->arena;
}

void http_set_context(struct http_exchange *exchange, void *context)
{
    exchange->context = context;
}

void *http_context(const struct http_exchange *exchange)
{
    return exchange->context;
}

/* Later than on_request, it writes at once; a request that waits behind is begun by the loop, never from in here. */
void http_respond(struct http_exchange *exchange, const struct http_response *response)
{
    struct http_connection *c = connection_of(exchange);
    assert(c->phase == PHASE_ANSWER);
    bool keep = c->parse.keep_alive && !c->server->draining;
    queue_answer(c, response, !keep);
    next_request(c);
    enter(c, !keep ? PHASE_CLOSING : response->hasty ? PHASE_REST : PHASE_IDLE);
    if (c->running)
        return;
    unwatch(c);
    if (unread(c))
        go_on_later(c);
    settle(c);
}
