/* database_together.h -- point reads of one statement, asked as one: of database_connection.c. */
#ifndef CAMPUS_DATABASE_TOGETHER_H
#define CAMPUS_DATABASE_TOGETHER_H

#include "common/database.h"

/* How many batches from this one on are asked together: at least itself. Batches are linked by `next`. */
uint32_t together_count(const struct batch *first);

/* Puts their question into libpq's buffer; the arena is for as long as that takes. False: the connection is lost. */
bool together_send(PGconn *pg, struct arena *arena, const struct batch *first, uint32_t count)
    __attribute__((warn_unused_result));

/* Gives each of them its rows. The last one owns the result, as it is answered last. */
void together_deliver(struct batch *first, uint32_t count, PGresult *result);

#endif
