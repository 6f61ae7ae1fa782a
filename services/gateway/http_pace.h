/* http_pace.h -- the time that a connection may take: one timer for its phases and for its writing.
 *
 * A phase has its time as a whole: what comes in it does not prolong it. Writing has its time for each WRITE_PROGRESS
 * bytes, so that a slow reader is served and one that reads nothing, or a byte at a time, is not. */
#ifndef CAMPUS_GATEWAY_HTTP_PACE_H
#define CAMPUS_GATEWAY_HTTP_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;

enum { WRITE_PROGRESS = 64 << 10 };

struct http_pace {
    struct event *timer; /* may fire too early; whoever it wakes asks again */
    int64_t phase_us, write_us, armed_us; /* monotonic; 0: none */
    uint64_t sent_at; /* bytes ever sent when write_us was set */
};

/* Begins a phase that may take so long; 0: for ever. */
void http_pace_begin(struct http_pace *pace, uint32_t ms);
/* So many bytes are queued and not written, and so many were ever written: sees to write_us. */
void http_pace_write(struct http_pace *pace, size_t unsent, uint64_t sent, uint32_t write_ms, int64_t now);
/* Sets the timer, unless it will fire early enough. A deadline that moves away therefore costs nothing. */
void http_pace_arm(struct http_pace *pace, int64_t now);

static inline bool http_pace_stalled(const struct http_pace *pace, int64_t now)
{
    return pace->write_us && pace->write_us <= now;
}

static inline bool http_pace_late(const struct http_pace *pace, int64_t now)
{
    return pace->phase_us && pace->phase_us <= now;
}

#endif
