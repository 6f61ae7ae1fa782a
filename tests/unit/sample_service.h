/* sample_service.h -- a small service: its contract, its statements, its table of methods, its schema. For tests of what
 * binds and runs services. */
#ifndef CAMPUS_TESTS_SAMPLE_SERVICE_H
#define CAMPUS_TESTS_SAMPLE_SERVICE_H

#include "tests/unit/cluster.h"
#include "tests/unit/contract_fixture.h"

#include "common/call.h"
#include "common/database.h"
#include "common/method.h"
#include "common/migrate.h"

static const char sample_proto[] =
    "syntax = 'proto2';\n"
    "package campus.sample;\n"
    "import 'options.proto';\n"
    "service Sample {\n"
    "  rpc GetThing(GetThingRequest) returns (Thing) {\n"
    "    option (campus.method) = { get: '/v1/things/{id}' permission: 'sample.things.read' }; }\n"
    "  rpc ListThings(ListThingsRequest) returns (ListThingsReply) {\n"
    "    option (campus.method) = { get: '/v1/things' permission: 'sample.things.read' }; }\n"
    "  rpc ListParts(ListPartsRequest) returns (ListPartsReply) {\n"
    "    option (campus.method) = { get: '/v1/things/{id}/parts' permission: 'sample.things.read' }; }\n"
    "  rpc CreateThing(CreateThingRequest) returns (Thing) {\n"
    "    option (campus.method) = { kind: WRITE post: '/v1/things' permission: 'sample.things.write' created: true\n"
    "      refusal: { code: 'title_taken' status: CONFLICT en: 'Taken.' zh: '-' }\n"
    "      refusal: { code: 'nameless' status: INVALID en: 'No title.' zh: '-' } }; }\n"
    "  rpc PatchThing(PatchThingRequest) returns (Thing) {\n"
    "    option (campus.method) = { kind: WRITE patch: '/v1/things/{id}' permission: 'sample.things.write'\n"
    "      if_match: true refusal: { code: 'thing_locked' status: GONE en: 'Locked.' zh: '-' } }; }\n"
    "}\n"
    "message Place { optional string name = 1; optional int32 floor = 2; }\n"
    "message Thing {\n"
    "  enum Kind { BOOK = 1; TOOL = 2; }\n"
    "  enum State { FRESH = 1; WORN = 2; }\n"
    "  optional string id = 1 [(campus.field) = { format: UUID }];\n"
    "  optional string path = 2 [(campus.field) = { format: PATH }];\n"
    "  optional string title = 3;\n"
    "  optional Kind kind = 4;\n"
    "  optional string contact = 5 [(campus.field) = { personal: 'to reach the owner' }];\n"
    "  optional int32 size = 6;\n"
    "  repeated string tags = 7;\n"
    "  optional Place place = 8;\n"
    "  optional int64 version = 9 [(campus.field) = { etag: true }];\n"
    "  optional int64 made_at = 10 [(campus.field) = { format: INSTANT }];\n"
    "  optional string note = 11;\n"
    "  optional State state = 12;\n"
    "}\n"
    "message GetThingRequest { optional string id = 1 [(campus.field) = { format: UUID }]; }\n"
    "message ListThingsRequest {\n"
    "  enum Sort { ID = 1; SIZE = 2; }\n"
    "  enum Count { NONE = 1; EXACT = 2; }\n"
    "  optional string q = 1;\n"
    "  optional Thing.Kind kind = 2;\n"
    "  optional Sort sort = 3;\n"
    "  optional int32 page_size = 4;\n"
    "  optional string page_token = 5;\n"
    "  optional Count count = 6;\n"
    "}\n"
    "message ListThingsReply {\n"
    "  repeated Thing things = 1 [(campus.field) = { rows: true }];\n"
    "  optional string next_page_token = 2;\n"
    "  optional int64 total_count = 3;\n"
    "}\n"
    "message ListPartsRequest { optional string id = 1; }\n"
    "message Part { optional string name = 1; optional int32 size = 2; }\n"
    "message ListPartsReply { repeated Part parts = 1 [(campus.field) = { rows: true }]; }\n"
    "message CreateThingRequest {\n"
    "  enum State { WORN = 1; FRESH = 2; }\n" /* not Thing.State: the same names under other numbers */
    "  optional string path = 1 [(campus.field) = { format: PATH }];\n"
    "  optional string title = 2;\n"
    "  optional Thing.Kind kind = 3;\n"
    "  optional string contact = 4 [(campus.field) = { personal: 'to reach the owner' }];\n"
    "  optional int32 size = 5;\n"
    "  repeated string tags = 6;\n"
    "  optional State state = 7;\n"
    "}\n"
    "message PatchThingRequest {\n"
    "  optional string id = 1 [(campus.field) = { format: UUID }];\n"
    "  optional string title = 2;\n"
    "  optional string contact = 3 [(campus.field) = { personal: 'to reach the owner' }];\n"
    "}\n";

