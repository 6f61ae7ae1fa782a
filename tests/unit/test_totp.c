/* test_totp.c -- one-time passwords by the vectors of RFC 4226, RFC 6238 and RFC 4648. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/membership/totp.h"

static const uint8_t secret[TOTP_SECRET] = { "12345678901234567890" };

/* RFC 4226, appendix D. */
static void test_by_counter(void **state)
{
    (void)state;
    static const char *const codes[] = { "755224", "287082", "359152", "969429", "338314",
                                         "254676", "287922", "162583", "399871", "520489" };
    char code[TOTP_DIGITS + 1];
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        totp_code(slice_of(secret, sizeof secret), i, TOTP_DIGITS, code);
        assert_string_equal(code, codes[i]);
    }
}

/* RFC 6238, appendix B: SHA-1, eight digits. */
static void test_by_time(void **state)
{
    (void)state;
    static const struct {
        uint64_t seconds;
        const char *code;
    } vectors[] = {
        { 59, "94287082" },         { 1111111109, "07081804" }, { 1111111111, "14050471" },
        { 1234567890, "89005924" }, { 2000000000, "69279037" }, { 20000000000, "65353130" },
    };
    char code[9];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        totp_code(slice_of(secret, sizeof secret), vectors[i].seconds / TOTP_SECONDS, 8, code);
        assert_string_equal(code, vectors[i].code);
    }
}

/* The present step's code and its neighbours', and none that has served. */
static void test_which_step(void **state)
{
    (void)state;
    assert_int_equal(totp_step(secret, "287082", 59, 0), 1);
    assert_int_equal(totp_step(secret, "287082", 60, 0), 1);
    assert_int_equal(totp_step(secret, "287082", 89, 0), 1);
    assert_int_equal(totp_step(secret, "287082", 90, 0), -1);
    assert_int_equal(totp_step(secret, "359152", 59, 0), 2); /* a clock that is ahead */
    assert_int_equal(totp_step(secret, "969429", 59, 0), -1);
    assert_int_equal(totp_step(secret, "287082", 59, 1), -1);
    assert_int_equal(totp_step(secret, "359152", 59, 1), 2);
    assert_int_equal(totp_step(secret, "28708", 59, 0), -1);
    assert_int_equal(totp_step(secret, "2870820", 59, 0), -1);
    assert_int_equal(totp_step(secret, "", 59, 0), -1);
}

static void test_base32(void **state)
{
    (void)state;
    char text[TOTP_BASE32];
    totp_base32(secret, text);
    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    totp_base32((const uint8_t[TOTP_SECRET]){ 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0 }, text);
    assert_string_equal(text, "77777777AAAAAAAAAAAAAAAAAAAAAAAA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_counter),
        cmocka_unit_test(test_by_time),
        cmocka_unit_test(test_which_step),
        cmocka_unit_test(test_base32),
    };
    return cmocka_run_group_tests_name("totp", tests, NULL, NULL);
}
