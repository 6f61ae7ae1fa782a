/* test_problem.c -- what a refusal says, to whom, and in which language. */
#include "services/gateway/problem.h"
#include "tests/unit/contract_fixture.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct context {
    struct arena *arena;
    const struct schema *schema;
};

static int open_context(void **state)
{
    static struct context context;
    context.arena = arena_new();
    context.schema = contract_sample(context.arena, "people.proto");
    *state = &context;
    return 0;
}

static int close_context(void **state)
{
    struct context *context = *state;
    arena_free(context->arena);
    return 0;
}

static void chooses_the_language(void **state)
{
    static const struct {
        const char *header, *locale;
    } cases[] = {
        { "", "en" },
        { "zh", "zh" },
        { "ZH-cn", "zh" },
        { "zh-Hans-CN", "zh" },
        { "zha", "en" },
        { "fr, de;q=0.5", "en" },
        { "zh-CN,zh;q=0.9,en;q=0.8", "zh" },
        { "en-US,en;q=0.9,zh-CN;q=0.8", "en" },
        { "en;q=0.8 , zh ; q=0.9", "zh" },
        { "en;q=0.8,zh;q=0.801", "zh" },
        { "zh,en", "zh" },
        { "en,zh", "en" },
        { "fr,zh;q=0.1", "zh" },
        { "zh;q=0", "en" },
        { "*", "en" },
        { "en;q=0.5,*", "zh" },
        { "en;q=0,*;q=0.1", "zh" },
        { "zh;q=0,*", "en" },
        { "zh;q=much,en;q=0.1", "en" },
        { "zh;q=", "en" },
        { "zh;level=1", "en" },
        { ",,;q=1,zh", "zh" },
        { "zh;q=1.9,en;q=1", "zh" },
        { ";", "en" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(problem_locale(slice_text(cases[i].header)), cases[i].locale);
    assert_string_equal(problem_locale(slice_of(NULL, 0)), "en");
}

struct complaint {
    const char *pointer, *code, *argument;
};

static const struct {
    const char *rpc;
    enum status status;
    const char *code, *locale;
    uint32_t retry_after_ms;
    struct complaint complaints[2];
    const char *json; /* behind {"type":"about:blank", and before ,"request_id":"r1" */
    const char *rest;
} documents[] = {
    { NULL,
      STATUS_NOT_FOUND,
      "not_found",
      "en",
      0,
      { { 0 } },
      "\"title\":\"Not Found\",\"status\":404,\"code\":\"not_found\","
      "\"detail\":\"There is nothing here, or nothing that this key may see.\"",
      "" },
    { NULL,
      STATUS_TOO_MANY_REQUESTS,
      "too_many_requests",
      "zh",
      1001,
      { { 0 } },
      "\"title\":\"Too Many Requests\",\"status\":429,\"code\":\"too_many_requests\","
      "\"detail\":\"请求过于频繁。\"",
      ",\"next_step\":\"Wait as long as Retry-After says.\",\"retry_after\":2" },
    /* A refusal of the method, with the field at fault. */
    { "CreatePerson",
      STATUS_CONFLICT,
      "name_taken",
      "zh",
      0,
      { { 0 } },
      "\"title\":\"Conflict\",\"status\":409,\"code\":\"name_taken\",\"detail\":\"姓名已存在。\","
      "\"errors\":[{\"pointer\":\"/name\",\"code\":\"name_taken\",\"detail\":\"姓名已存在。\"}]",
      ",\"next_step\":\"Choose another name.\"" },
    { "GetPerson", /* what is denied has a name */
      STATUS_FORBIDDEN,
      "permission_denied",
      "en",
      0,
      { { 0 } },
      "\"title\":\"Forbidden\",\"status\":403,\"code\":\"permission_denied\","
      "\"detail\":\"This takes the permission membership.people.read, which is not held here.\"",
      "" },
    { "GetPerson", /* a field of the path is named, not pointed to */
      STATUS_GONE,
      "erased",
      "en",
      0,
      { { 0 } },
      "\"title\":\"Gone\",\"status\":410,\"code\":\"erased\",\"detail\":\"The record was erased.\","
      "\"errors\":[{\"pointer\":\"id\",\"code\":\"erased\",\"detail\":\"The record was erased.\"}]",
      "" },
    /* One violation of a generic problem speaks for the whole. */
    { "CreatePerson",
      STATUS_INVALID,
      "invalid",
      "en",
      0,
      { { "/name", "too_long", "60" } },
      "\"title\":\"Unprocessable Content\",\"status\":422,\"code\":\"invalid\","
      "\"detail\":\"The text has more than 60 characters.\","
      "\"errors\":[{\"pointer\":\"/name\",\"code\":\"too_long\","
      "\"detail\":\"The text has more than 60 characters.\"}]",
      "" },
    { "CreatePerson",
      STATUS_INVALID,
      "invalid",
      "en",
      0,
      { { "/born_on", "too_young", NULL } },
      "\"title\":\"Unprocessable Content\",\"status\":422,\"code\":\"invalid\",\"detail\":\"Too young.\","
      "\"errors\":[{\"pointer\":\"/born_on\",\"code\":\"too_young\",\"detail\":\"Too young.\"}]",
      ",\"next_step\":\"Come back in a year.\"" },
    { "CreatePerson", /* two do not */
      STATUS_INVALID,
      "invalid",
      "zh",
      0,
      { { "/name", "required", NULL }, { "/tags", "too_many", "5" } },
      "\"title\":\"Unprocessable Content\",\"status\":422,\"code\":\"invalid\",\"detail\":\"请求内容不符合要求。\","
      "\"errors\":[{\"pointer\":\"/name\",\"code\":\"required\",\"detail\":\"此字段必填。\"},"
      "{\"pointer\":\"/tags\",\"code\":\"too_many\",\"detail\":\"条目超过 5 个。\"}]",
      "" },
    { "CreatePerson", /* nor one of a problem that says itself what it is */
      STATUS_CONFLICT,
      "quota",
      "en",
      0,
      { { "/name", "required", NULL } },
      "\"title\":\"Conflict\",\"status\":409,\"code\":\"quota\",\"detail\":\"The union has … people already.\","
      "\"errors\":[{\"pointer\":\"/name\",\"code\":\"required\",\"detail\":\"The field is required.\"}]",
      "" },
    { NULL, /* the violation that gave the code gives the argument */
      STATUS_BAD_REQUEST,
      "bad_json",
      "en",
      0,
      { { "", "bad_json", "a \"quote\" at 3" } },
      "\"title\":\"Bad Request\",\"status\":400,\"code\":\"bad_json\","
      "\"detail\":\"The body is not valid JSON: a \\\"quote\\\" at 3.\","
      "\"errors\":[{\"pointer\":\"\",\"code\":\"bad_json\","
      "\"detail\":\"The body is not valid JSON: a \\\"quote\\\" at 3.\"}]",
      "" },
    { NULL, /* formats in an argument are text */
      STATUS_INVALID,
      "invalid",
      "en",
      0,
      { { "/%s%n", "wrong_type", "%n%s%s" } },
      "\"title\":\"Unprocessable Content\",\"status\":422,\"code\":\"invalid\","
      "\"detail\":\"The value is not %n%s%s.\",\"errors\":[{\"pointer\":\"/%s%n\",\"code\":\"wrong_type\","
      "\"detail\":\"The value is not %n%s%s.\"}]",
      "" },
    { NULL, /* what came over the bus and is no UTF-8 does not break the JSON */
      STATUS_INVALID,
      "invalid",
      "en",
      0,
      { { "/\xff", "wrong_type", "\xc3" } },
      "\"title\":\"Unprocessable Content\",\"status\":422,\"code\":\"invalid\",\"detail\":\"?\","
      "\"errors\":[{\"pointer\":\"?\",\"code\":\"wrong_type\",\"detail\":\"?\"}]",
      "" },
    { "GetPerson", /* a code of a newer worker */
      STATUS_CONFLICT,
      "unheard_of",
      "en",
      0,
      { { 0 } },
      "\"title\":\"Conflict\",\"status\":409,\"code\":\"unheard_of\","
      "\"detail\":\"The present state does not admit this.\"",
      "" },
    { "CreatePerson", /* and one where the framework has no words for the status either */
      STATUS_GONE,
      "unheard_of",
      "zh",
      0,
      { { 0 } },
      "\"title\":\"Gone\",\"status\":410,\"code\":\"unheard_of\",\"detail\":\"Gone\"",
      "" },
    { NULL, /* no code at all */
      STATUS_UNAVAILABLE,
      NULL,
      "en",
      4000000000,
      { { 0 } },
      "\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"unavailable\","
      "\"detail\":\"The service cannot answer now.\"",
      ",\"next_step\":\"Send the same request again after Retry-After.\",\"retry_after\":4000000" },
};

static void writes_the_document(void **state)
{
    const struct context *context = *state;
    struct arena *arena = context->arena;
    for (size_t i = 0; i < COUNT(documents); i++) {
        struct problem problem = { .status = documents[i].status, .code = documents[i].code };
        for (size_t j = 0; j < 2 && documents[i].complaints[j].code; j++)
            problem_add(arena, &problem, documents[i].complaints[j].pointer, documents[i].complaints[j].code,
                        documents[i].complaints[j].argument);
        problem.retry_after_ms = documents[i].retry_after_ms;
        struct buffer out = buffer_in(arena);
        problem_write(&out, &problem, documents[i].rpc ? schema_rpc(context->schema, documents[i].rpc) : NULL, "r1",
                      documents[i].locale);
        assert_string_equal(buffer_cstring(&out),
                            arena_printf(arena, "{\"type\":\"about:blank\",%s,\"request_id\":\"r1\"%s}",
                                         documents[i].json, documents[i].rest));
    }
}

static void every_status_has_words(void **state)
{
    const struct context *context = *state;
    for (enum status status = STATUS_BAD_REQUEST; status < STATUS_COUNT; status++) {
        const struct problem problem = { .status = status };
        struct buffer out = buffer_in(context->arena);
        problem_write(&out, &problem, NULL, NULL, "zh");
        const char *text = buffer_cstring(&out);
        assert_non_null(strstr(text, "\"code\":\""));
        assert_non_null(strstr(text, "\"detail\":\""));
        assert_null(strstr(text, "request_id\":"));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_the_language),
        cmocka_unit_test(writes_the_document),
        cmocka_unit_test(every_status_has_words),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
