/* column.c -- one row of a table for each type that the mapping knows. */
#include "common/column.h"

#include "common/json.h"
#include "common/oid.h"
#include "common/uuid.h"
#include "common/wire.h"

#include <stdio.h>

static const int64_t epoch_2000_us = 946684800000000; /* PostgreSQL counts from 2000, everybody else from 1970 */
enum { EPOCH_2000_DAYS = 10957 };

int64_t column_integer(struct slice value)
{
    if (value.size == 0)
        return 0;
    uint64_t bits = value.data[0] & 0x80 ? UINT64_MAX : 0; /* the sign reaches up */
    for (size_t i = 0; i < value.size; i++)
        bits = bits << 8 | value.data[i];
    return (int64_t)bits;
}

static bool fits_bool(const struct field *field)
{
    return field->type == FIELD_BOOL && !field->repeated;
}

static bool integer_type(const struct field *field)
{
    return field->type == FIELD_INT32 || field->type == FIELD_INT64 || field->type == FIELD_UINT32 ||
           field->type == FIELD_UINT64;
}

static bool fits_integer(const struct field *field)
{
    return integer_type(field) && !field->repeated && field->rules.format != FORMAT_INSTANT;
}

static bool fits_integers(const struct field *field)
{
    return integer_type(field) && field->repeated;
}

static bool fits_instant(const struct field *field)
{
    return field->type == FIELD_INT64 && !field->repeated && field->rules.format == FORMAT_INSTANT;
}

static bool fits_double(const struct field *field)
{
    return field->type == FIELD_DOUBLE && !field->repeated;
}

static bool fits_text(const struct field *field)
{
    return (field->type == FIELD_STRING || field->type == FIELD_ENUM) && !field->repeated;
}

static bool fits_string(const struct field *field)
{
    return field->type == FIELD_STRING && !field->repeated;
}

static bool fits_texts(const struct field *field)
{
    return (field->type == FIELD_STRING || field->type == FIELD_ENUM) && field->repeated;
}

static bool fits_strings(const struct field *field)
{
    return field->type == FIELD_STRING && field->repeated;
}

static bool fits_bytes(const struct field *field)
{
    return field->type == FIELD_BYTES && !field->repeated;
}

static bool fits_json(const struct field *field)
{
    return field->type == FIELD_MESSAGE || fits_string(field);
}

static bool put_integer(struct buffer *out, const struct field *field, struct slice value)
{
    wire_put_varint(out, field->number, (uint64_t)column_integer(value));
    return true;
}

static bool put_bool(struct buffer *out, const struct field *field, struct slice value)
{
    wire_put_varint(out, field->number, value.size && value.data[0]);
    return true;
}

static bool put_instant(struct buffer *out, const struct field *field, struct slice value)
{
    int64_t since_2000 = column_integer(value);
    if (since_2000 != INT64_MIN && since_2000 != INT64_MAX) /* an infinity is no instant: absent */
        wire_put_varint(out, field->number, (uint64_t)since_2000 + (uint64_t)epoch_2000_us);
    return true;
}

static bool put_double(struct buffer *out, const struct field *field, struct slice value)
{
    uint64_t bits = (uint64_t)column_integer(value);
    double number;
    memcpy(&number, &bits, sizeof number);
    wire_put_double(out, field->number, number);
    return true;
}

static bool put_text(struct buffer *out, const struct field *field, struct slice value)
{
    if (field->type == FIELD_STRING) {
        wire_put_bytes(out, field->number, value);
        return true;
    }
    const struct enum_value *known = enum_by_name(field->enumeration, value);
    if (known)
        wire_put_varint(out, field->number, (uint64_t)known->number);
    return known != NULL;
}

static bool put_bytes(struct buffer *out, const struct field *field, struct slice value)
{
    wire_put_bytes(out, field->number, value);
    return true;
}

static bool put_uuid(struct buffer *out, const struct field *field, struct slice value)
{
    char text[37];
    if (value.size != 16)
        return false;
    uuid_format(value.data, text);
    wire_put_bytes(out, field->number, slice_of(text, 36));
    return true;
}

/* Days since 1970 to a civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
static void date_format(int64_t days, char text[16])
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * of_year + 2) / 153, day = of_year - (153 * shifted + 2) / 5 + 1;
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    unsigned year = (unsigned)(era * 400 + year_of_era + (month <= 2));
    snprintf(text, 16, "%04u-%02u-%02u", year % 10000, month % 100, day % 100);
}

static bool put_date(struct buffer *out, const struct field *field, struct slice value)
{
    char text[16];
    int64_t days = column_integer(value);
    if (days == INT32_MIN || days == INT32_MAX) /* an infinity is no date: absent */
        return true;
    date_format(days + EPOCH_2000_DAYS, text);
    wire_put_text(out, field->number, text);
    return true;
}

