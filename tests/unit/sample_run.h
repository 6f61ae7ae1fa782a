/* sample_run.h -- the sample service on a PostgreSQL of its own; calls of it, as a gateway would ask them, and their replies
 * by the names of fields. A group of SAMPLE_TESTs begins with sample_start() and ends with sample_stop(). */
#ifndef CAMPUS_TESTS_SAMPLE_RUN_H
#define CAMPUS_TESTS_SAMPLE_RUN_H

#include "tests/unit/arena_fixture.h"
#include "tests/unit/sample_service.h"

#include "common/call_state.h"

int sample_start(void **state);
int sample_stop(void **state);
/* Each test has empty tables, connections of its own and the `arena`, where all is that is handed out here. */
int sample_set_up(void **state);
int sample_tear_down(void **state);

#define SAMPLE_TEST(function) cmocka_unit_test_setup_teardown(function, sample_set_up, sample_tear_down)

/* Runs SQL beside the service, as the superuser; the first value, or "". */
const char *sql(const char *text);

#define ID(digit) "01900000-0000-7000-8000-00000000000" digit

/* A thing of that ID; `values` are its path, title, kind, size and whether it is locked. */
void add_thing(const char *digit, const char *values);

/* A call and how often it has ended. */
struct probe {
    struct call call;
    unsigned ended;
};

/* What a gateway sends with the body; a test changes what it is about. */
struct asked {
    const char *method, *key, *caller, *scope; /* caller NULL: nobody */
    uint64_t client; /* 0: none */
    const char *set; /* the one path that a merge patch names, or NULL */
    int64_t if_version; /* 0: none */
    bool minted;
    int64_t left_us;
};

extern const char someone[37]; /* the usual caller */
/* The usual: by someone within su, without a key, with ten seconds left. */
struct asked asked(const char *method);

void put_text(struct buffer *body, const char *message, const char *name, const char *value);
void put_number(struct buffer *body, const char *message, const char *name, int64_t value);

/* A call, which may still be changed before it is begun. */
struct probe *probe_of(const struct asked *asked, const struct buffer *body);
void begin(struct probe *probe);
/* Waits for its one end. */
void finish(const struct probe *probe);
/* A call that is under way, and one that has ended. */
struct probe *submit(const struct asked *asked, const struct buffer *body);
struct call *run(const struct asked *asked, const struct buffer *body);

void assert_done(const struct call *call);
void assert_refused(const struct call *call, enum status status, const char *code);

const struct field *field_of(const char *message, const char *name);
/* A field of a message, or of a call's reply, as SQL would write it; NULL where it is absent. */
const char *told(struct slice wire, const char *message, const char *name);
const char *reply_of(const struct call *call, const char *name);
void assert_told(const struct call *call, const char *name, const char *expected);

#endif
