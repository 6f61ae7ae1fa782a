/* test_plan.c -- a service's methods bound to their statements against a real PostgreSQL, and every refusal to start. */
#include "tests/unit/arena_fixture.h"
#include "tests/unit/sample_service.h"

#include "common/database_words.h"
#include "common/embed.h"
#include "common/fact_sources.h"
#include "common/plan.h"
#include "services/roles.h"

static struct cluster *cluster;
static struct arena *lasting; /* of the schema, for all tests */
static const struct schema *schema;
static struct database_options options;

static int start(void **state)
{
    (void)state;
    cluster = sample_cluster();
    lasting = arena_new();
    schema = sample_schema(lasting);
    options = sample_database_options(cluster);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_free(lasting);
    cluster_stop(cluster);
    return 0;
}

/* ---- starting, as a service does ---- */

enum stage { GATHERING, DESCRIBING, BINDING, DESCRIBING_AGAIN, STARTED };

static bool describe(struct plans *plans, size_t from)
{
    bool unreachable;
    return database_describe(arena, &options, plans->prepared + from, plans->prepared_count - from, &plans->error,
                             &unreachable);
}

/* The stage that refused, with plans->error, or STARTED. */
static enum stage start_plans(struct plans *plans, const struct service *service, const struct schema *contract,
                              struct slice queries)
{
    if (!plans_gather(plans, arena, service, contract, queries))
        return GATHERING;
    size_t gathered = plans->prepared_count;
    if (!describe(plans, 0))
        return DESCRIBING;
    if (!plans_bind(plans))
        return BINDING;
    return describe(plans, gathered) ? STARTED : DESCRIBING_AGAIN;
}

static const struct consumer own_facts[] = { { "sample", "apply_noticed", false }, { 0 } };

static void start_sample(struct plans *plans)
{
    const struct method *const tables[] = { sample_methods, NULL };
    const struct service service = { .name = "sample", .tables = tables, .consumers = own_facts };
    if (start_plans(plans, &service, schema, sample_queries(arena, NULL)) != STARTED)
        fail_msg("%s", plans->error);
}

/* ---- one thing wrong ---- */

/* The sample with one thing wrong. The row replaces the one of its name, or is a table of its own; `without` is a row left
 * out. */
struct fault {
    struct method row;
    struct sample_statement statement;
    struct consumer consumer;
    const char *without;
    enum stage stage;
    const char *error;
};

static const struct method *rows_of(const struct fault *fault, bool *replaced)
{
    struct method *rows = arena_zalloc(arena, sizeof sample_methods);
    size_t count = 0;
    *replaced = false;
    for (const struct method *method = sample_methods; method->name; method++) {
        if (fault->without && strcmp(fault->without, method->name) == 0)
            continue;
        bool same = fault->row.name && strcmp(fault->row.name, method->name) == 0;
        *replaced |= same;
        rows[count++] = same ? fault->row : *method;
    }
    return rows;
}

static void check_fault(const struct fault *fault)
{
    bool replaced;
    const struct method more[] = { fault->row, { 0 } };
    const struct method *rows = rows_of(fault, &replaced);
    const struct method *const tables[] = { rows, fault->row.name && !replaced ? more : NULL, NULL };
    const struct consumer consumers[] = { fault->consumer, { 0 } };
    const struct service service = { .name = "sample", .tables = tables, .consumers = consumers };
    struct plans plans;
    enum stage stage =
        start_plans(&plans, &service, schema, sample_queries(arena, fault->statement.name ? &fault->statement : NULL));
    if (stage == STARTED)
        fail_msg("nothing was refused; expected: %s", fault->error);
    assert_string_equal(plans.error, fault->error);
    assert_int_equal(stage, fault->stage);
}

static void check_faults(const struct fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_fault(&faults[i]);
}

#define CHECK_FAULTS(...)                                                                                              \
    do {                                                                                                               \
        const struct fault faults[] = { __VA_ARGS__ };                                                                 \
        check_faults(faults, sizeof faults / sizeof *faults);                                                          \
    } while (0)

static void test_rows_and_rpcs(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .row = { "Vanish", .query = "get_thing" },
          .stage = GATHERING,
          .error = "method Vanish stands in the table of sample but not in its proto" },
        { .row = { "Elsewhere", .query = "get_thing" }, /* another service's */
          .stage = GATHERING,
          .error = "method Elsewhere stands in the table of sample but not in its proto" },
        { .without = "ListParts", .stage = GATHERING, .error = "method ListParts has no row in the tables of sample" });
}

