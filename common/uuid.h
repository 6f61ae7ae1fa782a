/* uuid.h -- identifiers that sort by the time they were made: UUIDv7 (RFC 9562 §5.7). */
#ifndef CAMPUS_UUID_H
#define CAMPUS_UUID_H

#include <stdint.h>

enum { UUID_TEXT = 37 }; /* 36 lower-case characters and a NUL */

void uuid_format(const uint8_t uuid[16], char text[UUID_TEXT]);
/* A fresh one: 48 bits of milliseconds, 12 of their parts (RFC 9562 §6.2, method 3), 62 random bits. */
void uuid_new(char text[UUID_TEXT]);

#endif
