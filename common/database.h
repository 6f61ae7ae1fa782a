/* database.h -- PostgreSQL as a service uses it: named statements, prepared everywhere; batches, each one transaction
 * and one round trip; lanes, so that heavy work never delays light.
 *
 * A batch is sent as one pipelined group under one Sync, which PostgreSQL runs as one implicit transaction. Point reads
 * that one loop turn brought share a Sync, and those of the same statement are asked together, as one statement over
 * arrays; an error repeats the others alone. Never a Flush without its Sync. */
#ifndef CAMPUS_DATABASE_H
#define CAMPUS_DATABASE_H

#include "common/arena.h"

#include <libpq-fe.h>
#include <stdio.h>

struct database;
struct event_base;

/* Which connections a batch may use. */
enum lane {
    LANE_POINT, /* read-only: one row */
    LANE_HEAVY, /* read-only: lists, counts, exports */
    LANE_WRITE,
    LANE_BRIEF, /* writes that wait for no lock and that others wait for: who is behind a key */
    LANE_IMPORT,
    LANE_BACKGROUND, /* what a service does by itself: the relay, consumers, sweeps */
    LANE_COUNT
};

struct prepared {
    const char *name; /* unique in the database object */
    const char *text; /* with $1, $2 ... */
    /* Filled by database_describe(): */
    int parameter_count, column_count;
    Oid *parameter_types, *column_types;
    const char **parameter_type_names; /* as SQL has them: "ltree[]" */
    const char **column_names;
};

struct step {
    const struct prepared *statement;
    /* Of a point read's only step, or NULL: the same for many at once. It takes a text[] for each parameter, with one
     * value for each of the many, and gives the same columns, then `pos` (int8): whose row it is, from 1, in order. */
    const struct prepared *together;
    const char *const *values; /* text format; NULL is SQL NULL */
    /* Until on_done returns, then cleared: binary format. Its rows are row_count of the result's from first_row on. */
    PGresult *result;
    int first_row, row_count;
    bool borrowed; /* the result is that of another batch that was asked together with this one */
};

enum batch_outcome {
    BATCH_DONE, /* committed; every step has its result */
    BATCH_REFUSED, /* PostgreSQL said no: see sqlstate and constraint; nothing was written */
    BATCH_UNAVAILABLE, /* no connection, or lost before it is known whether it committed, after the retries */
    BATCH_EXPIRED, /* the deadline or the statement timeout passed */
};

struct batch {
    enum lane lane;
    uint32_t queue_by; /* of writes: equal values use the same connection; 0: any */
    uint32_t caller; /* on whose behalf, as a hash; 0: nobody's */
    struct step *steps;
    size_t step_count;
    int64_t deadline_us; /* clock_monotonic_us() */
    /* Called once, in the loop. The results are readable in it, on BATCH_REFUSED those before the failing step too.
     * It may submit, also this batch anew, and may free the batch and its steps; it may not close the database. */
    void (*on_done)(struct batch *batch, enum batch_outcome outcome, void *context);
    void *context;
    /* On BATCH_REFUSED: */
    char sqlstate[6];
    char constraint[64]; /* its name, or "" */
    char table[64], column[64];
    size_t failed_step; /* the last one where only the commit failed */
    /* The database's own: */
    struct batch *next;
    uint32_t attempts;
    int64_t lost_us; /* when its connection was first lost under it; 0: never */
    bool alone; /* shares no Sync any more */
    int64_t queued_us, resume_us;
};

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
