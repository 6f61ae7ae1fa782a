/* query.c -- bytes to text, once, and never to anything that is no text. */
#include "services/gateway/query.h"

#include "common/utf8.h"

static int hex(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool needs_decoding(struct slice raw, enum query_part part)
{
    return raw.size &&
           (memchr(raw.data, '%', raw.size) || (part == QUERY_PARAMETER && memchr(raw.data, '+', raw.size)));
}

/* Writes at most as many bytes as it reads. False where an escape is malformed. */
static bool unescape(struct slice raw, enum query_part part, uint8_t *out, size_t *size)
{
    const uint8_t *at = raw.data, *end = raw.data + raw.size;
    uint8_t *to = out;
    while (at < end) {
        uint8_t byte = *at++;
        if (byte == '%') {
            int high = end - at >= 2 ? hex(at[0]) : -1, low = end - at >= 2 ? hex(at[1]) : -1;
            if (high < 0 || low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            at += 2;
        } else if (byte == '+' && part == QUERY_PARAMETER) {
            byte = ' ';
        }
        *to++ = byte;
    }
    *size = (size_t)(to - out);
    return true;
}

bool query_decode(struct arena *arena, struct slice raw, enum query_part part, struct slice *text)
{
    *text = raw;
    if (needs_decoding(raw, part)) {
        uint8_t *copy = arena_alloc(arena, raw.size);
        if (!unescape(raw, part, copy, &text->size))
            return false;
        text->data = copy;
    }
    return text->size == 0 || (utf8_valid(*text) && !memchr(text->data, 0, text->size));
}

/* Up to the next `mark` or the end; *at moves behind it. */
static struct slice cut(const uint8_t **at, const uint8_t *end, char mark)
{
    const uint8_t *from = *at, *to = memchr(from, mark, (size_t)(end - from));
    *at = to ? to + 1 : end;
    return slice_of(from, (size_t)((to ? to : end) - from));
}

static enum query_step decode_pair(struct arena *arena, struct slice raw, struct query_pair *pair)
{
    const uint8_t *at = raw.data, *end = raw.data + raw.size;
    struct slice name = cut(&at, end, '='), value = slice_of(at, (size_t)(end - at));
    *pair = (struct query_pair){ .name = name, .value = value };
    if (!query_decode(arena, name, QUERY_PARAMETER, &pair->name)) {
        pair->name = name;
        return QUERY_BAD_NAME;
    }
    return query_decode(arena, value, QUERY_PARAMETER, &pair->value) ? QUERY_PAIR : QUERY_BAD_VALUE;
}

enum query_step query_next(struct query_reader *reader, struct query_pair *pair)
{
    struct slice raw = { 0 };
    while (reader->at < reader->end && raw.size == 0)
        raw = cut(&reader->at, reader->end, '&');
    if (raw.size == 0)
        return QUERY_END;
    if (reader->count == QUERY_MOST_PAIRS)
        return QUERY_TOO_MANY;
    reader->count++;
    return decode_pair(reader->arena, raw, pair);
}
