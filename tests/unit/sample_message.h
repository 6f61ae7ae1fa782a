/* sample_message.h -- a message with one field of each kind, for tests of what works by descriptor. */
#ifndef CAMPUS_TESTS_SAMPLE_MESSAGE_H
#define CAMPUS_TESTS_SAMPLE_MESSAGE_H

#include "common/message.h"

/* Its fields, by their places. */
enum {
    SAMPLE_FLAG,
    SAMPLE_SMALL,
    SAMPLE_LARGE,
    SAMPLE_COUNT,
    SAMPLE_TOTAL,
    SAMPLE_RATIO,
    SAMPLE_TITLE,
    SAMPLE_DIGEST,
    SAMPLE_KIND,
    SAMPLE_STARTS_AT,
    SAMPLE_VENUE,
    SAMPLE_PEOPLE,
    SAMPLE_TAGS,
    SAMPLE_SIZES,
    SAMPLE_RATIOS,
    SAMPLE_KINDS,
    SAMPLE_ID,
    SAMPLE_VERSION,
    SAMPLE_PHOTO,
    SAMPLE_EMAIL,
    SAMPLE_PHONE,
    SAMPLE_FIELDS,
};

/* Tables, not read from a contract: the fuzzers, which have no protoc, use it too. */
extern const struct message sample_message;
/* The message of its fields `venue` and `people`: name (required), seats (1 or more), doors (repeated). */
extern const struct message sample_venue;

#endif
