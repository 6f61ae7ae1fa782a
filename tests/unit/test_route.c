/* test_route.c -- verb and path to method, and the mistakes that a contract can hold. */
#include "services/gateway/route.h"
#include "tests/unit/contract_fixture.h"

#include <stdio.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct context {
    struct arena *arena;
    const struct schema *schema;
    const struct routes *routes;
    const struct rpc *odd; /* POST /v1/{a}/x: tests give it other routes */
};

static int open_context(void **state)
{
    static struct context context;
    const char *error;
    context.arena = arena_new();
    context.schema = contract_sample(context.arena, "people.proto");
    context.routes = routes_new(context.arena, context.schema, &error);
    context.odd = contract_sample(context.arena, "odd.proto")->rpcs;
    *state = &context;
    return context.routes ? 0 : -1;
}

static int close_context(void **state)
{
    struct context *context = *state;
    arena_free(context->arena);
    return 0;
}

static void finds_the_method(void **state)
{
    static const struct {
        enum http_method method;
        const char *path, *rpc, *value;
    } cases[] = {
        { METHOD_GET, "/v1/people", "ListPeople", NULL },
        { METHOD_HEAD, "/v1/people", "ListPeople", NULL },
        { METHOD_POST, "/v1/people", "CreatePerson", NULL },
        { METHOD_GET, "/v1/people/42", "GetPerson", "42" },
        { METHOD_GET, "/v1/people/a%2Fb%3Ac", "GetPerson", "a%2Fb%3Ac" },
        { METHOD_PATCH, "/v1/people/42", "UpdatePerson", "42" },
        { METHOD_GET, "/v1/people/me", "GetMe", NULL }, /* a literal wins */
        { METHOD_GET, "/v1/people/mee", "GetPerson", "mee" },
        { METHOD_GET, "/v1/people/me/roles", "GetRoles", "me" }, /* as long as the rest fits */
        { METHOD_POST, "/v1/people:import", "ImportPeople", NULL },
        { METHOD_POST, "/v1/people/42:restore", "RestorePerson", "42" },
        { METHOD_POST, "/v1/people/a:b:restore", "RestorePerson", "a:b" },
        { METHOD_GET, "/v1/people/a:b/roles", "GetRoles", "a:b" },
    };
    const struct context *context = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route_match match;
        assert_int_equal(routes_find(context->routes, cases[i].method, slice_text(cases[i].path), &match), ROUTE_FOUND);
        assert_string_equal(match.rpc->name, cases[i].rpc);
        assert_int_equal(match.variable_count, cases[i].value ? 1 : 0);
        if (!cases[i].value)
            continue;
        assert_true(slice_is(match.variables[0].raw, cases[i].value));
        assert_ptr_equal(match.variables[0].field, message_find(match.rpc->request, slice_text("id")));
    }
}

static void finds_nothing(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "*",
        "v1/people",
        "/v1",
        "/v1/",
        "/v1/people/",
        "/v1//people",
        "//v1/people",
        "/v1/People",
        "/v1/peopl",
        "/v1/people2",
        "/v1/%70eople",
        "/v1/people:",
        "/v1/people:nosuch",
        "/v1/people/:restore",
        "/v1/people/42:nosuch",
        "/v1/people/42:",
        "/v1/people/:import",
        "/v1/people/42/roles/",
        "/v1/people/42/roles/1",
        "/v1/people/me:import",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
    };
    const struct context *context = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route_match match;
        assert_int_equal(routes_find(context->routes, METHOD_GET, slice_text(cases[i]), &match), ROUTE_NOT_FOUND);
        assert_null(match.rpc);
        assert_null(match.allow);
    }
}

static void says_which_methods_are_allowed(void **state)
{
    static const struct {
        enum http_method method;
        enum route_result result;
        const char *path, *allow;
    } cases[] = {
        { METHOD_DELETE, ROUTE_METHOD_NOT_ALLOWED, "/v1/people", "GET, HEAD, POST, OPTIONS" },
        { METHOD_OTHER, ROUTE_METHOD_NOT_ALLOWED, "/v1/people/42", "GET, HEAD, PATCH, OPTIONS" },
        { METHOD_PATCH, ROUTE_METHOD_NOT_ALLOWED, "/v1/people/me", "GET, HEAD, OPTIONS" },
        { METHOD_GET, ROUTE_METHOD_NOT_ALLOWED, "/v1/people:import", "POST, OPTIONS" },
        { METHOD_HEAD, ROUTE_METHOD_NOT_ALLOWED, "/v1/people/42:restore", "POST, OPTIONS" },
        { METHOD_OPTIONS, ROUTE_OPTIONS, "/v1/people/42", "GET, HEAD, PATCH, OPTIONS" },
    };
    const struct context *context = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route_match match;
        assert_int_equal(routes_find(context->routes, cases[i].method, slice_text(cases[i].path), &match),
                         cases[i].result);
        assert_null(match.rpc);
        assert_string_equal(match.allow, cases[i].allow);
    }
}

