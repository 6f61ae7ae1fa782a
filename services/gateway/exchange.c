/* exchange.c -- the stages of an exchange, in their order from top to bottom. */
#include "services/gateway/exchange_state.h"

#include "common/answer.h"
#include "common/clock.h"
#include "common/uuid.h"
#include "common/version.h"
#include "services/gateway/forwarded.h"

#include "bus.pb-c.h"

#include <ctype.h>
#include <stdlib.h>

enum { LONGEST_REQUEST_ID = 64, TRACEPARENT = 55, UNROUTED_BODY = 65536, RETRY_AFTER_MS = 1000 };

static void refuse(struct exchange *exchange, const char *code)
{
    problem_set(&exchange->problem, code);
    answer_problem(exchange);
}

/* ---- the request's own id, given or made ---- */

static bool is_request_id(struct slice id)
{
    if (id.size == 0 || id.size > LONGEST_REQUEST_ID)
        return false;
    for (size_t i = 0; i < id.size; i++)
        if (!isalnum(id.data[i]) && !strchr("._-", id.data[i]))
            return false;
    return true;
}

static const char *request_id_of(const struct exchange *exchange)
{
    const struct slice *given = http_header_once(exchange->request, "x-request-id");
    if (given && is_request_id(*given))
        return arena_text(exchange->arena, *given);
    char *made = arena_alloc(exchange->arena, UUID_TEXT);
    uuid_new(made);
    return made;
}

/* ---- the gateway's own paths ---- */

static void answer_health(struct exchange *exchange)
{
    answer_text(exchange, 200, "application/json", slice_text("{\"status\":\"ok\"}"));
}

static void answer_ready(struct exchange *exchange)
{
    bool ready = !exchange->context->draining && dispatch_ready(exchange->context->dispatcher);
    answer_text(exchange, ready ? 200 : 503, "application/json",
                slice_text(ready ? "{\"status\":\"ready\"}" : "{\"status\":\"not_ready\"}"));
}

static void answer_version(struct exchange *exchange)
{
    answer_text(exchange, 200, "application/json",
                slice_text("{\"name\":\"campus\",\"version\":\"" CAMPUS_VERSION "\"}"));
}

static void answer_openapi(struct exchange *exchange)
{
    answer_text(exchange, 200, "application/json", exchange->context->openapi);
}

static const struct {
    const char *path;
    void (*answer)(struct exchange *exchange);
} own_paths[] = {
    { "/healthz", answer_health },
    { "/readyz", answer_ready },
    { "/version", answer_version },
    { "/openapi.json", answer_openapi },
};

static void answer_options(struct exchange *exchange)
{
    buffer_printf(&exchange->headers, "Allow: %s\r\n", exchange->match.allow);
    answer_text(exchange, 204, "", slice_of(NULL, 0));
}

/* What only reads: `answer` on GET and HEAD. False where there is none. */
static bool answer_page(struct exchange *exchange, void (*answer)(struct exchange *exchange))
{
    if (!answer)
        return false;
    exchange->match.allow = "GET, HEAD, OPTIONS";
    if (exchange->request->method == METHOD_GET || exchange->request->method == METHOD_HEAD)
        answer(exchange);
    else if (exchange->request->method == METHOD_OPTIONS)
        answer_options(exchange);
    else
        refuse(exchange, "method_not_allowed");
    return true;
}

static bool answer_docs(struct exchange *exchange)
{
    return answer_page(exchange, docs_has(exchange->request->path) ? docs_answer : NULL);
}

/* ---- limits ---- */

/* A client's requests, and its looks at the gateway itself, which take nothing from them. */
enum purse { PURSE_REQUESTS, PURSE_LOOKS };

static struct limits_result take_of_address(const struct exchange *exchange, enum purse purse)
{
    uint64_t key[] = { exchange->client, purse };
    return limits_take(exchange->context->address_limits, slice_of(key, sizeof key), exchange->begun_us);
}

/* Whoever watches the gateway is always answered, and the sooner the less often he asks. */
static bool answer_own(struct exchange *exchange)
{
    for (size_t i = 0; i < sizeof own_paths / sizeof *own_paths; i++)
        if (slice_is(exchange->request->path, own_paths[i].path)) {
            exchange->hasty = !take_of_address(exchange, PURSE_LOOKS).allowed;
            return answer_page(exchange, own_paths[i].answer);
        }
    return false;
}

/* Whether it may go on; else it is refused. */
static bool admit(struct exchange *exchange, struct limits_result result)
{
    if (!result.allowed) {
        exchange->problem.retry_after_ms = result.retry_after_ms;
        refuse(exchange, "too_many_requests");
    }
    return result.allowed;
}

static bool within_address(struct exchange *exchange)
{
    return admit(exchange, take_of_address(exchange, PURSE_REQUESTS));
}

static bool within_principal(struct exchange *exchange, const char *id)
{
    struct limits_result result = limits_take(exchange->context->principal_limits, slice_text(id), exchange->begun_us);
    if (result.limit)
        buffer_printf(&exchange->headers, "RateLimit-Limit: %u\r\nRateLimit-Remaining: %u\r\nRateLimit-Reset: %u\r\n",
                      result.limit, result.remaining, (result.reset_ms + 999) / 1000);
    return admit(exchange, result);
}

