/* arena.h -- memory that goes away together: of a call, of an exchange, of the program's start.
 *
 * Nothing is freed one by one. Out of memory aborts: what a user controls is bounded before it is taken. */
#ifndef CAMPUS_ARENA_H
#define CAMPUS_ARENA_H

#include "common/slice.h"

#include <stdarg.h>

struct arena;

struct arena *arena_new(void);
/* Runs the clean-ups, newest first, and frees all. NULL is fine. */
void arena_free(struct arena *arena);
/* Runs the clean-ups and forgets all, but keeps the first block warm for the next use. */
void arena_reset(struct arena *arena);

/* Never NULL; aligned for any type; not zeroed. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2), returns_nonnull));
/* The same, zeroed. */
void *arena_zalloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2), returns_nonnull));
/* Grows the newest allocation in place where there is room, else copies it. `old` may be NULL with old_size 0. */
void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size) __attribute__((returns_nonnull));

char *arena_strdup(struct arena *arena, const char *text);
/* A NUL-terminated copy of a slice. */
char *arena_text(struct arena *arena, struct slice text);
struct slice arena_copy(struct arena *arena, struct slice bytes);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hangs what is not memory on the arena: cleanup(context) runs at reset and at free. */
void arena_defer(struct arena *arena, void (*cleanup)(void *context), void *context);

/* Bytes taken from the system, for limits and metrics. */
size_t arena_size(const struct arena *arena);

#endif
