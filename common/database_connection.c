/* database_connection.c -- connects, prepares, sends groups, reads results, notices loss. */
#include "common/database_connection.h"

#include "common/clock.h"
#include "common/database_together.h"
#include "common/database_words.h"
#include "common/log.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

enum {
    MOST_GROUPS = 2, /* of point reads under way: one that PostgreSQL works on, one that is there when it has done so */
    MOST_IN_GROUP = 32, /* batches under one Sync: bounds what an error repeats and how long the first waits */
    SHORTEST_REST_MS = 20,
    LONGEST_REST_MS = 1000,
    CONNECT_MS = 5000, /* from the first packet to all statements prepared */
    FROZEN_MS = 2000, /* silence beyond the statement timeout */
};

enum state { RESTING, CONNECTING, PREPARING, READY };

/* The batches under one Sync, in the order of their sending. */
struct group {
    struct batch *first, *last;
    uint32_t count;
};

struct database_connection {
    struct database_connection_options options;
    enum state state;
    PGconn *pg;
    struct event *timer; /* RESTING: when to connect; CONNECTING and PREPARING: when to give up */
    struct event *polling; /* CONNECTING: what libpq waits for */
    struct event *readable, *writable; /* from PREPARING on; writable only while libpq holds unsent bytes */
    struct group *groups; /* a ring of `depth`: `sent` ones from `head` on, behind them the open one */
    uint32_t depth, head, sent, in_flight;
    struct batch *at; /* whose result comes next, NULL behind the last of the group */
    size_t step;
    struct arena *arena; /* of one flush */
    struct batch *cut; /* of the group being read: which failed, or NULL; and what became of it */
    enum answer verdict;
    size_t preparing; /* the statement whose results come next: of the prepare, of the describe */
    bool describing;
    uint32_t rest_ms;
    bool complained, blamed; /* one line an outage: about the connection, about a statement */
    int64_t heard_us; /* when the server last said something, or was first asked */
};

/* ---- loss and rest ---- */

static struct group *open_group(struct database_connection *c)
{
    return &c->groups[(c->head + c->sent) % c->depth];
}

static void rest(struct database_connection *c, uint32_t ms)
{
    c->state = RESTING;
    event_add(c->timer, &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = (int)(ms % 1000) * 1000 });
}

static void drop_event(struct event **ev)
{
    if (*ev)
        event_free(*ev);
    *ev = NULL;
}

static void disconnect(struct database_connection *c)
{
    drop_event(&c->polling);
    drop_event(&c->readable);
    drop_event(&c->writable);
    event_del(c->timer);
    PQfinish(c->pg);
    c->pg = NULL;
}

static void answer(struct database_connection *c, struct batch *batch, enum answer what)
{
    batch->next = NULL;
    c->in_flight--;
    c->options.on_answer(batch, what, c->options.context);
}

static void answer_all_lost(struct database_connection *c)
{
    for (uint32_t i = 0; i <= c->sent && c->in_flight; i++) {
        struct group *group = &c->groups[(c->head + i) % c->depth];
        struct batch *next;
        for (struct batch *batch = group->first; batch; batch = next) {
            next = batch->next;
            answer(c, batch, ANSWER_LOST);
        }
        *group = (struct group){ 0 };
    }
    c->head = c->sent = 0;
    c->at = c->cut = NULL;
}

/* The reason is ours or libpq's about connecting; the words of a statement's error may hold values. */
static void lost(struct database_connection *c, const char *reason)
{
    bool was_ready = c->state == READY;
    if (!c->complained)
        log_warning("database connection lost", "schema=%s lane=%s reason=\"%.*s\"", c->options.database->schema,
                    database_lane_names[c->options.lane], (int)strcspn(reason, "\n"), reason);
    c->complained = true;
    disconnect(c);
    rest(c, c->rest_ms / 2 + arc4random_uniform(c->rest_ms / 2 + 1));
    c->rest_ms = c->rest_ms * 2 > LONGEST_REST_MS ? LONGEST_REST_MS : c->rest_ms * 2;
    if (was_ready)
        c->options.on_change(false, c->options.context);
    answer_all_lost(c);
}

