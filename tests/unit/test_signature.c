/* test_signature.c -- what a method looks like to another build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/signature.h"

static const struct field venue_fields[] = { { .name = "name", .number = 1, .type = FIELD_STRING } };
static const struct message venue = { .name = "Venue", .count = 1, .fields = venue_fields };
static const struct field request_fields[] = {
    { .name = "venue", .number = 7, .type = FIELD_MESSAGE, .message = &venue },
    { .name = "id", .number = 1, .type = FIELD_STRING },
};
static const struct message request = { .name = "Request", .count = 2, .fields = request_fields };
static const struct field reply_fields[] = {
    { .name = "scores", .number = 2, .type = FIELD_INT64, .repeated = true },
};
static const struct message reply = { .name = "Reply", .count = 1, .fields = reply_fields };
static const struct rpc rpc = { .name = "Plan", .service = "events", .request = &request, .reply = &reply };

static void test_lines(void **state)
{
    static const char *const expected[] = { "<id:1:string", "<venue.name:1:string", "<venue:7:message",
                                            ">scores:2:int64[]" };
    struct arena *arena = arena_new();
    struct signature signature = signature_of(arena, &rpc);
    (void)state;
    assert_string_equal(signature.method, "Plan");
    assert_int_equal(signature.count, 4);
    for (size_t i = 0; i < signature.count; i++)
        assert_string_equal(signature.fields[i], expected[i]);
    arena_free(arena);
}

static void test_fits(void **state)
{
    static const char *const more[] = { "<added:9:bool",    "<id:1:string",      "<venue.name:1:string",
                                        "<venue:7:message", ">scores:2:int64[]", ">total:3:int64" };
    static const char *const other_type[] = { "<id:1:string", "<venue.name:1:bytes", "<venue:7:message",
                                              ">scores:2:int64[]" };
    struct arena *arena = arena_new();
    struct signature signature = signature_of(arena, &rpc);
    const char *missing = NULL;
    (void)state;
    assert_true(signature_fits(&signature, signature.fields, signature.count, &missing));
    assert_true(signature_fits(&signature, more, 6, &missing));
    assert_false(signature_fits(&signature, more, 4, &missing));
    assert_string_equal(missing, ">scores:2:int64[]");
    assert_false(signature_fits(&signature, other_type, 4, &missing));
    assert_string_equal(missing, "<venue.name:1:string");
    assert_false(signature_fits(&signature, NULL, 0, &missing));
    assert_string_equal(missing, "<id:1:string");
    arena_free(arena);
}

static void test_nothing_asked(void **state)
{
    struct signature empty = { .method = "Empty" };
    const char *missing = NULL;
    (void)state;
    assert_true(signature_fits(&empty, NULL, 0, &missing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_nothing_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
