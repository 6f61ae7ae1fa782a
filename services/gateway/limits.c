/* limits.c -- buckets in sets of a few, found by a keyed hash.
 *
 * A bucket is one instant: when it will be full again (the generic cell rate algorithm, ITU-T I.371). A key's bucket
 * is in one set, as in a processor's cache; where the set is taken, the bucket that is fullest gives way, since that
 * forgets the least. The hash's key is random, so nobody can choose keys that meet in one set. No memory is taken in
 * use. */
#include "services/gateway/limits.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

enum { WAYS = 8 };

struct bucket {
    uint64_t key;
    int64_t full_ns; /* a past instant: full, as a bucket never used */
};

struct limits {
    int64_t interval_ns; /* one request's worth; 0: no limit */
    uint32_t burst;
    uint8_t secret[crypto_shorthash_KEYBYTES];
    size_t set_mask;
    struct bucket (*sets)[WAYS];
};

static size_t power_of_two(size_t least)
{
    size_t power = 1;
    while (power < least)
        power *= 2;
    return power;
}

struct limits *limits_new(uint32_t rate, uint32_t burst, size_t capacity)
{
    assert(rate <= LIMITS_HIGHEST_RATE && burst >= 1 && burst <= LIMITS_LARGEST_BURST);
    struct limits *limits = calloc(1, sizeof *limits);
    if (!limits || sodium_init() < 0)
        abort();
    if (rate == 0)
        return limits;
    size_t sets = power_of_two(capacity / WAYS);
    limits->interval_ns = 1000000000 / rate;
    limits->burst = burst;
    limits->set_mask = sets - 1;
    limits->sets = calloc(sets, sizeof *limits->sets);
    if (!limits->sets)
        abort();
    randombytes_buf(limits->secret, sizeof limits->secret);
    return limits;
}

void limits_free(struct limits *limits)
{
    if (!limits)
        return;
    free(limits->sets);
    free(limits);
}

static uint64_t hash(const struct limits *limits, struct slice key)
{
    _Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "one word");
    uint64_t word;
    crypto_shorthash((unsigned char *)&word, key.data, key.size, limits->secret);
    return word;
}

/* The key's bucket, or the fullest of its set, made the key's own and full. */
static struct bucket *bucket_of(struct limits *limits, uint64_t key)
{
    struct bucket *set = limits->sets[key & limits->set_mask], *fullest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_ns < fullest->full_ns)
            fullest = &set[i];
    }
    *fullest = (struct bucket){ .key = key };
    return fullest;
}

static uint32_t ms_up(int64_t ns)
{
    return (uint32_t)((ns + 999999) / 1000000);
}

struct limits_result limits_take(struct limits *limits, struct slice key, int64_t now_us)
{
    if (limits->interval_ns == 0)
        return (struct limits_result){ .allowed = true };
    int64_t now_ns = now_us * 1000, whole_ns = limits->interval_ns * limits->burst;
    struct bucket *bucket = bucket_of(limits, hash(limits, key));
    int64_t missing_ns = bucket->full_ns > now_ns ? bucket->full_ns - now_ns : 0;
    struct limits_result result = { .limit = limits->burst };
    result.allowed = missing_ns + limits->interval_ns <= whole_ns;
    if (result.allowed)
        missing_ns += limits->interval_ns;
    else
        result.retry_after_ms = ms_up(missing_ns + limits->interval_ns - whole_ns);
    bucket->full_ns = now_ns + missing_ns;
    result.remaining = (uint32_t)((whole_ns - missing_ns) / limits->interval_ns);
    result.reset_ms = ms_up(missing_ns);
    return result;
}

void limits_give(struct limits *limits, struct slice key)
{
    if (limits->interval_ns)
        bucket_of(limits, hash(limits, key))->full_ns -= limits->interval_ns;
}
