/* dispatch_ticket.c -- one request on its way: queued, sent, sent again, answered once. */
#include "services/gateway/dispatch_ticket.h"

#include "common/clock.h"
#include "services/gateway/dispatch_worker.h"

/* What the dispatcher itself answers, by outcome. */
static const struct {
    Campus__Status status;
    const char *code;
    uint32_t retry_after_ms;
} refusals[OUTCOMES] = {
    [OUTCOME_UNAVAILABLE] = { CAMPUS__STATUS__UNAVAILABLE, "unavailable", RETRY_AFTER_MS },
    [OUTCOME_DEADLINE] = { CAMPUS__STATUS__DEADLINE_EXCEEDED, "deadline_exceeded", 0 },
    [OUTCOME_TOO_LARGE] = { CAMPUS__STATUS__TOO_LARGE, "too_large", 0 },
    [OUTCOME_TOO_MANY] = { CAMPUS__STATUS__TOO_MANY_REQUESTS, "too_many_requests", RETRY_AFTER_MS },
};

static uint32_t *count_for_caller(struct dispatcher *dispatcher, const BusRequest *header)
{
    if (!header->caller)
        return NULL;
    uint32_t *count = &dispatcher->of_callers[slice_hash(slice_text(header->caller->id)) % CALLER_PLACES];
    ++*count;
    return count;
}

struct dispatch_ticket *ticket_new(struct service *service, const BusRequest *header, struct slice body)
{
    struct dispatcher *dispatcher = service->dispatcher;
    struct dispatch_ticket *ticket = malloc(sizeof *ticket + envelope_request_size(header) + body.size);
    if (!ticket)
        abort();
    *ticket = (struct dispatch_ticket){ .id = ++dispatcher->last_id, .service = service, .body_size = body.size };
    ticket->of_caller = count_for_caller(dispatcher, header);
    ticket->deadline_us = clock_monotonic_us() + (int64_t)header->left_ms * 1000;
    ticket->envelope_size = envelope_pack_request(dispatcher->boot, ticket->id, header, ticket->bytes);
    if (body.size > 0)
        memcpy(ticket->bytes + ticket->envelope_size, body.data, body.size);
    HASH_ADD(hh, dispatcher->tickets, id, sizeof ticket->id, ticket);
    dispatcher->pending++;
    return ticket;
}

/* Out of the list that its state names, and without a deadline. */
static void ticket_take(struct dispatch_ticket *ticket)
{
    struct service *service = ticket->service;
    switch (ticket->state) {
    case TICKET_QUEUED:
        TAILQ_REMOVE(&service->queue, ticket, at);
        service->queue_length--;
        break;
    case TICKET_SENT:
        TAILQ_REMOVE(&ticket->worker->tickets, ticket, at);
        ticket->worker->held--;
        service->in_flight--;
        ticket->worker = NULL;
        break;
    case TICKET_REFUSED:
        TAILQ_REMOVE(&service->dispatcher->refused, ticket, at);
        break;
    }
    wheel_clear(&service->dispatcher->wheel, &ticket->due);
}

void ticket_free(struct dispatch_ticket *ticket)
{
    struct dispatcher *dispatcher = ticket->service->dispatcher;
    ticket_take(ticket);
    HASH_DEL(dispatcher->tickets, ticket);
    if (ticket->of_caller)
        --*ticket->of_caller;
    if (!ticket->abandoned)
        dispatcher->pending--;
    free(ticket);
}

void ticket_queue(struct dispatch_ticket *ticket, bool again)
{
    struct service *service = ticket->service;
    struct dispatcher *dispatcher = service->dispatcher;
    if (again)
        ticket_take(ticket);
    ticket->state = TICKET_QUEUED;
    ticket->queued_until_us = clock_monotonic_us() + (int64_t)dispatcher->options.queue_ms * 1000;
    int64_t due_us = ticket->queued_until_us < ticket->deadline_us ? ticket->queued_until_us : ticket->deadline_us;
    wheel_set(&dispatcher->wheel, &ticket->due, due_us);
    service->queue_length++;
    if (!again) {
        TAILQ_INSERT_TAIL(&service->queue, ticket, at);
        return;
    }
    TAILQ_INSERT_HEAD(&service->queue, ticket, at);
    service->redispatched++;
}

