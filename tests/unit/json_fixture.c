/* json_fixture.c -- what the tests of common/json.h share. */
#include "tests/unit/json_fixture.h"

#include <stdlib.h>
#include <string.h>

const char *complaints(const struct problem *problem)
{
    struct buffer text = buffer_in(arena);
    for (const struct violation *v = problem->first; v; v = v->next)
        buffer_printf(&text, "%s %s %s\n", v->pointer, v->code, v->argument ? v->argument : "-");
    return buffer_cstring(&text);
}

struct slice exact(struct slice text)
{
    uint8_t *copy = malloc(text.size ? text.size : 1);
    assert_non_null(copy);
    memcpy(copy, text.data, text.size);
    return slice_of(copy, text.size);
}

void release(struct slice text)
{
    union {
        const uint8_t *borrowed;
        void *owned;
    } data = { .borrowed = text.data };
    free(data.owned);
}

const char *read_as(const struct message *message, struct slice json, struct json_options options, struct buffer *wire)
{
    struct problem problem = { 0 };
    struct slice text = exact(json);
    *wire = buffer_in(arena);
    bool read = json_to_wire(arena, message, text, options, wire, NULL, &problem);
    release(text);
    assert_int_equal(read, problem.status == STATUS_OK);
    assert_int_equal(read, problem.first == NULL);
    return complaints(&problem);
}

const char *written(struct slice wire)
{
    struct buffer json = buffer_in(arena);
    assert_true(json_from_wire(&sample_message, wire, &json));
    return buffer_cstring(&json);
}
