/* plan.h -- a service's methods bound to their statements, at start, with every mistake named.
 *
 * First the statements of all methods are gathered (plans_gather), then PostgreSQL describes them, then each parameter
 * gets its source and each column its field (plans_bind). After that nothing is looked up by name any more. */
#ifndef CAMPUS_PLAN_H
#define CAMPUS_PLAN_H

#include "common/column.h"
#include "common/method.h"
#include "common/pagetoken.h"
#include "common/statement.h"

struct call;

/* Where a parameter's value comes from. */
struct source {
    enum source_kind { SOURCE_FIELD, SOURCE_BUILTIN, SOURCE_ADDED, SOURCE_AFTER } kind;
    const struct field *field; /* SOURCE_FIELD */
    const char *(*builtin)(struct call *call); /* SOURCE_BUILTIN */
    const char *added; /* SOURCE_ADDED: its name */
    size_t after; /* SOURCE_AFTER: which value of the page token */
};

/* Columns that the framework itself reads, -1 where there are none. */
struct control_columns {
    int visible, permitted, version, refusal, refused, retry_after_ms; /* the last two of a WRITE's reply */
};

struct bound_step {
    size_t prepared; /* index in plans->prepared */
    size_t together; /* so too: the same for many calls at once; 0: there is none */
    const struct source *sources;
    size_t source_count;
    bool target; /* no row is 404 */
    struct control_columns control;
};

/* A column of the last statement and the field that it fills. */
struct sink {
    int column;
    const struct field *outer; /* the nested message that holds it, or NULL */
    const struct field *field;
    const struct column_type *type;
};

/* A way for a batch to end: one for each order of a list, or the search. */
struct ending {
    struct bound_step step;
    const struct sink *sinks;
    size_t sink_count;
    int after_columns[MOST_KEYS]; /* the columns that make the page token */
    size_t after_count;
};

/* A field of the request that the reply repeats. */
struct echo {
    const struct field *asked, *told;
};

struct plan {
    const struct method *method;
    const struct rpc *rpc;
    enum lane lane, first_lane;
    struct bound_step *first; /* what is read before .check */
    const char *const *found; /* the columns of the last of them */
    size_t first_count, found_count;
    struct bound_step *steps; /* all but the last */
    size_t step_count;
    struct ending *endings; /* by the value of `sort` in its enum's order; one without a sort */
    size_t ending_count;
    const struct field *sort, *search_field, *queue_by;
    struct ending *search; /* or NULL */
    struct bound_step *count; /* or NULL */
    size_t replay; /* of a WRITE: the prepared statement that gives the stored rows again */
    const struct echo *echoes; /* of a WRITE */
    size_t echo_count;
    const struct field *page_size, *page_token, *count_field, *next_page_token, *total_count;
};

/* The framework's own statements, in this order at the head of plans->prepared; those of an answer together. */
enum {
    PREPARED_CLAIM, /* a WRITE's answer: see answer.h */
    PREPARED_EXPIRE,
    PREPARED_SEAL,
    PREPARED_FIND,
    PREPARED_SEEK,
    PREPARED_SWEEP,
    PREPARED_RELAY_LOCK,
    PREPARED_RELAY_NUMBER,
    PREPARED_OWN, /* then for each consumer its lock and its statement, then those of the methods */
};

struct plans {
    struct arena *arena;
    const struct service *service;
    const struct schema *schema;
    struct plan *all;
    size_t count;
    struct prepared *prepared;
    const struct statement **statements; /* beside prepared */
    size_t prepared_count, prepared_capacity;
    size_t lag; /* the statement of fact_lag_sql(): behind the consumers', whose slips are theirs to be named */
    const char *error;
};

/* `queries` is what embed_statements() gives. False with plans->error. */
bool plans_gather(struct plans *plans, struct arena *arena, const struct service *service, const struct schema *schema,
                  struct slice queries) __attribute__((warn_unused_result));
/* After database_describe() over plans->prepared. */
bool plans_bind(struct plans *plans) __attribute__((warn_unused_result));

/* Where the statement of that name stands in plans->prepared; prepared_count where there is none. */
size_t plans_find_prepared(const struct plans *plans, const char *name);
/* Adds one more statement under a name of its own, or finds it. */
size_t plans_add_sql(struct plans *plans, const char *name, const char *sql);
/* Sets plans->error, one line that names the method or the statement at fault. Always false. */
bool plans_complain(struct plans *plans, const char *format, ...) __attribute__((format(printf, 2, 3)));
const struct plan *plans_find(const struct plans *plans, const char *rpc_name);

#endif
