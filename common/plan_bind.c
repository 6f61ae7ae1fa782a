/* plan_bind.c -- the second half: every parameter gets its source, every column its field. Each mistake is named. */
#include "common/plan.h"

#include "common/job.h"
#include "common/oid.h"
#include "common/parameter.h"

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
        .refused = -1,
        .retry_after_ms = -1,
    };
}

static bool list_has(struct plans *plans, const char *list, const char *name)
{
    struct slice *names;
    size_t count = names_split(plans->arena, list, &names);
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
        return plans_complain(plans, "method %s: parameter :%s of statement %s has no source", plan->rpc->name, name,
                              prepared->name);
    int column = column_named(prepared, name + sizeof prefix - 1);
    if (column < 0 || ending->after_count == MOST_KEYS)
        return plans_complain(plans, "method %s: statement %s has no column for :%s", plan->rpc->name, prepared->name,
                              name);
    const struct column_type *type = column_type_find(prepared->column_types[column]);
    if (!type || !type->text)
        return plans_complain(plans, "method %s: no page can begin behind column %s of statement %s", plan->rpc->name,
                              prepared->column_names[column], prepared->name);
    ending->after_columns[ending->after_count] = column;
    *source = (struct source){ .kind = SOURCE_AFTER, .after = ending->after_count++ };
    return true;
}

