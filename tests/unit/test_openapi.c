/* test_openapi.c -- the contract told as an OpenAPI document. */
#include "services/gateway/openapi.h"
#include "tests/unit/contract_fixture.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct context {
    struct arena *arena;
    const struct schema *schema;
    json_t *document;
};

static json_t *written(struct arena *arena, const struct schema *schema)
{
    struct slice text = openapi_write(arena, schema, "1.2.3");
    return json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
}

static int open_context(void **state)
{
    static struct context context;
    context.arena = arena_new();
    context.schema = contract_sample(context.arena, "people.proto");
    context.document = written(context.arena, context.schema);
    *state = &context;
    return context.document ? 0 : -1;
}

static int close_context(void **state)
{
    struct context *context = *state;
    json_decref(context->document);
    arena_free(context->arena);
    return 0;
}

/* Follows keys and indices, separated by `mark`; NULL where the way ends. */
static const json_t *reach(struct arena *arena, const json_t *at, const char *way, const char *mark)
{
    char *rest = NULL, *copy = arena_strdup(arena, way);
    for (char *key = strtok_r(copy, mark, &rest); key && at; key = strtok_r(NULL, mark, &rest))
        at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
    return at;
}

static void expect(const struct context *context, const json_t *document, const char *way, const char *json)
{
    const json_t *at = reach(context->arena, document, way, " ");
    char *text = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (json && !text)
        fail_msg("nothing at %s", way);
    if (json)
        assert_string_equal(text, json);
    else
        assert_null(text);
    free(text);
}

#define REF(name) "{\"$ref\":\"#/components/" name "\"}"

static void describes_operations(void **state)
{
    static const char *const cases[][2] = {
        { "openapi", "\"3.1.0\"" },
        { "info title", "\"Campus\"" },
        { "info version", "\"1.2.3\"" },
        { "tags", "[{\"name\":\"people\",\"description\":\"Who they are.\\nAnd were.\"},{\"name\":\"many at once\"}]" },
        { "paths /v1/people/{id} get operationId", "\"GetPerson\"" },
        { "paths /v1/people/{id} get tags", "[\"people\"]" },
        { "paths /v1/people/{id}/roles get tags", "[\"many at once\"]" },
        { "paths /v1/people:import post summary", "\"Many people\"" },
        { "paths /v1/people/{id} get summary", "\"One person\"" },
        { "paths /v1/people/{id} get description", "\"What may be seen\\ndepends on the caller.\\n\\nErased ones are "
                                                   "gone.\\n\\nPermission: `membership.people.read`.\"" },
        { "paths /v1/people/{id} get x-permission", "\"membership.people.read\"" },
        { "paths /v1/people/{id} get security", "[{\"bearer\":[]}]" },
        { "paths /v1/people get security", "[]" },
        { "paths /v1/people get x-permission", NULL },
        { "paths /v1/people get summary", "\"People\"" },
        { "paths /v1/people get description", "\"Needs no key.\"" },
        { "paths /v1/people/me get summary", NULL },
        /* What comes in. */
        { "paths /v1/people/{id} get parameters",
          "[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}"
          "," REF("parameters/IfNoneMatch") "]" },
        { "paths /v1/people/{id} get requestBody", NULL },
        { "paths /v1/people/me get parameters", NULL },
        { "paths /v1/people get parameters 0",
          "{\"name\":\"page_size\",\"in\":\"query\",\"description\":\"How many at most.\","
          "\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":200},\"example\":5}" },
        { "paths /v1/people get parameters 1 schema",
          "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"member\",\"guest\"]},\"maxItems\":2}" },
        { "paths /v1/people get parameters 1 description", "\"- `member`: Pays a fee.\"" },
        { "paths /v1/people get parameters 2", NULL },
        { "paths /v1/people post parameters", "[" REF("parameters/IdempotencyKey") "]" },
        { "paths /v1/people post requestBody required", "true" },
        { "paths /v1/people post requestBody content",
          "{\"application/json\":{\"schema\":" REF(
              "schemas/CreatePersonRequest") ",\"example\":{\"born_on\":\"2006-02-28\",\"tags\":[\"chess\"]}}}" },
        { "paths /v1/people/{id} patch parameters 1", REF("parameters/IfMatch") },
        { "paths /v1/people/{id} patch requestBody content application/merge-patch+json schema",
          REF("schemas/UpdatePersonRequest") },
        { "paths /v1/people/{id} patch requestBody content application/json schema",
          REF("schemas/UpdatePersonRequest") },
        { "paths /v1/people:import post requestBody content",
          "{\"text/csv\":{\"schema\":{\"type\":\"string\"},\"example\":\"name\\nLi Lei\\n\"}}" },
        { "paths /v1/people/{id} patch requestBody content application/json example", NULL },
        { "paths /v1/people:import post parameters 0 name", "\"dry_run\"" },
        { "paths /v1/people/{id}:restore post requestBody", NULL },
        /* What comes out. */
        { "paths /v1/people/{id} get responses 200 content application/json schema", REF("schemas/Person") },
        { "paths /v1/people/{id} get responses 200 headers", "{\"ETag\":" REF("headers/ETag") "}" },
        { "paths /v1/people/{id} get responses 304", "{\"description\":\"Not Modified\"}" },
        { "paths /v1/people/{id} get responses 410 description", "\"- `erased`: The record was erased.\"" },
        { "paths /v1/people/{id} get responses 410 content application/problem+json examples erased value detail",
          "\"The record was erased.\"" },
        { "paths /v1/people/{id} get responses default", REF("responses/Problem") },
        { "components responses Problem content application/problem+json examples unauthenticated value status",
          "401" },
        { "paths /v1/people post responses 200", NULL },
        { "paths /v1/people post responses 201 headers Location", REF("headers/Location") },
        { "paths /v1/people post responses 409 description",
          "\"- `name_taken`: Somebody has this name.\\n- `quota`: The union has … people already.\"" },
        { "paths /v1/people post responses 422 content application/problem+json schema",
          REF("schemas/ProblemDetails") },
    };
    const struct context *context = *state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect(context, context->document, cases[i][0], cases[i][1]);
}

