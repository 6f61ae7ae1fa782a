/* json_write.c -- wire format to JSON in one pass: no tree, no printf but for fractions. */
#include "common/json.h"

#include "common/swar.h"
#include "common/wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LONGEST_INTEGER = 20, LONGEST_DOUBLE = 32 };

#define EXACT ((INT64_C(1) << 53) - 1)

/* ---- text ---- */

/* By byte: 0 stands as it is, 'u' as \u00XX, any other letter behind a backslash. */
static const uint8_t escapes[256] = {
    'u',         'u',           'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u', /* 00..0F */
    'u',         'u',           'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', /* 10..1F */
    ['"'] = '"', ['\\'] = '\\',
};

static size_t plain_run(const uint8_t *at, size_t size)
{
    size_t i = 0;
    for (; i + SWAR_SIZE <= size; i += SWAR_SIZE) {
        uint64_t word = swar_load(at + i);
        uint64_t marks = swar_below(word, 0x20) | swar_equal(word, '"') | swar_equal(word, '\\');
        if (marks)
            return i + swar_first(marks);
    }
    while (i < size && !escapes[at[i]])
        i++;
    return i;
}

static void put_escape(struct buffer *json, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t text[] = { '\\', escapes[byte], '0', '0', (uint8_t)hex[byte >> 4], (uint8_t)hex[byte & 15] };
    buffer_add(json, text, text[1] == 'u' ? 6 : 2);
}

void json_put_string(struct buffer *json, struct slice text)
{
    buffer_reserve(json, text.size + 2);
    buffer_byte(json, '"');
    for (size_t at = 0; at < text.size;) {
        size_t run = plain_run(text.data + at, text.size - at);
        buffer_add(json, text.data + at, run);
        at += run;
        if (at < text.size)
            put_escape(json, text.data[at++]);
    }
    buffer_byte(json, '"');
}

static void put_base64(struct buffer *json, struct slice bytes)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0, count = 0;
    buffer_reserve(json, bytes.size + bytes.size / 3 + 4);
    buffer_byte(json, '"');
    for (size_t i = 0; i < bytes.size; i++) {
        bits = bits << 8 | bytes.data[i];
        for (count += 8; count >= 6; count -= 6)
            json->data[json->size++] = (uint8_t)letters[bits >> (count - 6) & 63];
    }
    if (count)
        buffer_byte(json, (uint8_t)letters[bits << (6 - count) & 63]);
    buffer_byte(json, '"');
}

/* ---- numbers ---- */

static void put_integer(struct buffer *json, uint64_t magnitude, bool negative)
{
    uint8_t digits[LONGEST_INTEGER], *at = digits + sizeof digits;
    do {
        *--at = (uint8_t)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude);
    if (negative)
        buffer_byte(json, '-');
    buffer_add(json, at, (size_t)(digits + sizeof digits - at));
}

