/* execute.c -- the stages of a call: check, choose the statements, send the batch, read what came back. */
#include "common/execute.h"

#include "common/call_state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/parameter.h"
#include "common/rows.h"

#include <assert.h>
#include <stdatomic.h>

enum { DEFAULT_PAGE = 50, MOST_REPLAYS = 3, RETRY_AFTER_MS = 1000 };

static void send_batch(struct call *call);
static void seal(struct call *call);

static bool writes(const struct call *call)
{
    return call->plan->rpc->kind == RPC_WRITE;
}

static bool refused(const struct call *call)
{
    return call->problem.status != STATUS_OK;
}

/* Not of what leaves open whether it was done, or says to wait, and is to be sent again. */
static bool refused_for_good(const struct call *call)
{
    static const bool open[STATUS_COUNT] = {
        [STATUS_INTERNAL] = true,
        [STATUS_UNAVAILABLE] = true,
        [STATUS_DEADLINE_EXCEEDED] = true,
        [STATUS_TOO_MANY_REQUESTS] = true,
    };
    return refused(call) && !open[call->problem.status] && strcmp(call->problem.code, "request_in_progress") != 0;
}

static void end(struct call *call)
{
    if (call->again && writes(call) && refused_for_good(call)) {
        seal(call);
        return;
    }
    if (call->problem.status == STATUS_UNAVAILABLE && !call->problem.retry_after_ms)
        call->problem.retry_after_ms = RETRY_AFTER_MS;
    call->on_end(call);
}

/* ---- the page of a list ---- */

static bool names_page(const struct plan *plan, uint32_t number)
{
    const struct field *fields[] = { plan->page_size, plan->page_token, plan->count_field };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i] && fields[i]->number == number)
            return true;
    return false;
}

/* What a page token is bound to: the method, and every field of the request but for those that choose the page. */
static struct slice page_query(struct call *call)
{
    struct buffer query = buffer_in(call->arena);
    struct wire_reader reader = wire_read(call->body);
    struct wire_field field;
    buffer_text(&query, call->plan->rpc->name);
    for (const uint8_t *before = reader.at; wire_next(&reader, &field); before = reader.at)
        if (!names_page(call->plan, field.number))
            buffer_add(&query, before, (size_t)(reader.at - before));
    return buffer_slice(&query);
}

static void open_page(struct call *call)
{
    const struct plan *plan = call->plan;
    if (!call->ending->after_count)
        return;
    call->page_limit = (size_t)call_integer(call, "page_size", DEFAULT_PAGE) + 1;
    call->page_query = page_query(call);
    if (!(call->present >> plan->page_token->index & 1))
        return;
    const char *token = parameter_text(call->arena, plan->page_token, call->body);
    if (!page_token_open(call->arena, call->secret, call->page_query, token, call->after, call->ending->after_count))
        call_complain(call, "page_token", "bad_page_token", NULL);
}

/* ---- the batch ---- */

static const struct ending *choose_ending(const struct call *call)
{
    const struct plan *plan = call->plan;
    if (plan->search && call->present >> plan->search_field->index & 1)
        return plan->search;
    if (!plan->sort || !(call->present >> plan->sort->index & 1))
        return plan->endings;
    int64_t asked = (int64_t)call->fields[plan->sort->index].value;
    for (size_t i = 0; i < plan->ending_count; i++)
        if (plan->sort->enumeration->values[i].number == asked)
            return &plan->endings[i];
    return plan->endings;
}

static const char *added_value(const struct call *call, const char *name)
{
    for (const struct added *added = call->added; added; added = added->next)
        if (strcmp(added->name, name) == 0)
            return added->value;
    return NULL;
}

static const char *source_value(struct call *call, const struct source *source)
{
    switch (source->kind) {
    case SOURCE_FIELD:
        return call->present >> source->field->index & 1 ? parameter_text(call->arena, source->field, call->body)
                                                         : NULL;
    case SOURCE_BUILTIN:
        return source->builtin(call);
    case SOURCE_ADDED:
        return added_value(call, source->added);
    case SOURCE_AFTER:
        return call->after[source->after];
    }
    return NULL;
}

