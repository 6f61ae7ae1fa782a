/* database.c -- lanes: who waits, which connection takes whom, who is tried again, who has waited too long. */
#include "common/database.h"

#include "common/clock.h"
#include "common/database_connection.h"
#include "common/database_words.h"

#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    MOST_STEPS = 64, /* in a batch */
    MOST_ATTEMPTS = 5,
    SHORTEST_PAUSE_US = 5000, /* before a conflict is tried again */
    LONGEST_PAUSE_US = 50000,
    SWEEP_US = 10000, /* how late a deadline or a pause may be noticed */
};

static const uint32_t bounds_ms[] = { 1, 5, 25, 100, 500, 2500 };
enum { BOUNDS = sizeof bounds_ms / sizeof *bounds_ms };

/* Ordered by age, so that a batch that comes back stands before younger ones. */
struct queue {
    struct batch *first, *last;
    size_t count;
};

/* A connection's place in its lane. */
struct slot {
    struct lane_state *lane;
    struct database_connection *connection;
    struct queue queue; /* what queue_by binds to it; empty while it is not ready */
    bool ready, was_ready;
    uint32_t caller; /* of the batch in flight, in a lane that is shared out; else 0 */
};

struct lane_state {
    struct database *database;
    struct slot *slots;
    uint32_t slot_count, depth, share, ready, in_flight;
    struct queue queue; /* for any connection, and for none */
    struct queue pausing; /* conflicts, until their resume_us; in no order of it */
    size_t waiting; /* in `queue` and in those of the slots */
    int64_t down_since_us; /* where ready is 0 */
    uint64_t outcomes[BATCH_EXPIRED + 1], retries, reconnects;
    uint64_t within[BOUNDS + 1], total_us; /* durations, the last one beyond all bounds */
};

struct database {
    const struct database_options *options;
    struct event *pump, *sweep;
    struct lane_state lanes[LANE_COUNT];
    struct queue turned_away; /* by a full lane; told so by the pump, as submit may not */
    bool pumping, sweeping, closing;
};

/* ---- queues ---- */

static void queue_insert(struct queue *queue, struct batch *batch)
{
    struct batch **place = &queue->first;
    if (queue->last && queue->last->queued_us <= batch->queued_us)
        place = &queue->last->next;
    else
        while (*place && (*place)->queued_us <= batch->queued_us)
            place = &(*place)->next;
    batch->next = *place;
    *place = batch;
    if (!batch->next)
        queue->last = batch;
    queue->count++;
}

/* Takes the one behind `older`, or the first. NULL where there is none. */
static struct batch *queue_take_behind(struct queue *queue, struct batch *older)
{
    struct batch **place = older ? &older->next : &queue->first, *batch = *place;
    if (!batch)
        return NULL;
    *place = batch->next;
    if (!batch->next)
        queue->last = older;
    queue->count--;
    batch->next = NULL;
    return batch;
}

static struct batch *queue_take(struct queue *queue)
{
    return queue_take_behind(queue, NULL);
}

static struct queue queue_take_all(struct queue *queue)
{
    struct queue all = *queue;
    *queue = (struct queue){ 0 };
    return all;
}

/* ---- endings ---- */

/* The end of the loop turn, when all that it brought is there, sends it together. */
static void wake(struct database *database)
{
    if (!database->pumping)
        event_active(database->pump, EV_TIMEOUT, 0);
    database->pumping = true;
    if (!database->sweeping)
        event_add(database->sweep, &(struct timeval){ .tv_usec = SWEEP_US });
    database->sweeping = true;
}

static void count_duration(struct lane_state *lane, int64_t duration_us)
{
    size_t i = 0;
    while (i < BOUNDS && duration_us > (int64_t)bounds_ms[i] * 1000)
        i++;
    lane->within[i]++;
    lane->total_us += (uint64_t)duration_us;
}

/* on_done may free the batch or submit it anew, so nothing of it is touched after. */
static void finish(struct lane_state *lane, struct batch *batch, enum batch_outcome outcome)
{
    PGresult *results[MOST_STEPS];
    size_t count = batch->step_count;
    for (size_t i = 0; i < count; i++)
        results[i] = batch->steps[i].borrowed ? NULL : batch->steps[i].result;
    lane->outcomes[outcome]++;
    count_duration(lane, clock_monotonic_us() - batch->queued_us);
    batch->on_done(batch, outcome, batch->context);
    for (size_t i = 0; i < count; i++)
        PQclear(results[i]);
}

