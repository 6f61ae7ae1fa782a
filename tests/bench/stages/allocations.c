/* allocations.c -- the C library's allocator behind a counter. Libraries are counted too: they call this one. */
#include "tests/bench/stages/measure.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

long allocations_so_far(void)
{
    return -1;
}

#else

/* glibc's own names of them, there to be called by who stands in front of them. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static atomic_long count;

long allocations_so_far(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

static void add_one(void)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    add_one();
    return __libc_malloc(size);
}

void *calloc(size_t members, size_t size)
{
    add_one();
    return __libc_calloc(members, size);
}

void *realloc(void *old, size_t size)
{
    add_one();
    return __libc_realloc(old, size);
}

#endif
