/* exchange_state.h -- what the stages of an exchange share. */
#ifndef CAMPUS_GATEWAY_EXCHANGE_STATE_H
#define CAMPUS_GATEWAY_EXCHANGE_STATE_H

#include "services/gateway/exchange.h"
#include "services/gateway/request.h"

struct exchange {
    struct exchange_context *context;
    struct http_exchange *http;
    const struct http_request *request;
    struct arena *arena;
    struct route_match match;
    const char *request_id;
    int64_t begun_us;
    uint64_t client; /* address_client() of who asks */
    const struct principal *principal; /* a copy in the arena; NULL for nobody */
    const char **scopes; /* the subtrees in which they hold the method's permission */
    size_t scope_count;
    bool owns; /* may do it with what is their own */
    struct problem problem;
    struct request_message message;
    struct principal_wait *wait;
    struct dispatch_ticket *ticket;
    struct buffer headers; /* complete lines for the answer */
    bool hasty; /* asked too often: the connection has to wait */
};

/* Answers with exchange->problem. */
void answer_problem(struct exchange *exchange);
/* Answers with what the worker replied. */
void answer_reply(struct exchange *exchange, const BusReply *reply, struct slice body);
/* Answers with a text of the gateway's own, which lives as long as the gateway. */
void answer_text(struct exchange *exchange, int status, const char *type, struct slice body);

#endif
