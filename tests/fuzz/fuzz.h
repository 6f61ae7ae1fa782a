/* fuzz.h -- what every fuzzer has: its entry, and a check that ends it. */
#ifndef CAMPUS_TESTS_FUZZ_H
#define CAMPUS_TESTS_FUZZ_H

#include "common/slice.h"

#include <stdlib.h>

/* Called by libFuzzer with one input after another. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What does not hold is found: libFuzzer writes the input to a file and shows the stack, with the line of this call. */
static __attribute__((noinline)) void need(bool holds)
{
    if (!holds)
        abort();
}

/* Takes text off the input, up to the mark, which goes too, or all that is left. */
static inline struct slice fuzz_take(struct slice *input, uint8_t mark)
{
    const uint8_t *end = input->size ? memchr(input->data, mark, input->size) : NULL;
    struct slice part = slice_of(input->data, end ? (size_t)(end - input->data) : input->size);
    size_t taken = part.size + (end ? 1 : 0);
    if (taken)
        *input = slice_of(input->data + taken, input->size - taken);
    return part;
}

static inline uint8_t fuzz_byte(struct slice *input)
{
    if (input->size == 0)
        return 0;
    uint8_t byte = *input->data;
    *input = slice_of(input->data + 1, input->size - 1);
    return byte;
}

#endif