static void refuses_a_broken_contract(void **state)
{
    static const struct {
        enum http_verb verb;
        const char *path, *error; /* of a second route beside POST /v1/{a}/x */
    } cases[] = {
        { HTTP_POST, "/v1/{b}/x", "routes of First (POST /v1/{a}/x) and Second (POST /v1/{b}/x) are the same" },
        { HTTP_PUT, "/v1/{b}/x",
          "routes of First (/v1/{a}/x) and Second (/v1/{b}/x) name the variables of one path differently" },
        { HTTP_POST, "/v1/{idd}", "route of Second names {idd}, which is no field of OddRequest" },
        { HTTP_POST, "/v1/{many}", "route of Second names {many}, but that field of OddRequest is no single scalar" },
        { HTTP_POST, "/v1/{nested}",
          "route of Second names {nested}, but that field of OddRequest is no single scalar" },
        { HTTP_POST, "/v1/{bytes}", "route of Second names {bytes}, but that field of OddRequest is no single scalar" },
        { HTTP_POST, "/v1/{a}/{a}", "route of Second names {a} twice" },
        { HTTP_POST, "/{a}/{b}/{c}/{d}/{e}", "route of Second has more than 4 variables" },
        { HTTP_GET, "/v1/y", "nested of OddRequest is a message, which cannot come as a query parameter of Second" },
        { HTTP_NONE, "/v1/y", "route of Second, \"/v1/y\", is malformed" },
        { HTTP_POST, "", "route of Second, \"\", is malformed" },
        { HTTP_POST, "/", "route of Second, \"/\", is malformed" },
        { HTTP_POST, "v1/y", "route of Second, \"v1/y\", is malformed" },
        { HTTP_POST, "/v1/y/", "route of Second, \"/v1/y/\", is malformed" },
        { HTTP_POST, "/v1//y", "route of Second, \"/v1//y\", is malformed" },
        { HTTP_POST, "/v1/{a", "route of Second, \"/v1/{a\", is malformed" },
        { HTTP_POST, "/v1/{}", "route of Second, \"/v1/{}\", is malformed" },
        { HTTP_POST, "/v1/a}", "route of Second, \"/v1/a}\", is malformed" },
        { HTTP_POST, "/v1/{a}.csv", "route of Second, \"/v1/{a}.csv\", is malformed" },
        { HTTP_POST, "/v1/x:", "route of Second, \"/v1/x:\", is malformed" },
        { HTTP_POST, "/v1/:x", "route of Second, \"/v1/:x\", is malformed" },
        { HTTP_POST, "/v1/a:b/c", "route of Second, \"/v1/a:b/c\", is malformed" },
        { HTTP_POST, "/v1/{a}:{b}", "route of Second, \"/v1/{a}:{b}\", is malformed" },
        { HTTP_POST, "/v1/a b", "route of Second, \"/v1/a b\", is malformed" },
    };
    const struct context *context = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rpc rpcs[] = { *context->odd, *context->odd };
        rpcs[1].name = "Second";
        rpcs[1].verb = cases[i].verb;
        rpcs[1].path = cases[i].path;
        const struct schema schema = { .rpcs = rpcs, .rpc_count = COUNT(rpcs) };
        const char *error;
        assert_null(routes_new(context->arena, &schema, &error));
        assert_string_equal(error, cases[i].error);
    }
}

static void admits_many_routes(void **state)
{
    enum { MANY = 200 };
    const struct context *context = *state;
    struct rpc rpcs[MANY];
    for (size_t i = 0; i < MANY; i++) {
        rpcs[i] = *context->odd;
        rpcs[i].path = arena_printf(context->arena, "/v1/r%zu/{a}:x", i * 7919 % MANY);
    }
    const struct schema schema = { .rpcs = rpcs, .rpc_count = MANY };
    const char *error;
    const struct routes *routes = routes_new(context->arena, &schema, &error);
    assert_non_null(routes);
    for (size_t i = 0; i < MANY; i++) {
        struct route_match match;
        char path[32];
        int size = snprintf(path, sizeof path, "/v1/r%zu/z:x", i * 7919 % MANY);
        assert_int_equal(routes_find(routes, METHOD_POST, slice_of(path, (size_t)size), &match), ROUTE_FOUND);
        assert_ptr_equal(match.rpc, &rpcs[i]);
    }
}

static void knows_where_a_field_stands(void **state)
{
    static const struct {
        const char *rpc, *field;
        enum route_place place;
    } cases[] = {
        { "GetPerson", "id", PLACE_PATH },          { "ListPeople", "page_size", PLACE_QUERY },
        { "CreatePerson", "name", PLACE_JSON },     { "UpdatePerson", "id", PLACE_PATH },
        { "UpdatePerson", "address", PLACE_JSON },  { "ImportPeople", "file", PLACE_RAW },
        { "ImportPeople", "dry_run", PLACE_QUERY }, { "RestorePerson", "id", PLACE_PATH },
    };
    const struct context *context = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rpc *rpc = schema_rpc(context->schema, cases[i].rpc);
        const struct field *field = message_find(rpc->request, slice_text(cases[i].field));
        assert_int_equal(route_place(rpc, field), cases[i].place);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_method),
        cmocka_unit_test(finds_nothing),
        cmocka_unit_test(says_which_methods_are_allowed),
        cmocka_unit_test(refuses_a_broken_contract),
        cmocka_unit_test(admits_many_routes),
        cmocka_unit_test(knows_where_a_field_stands),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