/* What the last attempt left. */
static void forget(struct batch *batch)
{
    for (size_t i = 0; i < batch->step_count; i++) {
        struct step *step = &batch->steps[i];
        PQclear(step->borrowed ? NULL : step->result);
        step->result = NULL;
        step->borrowed = false;
    }
    batch->sqlstate[0] = batch->constraint[0] = batch->table[0] = batch->column[0] = '\0';
    batch->failed_step = 0;
}

/* ---- waiting ---- */

/* Equal values use the same connection while it is alive, then the next one. NULL: none is ready. */
static struct slot *slot_for(struct lane_state *lane, uint32_t value)
{
    uint32_t hash = value * 2654435761u;
    hash ^= hash >> 16;
    for (uint32_t i = 0; i < lane->slot_count; i++) {
        struct slot *slot = &lane->slots[(hash % lane->slot_count + i) % lane->slot_count];
        if (slot->ready)
            return slot;
    }
    return NULL;
}

static void place(struct lane_state *lane, struct batch *batch)
{
    struct slot *slot = batch->queue_by ? slot_for(lane, batch->queue_by) : NULL;
    queue_insert(slot ? &slot->queue : &lane->queue, batch);
    lane->waiting++;
    wake(lane->database);
}

static void place_anew(struct lane_state *lane, struct queue *queue)
{
    struct queue moved = queue_take_all(queue);
    lane->waiting -= moved.count;
    for (struct batch *batch; (batch = queue_take(&moved));)
        place(lane, batch);
}

/* A lane's free places are not waiting room: what is sent in this turn does not wait. */
static bool lane_full(const struct lane_state *lane)
{
    size_t places = (size_t)lane->ready * lane->depth, taken = lane->in_flight;
    return lane->waiting + lane->pausing.count >= lane->database->options->queue_limit + (places - taken);
}

void database_submit(struct database *database, struct batch *batch)
{
    struct lane_state *lane = &database->lanes[batch->lane];
    assert(lane->slot_count > 0 && batch->step_count > 0 && batch->step_count <= MOST_STEPS);
    for (size_t i = 0; i < batch->step_count; i++) {
        assert(prepared_is_asked(batch->steps[i].statement, batch->lane));
        batch->steps[i].result = NULL;
    }
    forget(batch);
    batch->attempts = 0;
    batch->lost_us = 0;
    batch->alone = false;
    batch->queued_us = clock_monotonic_us();
    if (database->closing || lane_full(lane)) {
        queue_insert(&database->turned_away, batch);
        wake(database);
    } else {
        place(lane, batch);
    }
}

/* ---- answers ---- */

static void on_change(bool ready, void *context)
{
    struct slot *slot = context;
    struct lane_state *lane = slot->lane;
    slot->ready = ready;
    lane->ready += ready ? 1 : (uint32_t)-1;
    lane->reconnects += ready && slot->was_ready;
    slot->was_ready = true;
    if (lane->ready == 0)
        lane->down_since_us = clock_monotonic_us();
    /* What waited for this connection goes to the next one; what found none at all is spread. */
    place_anew(lane, ready ? &lane->queue : &slot->queue);
    wake(lane->database);
}

static void pause_batch(struct lane_state *lane, struct batch *batch)
{
    int64_t now_us = clock_monotonic_us();
    batch->resume_us = now_us + SHORTEST_PAUSE_US + arc4random_uniform(LONGEST_PAUSE_US - SHORTEST_PAUSE_US);
    if (++batch->attempts >= MOST_ATTEMPTS) {
        finish(lane, batch, BATCH_REFUSED);
    } else if (batch->resume_us >= batch->deadline_us) {
        finish(lane, batch, BATCH_EXPIRED);
    } else {
        forget(batch);
        lane->retries++;
        queue_insert(&lane->pausing, batch);
    }
}

/* Where all connections are cut at once, a batch may meet one dead one after another within a millisecond: so the number
 * of attempts counts only once the outage has lasted. */
