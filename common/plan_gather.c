/* plan_gather.c -- the first half of a service's start: which statements its methods need. Each mistake is named. */
#include "common/plan.h"

#include "common/answer.h"
#include "common/fact.h"
#include "common/job.h"

#include <assert.h>
#include <limits.h>

static const char sort_mark[] = "{sort}";

size_t plans_find_prepared(const struct plans *plans, const char *name)
{
    size_t i = 0;
    while (i < plans->prepared_count && strcmp(plans->prepared[i].name, name) != 0)
        i++;
    return i;
}

static size_t add_statement(struct plans *plans, const struct statement *statement)
{
    size_t at = plans_find_prepared(plans, statement->name);
    if (at < plans->prepared_count)
        return at;
    if (plans->prepared_count == plans->prepared_capacity) {
        size_t old = plans->prepared_capacity, wanted = old ? old * 2 : 64;
        plans->prepared =
            arena_grow(plans->arena, plans->prepared, old * sizeof *plans->prepared, wanted * sizeof *plans->prepared);
        plans->statements = arena_grow(plans->arena, plans->statements, old * sizeof *plans->statements,
                                       wanted * sizeof *plans->statements);
        plans->prepared_capacity = wanted;
    }
    plans->prepared[at] = (struct prepared){
        .name = statement->name, .text = statement->text, .idle_lanes = UINT_MAX, /* until somebody asks for it */
    };
    plans->statements[at] = statement;
    return plans->prepared_count++;
}

size_t plans_add_sql(struct plans *plans, const char *name, const char *sql)
{
    struct statement *statement = arena_alloc(plans->arena, sizeof *statement);
    *statement = statement_parse(plans->arena, name, slice_text(sql));
    return add_statement(plans, statement);
}

static const struct method *find_method(const struct service *service, const char *name)
{
    for (const struct method *const *table = service->tables; *table; table++)
        for (const struct method *method = *table; method->name; method++)
            if (strcmp(method->name, name) == 0)
                return method;
    return NULL;
}

/* A row that implements nothing is a slip of the name; one that stands behind another of its name is never used. */
static bool check_rows(struct plans *plans)
{
    for (const struct method *const *table = plans->service->tables; *table; table++)
        for (const struct method *method = *table; method->name; method++) {
            const struct rpc *rpc = schema_rpc(plans->schema, method->name);
            if (!rpc || strcmp(rpc->service, plans->service->name) != 0)
                return plans_complain(plans, "method %s stands in the table of %s but not in its proto", method->name,
                                      plans->service->name);
            if (find_method(plans->service, method->name) != method)
                return plans_complain(plans, "method %s stands twice in the tables of %s", method->name,
                                      plans->service->name);
        }
    return true;
}

static const struct statement *statement_for(struct plans *plans, const struct statements *queries,
                                             const struct plan *plan, struct slice name)
{
    const struct statement *statement = statements_find(queries, name);
    if (!statement)
        (void)plans_complain(plans, "method %s: there is no statement %.*s", plan->rpc->name, (int)name.size,
                             (const char *)name.data);
    return statement;
}

/* A WRITE's last statement gets behind it what stores its answer and its facts. */
static const struct statement *with_tail(struct plans *plans, const struct plan *plan,
                                         const struct statement *statement)
{
    if (plan->rpc->kind != RPC_WRITE)
        return statement;
    if (!statement_has_cte(statement, "reply")) {
        (void)plans_complain(plans, "method %s: statement %s has no CTE reply", plan->rpc->name, statement->name);
        return NULL;
    }
    struct statement *whole = arena_alloc(plans->arena, sizeof *whole);
    const char *text = arena_printf(plans->arena, "%s%s", statement_body(plans->arena, statement),
                                    answer_tail(statement_has_cte(statement, "facts")));
    *whole = statement_parse(plans->arena, statement->name, slice_text(text));
    return whole;
}

static bool gather_ending(struct plans *plans, const struct statements *queries, const struct plan *plan,
                          struct slice name, struct ending *ending)
{
    const struct statement *statement = statement_for(plans, queries, plan, name);
    if (statement)
        statement = with_tail(plans, plan, statement);
    if (!statement)
        return false;
    ending->step.prepared = add_statement(plans, statement);
    return true;
}

