/* test_database_describe.c -- what PostgreSQL says of statements at the start, and how it is told when it says no. */
#include "common/database.h"
#include "tests/unit/cluster.h"

#include <setjmp.h>

#include <cmocka.h>

static struct cluster *cluster;
static struct database_options options; /* set anew by each test's setup */
static struct arena *arena;

static int start_cluster(void **state)
{
    (void)state;
    cluster = cluster_start();
    cluster_run(cluster, "CREATE ROLE unit LOGIN; CREATE SCHEMA unit AUTHORIZATION unit; SET ROLE unit;"
                         "CREATE TABLE unit.seat (id int PRIMARY KEY, holder int NOT NULL, tags text[])");
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    cluster_stop(cluster);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    options = (struct database_options){ .conninfo = cluster_conninfo(cluster), .role = "unit", .schema = "unit" };
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const char *describe_error(const char *text, bool *unreachable)
{
    struct prepared wrong[] = { { .name = "right", .text = "SELECT 1" }, { .name = "wrong", .text = text } };
    const char *error;
    assert_false(database_describe(arena, &options, wrong, 2, &error, unreachable));
    return error;
}

static void test_types_and_names(void **state)
{
    (void)state;
    struct prepared statements[] = {
        { .name = "insert", .text = "INSERT INTO seat VALUES ($1, $1, $2) RETURNING id" },
        { .name = "nothing", .text = "DELETE FROM seat" },
        { .name = "find", .text = "SELECT FROM seat WHERE id = $1" },
    };
    const char *error;
    bool unreachable;
    assert_true(database_describe(arena, &options, statements, 3, &error, &unreachable));
    assert_int_equal(statements[0].parameter_count, 2);
    assert_int_equal(statements[0].parameter_types[0], 23); /* int4 */
    assert_string_equal(statements[0].parameter_type_names[0], "integer");
    assert_string_equal(statements[0].parameter_type_names[1], "text[]");
    assert_int_equal(statements[0].column_count, 1);
    assert_int_equal(statements[0].column_types[0], 23);
    assert_string_equal(statements[0].column_names[0], "id");
    assert_int_equal(statements[1].column_count, 0);
    assert_string_equal(statements[2].parameter_type_names[0], "integer");
}

static void test_error_names_the_statement(void **state)
{
    (void)state;
    bool unreachable;
    assert_string_equal(describe_error("SELECT holder,\n  '\u793e\u56e2', colour\n  FROM seat", &unreachable),
                        "statement wrong: column \"colour\" does not exist at \"colour FROM seat\" (42703)");
    assert_false(unreachable);
    assert_string_equal(describe_error("SELECT 1; SELECT 2", &unreachable),
                        "statement wrong: cannot insert multiple commands into a prepared statement (42601)");
}

static void test_absent_is_not_unwilling(void **state)
{
    (void)state;
    bool unreachable;
    options.role = "nobody_such";
    assert_non_null(strstr(describe_error("SELECT 1", &unreachable), "nobody_such"));
    assert_false(unreachable);
    options.conninfo = "host=/nonexistent dbname=postgres";
    assert_non_null(strstr(describe_error("SELECT 1", &unreachable), "/nonexistent"));
    assert_true(unreachable);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_types_and_names),
        TEST(test_error_names_the_statement),
        TEST(test_absent_is_not_unwilling),
    };
    return cmocka_run_group_tests_name("database_describe", tests, start_cluster, stop_cluster);
}
