/* test_http_response.c -- which bodies are copied, and which are referred to. */
#include "services/gateway/http_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SMALL = 100, LARGE = 100000 };

static const struct {
    int status;
    bool head, lasting;
    size_t size, copied, referred;
} cases[] = {
    { 200, false, false, SMALL, SMALL, 0 }, { 200, false, false, LARGE, LARGE, 0 },
    { 200, false, true, SMALL, SMALL, 0 },  { 200, false, true, LARGE, 0, LARGE },
    { 200, true, true, LARGE, 0, 0 },       { 200, true, false, LARGE, 0, 0 },
    { 304, false, true, LARGE, 0, 0 },      { 204, false, false, SMALL, 0, 0 },
};

static void copies_or_refers(void **state)
{
    static const uint8_t body[LARGE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct http_response response = { .status = cases[i].status,
                                                .type = slice_text("text/plain"),
                                                .body = slice_of(body, cases[i].size),
                                                .lasting = cases[i].lasting };
        const struct http_manner manner = { .date = "Sun, 06 Nov 1994 08:49:37 GMT", .head = cases[i].head };
        size_t bound = http_response_bound(&response);
        uint8_t *out = malloc(bound);
        assert_non_null(out);
        size_t size = http_response_write(out, &response, &manner);
        assert_true(size < bound);
        const uint8_t *end = memmem(out, size, "\r\n\r\n", 4);
        assert_non_null(end);
        assert_int_equal(size - (size_t)(end + 4 - out), cases[i].copied);
        assert_int_equal(http_response_referred(&response, &manner), cases[i].referred);
        free(out);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(copies_or_refers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
