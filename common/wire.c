/* wire.c -- varints, tags, and messages nested in place. */
#include "common/wire.h"

enum { LONGEST_VARINT = 10, ONE_BYTE = 0x80 };

bool wire_varint(struct wire_reader *reader, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < LONGEST_VARINT && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;
        if (i == LONGEST_VARINT - 1 && byte > 1)
            break; /* a 65th bit */
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < ONE_BYTE) {
            *value = sum;
            return true;
        }
    }
    reader->broken = true;
    return false;
}

static bool take_fixed(struct wire_reader *reader, size_t size, struct wire_field *field)
{
    if ((size_t)(reader->end - reader->at) < size)
        return false;
    field->value = 0;
    for (size_t i = 0; i < size; i++) /* little endian, whatever the machine */
        field->value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += size;
    return true;
}

static bool take_bytes(struct wire_reader *reader, struct wire_field *field)
{
    uint64_t size;
    if (!wire_varint(reader, &size) || size > (uint64_t)(reader->end - reader->at))
        return false;
    field->value = size;
    field->bytes = slice_of(reader->at, (size_t)size);
    reader->at += size;
    return true;
}

static bool take_value(struct wire_reader *reader, struct wire_field *field)
{
    switch (field->type) {
    case WIRE_VARINT:
        return wire_varint(reader, &field->value);
    case WIRE_FIXED64:
        return take_fixed(reader, 8, field);
    case WIRE_FIXED32:
        return take_fixed(reader, 4, field);
    case WIRE_BYTES:
        return take_bytes(reader, field);
    }
    return false;
}

bool wire_next(struct wire_reader *reader, struct wire_field *field)
{
    uint64_t tag;
    if (reader->broken || reader->at == reader->end || !wire_varint(reader, &tag))
        return false;
    *field = (struct wire_field){ .number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7) };
    if (tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1 || !take_value(reader, field))
        reader->broken = true;
    return !reader->broken;
}

bool wire_find(struct slice message, uint32_t number, struct wire_field *field)
{
    struct wire_reader reader = wire_read(message);
    struct wire_field next;
    bool found = false;
    while (wire_next(&reader, &next)) {
        if (next.number == number) {
            *field = next;
            found = true;
        }
    }
    return found && !reader.broken;
}

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    while (value >= ONE_BYTE) {
        value >>= 7;
        size++;
    }
    return size;
}

static uint8_t *write_varint(uint8_t *at, uint64_t value)
{
    while (value >= ONE_BYTE) {
        *at++ = (uint8_t)(value | ONE_BYTE);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static void put_raw_varint(struct buffer *out, uint64_t value)
{
    buffer_reserve(out, LONGEST_VARINT);
    out->size = (size_t)(write_varint(out->data + out->size, value) - out->data);
}

static void put_tag(struct buffer *out, uint32_t number, enum wire_type type)
{
    put_raw_varint(out, (uint64_t)number << 3 | type);
}

void wire_put_varint(struct buffer *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, WIRE_VARINT);
    put_raw_varint(out, value);
}

void wire_put_double(struct buffer *out, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_tag(out, number, WIRE_FIXED64);
    for (int shift = 0; shift < 64; shift += 8)
        buffer_byte(out, (uint8_t)(bits >> shift));
}

void wire_put_bytes(struct buffer *out, uint32_t number, struct slice bytes)
{
    put_tag(out, number, WIRE_BYTES);
    put_raw_varint(out, bytes.size);
    buffer_add(out, bytes.data, bytes.size);
}

size_t wire_open(struct buffer *out, uint32_t number)
{
    put_tag(out, number, WIRE_BYTES);
    buffer_byte(out, 0); /* the length's first byte; close() makes room for more where it is needed */
    return out->size;
}

void wire_close(struct buffer *out, size_t mark)
{
    size_t size = out->size - mark, more = varint_size(size) - 1;
    if (more) {
        buffer_reserve(out, more);
        memmove(out->data + mark + more, out->data + mark, size);
        out->size += more;
    }
    write_varint(out->data + mark - 1, size);
}
