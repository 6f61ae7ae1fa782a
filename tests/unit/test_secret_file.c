/* test_secret_file.c -- a secret is the first line of its file, and never nothing. */
#include "tests/unit/arena_fixture.h"

#include "common/secret_file.h"

#include <stdlib.h>
#include <unistd.h>

static bool read_text(const char *text, size_t size, const char **secret, const char **error)
{
    char path[] = "/tmp/campus-secret-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, size) == (ssize_t)size && close(fd) == 0);
    bool read = secret_file_read(arena, "password_file", path, secret, error);
    unlink(path);
    return read;
}

static void test_the_first_line(void **state)
{
    (void)state;
    static const char *const texts[] = { "correct horse", "correct horse\n", "correct horse\r\nbattery\n" };
    const char *secret, *error = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(read_text(texts[i], strlen(texts[i]), &secret, &error));
        assert_string_equal(secret, "correct horse");
    }
}

static void test_nothing_is_none(void **state)
{
    (void)state;
    const char *secret, *error = NULL;
    char *huge = arena_alloc(arena, 5000);
    memset(huge, 'a', 5000);
    assert_false(read_text("", 0, &secret, &error));
    assert_false(read_text("\nsecret", 7, &secret, &error));
    assert_false(read_text(huge, 5000, &secret, &error));
    assert_true(read_text(huge, 4096, &secret, &error));
    assert_false(secret_file_read(arena, "password_file", "/nowhere", &secret, &error));
    assert_string_equal(error, "setting password_file: '/nowhere' is no readable file with a secret");
    assert_false(secret_file_read(arena, "password_file", "/tmp", &secret, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_the_first_line), TEST(test_nothing_is_none) };
    return cmocka_run_group_tests_name("secret_file", tests, NULL, NULL);
}
