/* database_connection.h -- one pipelined connection to PostgreSQL: of database.c, which owns queues and retries.
 *
 * It connects in the background, prepares its lane's statements in one group, and checks that they are still as described. From
 * then on it takes batches, until it is lost; then it rests a little and starts anew, for ever. */
#ifndef CAMPUS_DATABASE_CONNECTION_H
#define CAMPUS_DATABASE_CONNECTION_H

#include "common/database.h"

struct database_connection;

/* What became of one batch. */
enum answer {
    ANSWER_DONE,
    ANSWER_REFUSED, /* the batch says why */
    ANSWER_EXPIRED, /* by the statement timeout */
    ANSWER_UNAVAILABLE, /* the server lacks a resource */
    ANSWER_CONFLICT, /* with another transaction: the same again may succeed; the batch says why */
    ANSWER_AGAIN, /* nothing was done, because another batch of its group failed */
    ANSWER_LOST, /* the connection went: nobody knows what was done */
};

struct database_connection_options {
    struct event_base *base;
    const struct database_options *database;
    enum lane lane;
    const struct prepared *statements;
    size_t statement_count;
    /* Whether batches may be added now. On a loss it comes before the answers. */
    void (*on_change)(bool ready, void *context);
    /* Once for each batch added. It may not add, flush or close. */
    void (*on_answer)(struct batch *batch, enum answer answer, void *context);
    void *context;
};

struct database_connection *database_connection_open(const struct database_connection_options *options);
/* What is in flight is answered ANSWER_LOST. NULL is fine. */
void database_connection_close(struct database_connection *connection);

/* Of a ready connection that takes it. Point reads wait for the flush, to share
 * a Sync and a system call; others are sent at once. */
void database_connection_add(struct database_connection *connection, struct batch *batch);
void database_connection_flush(struct database_connection *connection);
/* Drops a connection whose server has been silent for longer than a statement may take. */
void database_connection_sweep(struct database_connection *connection, int64_t now_us);

bool database_connection_ready(const struct database_connection *connection);
uint32_t database_connection_in_flight(const struct database_connection *connection);
/* Of a ready one: whether a batch may be added now. Point reads wait while enough are under way, and then all that have
 * come meanwhile go together. */
bool database_connection_takes(const struct database_connection *connection);

/* Of an error's result; pure. ANSWER_LOST: only a new connection can mend it. */
enum answer database_judge(enum lane lane, const PGresult *result);
void database_note_refusal(struct batch *batch, size_t step, const PGresult *result);

#endif