static bool lost_for_good(const struct lane_state *lane, struct batch *batch)
{
    int64_t now_us = clock_monotonic_us();
    if (!batch->lost_us)
        batch->lost_us = now_us;
    return ++batch->attempts >= MOST_ATTEMPTS &&
           now_us - batch->lost_us >= (int64_t)lane->database->options->unavailable_ms * 1000;
}

static void repeat_lost(struct lane_state *lane, struct batch *batch)
{
    forget(batch);
    if (lane->database->closing) {
        queue_insert(&lane->database->turned_away, batch);
    } else if (lost_for_good(lane, batch)) {
        finish(lane, batch, BATCH_UNAVAILABLE);
    } else {
        lane->retries++;
        place(lane, batch);
    }
}

static void repeat_alone(struct lane_state *lane, struct batch *batch)
{
    forget(batch);
    batch->alone = true;
    place(lane, batch);
}

static void on_answer(struct batch *batch, enum answer answer, void *context)
{
    static const enum batch_outcome outcomes[] = {
        [ANSWER_DONE] = BATCH_DONE,
        [ANSWER_REFUSED] = BATCH_REFUSED,
        [ANSWER_EXPIRED] = BATCH_EXPIRED,
        [ANSWER_UNAVAILABLE] = BATCH_UNAVAILABLE,
    };
    static void (*const repeats[])(struct lane_state *, struct batch *) = {
        [ANSWER_CONFLICT] = pause_batch,
        [ANSWER_AGAIN] = repeat_alone,
        [ANSWER_LOST] = repeat_lost,
    };
    struct lane_state *lane = ((struct slot *)context)->lane;
    lane->in_flight--;
    ((struct slot *)context)->caller = 0;
    if (answer < ANSWER_CONFLICT)
        finish(lane, batch, outcomes[answer]);
    else
        repeats[answer](lane, batch);
    if (lane->waiting)
        wake(lane->database);
}

/* ---- the pump ---- */

/* Whether its caller holds no more of the lane than one may: so that whoever asks for much at once never keeps others
 * from all of it. */
static bool within_share(const struct lane_state *lane, const struct batch *batch)
{
    uint32_t held = 0;
    if (!lane->share || !batch->caller)
        return true;
    for (const struct slot *slot = lane->slots; slot < lane->slots + lane->slot_count; slot++)
        held += slot->caller == batch->caller;
    return held < lane->share;
}

/* The oldest that is for any connection and may go now, or NULL; *older: the one before it. */
static struct batch *next_for_any(const struct lane_state *lane, struct batch **older)
{
    struct batch *batch = lane->queue.first;
    for (*older = NULL; batch && !within_share(lane, batch); batch = batch->next)
        *older = batch;
    return batch;
}

/* Of the ready connections that have something to take and room for it, the one with the fewest in flight. */
static struct slot *next_slot(struct lane_state *lane)
{
    struct batch *older;
    const struct batch *any = next_for_any(lane, &older);
    struct slot *best = NULL;
    uint32_t fewest = UINT32_MAX;
    for (struct slot *slot = lane->slots; slot < lane->slots + lane->slot_count; slot++) {
        if (!slot->ready || (!slot->queue.first && !any) || !database_connection_takes(slot->connection))
            continue;
        uint32_t in_flight = database_connection_in_flight(slot->connection);
        if (in_flight < fewest) {
            best = slot;
            fewest = in_flight;
        }
    }
    return best;
}

/* The older of its own and of everybody's, so that neither starves. */
static struct batch *slot_take(struct slot *slot)
{
    struct lane_state *lane = slot->lane;
    struct batch *older;
    const struct batch *own = slot->queue.first, *any = next_for_any(lane, &older);
    bool takes_own = own && (!any || own->queued_us <= any->queued_us);
    lane->waiting--;
    return takes_own ? queue_take(&slot->queue) : queue_take_behind(&lane->queue, older);
}

static void pump_lane(struct lane_state *lane)
{
    if (!lane->waiting)
        return;
    int64_t now_us = clock_monotonic_us();
    for (struct slot *slot; (slot = next_slot(lane));) {
        struct batch *batch = slot_take(slot);
        if (batch->deadline_us <= now_us) {
            finish(lane, batch, BATCH_EXPIRED);
        } else {
            lane->in_flight++;
            slot->caller = lane->share ? batch->caller : 0;
            database_connection_add(slot->connection, batch);
        }
    }
    for (uint32_t i = 0; i < lane->slot_count; i++)
        database_connection_flush(lane->slots[i].connection);
}

