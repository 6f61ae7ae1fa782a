/* gateway_stages.c -- the stages of the gateway, from a client's bytes to the bus and from the bus to a client's bytes. */
#include "tests/bench/stages/cuts.h"
#include "tests/bench/stages/parser.h"
#include "tests/bench/stages/road.h"
#include "tests/bench/stages/stages.h"

#include "common/clock.h"
#include "common/rules.h"
#include "services/gateway/forwarded.h"
#include "services/gateway/http_response.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the connection ---- */

/* What has come of the answer to one client; 0 too where nothing has. */
static size_t receive(int client)
{
    char answer[64 << 10];
    ssize_t got = recv(client, answer, sizeof answer, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        road_fail("the server's answer", got ? strerrordesc_np(errno) : "closed");
    return got > 0 ? (size_t)got : 0;
}

/* The clients' side: two system calls each. */
static void ask(const struct operation *operation)
{
    struct road *road = operation->road;
    size_t crowd = operation->crowd, left[ROAD_CROWD];
    for (size_t i = 0; i < crowd; i++) {
        left[i] = operation->answer.size;
        if (write(road->clients[i], operation->bytes.data, operation->bytes.size) != (ssize_t)operation->bytes.size)
            road_fail("the client's request", strerrordesc_np(errno));
    }
    for (size_t i = 0; i < crowd; i++)
        for (left[i] -= receive(road->clients[i]); left[i]; left[i] -= receive(road->clients[i]))
            event_base_loop(road->base, EVLOOP_ONCE);
}

/* Keep-alive connections over TCP on this host, whose handler answers at once. */
void stage_connection(struct operation *operation)
{
    operation->road->now = operation;
    ask(operation);
}

static void send_plain(const int *to_and_from, struct slice bytes)
{
    uint8_t got[64 << 10];
    if (write(to_and_from[0], bytes.data, bytes.size) != (ssize_t)bytes.size)
        road_fail("a plain connection", strerrordesc_np(errno));
    for (size_t left = bytes.size; left;) {
        ssize_t more = read(to_and_from[1], got, sizeof got);
        if (more <= 0)
            road_fail("a plain connection", "closed");
        left -= (size_t)more;
    }
}

/* The same bytes over TCP without a server, a loop or a parser: both sides' system calls, two each. */
void stage_kernel(struct operation *operation)
{
    const int *plain = operation->road->plain;
    send_plain(plain, operation->bytes);
    send_plain((const int[]){ plain[1], plain[0] }, operation->answer);
}

/* No cut anywhere, and the worker's replies are what PostgreSQL says. */
void stage_all(struct operation *operation)
{
    operation->road->now = NULL;
    ask(operation);
}

void stage_parse(struct operation *operation)
{
    arena_reset(operation->scratch);
    const struct http_request *request = parser_run(operation->scratch, &operation->road->handler, operation->bytes);
    if (!request)
        road_fail(operation->name, "no whole request");
    operation->parsed = *request;
}

void stage_head(struct operation *operation)
{
    static const struct http_manner manner = { .date = "Sun, 06 Nov 1994 08:49:37 GMT" };
    arena_reset(operation->scratch);
    uint8_t *out = arena_alloc(operation->scratch, http_response_bound(&operation->response));
    operation->answer = slice_of(out, http_response_write(out, &operation->response, &manner));
}

/* ---- to the bus ---- */

/* A key that is not known any more is asked for on the way. */
void stage_exchange_in(struct operation *operation)
{
    arena_reset(operation->scratch);
    cuts = (struct cuts){ .arena = operation->scratch, .http_closed = true, .dispatch_closed = true };
    exchange_begin(NULL, &operation->parsed, &operation->road->context);
    while (!cuts.rpc && !cuts.response.status)
        event_base_loop(operation->road->base, EVLOOP_ONCE);
    cuts.http_closed = cuts.dispatch_closed = false;
    if (!cuts.rpc)
        road_fail(operation->name, "was not dispatched");
}

void stage_route(struct operation *operation)
{
    const struct http_request *request = &operation->parsed;
    struct route_match match;
    if (routes_find(operation->road->context.routes, request->method, request->path, &match) != ROUTE_FOUND)
        road_fail(operation->name, "has no route");
}

void stage_limits(struct operation *operation)
{
    const struct exchange_context *context = &operation->road->context;
    struct address client = forwarded_client(context->trusted, &operation->parsed);
    uint64_t key[] = { address_client(&client), 0 };
    int64_t now_us = clock_monotonic_us();
    if (!limits_take(context->address_limits, slice_of(key, sizeof key), now_us).allowed ||
        !limits_take(context->principal_limits, slice_text(operation->exchange->principal->id), now_us).allowed)
        road_fail(operation->name, "is over a limit");
}

/* The stage asks faster than any limit refills. */
void settle_limits(struct operation *operation)
{
    road_renew_limits(operation->road);
    stage_limits(operation);
}

static void on_principal(enum principal_result result, const struct principal *principal, void *context)
{
    bool *known = context;
    (void)principal;
    *known = result == PRINCIPAL_KNOWN;
}

/* Whether the cache has known it. */
static bool ask_key(struct operation *operation)
{
    struct road *road = operation->road;
    struct principal_wait *wait = NULL;
    bool known = false, now;
    const struct principal_question question = { .token = slice_text(ROAD_TOKEN), .within_ms = 1000 };
    principal_find(road->context.principals, &question, &wait, on_principal, &known);
    now = known;
    while (!known)
        event_base_loop(road->base, EVLOOP_ONCE);
    return now;
}

void stage_key(struct operation *operation)
{
    (void)ask_key(operation);
}

void settle_key(struct operation *operation)
{
    road_await_workers(operation->road);
    (void)ask_key(operation);
}

void stage_request(struct operation *operation)
{
    struct request_message message;
    struct problem problem = { 0 };
    arena_reset(operation->scratch);
    if (!request_read(operation->scratch, &operation->exchange->match, &operation->parsed, &message, &problem))
        road_fail(operation->name, problem.code);
}

void stage_json_in(struct operation *operation)
{
    const uint64_t taken = 0;
    struct json_options options = { .taken = &taken };
    struct problem problem = { 0 };
    arena_reset(operation->scratch);
    struct buffer wire = buffer_in(operation->scratch);
    if (!json_to_wire(operation->scratch, operation->rpc->request, operation->parsed.body, options, &wire, NULL,
                      &problem))
        road_fail(operation->name, problem.code);
}

void stage_rules(struct operation *operation)
{
    struct problem problem = { 0 };
    arena_reset(operation->scratch);
    struct rules_context rules = { .arena = operation->scratch, .problem = &problem };
    rules_check(&rules, operation->rpc->request, operation->message, NULL);
    if (problem.status != STATUS_OK)
        road_fail(operation->name, problem.code);
}

/* ---- from the bus ---- */

void stage_exchange_out(struct operation *operation)
{
    struct exchange exchange = *operation->exchange;
    arena_reset(operation->scratch);
    exchange.arena = operation->scratch;
    exchange.headers = buffer_in(operation->scratch);
    buffer_add(&exchange.headers, operation->headers.data, operation->headers.size);
    cuts.http_closed = true;
    answer_reply(&exchange, &operation->reply_header, operation->reply);
    cuts.http_closed = false;
}

void stage_json_out(struct operation *operation)
{
    arena_reset(operation->scratch);
    struct buffer json = buffer_in(operation->scratch);
    if (!json_from_wire(operation->rpc->reply, operation->reply, &json))
        road_fail(operation->name, "its reply is no message");
}
