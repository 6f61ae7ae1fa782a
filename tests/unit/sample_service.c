/* sample_service.c -- the sample's methods, and a PostgreSQL with its schema. */
#include "tests/unit/sample_service.h"

#include "common/call.h"
#include "common/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct schema *sample_schema(struct arena *arena)
{
    const struct contract_file files[] = {
        { "sample.proto", contract_text(arena, "tests/unit/sample/sample.proto") },
        { "other.proto", contract_text(arena, "tests/unit/sample/other.proto") },
        { NULL, NULL },
    };
    return contract_schema(arena, files);
}

struct slice sample_queries(struct arena *arena, const struct sample_statement *other)
{
    struct slice file = contract_read(arena, "tests/unit/sample/queries.sql");
    struct buffer changed = buffer_in(arena);
    struct statements statements;
    const char *error = NULL;
    if (!other)
        return file;
    assert_true(statements_parse(arena, file, &statements, &error));
    for (size_t i = 0; i < statements.count; i++)
        if (strcmp(statements.all[i].name, other->name) != 0)
            buffer_printf(&changed, "-- name: %s\n%s\n", statements.all[i].name,
                          arena_text(arena, statements.all[i].source));
    if (other->text)
        buffer_printf(&changed, "-- name: %s\n%s\n", other->name, other->text);
    return buffer_slice(&changed);
}

static void add_label(struct call *call)
{
    if (call_has(call, "title"))
        call_add(call, "label", arena_printf(call_arena(call), "#%s", call_text(call, "title")));
}

static void add_note(struct call *call)
{
    call_reply_text(call, "note", "shaped");
}

static void mark_word(struct call *call)
{
    call_add(call, "marked", arena_printf(call_arena(call), "#%s", call_text(call, "word")));
}

static void try_word(struct call *call)
{
    enum { MOST_TRIES = 2 };
    if (!call_found(call, "title")) {
        call_refuse(call, "not_found");
        return;
    }
    assert_string_equal(call_found(call, "made_at"), "2026-09-01T08:00:00Z");
    assert_string_equal(call_found(call, "path"), "su");
    if (atoi(call_found(call, "size")) >= MOST_TRIES) {
        call_refuse(call, "tried_enough");
        call_retry_after(call, 60000);
    }
    call_add(call, "opens", call_found(call, "opens"));
}

static void show_secret(struct call *call)
{
    uint8_t secret[32];
    char hex[2 * sizeof secret + 1];
    call_derive_secret(call, secret);
    for (size_t i = 0; i < sizeof secret; i++)
        snprintf(hex + 2 * i, 3, "%02x", secret[i]);
    call_reply_text(call, "secret", hex);
}

const struct method sample_methods[SAMPLE_METHODS + 1] = {
    { "GetThing", .query = "get_thing" },
    { "ListThings", .query = "list_things_by_{sort}", .search = "search_things", .count = "count_things",
      .lane = LANE_HEAVY },
    { "ListParts", .query = "target_whole, list_parts" },
    { "CreateThing", .check = add_label, .aside = ASIDE_LONG, .query = "target_place, lock_things, create_thing",
      .adds = "label", .finish = add_note },
    { "PatchThing", .query = "target_thing, patch_thing", .queue_by = "id" },
    { "OpenThing", .prepare = mark_word, .first = "target_closed, find_closed", .check = try_word, .aside = ASIDE_HASH,
      .query = "open_thing", .adds = "marked, opens", .finish = show_secret },
    { 0 },
};

void sample_migrate(const struct cluster *cluster, const char *const *services)
{
    struct arena *arena = arena_new();
    const char *error = NULL;
    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    if (!migrate(arena, cluster_conninfo(cluster), services, nowhere, &error))
        fail_msg("%s", error);
    assert_int_equal(fclose(nowhere), 0);
    arena_free(arena);
}

struct cluster *sample_cluster(void)
{
    struct cluster *cluster = cluster_start();
    struct arena *arena = arena_new();
    cluster_run(cluster, "CREATE ROLE campus_owner LOGIN; CREATE ROLE campus_sample LOGIN;"
                         "ALTER DATABASE postgres OWNER TO campus_owner");
    sample_migrate(cluster, (const char *const[]){ NULL });
    cluster_run(cluster, contract_text(arena, "tests/unit/sample/schema.sql"));
    arena_free(arena);
    return cluster;
}

struct database_options sample_database_options(const struct cluster *cluster)
{
    return (struct database_options){
        .conninfo = cluster_conninfo(cluster),
        .role = "campus_sample",
        .schema = "sample",
        .lanes = { [LANE_POINT] = { 1, 16 },
                   [LANE_HEAVY] = { 1, 1 },
                   [LANE_WRITE] = { 4, 1 },
                   [LANE_BRIEF] = { 1, 1 },
                   [LANE_IMPORT] = { 1, 1 },
                   [LANE_BACKGROUND] = { 1, 1 } },
        .statement_ms = 5000,
        .lock_ms = 1000,
        .queue_limit = 1000,
        .unavailable_ms = 5000,
    };
}
