/* cuts.c -- what stands in front of the six functions by which stages hand over. See the Makefile. */
#include "tests/bench/stages/cuts.h"

struct cuts cuts;

struct arena *__real_http_arena(struct http_exchange *exchange);
struct arena *__wrap_http_arena(struct http_exchange *exchange);
void __real_http_set_context(struct http_exchange *exchange, void *context);
void __wrap_http_set_context(struct http_exchange *exchange, void *context);
void *__real_http_context(const struct http_exchange *exchange);
void *__wrap_http_context(const struct http_exchange *exchange);
void __real_http_respond(struct http_exchange *exchange, const struct http_response *response);
void __wrap_http_respond(struct http_exchange *exchange, const struct http_response *response);
struct dispatch_ticket *__real_dispatch_send(struct dispatcher *dispatcher, const struct rpc *rpc,
                                             const BusRequest *header, struct slice body, dispatch_on_reply on_reply,
                                             void *context);
struct dispatch_ticket *__wrap_dispatch_send(struct dispatcher *dispatcher, const struct rpc *rpc,
                                             const BusRequest *header, struct slice body, dispatch_on_reply on_reply,
                                             void *context);
void __real_database_submit(struct database *database, struct batch *batch);
void __wrap_database_submit(struct database *database, struct batch *batch);

struct arena *__wrap_http_arena(struct http_exchange *exchange)
{
    return cuts.http_closed ? cuts.arena : __real_http_arena(exchange);
}

void __wrap_http_set_context(struct http_exchange *exchange, void *context)
{
    if (cuts.http_closed)
        cuts.exchange = context;
    else
        __real_http_set_context(exchange, context);
}

void *__wrap_http_context(const struct http_exchange *exchange)
{
    return cuts.http_closed ? cuts.exchange : __real_http_context(exchange);
}

void __wrap_http_respond(struct http_exchange *exchange, const struct http_response *response)
{
    if (cuts.http_closed)
        cuts.response = *response;
    else
        __real_http_respond(exchange, response);
}

struct dispatch_ticket *__wrap_dispatch_send(struct dispatcher *dispatcher, const struct rpc *rpc,
                                             const BusRequest *header, struct slice body, dispatch_on_reply on_reply,
                                             void *context)
{
    if (!cuts.dispatch_closed || rpc->access == ACCESS_INTERNAL)
        return __real_dispatch_send(dispatcher, rpc, header, body, on_reply, context);
    cuts.rpc = rpc;
    cuts.header = *header;
    cuts.body = body;
    return NULL;
}

void __wrap_database_submit(struct database *database, struct batch *batch)
{
    if (cuts.database_closed)
        cuts.batch = batch;
    else
        __real_database_submit(database, batch);
}
