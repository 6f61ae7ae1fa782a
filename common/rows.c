/* rows.c -- binary rows into wire format by the plan that was bound at start. */
#include "common/rows.h"

#include "common/call_state.h"
#include "common/log.h"

static bool is_null(const PGresult *result, int row, int column)
{
    return column < 0 || PQgetisnull(result, row, column);
}

static struct slice value_at(const PGresult *result, int row, int column)
{
    return slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static bool is_false(const PGresult *result, int row, int column)
{
    return column >= 0 && (is_null(result, row, column) || *value_at(result, row, column).data == 0);
}

void rows_control(struct call *call, const struct bound_step *bound, const struct step *step)
{
    const struct control_columns *control = &bound->control;
    const PGresult *result = step->result;
    int row = step->first_row;
    if (bound->target && (step->row_count == 0 || is_false(result, row, control->visible))) {
        call_refuse(call, "not_found");
        return;
    }
    if (step->row_count == 0)
        return;
    if (is_false(result, row, control->permitted))
        call_refuse(call, "permission_denied");
    if (!is_null(result, row, control->refusal))
        call_refuse(call, arena_text(call->arena, value_at(result, row, control->refusal)));
}

void rows_refused(struct call *call, const struct bound_step *bound, const struct step *step)
{
    const struct control_columns *control = &bound->control;
    const PGresult *result = step->result;
    int row = step->first_row;
    if (step->row_count == 0 || is_null(result, row, control->refused))
        return;
    call_refuse(call, arena_text(call->arena, value_at(result, row, control->refused)));
    if (!is_null(result, row, control->retry_after_ms))
        call_retry_after(call, (uint32_t)column_integer(value_at(result, row, control->retry_after_ms)));
}

const char **rows_found(struct call *call, const struct step *step)
{
    const PGresult *result = step->result;
    size_t count = call->plan->found_count;
    if (step->row_count == 0)
        return NULL;
    const char **found = arena_zalloc(call->arena, (count + 1) * sizeof *found);
    for (size_t i = 0; i < count; i++)
        if (!is_null(result, step->first_row, (int)i))
            found[i] = column_said(call->arena, PQftype(result, (int)i), value_at(result, step->first_row, (int)i));
    return found;
}

/* The columns of one nested message stand side by side; all NULL makes it absent. */
static size_t put_nested(struct call *call, const struct ending *ending, size_t i, const PGresult *result, int row,
                         bool *fits)
{
    const struct field *outer = ending->sinks[i].outer;
    size_t before = call->reply.size, mark = wire_open(&call->reply, outer->number), empty = call->reply.size;
    for (; i < ending->sink_count && ending->sinks[i].outer == outer; i++) {
        const struct sink *sink = &ending->sinks[i];
        if (!is_null(result, row, sink->column))
            *fits &= sink->type->put(&call->reply, sink->field, value_at(result, row, sink->column));
    }
    if (call->reply.size == empty)
        call->reply.size = before;
    else
        wire_close(&call->reply, mark);
    return i;
}

static bool put_row(struct call *call, const struct ending *ending, const PGresult *result, int row)
{
    bool fits = true;
    for (size_t i = 0; i < ending->sink_count;) {
        const struct sink *sink = &ending->sinks[i];
        if (sink->outer) {
            i = put_nested(call, ending, i, result, row, &fits);
            continue;
        }
        if (!is_null(result, row, sink->column))
            fits &= sink->type->put(&call->reply, sink->field, value_at(result, row, sink->column));
        i++;
    }
    return fits;
}

bool rows_reply(struct call *call, const struct ending *ending, const struct step *step, int most)
{
    const struct field *each = call->plan->rpc->rows;
    bool fits = true;
    if (!each)
        return step->row_count == 0 || put_row(call, ending, step->result, step->first_row);
    for (int i = 0; i < step->row_count && i < most; i++) {
        size_t mark = wire_open(&call->reply, each->number);
        fits &= put_row(call, ending, step->result, step->first_row + i);
        wire_close(&call->reply, mark);
    }
    return fits;
}

const char *rows_page_token(struct call *call, const struct ending *ending, const struct step *step, int last)
{
    const char *values[MOST_KEYS];
    const PGresult *result = step->result;
    int row = step->first_row + last;
    for (size_t i = 0; i < ending->after_count; i++) {
        int column = ending->after_columns[i];
        values[i] = is_null(result, row, column)
                        ? NULL
                        : column_text(call->arena, PQftype(result, column), value_at(result, row, column));
    }
    return page_token_seal(call->arena, call->secret, call->page_query, values, ending->after_count);
}