static void tell_turned_away(struct database *database)
{
    for (struct batch *batch; (batch = queue_take(&database->turned_away));)
        finish(&database->lanes[batch->lane], batch, BATCH_UNAVAILABLE);
}

static void on_pump(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct database *database = context;
    database->pumping = false;
    tell_turned_away(database);
    for (struct lane_state *lane = database->lanes; lane < database->lanes + LANE_COUNT; lane++)
        pump_lane(lane);
}

/* ---- the sweep ---- */

static bool overdue(const struct lane_state *lane, const struct batch *batch, int64_t now_us,
                    enum batch_outcome *outcome)
{
    int64_t since_us = batch->queued_us > lane->down_since_us ? batch->queued_us : lane->down_since_us;
    bool alone = lane->ready == 0 && now_us - since_us >= (int64_t)lane->database->options->unavailable_ms * 1000;
    bool expired = batch->deadline_us <= now_us;
    *outcome = expired ? BATCH_EXPIRED : BATCH_UNAVAILABLE;
    return expired || alone;
}

/* The queue is whole again before anybody is told, as who is told may submit. */
static void sweep_queue(struct lane_state *lane, struct queue *queue, int64_t now_us)
{
    struct queue all = queue_take_all(queue), out = { 0 };
    enum batch_outcome outcome;
    for (struct batch *batch; (batch = queue_take(&all));)
        queue_insert(overdue(lane, batch, now_us, &outcome) ? &out : queue, batch);
    lane->waiting -= out.count;
    for (struct batch *batch; (batch = queue_take(&out));) {
        (void)overdue(lane, batch, now_us, &outcome);
        finish(lane, batch, outcome);
    }
}

static void resume_paused(struct lane_state *lane, int64_t now_us)
{
    struct queue all = queue_take_all(&lane->pausing);
    for (struct batch *batch; (batch = queue_take(&all));)
        if (batch->resume_us <= now_us)
            place(lane, batch);
        else
            queue_insert(&lane->pausing, batch);
}

static void sweep_lane(struct lane_state *lane, int64_t now_us)
{
    resume_paused(lane, now_us);
    if (lane->waiting)
        sweep_queue(lane, &lane->queue, now_us);
    for (struct slot *slot = lane->slots; slot < lane->slots + lane->slot_count; slot++) {
        if (slot->queue.first)
            sweep_queue(lane, &slot->queue, now_us);
        database_connection_sweep(slot->connection, now_us);
    }
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct database *database = context;
    int64_t now_us = clock_monotonic_us();
    database->sweeping = false;
    for (struct lane_state *lane = database->lanes; lane < database->lanes + LANE_COUNT; lane++)
        sweep_lane(lane, now_us);
    if (database_pending(database))
        wake(database);
}

/* ---- opening and closing ---- */

static void open_lane(struct database *database, struct event_base *base, enum lane name,
                      const struct prepared *statements, size_t count)
{
    struct lane_state *lane = &database->lanes[name];
    lane->database = database;
    lane->depth = database->options->lanes[name].depth;
    lane->slot_count = database->options->lanes[name].connections;
    lane->share = database->options->shares[name];
    assert(!lane->share || lane->depth == 1); /* else a slot has several callers */
    lane->down_since_us = clock_monotonic_us();
    lane->slots = calloc(lane->slot_count + 1, sizeof *lane->slots);
    if (!lane->slots)
        abort();
    for (struct slot *slot = lane->slots; slot < lane->slots + lane->slot_count; slot++) {
        slot->lane = lane;
        slot->connection = database_connection_open(&(struct database_connection_options){
            .base = base,
            .database = database->options,
            .lane = name,
            .statements = statements,
            .statement_count = count,
            .on_change = on_change,
            .on_answer = on_answer,
            .context = slot,
        });
    }
}

