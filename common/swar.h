/* swar.h -- eight bytes at a time in one word, in plain C. The first byte is the word's lowest, whatever the machine. */
#ifndef CAMPUS_SWAR_H
#define CAMPUS_SWAR_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { SWAR_SIZE = 8 };

#define SWAR_ONES 0x0101010101010101u
#define SWAR_HIGHS 0x8080808080808080u

static inline uint64_t swar_load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

/* Marks bytes below `limit` (at most 0x80). The lowest mark is exact; those above it may be due to a borrow. */
static inline uint64_t swar_below(uint64_t word, uint8_t limit)
{
    return (word - SWAR_ONES * limit) & ~word & SWAR_HIGHS;
}

/* Marks bytes equal to `byte`, with the same reservation. */
static inline uint64_t swar_equal(uint64_t word, uint8_t byte)
{
    return swar_below(word ^ (SWAR_ONES * byte), 1);
}

/* The place of the lowest mark; there is one. */
static inline unsigned swar_first(uint64_t marks)
{
    return (unsigned)__builtin_ctzll(marks) / 8;
}

#endif
