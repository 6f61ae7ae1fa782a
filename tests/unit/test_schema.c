/* test_schema.c -- the contract as the program sees it, and every contract that it refuses. */
#include "tests/unit/arena_fixture.h"
#include "tests/unit/contract_fixture.h"

#include "common/embed.h"

/* ---- the contract in the program ---- */

static const struct schema *real_contract(void)
{
    const char *error = NULL;
    const struct schema *schema = schema_load(arena, embed_get("schema.binpb"), &error);
    if (!schema)
        fail_msg("%s", error);
    return schema;
}

static const struct rpc *get_rpc(const struct schema *schema, const char *name)
{
    const struct rpc *rpc = schema_rpc(schema, name);
    assert_non_null(rpc);
    assert_string_equal(rpc->name, name);
    return rpc;
}

static const struct field *get_field(const struct message *message, const char *name)
{
    const struct field *field = message_find(message, slice_text(name));
    assert_non_null(field);
    return field;
}

static void test_methods(void **state)
{
    (void)state;
    const struct schema *schema = real_contract();
    const struct rpc *read = get_rpc(schema, "GetPerson"), *create = get_rpc(schema, "CreatePerson");
    assert_string_equal(read->service, "membership");
    assert_int_equal(read->kind, RPC_READ);
    assert_int_equal(read->access, ACCESS_OWNER);
    assert_int_equal(read->verb, HTTP_GET);
    assert_string_equal(read->path, "/v1/people/{id}");
    assert_string_equal(read->permission, "membership.people.read");
    assert_string_equal(read->request->full_name, "campus.membership.GetPersonRequest");
    assert_string_equal(read->etag->name, "version");
    assert_null(read->rows);
    assert_null(read->body);
    assert_null(*read->body_types);
    assert_int_equal(read->max_body_bytes, 65536);
    assert_int_equal(strncmp(read->comment, "One person. Seen by those", 25), 0);
    assert_int_equal(create->kind, RPC_WRITE);
    assert_int_equal(create->access, ACCESS_GRANTED);
    assert_int_equal(create->verb, HTTP_POST);
    assert_true(create->created);
    assert_string_equal(create->location, "/v1/people/{id}");
    assert_null(schema_rpc(schema, "GetPersons"));
}

static void test_methods_of_other_shapes(void **state)
{
    (void)state;
    const struct schema *schema = real_contract();
    const struct rpc *import = get_rpc(schema, "ImportPeople"), *patch = get_rpc(schema, "PatchPerson");
    const struct rpc *internal = get_rpc(schema, "ResolveKey");
    assert_string_equal(import->body->name, "file");
    assert_string_equal(import->body_types[0], "text/csv");
    assert_null(import->body_types[1]);
    assert_int_equal(import->max_body_bytes, 8388608);
    assert_int_equal(import->timeout_ms, 60000);
    assert_int_equal(patch->verb, HTTP_PATCH);
    assert_true(patch->if_match);
    assert_int_equal(internal->access, ACCESS_INTERNAL);
    assert_int_equal(internal->verb, HTTP_NONE);
    assert_null(internal->path);
    assert_string_equal(get_rpc(schema, "ListPeople")->rows->name, "people");
}

static void test_refusals(void **state)
{
    (void)state;
    const struct rpc *rpc = get_rpc(real_contract(), "ImportPeople");
    const struct refusal *refusal = rpc_refusal(rpc, "bad_csv");
    assert_non_null(refusal);
    assert_int_equal(refusal->status, STATUS_INVALID);
    assert_string_equal(refusal->field, "file");
    assert_memory_equal(refusal->en, "The file is not CSV", 19);
    assert_null(refusal->next_step);
    assert_string_equal(rpc_refusal(rpc, "too_many_rows")->next_step, "Send it in parts.");
    assert_null(rpc_refusal(rpc, "bad_cs"));
}

static void test_messages(void **state)
{
    (void)state;
    const struct schema *schema = real_contract();
    const struct message *person = schema_message(schema, "campus.membership.Person");
    assert_non_null(person);
    assert_string_equal(person->name, "Person");
    for (size_t i = 0; i < person->count; i++) {
        assert_int_equal(person->fields[i].index, i);
        assert_ptr_equal(message_field(person, person->fields[i].number), &person->fields[i]);
    }
    assert_null(message_field(person, 0));
    assert_null(message_field(person, person->largest + 1));
    assert_null(message_find(person, slice_text("nam")));
    assert_null(schema_message(schema, "campus.Method")); /* options are no part of it */
    assert_null(schema_message(schema, "campus.bus.Envelope"));
}