/* ---- over the bus and back ---- */

static void on_reply(const BusReply *reply, struct slice body, void *context)
{
    struct exchange *exchange = context;
    exchange->ticket = NULL;
    answer_reply(exchange, reply, body);
}

static char *minted_key(struct exchange *exchange)
{
    char *key = arena_alloc(exchange->arena, UUID_TEXT);
    uuid_new(key);
    return key;
}

/* The strings of protobuf-c's structs are not const, but it only reads them. */
static char *unconst(const char *text)
{
    char *same;
    memcpy(&same, &text, sizeof same);
    return same;
}

static Campus__Bus__Grant *bus_grant(struct arena *arena, const struct principal_grant *grant)
{
    Campus__Bus__Grant *told = arena_alloc(arena, sizeof *told);
    campus__bus__grant__init(told);
    told->organisation = unconst(grant->organisation);
    told->n_permissions = grant->permission_count;
    memcpy(&told->permissions, &grant->permissions, sizeof told->permissions);
    return told;
}

static Campus__Bus__Principal *caller_of(struct exchange *exchange)
{
    const struct principal *principal = exchange->principal;
    if (!principal)
        return NULL;
    Campus__Bus__Principal *caller = arena_alloc(exchange->arena, sizeof *caller);
    campus__bus__principal__init(caller);
    caller->id = unconst(principal->id);
    caller->person = unconst(principal->person);
    caller->session = unconst(principal->session);
    caller->n_grants = principal->grant_count;
    caller->grants = arena_alloc(exchange->arena, (principal->grant_count + 1) * sizeof *caller->grants);
    for (size_t i = 0; i < principal->grant_count; i++)
        caller->grants[i] = bus_grant(exchange->arena, &principal->grants[i]);
    return caller;
}

static void dispatch(struct exchange *exchange, BusRequest *header)
{
    const struct rpc *rpc = exchange->match.rpc;
    const struct slice *trace = http_header_once(exchange->request, "traceparent");
    header->method = unconst(rpc->name);
    header->left_ms = rpc->timeout_ms ? rpc->timeout_ms : exchange->context->request_ms;
    header->caller = caller_of(exchange);
    header->has_client = true;
    header->client = exchange->client;
    header->request_id = unconst(exchange->request_id);
    header->traceparent = trace && trace->size == TRACEPARENT ? arena_text(exchange->arena, *trace) : NULL;
    header->n_set = exchange->message.set.count;
    memcpy(&header->set, &exchange->message.set.paths, sizeof header->set);
    header->n_scopes = exchange->scope_count;
    memcpy(&header->scopes, &exchange->scopes, sizeof header->scopes);
    exchange->ticket = dispatch_send(exchange->context->dispatcher, rpc, header, buffer_slice(&exchange->message.wire),
                                     on_reply, exchange);
}

/* ---- preconditions and keys ---- */

/* If-Match is one strong ETag of ours ("12") or "*"; another's can match nothing (RFC 9110 §13.1.1). */
static bool read_if_match(struct exchange *exchange, BusRequest *header)
{
    const struct slice *value = http_header_once(exchange->request, "if-match");
    if (!exchange->match.rpc->if_match || (value && slice_is(*value, "*")))
        return true;
    if (!value) {
        refuse(exchange, "precondition_required");
        return false;
    }
    char text[24], *end = NULL;
    size_t size = value->size < sizeof text ? value->size : sizeof text - 1;
    memcpy(text, value->data, size);
    text[size] = '\0';
    if (text[0] == '"' && isdigit((unsigned char)text[1]))
        header->if_version = strtoll(text + 1, &end, 10);
    if (!end || strcmp(end, "\"") != 0) {
        refuse(exchange, "stale_version");
        return false;
    }
    header->has_if_version = true;
    return true;
}

static bool read_key(struct exchange *exchange, BusRequest *header)
{
    bool twice = false;
    const struct slice *value = http_header_find(exchange->request, "idempotency-key", &twice);
    if (exchange->match.rpc->kind != RPC_WRITE)
        return true;
    if (twice || (value && !answer_is_key(*value))) {
        problem_add(exchange->arena, &exchange->problem, "Idempotency-Key", "bad_header", NULL);
        answer_problem(exchange);
        return false;
    }
    header->idempotency_key = value ? arena_text(exchange->arena, *value) : minted_key(exchange);
    header->has_key_minted = !value;
    header->key_minted = !value;
    return true;
}

static void read_and_send(struct exchange *exchange)
{
    BusRequest header = CAMPUS__BUS__REQUEST__INIT;
    if (!request_read(exchange->arena, &exchange->match, exchange->request, &exchange->message, &exchange->problem))
        answer_problem(exchange);
    else if (read_if_match(exchange, &header) && read_key(exchange, &header))
        dispatch(exchange, &header);
}

/* ---- who, and whether they may at all ---- */

