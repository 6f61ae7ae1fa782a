/* test_parameter.c -- fields of a request as SQL's text, and what the framework provides itself. */
#include "tests/unit/arena_fixture.h"

#include "common/call_state.h"
#include "common/oid.h"
#include "common/parameter.h"
#include "tests/unit/sample_message.h"

#include <stdlib.h>

/* ---- types ---- */

/* The fields that can be bound to a parameter of this type, by their names. */
static const char *fitting(Oid oid)
{
    struct buffer names = buffer_in(arena);
    for (int i = 0; i < SAMPLE_FIELDS; i++)
        if (parameter_fits(&sample_message.fields[i], oid))
            buffer_printf(&names, "%s ", sample_message.fields[i].name);
    return buffer_cstring(&names);
}

static void test_what_fits(void **state)
{
    (void)state;
    assert_string_equal(fitting(OID_BOOL), "flag ");
    assert_string_equal(fitting(OID_INT2), "small large count starts_at version ");
    assert_string_equal(fitting(OID_INT8), "small large count total starts_at version ");
    assert_string_equal(fitting(OID_TIMESTAMPTZ), "large starts_at version ");
    assert_string_equal(fitting(OID_FLOAT8), "ratio ");
    assert_string_equal(fitting(OID_TEXT), "title kind id email phone ");
    assert_string_equal(fitting(OID_UUID), "title id email phone ");
    assert_string_equal(fitting(OID_DATE), "title id email phone ");
    assert_string_equal(fitting(OID_BYTEA), "digest photo ");
    assert_string_equal(fitting(OID_TEXT_ARRAY), "tags kinds ");
    assert_string_equal(fitting(OID_UUID_ARRAY), "tags ");
    assert_string_equal(fitting(OID_INT4_ARRAY), "sizes ");
    assert_string_equal(fitting(OID_FIRST_EXTENSION), "title tags id email phone "); /* ltree, ltree[] */
    assert_string_equal(fitting(OID_JSONB), "venue people ");
    assert_string_equal(fitting(1700), ""); /* numeric */
    assert_string_equal(fitting(0), "");
}

/* ---- fields ---- */

static const char *text_of(int index, const struct buffer *wire)
{
    return parameter_text(arena, &sample_message.fields[index], buffer_slice(wire));
}

static const char *number_text(int index, int64_t value)
{
    struct buffer wire = buffer_in(arena);
    wire_put_varint(&wire, sample_message.fields[index].number, (uint64_t)value);
    return text_of(index, &wire);
}

static void test_scalars(void **state)
{
    (void)state;
    struct buffer wire = buffer_in(arena);
    assert_string_equal(number_text(SAMPLE_FLAG, 1), "true");
    assert_string_equal(number_text(SAMPLE_FLAG, 0), "false");
    assert_string_equal(number_text(SAMPLE_SMALL, -5), "-5");
    assert_string_equal(number_text(SAMPLE_LARGE, INT64_MIN), "-9223372036854775808");
    assert_string_equal(number_text(SAMPLE_KIND, 2), "society");
    assert_string_equal(number_text(SAMPLE_KIND, -1), "past");
    assert_null(number_text(SAMPLE_KIND, 3));
    assert_string_equal(number_text(SAMPLE_STARTS_AT, 1), "1970-01-01T00:00:00.000001Z");
    wire_put_text(&wire, sample_message.fields[SAMPLE_TITLE].number, "it's \\ \"张\"");
    wire_put_bytes(&wire, sample_message.fields[SAMPLE_DIGEST].number, slice_of("\0\xff", 2));
    wire_put_double(&wire, sample_message.fields[SAMPLE_RATIO].number, 0.1);
    assert_string_equal(text_of(SAMPLE_TITLE, &wire), "it's \\ \"张\""); /* a scalar needs no quoting */
    assert_string_equal(text_of(SAMPLE_DIGEST, &wire), "\\x00ff");
    assert_true(strtod(text_of(SAMPLE_RATIO, &wire), NULL) == 0.1);
}

