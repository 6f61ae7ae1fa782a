/* uuid.c -- made from the clock and the system's randomness. */
#include "common/uuid.h"

#include "common/clock.h"

#include <sodium.h>
#include <string.h>

void uuid_format(const uint8_t uuid[16], char text[UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[uuid[i] >> 4];
        *at++ = digits[uuid[i] & 15];
    }
    *at = '\0';
}

/* One system call for many ids instead of one for each. A thread's own; what is taken is wiped. */
static void take_random(uint8_t *bytes, size_t size)
{
    static _Thread_local uint8_t store[1024];
    static _Thread_local size_t left;
    if (left < size) {
        randombytes_buf(store, sizeof store);
        left = sizeof store;
    }
    left -= size;
    memcpy(bytes, store + left, size);
    sodium_memzero(store + left, size);
}

void uuid_new(char text[UUID_TEXT])
{
    uint8_t uuid[16];
    uint64_t now_us = (uint64_t)clock_wall_us(), now_ms = now_us / 1000, part = now_us % 1000 * 4096 / 1000;
    take_random(uuid, sizeof uuid);
    for (int i = 0; i < 6; i++)
        uuid[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    uuid[6] = (uint8_t)(0x70 | part >> 8);
    uuid[7] = (uint8_t)part;
    uuid[8] = (uint8_t)(0x80 | (uuid[8] & 0x3f));
    uuid_format(uuid, text);
}
