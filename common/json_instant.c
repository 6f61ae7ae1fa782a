/* json_instant.c -- RFC 3339 §5.6, both ways. */
#include "common/json.h"

#include "common/calendar.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
/* 0001-01-01T00:00:00Z and the last microsecond of the year 9999. */
#define FIRST_INSTANT (-719162 * DAY)
#define LAST_INSTANT (2932897 * DAY - 1)

enum { FRACTION_DIGITS = 6 };

static uint8_t *put_digits(uint8_t *at, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

static uint8_t *put_pair(uint8_t *at, int64_t value, uint8_t behind)
{
    at = put_digits(at, value, 2);
    *at++ = behind;
    return at;
}

void json_instant_format(struct buffer *out, int64_t microseconds)
{
    /* PostgreSQL's infinities lie outside: they become the ends of what can be written. */
    if (microseconds < FIRST_INSTANT)
        microseconds = FIRST_INSTANT;
    if (microseconds > LAST_INSTANT)
        microseconds = LAST_INSTANT;
    int64_t days = microseconds / DAY - (microseconds % DAY < 0), of_day = microseconds - days * DAY;
    int64_t seconds = of_day / SECOND, fraction = of_day % SECOND;
    struct calendar_day day = calendar_from_days(days);
    buffer_reserve(out, sizeof "9999-12-31T23:59:59.999999Z");
    uint8_t *at = put_digits(out->data + out->size, day.year, 4);
    *at++ = '-';
    at = put_pair(at, day.month, '-');
    at = put_pair(at, day.day, 'T');
    at = put_pair(at, seconds / 3600, ':');
    at = put_pair(at, seconds / 60 % 60, ':');
    at = put_digits(at, seconds % 60, 2);
    if (fraction) {
        *at++ = '.';
        at = put_digits(at, fraction, FRACTION_DIGITS);
        while (at[-1] == '0')
            at--;
    }
    *at++ = 'Z';
    out->size = (size_t)(at - out->data);
}

struct cursor {
    const uint8_t *at, *end;
    bool bad;
};

static int take_digits(struct cursor *c, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9') {
            c->bad = true;
            return 0;
        }
        value = value * 10 + (*c->at++ - '0');
    }
    return value;
}

/* A letter of the grammar stands in either case (RFC 3339 §5.6). */
static bool take(struct cursor *c, uint8_t expected)
{
    if (c->at == c->end ||
        (*c->at != expected && (expected != 'T' || *c->at != 't') && (expected != 'Z' || *c->at != 'z')))
        return false;
    c->at++;
    return true;
}

static void need(struct cursor *c, uint8_t expected)
{
    c->bad |= !take(c, expected);
}

static int64_t take_fraction(struct cursor *c)
{
    int64_t value = 0;
    int digits = 0;
    if (!take(c, '.'))
        return 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; digits++, c->at++)
        if (digits < FRACTION_DIGITS)
            value = value * 10 + (*c->at - '0');
    c->bad |= digits == 0 || digits > FRACTION_DIGITS;
    for (; digits < FRACTION_DIGITS; digits++)
        value *= 10;
    return value;
}

static int64_t take_time(struct cursor *c)
{
    int hour = take_digits(c, 2);
    need(c, ':');
    int minute = take_digits(c, 2);
    need(c, ':');
    int second = take_digits(c, 2);
    c->bad |= hour > 23 || minute > 59 || second > 59; /* a leap second has no instant of its own here */
    return (hour * 3600 + minute * 60 + second) * SECOND + take_fraction(c);
}

static int64_t take_offset(struct cursor *c)
{
    if (take(c, 'Z'))
        return 0;
    bool west = take(c, '-');
    if (!west)
        need(c, '+');
    int hour = take_digits(c, 2);
    need(c, ':');
    int minute = take_digits(c, 2);
    c->bad |= hour > 23 || minute > 59;
    return (west ? -1 : 1) * (hour * 3600 + minute * 60) * SECOND;
}

bool json_instant_parse(struct slice text, int64_t *microseconds)
{
    if (text.size == 0)
        return false;
    struct cursor c = { .at = text.data, .end = text.data + text.size };
    struct calendar_day day = { .year = take_digits(&c, 4) };
    need(&c, '-');
    day.month = take_digits(&c, 2);
    need(&c, '-');
    day.day = take_digits(&c, 2);
    need(&c, 'T');
    int64_t time = take_time(&c);
    int64_t offset = take_offset(&c);
    if (c.bad || c.at != c.end || !calendar_exists(day))
        return false;
    *microseconds = calendar_to_days(day) * DAY + time - offset;
    return *microseconds >= FIRST_INSTANT && *microseconds <= LAST_INSTANT;
}