static void test_absent_is_null(void **state)
{
    (void)state;
    struct buffer wire = buffer_in(arena);
    assert_null(text_of(SAMPLE_TITLE, &wire));
    assert_null(text_of(SAMPLE_TAGS, &wire));
    wire_put_text(&wire, sample_message.fields[SAMPLE_TITLE].number, "");
    assert_string_equal(text_of(SAMPLE_TITLE, &wire), "");
}

static void test_last_occurrence_counts(void **state)
{
    (void)state;
    struct buffer wire = buffer_in(arena);
    wire_put_text(&wire, sample_message.fields[SAMPLE_TITLE].number, "first");
    wire_put_text(&wire, sample_message.fields[SAMPLE_TITLE].number, "last");
    assert_string_equal(text_of(SAMPLE_TITLE, &wire), "last");
}

static void test_repeated_fields(void **state)
{
    (void)state;
    struct buffer wire = buffer_in(arena);
    wire_put_text(&wire, sample_message.fields[SAMPLE_TAGS].number, "a,b");
    wire_put_varint(&wire, sample_message.fields[SAMPLE_SIZES].number, 1); /* between them: fields may be mixed */
    wire_put_text(&wire, sample_message.fields[SAMPLE_TAGS].number, "NULL");
    wire_put_bytes(&wire, sample_message.fields[SAMPLE_SIZES].number, slice_of("\x02\xac\x02", 3)); /* packed: 2, 300 */
    wire_put_varint(&wire, sample_message.fields[SAMPLE_KINDS].number, 1);
    wire_put_varint(&wire, sample_message.fields[SAMPLE_KINDS].number, 2);
    assert_string_equal(text_of(SAMPLE_TAGS, &wire), "{\"a,b\",\"NULL\"}");
    assert_string_equal(text_of(SAMPLE_SIZES, &wire), "{\"1\",\"2\",\"300\"}");
    assert_string_equal(text_of(SAMPLE_KINDS, &wire), "{\"union\",\"society\"}");
}

static void put_message(struct buffer *wire, int index, const char *text)
{
    const struct field *field = &sample_message.fields[index];
    size_t mark = wire_open(wire, field->number);
    wire_put_text(wire, field->message->fields[0].number, text); /* its name */
    wire_close(wire, mark);
}

static void test_messages_are_json(void **state)
{
    (void)state;
    struct buffer wire = buffer_in(arena);
    assert_null(text_of(SAMPLE_VENUE, &wire));
    assert_null(text_of(SAMPLE_PEOPLE, &wire));
    put_message(&wire, SAMPLE_PEOPLE, "a\"b");
    put_message(&wire, SAMPLE_VENUE, "first");
    put_message(&wire, SAMPLE_PEOPLE, "");
    put_message(&wire, SAMPLE_VENUE, "last");
    assert_string_equal(text_of(SAMPLE_VENUE, &wire), "{\"name\":\"last\"}");
    assert_string_equal(text_of(SAMPLE_PEOPLE, &wire), "[{\"name\":\"a\\\"b\"},{\"name\":\"\"}]");
}

static void test_array(void **state)
{
    (void)state;
    static const char *const values[] = { "a\"b\\c", NULL, "", "{x}", "null" };
    assert_string_equal(parameter_array(arena, values, 5), "{\"a\\\"b\\\\c\",NULL,\"\",\"{x}\",\"null\"}");
    assert_string_equal(parameter_array(arena, NULL, 0), "{}");
}

static void test_bytes(void **state)
{
    (void)state;
    assert_string_equal(parameter_bytes(arena, slice_of("\x00\x0f\xf0", 3)), "\\x000ff0");
    assert_string_equal(parameter_bytes(arena, slice_of(NULL, 0)), "\\x");
}

/* ---- what the framework provides ---- */

