/* answer.c -- from a reply or a problem to an HTTP response with its headers. */
#include "common/clock.h"
#include "common/log.h"
#include "common/uuid.h"
#include "common/wire.h"
#include "services/gateway/exchange_state.h"
#include "services/gateway/forwarded.h"
#include "services/gateway/problem.h"

#include "bus.pb-c.h"

#include <inttypes.h>

static void count(const struct exchange *exchange, int status)
{
    const struct exchange_context *context = exchange->context;
    size_t index =
        exchange->match.rpc ? (size_t)(exchange->match.rpc - context->schema->rpcs) : context->schema->rpc_count;
    struct exchange_counts *counts = &context->counts[index];
    uint64_t took_us = (uint64_t)(clock_monotonic_us() - exchange->begun_us);
    size_t bucket = 0;
    while (bucket < COUNTED_BUCKETS - 1 && took_us > UINT64_C(100) << bucket)
        bucket++;
    counts->classes[status / 100]++;
    counts->buckets[bucket]++;
    counts->sum_us += took_us;
}

static bool origin_admitted(const struct exchange *exchange, struct slice origin)
{
    for (const char *const *admitted = exchange->context->cors_origins; *admitted; admitted++)
        if (strcmp(*admitted, "*") == 0 || slice_is(origin, *admitted))
            return true;
    return false;
}

/* CORS (https://fetch.spec.whatwg.org/#http-cors-protocol), by setting; keys travel in a header, so no credentials. */
static void add_cors(struct exchange *exchange)
{
    bool twice = false;
    const struct slice *origin = http_header_find(exchange->request, "origin", &twice);
    if (!origin || twice || !origin_admitted(exchange, *origin))
        return;
    buffer_printf(&exchange->headers,
                  "Access-Control-Allow-Origin: %.*s\r\nVary: Origin\r\n"
                  "Access-Control-Expose-Headers: ETag, Location, Retry-After, X-Request-Id, Idempotent-Replayed\r\n",
                  (int)origin->size, (const char *)origin->data);
    if (exchange->request->method == METHOD_OPTIONS)
        buffer_printf(&exchange->headers,
                      "Access-Control-Allow-Methods: %s\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, "
                      "If-Match, If-None-Match, Idempotency-Key, X-Request-Id\r\nAccess-Control-Max-Age: 600\r\n",
                      exchange->match.allow ? exchange->match.allow : "");
}

/* A proxy's connection is that of many clients: one's haste is not theirs. */
static bool hasty(const struct exchange *exchange)
{
    return exchange->hasty && !forwarded_trusts(exchange->context->trusted, &exchange->request->address);
}

static void respond_with(struct exchange *exchange, struct http_response response)
{
    add_cors(exchange);
    buffer_printf(&exchange->headers, "X-Request-Id: %s\r\n", exchange->request_id);
    count(exchange, response.status);
    log_debug("answered", "request=%s method=%s status=%d", exchange->request_id,
              exchange->match.rpc ? exchange->match.rpc->name : "-", response.status);
    response.headers = buffer_slice(&exchange->headers);
    response.hasty = hasty(exchange);
    http_respond(exchange->http, &response);
}

static void respond(struct exchange *exchange, int status, const char *type, struct slice body)
{
    respond_with(exchange, (struct http_response){ .status = status, .type = slice_text(type), .body = body });
}

void answer_text(struct exchange *exchange, int status, const char *type, struct slice body)
{
    respond_with(exchange,
                 (struct http_response){ .status = status, .type = slice_text(type), .body = body, .lasting = true });
}

static const char *locale_of(const struct exchange *exchange)
{
    bool twice = false;
    const struct slice *header = http_header_find(exchange->request, "accept-language", &twice);
    return problem_locale(header ? *header : slice_of(NULL, 0));
}

void answer_problem(struct exchange *exchange)
{
    const struct problem *problem = &exchange->problem;
    struct buffer body = buffer_in(exchange->arena);
    problem_write(&body, problem, exchange->match.rpc, exchange->request_id, locale_of(exchange));
    if (problem->status == STATUS_UNAUTHENTICATED)
        buffer_text(&exchange->headers, "WWW-Authenticate: Bearer\r\n");
    if (problem->status == STATUS_METHOD_NOT_ALLOWED)
        buffer_printf(&exchange->headers, "Allow: %s\r\n", exchange->match.allow);
    if (problem->retry_after_ms)
        buffer_printf(&exchange->headers, "Retry-After: %u\r\n", (problem->retry_after_ms + 999) / 1000);
    exchange->hasty |= problem->status == STATUS_TOO_MANY_REQUESTS;
    buffer_text(&exchange->headers, "Cache-Control: no-store\r\n");
    respond(exchange, status_http(problem->status), PROBLEM_TYPE, buffer_slice(&body));
}

/* ---- a reply ---- */

static void read_refusal(struct exchange *exchange, const BusReply *reply)
{
    struct problem *problem = &exchange->problem;
    bool known = reply->status > CAMPUS__STATUS__OK && (int)reply->status < STATUS_COUNT;
    for (size_t i = 0; i < reply->n_violations; i++) {
        const Campus__Bus__Violation *v = reply->violations[i];
        problem_add(exchange->arena, problem, arena_strdup(exchange->arena, v->pointer),
                    arena_strdup(exchange->arena, v->code),
                    v->argument ? arena_strdup(exchange->arena, v->argument) : NULL);
    }
    problem->status = known ? (enum status)reply->status : STATUS_INTERNAL;
    problem->code = reply->code ? arena_strdup(exchange->arena, reply->code) : "internal";
    problem->retry_after_ms = reply->retry_after_ms;
}

