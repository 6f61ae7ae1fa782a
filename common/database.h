/* database.h -- PostgreSQL as a service uses it: named statements, prepared everywhere; batches, each one transaction
 * and one round trip; lanes, so that heavy work never delays light.
 *
 * A batch is sent as one pipelined group under one Sync, which PostgreSQL runs as one implicit transaction. Point reads
 * that one loop turn brought share a Sync, and those of the same statement are asked together, as one statement over
 * arrays; an error repeats the others alone. Never a Flush without its Sync. */
#ifndef CAMPUS_DATABASE_H
#define CAMPUS_DATABASE_H

#include "common/batch.h"

#include <stdio.h>

struct database;
struct event_base;

struct lane_options {
    uint32_t connections, depth; /* batches in flight a connection */
};

struct database_options {
    const char *conninfo; /* libpq; several hosts are fine */
    const char *role; /* user= */
    const char *schema; /* search_path: this, then campus */
    struct lane_options lanes[LANE_COUNT];
    uint32_t shares[LANE_COUNT]; /* connections that one caller's batches may hold at once, of depth 1; 0: all */
    uint32_t statement_ms, lock_ms; /* timeouts; imports and the background have ten times as long for a statement */
    uint32_t queue_limit; /* batches that wait in one lane, at most: more are refused as unavailable */
    uint32_t unavailable_ms; /* how long a batch waits for a lane without any connection */
};

/* Prepares and describes every statement over one connection of its own, blocking: for start-up. False with *error (in
 * the arena) naming the statement and PostgreSQL's words; *unreachable tells a database that is not there yet from
 * one that says no. */
bool database_describe(struct arena *arena, const struct database_options *options, struct prepared *statements,
                       size_t count, const char **error, bool *unreachable) __attribute__((warn_unused_result));

/* Connects all lanes in the background; each connection prepares all statements before it is used, reconnects with jitter
 * when it is lost. options and statements are borrowed for the database's life; a connection on which a statement's
 * columns are no longer as described is not used. */
struct database *database_open(struct event_base *base, const struct database_options *options,
                               const struct prepared *statements, size_t count);
/* Every batch still waiting or in flight ends as BATCH_UNAVAILABLE. NULL is fine. */
void database_close(struct database *database);

/* The batch and its values live until on_done. Conflicts (40001, 40P01) and a connection lost in between are retried within
 * the deadline, at most five times: a write must therefore be safe to repeat. on_done is never called from within. */
void database_submit(struct database *database, struct batch *batch);

struct lane_figures {
    const char *name;
    uint32_t connections, wanted; /* those that are open, and how many there should be */
    size_t waiting, in_flight; /* batches */
};
struct lane_figures database_lane(const struct database *database, enum lane lane);
/* Whether each lane has a connection. */
bool database_ready(const struct database *database);
size_t database_pending(const struct database *database);
void database_metrics(const struct database *database, const char *service, FILE *out);

#endif