static void add_step(struct call *call, const struct bound_step *bound)
{
    const char **values = arena_alloc(call->arena, (bound->source_count + 1) * sizeof *values);
    for (size_t i = 0; i < bound->source_count; i++)
        values[i] = source_value(call, &bound->sources[i]);
    const struct prepared *prepared = call->plans->prepared;
    call->batch->steps[call->batch->step_count++] =
        (struct step){ .statement = &prepared[bound->prepared],
                       .together = bound->together ? &prepared[bound->together] : NULL,
                       .values = values };
}

/* One of the framework's own statements: all its parameters are provided by it. */
static void add_own_step(struct call *call, size_t prepared)
{
    const struct statement *statement = call->plans->statements[prepared];
    const char **values = arena_alloc(call->arena, (statement->parameter_count + 1) * sizeof *values);
    for (size_t i = 0; i < statement->parameter_count; i++)
        values[i] = parameter_builtin(statement->parameters[i])(call);
    call->batch->steps[call->batch->step_count++] =
        (struct step){ .statement = &call->plans->prepared[prepared], .values = values };
}

static uint32_t queue_of(const struct call *call)
{
    const struct field *field = call->plan->queue_by;
    if (!field || !(call->present >> field->index & 1))
        return 0;
    const struct wire_field *value = &call->fields[field->index];
    struct slice bytes = value->bytes.data ? value->bytes : slice_of(&value->value, sizeof value->value);
    return slice_hash(bytes) | 1;
}

static bool counts(const struct call *call)
{
    const struct field *field = call->plan->count_field;
    if (!call->plan->count || !(call->present >> field->index & 1))
        return false;
    const struct enum_value *asked = enum_by_number(field->enumeration, (int32_t)call->fields[field->index].value);
    return asked && strcmp(asked->name, "exact") == 0;
}

static void begin_batch(struct call *call, void (*on_done)(struct batch *, enum batch_outcome, void *))
{
    enum { FRAMEWORK_STEPS = 4 };
    size_t most = call->plan->first_count > call->plan->step_count ? call->plan->first_count : call->plan->step_count;
    /* A new one each time: the database still holds the last one while its on_done runs. */
    struct batch *batch = arena_alloc(call->arena, sizeof *batch);
    *batch = (struct batch){
        .lane = call->plan->lane,
        .queue_by = queue_of(call),
        .caller = call->caller.id ? slice_hash(slice_text(call->caller.id)) | 1 : 0,
        .steps = arena_zalloc(call->arena, (most + FRAMEWORK_STEPS) * sizeof *batch->steps),
        .deadline_us = call->deadline_us,
        .on_done = on_done,
        .context = call,
    };
    call->batch = batch;
}

/* ---- the reply ---- */

static void put_echoes(struct call *call)
{
    const struct plan *plan = call->plan;
    struct wire_reader reader = wire_read(call->body);
    struct wire_field field;
    while (plan->echo_count && wire_next(&reader, &field))
        for (size_t i = 0; i < plan->echo_count; i++) {
            if (plan->echoes[i].asked->number != field.number)
                continue;
            if (field.type == WIRE_BYTES)
                wire_put_bytes(&call->reply, plan->echoes[i].told->number, field.bytes);
            else
                wire_put_varint(&call->reply, plan->echoes[i].told->number, field.value);
        }
}

static void put_page(struct call *call, const struct step *rows, const struct step *count)
{
    const struct plan *plan = call->plan;
    int most = (int)call->page_limit - 1;
    if (call->page_limit && most > 0 && rows->row_count > most)
        wire_put_text(&call->reply, plan->next_page_token->number, rows_page_token(call, call->ending, rows, most - 1));
    if (count && count->row_count == 1) {
        struct slice value = slice_of(PQgetvalue(count->result, 0, 0), (size_t)PQgetlength(count->result, 0, 0));
        wire_put_varint(&call->reply, plan->total_count->number, (uint64_t)column_integer(value));
    }
}