static void describes_messages(void **state)
{
    static const char *const cases[][2] = {
        { "Person required", "[\"id\"]" },
        { "Person additionalProperties", NULL },
        { "Person properties id", "{\"type\":\"string\",\"format\":\"uuid\",\"readOnly\":true}" },
        { "Person properties name",
          "{\"type\":\"string\",\"examples\":[\"李雷\"]}" }, /* a request's limits are not a reply's */
        { "Person properties kind description", "\"What they are.\\n- `member`: Pays a fee.\"" },
        { "Person properties address",
          "{\"$ref\":\"#/components/schemas/Address\",\"description\":\"Where they live.\"}" },
        { "ListPeopleReply properties people",
          "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Person\"}}" },
        { "CreatePersonRequest required", "[\"name\",\"tags\"]" },
        { "CreatePersonRequest additionalProperties", "false" },
        { "CreatePersonRequest properties name",
          "{\"type\":\"string\",\"minLength\":1,\"maxLength\":60,\"pattern\":\"^(?:\\\\S+|\\\\S.*\\\\S)$\","
          "\"description\":\"As on the student card.\"}" },
        { "CreatePersonRequest properties born_on",
          "{\"type\":\"string\",\"format\":\"date\",\"examples\":[\"2006-02-28\"]}" },
        { "CreatePersonRequest properties tags",
          "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":20},\"minItems\":1,\"maxItems\":5,"
          "\"examples\":[[\"chess\"]]}" },
        { "CreatePersonRequest properties addresses items", "{\"$ref\":\"#/components/schemas/AddressInput\"}" },
        { "CreatePersonRequest properties created_at", NULL }, /* output only */
        { "Address properties since", "{\"type\":\"string\",\"format\":\"date-time\",\"readOnly\":true}" },
        { "AddressInput properties since", NULL },
        { "AddressInput required", "[\"city\"]" },
        { "AddressInput additionalProperties", "false" },
        { "UpdatePersonRequest required", NULL },
        { "UpdatePersonRequest properties id", NULL }, /* in the path */
        { "UpdatePersonRequest properties name", "{\"type\":\"string\",\"maxLength\":60}" },
        { "UpdatePersonRequest properties address anyOf",
          "[{\"$ref\":\"#/components/schemas/AddressPatch\"},{\"type\":\"null\"}]" },
        { "AddressPatch required", NULL },
        { "ImportPeopleRequest", NULL },
        { "GetPersonRequest", NULL },
    };
    const struct context *context = *state;
    const json_t *schemas = reach(context->arena, context->document, "components schemas", " ");
    for (size_t i = 0; i < COUNT(cases); i++)
        expect(context, schemas, cases[i][0], cases[i][1]);
}

