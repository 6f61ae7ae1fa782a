/* test_sign_on_flow.c -- a flow comes back as it went, and nobody else can write one. */
#include "tests/unit/arena_fixture.h"

#include "services/membership/sign_on_flow.h"

static const uint8_t secret[32] = { 1 }, other_secret[32] = { 2 };
static const struct sign_on_flow flow = { .id = { 1, 2, 255 }, .redirect = { 3, 4 }, .began_ms = 0x123456789ABCDEF };

static void test_there_and_back(void **state)
{
    (void)state;
    struct sign_on_flow read;
    const char *text = sign_on_flow_text(arena, secret, &flow);
    assert_int_equal(strlen(text), 64);
    assert_true(sign_on_flow_read(arena, secret, slice_text(text), &read));
    assert_memory_equal(read.id, flow.id, sizeof flow.id);
    assert_memory_equal(read.redirect, flow.redirect, sizeof flow.redirect);
    assert_int_equal(read.began_ms, flow.began_ms);
}

static void test_every_bit_is_signed(void **state)
{
    (void)state;
    struct sign_on_flow read;
    char *text = arena_strdup(arena, sign_on_flow_text(arena, secret, &flow));
    assert_false(sign_on_flow_read(arena, other_secret, slice_text(text), &read));
    assert_false(sign_on_flow_read(arena, secret, slice_of(text, 60), &read));
    assert_false(sign_on_flow_read(arena, secret, slice_text(""), &read));
    assert_false(sign_on_flow_read(arena, secret, slice_text(arena_printf(arena, "%sAAAA", text)), &read));
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        assert_false(sign_on_flow_read(arena, secret, slice_text(text), &read));
        text[i] = was;
    }
}

static void test_secrets_differ(void **state)
{
    (void)state;
    struct sign_on_flow other = flow;
    other.id[0]++;
    const char *secrets[] = {
        sign_on_flow_secret(arena, secret, &flow, "state"),  sign_on_flow_secret(arena, secret, &flow, "nonce"),
        sign_on_flow_secret(arena, secret, &other, "state"), sign_on_flow_secret(arena, other_secret, &flow, "state"),
        sign_on_flow_secret(arena, secret, &flow, "flow"),
    };
    assert_string_equal(secrets[0], sign_on_flow_secret(arena, secret, &flow, "state"));
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        assert_int_equal(strlen(secrets[i]), 43);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(secrets[i], secrets[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_there_and_back), TEST(test_every_bit_is_signed),
                                        TEST(test_secrets_differ) };
    return cmocka_run_group_tests_name("sign_on_flow", tests, NULL, NULL);
}