static void shape_reply(struct call *call, const struct step *rows, const struct step *count)
{
    int most = call->page_limit ? (int)call->page_limit - 1 : INT32_MAX;
    call->reply = buffer_in(call->arena);
    if (!call->plan->rpc->rows && rows->row_count == 0) {
        call_refuse(call, "not_found");
        return;
    }
    rows_refused(call, &call->ending->step, rows);
    if (refused(call))
        return;
    if (!rows_reply(call, call->ending, rows, most)) {
        log_error("a row does not fit its message", "method=%s request=%s", call->plan->rpc->name, call->request_id);
        call_refuse(call, "internal");
        return;
    }
    put_echoes(call);
    put_page(call, rows, count);
    call->rows = rows;
    if (call->plan->method->finish)
        call->plan->method->finish(call);
}

/* The first step of the method's own, behind the claim of a WRITE. */
static size_t first_step(const struct call *call)
{
    return writes(call) ? 1 : 0;
}

/* What a read's rows say. (A write's have spoken already: their guards make PostgreSQL refuse.) */
static void read_controls(struct call *call)
{
    const struct plan *plan = call->plan;
    for (size_t i = 0; i < plan->step_count && !refused(call); i++)
        rows_control(call, &plan->steps[i], &call->batch->steps[i]);
    if (!refused(call))
        rows_control(call, &call->ending->step, &call->batch->steps[plan->step_count]);
}

/* ---- when PostgreSQL says no ---- */

static const struct {
    const char *sqlstate; /* or the beginning of it */
    const char *code;
} sqlstates[] = {
    { "55P03", "unavailable" }, /* lock_not_available: somebody holds what this needs */
    { "40", "unavailable" }, /* conflicts that outlasted their retries */
    { "53", "unavailable" }, /* no resources */
    { "57", "unavailable" }, /* shutting down */
    { "25006", "internal" }, /* a read that writes: our mistake */
    { "22", "invalid" }, /* a value that no rule caught */
    { "23", "conflict" }, /* a constraint that no refusal names */
};

static void refuse_by_sqlstate(struct call *call)
{
    const struct batch *batch = call->batch;
    const char *code = "internal";
    for (size_t i = 0; i < sizeof sqlstates / sizeof *sqlstates; i++) {
        if (strncmp(batch->sqlstate, sqlstates[i].sqlstate, strlen(sqlstates[i].sqlstate)) == 0) {
            code = sqlstates[i].code;
            break;
        }
    }
    log_warning("statement refused", "method=%s request=%s statement=%s sqlstate=%s constraint=%s",
                call->plan->rpc->name, call->request_id, batch->steps[batch->failed_step].statement->name,
                batch->sqlstate, batch->constraint);
    call_refuse(call, code);
}

/* A constraint's name is its error's code; so is what campus.refuse() says, in guards and triggers. */
static bool names_code(const struct call *call, const char *constraint)
{
    return rpc_refusal(call->plan->rpc, constraint) || code_find(constraint);
}

/* The lines of BATCH_COMPLAINTS; of one that was cut off nothing is said. */
static void complain_as_told(struct call *call)
{
    char *line = arena_strdup(call->arena, call->batch->complaints);
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        char *code = memchr(line, '\t', (size_t)(end - line));
        char *argument = code ? memchr(code + 1, '\t', (size_t)(end - code - 1)) : NULL;
        if (!argument)
            continue;
        *code++ = *argument++ = *end = '\0';
        call_complain(call, line, code, *argument ? argument : NULL);
    }
}

static void find_answer(struct call *call);

static void on_refused(struct call *call)
{
    const struct batch *batch = call->batch;
    if (writes(call) && answer_is_replay(batch->sqlstate, batch->table)) {
        find_answer(call);
        return;
    }
    if (writes(call) && answer_is_refusal(batch->sqlstate, batch->table, batch->column)) {
        call_refuse(call, "conflict"); /* it found nothing to do, and no guard said why */
    } else if (writes(call) && batch->failed_step == 0 && strcmp(batch->sqlstate, "55P03") == 0) {
        call_refuse(call, "request_in_progress");
        call->problem.retry_after_ms = RETRY_AFTER_MS;
    } else if (*batch->constraint && names_code(call, batch->constraint)) {
        call_refuse(call, batch->constraint);
        complain_as_told(call);
    } else {
        refuse_by_sqlstate(call);
    }
    end(call);
}