/* Fields whose schema the people do not show. */
static void describes_every_type(void **state)
{
    static const char *const cases[][2] = {
        { "a", "{\"type\":\"boolean\"}" },
        { "b", "{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":-5}" },
        { "c", "{\"type\":\"integer\",\"format\":\"int64\",\"maximum\":9}" },
        { "d", "{\"type\":\"integer\",\"minimum\":0}" },
        { "e", "{\"type\":\"number\",\"format\":\"double\"}" },
        { "f", "{\"type\":\"string\",\"contentEncoding\":\"base64url\"}" },
        { "g", "{\"type\":\"string\",\"pattern\":\"^[a-z0-9_]{1,40}(\\\\.[a-z0-9_]{1,40}){0,15}$\"}" },
        { "h", "{\"type\":\"string\",\"maxLength\":9}" },
        { "i", "{\"type\":\"string\",\"format\":\"date-time\"}" },
    };
    const struct context *context = *state;
    json_t *document = written(context->arena, contract_sample(context->arena, "any.proto"));
    const json_t *fields = reach(context->arena, document, "components schemas AnyRequest properties", " ");
    for (size_t i = 0; i < COUNT(cases); i++)
        expect(context, fields, cases[i][0], cases[i][1]);
    json_decref(document);
}

#define ADDRESS_OF(service, rpc, path)                                                                                 \
    "syntax = \"proto2\"; package campus." service "; import \"options.proto\"; message Nothing {} message Address {}" \
    "service Service { rpc " rpc "(Nothing) returns (Address) {"                                                       \
    "  option (campus.method) = { get: \"" path "\" access: PUBLIC }; } }"

/* Two services may each have an Address. */
static void tells_namesakes_apart(void **state)
{
    static const struct contract_file files[] = {
        { "one.proto", ADDRESS_OF("membership", "One", "/v1/one") },
        { "two.proto", ADDRESS_OF("events", "Two", "/v1/two") },
        { NULL, NULL },
    };
    const struct context *context = *state;
    json_t *document = written(context->arena, contract_schema(context->arena, files));
    expect(context, document, "paths /v1/one get responses 200 content application/json schema",
           REF("schemas/membership.Address"));
    expect(context, document, "components schemas events.Address", "{\"type\":\"object\",\"properties\":{}}");
    json_decref(document);
}

/* Counts the references, each of which leads somewhere. */
static size_t check_references(const struct context *context, json_t *at)
{
    size_t count = 0, index;
    const char *key;
    json_t *value;
    json_object_foreach(at, key, value)
    {
        if (strcmp(key, "$ref") == 0) {
            const char *target = json_string_value(value);
            assert_memory_equal(target, "#/", 2);
            if (!reach(context->arena, context->document, target + 2, "/"))
                fail_msg("%s leads nowhere", target);
            count++;
        }
        count += check_references(context, value);
    }
    json_array_foreach(at, index, value) count += check_references(context, value);
    return count;
}

static void refers_to_what_is_there(void **state)
{
    assert_true(check_references(*state, ((struct context *)*state)->document) > 30);
}

static void is_the_same_each_time(void **state)
{
    const struct context *context = *state;
    struct slice first = openapi_write(context->arena, context->schema, "1");
    assert_true(slice_equal(first, openapi_write(context->arena, context->schema, "1")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_operations),    cmocka_unit_test(describes_messages),
        cmocka_unit_test(describes_every_type),    cmocka_unit_test(tells_namesakes_apart),
        cmocka_unit_test(refers_to_what_is_there), cmocka_unit_test(is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