static bool bind_source(struct plans *plans, const struct plan *plan, struct ending *ending,
                        const struct prepared *prepared, size_t index, const char *name, struct source *source)
{
    const struct field *field = message_find(plan->rpc->request, slice_text(name));
    parameter_value *builtin = parameter_builtin(name);
    if (list_has(plans, plan->method->adds, name)) {
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
        return plans_complain(plans, "method %s: parameter :%s of statement %s does not take its field's type (oid %u)",
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
    buffer_printf(&sql, "WITH step AS MATERIALIZED (%s\n), seen AS (SELECT count(*) AS n",
                  statement_body(plans->arena, own));
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
    step->prepared = plans_add_sql(plans, name, buffer_cstring(&sql));
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
        return plans_complain(plans, "statement %s: column %s fits no field of %s", prepared->name, name, row->name);
    sink->type = column_type_find(prepared->column_types[column]);
    if (!sink->type || !sink->type->fits(sink->field))
        return plans_complain(plans, "statement %s: column %s has a type (oid %u) that does not fit the field of %s",
                              prepared->name, name, prepared->column_types[column], row->name);
    if (plan->rpc->kind == RPC_WRITE && (sink->field->personal || sink->field->secret))
        return plans_complain(plans, "statement %s: column %s is personal or secret and would stand in a stored answer",
                              prepared->name, name);
    return true;
}

static bool has_type(const struct prepared *prepared, int column, Oid type)
{
    return column < 0 || prepared->column_types[column] == type;
}

/* What refuses a WRITE although it is written. */
static bool find_refused(struct plans *plans, const struct plan *plan, struct bound_step *step)
{
    const struct prepared *prepared = &plans->prepared[step->prepared];
    if (plan->rpc->kind != RPC_WRITE)
        return true;
    step->control.refused = column_named(prepared, "refused_as");
    if (step->control.refused >= 0)
        step->control.retry_after_ms = column_named(prepared, "retry_after_ms");
    if (!has_type(prepared, step->control.refused, OID_TEXT) ||
        !has_type(prepared, step->control.retry_after_ms, OID_INT8))
        return plans_complain(plans, "statement %s: column refused_as is no text, or retry_after_ms no int8",
                              prepared->name);
    return true;
}

static bool bind_ending(struct plans *plans, struct plan *plan, struct ending *ending)
{
    const struct prepared *prepared = &plans->prepared[ending->step.prepared];
    if (!bind_step(plans, plan, &ending->step, ending))
        return false;
    if (!find_refused(plans, plan, &ending->step))
        return false;
    struct sink *sinks = arena_zalloc(plans->arena, ((size_t)prepared->column_count + 1) * sizeof *sinks);
    ending->sinks = sinks;
    for (int i = 0; i < prepared->column_count; i++) {
        if (i == ending->step.control.refusal && plan->rpc->kind == RPC_WRITE)
            return plans_complain(plans,
                                  "method %s: column refusal of statement %s refuses nothing; a statement before it "
                                  "must say so",
                                  plan->rpc->name, prepared->name);
        if (i == ending->step.control.refusal || i == ending->step.control.refused ||
            i == ending->step.control.retry_after_ms || list_has(plans, plan->method->hides, prepared->column_names[i]))
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

static bool same_type(const struct field *a, const struct field *b)
{
    return a->type == b->type && a->repeated == b->repeated && a->message == b->message &&
           a->enumeration == b->enumeration;
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
        if (told && same_type(told, asked) && !is_filled(plan->endings, told))
            echoes[plan->echo_count++] = (struct echo){ asked, told };
    }
}

/* What gives a stored answer's rows again, with the types that they had. */
static bool add_replay(struct plans *plans, struct plan *plan)
{
    const struct prepared *prepared = &plans->prepared[plan->endings->step.prepared];
    struct buffer sql = buffer_in(plans->arena);
    buffer_text(&sql, "SELECT r.* FROM answer a, "
                      "jsonb_to_recordset(CASE WHEN jsonb_typeof(a.rows) = 'array' THEN a.rows ELSE '[]' END) AS r(");
    for (int i = 0; i < prepared->column_count; i++) {
        const struct column_type *type = column_type_find(prepared->column_types[i]);
        if (!type)
            return plans_complain(plans, "statement %s: column %s cannot be stored", prepared->name,
                                  prepared->column_names[i]);
        buffer_printf(&sql, "%s\"%s\" %s", i ? ", " : "", prepared->column_names[i], type->sql);
    }
    buffer_text(&sql, ") WHERE a.principal = :answer_principal::text AND a.key_hash = :answer_key::bytea "
                      "AND a.fingerprint = :answer_fingerprint::bytea");
    plan->replay = plans_add_sql(plans, arena_printf(plans->arena, "replay_%s", plan->rpc->name), buffer_cstring(&sql));
    return true;
}

/* Many of them cost PostgreSQL little more than one: one snapshot, one portal, one plan that is started once. */
static void add_together(struct plans *plans, struct bound_step *step)
{
    const struct statement *statement = plans->statements[step->prepared];
    const struct prepared *prepared = &plans->prepared[step->prepared];
    const char **values = arena_alloc(plans->arena, (statement->parameter_count + 1) * sizeof *values);
    struct buffer arrays = buffer_in(plans->arena), names = buffer_in(plans->arena);
    for (size_t i = 0; i < statement->parameter_count; i++) {
        values[i] = arena_printf(plans->arena, "(asked.p%zu::%s)", i, prepared->parameter_type_names[i]);
        buffer_printf(&arrays, "%s$%zu::text[]", i ? ", " : "", i + 1);
        buffer_printf(&names, "p%zu, ", i);
    }
    const char *sql =
        arena_printf(plans->arena,
                     "SELECT told.*, asked.pos FROM unnest(%s) WITH ORDINALITY AS asked (%spos)"
                     " CROSS JOIN LATERAL (%s\n) AS told ORDER BY asked.pos",
                     buffer_cstring(&arrays), buffer_cstring(&names), statement_with(plans->arena, statement, values));
    step->together = plans_add_sql(plans, arena_printf(plans->arena, "together_%s", statement->name), sql);
}

/* A point read that is one statement, and gives a row or none. */
static bool may_be_asked_together(const struct plans *plans, const struct plan *plan)
{
    return plan->rpc->kind == RPC_READ && plan->lane == LANE_POINT && plan->step_count == 0 && !plan->rpc->rows &&
           plans->statements[plan->endings->step.prepared]->parameter_count > 0;
}

static bool takes_page_limit(const struct ending *ending)
{
    parameter_value *page_limit = parameter_builtin("page_limit");
    for (size_t i = 0; i < ending->step.source_count; i++)
        if (ending->step.sources[i].builtin == page_limit)
            return true;
    return false;
}

static bool check_pages(struct plans *plans, const struct plan *plan, const struct ending *ending)
{
    bool pages = plan->rpc->rows && plan->page_size && plan->page_token && plan->next_page_token;
    if (ending->after_count && !pages)
        return plans_complain(plans, "method %s pages, but lacks page_size, page_token, next_page_token or rows",
                              plan->rpc->name);
    if (!ending->after_count && takes_page_limit(ending)) /* it would be 0 */
        return plans_complain(plans, "method %s: statement %s takes :page_limit, but pages by no :after_ column",
                              plan->rpc->name, plans->prepared[ending->step.prepared].name);
    return true;
}

static bool check_count(struct plans *plans, const struct plan *plan)
{
    if (!plan->total_count || !plan->count_field || !plan->count_field->enumeration)
        return plans_complain(plans, "method %s counts, but lacks count or total_count", plan->rpc->name);
    const struct prepared *prepared = &plans->prepared[plan->count->prepared];
    const struct column_type *type = prepared->column_count == 1 ? column_type_find(prepared->column_types[0]) : NULL;
    if (!type || !type->fits(plan->total_count))
        return plans_complain(plans, "method %s: statement %s does not give total_count", plan->rpc->name,
                              prepared->name);
    return true;
}

static bool check_list(struct plans *plans, const struct plan *plan)
{
    for (size_t i = 0; i < plan->ending_count; i++)
        if (!check_pages(plans, plan, &plan->endings[i]))
            return false;
    if (plan->search && !check_pages(plans, plan, plan->search))
        return false;
    return !plan->count || check_count(plans, plan);
}

/* What .check finds is text. */
static bool bind_found(struct plans *plans, struct plan *plan)
{
    const struct prepared *prepared = &plans->prepared[plan->first[plan->first_count - 1].prepared];
    plan->found = prepared->column_names;
    plan->found_count = (size_t)prepared->column_count;
    for (int i = 0; i < prepared->column_count; i++)
        if (!column_has_text(prepared->column_types[i]))
            return plans_complain(plans, "statement %s: column %s has a type (oid %u) that has no text; cast it",
                                  prepared->name, prepared->column_names[i], prepared->column_types[i]);
    return true;
}

/* They are read, in a WRITE too, so what controls say is read from their rows. */
static bool bind_first(struct plans *plans, struct plan *plan)
{
    for (size_t i = 0; i < plan->first_count; i++) {
        struct bound_step *step = &plan->first[i];
        const struct statement *statement = plans->statements[step->prepared];
        step->control = controls_of(&plans->prepared[step->prepared], step->target);
        if (!bind_sources(plans, plan, step, NULL, &plans->prepared[step->prepared]))
            return false;
        for (size_t j = 0; j < step->source_count; j++)
            if (step->sources[j].kind == SOURCE_ADDED && !plan->method->prepare)
                return plans_complain(plans,
                                      "method %s: statement %s is read before .check adds :%s; let .prepare do it",
                                      plan->rpc->name, statement->name, statement->parameters[j]);
    }
    return plan->first_count == 0 || bind_found(plans, plan);
}

static bool bind_plan(struct plans *plans, struct plan *plan)
{
    if (!bind_first(plans, plan))
        return false;
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
    if (may_be_asked_together(plans, plan))
        add_together(plans, &plan->endings->step);
    if (plan->rpc->kind == RPC_WRITE && !add_replay(plans, plan))
        return false;
    return check_list(plans, plan);
}

/* ---- who asks for what ---- */

static void ask(struct plans *plans, const struct bound_step *step, enum lane lane)
{
    prepared_ask(&plans->prepared[step->prepared], lane);
    if (step->together)
        prepared_ask(&plans->prepared[step->together], lane);
}

static void ask_all(struct plans *plans, const struct bound_step *steps, size_t count, enum lane lane)
{
    for (size_t i = 0; i < count; i++)
        ask(plans, &steps[i], lane);
}

/* As execute.c sends them. A connection keeps some 50 KiB of each statement that it has prepared, and it takes PostgreSQL 0.1 ms:
 * all of them on all connections were 370 MiB and 0.7 s of processor time at each start of membership; so they are 130 MiB and
 * 0.2 s. */
static void ask_lanes(struct plans *plans, const struct plan *plan)
{
    ask_all(plans, plan->first, plan->first_count, plan->first_lane);
    ask_all(plans, plan->steps, plan->step_count, plan->lane);
    for (size_t i = 0; i < plan->ending_count; i++)
        ask(plans, &plan->endings[i].step, plan->lane);
    if (plan->search)
        ask(plans, &plan->search->step, plan->lane);
    if (plan->count)
        ask(plans, plan->count, plan->lane);
    if (plan->rpc->kind != RPC_WRITE)
        return;
    prepared_ask(&plans->prepared[PREPARED_CLAIM], plan->lane);
    for (size_t i = PREPARED_EXPIRE; i <= PREPARED_FIND; i++)
        prepared_ask(&plans->prepared[i], LANE_WRITE);
    prepared_ask(&plans->prepared[plan->replay], LANE_WRITE);
    if (plan->first_count == 0)
        return;
    prepared_ask(&plans->prepared[PREPARED_SEEK], plan->first_lane);
    prepared_ask(&plans->prepared[plan->replay], plan->first_lane);
}

bool plans_bind(struct plans *plans)
{
    for (size_t i = 0; i < plans->count; i++)
        if (!bind_plan(plans, &plans->all[i]))
            return false;
    for (size_t i = 0; i < plans->count; i++)
        ask_lanes(plans, &plans->all[i]);
    return jobs_bind(plans);
}