static void test_methods_without_statements(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .row = { "GetThing", .query = NULL }, .stage = GATHERING, .error = "method GetThing has no statement" },
        { .row = { "GetThing", .query = " , " }, .stage = GATHERING, .error = "method GetThing has no statement" },
        { .row = { "GetThing", .query = "get_thin" },
          .stage = GATHERING,
          .error = "method GetThing: there is no statement get_thin" },
        { .row = { "GetThing", .query = "get, get_thing" },
          .stage = GATHERING,
          .error = "method GetThing: there is no statement get" },
        { .row = { "ListThings", .query = "list_things_by_id", .count = "count" },
          .stage = GATHERING,
          .error = "method ListThings: there is no statement count" },
        { .row = { "ListThings", .query = "list_things_by_id", .search = "find" },
          .stage = GATHERING,
          .error = "method ListThings: there is no statement find" });
}

static void test_row_that_stands_twice(void **state)
{
    (void)state;
    const struct method twice[] = { { "GetThing", .query = "get_thing" }, { 0 } };
    const struct method *const tables[] = { sample_methods, twice, NULL };
    const struct service service = { .name = "sample", .tables = tables };
    struct plans plans;
    assert_int_equal(start_plans(&plans, &service, schema, sample_queries(arena, NULL)), GATHERING);
    assert_string_equal(plans.error, "method GetThing stands twice in the tables of sample");
}

static void test_statements_that_postgresql_rejects(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .statement = { "get_thing", "SELECT id FROM nowhere WHERE id = :id" },
          .stage = DESCRIBING,
          .error = "statement get_thing: relation \"nowhere\" does not exist at \"nowhere WHERE id = $1\" (42P01)" },
        { .statement = { "list_parts", "SELECT name FROM part WHERE AND thing_id = :id" },
          .stage = DESCRIBING,
          .error = "statement list_parts: syntax error at or near \"AND\" at \"AND thing_id = $1\" (42601)" });
}

/* What is wrong only once the framework has put its own around it. */
static void test_guard_that_postgresql_rejects(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .statement = { "target_thing", "SELECT version; SELECT 1 FROM thing WHERE id = :id::uuid" },
          .stage = DESCRIBING,
          .error = "statement target_thing: cannot insert multiple commands into a prepared statement (42601)" },
        { .statement = { "target_thing", "SELECT 1 AS permitted FROM thing WHERE id = :id::uuid" },
          .stage = DESCRIBING_AGAIN,
          .error = "statement guard_target_thing: argument of IS TRUE must be type boolean, not type integer at "
                   "\"permitted IS TRUE) AS permitted FROM ste\" (42804)" });
}

static void test_columns_and_fields(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .statement = { "get_thing", "SELECT id, 'red' AS colour FROM thing WHERE id = :id::uuid" },
          .stage = BINDING,
          .error = "statement get_thing: column colour fits no field of Thing" },
        { .statement = { "get_thing", "SELECT place_name AS \"place.colour\" FROM thing WHERE id = :id::uuid" },
          .stage = BINDING,
          .error = "statement get_thing: column place.colour fits no field of Thing" },
        { .statement = { "get_thing", "SELECT title AS \"title.name\" FROM thing WHERE id = :id::uuid" },
          .stage = BINDING,
          .error = "statement get_thing: column title.name fits no field of Thing" },
        { .statement = { "get_thing", "SELECT size::text FROM thing WHERE id = :id::uuid" },
          .stage = BINDING,
          .error = "statement get_thing: column size has a type (oid 25) that does not fit the field of Thing" },
        { .statement = { "get_thing", "SELECT size::numeric FROM thing WHERE id = :id::uuid" },
          .stage = BINDING,
          .error = "statement get_thing: column size has a type (oid 1700) that does not fit the field of Thing" },
        { .statement = { "list_parts", "SELECT name, 1 AS parts FROM part WHERE thing_id = :id::uuid" },
          .stage = BINDING, /* the columns are a row's, not the reply's */
          .error = "statement list_parts: column parts fits no field of Part" });
}

