/* execute.h -- a call from its request to its reply: check, batch, rows, answer. */
#ifndef CAMPUS_EXECUTE_H
#define CAMPUS_EXECUTE_H

struct call;
struct database;
struct plans;

/* Runs a call that has been read. on_end is called exactly once, now or later, with call->problem and call->reply set. */
void execute(struct call *call, struct database *database, const struct plans *plans,
             void (*on_end)(struct call *call));

#endif
