/* test_job.c -- how long a job waits, and which statements fit one. How it runs: tests/membership/test_mail.py. */
#include "tests/unit/arena_fixture.h"

#include "common/job.h"
#include "common/oid.h"

static void test_a_job_waits_ever_longer(void **state)
{
    (void)state;
    static const struct {
        uint32_t attempt, chance, delay;
    } cases[] = {
        { 1, 0, 2000 },
        { 2, 0, 4000 },
        { 3, 0, 8000 },
        { 11, 0, 2048000 },
        { 12, 0, 3600000 },
        { 60, 0, 3600000 },
        { 4000000000, 0, 3600000 },
        { 1, UINT32_MAX, 1001 },
        { 1, 1u << 31, 1500 },
        { 60, UINT32_MAX, 1800001 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(job_delay_ms(cases[i].attempt, cases[i].chance), cases[i].delay);
}

static const struct job jobs[] = { { .name = "mail", .lease = "lease", .note = "note", .waiting = "waiting" }, { 0 } };
static const struct service service = { .name = "sample", .jobs = jobs };

#define WAITING "-- name: waiting\nSELECT 3 AS waiting, 4 AS oldest_ms -- of all\n"

static bool gather(struct plans *plans, const char *file)
{
    struct statements queries;
    *plans = (struct plans){ .arena = arena, .service = &service };
    assert_true(statements_parse(arena, slice_text(file), &queries, &plans->error));
    return jobs_gather(plans, &queries);
}

static void test_all_statements_are_there(void **state)
{
    (void)state;
    struct plans plans;
    assert_true(gather(&plans, "-- name: lease\nSELECT 1\n-- name: note\nSELECT 2\n" WAITING));
    assert_false(gather(&plans, "-- name: note\nSELECT 2\n" WAITING));
    assert_string_equal(plans.error, "job mail: there is no statement lease");
    assert_false(gather(&plans, "-- name: lease\nSELECT 1\n"));
    assert_string_equal(plans.error, "job mail: there is no statement note");
    assert_false(gather(&plans, "-- name: lease\nSELECT 1\n-- name: note\nSELECT 2\n"));
    assert_string_equal(plans.error, "job mail: there is no statement waiting");
    assert_false(gather(&plans, "-- name: lease\nSELECT 1\n-- name: note\nSELECT 2\n-- name: waiting\nSELECT :id\n"));
    assert_string_equal(plans.error, "job mail: statement waiting has parameters");
}

/* With the lease described as of these columns. */
static bool bind(struct plans *plans, const char *file, int count, const char **names, Oid *types)
{
    assert_true(gather(plans, file));
    struct prepared *lease = &plans->prepared[plans_find_prepared(plans, "lease")];
    lease->column_count = count;
    lease->column_names = names;
    lease->column_types = types;
    return jobs_bind(plans);
}

static void test_the_statements_fit(void **state)
{
    (void)state;
    static const char file[] =
        "-- name: lease\nSELECT 1\n-- name: note\nSELECT :id, :attempt, :outcome, :failure, :delay_ms\n" WAITING;
    const char *names[] = { "id", "attempts", "extra" };
    Oid types[] = { OID_UUID, OID_INT4, OID_TEXT };
    struct plans plans;
    assert_true(bind(&plans, file, 3, names, types));
    assert_false(bind(&plans, file, 1, names, types));
    assert_string_equal(plans.error, "job mail: statement lease lacks a column id or attempts");
    types[2] = OID_JSONB;
    assert_false(bind(&plans, file, 3, names, types));
    assert_string_equal(plans.error, "job mail: column extra of statement lease has no text; cast it");
    assert_false(bind(&plans, "-- name: lease\nSELECT :id\n-- name: note\nSELECT 1\n" WAITING, 2, names, types));
    assert_string_equal(plans.error, "job mail: statement lease has parameters");
    assert_false(bind(&plans, "-- name: lease\nSELECT 1\n-- name: note\nSELECT :other\n" WAITING, 2, names, types));
    assert_string_equal(plans.error, "job mail: parameter :other of statement note has no source");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_waits_ever_longer),
        TEST(test_all_statements_are_there),
        TEST(test_the_statements_fit),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