/* Each order and the search are checked, not only the first. */
static void test_columns_of_each_ending(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .statement = { "list_things_by_size",
                         "SELECT id, size AS length FROM thing WHERE size > :after_size::int LIMIT :page_limit" },
          .stage = BINDING,
          .error = "method ListThings: statement list_things_by_size has no column for :after_size" },
        { .statement = { "list_things_by_size", "SELECT id, size AS length FROM thing LIMIT :page_limit" },
          .stage = BINDING,
          .error = "statement list_things_by_size: column length fits no field of Thing" },
        { .statement = { "search_things", "SELECT id, size AS length FROM thing WHERE title = :q" },
          .stage = BINDING,
          .error = "statement search_things: column length fits no field of Thing" });
}

static void test_personal_fields_stay_out_of_stored_answers(void **state)
{
    (void)state;
    CHECK_FAULTS({ .statement = { "patch_thing", "WITH made AS (UPDATE thing SET title = :title WHERE id = :id::uuid"
                                                 " RETURNING *), reply AS (SELECT id, contact FROM made)" },
                   .stage = BINDING,
                   .error = "statement patch_thing: column contact is personal or secret and would stand in a stored "
                            "answer" });
}

static void test_parameters_and_sources(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .statement = { "get_thing", "SELECT id FROM thing WHERE title = :colour" },
          .stage = BINDING,
          .error = "method GetThing: parameter :colour of statement get_thing has no source" },
        { .statement = { "lock_things", "SELECT FROM place WHERE path = :colour::ltree FOR UPDATE" },
          .stage = BINDING,
          .error = "method CreateThing: parameter :colour of statement lock_things has no source" },
        { .statement = { "target_thing", "SELECT version FROM thing WHERE title = :colour" },
          .stage = BINDING, /* also where a guard is around it */
          .error = "method PatchThing: parameter :colour of statement target_thing has no source" },
        { .statement = { "count_things", "SELECT count(*) AS total_count FROM thing WHERE id > :after_id::uuid" },
          .stage = BINDING, /* what is counted has no page */
          .error = "method ListThings: parameter :after_id of statement count_things has no source" },
        { .row = { "CreateThing", .query = "target_place, create_thing", .adds = "labels, abel" },
          .stage = BINDING,
          .error = "method CreateThing: parameter :label of statement create_thing has no source" });
}

static void test_parameters_and_their_types(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .statement = { "get_thing", "SELECT id FROM thing WHERE size = :id" },
          .stage = BINDING,
          .error = "method GetThing: parameter :id of statement get_thing does not take its field's type (oid 23)" },
        { .statement = { "lock_things", "SELECT FROM thing WHERE label = :size FOR UPDATE" },
          .stage = BINDING,
          .error = "method CreateThing: parameter :size of statement lock_things does not take its field's type "
                   "(oid 25)" },
        { .statement = { "target_thing", "SELECT version FROM thing WHERE path = :set::ltree[] AND size = :title" },
          .stage = DESCRIBING,
          .error = "statement target_thing: operator does not exist: ltree = ltree[] at \"= $1::ltree[] AND size "
                   "= $2\" (42883)" },
        { .statement = { "target_thing", "SELECT version FROM thing WHERE id = :id::uuid AND size = :title" },
          .stage = BINDING, /* also where a guard is around it */
          .error = "method PatchThing: parameter :title of statement target_thing does not take its field's type "
                   "(oid 23)" });
}

static void test_writes_need_reply(void **state)
{
    (void)state;
    CHECK_FAULTS({ .statement = { "patch_thing", "UPDATE thing SET title = :title WHERE id = :id::uuid RETURNING id" },
                   .stage = GATHERING,
                   .error = "method PatchThing: statement patch_thing has no CTE reply" },
                 { .statement = { "patch_thing", "WITH replys AS (UPDATE thing SET title = :title WHERE id = :id::uuid"
                                                 " RETURNING id AS reply)" },
                   .stage = GATHERING,
                   .error = "method PatchThing: statement patch_thing has no CTE reply" });
}

/* Its column would be stored as part of the answer, and nobody would refuse. */
static void test_refusal_in_a_writes_reply(void **state)
{
    (void)state;
    CHECK_FAULTS({ .statement = { "patch_thing",
                                  "WITH made AS (UPDATE thing SET title = :title WHERE id = :id::uuid RETURNING *),"
                                  " reply AS (SELECT id, 'thing_locked' AS refusal FROM made)" },
                   .stage = BINDING,
                   .error = "method PatchThing: column refusal of statement patch_thing refuses nothing; a statement "
                            "before it must say so" });
}

