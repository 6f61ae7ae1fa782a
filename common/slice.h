/* slice.h -- a borrowed run of bytes. Whoever hands one out says how long it lives. */
#ifndef CAMPUS_SLICE_H
#define CAMPUS_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL where size is 0 */
    size_t size;
};

static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){ .data = data, .size = size };
}

static inline struct slice slice_text(const char *text)
{
    return slice_of(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice s, const char *text)
{
    return slice_equal(s, slice_text(text));
}

/* Without the blanks (spaces, tabs) around it. */
static inline struct slice slice_trimmed(struct slice s)
{
    for (; s.size && (s.data[0] == ' ' || s.data[0] == '\t'); s.size--)
        s.data++;
    while (s.size && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

/* FNV-1a, folded: spreads values over few places, and hides nothing. */
static inline uint32_t slice_hash(struct slice s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.size; i++)
        hash = (hash ^ s.data[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