static const char sample_other_proto[] =
    "syntax = 'proto2';\n"
    "package campus.other;\n"
    "import 'options.proto';\n"
    "message Nothing {}\n"
    "service Other { rpc Elsewhere(Nothing) returns (Nothing) { option (campus.method).access = INTERNAL; } }\n";

static const struct contract_file sample_files[] = { { "sample.proto", sample_proto },
                                                     { "other.proto", sample_other_proto },
                                                     { NULL, NULL } };

/* A statement of the service; a test may put another text in its place. */
struct sample_statement {
    const char *name, *text;
};

#define SAMPLE_COLUMNS                                                                                                 \
    "SELECT id, path::text, title, kind, contact, size, tags, place_name AS \"place.name\","                           \
    " place_floor AS \"place.floor\", version, made_at FROM thing "
#define SAMPLE_SEEN                                                                                                    \
    "WHERE path <@ ANY (:scopes::ltree[]) AND (:kind::text IS NULL OR kind = :kind)"                                   \
    " AND (:q::text IS NULL OR title LIKE '%' || :q || '%') "
#define SAMPLE_ZERO "'00000000-0000-0000-0000-000000000000'"

static const struct sample_statement sample_statements[] = {
    { "get_thing", SAMPLE_COLUMNS "WHERE id = :id::uuid AND path <@ ANY (:scopes::ltree[])" },
    { "list_things_by_id",
      SAMPLE_COLUMNS SAMPLE_SEEN "AND id > coalesce(:after_id::uuid, " SAMPLE_ZERO ") ORDER BY id LIMIT :page_limit" },
    { "list_things_by_size", SAMPLE_COLUMNS SAMPLE_SEEN
      "AND (size, id) > (coalesce(:after_size::int, -1), coalesce(:after_id::uuid, " SAMPLE_ZERO "))"
      " ORDER BY size, id LIMIT :page_limit" },
    { "search_things",
      SAMPLE_COLUMNS SAMPLE_SEEN "AND title > coalesce(:after_title::text, '') ORDER BY title LIMIT :page_limit" },
    { "count_things", "SELECT count(*) AS total_count FROM thing " SAMPLE_SEEN },
    { "list_parts", "SELECT name, size FROM part WHERE thing_id = :id::uuid ORDER BY name" },
    { "target_place", "SELECT :path::ltree <@ ANY (:scopes::ltree[]) AS permitted,"
                      " CASE WHEN :title::text IS NULL THEN 'nameless' END AS refusal" },
    { "lock_things", "SELECT FROM place WHERE path = :path::ltree FOR UPDATE" },
    { "create_thing",
      "WITH made AS (\n"
      "  INSERT INTO thing (id, path, title, kind, contact, size, tags, label)\n"
      "  SELECT :new_id::uuid, :path::ltree, :title, coalesce(:kind::text, 'book'), :contact, :size::int,\n"
      "         coalesce(:tags::text[], '{}'), :label\n"
      "   WHERE :title <> 'nothing'\n"
      "  RETURNING *),\n"
      "reply AS (SELECT id, kind, version, made_at FROM made),\n"
      "facts AS (SELECT 'thing.created' AS type, id::text AS subject, jsonb_build_object('kind', kind) AS data"
      " FROM made)\n-- what comes behind is the framework's;" },
    { "target_thing", "SELECT path <@ ANY (:scopes::ltree[]) AS visible, kind <> 'tool' AS permitted, version,\n"
                      "       CASE WHEN locked THEN 'thing_locked' END AS refusal\n"
                      "  FROM thing WHERE id = :id::uuid FOR UPDATE" },
    { "patch_thing", "WITH made AS (\n"
                     "  UPDATE thing SET title = CASE WHEN 'title' = ANY (:set::text[]) THEN :title ELSE title END,\n"
                     "                   version = version + 1\n"
                     "   WHERE id = :id::uuid RETURNING *),\n"
                     "reply AS (SELECT id, kind, size, tags, version, made_at FROM made)" },
    { "apply_noticed", "WITH applied AS (INSERT INTO noticed (pos, subject) SELECT pos, subject FROM batch)" },
    { NULL, NULL },
};

