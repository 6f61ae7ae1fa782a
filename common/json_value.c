/* json_value.c -- conversions by type, in a table; the body, parameters and jsonb columns all pass through here. */
#include "common/json_value.h"

#include "common/json.h"
#include "common/utf8.h"
#include "common/wire.h"

#include <math.h>
#include <stdlib.h>

static const char wrong_type[] = "wrong_type", out_of_range[] = "out_of_range", bad_format[] = "bad_format";

#define EXACT ((UINT64_C(1) << 53) - 1) /* what a double holds exactly, RFC 8259 §6 */

/* What an integer type admits, below zero and above, and how that is said. */
static const struct range {
    uint64_t below, above;
    const char *text, *name;
} ranges[] = {
    [FIELD_INT32] = { UINT64_C(1) << 31, INT32_MAX, "-2147483648 to 2147483647",
                      "an integer from -2147483648 to 2147483647" },
    [FIELD_UINT32] = { 0, UINT32_MAX, "0 to 4294967295", "an integer from 0 to 4294967295" },
    [FIELD_INT64] = { EXACT, EXACT, "-9007199254740991 to 9007199254740991",
                      "an integer from -9007199254740991 to 9007199254740991" },
    [FIELD_UINT64] = { 0, EXACT, "0 to 9007199254740991", "an integer from 0 to 9007199254740991" },
};

enum { MOST_DIGITS = 16, MOST_NAMES = 16, LONGEST_NUMBER = 1100 };

static bool is_instant(const struct field *field)
{
    return field->type == FIELD_INT64 && field->rules.format == FORMAT_INSTANT;
}

/* ---- values that are numbers on the wire: into `bits` ---- */

static const char *bool_bits(const struct field *field, const struct json_token *token, uint64_t *bits)
{
    (void)field;
    *bits = token->kind == JSON_TRUE;
    return token->kind == JSON_TRUE || token->kind == JSON_FALSE ? NULL : wrong_type;
}

static const char *instant_bits(const struct json_token *token, uint64_t *bits)
{
    int64_t microseconds;
    if (token->kind != JSON_TEXT)
        return wrong_type;
    if (!json_instant_parse(token->text, &microseconds))
        return bad_format;
    *bits = (uint64_t)microseconds;
    return NULL;
}

static const char *integer_bits(const struct field *field, const struct json_token *token, uint64_t *bits)
{
    const struct range *range = &ranges[field->type];
    if (is_instant(field))
        return instant_bits(token, bits);
    if (token->kind != JSON_NUMBER || !token->integral)
        return wrong_type;
    bool negative = token->text.data[0] == '-';
    uint64_t value = 0;
    if (token->text.size - negative > MOST_DIGITS)
        return out_of_range;
    for (size_t i = negative; i < token->text.size; i++)
        value = value * 10 + (uint64_t)(token->text.data[i] - '0');
    if (value > (negative ? range->below : range->above))
        return out_of_range;
    *bits = negative ? -value : value;
    return NULL;
}

static const char *double_bits(const struct field *field, const struct json_token *token, uint64_t *bits)
{
    (void)field;
    if (token->kind != JSON_NUMBER)
        return wrong_type;
    char text[LONGEST_NUMBER + 1]; /* strtod wants an end; no double needs more digits */
    if (token->text.size > LONGEST_NUMBER)
        return out_of_range;
    memcpy(text, token->text.data, token->text.size);
    text[token->text.size] = '\0';
    double value = strtod(text, NULL);
    memcpy(bits, &value, sizeof *bits);
    return isfinite(value) ? NULL : out_of_range;
}

static const char *enum_bits(const struct field *field, const struct json_token *token, uint64_t *bits)
{
    const struct enum_value *value = token->kind == JSON_TEXT ? enum_by_name(field->enumeration, token->text) : NULL;
    if (!value)
        return wrong_type;
    *bits = (uint64_t)(int64_t)value->number;
    return NULL;
}

/* NULL where the type is none of these. */
typedef const char *to_bits(const struct field *field, const struct json_token *token, uint64_t *bits);
static to_bits *const converters[] = {
    [FIELD_BOOL] = bool_bits,      [FIELD_INT32] = integer_bits,  [FIELD_INT64] = integer_bits,
    [FIELD_UINT32] = integer_bits, [FIELD_UINT64] = integer_bits, [FIELD_DOUBLE] = double_bits,
    [FIELD_ENUM] = enum_bits,      [FIELD_MESSAGE] = NULL,
};

/* ---- bytes: base64url (RFC 4648 §5), with or without padding ---- */

/* 0..63, or 255. */
static uint8_t sextet(uint8_t letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return (uint8_t)(letter - 'A');
    if (letter >= 'a' && letter <= 'z')
        return (uint8_t)(letter - 'a' + 26);
    if (letter >= '0' && letter <= '9')
        return (uint8_t)(letter - '0' + 52);
    return letter == '-' ? 62 : letter == '_' ? 63 : 255;
}

static struct slice without_padding(struct slice text)
{
    for (int i = 0; i < 2 && text.size % 4 == (size_t)((4 - i) % 4) && text.size && text.data[text.size - 1] == '=';
         i++)
        text.size--;
    return text;
}

