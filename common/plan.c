/* plan.c -- gathers a service's statements, then binds parameters and columns; each mistake is named and stops the start. */
#include "common/plan.h"

#include "common/answer.h"
#include "common/fact.h"
#include "common/parameter.h"

#include <assert.h>

static const char sort_mark[] = "{sort}";

static bool complain(struct plans *plans, const char *error)
{
    plans->error = error;
    return false;
}

#define COMPLAIN(plans, ...) complain(plans, arena_printf((plans)->arena, __VA_ARGS__))

/* ---- gathering ---- */

static size_t find_prepared(const struct plans *plans, const char *name)
{
    size_t i = 0;
    while (i < plans->prepared_count && strcmp(plans->prepared[i].name, name) != 0)
        i++;
    return i;
}

size_t plans_add(struct plans *plans, const struct statement *statement)
{
    size_t at = find_prepared(plans, statement->name);
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
    plans->prepared[at] = (struct prepared){ .name = statement->name, .text = statement->text };
    plans->statements[at] = statement;
    return plans->prepared_count++;
}

static size_t add_sql(struct plans *plans, const char *name, const char *sql)
{
    struct statement *statement = arena_alloc(plans->arena, sizeof *statement);
    *statement = statement_parse(plans->arena, name, slice_text(sql));
    return plans_add(plans, statement);
}

static const struct method *find_method(const struct service *service, const char *name)
{
    for (const struct method *const *table = service->tables; *table; table++)
        for (const struct method *method = *table; method->name; method++)
            if (strcmp(method->name, name) == 0)
                return method;
    return NULL;
}

/* A row that implements nothing is a slip of the name. */
static bool check_rows(struct plans *plans)
{
    for (const struct method *const *table = plans->service->tables; *table; table++)
        for (const struct method *method = *table; method->name; method++) {
            const struct rpc *rpc = schema_rpc(plans->schema, method->name);
            if (!rpc || strcmp(rpc->service, plans->service->name) != 0)
                return COMPLAIN(plans, "method %s stands in the table of %s but not in its proto", method->name,
                                plans->service->name);
            if (!method->query || !*method->query)
                return COMPLAIN(plans, "method %s has no statement", method->name);
        }
    return true;
}

static const struct statement *statement_for(struct plans *plans, const struct statements *queries,
                                             const struct plan *plan, struct slice name)
{
    const struct statement *statement = statements_find(queries, name);
    if (!statement)
        (void)COMPLAIN(plans, "method %s: there is no statement %.*s", plan->rpc->name, (int)name.size,
                       (const char *)name.data);
    return statement;
}

/* A statement as it stands in the file, without what ends it, so that it can be put into another. */
static const char *bare_text(struct plans *plans, const struct statement *statement)
{
    struct slice source = statement->source;
    while (source.size && strchr(" \t\r\n;", source.data[source.size - 1]))
        source.size--;
    return arena_text(plans->arena, source);
}

