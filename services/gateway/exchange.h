/* exchange.h -- one HTTP request on its way to an answer: route, limits, principal, message, bus, answer.
 *
 * Each stage either leads to the next or answers with a problem. Knows no method of any service. */
#ifndef CAMPUS_GATEWAY_EXCHANGE_H
#define CAMPUS_GATEWAY_EXCHANGE_H

#include "services/gateway/dispatch.h"
#include "services/gateway/docs.h"
#include "services/gateway/http.h"
#include "services/gateway/limits.h"
#include "services/gateway/principal.h"
#include "services/gateway/route.h"

/* What all exchanges of a gateway share. */
struct exchange_context {
    const struct schema *schema;
    const struct routes *routes;
    struct dispatcher *dispatcher;
    struct principals *principals;
    struct limits *address_limits, *principal_limits, *failure_limits;
    const struct forwarded_trust *trusted; /* proxies before us */
    const char *const *cors_origins; /* NULL-terminated; "*" is any */
    uint32_t request_ms;
    struct slice openapi;
    const struct docs *docs;
    bool draining;
    struct exchange_counts *counts; /* by the method's place in schema->rpcs; one more for what reached none */
};

enum { COUNTED_CLASSES = 6, COUNTED_BUCKETS = 12 };

/* For /metrics: answers by class of status, and how long they took. */
struct exchange_counts {
    uint64_t classes[COUNTED_CLASSES];
    uint64_t buckets[COUNTED_BUCKETS]; /* of 2^i * 100 us; the last one is for all that took longer */
    uint64_t sum_us;
};

/* The callbacks of http.h, with a struct exchange_context as their context. */
size_t exchange_body_limit(const struct http_request *head, void *context);
void exchange_begin(struct http_exchange *http, const struct http_request *request, void *context);
void exchange_refuse(const char *code, struct arena *arena, struct http_response *response, void *context);
void exchange_abort(struct http_exchange *http, void *context);

void exchange_metrics(const struct exchange_context *context, FILE *out);

#endif