/* What is looked up before .check, and what refuses although it is written. */
static void test_first(void **state)
{
    (void)state;
    CHECK_FAULTS(
        { .row = { "GetThing", .first = "find_thing", .query = "get_thing" },
          .stage = GATHERING,
          .error = "method GetThing: there is no statement find_thing" },
        { .row = { "GetThing", .first = "find_closed", .query = "get_thing" },
          .stage = BINDING,
          .error = "method GetThing: parameter :marked of statement find_closed has no source" },
        { .row = { "GetThing", .first = "find_closed", .query = "get_thing", .adds = "marked" },
          .stage = BINDING,
          .error = "method GetThing: statement find_closed is read before .check adds :marked; let .prepare do it" },
        { .statement = { "target_closed", "SELECT FROM thing WHERE size = :id" },
          .stage = BINDING,
          .error =
              "method OpenThing: parameter :id of statement target_closed does not take its field's type (oid 23)" },
        { .statement = { "find_closed", "SELECT title, tags FROM thing WHERE id = :id::uuid" },
          .stage = BINDING,
          .error = "statement find_closed: column tags has a type (oid 1009) that has no text; cast it" },
        { .statement = { "open_thing",
                         "WITH reply AS (SELECT id, locked AS refused_as FROM thing WHERE id = :id::uuid)" },
          .stage = BINDING,
          .error = "statement open_thing: column refused_as is no text, or retry_after_ms no int8" },
        { .statement = { "open_thing", "WITH reply AS (SELECT id, 'a' AS refused_as, 1 AS retry_after_ms FROM thing)" },
          .stage = BINDING,
          .error = "statement open_thing: column refused_as is no text, or retry_after_ms no int8" });
}

static void test_pages(void **state)
{
    (void)state;
    static const char paging[] = "SELECT name, size FROM part WHERE thing_id = :id::uuid AND name > :after_name";
    static const char part_of_one[] = "SELECT id FROM thing WHERE id > coalesce(:after_id::uuid, :id::uuid)";
    CHECK_FAULTS(
        { .statement = { "list_parts", paging },
          .stage = BINDING, /* the request has no page_token */
          .error = "method ListParts pages, but lacks page_size, page_token, next_page_token or rows" },
        { .statement = { "get_thing", part_of_one },
          .stage = BINDING,
          .error = "method GetThing pages, but lacks page_size, page_token, next_page_token or rows" },
        { .row = { "ListParts", .query = "list_parts", .count = "count_parts" },
          .statement = { "count_parts", "SELECT count(*) AS total_count FROM part" },
          .stage = BINDING,
          .error = "method ListParts counts, but lacks count or total_count" },
        { .statement = { "list_parts", "SELECT name FROM part WHERE thing_id = :id::uuid LIMIT :page_limit" },
          .stage = BINDING, /* it would be 0 */
          .error = "method ListParts: statement list_parts takes :page_limit, but pages by no :after_ column" },
        { .statement = { "list_things_by_size", "SELECT id FROM thing LIMIT :page_limit" },
          .stage = BINDING, /* of any order */
          .error = "method ListThings: statement list_things_by_size takes :page_limit, but pages by no :after_ "
                   "column" },
        { .statement = { "search_things", "SELECT id FROM thing LIMIT :page_limit" },
          .stage = BINDING,
          .error = "method ListThings: statement search_things takes :page_limit, but pages by no :after_ "
                   "column" },
        { .statement = { "count_things", "SELECT 'many' AS total_count" },
          .stage = BINDING,
          .error = "method ListThings: statement count_things does not give total_count" },
        { .statement = { "count_things", "SELECT count(*), 1 AS other FROM thing" },
          .stage = BINDING,
          .error = "method ListThings: statement count_things does not give total_count" });
}

static void test_orders(void **state)
{
    (void)state;
    CHECK_FAULTS({ .row = { "GetThing", .query = "get_thing_by_{sort}" },
                   .stage = GATHERING,
                   .error = "method GetThing: its request has no enum field sort" },
                 { .statement = { "list_things_by_size", NULL },
                   .stage = GATHERING,
                   .error = "method ListThings: there is no statement list_things_by_size" },
                 { .row = { "GetThing", .query = "get_thing", .search = "search_things" },
                   .stage = GATHERING,
                   .error = "method GetThing: its request has no field q" },
                 { .row = { "PatchThing", .query = "target_thing, patch_thing", .queue_by = "path" },
                   .stage = GATHERING,
                   .error = "method PatchThing: its request has no field path" });
}

