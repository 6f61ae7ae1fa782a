/* buffer.h -- bytes that grow at the end, in an arena. What a buffer holds lives as long as its arena. */
#ifndef CAMPUS_BUFFER_H
#define CAMPUS_BUFFER_H

#include "common/arena.h"

struct buffer {
    struct arena *arena;
    uint8_t *data;
    size_t size, capacity;
};

static inline struct buffer buffer_in(struct arena *arena)
{
    return (struct buffer){ .arena = arena };
}

void buffer_reserve_slow(struct buffer *buffer, size_t more);

/* Room for `more` bytes behind the end: buffer->data + buffer->size may be written that far. */
static inline void buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->size < more)
        buffer_reserve_slow(buffer, more);
}

static inline void buffer_byte(struct buffer *buffer, uint8_t byte)
{
    buffer_reserve(buffer, 1);
    buffer->data[buffer->size++] = byte;
}

static inline void buffer_add(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    buffer_reserve(buffer, size);
    memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
}

static inline void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data, buffer->size);
}

/* The text so far with a NUL behind it, which does not count as size. */
static inline char *buffer_cstring(struct buffer *buffer)
{
    buffer_byte(buffer, '\0');
    buffer->size--;
    return (char *)buffer->data;
}

#endif