void ticket_refuse(struct dispatch_ticket *ticket, enum outcome outcome)
{
    struct dispatcher *dispatcher = ticket->service->dispatcher;
    ticket_take(ticket);
    ticket->state = TICKET_REFUSED;
    ticket->outcome = outcome;
    TAILQ_INSERT_TAIL(&dispatcher->refused, ticket, at);
    dispatch_kick(dispatcher);
}

void ticket_answer(struct dispatch_ticket *ticket, enum outcome outcome, const BusReply *reply, struct slice body)
{
    bool awaited = !ticket->abandoned;
    struct service *service = ticket->service;
    dispatch_on_reply on_reply = ticket->on_reply;
    void *context = ticket->context;
    ticket_free(ticket);
    if (!awaited)
        return;
    service->ended[outcome]++;
    on_reply(reply, body, context);
}

static BusReply refusal_reply(enum outcome outcome)
{
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    reply.status = refusals[outcome].status;
    reply.code = (char *)(uintptr_t)refusals[outcome].code; /* protobuf-c knows no const; it is only read */
    reply.has_retry_after_ms = refusals[outcome].retry_after_ms > 0;
    reply.retry_after_ms = refusals[outcome].retry_after_ms;
    return reply;
}

void ticket_answer_refusal(struct dispatch_ticket *ticket, enum outcome outcome)
{
    BusReply reply = refusal_reply(outcome);
    ticket_answer(ticket, outcome, &reply, slice_of(NULL, 0));
}

void ticket_abandon(struct dispatch_ticket *ticket, enum outcome outcome)
{
    struct dispatcher *dispatcher = ticket->service->dispatcher;
    ticket->service->ended[outcome]++;
    if (ticket->state != TICKET_SENT) {
        ticket_free(ticket);
        return;
    }
    ticket->abandoned = true;
    dispatcher->pending--;
    wheel_clear(&dispatcher->wheel, &ticket->due);
    arena_reset(dispatcher->outgoing);
    struct slice cancel =
        envelope_pack_plain(dispatcher->outgoing, CAMPUS__BUS__ENVELOPE__KIND__CANCEL, dispatcher->boot, ticket->id);
    worker_send(ticket->worker, cancel, slice_of(NULL, 0)); /* may lose the worker, and free the ticket */
}

void ticket_expire(struct dispatch_ticket *ticket, int64_t now_us)
{
    enum outcome outcome = now_us >= ticket->deadline_us ? OUTCOME_DEADLINE : OUTCOME_UNAVAILABLE;
    dispatch_on_reply on_reply = ticket->on_reply;
    void *context = ticket->context;
    BusReply reply = refusal_reply(outcome);
    ticket_abandon(ticket, outcome);
    on_reply(&reply, slice_of(NULL, 0), context);
}

/* False where the worker cannot take it: the ticket is still queued, and the worker full or gone. */
static bool ticket_send(struct dispatch_ticket *ticket, struct worker *worker)
{
    struct service *service = ticket->service;
    int64_t now_us = clock_monotonic_us(), left_ms = (ticket->deadline_us - now_us) / 1000;
    envelope_set_tail(ticket->bytes, ticket->envelope_size, ticket->sent, left_ms > 1 ? (uint32_t)left_ms : 1);
    struct slice envelope = slice_of(ticket->bytes, ticket->envelope_size);
    if (!worker_send(worker, envelope, slice_of(ticket->bytes + ticket->envelope_size, ticket->body_size)))
        return false;
    ticket_take(ticket);
    ticket->state = TICKET_SENT;
    ticket->sent = true;
    ticket->worker = worker;
    TAILQ_INSERT_TAIL(&worker->tickets, ticket, at);
    worker->held++;
    worker->sent_us = now_us;
    service->in_flight++;
    wheel_set(&service->dispatcher->wheel, &ticket->due, ticket->deadline_us);
    return true;
}

void service_serve(struct service *service)
{
    struct dispatch_ticket *ticket = TAILQ_FIRST(&service->queue);
    while (ticket) {
        struct dispatch_ticket *next = TAILQ_NEXT(ticket, at);
        struct worker *worker = worker_choose(service, ticket->lost_instance);
        if (!worker && ticket->lost_instance == 0)
            return; /* nobody has credit */
        if (worker && !ticket_send(ticket, worker))
            next = TAILQ_FIRST(&service->queue); /* what a lost worker held stands first now */
        ticket = next;
    }
}
