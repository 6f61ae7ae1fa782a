/* batch.h -- what is asked of PostgreSQL in one transaction and one round trip: steps, each a statement prepared at the start. */
#ifndef CAMPUS_BATCH_H
#define CAMPUS_BATCH_H

#include "common/arena.h"

#include <libpq-fe.h>

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
    unsigned idle_lanes; /* bits, 1 << lane, of those that never ask for it: their connections do not prepare it */
    /* Filled by database_describe(): */
    int parameter_count, column_count;
    Oid *parameter_types, *column_types;
    const char **parameter_type_names; /* as SQL has them: "ltree[]" */
    const char **column_names;
};

/* Says that batches of the lane ask for it. */
static inline void prepared_ask(struct prepared *statement, enum lane lane)
{
    statement->idle_lanes &= ~(1U << lane);
}

static inline bool prepared_is_asked(const struct prepared *statement, enum lane lane)
{
    return !(statement->idle_lanes >> lane & 1);
}

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

/* Raised by our own SQL, with a code as the constraint and its complaints as the DETAIL: see method.h. The DETAIL of any other
 * error may show the row at fault, and is never read. */
#define BATCH_COMPLAINTS "CA422"

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
    char complaints[1024]; /* of SQLSTATE BATCH_COMPLAINTS: the DETAIL, or as much of it as fits; else "" */
    size_t failed_step; /* the last one where only the commit failed */
    /* The database's own: */
    struct batch *next;
    uint32_t attempts;
    int64_t lost_us; /* when its connection was first lost under it; 0: never */
    bool alone; /* shares no Sync any more */
    int64_t queued_us, resume_us;
};

#endif
