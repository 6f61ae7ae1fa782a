/* fact.h -- how facts get their order and how they are applied once: the SQL of the relay and of consumers. Pure.
 *
 * A fact is inserted in the transaction of its change, after the lock on its subject, so ids are in order per subject.
 * One relay a schema gives committed facts their position, in id order: a slow transaction's facts come later, but are
 * never skipped. A consumer's cursor moves in the transaction that applies. */
#ifndef CAMPUS_FACT_H
#define CAMPUS_FACT_H

#include "common/arena.h"

struct consumer; /* common/method.h */

enum {
    FACT_LOT = 500, /* facts numbered or applied in one transaction, at most */
    FACT_MOST_COUNTED = 10000, /* of those that wait */
};

/* Takes the schema's relay lock until the transaction ends, or does not; a statement of its own, so that the next one's
 * snapshot is younger than the lock. */
extern const char fact_relay_lock_sql[];
/* Numbers a lot; one row: how many. */
extern const char fact_relay_number_sql[];

/* Locks the consumer's cursor. */
const char *fact_cursor_sql(struct arena *arena, const char *source);
/* The consumer's statement with its CTE `batch` in front and the moved cursor behind; one row: how many. NULL where it
 * does not begin with WITH. */
const char *fact_apply_sql(struct arena *arena, const char *source, const char *statement);

/* How far behind the facts are. First a row of this schema's own, then one for each consumer in their order: `version`, of
 * PostgreSQL, in the first alone; `facts`, how many are not yet published, at most FACT_MOST_COUNTED, or not yet applied;
 * `oldest_ms`, how long the oldest unpublished one has waited. */
const char *fact_lag_sql(struct arena *arena, const struct consumer *consumers);

#endif