static void test_consumers(void **state)
{
    (void)state;
    CHECK_FAULTS({ .statement = { "apply_noticed", "INSERT INTO noticed (pos) SELECT pos FROM batch" },
                   .consumer = { "sample", "apply_noticed", false },
                   .stage = GATHERING,
                   .error = "consumer of sample: statement apply_noticed does not begin with WITH" },
                 { .consumer = { "sample", "apply_all", false },
                   .stage = GATHERING,
                   .error = "consumer of sample: there is no statement apply_all" },
                 { .consumer = { "elsewhere", "apply_noticed", false },
                   .stage = DESCRIBING,
                   .error =
                       "statement apply_noticed: relation \"elsewhere.facts\" does not exist at \"elsewhere.facts f "
                       "WHERE f.pos > (SELECT\" (42P01)" });
}

static void test_queries_file(void **state)
{
    (void)state;
    CHECK_FAULTS({ .statement = { "get_thing", "SELECT 1\n-- name: list_parts\nSELECT 2" },
                   .stage = GATHERING,
                   .error = "there are two statements list_parts" });
}

/* ---- what is right is bound ---- */

static const struct plan *plan_of(const struct plans *plans, const char *name)
{
    const struct plan *plan = plans_find(plans, name);
    assert_non_null(plan);
    assert_string_equal(plan->rpc->name, name);
    return plan;
}

static const char *name_of(const struct plans *plans, size_t prepared)
{
    assert_true(prepared < plans->prepared_count);
    return plans->prepared[prepared].name;
}

/* "field:id builtin:scopes ..." in the order of $1, $2 ... */
static const char *sources_of(const struct plans *plans, const struct bound_step *step)
{
    static const char *const kinds[] = {
        [SOURCE_FIELD] = "field", [SOURCE_BUILTIN] = "builtin", [SOURCE_ADDED] = "added", [SOURCE_AFTER] = "after"
    };
    struct buffer list = buffer_in(arena);
    const struct statement *statement = plans->statements[step->prepared];
    assert_int_equal(step->source_count, statement->parameter_count);
    assert_int_equal(plans->prepared[step->prepared].parameter_count, (int)statement->parameter_count);
    for (size_t i = 0; i < step->source_count; i++) {
        const struct source *source = &step->sources[i];
        buffer_printf(&list, "%s%s:%s", i ? " " : "", kinds[source->kind], statement->parameters[i]);
        if (source->kind == SOURCE_FIELD)
            assert_string_equal(source->field->name, statement->parameters[i]);
        if (source->kind == SOURCE_ADDED)
            assert_string_equal(source->added, statement->parameters[i]);
        if (source->kind == SOURCE_AFTER)
            buffer_printf(&list, "=%zu", source->after);
        assert_true((source->builtin != NULL) == (source->kind == SOURCE_BUILTIN));
    }
    return buffer_cstring(&list);
}

static void test_own_statements_stand_first(void **state)
{
    (void)state;
    static const char *const names[] = { "campus_claim",      "campus_expire",       "campus_seal",
                                         "campus_find",       "campus_seek",         "campus_sweep",
                                         "campus_relay_lock", "campus_relay_number", "lock_apply_noticed",
                                         "apply_noticed" };
    struct plans plans;
    start_sample(&plans);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(name_of(&plans, i), names[i]);
    assert_string_equal(name_of(&plans, PREPARED_RELAY_NUMBER), "campus_relay_number");
    assert_string_equal(name_of(&plans, PREPARED_OWN), "lock_apply_noticed");
    for (size_t i = 0; i < plans.prepared_count; i++) {
        assert_string_equal(plans.statements[i]->name, plans.prepared[i].name);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(plans.prepared[i].name, plans.prepared[j].name);
    }
    assert_int_equal(plans.count, 6);
    assert_null(plans_find(&plans, "Elsewhere"));
}