static const char *const outcome_codes[] = {
    [BATCH_UNAVAILABLE] = "unavailable",
    [BATCH_EXPIRED] = "deadline_exceeded",
};

static void on_batch(struct batch *batch, enum batch_outcome outcome, void *context)
{
    (void)batch;
    struct call *call = context;
    size_t last = first_step(call) + call->plan->step_count;
    if (outcome == BATCH_REFUSED) {
        on_refused(call);
        return;
    }
    if (outcome != BATCH_DONE) {
        call_refuse(call, outcome_codes[outcome]);
        end(call);
        return;
    }
    if (!writes(call))
        read_controls(call);
    if (!refused(call))
        shape_reply(call, &call->batch->steps[last], counts(call) ? &call->batch->steps[last + 1] : NULL);
    end(call);
}

/* ---- a replay ---- */

static bool same_request(const struct call *call, const PGresult *found)
{
    uint8_t ours[ANSWER_HASH];
    call_fingerprint(call, ours);
    return PQgetlength(found, 0, 0) == ANSWER_HASH && memcmp(PQgetvalue(found, 0, 0), ours, ANSWER_HASH) == 0;
}

/* The answer that was stored under this key: the step that finds it, and the one that gives its rows. */
static void answer_again(struct call *call, const struct step *found, const struct step *rows)
{
    if (!same_request(call, found->result)) {
        call_refuse(call, "idempotency_key_reused");
        return;
    }
    call->replayed = true;
    if (PQgetisnull(found->result, 0, 1))
        shape_reply(call, rows, NULL);
    else
        call_refuse(call, arena_strdup(call->arena, PQgetvalue(found->result, 0, 1)));
}

static void on_found(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct call *call = context;
    (void)batch;
    if (outcome == BATCH_REFUSED) {
        refuse_by_sqlstate(call);
    } else if (outcome != BATCH_DONE) {
        call_refuse(call, outcome_codes[outcome]);
    } else if (call->batch->steps[1].row_count == 0 && call->replays++ < MOST_REPLAYS) {
        send_batch(call); /* the other was rolled back, or its answer has expired */
        return;
    } else if (call->batch->steps[1].row_count == 0) {
        call_refuse(call, "request_in_progress");
    } else {
        answer_again(call, &call->batch->steps[1], &call->batch->steps[2]);
    }
    end(call);
}

static void find_answer(struct call *call)
{
    begin_batch(call, on_found);
    call->batch->lane = LANE_WRITE;
    add_own_step(call, PREPARED_EXPIRE);
    add_own_step(call, PREPARED_FIND);
    add_own_step(call, call->plan->replay);
    database_submit(call->database, call->batch);
}

/* ---- a refusal that is final ---- */

/* Either it stands now under the key, and refuses whoever comes later; or the other worker was sooner, and its answer is ours. */
static void on_sealed(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct call *call = context;
    const struct step *found = &call->batch->steps[2];
    (void)batch;
    if (outcome == BATCH_DONE && found->row_count == 1 && !PQgetisnull(found->result, 0, 1)) {
        call->on_end(call);
        return;
    }
    call->problem = (struct problem){ .status = STATUS_OK };
    if (outcome == BATCH_REFUSED)
        refuse_by_sqlstate(call);
    else if (outcome != BATCH_DONE)
        call_refuse(call, outcome_codes[outcome]);
    else if (found->row_count == 0)
        call_refuse(call, "unavailable"); /* it has expired at this very moment */
    else
        answer_again(call, found, found + 1);
    end(call);
}

static void seal(struct call *call)
{
    call->again = false;
    begin_batch(call, on_sealed);
    call->batch->lane = LANE_WRITE;
    add_own_step(call, PREPARED_EXPIRE);
    add_own_step(call, PREPARED_SEAL);
    add_own_step(call, PREPARED_FIND);
    add_own_step(call, call->plan->replay);
    database_submit(call->database, call->batch);
}

/* ---- the way there ---- */

