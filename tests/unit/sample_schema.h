/* sample_schema.h -- a message with one field of each kind, built by hand, for tests of what works by descriptor. */
#ifndef CAMPUS_SAMPLE_SCHEMA_H
#define CAMPUS_SAMPLE_SCHEMA_H

#include "common/schema.h"

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

static const struct enum_value kind_values[] = { { "union", 1, "" }, { "society", 2, "" }, { "past", -1, "" } };
static const struct enumeration kind_enum = { "Kind", 3, kind_values };

#define LIMITS .max_length = 200, .max_items = 100

static const struct field venue_fields[] = {
    { .name = "name", .number = 1, .index = 0, .type = FIELD_STRING, .rules = { .required = true, LIMITS } },
    { .name = "seats", .number = 2, .index = 1, .type = FIELD_INT32, .rules = { .has_min = true, .min = 1, LIMITS } },
    { .name = "doors", .number = 3, .index = 2, .type = FIELD_STRING, .repeated = true, .rules = { LIMITS } },
};
static const struct field *const venue_numbers[] = { NULL, &venue_fields[0], &venue_fields[1], &venue_fields[2] };
static const struct message venue_message = { .name = "Venue",
                                              .full_name = "test.Venue",
                                              .count = 3,
                                              .fields = venue_fields,
                                              .by_number = venue_numbers,
                                              .largest = 3 };

static const struct field sample_fields[SAMPLE_FIELDS] = {
    { .name = "flag", .number = 1, .index = 0, .type = FIELD_BOOL, .rules = { LIMITS } },
    { .name = "small", .number = 2, .index = 1, .type = FIELD_INT32, .rules = { LIMITS } },
    { .name = "large", .number = 3, .index = 2, .type = FIELD_INT64, .rules = { LIMITS } },
    { .name = "count", .number = 4, .index = 3, .type = FIELD_UINT32, .rules = { LIMITS } },
    { .name = "total", .number = 5, .index = 4, .type = FIELD_UINT64, .rules = { LIMITS } },
    { .name = "ratio", .number = 6, .index = 5, .type = FIELD_DOUBLE, .rules = { LIMITS } },
    { .name = "title", .number = 7, .index = 6, .type = FIELD_STRING, .rules = { LIMITS } },
    { .name = "digest", .number = 8, .index = 7, .type = FIELD_BYTES, .rules = { LIMITS } },
    { .name = "kind", .number = 9, .index = 8, .type = FIELD_ENUM, .enumeration = &kind_enum, .rules = { LIMITS } },
    { .name = "starts_at",
      .number = 10,
      .index = 9,
      .type = FIELD_INT64,
      .rules = { .format = FORMAT_INSTANT, LIMITS } },
    { .name = "venue",
      .number = 11,
      .index = 10,
      .type = FIELD_MESSAGE,
      .message = &venue_message,
      .rules = { LIMITS } },
    { .name = "people",
      .number = 12,
      .index = 11,
      .type = FIELD_MESSAGE,
      .repeated = true,
      .message = &venue_message,
      .rules = { LIMITS } },
    { .name = "tags", .number = 13, .index = 12, .type = FIELD_STRING, .repeated = true, .rules = { LIMITS } },
    { .name = "sizes", .number = 14, .index = 13, .type = FIELD_INT32, .repeated = true, .rules = { LIMITS } },
    { .name = "ratios", .number = 15, .index = 14, .type = FIELD_DOUBLE, .repeated = true, .rules = { LIMITS } },
    { .name = "kinds",
      .number = 16,
      .index = 15,
      .type = FIELD_ENUM,
      .repeated = true,
      .enumeration = &kind_enum,
      .rules = { LIMITS } },
    { .name = "id", .number = 17, .index = 16, .type = FIELD_STRING, .rules = { .format = FORMAT_UUID, LIMITS } },
    { .name = "version", .number = 18, .index = 17, .type = FIELD_INT64, .output = true, .rules = { LIMITS } },
    { .name = "photo", .number = 19, .index = 18, .type = FIELD_BYTES, .body = true, .rules = { LIMITS } },
    { .name = "email", .number = 20, .index = 19, .type = FIELD_STRING, .oneof = "contact", .rules = { LIMITS } },
    { .name = "phone", .number = 31, .index = 20, .type = FIELD_STRING, .oneof = "contact", .rules = { LIMITS } },
};
static const struct field *const sample_numbers[] = {
    NULL,
    &sample_fields[0],
    &sample_fields[1],
    &sample_fields[2],
    &sample_fields[3],
    &sample_fields[4],
    &sample_fields[5],
    &sample_fields[6],
    &sample_fields[7],
    &sample_fields[8],
    &sample_fields[9],
    &sample_fields[10],
    &sample_fields[11],
    &sample_fields[12],
    &sample_fields[13],
    &sample_fields[14],
    &sample_fields[15],
    &sample_fields[16],
    &sample_fields[17],
    &sample_fields[18],
    &sample_fields[19],
    [31] = &sample_fields[20],
};
static const struct message sample_message = { .name = "Sample",
                                               .full_name = "test.Sample",
                                               .count = SAMPLE_FIELDS,
                                               .fields = sample_fields,
                                               .by_number = sample_numbers,
                                               .largest = 31 };

#endif