static bool may_ask(const struct exchange *exchange)
{
    const struct rpc *rpc = exchange->match.rpc;
    const struct principal *principal = exchange->principal;
    switch (rpc->access) {
    case ACCESS_PUBLIC:
        return true;
    case ACCESS_AUTHENTICATED:
        return principal != NULL;
    case ACCESS_GRANTED:
        return exchange->scope_count > 0;
    case ACCESS_OWNER:
        return exchange->scope_count > 0 || exchange->owns;
    case ACCESS_INTERNAL:
        break;
    }
    return false;
}

static void authorise(struct exchange *exchange)
{
    const struct principal *principal = exchange->principal;
    if (principal && !within_principal(exchange, principal->id))
        return;
    if (may_ask(exchange))
        read_and_send(exchange);
    else
        refuse(exchange, principal ? "permission_denied" : "unauthenticated");
}

/* Takes of the principal, which belongs to the cache, what this exchange needs. */
static void take_principal(struct exchange *exchange, const struct principal *principal)
{
    const struct rpc *rpc = exchange->match.rpc;
    struct address client = forwarded_client(exchange->context->trusted, exchange->request);
    if (!principal_allows(principal, &client)) {
        refuse(exchange, "address_not_allowed");
        return;
    }
    exchange->principal = principal_copy(exchange->arena, principal, rpc->grants);
    if (rpc->permission) {
        exchange->scope_count = principal_scopes(exchange->arena, principal, rpc->permission, &exchange->scopes);
        exchange->owns = principal_owns(principal, rpc->permission);
    }
    authorise(exchange);
}

static void on_principal(enum principal_result result, const struct principal *principal, void *context)
{
    struct exchange *exchange = context;
    exchange->wait = NULL;
    if (result == PRINCIPAL_KNOWN) {
        take_principal(exchange, principal);
    } else if (result == PRINCIPAL_UNKNOWN) {
        refuse(exchange, "unauthenticated");
    } else {
        exchange->problem.retry_after_ms = RETRY_AFTER_MS;
        refuse(exchange, result == PRINCIPAL_UNASKED ? "too_many_requests" : "unavailable");
    }
}

static void identify(struct exchange *exchange)
{
    static const char scheme[] = "bearer ";
    const struct slice *header = http_header_once(exchange->request, "authorization");
    if (!header) {
        authorise(exchange);
        return;
    }
    if (header->size < sizeof scheme || strncasecmp((const char *)header->data, scheme, sizeof scheme - 1) != 0) {
        refuse(exchange, "unauthenticated");
        return;
    }
    const struct principal_question question = {
        .token = slice_of(header->data + sizeof scheme - 1, header->size - (sizeof scheme - 1)),
        .client = exchange->client,
        .within_ms = exchange->context->request_ms,
    };
    principal_find(exchange->context->principals, &question, &exchange->wait, on_principal, exchange);
}

/* ---- the beginning ---- */

static uint64_t client_of(const struct exchange_context *context, const struct http_request *request)
{
    struct address client = forwarded_client(context->trusted, request);
    return address_client(&client);
}

static void route(struct exchange *exchange)
{
    const struct http_request *request = exchange->request;
    switch (routes_find(exchange->context->routes, request->method, request->path, &exchange->match)) {
    case ROUTE_FOUND:
        identify(exchange);
        break;
    case ROUTE_OPTIONS:
        answer_options(exchange);
        break;
    case ROUTE_NOT_FOUND:
        refuse(exchange, "not_found");
        break;
    case ROUTE_METHOD_NOT_ALLOWED:
        refuse(exchange, "method_not_allowed");
        break;
    }
}

void exchange_begin(struct http_exchange *http, const struct http_request *request, void *context)
{
    struct arena *arena = http_arena(http);
    struct exchange *exchange = arena_zalloc(arena, sizeof *exchange);
    *exchange = (struct exchange){
        .context = context,
        .http = http,
        .request = request,
        .arena = arena,
        .begun_us = clock_monotonic_us(),
        .headers = buffer_in(arena),
    };
    exchange->request_id = request_id_of(exchange);
    exchange->client = client_of(exchange->context, request);
    http_set_context(http, exchange);
    if (!answer_own(exchange) && within_address(exchange) && !answer_docs(exchange))
        route(exchange);
}

void exchange_abort(struct http_exchange *http, void *context)
{
    struct exchange *exchange = http_context(http);
    (void)context;
    if (exchange->wait)
        principal_forget(exchange->wait);
    if (exchange->ticket)
        dispatch_cancel(exchange->ticket);
}

/* Without a key, no method that needs one gets more than a small body into memory. */
size_t exchange_body_limit(const struct http_request *head, void *context)
{
    const struct exchange_context *shared = context;
    struct route_match match;
    bool twice = false;
    if (routes_find(shared->routes, head->method, head->path, &match) != ROUTE_FOUND)
        return UNROUTED_BODY;
    size_t limit = request_body_limit(match.rpc);
    bool open = match.rpc->access == ACCESS_PUBLIC || http_header_find(head, "authorization", &twice);
    return open || limit < UNROUTED_BODY ? limit : UNROUTED_BODY;
}
