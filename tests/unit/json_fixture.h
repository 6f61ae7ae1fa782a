/* json_fixture.h -- what the tests of common/json.h share: a text whose end is watched, and complaints as text. */
#ifndef CAMPUS_TESTS_JSON_FIXTURE_H
#define CAMPUS_TESTS_JSON_FIXTURE_H

#include "common/json.h"
#include "tests/unit/arena_fixture.h"
#include "tests/unit/sample_message.h"

/* A literal that may hold NUL. */
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

/* "pointer code argument" a line. */
const char *complaints(const struct problem *problem);

/* A copy that ends where its memory ends, so that a sanitizer sees every byte read too far; release() frees it. */
struct slice exact(struct slice text);
void release(struct slice text);

/* Reads a message, and gives the complaints. */
const char *read_as(const struct message *message, struct slice json, struct json_options options, struct buffer *wire);
/* The sample message as JSON. */
const char *written(struct slice wire);

#endif