/* "list_people_by_{sort}": one ending for each value of the request's enum `sort`, in its order. */
static bool gather_sorted(struct plans *plans, const struct statements *queries, struct plan *plan, struct slice last,
                          const char *mark)
{
    plan->sort = message_find(plan->rpc->request, slice_text("sort"));
    if (!plan->sort || !plan->sort->enumeration)
        return plans_complain(plans, "method %s: its request has no enum field sort", plan->rpc->name);
    const struct enumeration *orders = plan->sort->enumeration;
    plan->endings = arena_zalloc(plans->arena, orders->count * sizeof *plan->endings);
    plan->ending_count = orders->count;
    int before = (int)(mark - (const char *)last.data);
    const char *behind = mark + sizeof sort_mark - 1;
    int after = (int)((const char *)last.data + last.size - behind);
    for (size_t i = 0; i < orders->count; i++) {
        const char *name = arena_printf(plans->arena, "%.*s%s%.*s", before, (const char *)last.data,
                                        orders->values[i].name, after, behind);
        if (!gather_ending(plans, queries, plan, slice_text(name), &plan->endings[i]))
            return false;
    }
    return true;
}

static bool gather_endings(struct plans *plans, const struct statements *queries, struct plan *plan, struct slice last)
{
    const char *mark = memmem(last.data, last.size, sort_mark, sizeof sort_mark - 1);
    if (mark)
        return gather_sorted(plans, queries, plan, last, mark);
    plan->endings = arena_zalloc(plans->arena, sizeof *plan->endings);
    plan->ending_count = 1;
    return gather_ending(plans, queries, plan, last, plan->endings);
}

static bool gather_extras(struct plans *plans, const struct statements *queries, struct plan *plan)
{
    const struct method *method = plan->method;
    if (method->search) {
        plan->search_field = message_find(plan->rpc->request, slice_text("q"));
        plan->search = arena_zalloc(plans->arena, sizeof *plan->search);
        if (!plan->search_field)
            return plans_complain(plans, "method %s: its request has no field q", plan->rpc->name);
        if (!gather_ending(plans, queries, plan, slice_text(method->search), plan->search))
            return false;
    }
    if (method->count) {
        const struct statement *statement = statement_for(plans, queries, plan, slice_text(method->count));
        if (!statement)
            return false;
        plan->count = arena_zalloc(plans->arena, sizeof *plan->count);
        plan->count->prepared = add_statement(plans, statement);
    }
    return true;
}

static enum lane lane_of(const struct method *method, const struct rpc *rpc)
{
    return rpc->kind == RPC_WRITE && method->lane == LANE_POINT ? LANE_WRITE : method->lane;
}

static void note_fields(struct plan *plan)
{
    const struct message *request = plan->rpc->request, *reply = plan->rpc->reply;
    plan->page_size = message_find(request, slice_text("page_size"));
    plan->page_token = message_find(request, slice_text("page_token"));
    plan->count_field = message_find(request, slice_text("count"));
    plan->next_page_token = message_find(reply, slice_text("next_page_token"));
    plan->total_count = message_find(reply, slice_text("total_count"));
    if (plan->method->queue_by)
        plan->queue_by = message_find(request, slice_text(plan->method->queue_by));
}

/* Statements in their order, of which those that are so named are targets. */
static bool gather_steps(struct plans *plans, const struct statements *queries, const struct plan *plan,
                         const struct slice *names, struct bound_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct statement *statement = statement_for(plans, queries, plan, names[i]);
        if (!statement)
            return false;
        steps[i].prepared = add_statement(plans, statement);
        steps[i].target = strncmp(statement->name, "target_", 7) == 0;
    }
    return true;
}

static bool gather_first(struct plans *plans, const struct statements *queries, struct plan *plan)
{
    struct slice *names;
    plan->first_lane = plan->method->first_lane;
    plan->first_count = names_split(plans->arena, plan->method->first, &names);
    plan->first = arena_zalloc(plans->arena, (plan->first_count + 1) * sizeof *plan->first);
    return gather_steps(plans, queries, plan, names, plan->first, plan->first_count);
}