static void test_read_is_bound(void **state)
{
    (void)state;
    struct plans plans;
    start_sample(&plans);
    const struct plan *plan = plan_of(&plans, "GetThing");
    assert_int_equal(plan->lane, LANE_POINT);
    assert_int_equal(plan->step_count, 0);
    assert_int_equal(plan->ending_count, 1);
    assert_null(plan->sort);
    assert_null(plan->search);
    assert_null(plan->count);
    assert_int_equal(plan->echo_count, 0);
    const struct ending *ending = plan->endings;
    assert_string_equal(name_of(&plans, ending->step.prepared), "get_thing");
    assert_string_equal(sources_of(&plans, &ending->step), "field:id builtin:scopes");
    assert_int_equal(ending->after_count, 0);
    assert_int_equal(ending->sink_count, 11);
    assert_string_equal(ending->sinks[0].field->name, "id");
    assert_string_equal(ending->sinks[0].type->sql, "uuid");
    assert_null(ending->sinks[0].outer);
    assert_string_equal(ending->sinks[8].field->name, "floor");
    assert_string_equal(ending->sinks[8].outer->name, "place");
    assert_int_equal(ending->sinks[8].column, 8);
}

static void test_first_is_bound(void **state)
{
    (void)state;
    struct plans plans;
    start_sample(&plans);
    const struct plan *plan = plan_of(&plans, "OpenThing");
    assert_int_equal(plan->first_count, 2);
    assert_int_equal(plan->first_lane, LANE_POINT);
    assert_string_equal(name_of(&plans, plan->first[0].prepared), "target_closed"); /* no guard: it is read */
    assert_true(plan->first[0].target);
    assert_string_equal(sources_of(&plans, &plan->first[1]), "added:marked field:id");
    assert_int_equal(plan->found_count, 6);
    assert_string_equal(plan->found[2], "opens");
    assert_int_equal(plan->endings->step.control.refused, 2);
    assert_int_equal(plan->endings->step.control.retry_after_ms, 3);
    assert_int_equal(plan->endings->sink_count, 2);
    assert_int_equal(plan_of(&plans, "GetThing")->first_count, 0);
}

static void test_hidden_columns_fill_nothing(void **state)
{
    (void)state;
    static const char text[] = "SELECT id, 'a'::bytea AS sealed FROM thing WHERE id = :id::uuid";
    const struct fault hiding = { .row = { "GetThing", .query = "get_thing", .hides = "other, sealed" } };
    const struct sample_statement statement = { "get_thing", text };
    bool replaced;
    const struct method *const tables[] = { rows_of(&hiding, &replaced), NULL };
    const struct service service = { .name = "sample", .tables = tables };
    struct plans plans;
    if (start_plans(&plans, &service, schema, sample_queries(arena, &statement)) != STARTED)
        fail_msg("%s", plans.error);
    assert_int_equal(plan_of(&plans, "GetThing")->endings->sink_count, 1);
    CHECK_FAULTS({ .statement = { "get_thing", text },
                   .stage = BINDING,
                   .error = "statement get_thing: column sealed fits no field of Thing" });
}

static void test_list_is_bound(void **state)
{
    (void)state;
    struct plans plans;
    start_sample(&plans);
    const struct plan *plan = plan_of(&plans, "ListThings");
    assert_int_equal(plan->lane, LANE_HEAVY);
    assert_int_equal(plan->ending_count, 2); /* in the order of the enum */
    assert_string_equal(name_of(&plans, plan->endings[0].step.prepared), "list_things_by_id");
    assert_string_equal(name_of(&plans, plan->endings[1].step.prepared), "list_things_by_size");
    assert_string_equal(sources_of(&plans, &plan->endings[1].step),
                        "builtin:scopes field:kind after:after_size=0 after:after_id=1 builtin:page_limit");
    assert_int_equal(plan->endings[1].after_count, 2);
    assert_int_equal(plan->endings[1].after_columns[0], 5);
    assert_int_equal(plan->endings[1].after_columns[1], 0);
    assert_string_equal(name_of(&plans, plan->search->step.prepared), "search_things");
    assert_int_equal(plan->search->after_columns[0], 1);
    assert_string_equal(name_of(&plans, plan->count->prepared), "count_things");
    assert_string_equal(sources_of(&plans, plan->count), "builtin:scopes field:kind field:q");
    assert_string_equal(plan->sort->name, "sort");
    assert_string_equal(plan->page_token->name, "page_token");
    assert_string_equal(plan->next_page_token->name, "next_page_token");
    assert_string_equal(plan->total_count->name, "total_count");
}