static const struct rpc rpc = { .name = "Do" };
static const struct plan plan = { .rpc = &rpc };

static struct call nobody(void)
{
    return (struct call){ .arena = arena, .plan = &plan, .idempotency_key = "key" };
}

static const char *builtin(struct call *call, const char *name)
{
    parameter_value *value = parameter_builtin(name);
    assert_non_null(value);
    return value(call);
}

static void test_builtins_of_nobody(void **state)
{
    (void)state;
    struct call call = nobody();
    assert_null(builtin(&call, "caller_id"));
    assert_null(builtin(&call, "caller_person"));
    assert_string_equal(builtin(&call, "scopes"), "{}"); /* never NULL: nothing is within NULL, nor within nothing */
    assert_string_equal(builtin(&call, "grant_permissions"), "{}");
    assert_string_equal(builtin(&call, "grant_organisations"), "{}");
    assert_string_equal(builtin(&call, "set"), "{}");
    assert_null(builtin(&call, "if_version"));
    assert_null(builtin(&call, "request_id"));
    assert_string_equal(builtin(&call, "answer_principal"), "anonymous");
    assert_string_equal(builtin(&call, "method"), "Do");
    assert_null(parameter_builtin("title"));
    assert_null(parameter_builtin(""));
}

static void test_builtins_of_somebody(void **state)
{
    (void)state;
    const char *scopes[] = { "", "su" }, *permissions[] = { "membership.*" }, *places[] = { "su" },
               *set[] = { "title" };
    struct call call = nobody();
    call.caller = (struct call_caller){
        .id = "i", .person = "p", .permissions = permissions, .organisations = places, .grant_count = 1
    };
    call.scopes = scopes;
    call.scope_count = 2;
    call.set = set;
    call.set_count = 1;
    call.has_if_version = true;
    call.if_version = 0;
    call.page_limit = 51;
    call.request_id = "r";
    assert_string_equal(builtin(&call, "caller_id"), "i");
    assert_string_equal(builtin(&call, "caller_person"), "p");
    assert_string_equal(builtin(&call, "scopes"), "{\"\",\"su\"}");
    assert_string_equal(builtin(&call, "grant_permissions"), "{\"membership.*\"}");
    assert_string_equal(builtin(&call, "grant_organisations"), "{\"su\"}");
    assert_string_equal(builtin(&call, "set"), "{\"title\"}");
    assert_string_equal(builtin(&call, "if_version"), "0");
    assert_string_equal(builtin(&call, "page_limit"), "51");
    assert_string_equal(builtin(&call, "request_id"), "r");
    assert_string_equal(builtin(&call, "answer_principal"), "i");
}

static void test_new_id_is_one_a_call(void **state)
{
    (void)state;
    struct call one = nobody(), other = nobody();
    const char *id = builtin(&one, "new_id");
    assert_int_equal(strlen(id), 36);
    assert_string_equal(builtin(&one, "new_id"), id);
    assert_string_not_equal(builtin(&other, "new_id"), id);
}

static void test_key_is_bound_as_its_hash(void **state)
{
    (void)state;
    struct call call = nobody();
    assert_string_equal(builtin(&call, "answer_key"), /* printf key | sha256sum */
                        "\\x2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683");
    assert_string_equal(builtin(&call, "answer_seconds"), "86400");
    call.key_minted = true;
    assert_string_equal(builtin(&call, "answer_seconds"), "300");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_fits),
        TEST(test_scalars),
        TEST(test_absent_is_null),
        TEST(test_last_occurrence_counts),
        TEST(test_repeated_fields),
        TEST(test_messages_are_json),
        TEST(test_array),
        TEST(test_bytes),
        TEST(test_builtins_of_nobody),
        TEST(test_builtins_of_somebody),
        TEST(test_new_id_is_one_a_call),
        TEST(test_key_is_bound_as_its_hash),
    };
    return cmocka_run_group_tests_name("parameter", tests, NULL, NULL);
}
