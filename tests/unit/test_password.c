/* test_password.c -- what a password may be, and that it is kept as said. */
#include "tests/unit/arena_fixture.h"

#include "services/membership/password.h"

#include <sodium.h>
#include <time.h>

static const char *const nobodys[] = { NULL };

static const char *fault(const char *text)
{
    return password_fault(arena, text, 12, nobodys);
}

static void test_good_ones(void **state)
{
    (void)state;
    static const char *const good[] = {
        "correct horse battery staple", "eleven lanterns below", "kX93-vTq0-LmZz",
        "黄昏的第七只鹤飞过湖面了",     "love48201957731",       "aaaaaaaaaaab", /* no repetition to its end */
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (fault(good[i]))
            fail_msg("%s: %s", good[i], fault(good[i]));
}

static void test_short_ones(void **state)
{
    (void)state;
    assert_string_equal(fault("kX93-vTq0-L"), "password_too_short");
    assert_string_equal(fault(""), "password_too_short");
    assert_string_equal(fault("黄昏的第七只鹤飞过"), "password_too_short"); /* characters, not bytes */
    assert_null(password_fault(arena, "kX93-vTq0-", 10, nobodys));
}

static void test_common_ones(void **state)
{
    (void)state;
    static const char *const common[] = {
        "1qaz2wsx3edc4rfv", "1QAZ2wsx3edc",         "Password2024",  "basketball!!",     "iloveyou    ",
        "password1234",     "123456789012",         "210987654321",  "abcdefghijkl",     "zyxwvutsrqpo",
        "aaaaaaaaaaaa",     "abcabcabcabc",         "abcabcabcabca", "passwordpassword", "Pass wo rd 2024",
        "qwertyuiop12",     "ＰＡＳＳＷＯＲＤ2024", "            ",
    };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (!fault(common[i]) || strcmp(fault(common[i]), "password_too_common") != 0)
            fail_msg("%s is admitted", common[i]);
}

static void test_personal_ones(void **state)
{
    (void)state;
    const char *const own[] = { "2026990001", "李雷", "Li Lei", "欧阳修远", "Ouyang Xiuyuan", NULL };
    static const char *const personal[] = { "my 2026990001 number", "we are OuYang xiuYUAN!!",
                                            "欧阳修远 walks home today", "o u y a n g x i u y u a n" };
    for (size_t i = 0; i < sizeof personal / sizeof *personal; i++) {
        const char *found = password_fault(arena, personal[i], 12, own);
        if (!found || strcmp(found, "password_too_personal") != 0)
            fail_msg("%s is admitted", personal[i]);
    }
    assert_null(password_fault(arena, "believe in lanterns", 12,
                               (const char *const[]){ "li", NULL })); /* too short to mean anybody */
}

static void test_hash_and_verify(void **state)
{
    (void)state;
    char one[PASSWORD_HASH], other[PASSWORD_HASH];
    unsigned long before = password_hashes();
    assert_true(password_hash("eleven lanterns", one));
    assert_true(password_hash("eleven lanterns", other));
    assert_string_not_equal(one, other); /* salted */
    assert_non_null(strstr(one, "$argon2id$v=19$m=9216,t=4,p=1$"));
    assert_true(password_verify(one, "eleven lanterns"));
    assert_false(password_verify(one, "eleven lantern"));
    assert_false(password_verify(one, ""));
    assert_false(password_is_stale(one));
    assert_int_equal(password_hashes() - before, 5);
}

/* However its accents were typed. */
static void test_forms_of_unicode(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH];
    assert_true(password_hash("caf\xc3\xa9 lanterns", hash));
    assert_true(password_verify(hash, "cafe\xcc\x81 lanterns"));
}

static void test_old_parameters_are_stale(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH];
    assert_int_equal(crypto_pwhash_str_alg(hash, "x", 1, 1, 8 << 20, crypto_pwhash_ALG_ARGON2ID13), 0);
    assert_true(password_is_stale(hash));
    assert_true(password_verify(hash, "x"));
}

static double processor_seconds(const char *hash)
{
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    assert_false(password_verify(hash, "wrong"));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

/* To be refused at once for want of a hash would be a hundred times less. */
static void test_nobody_is_as_much_work(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH];
    assert_true(password_hash("eleven lanterns", hash));
    assert_true(processor_seconds(NULL) > processor_seconds(hash) / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good_ones),
        TEST(test_short_ones),
        TEST(test_common_ones),
        TEST(test_personal_ones),
        TEST(test_hash_and_verify),
        TEST(test_forms_of_unicode),
        TEST(test_old_parameters_are_stale),
        TEST(test_nobody_is_as_much_work),
    };
    return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