static void test_write_is_bound(void **state)
{
    (void)state;
    struct plans plans;
    start_sample(&plans);
    const struct plan *plan = plan_of(&plans, "CreateThing");
    assert_int_equal(plan->lane, LANE_WRITE);
    assert_int_equal(plan->step_count, 2);
    assert_string_equal(name_of(&plans, plan->steps[0].prepared), "guard_target_place");
    assert_string_equal(sources_of(&plans, &plan->steps[0]), "field:path builtin:scopes field:title");
    assert_true(plan->steps[0].target);
    assert_string_equal(name_of(&plans, plan->steps[1].prepared), "lock_things"); /* says nothing: no guard */
    assert_false(plan->steps[1].target);
    assert_string_equal(
        sources_of(&plans, &plan->endings->step),
        "builtin:new_id field:path field:title field:kind field:contact field:size field:tags added:label "
        "builtin:answer_principal builtin:answer_key builtin:method builtin:request_id");
    assert_null(plan->queue_by);
    assert_string_equal(plan_of(&plans, "PatchThing")->queue_by->name, "id");
}

static void test_guard_asks_what_the_target_tells(void **state)
{
    (void)state;
    struct plans plans;
    start_sample(&plans);
    const struct plan *create = plan_of(&plans, "CreateThing"), *patch = plan_of(&plans, "PatchThing");
    const char *place = plans.prepared[create->steps[0].prepared].text;
    const char *thing = plans.prepared[patch->steps[0].prepared].text;
    assert_non_null(strstr(place, "'permission_denied'"));
    assert_null(strstr(place, "visible"));
    assert_null(strstr(place, "'stale_version'"));
    assert_non_null(strstr(thing, "NOT visible THEN 'not_found'"));
    assert_non_null(strstr(thing, "'stale_version'"));
    assert_non_null(strstr(thing, "FOR UPDATE"));
    assert_string_equal(sources_of(&plans, &patch->steps[0]), "builtin:scopes field:id builtin:if_version");
}

/* The columns of a reply, as a list. */
static const char *columns_of(const struct prepared *prepared)
{
    struct buffer list = buffer_in(arena);
    for (int i = 0; i < prepared->column_count; i++)
        buffer_printf(&list, "%s:%u ", prepared->column_names[i], prepared->column_types[i]);
    return buffer_cstring(&list);
}

/* Only what gives a row or none by one statement, on the connections for it. */
static void test_asked_together(void **state)
{
    (void)state;
    struct plans plans;
    start_sample(&plans);
    const struct bound_step *step = &plan_of(&plans, "GetThing")->endings->step;
    assert_string_equal(name_of(&plans, step->together), "together_get_thing");
    assert_string_equal(columns_of(&plans.prepared[step->together]),
                        arena_printf(arena, "%spos:20 ", columns_of(&plans.prepared[step->prepared])));
    assert_int_equal(plan_of(&plans, "ListThings")->endings->step.together, 0);
    assert_int_equal(plan_of(&plans, "PatchThing")->endings->step.together, 0);
}

/* The lanes whose connections prepare it. */
static const char *lanes_of(const struct plans *plans, const char *statement)
{
    struct buffer list = buffer_in(arena);
    size_t at = plans_find_prepared(plans, statement);
    assert_true(at < plans->prepared_count);
    for (enum lane lane = 0; lane < LANE_COUNT; lane++)
        if (prepared_is_asked(&plans->prepared[at], lane))
            buffer_printf(&list, "%s ", database_lane_names[lane]);
    return buffer_cstring(&list);
}

static void test_lanes_prepare_what_they_ask_for(void **state)
{
    (void)state;
    static const struct {
        const char *statement, *lanes;
    } cases[] = {
        { "get_thing", "point " },
        { "together_get_thing", "point " },
        { "list_things_by_size", "heavy " },
        { "search_things", "heavy " },
        { "count_things", "heavy " },
        { "find_closed", "point " }, /* before .check */
        { "open_thing", "write " },
        { "replay_OpenThing", "point write " }, /* asked for behind the first, and after a claim that was refused */
        { "campus_seek", "point " },
        { "campus_claim", "write " },
        { "target_thing", "" }, /* its guard is asked for in its place */
        { "guard_target_thing", "write " },
        { "apply_noticed", "background " },
        { "campus_sweep", "background " },
    };
    struct plans plans;
    start_sample(&plans);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(lanes_of(&plans, cases[i].statement), cases[i].lanes);
}

