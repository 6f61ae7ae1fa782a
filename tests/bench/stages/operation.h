/* operation.h -- one request of an API's client, and what it is at each border that it crosses on the road. */
#ifndef CAMPUS_TESTS_STAGES_OPERATION_H
#define CAMPUS_TESTS_STAGES_OPERATION_H

#include "common/call_state.h"
#include "services/gateway/exchange_state.h"

#include <bus.pb-c.h>

struct road;

struct operation {
    const char *name;
    const char *request; /* as a client sends it, but for the headers that all have */
    const char *body; /* or NULL */
    /* Filled in by operation_walk(): */
    struct road *road;
    size_t crowd; /* how many times at once, at most ROAD_CROWD */
    struct arena *kept; /* of what follows */
    struct arena *scratch; /* a stage's memory, warm; its contents end with the stage */
    struct slice bytes; /* the request, whole */
    struct http_request parsed;
    struct exchange *exchange; /* up to the bus */
    struct slice headers; /* what it has of its answer's by then */
    const struct rpc *rpc;
    BusRequest header;
    struct slice message; /* the request in wire format */
    struct slice envelope; /* of it */
    struct call read; /* before it is executed */
    struct call call; /* with its rows */
    BusReply reply_header;
    struct slice reply; /* in wire format */
    struct slice reply_envelope;
    struct http_response response;
    struct slice answer; /* as the client gets it */
};

/* Ends with one without a name. */
extern struct operation operations[];

/* Takes it down the whole road once, stage by stage. */
void operation_walk(struct operation *operation, struct road *road);
void operation_done(struct operation *operation);

#endif