static void test_fields(void **state)
{
    (void)state;
    const struct schema *schema = real_contract();
    const struct message *person = schema_message(schema, "campus.membership.Person");
    const struct field *status = get_field(person, "status"), *name = get_field(person, "name");
    assert_int_equal(name->type, FIELD_STRING);
    assert_string_equal(name->personal, "to address the person");
    assert_null(status->personal);
    assert_int_equal(get_field(person, "id")->rules.format, FORMAT_UUID);
    assert_int_equal(get_field(person, "created_at")->rules.format, FORMAT_INSTANT);
    assert_true(get_field(person, "version")->etag);
    assert_int_equal(status->type, FIELD_ENUM);
    assert_string_equal(enum_by_number(status->enumeration, 2)->name, "on_leave");
    assert_int_equal(enum_by_name(status->enumeration, slice_text("graduated"))->number, 3);
    assert_null(enum_by_name(status->enumeration, slice_text("GRADUATED")));
    assert_null(enum_by_number(status->enumeration, 99));
    const struct field *asked = get_field(get_rpc(schema, "CreatePerson")->request, "name");
    assert_true(asked->rules.required);
    assert_int_equal(asked->rules.min_length, 1);
    assert_int_equal(asked->rules.max_length, 100);
    assert_int_equal(get_field(get_rpc(schema, "CreatePerson")->request, "class_name")->rules.max_items, 100);
    assert_non_null(get_field(get_rpc(schema, "CreatePerson")->request, "phone")->rules.compiled);
}

/* ---- contracts of one's own ---- */

/* public: protoc warns of another import that is not used. */
#define HEAD "syntax = 'proto2'; package campus.wrong; import public 'options.proto';\n"

static const char *error_of(const char *text)
{
    const struct contract_file files[] = { { "wrong.proto", text }, { NULL, NULL } };
    const char *error = NULL;
    const struct schema *schema = schema_load(arena, contract_descriptors(arena, files), &error);
    if (schema)
        fail_msg("it was not refused: %s", text);
    return error;
}

struct wrong {
    const char *text, *error;
};

static void check_wrong(const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(error_of(wrong[i].text), wrong[i].error);
}

#define CHECK_WRONG(wrong) check_wrong(wrong, sizeof(wrong) / sizeof *(wrong))

static void test_broken_descriptor_set(void **state)
{
    (void)state;
    const char *error = NULL;
    assert_null(schema_load(arena, slice_text("\x0a\x7f no"), &error));
    assert_string_equal(error, "the descriptor set is broken");
}

static void test_wrong_files(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        { "syntax = 'proto3'; package campus.wrong; message M {}", "file wrong.proto is not proto2" },
        { "syntax = 'proto2'; message M {}", "file wrong.proto has no package" },
    };
    CHECK_WRONG(wrong);
}

static void test_wrong_fields(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        { HEAD "message M { optional float ratio = 1; }",
          "field M.ratio has a type or number that the mapping does not know" },
        { HEAD "message M { optional sint64 n = 1; }",
          "field M.n has a type or number that the mapping does not know" },
        { HEAD "message M { optional fixed32 n = 1; }",
          "field M.n has a type or number that the mapping does not know" },
        { HEAD "message M { optional int32 n = 1001; }",
          "field M.n has a type or number that the mapping does not know" },
        { HEAD "enum Top { A = 1; } message M { optional Top top = 1; }",
          "field top has the unknown type campus.wrong.Top" },
        { HEAD "import 'google/protobuf/empty.proto'; message M { optional google.protobuf.Empty e = 1; }",
          "field e has the unknown type google.protobuf.Empty" },
        { HEAD "message M { optional string s = 1 [(campus.field).pattern = '[']; }",
          "pattern of s does not compile at 1" },
    };
    CHECK_WRONG(wrong);
}

static void test_too_many_fields(void **state)
{
    (void)state;
    struct buffer text = buffer_in(arena);
    buffer_text(&text, HEAD "message M { ");
    for (unsigned i = 1; i <= 63; i++)
        buffer_printf(&text, "optional int32 n%u = %u; ", i, i);
    const struct contract_file most[] = { { "right.proto", arena_printf(arena, "%s}", buffer_cstring(&text)) },
                                          { NULL, NULL } };
    assert_int_equal(schema_message(contract_schema(arena, most), "campus.wrong.M")->count, 63);
    buffer_text(&text, "optional int32 n64 = 64; }");
    assert_string_equal(error_of(buffer_cstring(&text)), "message M has more than 63 fields");
}

static void test_wrong_messages(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        { HEAD "message A { message B { message C {} } }", "message campus.wrong.A.B.C is nested too deep" },
        { HEAD "message A { optional A a = 1; optional A b = 2; }", "message campus.wrong.A contains itself" },
        { HEAD "message A { repeated B b = 1; } message B { repeated A a = 1; }",
          "message campus.wrong.B contains itself" },
    };
    CHECK_WRONG(wrong);
}

#define METHOD(options)                                                                                                \
    HEAD "message M {} service S { rpc Do(M) returns (M) { option (campus.method) = { " options " }; } }"