/* A WRITE's last statement gets behind it what stores its answer and its facts. */
static const struct statement *with_tail(struct plans *plans, const struct plan *plan,
                                         const struct statement *statement)
{
    if (plan->rpc->kind != RPC_WRITE)
        return statement;
    if (!statement_has_cte(statement, "reply")) {
        (void)COMPLAIN(plans, "method %s: statement %s has no CTE reply", plan->rpc->name, statement->name);
        return NULL;
    }
    struct statement *whole = arena_alloc(plans->arena, sizeof *whole);
    const char *text = arena_printf(plans->arena, "%s%s", bare_text(plans, statement),
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
    ending->step.prepared = plans_add(plans, statement);
    return true;
}

/* "list_people_by_{sort}": one ending for each value of the request's enum `sort`, in its order. */
static bool gather_sorted(struct plans *plans, const struct statements *queries, struct plan *plan, struct slice last,
                          const char *mark)
{
    plan->sort = message_find(plan->rpc->request, slice_text("sort"));
    if (!plan->sort || !plan->sort->enumeration)
        return COMPLAIN(plans, "method %s: its request has no enum field sort", plan->rpc->name);
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
            return COMPLAIN(plans, "method %s: its request has no field q", plan->rpc->name);
        if (!gather_ending(plans, queries, plan, slice_text(method->search), plan->search))
            return false;
    }
    if (method->count) {
        const struct statement *statement = statement_for(plans, queries, plan, slice_text(method->count));
        if (!statement)
            return false;
        plan->count = arena_zalloc(plans->arena, sizeof *plan->count);
        plan->count->prepared = plans_add(plans, statement);
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

static bool gather_plan(struct plans *plans, const struct statements *queries, const struct rpc *rpc, struct plan *plan)
{
    const struct method *method = find_method(plans->service, rpc->name);
    if (!method)
        return COMPLAIN(plans, "method %s has no row in the tables of %s", rpc->name, plans->service->name);
    *plan = (struct plan){ .method = method, .rpc = rpc, .lane = lane_of(method, rpc) };
    note_fields(plan);
    if (method->queue_by && !plan->queue_by)
        return COMPLAIN(plans, "method %s: its request has no field %s", rpc->name, method->queue_by);
    struct slice *names;
    size_t count = names_split(plans->arena, method->query, &names);
    plan->steps = arena_zalloc(plans->arena, count * sizeof *plan->steps);
    plan->step_count = count - 1;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct statement *statement = statement_for(plans, queries, plan, names[i]);
        if (!statement)
            return false;
        plan->steps[i].prepared = plans_add(plans, statement);
        plan->steps[i].target = strncmp(statement->name, "target_", 7) == 0;
    }
    return gather_endings(plans, queries, plan, names[count - 1]) && gather_extras(plans, queries, plan);
}

static bool gather_consumer(struct plans *plans, const struct statements *queries, const struct consumer *consumer)
{
    const struct statement *statement = statements_find(queries, slice_text(consumer->statement));
    if (!statement)
        return COMPLAIN(plans, "consumer of %s: there is no statement %s", consumer->source, consumer->statement);
    const char *sql = fact_apply_sql(plans->arena, consumer->source, arena_text(plans->arena, statement->source));
    if (!sql)
        return COMPLAIN(plans, "consumer of %s: statement %s does not begin with WITH", consumer->source,
                        consumer->statement);
    add_sql(plans, arena_printf(plans->arena, "lock_%s", consumer->statement),
            fact_cursor_sql(plans->arena, consumer->source));
    add_sql(plans, consumer->statement, sql);
    return true;
}

bool plans_gather(struct plans *plans, struct arena *arena, const struct service *service, const struct schema *schema,
                  struct slice queries)
{
    *plans = (struct plans){ .arena = arena, .service = service, .schema = schema };
    struct statements statements;
    if (!statements_parse(arena, queries, &statements, &plans->error))
        return false;
    add_sql(plans, "campus_claim", answer_claim_sql);
    add_sql(plans, "campus_expire", answer_expire_sql);
    add_sql(plans, "campus_find", answer_find_sql);
    add_sql(plans, "campus_sweep", answer_sweep_sql);
    add_sql(plans, "campus_relay_lock", fact_relay_lock_sql);
    add_sql(plans, "campus_relay_number", fact_relay_number_sql);
    assert(plans->prepared_count == PREPARED_OWN);
    for (const struct consumer *consumer = service->consumers; consumer && consumer->source; consumer++)
        if (!gather_consumer(plans, &statements, consumer))
            return false;
    plans->all = arena_zalloc(arena, (schema->rpc_count + 1) * sizeof *plans->all);
    for (size_t i = 0; i < schema->rpc_count; i++)
        if (strcmp(schema->rpcs[i].service, service->name) == 0 &&
            !gather_plan(plans, &statements, &schema->rpcs[i], &plans->all[plans->count++]))
            return false;
    return check_rows(plans);
}

/* ---- binding ---- */

static int column_named(const struct prepared *prepared, const char *name)
{
    for (int i = 0; i < prepared->column_count; i++)
        if (strcmp(prepared->column_names[i], name) == 0)
            return i;
    return -1;
}

static struct control_columns controls_of(const struct prepared *prepared, bool target)
{
    return (struct control_columns){
        .visible = target ? column_named(prepared, "visible") : -1,
        .permitted = target ? column_named(prepared, "permitted") : -1,
        .version = target ? column_named(prepared, "version") : -1,
        .refusal = column_named(prepared, "refusal"),
    };
}

static bool added_has(struct plans *plans, const struct plan *plan, const char *name)
{
    struct slice *names;
    size_t count = names_split(plans->arena, plan->method->adds, &names);
    for (size_t i = 0; i < count; i++)
        if (slice_is(names[i], name))
            return true;
    return false;
}

static bool source_of_after(struct plans *plans, const struct plan *plan, struct ending *ending,
                            const struct prepared *prepared, const char *name, struct source *source)
{
    static const char prefix[] = "after_";
    if (!ending || strncmp(name, prefix, sizeof prefix - 1) != 0)
        return COMPLAIN(plans, "method %s: parameter :%s of statement %s has no source", plan->rpc->name, name,
                        prepared->name);
    int column = column_named(prepared, name + sizeof prefix - 1);
    if (column < 0 || ending->after_count == MOST_KEYS)
        return COMPLAIN(plans, "method %s: statement %s has no column for :%s", plan->rpc->name, prepared->name, name);
    ending->after_columns[ending->after_count] = column;
    *source = (struct source){ .kind = SOURCE_AFTER, .after = ending->after_count++ };
    return true;
}

static bool bind_source(struct plans *plans, const struct plan *plan, struct ending *ending,
                        const struct prepared *prepared, size_t index, const char *name, struct source *source)
{
    const struct field *field = message_find(plan->rpc->request, slice_text(name));
    parameter_value *builtin = parameter_builtin(name);
    if (added_has(plans, plan, name)) {
        *source = (struct source){ .kind = SOURCE_ADDED, .added = name };
        return true;
    }
    if (builtin) {
        *source = (struct source){ .kind = SOURCE_BUILTIN, .builtin = builtin };
        return true;
    }
    if (!field)
        return source_of_after(plans, plan, ending, prepared, name, source);
    if (!parameter_fits(field, prepared->parameter_types[index]))
        return COMPLAIN(plans, "method %s: parameter :%s of statement %s does not take its field's type (oid %u)",
                        plan->rpc->name, name, prepared->name, prepared->parameter_types[index]);
    *source = (struct source){ .kind = SOURCE_FIELD, .field = field };
    return true;
}

/* A WRITE's control step becomes a guard: what it sees makes PostgreSQL refuse, so that all is undone. Reads all rows of
 * the step, since reading is what locks them. */
static void add_guard(struct plans *plans, struct bound_step *step)
{
    const struct statement *own = plans->statements[step->prepared];
    const struct control_columns *control = &step->control;
    struct buffer sql = buffer_in(plans->arena);
    const char *name = arena_printf(plans->arena, "guard_%s", own->name);
    buffer_printf(&sql, "WITH step AS MATERIALIZED (%s\n), seen AS (SELECT count(*) AS n", bare_text(plans, own));
    if (control->visible >= 0)
        buffer_text(&sql, ", bool_and(visible IS TRUE) AS visible");
    if (control->permitted >= 0)
        buffer_text(&sql, ", bool_and(permitted IS TRUE) AS permitted");
    if (control->version >= 0)
        buffer_text(&sql, ", bool_and(version = :if_version::int8) AS fresh");
    if (control->refusal >= 0)
        buffer_text(&sql, ", min(refusal) AS refusal");
    buffer_text(&sql, " FROM step) SELECT campus.refuse(code) FROM (SELECT CASE WHEN false THEN ''");
    if (step->target)
        buffer_text(&sql, " WHEN n = 0 THEN 'not_found'");
    if (control->visible >= 0)
        buffer_text(&sql, " WHEN NOT visible THEN 'not_found'");
    if (control->permitted >= 0)
        buffer_text(&sql, " WHEN NOT permitted THEN 'permission_denied'");
    if (control->version >= 0)
        buffer_text(&sql, " WHEN NOT fresh THEN 'stale_version'");
    buffer_printf(&sql, " ELSE %s END AS code FROM seen) AS verdict WHERE code IS NOT NULL",
                  control->refusal >= 0 ? "refusal" : "NULL");
    step->prepared = add_sql(plans, name, buffer_cstring(&sql));
}

static bool has_controls(const struct bound_step *step)
{
    const struct control_columns *control = &step->control;
    return step->target || control->refusal >= 0;
}

static bool bind_sources(struct plans *plans, const struct plan *plan, struct bound_step *step, struct ending *ending,
                         const struct prepared *described)
{
    const struct statement *statement = plans->statements[step->prepared];
    struct source *sources = arena_zalloc(plans->arena, (statement->parameter_count + 1) * sizeof *sources);
    step->sources = sources;
    step->source_count = statement->parameter_count;
    for (size_t i = 0; i < statement->parameter_count; i++)
        if (!bind_source(plans, plan, ending, described, i, statement->parameters[i], &sources[i]))
            return false;
    return true;
}

static bool bind_step(struct plans *plans, const struct plan *plan, struct bound_step *step, struct ending *ending)
{
    size_t described = step->prepared;
    step->control = controls_of(&plans->prepared[described], step->target);
    if (plan->rpc->kind == RPC_WRITE && !ending && has_controls(step))
        add_guard(plans, step);
    return bind_sources(plans, plan, step, ending, &plans->prepared[described]);
}

/* "name" or "outer.name", in the message that a row fills. */
static bool find_sink(const struct message *message, const char *name, struct sink *sink)
{
    const char *dot = strchr(name, '.');
    if (dot) {
        sink->outer = message_find(message, slice_of(name, (size_t)(dot - name)));
        if (!sink->outer || !sink->outer->message || sink->outer->repeated)
            return false;
        message = sink->outer->message;
        name = dot + 1;
    }
    sink->field = message_find(message, slice_text(name));
    return sink->field != NULL;
}

static bool bind_sink(struct plans *plans, const struct plan *plan, const struct prepared *prepared, int column,
                      struct sink *sink)
{
    const struct message *row = plan->rpc->rows ? plan->rpc->rows->message : plan->rpc->reply;
    const char *name = prepared->column_names[column];
    sink->column = column;
    if (!find_sink(row, name, sink))
        return COMPLAIN(plans, "statement %s: column %s fits no field of %s", prepared->name, name, row->name);
    sink->type = column_type_find(prepared->column_types[column]);
    if (!sink->type || !sink->type->fits(sink->field))
        return COMPLAIN(plans, "statement %s: column %s has a type (oid %u) that does not fit the field of %s",
                        prepared->name, name, prepared->column_types[column], row->name);
    if (plan->rpc->kind == RPC_WRITE && (sink->field->personal || sink->field->secret))
        return COMPLAIN(plans, "statement %s: column %s is personal or secret and would stand in a stored answer",
                        prepared->name, name);
    return true;
}

static bool bind_ending(struct plans *plans, struct plan *plan, struct ending *ending)
{
    const struct prepared *prepared = &plans->prepared[ending->step.prepared];
    if (!bind_step(plans, plan, &ending->step, ending))
        return false;
    struct sink *sinks = arena_zalloc(plans->arena, ((size_t)prepared->column_count + 1) * sizeof *sinks);
    ending->sinks = sinks;
    for (int i = 0; i < prepared->column_count; i++) {
        if (i == ending->step.control.refusal)
            continue;
        if (!bind_sink(plans, plan, prepared, i, &sinks[ending->sink_count++]))
            return false;
    }
    return true;
}

static bool is_filled(const struct ending *ending, const struct field *field)
{
    for (size_t i = 0; i < ending->sink_count; i++)
        if (ending->sinks[i].field == field)
            return true;
    return false;
}

/* The reply's fields that no column fills, but a field of the request with the same name and type does. */
static void bind_echoes(struct plans *plans, struct plan *plan)
{
    const struct message *request = plan->rpc->request, *reply = plan->rpc->reply;
    struct echo *echoes = arena_zalloc(plans->arena, (request->count + 1) * sizeof *echoes);
    plan->echoes = echoes;
    if (plan->rpc->kind != RPC_WRITE || plan->rpc->rows)
        return;
    for (size_t i = 0; i < request->count; i++) {
        const struct field *asked = &request->fields[i];
        const struct field *told = message_find(reply, slice_text(asked->name));
        if (told && told->type == asked->type && told->repeated == asked->repeated && told->message == asked->message &&
            !is_filled(plan->endings, told))
            echoes[plan->echo_count++] = (struct echo){ asked, told };
    }
}

/* What gives a stored answer's rows again, with the types that they had. */
static bool add_replay(struct plans *plans, struct plan *plan)
{
    const struct prepared *prepared = &plans->prepared[plan->endings->step.prepared];
    struct buffer sql = buffer_in(plans->arena);
    buffer_text(&sql, "SELECT r.* FROM answer a, jsonb_to_recordset(a.rows) AS r(");
    for (int i = 0; i < prepared->column_count; i++) {
        const struct column_type *type = column_type_find(prepared->column_types[i]);
        if (!type)
            return COMPLAIN(plans, "statement %s: column %s cannot be stored", prepared->name,
                            prepared->column_names[i]);
        buffer_printf(&sql, "%s\"%s\" %s", i ? ", " : "", prepared->column_names[i], type->sql);
    }
    buffer_text(&sql, ") WHERE a.principal = :answer_principal::text AND a.key_hash = :answer_key::bytea "
                      "AND a.fingerprint = :answer_fingerprint::bytea");
    plan->replay = add_sql(plans, arena_printf(plans->arena, "replay_%s", plan->rpc->name), buffer_cstring(&sql));
    return true;
}

static bool check_list(struct plans *plans, const struct plan *plan)
{
    bool pages = plan->page_size && plan->page_token && plan->next_page_token;
    if (plan->endings->after_count && (!plan->rpc->rows || !pages))
        return COMPLAIN(plans, "method %s pages, but lacks page_size, page_token, next_page_token or rows",
                        plan->rpc->name);
    if (plan->method->count && (!plan->total_count || !plan->count_field))
        return COMPLAIN(plans, "method %s counts, but lacks count or total_count", plan->rpc->name);
    return true;
}

static bool bind_plan(struct plans *plans, struct plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++)
        if (!bind_step(plans, plan, &plan->steps[i], NULL))
            return false;
    for (size_t i = 0; i < plan->ending_count; i++)
        if (!bind_ending(plans, plan, &plan->endings[i]))
            return false;
    if (plan->search && !bind_ending(plans, plan, plan->search))
        return false;
    if (plan->count && !bind_step(plans, plan, plan->count, NULL))
        return false;
    bind_echoes(plans, plan);
    if (plan->rpc->kind == RPC_WRITE && !add_replay(plans, plan))
        return false;
    return check_list(plans, plan);
}

bool plans_bind(struct plans *plans)
{
    for (size_t i = 0; i < plans->count; i++)
        if (!bind_plan(plans, &plans->all[i]))
            return false;
    return true;
}

const struct plan *plans_find(const struct plans *plans, const char *rpc_name)
{
    for (size_t i = 0; i < plans->count; i++)
        if (strcmp(plans->all[i].rpc->name, rpc_name) == 0)
            return &plans->all[i];
    return NULL;
}
