/* call_state.h -- what the framework knows of a call; handlers see only call.h. */
#ifndef CAMPUS_CALL_STATE_H
#define CAMPUS_CALL_STATE_H

#include "common/answer.h"
#include "common/aside.h"
#include "common/buffer.h"
#include "common/bus.h"
#include "common/call.h"
#include "common/plan.h"
#include "common/wire.h"

#include <stdatomic.h>

struct call_caller {
    const char *id; /* NULL for nobody */
    const char *person; /* or NULL */
    const char *session; /* by which the person calls; NULL for a key */
    /* What they hold, and beside each where; only for methods that ask for it. */
    const char **permissions, **organisations;
    size_t grant_count;
};

struct runtime;

struct added {
    struct added *next;
    const char *name, *value;
};

struct call {
    struct arena *arena;
    const struct plan *plan;
    struct runtime *runtime; /* the service that works on it */
    void *service; /* what its methods share */
    struct database *database;
    struct aside *aside; /* where a method's long .check runs; NULL: in the loop, as any other */
    struct aside_job checking;
    bool looking; /* what .first reads is on its way */
    const char **found; /* beside plan->found; NULL: there was no row */
    const struct plans *plans;
    void (*on_end)(struct call *call);
    struct bus_origin origin;
    int64_t deadline_us, begun_us;
    /* of the request */
    struct slice body;
    struct wire_field *fields; /* by index in the request's message: the last occurrence */
    uint64_t present; /* bitmap of fields */
    struct call_caller caller;
    const char **scopes, **set;
    size_t scope_count, set_count;
    const char *idempotency_key, *request_id;
    bool key_minted, has_if_version;
    bool again; /* another worker may come to it yet; see answer.h */
    int64_t if_version;
    bool has_client;
    uint64_t client; /* the caller's network; stored only as a keyed hash, never logged */
    const uint8_t *secret; /* the server's, 32 bytes */
    /* while it is worked on */
    struct problem problem;
    struct added *added;
    const char *new_id;
    const struct ending *ending;
    const char *after[MOST_KEYS];
    size_t page_limit; /* 0: not a list */
    struct slice page_query;
    struct batch *batch; /* the one on its way, or done last */
    atomic_bool cancelled; /* while it is checked beside the loop: nobody waits for it any more */
    const struct step *rows; /* of the last statement, for .finish */
    bool replayed;
    unsigned replays;
    struct buffer reply;
    struct call *next, *previous;
};

/* Reads the request's header and body into the call. False where the body is no message. */
bool call_read(struct call *call, const BusRequest *header, struct slice body) __attribute__((warn_unused_result));
/* What it is bound to as the principal of its idempotency key. */
const char *call_principal(const struct call *call);
/* What its idempotency key is used for. */
void call_fingerprint(const struct call *call, uint8_t hash[ANSWER_HASH]);

#endif