static void test_replay_gives_the_same_columns(void **state)
{
    (void)state;
    struct plans plans;
    start_sample(&plans);
    const struct plan *plan = plan_of(&plans, "PatchThing");
    assert_string_equal(name_of(&plans, plan->replay), "replay_PatchThing");
    assert_string_equal(columns_of(&plans.prepared[plan->replay]),
                        "id:2950 kind:25 size:23 tags:1009 version:20 made_at:1184 ");
    assert_string_equal(columns_of(&plans.prepared[plan->replay]),
                        columns_of(&plans.prepared[plan->endings->step.prepared]));
}

/* Those of the reply's fields that no column fills and the request has, with the same type: the enums named State are two. */
static void test_echoes(void **state)
{
    (void)state;
    static const char *const echoes[] = { "path", "title", "contact", "size", "tags" };
    struct plans plans;
    start_sample(&plans);
    const struct plan *plan = plan_of(&plans, "CreateThing");
    assert_int_equal(plan->echo_count, sizeof echoes / sizeof *echoes);
    for (size_t i = 0; i < plan->echo_count; i++) {
        assert_string_equal(plan->echoes[i].asked->name, echoes[i]);
        assert_string_equal(plan->echoes[i].told->name, echoes[i]);
        assert_ptr_equal(plan->echoes[i].asked, message_find(plan->rpc->request, slice_text(echoes[i])));
        assert_ptr_equal(plan->echoes[i].told, message_find(plan->rpc->reply, slice_text(echoes[i])));
    }
    assert_int_equal(plan_of(&plans, "PatchThing")->echo_count, 2); /* title, contact; the id is a column */
}

/* ---- what the program itself serves ---- */

static void check_service(const struct service *service, const struct schema *contract)
{
    const char *role = arena_printf(arena, "campus_%s", service->name);
    struct plans plans;
    struct service present = *service;
    const char *error;
    bool unreachable;
    cluster_run(cluster, arena_printf(arena, "CREATE ROLE %s LOGIN", role));
    sample_migrate(cluster, (const char *const[]){ service->name, NULL });
    options.role = role;
    options.schema = service->name;
    present.consumers = fact_sources_present(arena, options.conninfo, role, service->consumers, &error, &unreachable);
    assert_non_null(present.consumers);
    if (start_plans(&plans, &present, contract, embed_statements(arena, service->name)) != STARTED)
        fail_msg("%s: %s", service->name, plans.error);
    options = sample_database_options(cluster);
}

static void test_services_of_the_program(void **state)
{
    (void)state;
    const char *error = NULL;
    const struct schema *contract = schema_load(arena, embed_get("schema.binpb"), &error);
    if (!contract)
        fail_msg("%s", error);
    for (const struct role *role = roles; role->name; role++)
        if (role->service)
            check_service(role->service, contract);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows_and_rpcs),
        TEST(test_methods_without_statements),
        TEST(test_row_that_stands_twice),
        TEST(test_statements_that_postgresql_rejects),
        TEST(test_guard_that_postgresql_rejects),
        TEST(test_columns_and_fields),
        TEST(test_columns_of_each_ending),
        TEST(test_personal_fields_stay_out_of_stored_answers),
        TEST(test_parameters_and_sources),
        TEST(test_parameters_and_their_types),
        TEST(test_writes_need_reply),
        TEST(test_refusal_in_a_writes_reply),
        TEST(test_first),
        TEST(test_pages),
        TEST(test_orders),
        TEST(test_consumers),
        TEST(test_queries_file),
        TEST(test_own_statements_stand_first),
        TEST(test_read_is_bound),
        TEST(test_first_is_bound),
        TEST(test_hidden_columns_fill_nothing),
        TEST(test_list_is_bound),
        TEST(test_write_is_bound),
        TEST(test_guard_asks_what_the_target_tells),
        TEST(test_asked_together),
        TEST(test_lanes_prepare_what_they_ask_for),
        TEST(test_replay_gives_the_same_columns),
        TEST(test_echoes),
        TEST(test_services_of_the_program),
    };
    return cmocka_run_group_tests_name("plan", tests, start, stop);
}
