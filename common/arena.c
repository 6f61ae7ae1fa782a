/* arena.c -- blocks that double, a bump pointer, and a list of clean-ups. */
#include "common/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 4096, LARGEST_STEP = 1 << 20 };

struct block {
    struct block *older;
    size_t size, used;
    alignas(max_align_t) uint8_t bytes[];
};

struct cleanup {
    struct cleanup *older;
    void (*run)(void *context);
    void *context;
};

struct arena {
    struct block *newest;
    struct cleanup *cleanups;
    size_t total;
};

static struct block *block_new(struct block *older, size_t size)
{
    struct block *block = malloc(sizeof *block + size);
    if (!block)
        abort();
    *block = (struct block){ .older = older, .size = size };
    return block;
}

struct arena *arena_new(void)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        abort();
    arena->newest = block_new(NULL, FIRST_BLOCK);
    arena->total = FIRST_BLOCK;
    return arena;
}

void arena_reset(struct arena *arena)
{
    /* The records lie in the arena itself, so all run before any block goes. */
    for (struct cleanup *c = arena->cleanups; c; c = c->older)
        c->run(c->context);
    arena->cleanups = NULL;
    while (arena->newest->older) {
        struct block *older = arena->newest->older;
        free(arena->newest);
        arena->newest = older;
    }
    arena->newest->used = 0;
    arena->total = arena->newest->size;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    arena_reset(arena);
    free(arena->newest);
    free(arena);
}

static size_t aligned(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct block *block = arena->newest;
    size = aligned(size ? size : 1);
    if (block->size - block->used < size) {
        size_t next = block->size < LARGEST_STEP ? block->size * 2 : LARGEST_STEP;
        block = arena->newest = block_new(block, size > next ? size : next);
        arena->total += block->size;
    }
    void *bytes = block->bytes + block->used;
    block->used += size;
    return bytes;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size)
{
    struct block *block = arena->newest;
    size_t taken = aligned(old_size ? old_size : 1), wanted = aligned(new_size);
    if (old && (uint8_t *)old + taken == block->bytes + block->used && block->size - (block->used - taken) >= wanted) {
        block->used += wanted - taken;
        return old;
    }
    void *bytes = arena_alloc(arena, new_size);
    if (old && old_size)
        memcpy(bytes, old, old_size < new_size ? old_size : new_size);
    return bytes;
}

char *arena_text(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.size + 1);
    if (text.size)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_text(arena, slice_text(text));
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    return slice_of(arena_text(arena, bytes), bytes.size);
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0)
        abort();
    char *text = arena_alloc(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

void arena_defer(struct arena *arena, void (*cleanup)(void *context), void *context)
{
    struct cleanup *record = arena_alloc(arena, sizeof *record);
    *record = (struct cleanup){ .older = arena->cleanups, .run = cleanup, .context = context };
    arena->cleanups = record;
}

size_t arena_size(const struct arena *arena)
{
    return arena->total;
}
