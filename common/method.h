/* method.h -- a service is a table: its methods, each a few named statements and, where SQL cannot say it, a function.
 *
 * The statements live beside it in services/<service>/<noun>.sql, each under a line `-- name: get_person`. Filters have
 * today() in a sub-select, so that it is asked once and not for each row. In the statements
 *
 *   :name       the request's field `name` (absent: NULL; a repeated field: an array; an enum: its lower-case name;
 *               an instant: timestamptz; a message: jsonb, and repeated ones a jsonb array), or one of
 *   :caller_id :caller_person   who calls (uuid; person NULL where none is behind the key)
 *   :caller_session the session by which a person calls (uuid); NULL for a key
 *   :scopes     ltree[]: the subtrees in which the caller holds this method's permission; '{}' for nobody
 *   :grant_permissions :grant_organisations   text[], side by side: all that the caller holds, as patterns, and in which
 *               subtree; only where the method has the option grants
 *   :new_id     a fresh UUIDv7
 *   :set        text[]: the paths that a merge patch names
 *   :if_version the version that If-Match names, or NULL
 *   :page_limit of a list: one more than the page size, to tell whether there is a next page
 *   :after_<column>  of a list: that column, never NULL, of the row before this page; NULL on the first
 *   :request_id the request's id
 *   :client     the caller's network as a keyed hash (bytea): equal for equal ones, and nobody learns which; NULL for an operator
 *   or what .prepare and .check add.
 *
 * The columns of the last statement fill the reply: each must be a field of the same name and a fitting type
 * ("venue.name" a nested one's; path::text for an ltree; jsonb for a repeated nested one). Where the reply has a field
 * marked `rows`, each row fills one element of it, and the framework pages: next_page_token from the last row's
 * :after_ columns, total_count by .count when the request says count=exact. A WRITE's reply fields that are no column
 * but a field of the request are echoed from it, since nothing personal may stand in a stored answer.
 *
 * A column `refusal` that is not NULL, in any statement, refuses with that code, and nothing has happened. A column `refused_as` of
 * a WRITE's reply refuses too, but what was written stays written: for what must be remembered of a refusal, as a password
 * that was wrong. With it a column `retry_after_ms` says when to come again.
 * A refusal that SQL raises may bring complaints: in the DETAIL of an error of SQLSTATE CA422, a line
 * "pointer<tab>code<tab>argument" for each.
 *
 * A statement named target_... reads (and in a write locks) the row that the call is about: no row or visible = false
 * is 404, permitted = false is 403, a `version` other than If-Match is 412. Each column is optional. In a WRITE both are
 * made to errors of the transaction: what follows does not happen.
 *
 * A WRITE's last statement is a chain of CTEs that ends in `reply AS (...)` and, where something happened worth telling,
 * `facts AS (SELECT type, subject, data ...)` with data jsonb; no SELECT behind them: the framework adds what stores the
 * answer and the facts, and selects from reply. When reply is empty nothing is written: the call is refused with the
 * target's reason, or as "conflict". */
#ifndef CAMPUS_METHOD_H
#define CAMPUS_METHOD_H

#include "common/aside.h"
#include "common/database.h"
#include "common/schema.h"

#include <stdio.h>

struct call;
struct job;
struct settings;

struct method {
    const char *name; /* the rpc's */
    /* Statements of the batch, in order: "target_person, update_person". "{sort}" in the last stands for the value of the
     * request's enum field `sort`: there is a statement for each, and the first is the default. */
    const char *query;
    const char *search; /* instead of the last statement, when the request has the field `q`; or NULL */
    const char *count; /* the statement that gives total_count; or NULL */
    const char *adds; /* parameters that .prepare and .check add: "numbers, names" */
    /* Columns of the last statement that fill no field: .finish reads them with call_column(). Of a WRITE they stand in the
     * stored answer: nothing personal in clear. */
    const char *hides;
    const char *queue_by; /* a field of the request: equal values take the same connection */
    enum lane lane; /* LANE_POINT stands for a read; a WRITE has LANE_WRITE unless it says another */
    /* Statements that are read before .check, for what it has to know: "find_account". The last one's row is read with
     * call_found(); `refusal` and target_... mean what they do elsewhere. Not run into by a WRITE's repetition, which is
     * answered from what is stored. On LANE_POINT where no other is named. */
    const char *first;
    enum lane first_lane;
    /* Before .first, in the loop: adds what it binds beyond the request's fields. May refuse as .check does. */
    void (*prepare)(struct call *call);
    /* Rules that need only the request, the caller and what .first has found. Refuses with call_refuse() or call_complain(). */
    void (*check)(struct call *call);
    /* .check may take long: it runs beside the loop in this lane, and touches nothing but its call. */
    enum aside_lane aside;
    /* Shapes the reply where rows alone cannot: pure, and run again on a stored answer's rows. */
    void (*finish)(struct call *call);
};

/* A statement that applies the facts of another service, each once and in order. It begins with WITH and finds them as
 * the CTE `batch` (pos, type, subject, data, actor, method, request_id, at), oldest first; the cursor moves with it. */
struct consumer {
    const char *source; /* the service whose view `facts` is read */
    const char *statement;
    /* A source that publishes no facts to us is left out at start, until the next one: it may come later. Else it is an error. */
    bool optional;
};

enum { SWEEP_LOT = 1000 };

/* What a service and its jobs have at hand, for as long as they run. */
struct service_host {
    const struct settings *settings;
    const uint8_t *secret; /* the server's, 32 bytes */
};

struct service {
    const char *name; /* "membership": also its schema, its role campus_membership and its folder */
    const struct method *const *tables; /* NULL-terminated; each ends with a row without a name */
    const struct consumer *consumers; /* ends with a row without a source; or NULL */
    const struct job *jobs; /* common/job.h: ends with a row without a name; or NULL */
    /* Statements without parameters that delete or blank what is over, in lots of SWEEP_LOT, every ten seconds; their one row
     * is how many. NULL-terminated; or NULL. */
    const char *const *sweeps;
    /* What its methods share: made at start as *state, had by call_service(), ended by close. False with *error: the service does
     * not start. Both, or neither. */
    bool (*open)(struct arena *arena, const struct service_host *host, void **state, const char **error);
    void (*close)(void *state);
    /* What the service needs of this host and does not find there, or NULL. Asked at start. NULL: it needs nothing. */
    const char *(*missing)(void);
    /* Adds samples of the service's own to /metrics; or NULL. Any thread's numbers, so they are atomic. */
    void (*metrics)(FILE *out);
};

#endif
