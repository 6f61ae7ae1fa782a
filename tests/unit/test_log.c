/* test_log.c -- one line an event, which nobody can forge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_LINE = 1024, THREADS = 8, LINES = 200, STAMP = 25 };

static FILE *caught;
static int own_stderr;

/* Standard error goes to a file of this test, until said() reads it. */
static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_INFO);
    log_set_role("main");
    caught = tmpfile();
    own_stderr = dup(STDERR_FILENO);
    if (!caught || own_stderr < 0 || dup2(fileno(caught), STDERR_FILENO) < 0)
        return -1;
    return 0;
}

static void release(void)
{
    dup2(own_stderr, STDERR_FILENO);
}

static int tear_down(void **state)
{
    (void)state;
    release();
    close(own_stderr);
    return fclose(caught);
}

/* What was logged so far; assertions speak to the real standard error again. */
static const char *said(void)
{
    static char text[THREADS * LINES * LONGEST_LINE];
    release();
    rewind(caught);
    text[fread(text, 1, sizeof text - 1, caught)] = '\0';
    return text;
}

static void test_line(void **state)
{
    (void)state;
    log_set_role("gateway");
    log_warning("slow statement", "method=%s ms=%d", "GetPerson", 1200);
    const char *line = said();
    int year, month, day, hour, minute, second, millisecond;
    assert_int_equal(
        sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &year, &month, &day, &hour, &minute, &second, &millisecond), 7);
    assert_in_range(year, 2024, 9999);
    assert_string_equal(line + STAMP - 1, " warning gateway: slow statement method=GetPerson ms=1200\n");
}

static void test_line_without_pairs(void **state)
{
    (void)state;
    log_error("stopped", "%s", "");
    log_info("ready", "x=1");
    const char *text = said();
    assert_non_null(strstr(text, " error main: stopped"));
    assert_non_null(strstr(text, "\n20")); /* the second begins a line */
    assert_non_null(strstr(text, " info main: ready x=1\n"));
}

static void test_levels(void **state)
{
    (void)state;
    log_debug("d", "n=%d", 1);
    log_info("i", "n=%d", 1);
    log_set_level(LOG_ERROR);
    log_warning("w", "n=%d", 1);
    log_error("e", "n=%d", 1);
    const char *text = said();
    assert_null(strstr(text, " debug "));
    assert_non_null(strstr(text, " info main: i n=1\n"));
    assert_null(strstr(text, " warning "));
    assert_non_null(strstr(text, " error main: e n=1\n"));
}

static void test_control_characters_forge_no_line(void **state)
{
    (void)state;
    char all[34] = "";
    for (int i = 1; i < 32; i++)
        all[i - 1] = (char)i;
    all[31] = 0x7f;
    log_info("a\nb", "code=%s!", "x\n2026-01-01T00:00:00.000Z error main: forged\r\x1b[2J");
    log_info("c", "%s张", all);
    const char *text = said(), *newline = strchr(text, '\n');
    assert_non_null(strstr(text, ": a?b code=x?2026-01-01T00:00:00.000Z error main: forged??[2J!\n"));
    assert_non_null(strstr(newline, " c ????????????????????????????????张\n"));
    assert_string_equal(strchr(newline + 1, '\n'), "\n"); /* two lines, no more */
    for (const char *at = text; *at; at++)
        assert_true(*at == '\n' || ((unsigned char)*at >= ' ' && *at != 0x7f));
}

static void test_too_long_is_cut(void **state)
{
    (void)state;
    for (int size = 900; size < 1100; size++)
        log_info("w", "%*d", size, 7);
    log_info("a very long what", "%s", "");
    const char *text = said();
    for (int size = 900; size < 1100; size++) {
        size_t length = strcspn(text, "\n") + 1;
        size_t whole = strlen("2026-01-01T00:00:00.000Z info main: w ") + (size_t)size + 1;
        assert_int_equal(length, whole < LONGEST_LINE ? whole : LONGEST_LINE);
        text += length;
    }
    assert_non_null(strstr(text, "a very long what"));
}

static void *write_lines(void *context)
{
    log_set_role(context);
    for (int i = 0; i < LINES; i++)
        log_info("turn", "role=%s filler=%0*d", (const char *)context, 300, i);
    return NULL;
}

/* Each role is its thread's own, and lines do not mix. */
static void test_threads(void **state)
{
    (void)state;
    static char names[THREADS][2];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        names[i][0] = (char)('a' + i);
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_info("end", "%s", "x");
    const char *text = said();
    for (int i = 0; i < THREADS * LINES; i++) {
        char role, told;
        assert_int_equal(sscanf(text + STAMP, "info %c: turn role=%c filler=", &role, &told), 2);
        assert_int_equal(role, told);
        text += strcspn(text, "\n") + 1;
    }
    assert_non_null(strstr(text, " info main: end x\n"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line),
        TEST(test_line_without_pairs),
        TEST(test_levels),
        TEST(test_control_characters_forge_no_line),
        TEST(test_too_long_is_cut),
        TEST(test_threads),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
