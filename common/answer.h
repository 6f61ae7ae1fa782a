/* answer.h -- how a WRITE is done once: its idempotency key is claimed in the same transaction as the effect, and the
 * answer's rows are stored beside it.
 *
 * The claim is an insert, so a twin waits for it (lock_timeout) and then fails on the primary key; the stored rows are then
 * read and shaped by the same code as the first time. A refusal leaves reply empty, so jsonb_agg gives NULL, which the
 * column refuses: claim and all are rolled back. "A refusal writes nothing" is thus a constraint.
 *
 * With one exception. Where another worker had the request before, it may be frozen, or behind a network that comes back, and
 * do later what was refused here. So that a refusal is final there, it takes the key: the answer's rows are then its code,
 * a JSON string in place of the array. */
#ifndef CAMPUS_ANSWER_H
#define CAMPUS_ANSWER_H

#include "common/arena.h"

enum { ANSWER_HASH = 32, ANSWER_SECRET = 32, ANSWER_LONGEST_KEY = 255 };

/* Whether these bytes can be an idempotency key: 1 to ANSWER_LONGEST_KEY visible characters of ASCII. */
bool answer_is_key(struct slice key);

/* :answer_principal :answer_key :answer_fingerprint :answer_seconds :method */
extern const char answer_claim_sql[];
/* An expired answer makes way. */
extern const char answer_expire_sql[];
/* :refusal and what the claim takes: the refusal's answer, unless there is one under this key. */
extern const char answer_seal_sql[];
/* One row (fingerprint, refusal) where there is an answer under this key. */
extern const char answer_find_sql[];
/* The same where it has not expired; writes nothing. */
extern const char answer_seek_sql[];
/* Deletes expired answers in a small lot. */
extern const char answer_sweep_sql[];

/* What stands behind a WRITE's last statement: stores the answer, and the facts where it has a CTE `facts`. */
const char *answer_tail(bool facts);

/* The constraint and column by which PostgreSQL tells a replay and a refusal. */
bool answer_is_replay(const char *sqlstate, const char *table);
bool answer_is_refusal(const char *sqlstate, const char *table, const char *column);

/* What a key is used for. */
struct answer_request {
    const char *method;
    int64_t if_version;
    const char *const *set; /* the paths that a merge patch names */
    size_t set_count;
    struct slice body;
};

/* SHA-256 of an idempotency key. */
void answer_key_hash(const char *key, uint8_t hash[ANSWER_HASH]);
/* Of what it was used for, under the server's secret: a body may hold a password, and whoever reads the stored hash must not be
 * able to try others on it. */
void answer_fingerprint(const uint8_t secret[ANSWER_SECRET], const struct answer_request *request,
                        uint8_t hash[ANSWER_HASH]);

#endif
