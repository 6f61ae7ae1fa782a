/* test_query.c -- escapes undone once, and parameters one after another. */
#include "services/gateway/query.h"

#include <setjmp.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static int open_arena(void **state)
{
    *state = arena_new();
    return 0;
}

static int close_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void decodes(void **state)
{
    static const struct {
        enum query_part part;
        const char *raw, *text; /* NULL: refused */
    } cases[] = {
        { QUERY_PATH, "", "" },
        { QUERY_PATH, "plain", "plain" },
        { QUERY_PATH, "a+b", "a+b" },
        { QUERY_PARAMETER, "a+b", "a b" },
        { QUERY_PARAMETER, "a%2Bb", "a+b" },
        { QUERY_PATH, "%2f%2F%3a", "//:" },
        { QUERY_PATH, "%252F", "%2F" }, /* once only */
        { QUERY_PATH, "%E5%AD%A6", "学" },
        { QUERY_PATH, "学", "学" },
        { QUERY_PATH, "%F0%9F%8E%93", "🎓" },
        { QUERY_PATH, "%0A", "\n" }, /* what text may hold is for the field's rules */
        { QUERY_PATH, "%", NULL },
        { QUERY_PATH, "%4", NULL },
        { QUERY_PATH, "a%4", NULL },
        { QUERY_PATH, "%4g", NULL },
        { QUERY_PATH, "%g4", NULL },
        { QUERY_PATH, "%%41", NULL },
        { QUERY_PATH, "%+1", NULL },
        { QUERY_PATH, "%u0041", NULL },
        { QUERY_PATH, "%00", NULL },
        { QUERY_PARAMETER, "a%00b", NULL },
        { QUERY_PATH, "%80", NULL },
        { QUERY_PATH, "%E5%AD", NULL },
        { QUERY_PATH, "%C0%AF", NULL }, /* overlong */
        { QUERY_PATH, "%ED%A0%80", NULL }, /* a surrogate */
        { QUERY_PATH, "%F4%90%80%80", NULL }, /* beyond U+10FFFF */
        { QUERY_PATH, "\xff", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text;
        bool good = query_decode(*state, slice_text(cases[i].raw), cases[i].part, &text);
        assert_int_equal(good, cases[i].text != NULL);
        if (good)
            assert_true(slice_is(text, cases[i].text));
    }
}

static void refuses_a_bare_nul(void **state)
{
    struct slice text;
    assert_false(query_decode(*state, slice_of("a\0b", 3), QUERY_PATH, &text));
}

static void copies_only_what_is_encoded(void **state)
{
    struct slice raw = slice_text("plain+text"), text;
    assert_true(query_decode(*state, raw, QUERY_PATH, &text));
    assert_ptr_equal(text.data, raw.data);
    assert_true(query_decode(*state, raw, QUERY_PARAMETER, &text));
    assert_ptr_not_equal(text.data, raw.data);
}

struct step {
    enum query_step step;
    const char *name, *value;
};

static void reads_pairs(void **state)
{
    static const struct {
        const char *query;
        struct step steps[4]; /* what follows is QUERY_END */
    } cases[] = {
        { "", { { QUERY_END, NULL, NULL } } },
        { "&&", { { QUERY_END, NULL, NULL } } },
        { "a=1", { { QUERY_PAIR, "a", "1" } } },
        { "a", { { QUERY_PAIR, "a", "" } } },
        { "a=", { { QUERY_PAIR, "a", "" } } },
        { "=1", { { QUERY_PAIR, "", "1" } } },
        { "=", { { QUERY_PAIR, "", "" } } },
        { "a=1=2", { { QUERY_PAIR, "a", "1=2" } } },
        { "a=1&b=2&a=3", { { QUERY_PAIR, "a", "1" }, { QUERY_PAIR, "b", "2" }, { QUERY_PAIR, "a", "3" } } },
        { "&a=1&&b=2&", { { QUERY_PAIR, "a", "1" }, { QUERY_PAIR, "b", "2" } } },
        { "a=1;b=2", { { QUERY_PAIR, "a", "1;b=2" } } },
        { "q=%E5%AD%A6+%26", { { QUERY_PAIR, "q", "学 &" } } },
        { "%71=1", { { QUERY_PAIR, "q", "1" } } },
        { "a%=1&b=2", { { QUERY_BAD_NAME, "a%", NULL }, { QUERY_PAIR, "b", "2" } } },
        { "a=%00&b=2", { { QUERY_BAD_VALUE, "a", NULL }, { QUERY_PAIR, "b", "2" } } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct query_reader reader = query_read(*state, slice_text(cases[i].query));
        struct query_pair pair;
        for (const struct step *step = cases[i].steps; step->name; step++) {
            assert_int_equal(query_next(&reader, &pair), step->step);
            assert_true(slice_is(pair.name, step->name));
            if (step->value)
                assert_true(slice_is(pair.value, step->value));
        }
        assert_int_equal(query_next(&reader, &pair), QUERY_END);
        assert_int_equal(query_next(&reader, &pair), QUERY_END);
    }
}

static void reads_nothing_from_nothing(void **state)
{
    struct query_reader reader = query_read(*state, slice_of(NULL, 0));
    struct query_pair pair;
    assert_int_equal(query_next(&reader, &pair), QUERY_END);
}

static void bounds_the_count(void **state)
{
    char query[QUERY_MOST_PAIRS * 2 + 2];
    struct query_pair pair;
    memset(query, '&', sizeof query);
    for (size_t i = 0; i <= QUERY_MOST_PAIRS; i++)
        query[i * 2] = 'a';
    struct query_reader reader = query_read(*state, slice_of(query, QUERY_MOST_PAIRS * 2));
    for (size_t i = 0; i < QUERY_MOST_PAIRS; i++)
        assert_int_equal(query_next(&reader, &pair), QUERY_PAIR);
    assert_int_equal(query_next(&reader, &pair), QUERY_END);
    reader = query_read(*state, slice_of(query, sizeof query));
    for (size_t i = 0; i < QUERY_MOST_PAIRS; i++)
        assert_int_equal(query_next(&reader, &pair), QUERY_PAIR);
    assert_int_equal(query_next(&reader, &pair), QUERY_TOO_MANY);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(refuses_a_bare_nul),
        cmocka_unit_test(copies_only_what_is_encoded),
        cmocka_unit_test(reads_pairs),
        cmocka_unit_test(reads_nothing_from_nothing),
        cmocka_unit_test(bounds_the_count),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