struct database *database_open(struct event_base *base, const struct database_options *options,
                               const struct prepared *statements, size_t count)
{
    struct database *database = calloc(1, sizeof *database);
    if (!database)
        abort();
    database->options = options;
    database->pump = event_new(base, -1, 0, on_pump, database);
    database->sweep = evtimer_new(base, on_sweep, database);
    if (!database->pump || !database->sweep)
        abort();
    for (enum lane lane = 0; lane < LANE_COUNT; lane++)
        open_lane(database, base, lane, statements, count);
    return database;
}

static void turn_away_all(struct database *database, struct queue *queue)
{
    struct queue all = queue_take_all(queue);
    for (struct batch *batch; (batch = queue_take(&all));)
        queue_insert(&database->turned_away, batch);
}

static void close_lane(struct database *database, struct lane_state *lane)
{
    for (struct slot *slot = lane->slots; slot < lane->slots + lane->slot_count; slot++) {
        database_connection_close(slot->connection);
        turn_away_all(database, &slot->queue);
    }
    turn_away_all(database, &lane->queue);
    turn_away_all(database, &lane->pausing);
}

void database_close(struct database *database)
{
    if (!database)
        return;
    database->closing = true;
    for (struct lane_state *lane = database->lanes; lane < database->lanes + LANE_COUNT; lane++)
        close_lane(database, lane);
    tell_turned_away(database);
    for (struct lane_state *lane = database->lanes; lane < database->lanes + LANE_COUNT; lane++)
        free(lane->slots);
    event_free(database->pump);
    event_free(database->sweep);
    free(database);
}

/* ---- what it says of itself ---- */

struct lane_figures database_lane(const struct database *database, enum lane lane)
{
    const struct lane_state *state = &database->lanes[lane];
    return (struct lane_figures){
        .name = database_lane_names[lane],
        .connections = state->ready,
        .wanted = state->slot_count,
        .waiting = state->waiting + state->pausing.count,
        .in_flight = state->in_flight,
    };
}

bool database_ready(const struct database *database)
{
    for (const struct lane_state *lane = database->lanes; lane < database->lanes + LANE_COUNT; lane++)
        if (lane->slot_count > 0 && lane->ready == 0)
            return false;
    return true;
}

size_t database_pending(const struct database *database)
{
    size_t pending = database->turned_away.count;
    for (const struct lane_state *lane = database->lanes; lane < database->lanes + LANE_COUNT; lane++)
        pending += lane->waiting + lane->pausing.count + lane->in_flight;
    return pending;
}

static void write_durations(const struct lane_state *lane, const char *labels, FILE *out)
{
    uint64_t count = 0;
    for (size_t i = 0; i < BOUNDS; i++) {
        count += lane->within[i];
        fprintf(out, "campus_database_seconds_bucket{%s,le=\"%g\"} %" PRIu64 "\n", labels, bounds_ms[i] / 1000.0,
                count);
    }
    count += lane->within[BOUNDS];
    fprintf(out, "campus_database_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", labels, count);
    fprintf(out, "campus_database_seconds_sum{%s} %.6f\n", labels, (double)lane->total_us / 1e6);
    fprintf(out, "campus_database_seconds_count{%s} %" PRIu64 "\n", labels, count);
}

static void write_lane(const struct lane_state *lane, const char *labels, FILE *out)
{
    static const char *const outcomes[] = { "done", "refused", "unavailable", "expired" };
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        fprintf(out, "campus_database_batches_total{%s,outcome=\"%s\"} %" PRIu64 "\n", labels, outcomes[i],
                lane->outcomes[i]);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "in_flight", lane->in_flight },   { "waiting", lane->waiting + lane->pausing.count },
        { "connections", lane->ready },     { "reconnects_total", lane->reconnects },
        { "retries_total", lane->retries },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        fprintf(out, "campus_database_%s{%s} %" PRIu64 "\n", numbers[i].name, labels, numbers[i].value);
    write_durations(lane, labels, out);
}

/* Without TYPE lines, which may stand only once where several services of one process write one after another. */
void database_metrics(const struct database *database, const char *service, FILE *out)
{
    for (enum lane lane = 0; lane < LANE_COUNT; lane++) {
        char labels[160];
        snprintf(labels, sizeof labels, "service=\"%s\",lane=\"%s\"", service, database_lane_names[lane]);
        write_lane(&database->lanes[lane], labels, out);
    }
}