static void test_wrong_methods(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        { METHOD("get: '/x'"), "method Do needs a permission" },
        { METHOD("get: '/x' access: OWNER"), "method Do needs a permission" },
        { METHOD("access: PUBLIC"), "method Do needs a route, or access INTERNAL without one" },
        { METHOD("access: INTERNAL get: '/x'"), "method Do needs a route, or access INTERNAL without one" },
        { METHOD("access: PUBLIC delete: '/x'"), "method Do is a READ but its route changes things" },
        { METHOD("access: PUBLIC put: '/x'"), "method Do is a READ but its route changes things" },
        { METHOD("access: PUBLIC kind: WRITE get: '/x'"), "method Do is a WRITE but its route is a GET" },
        { METHOD("access: PUBLIC kind: WRITE patch: '/x'"), "method Do is a PATCH and needs if_match" },
        { METHOD("access: PUBLIC post: '/x' body_type: 'text/csv'"),
          "method Do needs both body_type and a field marked body, or neither" },
        { METHOD("access: PUBLIC get: '/x' refusal: { code: 'fine' status: OK en: '-' zh: '-' }"),
          "refusal fine has the status OK" },
        { HEAD "message M {} service S { rpc Do(M) returns (M); }", "method Do needs a permission" },
        { HEAD
          "import 'google/protobuf/empty.proto'; message M {} service S { rpc Do(google.protobuf.Empty) returns (M); }",
          "method Do has a message of another contract" },
        { HEAD "message M {} service S { rpc Do(M) returns (M) { option (campus.method).access = INTERNAL; } } "
               "service T { rpc Do(M) returns (M) { option (campus.method).access = INTERNAL; } }",
          "there are two methods Do" },
    };
    CHECK_WRONG(wrong);
}

#define MARKED(field)                                                                                                  \
    HEAD "message N {} message M { " field " } service S { rpc Do(M) returns (M) {"                                    \
         " option (campus.method).access = INTERNAL; } }"

static void test_wrong_marks(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        { MARKED("optional N n = 1 [(campus.field).rows = true];"),
          "method Do marks as rows what is no repeated message" },
        { MARKED("repeated string n = 1 [(campus.field).rows = true];"),
          "method Do marks as rows what is no repeated message" },
        { MARKED("optional string n = 1 [(campus.field).etag = true];"), "method Do marks as etag what is no int64" },
        { MARKED("optional bytes n = 1 [(campus.field).body = true];"),
          "method Do needs both body_type and a field marked body, or neither" },
        { HEAD "message M { optional string n = 1 [(campus.field).body = true]; } service S { rpc Do(M) returns (M) {"
               " option (campus.method) = { access: PUBLIC post: '/x' body_type: 'text/csv' }; } }",
          "method Do marks as body what is no bytes" },
    };
    CHECK_WRONG(wrong);
}

static void test_shapes_that_are_right(void **state)
{
    (void)state;
    static const struct contract_file files[] = {
        { "right.proto",
          HEAD "// Of all.\nmessage All { enum Kind { A_B = 5; } optional Kind kind = 7; repeated N more = 1000; "
               "oneof place { string room = 1; bytes map = 2; } optional double ratio = 3;\n  // Says how many.\n"
               "optional uint64 n = 4 [(campus.field) = { min: -1 max: 9 }]; } message N { optional bool is = 1; }\n"
               "service S { rpc Do(N) returns (All) { option (campus.method).access = INTERNAL; } }" },
        { NULL, NULL },
    };
    const struct schema *schema = contract_schema(arena, files);
    const struct message *all = schema_message(schema, "campus.wrong.All");
    assert_string_equal(get_rpc(schema, "Do")->service, "wrong");
    assert_string_equal(all->comment, "Of all.");
    assert_int_equal(all->largest, 1000);
    assert_string_equal(get_field(all, "kind")->enumeration->values[0].name, "a_b");
    assert_true(get_field(all, "more")->repeated);
    assert_string_equal(get_field(all, "more")->message->full_name, "campus.wrong.N"); /* declared behind it */
    assert_string_equal(get_field(all, "room")->oneof, "place");
    assert_null(get_field(all, "ratio")->oneof);
    assert_int_equal(get_field(all, "map")->type, FIELD_BYTES);
    assert_string_equal(get_field(all, "n")->comment, "Says how many.");
    assert_true(get_field(all, "n")->rules.has_min);
    assert_int_equal(get_field(all, "n")->rules.min, -1);
    assert_false(get_field(all, "ratio")->rules.has_max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_methods),
        TEST(test_methods_of_other_shapes),
        TEST(test_refusals),
        TEST(test_messages),
        TEST(test_fields),
        TEST(test_broken_descriptor_set),
        TEST(test_wrong_files),
        TEST(test_wrong_fields),
        TEST(test_too_many_fields),
        TEST(test_wrong_messages),
        TEST(test_wrong_methods),
        TEST(test_wrong_marks),
        TEST(test_shapes_that_are_right),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