/* Hands libpq's bytes to the system and waits for room only while some are left. False: the connection is lost. */
static bool push(struct database_connection *c)
{
    int left = PQflush(c->pg);
    if (left < 0) {
        lost(c, "sending failed");
        return false;
    }
    if (left > 0)
        event_add(c->writable, NULL);
    else if (event_pending(c->writable, EV_WRITE, NULL))
        event_del(c->writable);
    return true;
}

/* ---- connecting and preparing ---- */

static void on_polling(evutil_socket_t fd, short what, void *context);
static void on_socket(evutil_socket_t fd, short what, void *context);

/* libpq may change its socket at each step, so nothing is registered while it works. */
static void poll_for(struct database_connection *c, short what)
{
    drop_event(&c->polling);
    c->polling = event_new(c->options.base, PQsocket(c->pg), what, on_polling, c);
    if (!c->polling)
        abort();
    event_add(c->polling, NULL);
}

/* Of a notice only the code: its text may hold values. */
static void on_notice(void *context, const PGresult *result)
{
    struct database_connection *c = context;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    log_debug("database notice", "schema=%s sqlstate=%s", c->options.database->schema, sqlstate ? sqlstate : "");
}

static void start(struct database_connection *c)
{
    struct database_words words = { 0 };
    database_words(&words, c->options.database, c->options.lane);
    c->state = CONNECTING;
    c->pg = PQconnectStartParams(words.keys, words.values, 1);
    if (!c->pg)
        abort();
    PQsetNoticeReceiver(c->pg, on_notice, c);
    event_add(c->timer, &(struct timeval){ .tv_sec = CONNECT_MS / 1000 });
    if (PQstatus(c->pg) == CONNECTION_BAD)
        lost(c, PQerrorMessage(c->pg));
    else
        poll_for(c, EV_WRITE);
}

/* The first from there on that this lane asks for; statement_count behind the last. */
static size_t next_statement(const struct database_connection *c, size_t from)
{
    while (from < c->options.statement_count && !prepared_is_asked(&c->options.statements[from], c->options.lane))
        from++;
    return from;
}

static bool send_preparation(struct database_connection *c)
{
    for (size_t i = next_statement(c, 0); i < c->options.statement_count; i = next_statement(c, i + 1)) {
        const struct prepared *statement = &c->options.statements[i];
        if (!PQsendPrepare(c->pg, statement->name, statement->text, 0, NULL) ||
            !PQsendDescribePrepared(c->pg, statement->name))
            return false;
    }
    return PQpipelineSync(c->pg);
}

static void prepare(struct database_connection *c)
{
    drop_event(&c->polling);
    c->state = PREPARING;
    c->preparing = next_statement(c, 0);
    c->describing = false;
    c->readable = event_new(c->options.base, PQsocket(c->pg), EV_READ | EV_PERSIST, on_socket, c);
    c->writable = event_new(c->options.base, PQsocket(c->pg), EV_WRITE | EV_PERSIST, on_socket, c);
    if (!c->readable || !c->writable)
        abort();
    event_add(c->readable, NULL);
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg) || !send_preparation(c))
        lost(c, "preparing could not be sent");
    else
        push(c);
}

static void on_polling(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct database_connection *c = context;
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        poll_for(c, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        poll_for(c, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        prepare(c);
        break;
    default:
        lost(c, PQerrorMessage(c->pg));
    }
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct database_connection *c = context;
    if (c->state == RESTING)
        start(c);
    else
        lost(c, "connecting took too long");
}

/* Rows are read by what was described at the start: after a change of the schema they could be misread. */
static bool as_described(const struct prepared *statement, const PGresult *result)
{
    if (PQnfields(result) != statement->column_count || PQnparams(result) != statement->parameter_count)
        return false;
    for (int i = 0; i < statement->column_count; i++)
        if (PQftype(result, i) != statement->column_types[i] ||
            strcmp(PQfname(result, i), statement->column_names[i]) != 0)
            return false;
    return true;
}

static bool preparation_failed(struct database_connection *c, const char *name, const char *reason)
{
    if (!c->blamed)
        log_error("statement does not prepare", "schema=%s lane=%s statement=%s reason=\"%s\"",
                  c->options.database->schema, database_lane_names[c->options.lane], name, reason);
    c->blamed = true;
    lost(c, "preparing failed");
    return false;
}

static void become_ready(struct database_connection *c)
{
    event_del(c->timer);
    c->state = READY;
    c->rest_ms = SHORTEST_REST_MS;
    if (c->complained)
        log_info("database connection restored", "schema=%s lane=%s", c->options.database->schema,
                 database_lane_names[c->options.lane]);
    c->complained = c->blamed = false;
    c->options.on_change(true, c->options.context);
}

/* Results come in pairs: of the prepare, of the describe. False: the connection is lost. */
static bool take_preparation(struct database_connection *c, PGresult *result)
{
    const struct prepared *statement = &c->options.statements[c->preparing];
    bool kept = true;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        become_ready(c);
    } else if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        kept = preparation_failed(c, c->preparing < c->options.statement_count ? statement->name : "",
                                  sqlstate ? sqlstate : "");
    } else if (c->describing && !as_described(statement, result)) {
        kept = preparation_failed(c, statement->name, "other columns than at the start");
    } else {
        c->preparing = c->describing ? next_statement(c, c->preparing + 1) : c->preparing;
        c->describing = !c->describing;
    }
    PQclear(result);
    return kept;
}