static bool decode(struct slice text, struct buffer *out)
{
    uint32_t bits = 0, count = 0;
    if (text.size % 4 == 1)
        return false;
    buffer_reserve(out, text.size);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t six = sextet(text.data[i]);
        if (six > 63)
            return false;
        bits = (bits << 6 | six) & 0x3FFF;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out->data[out->size++] = (uint8_t)(bits >> count);
        }
    }
    return (bits & ((1u << count) - 1)) == 0; /* one text for one value */
}

static const char *put_base64(const struct field *field, struct slice text, struct buffer *wire)
{
    size_t before = wire->size, mark = wire_open(wire, field->number);
    if (!decode(without_padding(text), wire)) {
        wire->size = before;
        return bad_format;
    }
    wire_close(wire, mark);
    return NULL;
}

/* ---- the two ways out ---- */

static const char *put_text(const struct field *field, const struct json_token *token, struct buffer *wire)
{
    if (token->kind != JSON_TEXT)
        return wrong_type;
    if (field->type == FIELD_BYTES)
        return put_base64(field, token->text, wire);
    wire_put_bytes(wire, field->number, token->text);
    return NULL;
}

static void put_fixed(struct buffer *wire, uint64_t bits)
{
    buffer_reserve(wire, sizeof bits);
    for (unsigned shift = 0; shift < 64; shift += 8)
        wire->data[wire->size++] = (uint8_t)(bits >> shift);
}

static void put_varint(struct buffer *wire, uint64_t bits)
{
    buffer_reserve(wire, 10);
    for (; bits >= 0x80; bits >>= 7)
        wire->data[wire->size++] = (uint8_t)(bits | 0x80);
    wire->data[wire->size++] = (uint8_t)bits;
}

const char *json_value_put(const struct field *field, const struct json_token *token, struct buffer *wire)
{
    uint64_t bits;
    double value;
    if (field->type == FIELD_STRING || field->type == FIELD_BYTES)
        return put_text(field, token, wire);
    const char *code = converters[field->type](field, token, &bits);
    if (code)
        return code;
    if (field->type != FIELD_DOUBLE) {
        wire_put_varint(wire, field->number, bits);
        return NULL;
    }
    memcpy(&value, &bits, sizeof value);
    wire_put_double(wire, field->number, value);
    return NULL;
}

const char *json_value_pack(const struct field *field, const struct json_token *token, struct buffer *wire)
{
    uint64_t bits;
    const char *code = converters[field->type](field, token, &bits);
    if (!code)
        (field->type == FIELD_DOUBLE ? put_fixed : put_varint)(wire, bits);
    return code;
}

/* ---- words for what is wrong ---- */

static const char *enum_names(struct arena *arena, const struct enumeration *enumeration)
{
    struct buffer names = buffer_in(arena);
    buffer_text(&names, "one of: ");
    for (size_t i = 0; i < enumeration->count && i < MOST_NAMES; i++) {
        buffer_text(&names, i ? ", " : "");
        buffer_text(&names, enumeration->values[i].name);
    }
    buffer_text(&names, enumeration->count > MOST_NAMES ? ", ..." : "");
    return buffer_cstring(&names);
}

static const char *type_name(struct arena *arena, const struct field *field)
{
    static const char *const names[] = {
        [FIELD_BOOL] = "true or false", [FIELD_INT32] = "an integer",  [FIELD_INT64] = "an integer",
        [FIELD_UINT32] = "an integer",  [FIELD_UINT64] = "an integer", [FIELD_DOUBLE] = "a number",
        [FIELD_STRING] = "a string",    [FIELD_BYTES] = "base64url",   [FIELD_MESSAGE] = "an object",
    };
    if (field->type == FIELD_ENUM)
        return enum_names(arena, field->enumeration);
    return is_instant(field) ? "an instant such as 2026-09-01T08:00:00Z" : names[field->type];
}

const char *json_value_argument(struct arena *arena, const struct field *field, const char *code)
{
    if (strcmp(code, out_of_range) != 0)
        return type_name(arena, field);
    return field->type == FIELD_DOUBLE ? "-1.7976931348623157e308 to 1.7976931348623157e308" : ranges[field->type].text;
}

/* ---- parameters ---- */

static bool token_from_text(const struct field *field, struct slice text, struct json_token *token)
{
    *token = (struct json_token){ .kind = JSON_TEXT, .text = text };
    if (field->type == FIELD_STRING)
        return utf8_valid(text) && (text.size == 0 || !memchr(text.data, '\0', text.size));
    if (field->type == FIELD_BYTES || field->type == FIELD_ENUM || is_instant(field))
        return true;
    if (field->type != FIELD_BOOL)
        return json_is_number(text, token);
    token->kind = slice_is(text, "true") ? JSON_TRUE : JSON_FALSE;
    return token->kind == JSON_TRUE || slice_is(text, "false");
}

const char *json_scalar_from_text(const struct field *field, struct slice text, struct buffer *wire)
{
    struct json_token token;
    if (field->type == FIELD_MESSAGE)
        return "a scalar";
    const char *code = token_from_text(field, text, &token) ? json_value_put(field, &token, wire) : wrong_type;
    if (code == out_of_range && field->type != FIELD_DOUBLE)
        return ranges[field->type].name;
    if (code && field->type == FIELD_STRING)
        return "UTF-8 text";
    return code ? type_name(wire->arena, field) : NULL;
}
