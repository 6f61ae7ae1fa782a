/* test_status.c -- statuses in HTTP, codes in words, and a problem's complaints. */
#include "tests/unit/arena_fixture.h"

#include "common/status.h"

static void test_http(void **state)
{
    (void)state;
    static const struct {
        enum status status;
        int http;
        const char *phrase;
    } cases[] = {
        { STATUS_OK, 200, "OK" },
        { STATUS_UNAUTHENTICATED, 401, "Unauthorized" },
        { STATUS_STALE, 412, "Precondition Failed" },
        { STATUS_INVALID, 422, "Unprocessable Content" },
        { STATUS_UNAVAILABLE, 503, "Service Unavailable" },
        { STATUS_DEADLINE_EXCEEDED, 504, "Gateway Timeout" },
        { STATUS_REQUEST_TIMEOUT, 408, "Request Timeout" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(status_http(cases[i].status), cases[i].http);
        assert_string_equal(status_phrase(cases[i].status), cases[i].phrase);
    }
    for (enum status status = 0; status < STATUS_COUNT; status++) {
        assert_in_range(status_http(status), 200, 599);
        assert_non_null(status_phrase(status));
        for (enum status other = 0; other < status; other++)
            assert_int_not_equal(status_http(status), status_http(other));
    }
}

static void test_codes(void **state)
{
    (void)state;
    assert_int_equal(code_find("permission_denied")->status, STATUS_FORBIDDEN);
    assert_int_equal(code_find("stale_version")->status, STATUS_STALE);
    assert_int_equal(code_find("idempotency_key_reused")->status, STATUS_INVALID);
    assert_int_equal(code_find("request_in_progress")->status, STATUS_CONFLICT);
    assert_string_equal(code_find("too_long")->code, "too_long");
    assert_null(code_find("too_lon"));
    assert_null(code_find(""));
}

/* Those that the modules set by themselves: problem_set() asserts that they are there. */
static void test_codes_that_the_framework_says(void **state)
{
    (void)state;
    static const char *const said[] = {
        "not_found",         "permission_denied",   "stale_version", "conflict",
        "unavailable",       "deadline_exceeded",   "internal",      "invalid",
        "bad_page_token",    "request_in_progress", "required",      "precondition_required",
        "too_many_requests", "unauthenticated"
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct problem problem = { 0 };
        problem_set(&problem, said[i]);
        assert_string_equal(problem.code, said[i]);
        assert_int_not_equal(problem.status, STATUS_OK);
    }
}

static void test_first_complaint_gives_the_status(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    problem_add(arena, &problem, "/name", "too_long", "100");
    assert_int_equal(problem.status, STATUS_INVALID);
    assert_string_equal(problem.code, "invalid"); /* as a whole */
    problem_add(arena, &problem, "page_token", "bad_page_token", NULL);
    assert_int_equal(problem.status, STATUS_INVALID);
    assert_int_equal(problem.count, 2);
    assert_string_equal(problem.first->pointer, "/name");
    assert_string_equal(problem.first->code, "too_long");
    assert_string_equal(problem.first->argument, "100");
    assert_string_equal(problem.first->next->code, "bad_page_token");
    assert_ptr_equal(problem.first->next, problem.last);
    assert_null(problem.last->next);
}

static void test_complaint_of_another_status(void **state)
{
    (void)state;
    struct problem problem = { 0 }, own = { 0 };
    problem_add(arena, &problem, "page_token", "bad_page_token", NULL);
    assert_int_equal(problem.status, STATUS_BAD_REQUEST);
    assert_string_equal(problem.code, "bad_page_token");
    problem_add(arena, &own, "/title", "title_taken", NULL); /* a method's own */
    assert_int_equal(own.status, STATUS_INVALID);
    assert_string_equal(own.code, "invalid");
}

static void test_complaints_are_bounded(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    size_t count = 0;
    for (int i = 0; i < MOST_VIOLATIONS + 10; i++)
        problem_add(arena, &problem, arena_printf(arena, "/%d", i), "required", NULL);
    for (const struct violation *v = problem.first; v; v = v->next)
        count++;
    assert_int_equal(count, MOST_VIOLATIONS);
    assert_int_equal(problem.count, MOST_VIOLATIONS);
    assert_string_equal(problem.last->pointer, "/49");
}

static void test_set_keeps_the_complaints(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    problem_add(arena, &problem, "/a", "required", NULL);
    problem_set(&problem, "internal");
    assert_int_equal(problem.status, STATUS_INTERNAL);
    assert_int_equal(problem.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http),
        TEST(test_codes),
        TEST(test_codes_that_the_framework_says),
        TEST(test_first_complaint_gives_the_status),
        TEST(test_complaint_of_another_status),
        TEST(test_complaints_are_bounded),
        TEST(test_set_keeps_the_complaints),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