static void put_signed(struct buffer *json, int64_t value)
{
    put_integer(json, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
}

/* The shortest of three precisions that reads back as the same value. */
static void put_fraction(struct buffer *json, double value)
{
    char text[LONGEST_DOUBLE];
    int size = 0;
    for (int precision = 15; precision <= 17; precision++) {
        size = snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buffer_add(json, text, (size_t)size);
}

static void put_double(struct buffer *json, double value)
{
    if (!isfinite(value))
        buffer_text(json, "null"); /* JSON has no word for it */
    else if (fabs(value) < 1e18 && value == (double)(int64_t)value)
        put_integer(json, (uint64_t)fabs(value), signbit(value));
    else
        put_fraction(json, value);
}

/* ---- values, by type; false for what JSON must not say ---- */

typedef bool put_value(const struct field *field, const struct wire_field *value, struct buffer *json);

static bool write_object(const struct message *message, struct slice wire, struct buffer *json, bool root);

static bool put_bool(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    (void)field;
    buffer_text(json, value->value ? "true" : "false");
    return true;
}

static bool put_int32(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    (void)field;
    put_signed(json, (int32_t)(uint32_t)value->value);
    return true;
}

static bool put_uint32(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    (void)field;
    put_integer(json, (uint32_t)value->value, false);
    return true;
}

static bool put_int64(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    int64_t number = (int64_t)value->value;
    if (field->rules.format == FORMAT_INSTANT) {
        buffer_byte(json, '"');
        json_instant_format(json, number);
        buffer_byte(json, '"');
        return true;
    }
    put_signed(json, number);
    return number >= -EXACT && number <= EXACT;
}

static bool put_uint64(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    (void)field;
    put_integer(json, value->value, false);
    return value->value <= EXACT;
}

static bool put_real(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    (void)field;
    double number;
    memcpy(&number, &value->value, sizeof number);
    put_double(json, number);
    return true;
}

static bool put_text(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    (void)field;
    json_put_string(json, value->bytes);
    return true;
}

static bool put_bytes(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    (void)field;
    put_base64(json, value->bytes);
    return true;
}

static const struct enum_value *known_enum(const struct field *field, const struct wire_field *value)
{
    return enum_by_number(field->enumeration, (int32_t)(uint32_t)value->value);
}

static bool put_enum(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    json_put_string(json, slice_text(known_enum(field, value)->name));
    return true;
}

static bool put_message(const struct field *field, const struct wire_field *value, struct buffer *json)
{
    return write_object(field->message, value->bytes, json, false);
}

static const struct {
    put_value *put;
    enum wire_type wire;
} types[] = {
    [FIELD_BOOL] = { put_bool, WIRE_VARINT },     [FIELD_INT32] = { put_int32, WIRE_VARINT },
    [FIELD_INT64] = { put_int64, WIRE_VARINT },   [FIELD_UINT32] = { put_uint32, WIRE_VARINT },
    [FIELD_UINT64] = { put_uint64, WIRE_VARINT }, [FIELD_DOUBLE] = { put_real, WIRE_FIXED64 },
    [FIELD_STRING] = { put_text, WIRE_BYTES },    [FIELD_BYTES] = { put_bytes, WIRE_BYTES },
    [FIELD_ENUM] = { put_enum, WIRE_VARINT },     [FIELD_MESSAGE] = { put_message, WIRE_BYTES },
};

/* ---- members ---- */

struct object {
    struct buffer *json;
    const struct field *open; /* the array being written; NULL: none */
    uint64_t seen;
};

/* A comma, unless this is the first behind a bracket. */
static void separate(struct buffer *json)
{
    uint8_t last = json->data[json->size - 1];
    if (last != '{' && last != '[')
        buffer_byte(json, ',');
}

static void put_key(struct buffer *json, const struct field *field)
{
    separate(json);
    buffer_byte(json, '"');
    buffer_text(json, field->name); /* an identifier: nothing to escape */
    buffer_add(json, "\":", 2);
}

static void close_array(struct object *object)
{
    if (object->open)
        buffer_byte(object->json, ']');
    object->open = NULL;
}

/* The key, and of an array the bracket. False where the field has come before: JSON would have the key twice. */
static bool begin_member(struct object *object, const struct field *field)
{
    uint64_t bit = UINT64_C(1) << field->index;
    if (object->open == field)
        return true;
    close_array(object);
    if (object->seen & bit)
        return false;
    object->seen |= bit;
    put_key(object->json, field);
    if (field->repeated) {
        buffer_byte(object->json, '[');
        object->open = field;
    }
    return true;
}

/* A value of an enum that only a newer program knows is left out, as an unknown field is. */
static bool put_one(struct object *object, const struct field *field, const struct wire_field *value)
{
    if (field->type == FIELD_ENUM && !known_enum(field, value))
        return true;
    if (!begin_member(object, field))
        return false;
    if (field->repeated)
        separate(object->json);
    return types[field->type].put(field, value, object->json);
}

static bool take_packed(struct wire_reader *reader, enum wire_type type, struct wire_field *value)
{
    if (type == WIRE_VARINT)
        return reader->at < reader->end && wire_varint(reader, &value->value);
    if (reader->end - reader->at < (ptrdiff_t)sizeof value->value) {
        reader->broken = reader->at < reader->end;
        return false;
    }
    memcpy(&value->value, reader->at, sizeof value->value);
    value->value = le64toh(value->value);
    reader->at += sizeof value->value;
    return true;
}

static bool put_packed(struct object *object, const struct field *field, struct slice run)
{
    struct wire_reader reader = wire_read(run);
    struct wire_field value = { .number = field->number };
    while (take_packed(&reader, types[field->type].wire, &value))
        if (!put_one(object, field, &value))
            return false;
    return !reader.broken;
}

static bool put_member(struct object *object, const struct field *field, const struct wire_field *value)
{
    if (value->type == types[field->type].wire)
        return put_one(object, field, value);
    return field->repeated && value->type == WIRE_BYTES && put_packed(object, field, value->bytes);
}

/* A list without rows still says so: clients need not ask whether the key is there. */
static void put_empty_rows(const struct message *message, struct object *object)
{
    for (size_t i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (!field->rows || !field->repeated || object->seen & UINT64_C(1) << i)
            continue;
        put_key(object->json, field);
        buffer_add(object->json, "[]", 2);
    }
}

static bool write_object(const struct message *message, struct slice wire, struct buffer *json, bool root)
{
    struct wire_reader reader = wire_read(wire);
    struct wire_field value;
    struct object object = { .json = json };
    buffer_byte(json, '{');
    while (wire_next(&reader, &value)) {
        const struct field *field = message_field(message, value.number);
        if (field && !put_member(&object, field, &value))
            return false;
    }
    close_array(&object);
    if (root)
        put_empty_rows(message, &object);
    buffer_byte(json, '}');
    return !reader.broken;
}

bool json_from_wire(const struct message *message, struct slice wire, struct buffer *json)
{
    return write_object(message, wire, json, true);
}
