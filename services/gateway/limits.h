/* limits.h -- how often one principal, or one address, may ask: token buckets in bounded memory. Pure, one thread's.
 *
 * A bucket holds `burst` requests and refills at `rate` a second. A full one is the same as none, so forgetting it
 * changes nothing: that is how the table stays bounded. */
#ifndef CAMPUS_GATEWAY_LIMITS_H
#define CAMPUS_GATEWAY_LIMITS_H

#include "common/slice.h"

struct limits;

enum { LIMITS_HIGHEST_RATE = 1000000, LIMITS_LARGEST_BURST = 1000000 };

/* At most `rate` requests a second (0: no limit at all), after at most `burst` at once. rate up to LIMITS_HIGHEST_RATE;
 * burst from 1 to LIMITS_LARGEST_BURST. Buckets are kept for about `capacity` keys at once, 16 bytes each. */
struct limits *limits_new(uint32_t rate, uint32_t burst, size_t capacity) __attribute__((warn_unused_result));
/* NULL is fine. */
void limits_free(struct limits *limits);

struct limits_result {
    bool allowed;
    uint32_t limit; /* the burst; 0 where there is no limit */
    uint32_t remaining; /* that may follow at once */
    uint32_t reset_ms; /* until the bucket is full again */
    uint32_t retry_after_ms; /* where refused, until one is allowed; else 0 */
};

/* Takes one request from the bucket of `key` (a principal's id, a client's address; any bytes). A refused one costs
 * nothing. now_us is clock_monotonic_us(). */
struct limits_result limits_take(struct limits *limits, struct slice key, int64_t now_us)
    __attribute__((warn_unused_result));
/* Gives back what was taken and turned out not to count. */
void limits_give(struct limits *limits, struct slice key);

#endif
