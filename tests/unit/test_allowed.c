/* test_allowed.c -- a list of allowed keys as a file has it: what is one, and what each line says. */
#include "tests/unit/arena_fixture.h"

#include "common/allowed.h"

#include <stdlib.h>
#include <unistd.h>

#define FIRST "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SECOND "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

/* NULL where the file is refused, with its complaint in *error. */
static struct allowed *load(struct slice content, const char **error)
{
    char path[] = "/tmp/campus-allowed-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, content.data, content.size), content.size);
    assert_int_equal(close(file), 0);
    struct allowed *allowed = allowed_load(arena, path, error);
    assert_int_equal(unlink(path), 0);
    return allowed;
}

static void test_lines_say_who_may(void **state)
{
    const char *error = NULL;
    (void)state;
    struct allowed *allowed =
        load(slice_text("# KEY ROLES NAME\n\n" FIRST " membership,tally first\r\n" SECOND " * second"), &error);
    assert_non_null(allowed);
    assert_string_equal(allowed_name(allowed, FIRST), "first");
    assert_true(allowed_may(allowed, FIRST, "membership"));
    assert_true(allowed_may(allowed, FIRST, "tally"));
    assert_false(allowed_may(allowed, FIRST, "member"));
    assert_true(allowed_may(allowed, SECOND, "membership"));
    assert_null(allowed_name(allowed, ""));
    allowed_free(allowed);
}

struct content {
    const char *bytes;
    size_t size;
};

#define CASE(text)                                                                                                     \
    {                                                                                                                  \
        (text), sizeof(text) - 1                                                                                       \
    }

/* Nothing in a file that is taken has gone unread. Found by fuzz_allowed: behind a NUL, or a CR alone, more may stand. */
static void test_what_would_go_unread_is_refused(void **state)
{
    static const struct content cases[] = {
        CASE(FIRST " a first\0" SECOND " b second"),
        CASE("# comment\0" FIRST " a first"),
        CASE("\0"),
        CASE(FIRST " a first\r" SECOND " b second\n"),
        CASE("# comment\r" FIRST " a first"),
        CASE(FIRST " a first more\n"),
        CASE(FIRST " a\n"),
        CASE(FIRST "\n"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *error = NULL;
        assert_null(load(slice_of(cases[i].bytes, cases[i].size), &error));
        assert_non_null(strstr(error, "line 1 "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_say_who_may),
        TEST(test_what_would_go_unread_is_refused),
    };
    return cmocka_run_group_tests_name("allowed", tests, NULL, NULL);
}
