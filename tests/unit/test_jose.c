/* test_jose.c -- tokens against keys: the examples of the RFCs, and what must never pass. */
#include "tests/unit/arena_fixture.h"

#include "common/jose.h"

/* RFC 7515 A.2: RS256. */
#define RS256_KEYS                                                                                                     \
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrc" \
    "S2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMd"  \
    "bBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9"  \
    "iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}"
#define RS256_TOKEN                                                                                                    \
    "eyJhbGciOiJSUzI1NiJ9."                                                                                            \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"                     \
    "fQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"                         \
    "O8W2Fp5jujGbds9uJdbF9CUAr7"                                                                                       \
    "t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--"     \
    "xi12j"                                                                                                            \
    "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUP"  \
    "QGe77Rw"
/* RFC 7515 A.3: ES256. */
#define ES256_KEYS                                                                                                     \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_"    \
    "FEzRu9"                                                                                                           \
    "m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"
#define ES256_TOKEN                                                                                                    \
    "eyJhbGciOiJFUzI1NiJ9."                                                                                            \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"                     \
    "fQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
/* RFC 8037 A.4: EdDSA. Its payload is no JSON, which is not asked here. */
#define EDDSA_KEYS                                                                                                     \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
#define EDDSA_TOKEN                                                                                                    \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"                            \
    "09PGcvMg3AIbQR6dWbhijcNR4ki4"                                                                                     \
    "iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static bool reads(const char *text, struct jose_token *token)
{
    return jose_read(arena, slice_text(text), token);
}

static enum jose_verdict verdict(const char *keys, const char *text)
{
    struct jose_token token;
    assert_true(reads(text, &token));
    return jose_verify(arena, slice_text(keys), &token);
}

static void test_examples(void **state)
{
    (void)state;
    struct jose_token token;
    assert_int_equal(verdict(RS256_KEYS, RS256_TOKEN), JOSE_VALID);
    assert_int_equal(verdict(ES256_KEYS, ES256_TOKEN), JOSE_VALID);
    assert_int_equal(verdict(EDDSA_KEYS, EDDSA_TOKEN), JOSE_VALID);
    assert_true(reads(EDDSA_TOKEN, &token));
    assert_string_equal(token.algorithm, "EdDSA");
    assert_null(token.key_id);
    assert_true(slice_is(token.payload, "Example of Ed25519 signing"));
}

/* Each byte of the signed part and of the signature counts. */
static void test_nothing_may_change(void **state)
{
    (void)state;
    static const char *const cases[][2] = { { ES256_KEYS, ES256_TOKEN }, { EDDSA_KEYS, EDDSA_TOKEN } };
    struct jose_token token;
    for (size_t i = 0; i < 2; i++) {
        char *text = arena_strdup(arena, cases[i][1]);
        for (size_t at = 0; text[at]; at++) {
            char was = text[at];
            text[at] = was == 'Q' ? 'R' : 'Q';
            if (reads(text, &token))
                assert_int_not_equal(jose_verify(arena, slice_text(cases[i][0]), &token), JOSE_VALID);
            text[at] = was;
        }
        assert_int_equal(verdict(cases[i][0], text), JOSE_VALID);
    }
}

static void test_a_key_of_another_kind_is_not_asked(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[5,null,{}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_"
        "FEzRu9"
        "m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
        /* Not on the curve. */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_"
        "FEzRu9"
        "m36HLN_tue659LNpXW6pCyStikYjKIWI5a1\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"use\":\"enc\",\"crv\":\"P-256\",\"x\":"
        "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"alg\":\"ES384\",\"crv\":\"P-256\",\"x\":"
        "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
        RS256_KEYS,
        EDDSA_KEYS,
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(verdict(none[i], ES256_TOKEN), JOSE_KEY_UNKNOWN);
    /* One that does not fit does not hide one that does; a key that is meant and fits not is a forgery. */
    assert_int_equal(
        verdict("{\"keys\":[{\"kty\":\"EC\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHM"
                "zV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
                ES256_TOKEN),
        JOSE_VALID);
    assert_int_equal(verdict("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", RS256_TOKEN),
                     JOSE_KEY_UNKNOWN);
}

static void test_what_is_no_token(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "eyJhbGciOiJub25lIn0.e30.", /* none */
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", /* HS256 */
        "eyJhbGciOiJSUzUxMiJ9.e30.AAAA", /* RS512 */
        "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsiZXhwIl19.e30.AAAA", /* crit */
        "eyJhbGciOiJSUzI1NiIsImtpZCI6NX0.e30.AAAA", /* kid 5 */
        "eyJhbGciOiJSUzI1NiIsImFsZyI6IkVTMjU2In0.e30.AAAA", /* alg twice */
        "e30.e30.AAAA",
        "W10.e30.AAAA",
        "eyJhbGciOjV9.e30.AAAA",
        "eyJhbGciOiJSUzI1NiJ9.e30=.AAAA",
        "eyJhbGciOiJSUzI1NiJ9.e30.AAA+",
        "eyJhbGciOiJSUzI1NiJ9.e30.A",
        "eyJhbGciOiJSUzI1NiJ9 .e30.AAAA",
        "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA",
        "eyJhbGciOiJSUzI1NiJ9.e30.AAAA\n",
    };
    struct jose_token token;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(reads(texts[i], &token));
    char *huge = arena_alloc(arena, JOSE_LONGEST + 10);
    memset(huge, 'A', JOSE_LONGEST + 9);
    memcpy(huge, "eyJhbGciOiJSUzI1NiJ9.e30.", 25);
    huge[JOSE_LONGEST + 9] = '\0';
    assert_false(reads(huge, &token));
}

static void test_base64url(void **state)
{
    (void)state;
    struct slice bytes;
    assert_true(base64url_read(arena, slice_text("-_8"), &bytes) && bytes.size == 2 && bytes.data[0] == 0xFB);
    assert_true(base64url_read(arena, slice_text(""), &bytes) && bytes.size == 0);
    assert_string_equal(base64url_text(arena, "\xFB\xFF", 2), "-_8");
    static const char *const bad[] = {
        "A", "AA=", "A+", "A/", "A A", "AB", "AAB"
    }; /* the last two: bits that say nothing */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(base64url_read(arena, slice_text(bad[i]), &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_examples),         TEST(test_nothing_may_change), TEST(test_a_key_of_another_kind_is_not_asked),
        TEST(test_what_is_no_token), TEST(test_base64url),
    };
    return cmocka_run_group_tests_name("jose", tests, NULL, NULL);
}
