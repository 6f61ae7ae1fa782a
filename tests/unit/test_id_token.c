/* test_id_token.c -- what a token must say, rule by rule; PKCE by the vector of its RFC. */
#include "tests/unit/arena_fixture.h"

#include "services/membership/id_token.h"

static const struct id_token_wanted wanted = {
    .issuer = "https://sso.example", .client_id = "campus", .nonce = "n", .claim = "number", .now_s = 1000000
};

#define START "{\"iss\":\"https://sso.example\",\"sub\":\"s\",\"nonce\":\"n\",\"number\":\"2026\","
#define TIMES "\"iat\":999990,\"exp\":1000300"

static const char *read(const char *payload, struct id_token_claims *claims)
{
    return id_token_read(arena, slice_text(payload), &wanted, claims);
}

static void test_what_is_right(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        START "\"aud\":\"campus\"," TIMES "}",
        START "\"aud\":[\"campus\"]," TIMES "}",
        START "\"aud\":[\"a\",\"campus\"],\"azp\":\"campus\"," TIMES "}",
        START "\"aud\":\"campus\",\"iat\":1000060,\"exp\":999941,\"nbf\":1000060}", /* a minute of leeway each */
        START "\"aud\":\"campus\",\"iat\":0,\"exp\":1000000.5}",
    };
    struct id_token_claims claims;
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        assert_null(read(payloads[i], &claims));
        assert_string_equal(claims.subject, "s");
        assert_string_equal(claims.person, "2026");
    }
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *said;
    } cases[] = {
        { "", "it is no JSON object" },
        { "5", "it is no JSON object" },
        { "[]", "it is no JSON object" },
        { "{\"iss\":\"a\",\"iss\":\"https://sso.example\"}", "it is no JSON object" },
        { "{}", "it is another issuer's" },
        { "{\"iss\":\"https://sso.example/\"}", "it is another issuer's" },
        { START "\"aud\":\"other\"," TIMES "}", "it is for another audience" },
        { START "\"aud\":{\"campus\":1}," TIMES "}", "it is for another audience" },
        { START "\"aud\":[\"campus\",\"other\"]," TIMES "}", "it is for another party" },
        { START "\"aud\":\"campus\",\"azp\":null," TIMES "}", "it is for another party" },
        { "{\"iss\":\"https://sso.example\",\"aud\":\"campus\",\"nonce\":\"n\"," TIMES "}", "it has no subject" },
        { "{\"iss\":\"https://sso.example\",\"aud\":\"campus\",\"sub\":\"s\"," TIMES "}", "its nonce is another's" },
        { START "\"aud\":\"campus\",\"iat\":999990}", "it lacks its times" },
        { START "\"aud\":\"campus\",\"exp\":1000300}", "it lacks its times" },
        { START "\"aud\":\"campus\",\"iat\":\"999990\",\"exp\":1000300}", "it lacks its times" },
        { START "\"aud\":\"campus\",\"iat\":999990,\"exp\":1e300}", "it lacks its times" },
        { START "\"aud\":\"campus\",\"iat\":999990,\"exp\":999940}", "it has expired" },
        { START "\"aud\":\"campus\",\"iat\":1000061,\"exp\":1000300}", "it is from the future" },
        { START "\"aud\":\"campus\",\"nbf\":1000061," TIMES "}", "it is not valid yet" },
        { START "\"aud\":\"campus\",\"nbf\":\"now\"," TIMES "}", "it is not valid yet" },
    };
    struct id_token_claims claims;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(read(cases[i].payload, &claims), cases[i].said);
}

static void test_who_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *value, *person;
    } cases[] = { { "\"2026\"", "2026" }, { "2026", "2026" },     { "\"\"", NULL }, { "2026.5", NULL },
                  { "null", NULL },       { "[\"2026\"]", NULL }, { "true", NULL } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *body = arena_printf(arena, "{\"sub\":\"s\",\"number\":%s}", cases[i].value);
        const char *person = id_token_userinfo(arena, slice_text(body), "s", "number");
        assert_true(person ? cases[i].person && strcmp(person, cases[i].person) == 0 : !cases[i].person);
        assert_null(id_token_userinfo(arena, slice_text(body), "other", "number"));
    }
    assert_null(id_token_userinfo(arena, slice_text("no JSON"), "s", "number"));
    assert_null(id_token_userinfo(arena, slice_text("{\"number\":\"1\"}"), "s", "number"));
}

/* RFC 7636, appendix B. */
static void test_pkce(void **state)
{
    (void)state;
    assert_string_equal(pkce_challenge(arena, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_what_is_right), TEST(test_what_is_wrong), TEST(test_who_it_is),
                                        TEST(test_pkce) };
    return cmocka_run_group_tests_name("id_token", tests, NULL, NULL);
}
