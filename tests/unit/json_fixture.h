/* json_fixture.h -- what the tests of common/json.h share: a text whose end is watched, and complaints as text. */
#ifndef CAMPUS_JSON_FIXTURE_H
#define CAMPUS_JSON_FIXTURE_H

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/sample_schema.h"

/* A literal that may hold NUL. */
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

/* "pointer code argument" a line. */
static inline const char *complaints(struct arena *arena, const struct problem *problem)
{
    struct buffer text = buffer_in(arena);
    for (const struct violation *v = problem->first; v; v = v->next)
        buffer_printf(&text, "%s %s %s\n", v->pointer, v->code, v->argument ? v->argument : "-");
    return buffer_cstring(&text);
}

/* A copy that ends where its memory ends, so that a sanitizer sees every byte read too far. */
static inline struct slice exact(struct slice text)
{
    uint8_t *copy = malloc(text.size ? text.size : 1);
    assert_non_null(copy);
    memcpy(copy, text.data, text.size);
    return slice_of(copy, text.size);
}

static inline void release(struct slice text)
{
    union {
        const uint8_t *borrowed;
        void *owned;
    } data = { .borrowed = text.data };
    free(data.owned);
}

static inline const char *read_as(struct arena *arena, const struct message *message, struct slice json,
                                  struct json_options options, struct buffer *wire)
{
    struct problem problem = { 0 };
    struct slice text = exact(json);
    *wire = buffer_in(arena);
    bool read = json_to_wire(arena, message, text, options, wire, NULL, &problem);
    release(text);
    assert_int_equal(read, problem.status == STATUS_OK);
    assert_int_equal(read, problem.first == NULL);
    return complaints(arena, &problem);
}

static inline const char *written(struct arena *arena, struct slice wire)
{
    struct buffer json = buffer_in(arena);
    assert_true(json_from_wire(&sample_message, wire, &json));
    return buffer_cstring(&json);
}

static inline int set_up(void **state)
{
    *state = arena_new();
    return 0;
}

static inline int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