/* The file of these statements: `other` in place of the one of its name, or behind them; one that `other` gives no text is
 * left out. NULL: none. */
static inline struct slice sample_queries(struct arena *arena, const struct sample_statement *other)
{
    struct buffer file = buffer_in(arena);
    bool known = !other;
    buffer_text(&file, "-- a file's first lines belong to no statement: :nothing\n");
    for (const struct sample_statement *s = sample_statements; s->name; s++) {
        bool replaced = other && strcmp(other->name, s->name) == 0;
        const char *text = replaced ? other->text : s->text;
        known |= replaced;
        if (text)
            buffer_printf(&file, "\n-- name: %s\n%s\n", s->name, text);
    }
    if (!known)
        buffer_printf(&file, "\n-- name: %s\n%s\n", other->name, other->text);
    return buffer_slice(&file);
}

static inline void sample_add_label(struct call *call)
{
    if (call_has(call, "title"))
        call_add(call, "label", arena_printf(call_arena(call), "#%s", call_text(call, "title")));
}

static inline void sample_add_note(struct call *call)
{
    call_reply_text(call, "note", "shaped");
}

static const struct method sample_methods[] = {
    { "GetThing", .query = "get_thing" },
    { "ListThings", .query = "list_things_by_{sort}", .search = "search_things", .count = "count_things",
      .lane = LANE_HEAVY },
    { "ListParts", .query = "list_parts" },
    { "CreateThing", .check = sample_add_label, .query = "target_place, lock_things, create_thing", .adds = "label",
      .finish = sample_add_note },
    { "PatchThing", .query = "target_thing, patch_thing", .queue_by = "id" },
    { 0 },
};

static const char sample_roles_sql[] = "CREATE ROLE campus_owner LOGIN; CREATE ROLE campus_sample LOGIN;"
                                       "ALTER DATABASE postgres OWNER TO campus_owner;";

static const char sample_schema_sql[] =
    "SET ROLE campus_owner; CREATE SCHEMA sample; SET search_path = sample, campus, public;"
    "CALL campus.equip('sample');"
    "CREATE TABLE place (path ltree PRIMARY KEY);"
    "CREATE TABLE thing (id uuid PRIMARY KEY, path ltree NOT NULL, title text NOT NULL CONSTRAINT title_taken UNIQUE,"
    " kind text NOT NULL DEFAULT 'book', contact text, size int CONSTRAINT size_small CHECK (size < 1000000),"
    " tags text[] NOT NULL DEFAULT '{}', label text,"
    " place_name text, place_floor int, locked bool NOT NULL DEFAULT false, version bigint NOT NULL DEFAULT 1,"
    " made_at timestamptz NOT NULL DEFAULT '2026-09-01T08:00:00Z');"
    "CREATE TABLE part (thing_id uuid, name text, size int);"
    "CREATE TABLE noticed (pos bigint, subject text);"
    "INSERT INTO place VALUES ('su'), ('su.learning');"
    "GRANT ALL ON place, thing, part, noticed TO campus_sample;"
    "INSERT INTO fact_cursor VALUES ('sample', 0);";

/* The project's own migrations: the common ones, and those of services. */
static inline void sample_migrate(const struct cluster *cluster, const char *const *services)
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

/* A PostgreSQL with the common schema and the service's. */
static inline struct cluster *sample_cluster(void)
{
    struct cluster *cluster = cluster_start();
    cluster_run(cluster, sample_roles_sql);
    sample_migrate(cluster, (const char *const[]){ NULL });
    cluster_run(cluster, sample_schema_sql);
    return cluster;
}

static inline struct database_options sample_database_options(const struct cluster *cluster)
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

#endif
