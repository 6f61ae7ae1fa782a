/* http_pace.c -- deadlines, and the timer that looks at them. */
#include "services/gateway/http_pace.h"

#include "common/clock.h"

#include <event2/event.h>

void http_pace_begin(struct http_pace *pace, uint32_t ms)
{
    pace->phase_us = ms ? clock_monotonic_us() + (int64_t)ms * 1000 : 0;
}

void http_pace_write(struct http_pace *pace, size_t unsent, uint64_t sent, uint32_t write_ms, int64_t now)
{
    if (unsent == 0) {
        pace->write_us = 0;
    } else if (!pace->write_us || sent - pace->sent_at >= WRITE_PROGRESS) {
        pace->sent_at = sent;
        pace->write_us = now + (int64_t)write_ms * 1000;
    }
}

void http_pace_arm(struct http_pace *pace, int64_t now)
{
    int64_t due = pace->phase_us;
    if (pace->write_us && (!due || pace->write_us < due))
        due = pace->write_us;
    if (!due || (pace->armed_us && pace->armed_us <= due))
        return;
    int64_t left = due > now ? due - now : 0;
    struct timeval wait = { .tv_sec = left / 1000000, .tv_usec = left % 1000000 };
    event_add(pace->timer, &wait);
    pace->armed_us = due;
}
