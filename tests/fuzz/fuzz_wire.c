/* fuzz_wire.c -- wire format to JSON and back: a message as we write it comes back byte by byte, any other bytes are
 * refused or become JSON. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <math.h>

#include "common/json.h"
#include "common/utf8.h"
#include "common/wire.h"

#include "tests/unit/sample_message.h"

#define EXACT ((INT64_C(1) << 53) - 1)
#define FIRST_INSTANT INT64_C(-62135596800000000) /* of the year 0001 */
#define INSTANTS INT64_C(315537897600000000) /* to the end of the year 9999 */

/* ---- any bytes ---- */

static bool jansson_takes(struct slice json)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)json.data, json.size,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
    json_decref(root);
    return root != NULL;
}

static bool read_back(struct arena *arena, struct slice json, struct buffer *wire)
{
    struct problem problem = { 0 };
    return json_to_wire(arena, &sample_message, json, (struct json_options){ .trusted = true }, wire, NULL, &problem);
}

/* Text that is no UTF-8 comes from none of our programs, and goes through as it is. What a null stands for, an infinite
 * number, does not come back. */
static void check_any(struct arena *arena, struct slice wire)
{
    struct buffer json = buffer_in(arena), plain = buffer_in(arena), again = buffer_in(arena);
    if (!json_from_wire(&sample_message, wire, &json) || !utf8_valid(buffer_slice(&json)))
        return;
    need(jansson_takes(buffer_slice(&json)));
    if (!read_back(arena, buffer_slice(&json), &plain) || memmem(json.data, json.size, "null", 4))
        return;
    need(json_from_wire(&sample_message, buffer_slice(&plain), &again));
    need(slice_equal(buffer_slice(&again), buffer_slice(&json)));
}

/* ---- messages as we write them, from the input's bytes ---- */

static uint64_t take_number(struct slice *input)
{
    uint64_t value = 0;
    for (uint8_t size = fuzz_byte(input) % 9; size > 0; size--)
        value = value << 8 | fuzz_byte(input);
    return value;
}

/* Up to 255 bytes; where text is asked for, of what comes the part that is. */
static struct slice take_bytes(struct slice *input, bool text)
{
    size_t size = fuzz_byte(input), plain = 0;
    struct slice bytes = slice_of(input->data, size < input->size ? size : input->size);
    *input = slice_of(bytes.size ? bytes.data + bytes.size : input->data, input->size - bytes.size);
    if (!text)
        return bytes;
    while (plain < bytes.size && bytes.data[plain] &&
           (size = utf8_sequence(bytes.data + plain, bytes.data + bytes.size)))
        plain += size;
    return slice_of(bytes.data, plain);
}

static double take_double(struct slice *input)
{
    uint64_t bits = take_number(input);
    double value;
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 0.5;
}

/* An integer within what the field admits, as a varint has it. */
static uint64_t take_integer(const struct field *field, struct slice *input)
{
    uint64_t value = take_number(input);
    switch (field->type) {
    case FIELD_BOOL:
        return value & 1;
    case FIELD_INT32:
        return (uint64_t)(int64_t)(int32_t)(uint32_t)value;
    case FIELD_UINT32:
        return (uint32_t)value;
    case FIELD_ENUM:
        return (uint64_t)(int64_t)field->enumeration->values[value % field->enumeration->count].number;
    case FIELD_INT64:
        if (field->rules.format == FORMAT_INSTANT)
            return (uint64_t)(FIRST_INSTANT + (int64_t)(value % (uint64_t)INSTANTS));
        return value >> 63 ? -(value & EXACT) : value & EXACT;
    default:
        return value & EXACT;
    }
}

static void put_message(const struct message *message, struct slice *input, struct buffer *wire);

static void put_value(const struct field *field, struct slice *input, struct buffer *wire)
{
    if (field->type == FIELD_MESSAGE) {
        size_t mark = wire_open(wire, field->number);
        put_message(field->message, input, wire);
        wire_close(wire, mark);
    } else if (field->type == FIELD_STRING || field->type == FIELD_BYTES) {
        wire_put_bytes(wire, field->number, take_bytes(input, field->type == FIELD_STRING));
    } else if (field->type == FIELD_DOUBLE) {
        wire_put_double(wire, field->number, take_double(input));
    } else {
        wire_put_varint(wire, field->number, take_integer(field, input));
    }
}

/* Numbers of a repeated field lie in one run: what wire.h writes, without the tag in front of each, which has as many
 * bytes as its number needs. */
static void put_packed(const struct field *field, size_t count, struct slice *input, struct buffer *wire)
{
    size_t mark = wire_open(wire, field->number), tag = field->number < 16 ? 1 : 2;
    for (; count > 0; count--) {
        struct buffer one = buffer_in(wire->arena);
        put_value(field, input, &one);
        buffer_add(wire, one.data + tag, one.size - tag);
    }
    wire_close(wire, mark);
}

static void put_field(const struct field *field, struct slice *input, struct buffer *wire)
{
    bool whole = field->type == FIELD_MESSAGE || field->type == FIELD_STRING || field->type == FIELD_BYTES;
    size_t count = field->repeated ? 1 + fuzz_byte(input) % 4 : 1;
    if (field->repeated && !whole) {
        put_packed(field, count, input, wire);
        return;
    }
    for (; count > 0; count--)
        put_value(field, input, wire);
}

/* Each field at most once, of a oneof one, and never the raw body, which no JSON has. In the input's order. */
static void put_message(const struct message *message, struct slice *input, struct buffer *wire)
{
    uint64_t seen = 0;
    bool chosen = false;
    for (uint8_t next; (next = fuzz_byte(input)) != 0;) {
        const struct field *field = &message->fields[next % message->count];
        uint64_t bit = UINT64_C(1) << field->index;
        if (seen & bit || field->body || (field->oneof && chosen))
            continue;
        seen |= bit;
        chosen = chosen || field->oneof;
        put_field(field, input, wire);
    }
}

static void check_ours(struct arena *arena, struct slice input)
{
    struct buffer wire = buffer_in(arena), json = buffer_in(arena), again = buffer_in(arena), cut = buffer_in(arena);
    put_message(&sample_message, &input, &wire);
    need(json_from_wire(&sample_message, buffer_slice(&wire), &json));
    need(jansson_takes(buffer_slice(&json)));
    need(read_back(arena, buffer_slice(&json), &again));
    need(slice_equal(buffer_slice(&again), buffer_slice(&wire)));
    if (wire.size)
        need(!json_from_wire(&sample_message, slice_of(wire.data, wire.size - 1), &cut));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    check_any(arena, slice_of(data, size));
    check_ours(arena, slice_of(data, size));
    arena_free(arena);
    return 0;
}
