/* bus_stages.c -- from the gateway's dispatcher to a worker that answers at once, and back. */
#include "tests/bench/stages/road.h"
#include "tests/bench/stages/stages.h"

#include "common/envelope.h"

#include <event2/event.h>

enum { BOOT = 0x12345678, ID = 4711 };

static void on_reply(const BusReply *reply, struct slice body, void *context)
{
    size_t *answered = context;
    (void)body;
    if (reply->status != CAMPUS__STATUS__OK)
        road_fail("bus", reply->code);
    ++*answered;
}

static void ask(struct operation *operation, struct dispatcher *dispatcher)
{
    struct road *road = operation->road;
    size_t answered = 0;
    road->now = operation;
    for (size_t i = 0; i < operation->crowd; i++)
        dispatch_send(dispatcher, operation->rpc, &operation->header, operation->message, on_reply, &answered);
    while (answered < operation->crowd)
        event_base_loop(road->base, EVLOOP_ONCE);
}

void stage_bus_inproc(struct operation *operation)
{
    ask(operation, operation->road->inproc.dispatcher);
}

void stage_bus_ipc(struct operation *operation)
{
    ask(operation, operation->road->ipc.dispatcher);
}

void settle_bus(struct operation *operation)
{
    road_await_workers(operation->road);
    stage_bus_inproc(operation);
    stage_bus_ipc(operation);
}

/* ---- its parts ---- */

void stage_pack_request(struct operation *operation)
{
    arena_reset(operation->scratch);
    uint8_t *out = arena_alloc(operation->scratch, envelope_request_size(&operation->header));
    operation->envelope = slice_of(out, envelope_pack_request(BOOT, ID, &operation->header, out));
}

static void read_back(struct operation *operation, struct slice bytes)
{
    arena_reset(operation->scratch);
    if (!envelope_read(operation->scratch, bytes))
        road_fail(operation->name, "no envelope");
}

void stage_read_request(struct operation *operation)
{
    read_back(operation, operation->envelope);
}

void stage_pack_reply(struct operation *operation)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    arena_reset(operation->scratch);
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__REPLY;
    envelope.has_boot = envelope.has_id = true;
    envelope.boot = BOOT;
    envelope.id = ID;
    envelope.reply = &operation->reply_header;
    operation->reply_envelope = envelope_pack(operation->scratch, &envelope);
}

void stage_read_reply(struct operation *operation)
{
    read_back(operation, operation->reply_envelope);
}

/* Two ZeroMQ sockets over inproc, from one loop: a message with the request there, one with the reply back. */
void stage_sockets(struct operation *operation)
{
    struct road *road = operation->road;
    struct wire_pair *pair = &road->pair;
    pair->back = 0;
    pair->envelope = operation->reply_envelope;
    pair->body = operation->reply;
    for (size_t i = 0; i < operation->crowd; i++)
        if (bus_socket_send(pair->dealer, NULL, operation->envelope, operation->message) != BUS_SENT)
            road_fail(operation->name, "the socket is full");
    while (pair->back < operation->crowd)
        event_base_loop(road->base, EVLOOP_ONCE);
}