static bool gather_plan(struct plans *plans, const struct statements *queries, const struct rpc *rpc, struct plan *plan)
{
    const struct method *method = find_method(plans->service, rpc->name);
    if (!method)
        return plans_complain(plans, "method %s has no row in the tables of %s", rpc->name, plans->service->name);
    *plan = (struct plan){ .method = method, .rpc = rpc, .lane = lane_of(method, rpc) };
    note_fields(plan);
    if (method->queue_by && !plan->queue_by)
        return plans_complain(plans, "method %s: its request has no field %s", rpc->name, method->queue_by);
    struct slice *names;
    size_t count = names_split(plans->arena, method->query, &names);
    if (count == 0)
        return plans_complain(plans, "method %s has no statement", rpc->name);
    plan->steps = arena_zalloc(plans->arena, count * sizeof *plan->steps);
    plan->step_count = count - 1;
    return gather_first(plans, queries, plan) &&
           gather_steps(plans, queries, plan, names, plan->steps, plan->step_count) &&
           gather_endings(plans, queries, plan, names[count - 1]) && gather_extras(plans, queries, plan);
}

static bool gather_consumer(struct plans *plans, const struct statements *queries, const struct consumer *consumer)
{
    const struct statement *statement = statements_find(queries, slice_text(consumer->statement));
    if (!statement)
        return plans_complain(plans, "consumer of %s: there is no statement %s", consumer->source, consumer->statement);
    const char *sql = fact_apply_sql(plans->arena, consumer->source, arena_text(plans->arena, statement->source));
    if (!sql)
        return plans_complain(plans, "consumer of %s: statement %s does not begin with WITH", consumer->source,
                              consumer->statement);
    plans_add_sql(plans, arena_printf(plans->arena, "lock_%s", consumer->statement),
                  fact_cursor_sql(plans->arena, consumer->source));
    plans_add_sql(plans, consumer->statement, sql);
    return true;
}

static bool gather_sweeps(struct plans *plans, const struct statements *queries)
{
    for (const char *const *name = plans->service->sweeps; name && *name; name++) {
        const struct statement *statement = statements_find(queries, slice_text(*name));
        if (!statement)
            return plans_complain(plans, "sweep: there is no statement %s", *name);
        add_statement(plans, statement);
    }
    return true;
}

bool plans_gather(struct plans *plans, struct arena *arena, const struct service *service, const struct schema *schema,
                  struct slice queries)
{
    *plans = (struct plans){ .arena = arena, .service = service, .schema = schema };
    struct statements statements;
    if (!statements_parse(arena, queries, &statements, &plans->error))
        return false;
    plans_add_sql(plans, "campus_claim", answer_claim_sql);
    plans_add_sql(plans, "campus_expire", answer_expire_sql);
    plans_add_sql(plans, "campus_seal", answer_seal_sql);
    plans_add_sql(plans, "campus_find", answer_find_sql);
    plans_add_sql(plans, "campus_seek", answer_seek_sql);
    plans_add_sql(plans, "campus_sweep", answer_sweep_sql);
    plans_add_sql(plans, "campus_relay_lock", fact_relay_lock_sql);
    plans_add_sql(plans, "campus_relay_number", fact_relay_number_sql);
    assert(plans->prepared_count == PREPARED_OWN);
    for (const struct consumer *consumer = service->consumers; consumer && consumer->source; consumer++)
        if (!gather_consumer(plans, &statements, consumer))
            return false;
    plans->lag = plans_add_sql(plans, "campus_lag", fact_lag_sql(arena, service->consumers));
    if (!jobs_gather(plans, &statements) || !gather_sweeps(plans, &statements))
        return false;
    for (size_t i = PREPARED_SWEEP; i < plans->prepared_count; i++)
        prepared_ask(&plans->prepared[i], LANE_BACKGROUND);
    plans->all = arena_zalloc(arena, (schema->rpc_count + 1) * sizeof *plans->all);
    for (size_t i = 0; i < schema->rpc_count; i++)
        if (strcmp(schema->rpcs[i].service, service->name) == 0 &&
            !gather_plan(plans, &statements, &schema->rpcs[i], &plans->all[plans->count++]))
            return false;
    return check_rows(plans);
}