static void send_batch(struct call *call)
{
    const struct plan *plan = call->plan;
    begin_batch(call, on_batch);
    if (writes(call))
        add_own_step(call, PREPARED_CLAIM);
    for (size_t i = 0; i < plan->step_count; i++)
        add_step(call, &plan->steps[i]);
    add_step(call, &call->ending->step);
    if (counts(call))
        add_step(call, plan->count);
    database_submit(call->database, call->batch);
}

static void go_on(struct call *call)
{
    if (!refused(call))
        open_page(call);
    if (refused(call))
        end(call);
    else
        send_batch(call);
}

/* Of what nobody waits for any more nothing is read: others wait behind it. */
static bool in_vain(const struct call *call)
{
    return atomic_load(&call->cancelled) || clock_monotonic_us() >= call->deadline_us;
}

static void check(void *context)
{
    struct call *call = context;
    if (!in_vain(call))
        call->plan->method->check(call);
}

static void on_checked(bool worked, void *context)
{
    struct call *call = context;
    if (!worked)
        call_refuse(call, "unavailable");
    else if (in_vain(call))
        call_refuse(call, "deadline_exceeded");
    go_on(call);
}

static void begin_check(struct call *call)
{
    const struct method *method = call->plan->method;
    if (refused(call) || !method->check || !method->aside || !call->aside) {
        if (!refused(call) && method->check)
            method->check(call);
        go_on(call);
        return;
    }
    call->checking =
        (struct aside_job){ .work = check, .on_done = on_checked, .context = call, .client = call->client };
    if (aside_submit(call->aside, method->aside, &call->checking))
        return;
    call_refuse(call, "unavailable"); /* too many wait there already */
    end(call);
}

/* ---- what is looked up first ---- */

static void read_first(struct call *call)
{
    const struct plan *plan = call->plan;
    for (size_t i = 0; i < plan->first_count && !refused(call); i++)
        rows_control(call, &plan->first[i], &call->batch->steps[i]);
    if (!refused(call))
        call->found = rows_found(call, &call->batch->steps[plan->first_count - 1]);
}

/* Whether a WRITE's answer is there already. It is asked behind the look-up: so what the look-up has seen of this very
 * request's effect is never taken for the state before it. */
static bool was_answered(const struct call *call)
{
    return writes(call) && call->batch->steps[call->plan->first_count].row_count > 0;
}

static void on_first(struct batch *batch, enum batch_outcome outcome, void *context)
{
    struct call *call = context;
    const struct step *behind = call->batch->steps + call->plan->first_count;
    (void)batch;
    call->looking = false;
    if (outcome == BATCH_REFUSED)
        refuse_by_sqlstate(call);
    else if (outcome != BATCH_DONE)
        call_refuse(call, outcome_codes[outcome]);
    else if (in_vain(call))
        call_refuse(call, "deadline_exceeded");
    else if (was_answered(call))
        answer_again(call, behind, behind + 1);
    else
        read_first(call);
    if (refused(call) || call->replayed) {
        end(call);
        return;
    }
    call->batch = NULL;
    begin_check(call);
}

static void look_up(struct call *call)
{
    const struct plan *plan = call->plan;
    begin_batch(call, on_first);
    call->batch->lane = plan->first_lane;
    call->looking = true;
    for (size_t i = 0; i < plan->first_count; i++)
        add_step(call, &plan->first[i]);
    if (writes(call)) {
        add_own_step(call, PREPARED_SEEK);
        add_own_step(call, plan->replay);
    }
    database_submit(call->database, call->batch);
}

void execute(struct call *call, struct database *database, const struct plans *plans, void (*on_end)(struct call *call))
{
    call->database = database;
    call->plans = plans;
    call->on_end = on_end;
    call->reply = buffer_in(call->arena);
    call->ending = choose_ending(call);
    if (clock_monotonic_us() >= call->deadline_us)
        call_refuse(call, "deadline_exceeded");
    else if (call->plan->method->prepare)
        call->plan->method->prepare(call);
    if (refused(call) || call->plan->first_count == 0)
        begin_check(call);
    else
        look_up(call);
}