static bool put_jsonb(struct buffer *out, const struct field *field, struct slice value)
{
    struct problem problem = { 0 };
    if (value.size < 1 || value.data[0] != 1) /* the format's version */
        return false;
    struct slice json = slice_of(value.data + 1, value.size - 1);
    if (field->type == FIELD_STRING) {
        wire_put_bytes(out, field->number, json);
        return true;
    }
    return json_field_to_wire(out->arena, field, json, out, &problem);
}

static uint32_t take_word(const uint8_t **at)
{
    uint32_t word = (uint32_t)(*at)[0] << 24 | (uint32_t)(*at)[1] << 16 | (uint32_t)(*at)[2] << 8 | (*at)[3];
    *at += 4;
    return word;
}

/* An array of one dimension (src/backend/utils/adt/arrayfuncs.c, array_send): dimensions, flags, element type, then of the
 * dimension its size and lower bound, then each element's size and bytes. */
static bool put_array(struct buffer *out, const struct field *field, struct slice value)
{
    enum { HEADER = 12, DIMENSION = 8 };
    const uint8_t *at = value.data, *end = value.data + value.size;
    if (value.size < HEADER)
        return false;
    uint32_t dimensions = take_word(&at);
    at += 4;
    const struct column_type *element = column_type_find(take_word(&at));
    if (dimensions == 0)
        return true;
    if (dimensions != 1 || !element || end - at < DIMENSION)
        return false;
    uint32_t count = take_word(&at);
    at += 4;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = end - at >= 4 ? take_word(&at) : UINT32_MAX; /* a NULL's size is -1: none is expected */
        if (size > (size_t)(end - at) || !element->put(out, field, slice_of(at, size)))
            return false;
        at += size;
    }
    return true;
}

/* ---- as SQL's text; the infinities have names of their own there ---- */

static const char *text_text(struct arena *arena, struct slice value)
{
    return arena_text(arena, value);
}

static const char *integer_text(struct arena *arena, struct slice value)
{
    return arena_printf(arena, "%lld", (long long)column_integer(value));
}

static const char *uuid_text(struct arena *arena, struct slice value)
{
    char text[UUID_TEXT];
    if (value.size != 16)
        return NULL;
    uuid_format(value.data, text);
    return arena_strdup(arena, text);
}

static const char *date_text(struct arena *arena, struct slice value)
{
    char text[16];
    int64_t days = column_integer(value);
    if (days == INT32_MIN || days == INT32_MAX)
        return days < 0 ? "-infinity" : "infinity";
    date_format(days + EPOCH_2000_DAYS, text);
    return arena_strdup(arena, text);
}

static const char *instant_text(struct arena *arena, struct slice value)
{
    struct buffer out = buffer_in(arena);
    int64_t since_2000 = column_integer(value);
    if (since_2000 == INT64_MIN || since_2000 == INT64_MAX)
        return since_2000 < 0 ? "-infinity" : "infinity";
    json_instant_format(&out, (int64_t)((uint64_t)since_2000 + (uint64_t)epoch_2000_us));
    return buffer_cstring(&out);
}

static const struct column_type types[] = {
    { OID_BOOL, "bool", fits_bool, put_bool, NULL },
    { OID_BYTEA, "bytea", fits_bytes, put_bytes, NULL },
    { OID_INT8, "int8", fits_integer, put_integer, integer_text },
    { OID_INT2, "int2", fits_integer, put_integer, integer_text },
    { OID_INT4, "int4", fits_integer, put_integer, integer_text },
    { OID_TEXT, "text", fits_text, put_text, text_text },
    { OID_VARCHAR, "varchar", fits_text, put_text, text_text },
    { OID_FLOAT8, "float8", fits_double, put_double, NULL },
    { OID_DATE, "date", fits_string, put_date, date_text },
    { OID_TIMESTAMPTZ, "timestamptz", fits_instant, put_instant, instant_text },
    { OID_UUID, "uuid", fits_string, put_uuid, uuid_text },
    { OID_JSONB, "jsonb", fits_json, put_jsonb, NULL },
    { OID_TEXT_ARRAY, "text[]", fits_texts, put_array, NULL },
    { OID_INT8_ARRAY, "int8[]", fits_integers, put_array, NULL },
    { OID_UUID_ARRAY, "uuid[]", fits_strings, put_array, NULL },
};

const struct column_type *column_type_find(Oid oid)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].oid == oid)
            return &types[i];
    return NULL;
}

const char *column_text(struct arena *arena, Oid oid, struct slice value)
{
    const struct column_type *type = column_type_find(oid);
    return type && type->text ? type->text(arena, value) : NULL;
}

bool column_has_text(Oid oid)
{
    const struct column_type *type = column_type_find(oid);
    return oid == OID_BOOL || (type && type->text);
}

const char *column_said(struct arena *arena, Oid oid, struct slice value)
{
    if (oid == OID_BOOL)
        return value.size && *value.data ? "true" : "false";
    return column_text(arena, oid, value);
}
