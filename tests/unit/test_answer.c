/* test_answer.c -- what a WRITE's key is bound to, and how PostgreSQL's refusals are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/answer.h"

static const uint8_t secret[ANSWER_SECRET] = "sixteen and another sixteen byte";

static void test_key_hash(void **state)
{
    (void)state;
    static const uint8_t of_abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea }; /* FIPS 180-2, B.1 */
    uint8_t hash[ANSWER_HASH];
    answer_key_hash("abc", hash);
    assert_memory_equal(hash, of_abc, sizeof of_abc);
}

/* Any two of them are two requests. */
static void test_fingerprints_differ(void **state)
{
    (void)state;
    static const char *const x[] = { "x" }, *const x_y[] = { "x", "y" }, *const xy[] = { "xy" };
    const struct answer_request requests[] = {
        { .method = "PatchThing", .body = slice_text("ab") },
        { .method = "PatchThin", .body = slice_text("ab") },
        { .method = "PatchThin", .body = slice_text("gab") },
        { .method = "PatchThing", .body = slice_text("abc") },
        { .method = "PatchThing", .body = slice_of("ab", 3) },
        { .method = "PatchThing", .body = slice_of(NULL, 0) },
        { .method = "PatchThing", .if_version = 1, .body = slice_text("ab") },
        { .method = "PatchThing", .if_version = INT64_C(1) << 40, .body = slice_text("ab") },
        { .method = "PatchThing", .set = x, .set_count = 1, .body = slice_text("ab") },
        { .method = "PatchThing", .set = x_y, .set_count = 2, .body = slice_text("ab") },
        { .method = "PatchThing", .set = xy, .set_count = 1, .body = slice_text("ab") },
        { .method = "PatchThing", .body = slice_of("x\0ab", 4) }, /* a body that begins as a path ends */
        { .method = "PatchThing", .set = x, .set_count = 1, .body = slice_of("y\0ab", 4) },
    };
    enum { COUNT = sizeof requests / sizeof *requests };
    uint8_t hashes[COUNT][ANSWER_HASH];
    for (size_t i = 0; i < COUNT; i++) {
        answer_fingerprint(secret, &requests[i], hashes[i]);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], ANSWER_HASH);
    }
}

static void test_fingerprint_is_the_same_again(void **state)
{
    (void)state;
    const char *const set[] = { "title" };
    const struct answer_request request = { "PatchThing", 3, set, 1, slice_text("body") };
    uint8_t one[ANSWER_HASH], again[ANSWER_HASH], elsewhere[ANSWER_HASH];
    answer_fingerprint(secret, &request, one);
    answer_fingerprint(secret, &request, again);
    assert_memory_equal(one, again, ANSWER_HASH);
    answer_fingerprint((const uint8_t *)"another server's secret of 32 B.", &request, elsewhere);
    assert_memory_not_equal(one, elsewhere, ANSWER_HASH);
}

static void test_tail(void **state)
{
    (void)state;
    assert_non_null(strstr(answer_tail(true), "INSERT INTO fact"));
    assert_null(strstr(answer_tail(false), "INSERT INTO fact"));
    assert_non_null(strstr(answer_tail(false), "UPDATE answer SET rows"));
    assert_int_equal(answer_tail(true)[0], '\n'); /* behind a comment too */
    assert_int_equal(answer_tail(false)[0], '\n');
}

static void test_replay_and_refusal(void **state)
{
    (void)state;
    assert_true(answer_is_replay("23505", "answer"));
    assert_false(answer_is_replay("23505", "thing"));
    assert_false(answer_is_replay("23502", "answer"));
    assert_true(answer_is_refusal("23502", "answer", "rows"));
    assert_false(answer_is_refusal("23502", "answer", "method"));
    assert_false(answer_is_refusal("23502", "thing", "rows"));
    assert_false(answer_is_refusal("23505", "answer", "rows"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_hash),
        cmocka_unit_test(test_fingerprints_differ),
        cmocka_unit_test(test_fingerprint_is_the_same_again),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_replay_and_refusal),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
