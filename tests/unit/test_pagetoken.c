/* test_pagetoken.c -- a token opens for its query alone, and shows nothing of what it holds. */
#include "tests/unit/arena_fixture.h"

#include "common/pagetoken.h"

static const uint8_t secret[PAGE_SECRET] = "one secret, thirty-two bytes lon";
static const uint8_t other_secret[PAGE_SECRET] = "one secret, thirty-two bytes lom";
static const char *const keys[] = { "张三", NULL, "", "0190" };

enum { KEYS = sizeof keys / sizeof *keys };

static const char *seal(const char *query)
{
    return page_token_seal(arena, secret, slice_text(query), keys, KEYS);
}

static bool opens(const char *query, const char *token)
{
    const char *values[KEYS];
    return page_token_open(arena, secret, slice_text(query), token, values, KEYS);
}

static void test_values_come_back(void **state)
{
    (void)state;
    const char *values[KEYS] = { NULL, "stale", NULL, NULL };
    assert_true(page_token_open(arena, secret, slice_text("query"), seal("query"), values, KEYS));
    assert_string_equal(values[0], "张三");
    assert_null(values[1]);
    assert_string_equal(values[2], "");
    assert_string_equal(values[3], "0190");
}

static void test_token_without_values(void **state)
{
    (void)state;
    static const char *const nothing[] = { NULL };
    const char *values[1] = { "stale" };
    const char *token = page_token_seal(arena, secret, slice_of(NULL, 0), nothing, 1);
    assert_true(page_token_open(arena, secret, slice_of(NULL, 0), token, values, 1));
    assert_null(values[0]);
}

static void test_other_query(void **state)
{
    (void)state;
    const char *token = seal("query");
    assert_true(opens("query", token));
    assert_false(opens("query ", token));
    assert_false(opens("quer", token));
    assert_false(opens("", token));
}

static void test_other_secret(void **state)
{
    (void)state;
    const char *values[KEYS];
    assert_false(page_token_open(arena, other_secret, slice_text("query"), seal("query"), values, KEYS));
}

static void test_truncated(void **state)
{
    (void)state;
    const char *token = seal("query");
    for (size_t size = 0; size < strlen(token); size++)
        assert_false(opens("query", arena_text(arena, slice_of(token, size))));
}

static void test_every_character_counts(void **state)
{
    (void)state;
    const char *token = seal("query");
    for (size_t i = 0; i < strlen(token); i++) {
        char *forged = arena_strdup(arena, token);
        forged[i] = forged[i] == 'A' ? 'Q' : 'A'; /* they differ in the upper bits, which no end of a text ignores */
        assert_false(opens("query", forged));
    }
    assert_false(opens("query", arena_printf(arena, "%sA", token)));
    assert_false(opens("query", arena_printf(arena, "%s=", token)));
    assert_false(opens("query", arena_printf(arena, " %s", token)));
}

static void test_no_token(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "A", "====", "not base64 at all!", "张" };
    char *zeros = arena_printf(arena, "%080d", 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(opens("query", wrong[i]));
    assert_false(opens("query", zeros)); /* long enough */
}

/* It may be a person's name: two tokens of one row do not even show that they are of one row. */
static void test_nothing_shows(void **state)
{
    (void)state;
    static const char *const name[] = { "zhangsanzhangsanzhangsan" };
    static const char encoded[] = "emhhbmdzYW56aGFuZ3NhbnpoYW5nc2Fu"; /* base64 of it, which is a multiple of three */
    const char *token = page_token_seal(arena, secret, slice_text("query"), name, 1);
    assert_null(strstr(token, encoded));
    assert_string_not_equal(token, page_token_seal(arena, secret, slice_text("query"), name, 1));
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values_come_back), TEST(test_token_without_values),
        TEST(test_other_query),      TEST(test_other_secret),
        TEST(test_truncated),        TEST(test_every_character_counts),
        TEST(test_no_token),         TEST(test_nothing_shows),
    };
    return cmocka_run_group_tests_name("pagetoken", tests, NULL, NULL);
}
