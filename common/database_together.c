/* database_together.c -- one array a parameter, with one element a batch; and whose the rows are that come back. */
#include "common/database_together.h"

#include "common/buffer.h"
#include "common/column.h"
#include "common/oid.h"

#include <arpa/inet.h>

static const struct prepared *together(const struct batch *batch)
{
    return batch->step_count == 1 && !batch->alone ? batch->steps->together : NULL;
}

uint32_t together_count(const struct batch *first)
{
    const struct prepared *statement = together(first);
    uint32_t count = 1;
    for (const struct batch *batch = first->next; statement && batch && together(batch) == statement;
         batch = batch->next)
        count++;
    return count;
}

/* ---- the question ---- */

static void put_integer(struct buffer *out, uint32_t value)
{
    uint32_t bytes = htonl(value);
    buffer_add(out, &bytes, sizeof bytes);
}

/* The parameter's values as a text[] in binary format (PostgreSQL, array_recv): no quoting, and little to read. */
static struct slice array_of(struct arena *arena, const struct batch *first, uint32_t count, int parameter)
{
    enum { DIMENSIONS = 1, NO_FLAGS = 0, LOWER_BOUND = 1, NULL_SIZE = -1 };
    const uint32_t head[] = { DIMENSIONS, NO_FLAGS, OID_TEXT, count, LOWER_BOUND };
    struct buffer out = buffer_in(arena);
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        put_integer(&out, head[i]);
    for (; count > 0; count--, first = first->next) {
        const char *value = first->steps->values[parameter];
        size_t size = value ? strlen(value) : 0;
        put_integer(&out, value ? (uint32_t)size : (uint32_t)NULL_SIZE);
        buffer_add(&out, value, size);
    }
    return buffer_slice(&out);
}

bool together_send(PGconn *pg, struct arena *arena, const struct batch *first, uint32_t count)
{
    const struct prepared *statement = together(first);
    size_t parameters = (size_t)statement->parameter_count;
    const char **values = arena_alloc(arena, parameters * sizeof *values);
    int *sizes = arena_alloc(arena, parameters * sizeof *sizes),
        *formats = arena_alloc(arena, parameters * sizeof *formats);
    for (size_t i = 0; i < parameters; i++) {
        struct slice array = array_of(arena, first, count, (int)i);
        values[i] = (const char *)array.data;
        sizes[i] = (int)array.size;
        formats[i] = 1;
    }
    return PQsendQueryPrepared(pg, statement->name, statement->parameter_count, values, sizes, formats, 1);
}

/* ---- the rows ---- */

static int64_t position(const PGresult *result, int row)
{
    int last = PQnfields(result) - 1;
    return column_integer(slice_of(PQgetvalue(result, row, last), (size_t)PQgetlength(result, row, last)));
}

void together_deliver(struct batch *first, uint32_t count, PGresult *result)
{
    int row = 0, rows = PQntuples(result);
    for (uint32_t at = 1; at <= count; at++, first = first->next) {
        struct step *step = first->steps;
        step->result = result;
        step->borrowed = at < count;
        step->first_row = row;
        while (row < rows && position(result, row) == at)
            row++;
        step->row_count = row - step->first_row;
    }
}
