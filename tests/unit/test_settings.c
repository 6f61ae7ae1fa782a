/* test_settings.c -- what an operator can set: which source wins, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/settings.h"

#include <ctype.h>
#include <stdlib.h>

static struct arena *arena;
static struct settings settings;

/* Nothing of the environment in which the tests run. */
static void unset(const char *name)
{
    char *variable = arena_printf(arena, "CAMPUS_%s", name);
    for (char *at = variable; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    unsetenv(variable);
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
#define UNSET_TEXT(name, initial, help) unset(#name);
#define UNSET_NUMBER(name, initial, least, most, help) unset(#name);
    SETTINGS(UNSET_TEXT, UNSET_NUMBER)
    settings = (struct settings){ 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* NULL, or what is refused; the words that are no settings joined by "|" in *rest. */
static const char *read_words(const char *const *words, char **rest)
{
    char *argv[8] = { arena_strdup(arena, "campus") };
    const char **left, *error = NULL;
    for (size_t i = 0; words[i]; i++)
        argv[i + 1] = arena_strdup(arena, words[i]);
    if (!settings_read(arena, &settings, argv, &left, &error))
        return error;
    *rest = arena_strdup(arena, "");
    for (; *left; left++)
        *rest = arena_printf(arena, "%s%s|", *rest, *left);
    return NULL;
}

#define READ(...) read_words((const char *const[]){ __VA_ARGS__, NULL }, &rest)

static void test_defaults(void **state)
{
    (void)state;
    char *rest;
    assert_null(READ("serve"));
    assert_string_equal(rest, "serve|");
#define CHECK_TEXT(name, initial, help) assert_string_equal(settings.name, initial);
#define CHECK_NUMBER(name, initial, least, most, help)                                                                 \
    assert_int_equal(settings.name, initial);                                                                          \
    assert_in_range(settings.name, least, most);
    SETTINGS(CHECK_TEXT, CHECK_NUMBER)
}

static void test_option_wins_over_environment(void **state)
{
    (void)state;
    char *rest;
    setenv("CAMPUS_REQUEST_MS", "500", 1);
    setenv("CAMPUS_LISTEN", "127.0.0.1:1", 1);
    assert_null(READ("serve"));
    assert_int_equal(settings.request_ms, 500);
    assert_string_equal(settings.listen, "127.0.0.1:1");
    assert_null(READ("--request_ms=600", "--listen=", "--request_ms=700"));
    assert_int_equal(settings.request_ms, 700); /* the last */
    assert_string_equal(settings.listen, "");
    assert_string_equal(rest, "");
}

static void test_range(void **state)
{
    (void)state;
    static const char *const wrong[] = { "99",
                                         "600001",
                                         "-1",
                                         "+100",
                                         " 100",
                                         "1e3",
                                         "0x200",
                                         "100ms",
                                         "",
                                         "x",
                                         "18446744073709551716",
                                         "99999999999999999999999" };
    char *rest;
    assert_null(READ("--request_ms=100"));
    assert_int_equal(settings.request_ms, 100);
    assert_null(READ("--request_ms=600000"));
    assert_int_equal(settings.request_ms, 600000);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *error = READ(arena_printf(arena, "--request_ms=%s", wrong[i]));
        assert_non_null(error);
        assert_string_equal(
            error, arena_printf(arena, "setting request_ms: '%s' is not a number from 100 to 600000", wrong[i]));
    }
}

static void test_range_of_the_environment(void **state)
{
    (void)state;
    char *rest;
    setenv("CAMPUS_CREDITS", "0", 1);
    assert_string_equal(READ("serve"), "setting credits: '0' is not a number from 1 to 4096");
}

/* What is no setting is the command's to know or to refuse. */
static void test_rest(void **state)
{
    (void)state;
    char *rest;
    assert_null(READ("serve", "--request_ms=200", "--requestms=5", "--request_ms", "-request_ms=5", "events"));
    assert_string_equal(rest, "serve|--requestms=5|--request_ms|-request_ms=5|events|");
    assert_int_equal(settings.request_ms, 200);
    assert_null(READ("--database=host=/x dbname=y")); /* the first = ends the name */
    assert_string_equal(settings.database, "host=/x dbname=y");
}

static void test_help(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    settings_help(out);
    fclose(out);
#define HELP_TEXT(name, initial, help) assert_non_null(strstr(text, "  --" #name "=" initial "\n        " help "\n"));
#define HELP_NUMBER(name, initial, least, most, help)                                                                  \
    assert_non_null(strstr(text, "  --" #name "=" #initial "\n        " help "\n"));
    SETTINGS(HELP_TEXT, HELP_NUMBER)
    free(text);
}

static void test_list(void **state)
{
    (void)state;
    const char *const *list = settings_list(arena, "a, b,,c");
    assert_string_equal(list[0], "a");
    assert_string_equal(list[1], "b");
    assert_string_equal(list[2], "c");
    assert_null(list[3]);
    assert_null(settings_list(arena, "")[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults), TEST(test_option_wins_over_environment),
        TEST(test_range),    TEST(test_range_of_the_environment),
        TEST(test_rest),     TEST(test_help),
        TEST(test_list),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