/* ---- results ---- */

static void next_step(struct database_connection *c)
{
    if (!c->at || ++c->step < c->at->step_count)
        return;
    for (uint32_t count = together_count(c->at); count > 0; count--)
        c->at = c->at->next;
    c->step = 0;
}

static void deliver(struct database_connection *c, PGresult *result)
{
    struct step *step = &c->at->steps[c->step];
    uint32_t count = together_count(c->at);
    if (count > 1) {
        together_deliver(c->at, count, result);
    } else {
        step->result = result;
        step->first_row = 0;
        step->row_count = PQntuples(result);
    }
    next_step(c);
}

/* An error behind all steps is the commit's. Of a group that is one batch it is that batch's; of several nobody knows whose,
 * and each is repeated alone. So too of several that were asked together. False: the connection is lost. */
static bool take_error(struct database_connection *c, const PGresult *result)
{
    enum answer verdict = database_judge(c->options.lane, result);
    if (verdict == ANSWER_LOST) {
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        lost(c, sqlstate ? sqlstate : "closed by the server");
        return false;
    }
    const struct group *group = &c->groups[c->head];
    bool at_commit = !c->at;
    c->cut = at_commit ? group->first : c->at;
    uint32_t suspects = at_commit ? group->count : together_count(c->at);
    c->verdict = suspects > 1 ? ANSWER_AGAIN : verdict;
    database_note_refusal(c->cut, at_commit ? c->cut->step_count - 1 : c->step, result);
    next_step(c);
    return true;
}

static void start_reading_group(struct database_connection *c)
{
    c->at = c->sent ? c->groups[c->head].first : NULL;
    c->step = 0;
    c->cut = NULL;
}

static void end_group(struct database_connection *c)
{
    struct batch *batch = c->groups[c->head].first, *cut = c->cut;
    c->groups[c->head] = (struct group){ 0 };
    c->head = (c->head + 1) % c->depth;
    c->sent--;
    start_reading_group(c);
    enum answer what = ANSWER_DONE;
    for (struct batch *next; batch; batch = next) {
        next = batch->next;
        if (what != ANSWER_DONE)
            what = ANSWER_AGAIN;
        if (batch == cut)
            what = c->verdict;
        answer(c, batch, what);
    }
}

/* False: the connection is lost. */
static bool take_result(struct database_connection *c, PGresult *result)
{
    bool kept = true;
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        assert(c->at);
        deliver(c, result);
        return true;
    case PGRES_PIPELINE_SYNC:
        end_group(c);
        break;
    case PGRES_PIPELINE_ABORTED:
        next_step(c);
        break;
    default:
        kept = take_error(c, result);
    }
    PQclear(result);
    return kept;
}

/* One read for each readiness, then all results that are complete. PQgetResult would block while libpq is busy. */
static void on_socket(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct database_connection *c = context;
    if ((what & EV_READ) && !PQconsumeInput(c->pg)) {
        lost(c, "closed by the server");
        return;
    }
    if (what & EV_READ)
        c->heard_us = clock_monotonic_us();
    while ((c->sent || c->state == PREPARING) && !PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);
        if (!result && PQstatus(c->pg) == CONNECTION_BAD)
            break;
        if (result && !(c->state == PREPARING ? take_preparation(c, result) : take_result(c, result)))
            return;
    }
    if (PQstatus(c->pg) == CONNECTION_BAD)
        lost(c, "closed by the server");
    else
        push(c);
}