/* "/v1/people/{id}" with the reply's own values. Their formats (ids, paths) need no percent-encoding. */
static void add_location(struct exchange *exchange, struct slice body)
{
    const char *at = exchange->match.rpc->location;
    buffer_text(&exchange->headers, "Location: ");
    while (*at) {
        size_t size = strcspn(at, "{");
        buffer_add(&exchange->headers, at, size);
        at += size;
        if (!*at)
            break;
        size_t name = strcspn(++at, "}");
        const struct field *field = message_find(exchange->match.rpc->reply, slice_of(at, name));
        struct wire_field value;
        if (field && field->type == FIELD_STRING && wire_find(body, field->number, &value))
            buffer_add(&exchange->headers, value.bytes.data, value.bytes.size);
        at += name + 1;
    }
    buffer_text(&exchange->headers, "\r\n");
}

/* Adds the ETag; true where If-None-Match names it already (RFC 9110 §13.1.2, weak comparison). */
static bool add_etag(struct exchange *exchange, struct slice body)
{
    struct wire_field version;
    const struct field *etag = exchange->match.rpc->etag;
    if (!etag || !wire_find(body, etag->number, &version))
        return false;
    char text[32];
    int size = snprintf(text, sizeof text, "\"%" PRId64 "\"", (int64_t)version.value);
    buffer_printf(&exchange->headers, "ETag: %s\r\n", text);
    bool twice = false;
    const struct slice *none = http_header_find(exchange->request, "if-none-match", &twice);
    if (!none || exchange->match.rpc->verb != HTTP_GET)
        return false;
    return slice_is(*none, "*") || memmem(none->data, none->size, text, (size_t)size) != NULL;
}

static void answer_body(struct exchange *exchange, const BusReply *reply, struct slice body)
{
    const struct rpc *rpc = exchange->match.rpc;
    struct buffer json = buffer_in(exchange->arena);
    buffer_text(&exchange->headers, "Cache-Control: private, no-cache\r\n");
    if (reply->replayed)
        buffer_text(&exchange->headers, "Idempotent-Replayed: true\r\n");
    if (add_etag(exchange, body)) {
        respond(exchange, 304, "", slice_of(NULL, 0));
        return;
    }
    if (rpc->created && rpc->location)
        add_location(exchange, body);
    if (!json_from_wire(rpc->reply, body, &json)) {
        log_error("a reply is no message of its method", "request=%s method=%s", exchange->request_id, rpc->name);
        problem_set(&exchange->problem, "internal");
        answer_problem(exchange);
        return;
    }
    respond(exchange, rpc->created ? 201 : 200, "application/json", buffer_slice(&json));
}

void answer_reply(struct exchange *exchange, const BusReply *reply, struct slice body)
{
    if (reply->status == CAMPUS__STATUS__OK) {
        answer_body(exchange, reply, body);
        return;
    }
    read_refusal(exchange, reply);
    answer_problem(exchange);
}

void exchange_refuse(const char *code, struct arena *arena, struct http_response *response, void *context)
{
    struct exchange_context *shared = context;
    struct problem problem = { 0 };
    struct buffer out = buffer_in(arena);
    char request_id[UUID_TEXT];
    uuid_new(request_id);
    problem_set(&problem, code);
    problem_write(&out, &problem, NULL, request_id, "en");
    response->headers = slice_text(arena_printf(arena, "%.*sX-Request-Id: %s\r\n", (int)response->headers.size,
                                                (const char *)response->headers.data, request_id));
    response->type = slice_text(PROBLEM_TYPE);
    response->body = buffer_slice(&out);
    shared->counts[shared->schema->rpc_count].classes[status_http(problem.status) / 100]++;
}

/* ---- metrics ---- */

static void write_counts(const char *method, const struct exchange_counts *counts, FILE *out)
{
    uint64_t total = 0;
    for (int class = 1; class < COUNTED_CLASSES; class ++)
        if (counts->classes[class])
            fprintf(out, "campus_requests_total{method=\"%s\",status=\"%dxx\"} %" PRIu64 "\n", method, class,
                    counts->classes[class]);
    for (int i = 0; i < COUNTED_BUCKETS - 1; i++) {
        total += counts->buckets[i];
        fprintf(out, "campus_request_seconds_bucket{method=\"%s\",le=\"%g\"} %" PRIu64 "\n", method,
                100e-6 * (double)(1 << i), total);
    }
    total += counts->buckets[COUNTED_BUCKETS - 1];
    fprintf(out, "campus_request_seconds_bucket{method=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", method, total);
    fprintf(out, "campus_request_seconds_sum{method=\"%s\"} %g\n", method, (double)counts->sum_us / 1e6);
    fprintf(out, "campus_request_seconds_count{method=\"%s\"} %" PRIu64 "\n", method, total);
}

void exchange_metrics(const struct exchange_context *context, FILE *out)
{
    const struct schema *schema = context->schema;
    fputs("# TYPE campus_requests_total counter\n# TYPE campus_request_seconds histogram\n", out);
    for (size_t i = 0; i < schema->rpc_count; i++)
        if (schema->rpcs[i].path)
            write_counts(schema->rpcs[i].name, &context->counts[i], out);
    write_counts("", &context->counts[schema->rpc_count], out);
}
