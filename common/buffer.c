/* buffer.c -- growth by doubling, which an arena mostly does in place. */
#include "common/buffer.h"

#include <stdio.h>
#include <stdlib.h>

void buffer_reserve_slow(struct buffer *buffer, size_t more)
{
    size_t wanted = buffer->capacity ? buffer->capacity * 2 : 256;
    if (wanted < buffer->size + more)
        wanted = buffer->size + more;
    buffer->data = arena_grow(buffer->arena, buffer->data, buffer->capacity, wanted);
    buffer->capacity = wanted;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    enum { USUAL = 64 }; /* what is no longer is formatted once */
    va_list args, again;
    buffer_reserve(buffer, USUAL);
    size_t room = buffer->capacity - buffer->size;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf((char *)buffer->data + buffer->size, room, format, args);
    va_end(args);
    if (size < 0)
        abort();
    if ((size_t)size >= room) {
        buffer_reserve(buffer, (size_t)size + 1);
        vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, again);
    }
    buffer->size += (size_t)size;
    va_end(again);
}
