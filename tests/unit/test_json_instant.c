/* test_json_instant.c -- RFC 3339 both ways, and every day of 9999 years. */
#include "tests/unit/json_fixture.h"

/* ---- instants ---- */

static const struct {
    const char *text;
    bool valid;
    int64_t microseconds;
    const char *back; /* NULL: the same */
} instants[] = {
    { "1970-01-01T00:00:00Z", true, 0, NULL },
    { "1969-12-31T23:59:59.999999Z", true, -1, NULL },
    { "2000-02-29T12:34:56.7Z", true, INT64_C(951827696700000), NULL },
    { "2026-09-01T08:00:00Z", true, INT64_C(1788249600000000), NULL },
    { "2026-09-01t08:00:00z", true, INT64_C(1788249600000000), "2026-09-01T08:00:00Z" },
    { "2026-09-01T16:00:00+08:00", true, INT64_C(1788249600000000), "2026-09-01T08:00:00Z" },
    { "2026-08-31T23:30:00-08:30", true, INT64_C(1788249600000000), "2026-09-01T08:00:00Z" },
    { "2026-09-01T08:00:00-00:00", true, INT64_C(1788249600000000), "2026-09-01T08:00:00Z" },
    { "2026-09-01T08:00:00.000000Z", true, INT64_C(1788249600000000), "2026-09-01T08:00:00Z" },
    { "0001-01-01T00:00:00Z", true, INT64_C(-62135596800000000), NULL },
    { "9999-12-31T23:59:59.999999Z", true, INT64_C(253402300799999999), NULL },
    { "0000-12-31T23:59:59Z", false, 0, NULL },
    { "0001-01-01T00:00:00+00:01", false, 0, NULL },
    { "9999-12-31T23:59:59-00:01", false, 0, NULL },
    { "", false, 0, NULL },
    { "2026-09-01", false, 0, NULL },
    { "2026-09-01T08:00:00", false, 0, NULL },
    { "2026-09-01 08:00:00Z", false, 0, NULL },
    { "2026-09-01T08:00Z", false, 0, NULL },
    { "2026-09-01T08:00:00.Z", false, 0, NULL },
    { "2026-09-01T08:00:00.1234567Z", false, 0, NULL },
    { "2026-09-01T08:00:00Zx", false, 0, NULL },
    { "2026-09-01T24:00:00Z", false, 0, NULL },
    { "2026-09-01T08:60:00Z", false, 0, NULL },
    { "2026-06-30T23:59:60Z", false, 0, NULL },
    { "2026-09-31T08:00:00Z", false, 0, NULL },
    { "2025-02-29T08:00:00Z", false, 0, NULL },
    { "2026-09-01T08:00:00+0800", false, 0, NULL },
    { "2026-09-01T08:00:00+24:00", false, 0, NULL },
    { "2026-09-01T08:00:00+08:60", false, 0, NULL },
    { "+2026-09-01T08:00:00Z", false, 0, NULL },
    { "2026-9-1T08:00:00Z", false, 0, NULL },
};

static void test_instants(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
        int64_t microseconds = 0;
        struct buffer text = buffer_in(arena);
        struct slice given = exact(slice_text(instants[i].text));
        assert_int_equal(json_instant_parse(given, &microseconds), instants[i].valid);
        release(given);
        if (!instants[i].valid)
            continue;
        assert_true(microseconds == instants[i].microseconds);
        json_instant_format(&text, microseconds);
        assert_string_equal(buffer_cstring(&text), instants[i].back ? instants[i].back : instants[i].text);
    }
}

/* Every day of 9999 years comes back. */
static void test_every_day(void **state)
{
    (void)state;
    for (int64_t day = -719162; day < 2932897; day++) {
        uint8_t room[64];
        struct buffer text = { .arena = arena, .data = room, .capacity = sizeof room };
        int64_t at = day * INT64_C(86400000000) + 1, back = 0;
        json_instant_format(&text, at);
        assert_true(json_instant_parse(buffer_slice(&text), &back) && back == at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_instants),
        TEST(test_every_day),
    };
    return cmocka_run_group_tests_name("json_instant", tests, NULL, NULL);
}
