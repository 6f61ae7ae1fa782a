/* sample_call.h -- calls of the sample service, as a gateway would ask them, and their replies by the names of fields. */
#ifndef CAMPUS_TESTS_SAMPLE_CALL_H
#define CAMPUS_TESTS_SAMPLE_CALL_H

#include "tests/unit/sample_run.h"

#include "common/call_state.h"
#include "common/clock.h"
#include "common/execute.h"
#include "common/parameter.h"

#include <bus.pb-c.h>

enum { PATIENCE_US = 20 * 1000000 };

static const uint8_t secret[PAGE_SECRET] = "sixteen and another sixteen byte";

/* A call and how often it has ended. */
struct probe {
    struct call call;
    unsigned ended;
};

/* What a gateway sends with the body; a test changes what it is about. */
struct asked {
    const char *method, *key, *caller, *scope;
    const char *set; /* the one path that a merge patch names, or NULL */
    int64_t if_version; /* 0: none */
    bool minted;
    int64_t left_us;
};

static const char someone[] = "01900000-0000-7000-8000-000000000001";

static inline struct asked asked(const char *method)
{
    return (struct asked){ .method = method, .caller = someone, .scope = "su", .left_us = 10 * 1000000 };
}

static inline void fill_header(const struct asked *asked, BusRequest *header, Campus__Bus__Principal *caller,
                               char **lists)
{
    campus__bus__request__init(header);
    campus__bus__principal__init(caller);
    caller->id = arena_strdup(arena, asked->caller);
    lists[0] = arena_strdup(arena, asked->scope);
    lists[1] = asked->set ? arena_strdup(arena, asked->set) : NULL;
    header->caller = caller;
    header->scopes = &lists[0];
    header->n_scopes = 1;
    header->set = &lists[1];
    header->n_set = asked->set != NULL;
    header->idempotency_key = asked->key ? arena_strdup(arena, asked->key) : NULL;
    header->key_minted = asked->minted;
    header->has_if_version = asked->if_version != 0;
    header->if_version = asked->if_version;
    header->request_id = arena_strdup(arena, "request-1");
}

static inline struct probe *probe_of(const struct asked *asked, const struct buffer *body)
{
    BusRequest header;
    Campus__Bus__Principal caller;
    char *lists[2];
    struct probe *probe = arena_zalloc(arena, sizeof *probe);
    probe->call = (struct call){
        .arena = arena,
        .plan = plans_find(&plans, asked->method),
        .deadline_us = clock_monotonic_us() + asked->left_us,
        .secret = secret,
    };
    assert_non_null(probe->call.plan);
    fill_header(asked, &header, &caller, lists);
    assert_true(call_read(&probe->call, &header, buffer_slice(body)));
    return probe;
}

static inline void on_end(struct call *call)
{
    ((struct probe *)(void *)call)->ended++;
}

static inline struct probe *submit(const struct asked *asked, const struct buffer *body)
{
    struct probe *probe = probe_of(asked, body);
    execute(&probe->call, database, &plans, on_end);
    return probe;
}

static inline void finish(const struct probe *probe)
{
    int64_t limit_us = clock_monotonic_us() + PATIENCE_US;
    while (!probe->ended) {
        event_base_loop(base, EVLOOP_ONCE);
        assert_true(clock_monotonic_us() < limit_us);
    }
    assert_int_equal(probe->ended, 1);
}

static inline struct call *run(const struct asked *asked, const struct buffer *body)
{
    struct probe *probe = submit(asked, body);
    finish(probe);
    return &probe->call;
}

static inline void assert_done(const struct call *call)
{
    if (call->problem.status != STATUS_OK)
        fail_msg("%s: %s", call->plan->rpc->name, call->problem.code);
}

static inline void assert_refused(const struct call *call, enum status status, const char *code)
{
    assert_non_null(call->problem.code);
    assert_string_equal(call->problem.code, code);
    assert_int_equal(call->problem.status, status);
}

static inline const struct field *field_of(const char *message, const char *name)
{
    const struct message *known = schema_message(schema, arena_printf(arena, "campus.sample.%s", message));
    assert_non_null(known);
    const struct field *field = message_find(known, slice_text(name));
    assert_non_null(field);
    return field;
}

static inline void put_text(struct buffer *body, const char *message, const char *name, const char *value)
{
    wire_put_text(body, field_of(message, name)->number, value);
}

static inline void put_number(struct buffer *body, const char *message, const char *name, int64_t value)
{
    wire_put_varint(body, field_of(message, name)->number, (uint64_t)value);
}

/* As SQL would write it; NULL where it is absent. */
static inline const char *told(struct slice wire, const char *message, const char *name)
{
    return parameter_text(arena, field_of(message, name), wire);
}

static inline const char *reply_of(const struct call *call, const char *name)
{
    return told(buffer_slice(&call->reply), call->plan->rpc->reply->name, name);
}

static inline void assert_told(const struct call *call, const char *name, const char *expected)
{
    const char *value = reply_of(call, name);
    if (!value)
        fail_msg("%s is absent", name);
    assert_string_equal(value, expected);
}

#endif
