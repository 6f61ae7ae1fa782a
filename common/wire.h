/* wire.h -- protobuf's wire format: reading one field after another, writing them one behind another.
 *
 * Pure; https://protobuf.dev/programming-guides/encoding/. Groups are refused. */
#ifndef CAMPUS_WIRE_H
#define CAMPUS_WIRE_H

#include "common/buffer.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value; /* of a varint or a fixed; of bytes their size */
    struct slice bytes; /* of WIRE_BYTES: borrowed from the message */
};

struct wire_reader {
    const uint8_t *at, *end;
    bool broken; /* set when the bytes are no message; wire_next() then returns false */
};

static inline struct wire_reader wire_read(struct slice message)
{
    return (struct wire_reader){ .at = message.data, .end = message.data ? message.data + message.size : NULL };
}

/* The next field; false at the end, or where the bytes are no message (reader->broken). */
bool wire_next(struct wire_reader *reader, struct wire_field *field) __attribute__((warn_unused_result));
/* A bare varint, as in packed fields. False at the end or where it is broken. */
bool wire_varint(struct wire_reader *reader, uint64_t *value) __attribute__((warn_unused_result));
/* The last occurrence of a field in a message, as protobuf has it; false when it is absent. */
bool wire_find(struct slice message, uint32_t number, struct wire_field *field) __attribute__((warn_unused_result));

void wire_put_varint(struct buffer *out, uint32_t number, uint64_t value);
void wire_put_double(struct buffer *out, uint32_t number, double value);
void wire_put_bytes(struct buffer *out, uint32_t number, struct slice bytes);
static inline void wire_put_text(struct buffer *out, uint32_t number, const char *text)
{
    wire_put_bytes(out, number, slice_text(text));
}

/* A nested message written in place: open, put its fields, close with what open gave. */
size_t wire_open(struct buffer *out, uint32_t number);
void wire_close(struct buffer *out, size_t mark);

#endif
