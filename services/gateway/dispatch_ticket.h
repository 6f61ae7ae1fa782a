/* dispatch_ticket.h -- one request on its way, and the queue of those that wait. Within the dispatcher. */
#ifndef CAMPUS_GATEWAY_DISPATCH_TICKET_H
#define CAMPUS_GATEWAY_DISPATCH_TICKET_H

#include "services/gateway/dispatch_state.h"

struct dispatch_ticket *ticket_new(struct service *service, const BusRequest *header, struct slice body);
void ticket_free(struct dispatch_ticket *ticket);
/* At the end of its service's queue; or, sent before, at its head. */
void ticket_queue(struct dispatch_ticket *ticket, bool again);
/* Takes it from where it is. Its on_reply will be called from the loop. */
void ticket_refuse(struct dispatch_ticket *ticket, enum outcome outcome);
/* Ends it: calls on_reply, unless it was abandoned, and frees it. */
void ticket_answer(struct dispatch_ticket *ticket, enum outcome outcome, const BusReply *reply, struct slice body);
void ticket_answer_refusal(struct dispatch_ticket *ticket, enum outcome outcome);
/* Nobody waits for it any more. Frees it, or leaves it with its worker, which is told. */
void ticket_abandon(struct dispatch_ticket *ticket, enum outcome outcome);
/* Its time in the queue or its deadline is over. */
void ticket_expire(struct dispatch_ticket *ticket, int64_t now_us);
/* Sends what waits, as far as there is credit. */
void service_serve(struct service *service);

#endif
