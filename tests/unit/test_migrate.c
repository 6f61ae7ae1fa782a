/* test_migrate.c -- the database's schema from the program's own files, against a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/embed.h"
#include "common/migrate.h"
#include "common/version.h"
#include "tests/unit/cluster.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdlib.h>

static struct cluster *cluster;
static struct arena *arena;
static const char *const services[] = { "membership", NULL };

/* Each test has a fresh server: what a migration does stays. */
static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    cluster = cluster_start();
    cluster_run(cluster, "CREATE ROLE campus_owner LOGIN; CREATE ROLE campus_membership LOGIN;"
                         "ALTER DATABASE postgres OWNER TO campus_owner");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cluster_stop(cluster);
    arena_free(arena);
    return 0;
}

/* What it tells, or NULL with *error. */
static const char *run_for(const char *const *names, const char **error)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    *error = NULL;
    bool done = migrate(arena, cluster_conninfo(cluster), names, out, error);
    fclose(out);
    const char *told = done ? arena_strdup(arena, text) : NULL;
    free(text);
    return told;
}

static const char *run(const char **error)
{
    return run_for(services, error);
}

/* NULL, or why this program may not work on it. */
static const char *check(void)
{
    const char *error = NULL;
    bool unreachable;
    bool fits =
        migrate_check(arena, cluster_conninfo(cluster), "campus_membership", "membership", &error, &unreachable);
    assert_false(unreachable);
    assert_true(fits == !error);
    return error;
}

static const char *sql(const char *text)
{
    PGconn *pg = PQconnectdb(arena_printf(arena, "%s user=postgres", cluster_conninfo(cluster)));
    PGresult *result = PQexec(pg, text);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(pg));
    const char *value = arena_strdup(arena, PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(pg);
    return value;
}

static int count_files(const char *folder)
{
    int count = 0;
    for (const struct embedded *file = embedded_files; file->name; file++)
        count += strncmp(file->name, folder, strlen(folder)) == 0;
    return count;
}

static void migrate_all(void)
{
    const char *error;
    if (!run(&error))
        fail_msg("%s", error);
}

static void test_each_migration_runs_once(void **state)
{
    (void)state;
    const char *error, *told = run(&error);
    assert_non_null(told);
    const char *membership = strstr(told, "migrated membership/001_");
    int common = count_files("common/schema/"), own = count_files("services/membership/schema/");
    assert_true(common > 0 && own > 1);
    assert_non_null(membership);
    assert_true(strstr(told, "migrated campus/001_campus.sql\n") < membership); /* what others stand on comes first */
    assert_true(strstr(membership, "migrated membership/002_") > membership);
    assert_string_equal(sql("SELECT count(*) FROM campus.migration"), arena_printf(arena, "%d", common + own));
    assert_string_equal(
        sql("SELECT string_agg(number::text, ' ' ORDER BY applied_at) = string_agg(number::text, ' ' ORDER BY number)"
            "  FROM campus.migration WHERE schema = 'membership'"),
        "t");
    assert_string_equal(sql("SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'membership'"), "campus_owner");
    assert_null(check());
    told = run(&error);
    assert_non_null(told);
    assert_string_equal(told, "");
}

static void test_common_schema_alone(void **state)
{
    (void)state;
    const char *error;
    assert_non_null(run_for((const char *const[]){ NULL }, &error));
    assert_string_equal(sql("SELECT count(*) FROM campus.migration WHERE schema <> 'campus'"), "0");
    assert_string_equal(check(), "migration membership/001_organisation.sql is missing: run `campus migrate`");
}

static void test_changed_file_is_refused(void **state)
{
    (void)state;
    const char *error;
    migrate_all();
    cluster_run(cluster,
                "UPDATE campus.migration SET checksum = repeat('0', 64) WHERE schema = 'membership' AND number = 2");
    assert_null(run(&error));
    assert_string_equal(error, "migration membership/002_person.sql has changed since it was applied");
    assert_string_equal(check(), "migration membership/002_person.sql was applied in another form");
}