/* ---- what the database calls ---- */

static bool send_steps(struct database_connection *c, const struct batch *batch)
{
    for (size_t i = 0; i < batch->step_count; i++) {
        const struct step *step = &batch->steps[i];
        if (!PQsendQueryPrepared(c->pg, step->statement->name, step->statement->parameter_count, step->values, NULL,
                                 NULL, 1))
            return false;
    }
    return true;
}

static bool send_group(struct database_connection *c, const struct batch *batch)
{
    arena_reset(c->arena);
    while (batch) {
        uint32_t count = together_count(batch);
        if (!(count > 1 ? together_send(c->pg, c->arena, batch, count) : send_steps(c, batch)))
            return false;
        for (; count > 0; count--)
            batch = batch->next;
    }
    return PQpipelineSync(c->pg);
}

void database_connection_flush(struct database_connection *c)
{
    const struct group *group = open_group(c);
    if (c->state != READY || group->count == 0 || c->sent == c->depth)
        return;
    if (c->sent++ == 0) {
        start_reading_group(c);
        c->heard_us = clock_monotonic_us();
    }
    if (!send_group(c, group->first))
        lost(c, "sending failed");
    else
        push(c);
}

static bool asks_the_same(const struct batch *a, const struct batch *b)
{
    return a->steps->together && a->steps->together == b->steps->together;
}

/* Behind the last that may be asked together with it: among reads no order is promised. */
static void group_insert(struct group *group, struct batch *batch)
{
    struct batch *before = group->last;
    if (before && !asks_the_same(before, batch))
        for (struct batch *other = group->first; other; other = other->next)
            before = asks_the_same(other, batch) ? other : before;
    struct batch **place = before ? &before->next : &group->first;
    batch->next = *place;
    *place = batch;
    if (!batch->next)
        group->last = batch;
    group->count++;
}

void database_connection_add(struct database_connection *c, struct batch *batch)
{
    assert(c->state == READY && c->in_flight < c->depth);
    bool alone = batch->alone || c->options.lane != LANE_POINT;
    if (alone)
        database_connection_flush(c);
    struct group *group = open_group(c);
    group_insert(group, batch);
    c->in_flight++;
    if (c->state != READY)
        lost(c, "sending failed");
    else if (alone || group->count == MOST_IN_GROUP)
        database_connection_flush(c);
}

void database_connection_sweep(struct database_connection *c, int64_t now_us)
{
    int64_t silence_us = (database_statement_ms(c->options.database, c->options.lane) + (int64_t)FROZEN_MS) * 1000;
    if (c->sent && now_us - c->heard_us > silence_us)
        lost(c, "no answer");
}

bool database_connection_ready(const struct database_connection *c)
{
    return c->state == READY;
}

uint32_t database_connection_in_flight(const struct database_connection *c)
{
    return c->in_flight;
}

/* With no such bound each loop turn's one or two reads went alone, and each cost a system call and a wake-up on either
 * side: two thirds of the rate at 64 clients. */
bool database_connection_takes(const struct database_connection *c)
{
    bool waits = c->options.lane == LANE_POINT && c->sent >= MOST_GROUPS;
    return c->in_flight < c->depth && !waits;
}

struct database_connection *database_connection_open(const struct database_connection_options *options)
{
    struct database_connection *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->options = *options;
    c->rest_ms = SHORTEST_REST_MS;
    c->depth = options->database->lanes[options->lane].depth;
    assert(c->depth > 0);
    c->groups = calloc(c->depth, sizeof *c->groups);
    c->timer = evtimer_new(options->base, on_timer, c);
    c->arena = arena_new();
    if (!c->groups || !c->timer)
        abort();
    rest(c, 0);
    return c;
}

void database_connection_close(struct database_connection *c)
{
    if (!c)
        return;
    disconnect(c);
    c->state = RESTING;
    answer_all_lost(c);
    event_free(c->timer);
    arena_free(c->arena);
    free(c->groups);
    free(c);
}