static void test_missing_migration(void **state)
{
    (void)state;
    migrate_all();
    cluster_run(cluster, "DELETE FROM campus.migration WHERE schema = 'membership' AND number = 3");
    assert_string_equal(check(), "migration membership/003_membership.sql is missing: run `campus migrate`");
}

static void test_schema_that_admits_newer_programs_only(void **state)
{
    (void)state;
    migrate_all();
    cluster_run(cluster, arena_printf(arena, "INSERT INTO campus.migration VALUES ('membership', 999, 'x', 'x', %d)",
                                      PROGRAM_NUMBER));
    assert_null(check()); /* a migration that this program does not know, and that admits it */
    cluster_run(cluster,
                arena_printf(arena, "UPDATE campus.migration SET admits = %d WHERE number = 999", PROGRAM_NUMBER + 1));
    assert_string_equal(check(), arena_printf(arena,
                                              "the schema of membership admits programs from number %d on; this is "
                                              "number %d",
                                              PROGRAM_NUMBER + 1, PROGRAM_NUMBER));
    cluster_run(cluster, "UPDATE campus.migration SET schema = 'elsewhere' WHERE number = 999");
    assert_null(check());
    cluster_run(cluster, "UPDATE campus.migration SET schema = 'campus' WHERE number = 999");
    assert_non_null(check());
}

static void test_database_without_any(void **state)
{
    (void)state;
    assert_string_equal(check(), "migration campus/001_campus.sql cannot be read: run `campus migrate`");
}

/* What fails is undone as a whole, and done when its cause is gone. */
static void test_failed_migration_leaves_nothing(void **state)
{
    (void)state;
    const char *error;
    cluster_run(cluster, "DROP ROLE campus_membership");
    assert_null(run(&error));
    assert_string_equal(error,
                        "migration membership/001_organisation.sql: ERROR:  role \"campus_membership\" does not exist");
    assert_string_equal(sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'membership'"), "0");
    assert_string_equal(sql("SELECT count(*) FROM campus.migration WHERE schema = 'membership'"), "0");
    cluster_run(cluster, "CREATE ROLE campus_membership LOGIN");
    migrate_all();
    assert_null(check());
}

/* Two that start at once: one waits for the other and finds nothing left. */
struct racer {
    bool done;
    char told[4096];
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct arena *own = arena_new();
    const char *error = NULL;
    FILE *out = fmemopen(racer->told, sizeof racer->told, "w");
    racer->done = migrate(own, cluster_conninfo(cluster), services, out, &error);
    fclose(out);
    arena_free(own);
    return NULL;
}

static void test_two_at_once(void **state)
{
    (void)state;
    static struct racer racers[2];
    pthread_t threads[2];
    memset(racers, 0, sizeof racers);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(racers[0].done);
    assert_true(racers[1].done);
    assert_true(!*racers[0].told != !*racers[1].told);
    assert_null(check());
}

static void test_unreachable_database(void **state)
{
    (void)state;
    const char *error = NULL;
    bool unreachable = false;
    assert_false(migrate_check(arena, "host=/nonexistent", "campus_membership", "membership", &error, &unreachable));
    assert_true(unreachable);
    assert_non_null(strstr(error, "/nonexistent"));
    assert_null(strchr(error, '\n'));
    assert_false(migrate(arena, "host=/nonexistent", services, stderr, &error));
    assert_non_null(strstr(error, "/nonexistent"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_migration_runs_once),
        TEST(test_common_schema_alone),
        TEST(test_changed_file_is_refused),
        TEST(test_missing_migration),
        TEST(test_schema_that_admits_newer_programs_only),
        TEST(test_database_without_any),
        TEST(test_failed_migration_leaves_nothing),
        TEST(test_two_at_once),
        TEST(test_unreachable_database),
    };
    return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
