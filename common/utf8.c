/* utf8.c -- plain ASCII eight bytes at a time; all else one sequence after another. */
#include "common/utf8.h"

#include "common/swar.h"

#include <stdlib.h>
#include <utf8proc.h>

/* RFC 3629 §4: the second byte's range depends on the first; the others are 80..BF. */
static const struct lead {
    uint8_t first, last, size, low, high;
} leads[] = {
    { 0xE1, 0xEC, 3, 0x80, 0xBF }, /* most of what is written in Chinese, so it stands first */
    { 0xC2, 0xDF, 2, 0x80, 0xBF }, { 0xEE, 0xEF, 3, 0x80, 0xBF }, { 0xF0, 0xF0, 4, 0x90, 0xBF },
    { 0xE0, 0xE0, 3, 0xA0, 0xBF }, { 0xED, 0xED, 3, 0x80, 0x9F }, { 0xF1, 0xF3, 4, 0x80, 0xBF },
    { 0xF4, 0xF4, 4, 0x80, 0x8F },
};

static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= SWAR_SIZE && !(swar_load(at) & SWAR_HIGHS))
        at += SWAR_SIZE;
    while (at < end && *at < 0x80)
        at++;
    return at;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The size of the well-formed sequence of several bytes at `at`, or 0. */
static size_t sequence_size(const uint8_t *at, const uint8_t *end)
{
    const struct lead *lead = leads, *stop = leads + sizeof leads / sizeof *leads;
    while (lead < stop && (*at < lead->first || *at > lead->last))
        lead++;
    if (lead == stop || end - at < lead->size || at[1] < lead->low || at[1] > lead->high)
        return 0;
    for (size_t i = 2; i < lead->size; i++)
        if (!is_continuation(at[i]))
            return 0;
    return lead->size;
}

bool utf8_valid(struct slice text)
{
    if (text.size == 0)
        return true;
    const uint8_t *at = text.data, *end = text.data + text.size;
    for (at = skip_ascii(at, end); at < end; at = skip_ascii(at, end)) {
        do {
            size_t size = sequence_size(at, end);
            if (size == 0)
                return false;
            at += size;
        } while (at < end && *at >= 0x80);
    }
    return true;
}

size_t utf8_sequence(const uint8_t *at, const uint8_t *end)
{
    return *at < 0x80 ? 1 : sequence_size(at, end);
}

size_t utf8_length(struct slice text)
{
    size_t continuations = 0, i = 0;
    for (; i + SWAR_SIZE <= text.size; i += SWAR_SIZE) {
        uint64_t word = swar_load(text.data + i);
        continuations += (size_t)__builtin_popcountll(word >> 7 & ~(word >> 6) & SWAR_ONES);
    }
    for (; i < text.size; i++)
        continuations += is_continuation(text.data[i]);
    return text.size - continuations;
}

/* The code point at *at, and the step behind it; the text is valid. */
static uint32_t next_point(const uint8_t **at)
{
    const uint8_t *p = *at;
    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *at += 2;
        return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    }
    if (p[0] < 0xF0) {
        *at += 3;
        return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    }
    *at += 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
}

/* Code points that no normalisation touches and that never join with what stands before them (NFC_Quick_Check=Yes and
 * combining class 0, UAX #15 §9): text of these alone is in NFC. Not all such points, but those that people here write. */
static const struct {
    uint32_t first, last;
} stable[] = {
    { 0x4E00, 0x9FFF }, /* CJK ideographs */
    { 0x0000, 0x02FF }, /* Latin */
    { 0xFF01, 0xFF60 }, /* full-width forms */
    { 0x3000, 0x3029 }, /* CJK punctuation, without the tone marks behind it */
    { 0x2010, 0x2027 }, /* dashes, quotation marks, ellipsis */
    { 0x3041, 0x3096 },   { 0x30A1, 0x30FA }, /* kana, without the voicing marks */
    { 0x0400, 0x0482 }, /* Cyrillic */
    { 0x3400, 0x4DBF }, /* CJK extension A */
    { 0x1F300, 0x1F64F }, /* emoji */
};

static bool is_stable(uint32_t point)
{
    for (size_t i = 0; i < sizeof stable / sizeof *stable; i++)
        if (point >= stable[i].first && point <= stable[i].last)
            return true;
    return false;
}

static bool equals_its_nfc(struct slice text)
{
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t size =
        utf8proc_map(text.data, (utf8proc_ssize_t)text.size, &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    bool equal = size >= 0 && slice_equal(text, slice_of(composed, (size_t)size));
    free(composed);
    return equal;
}

bool utf8_is_nfc(struct slice text)
{
    if (text.size == 0)
        return true;
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end)
        if (!is_stable(next_point(&at)))
            return equals_its_nfc(text);
    return true;
}

static bool is_control(uint32_t point, bool lines)
{
    if (point < 0x20)
        return !lines || (point != '\n' && point != '\r' && point != '\t');
    if (point < 0x2028)
        return point >= 0x7F && point < 0xA0;
    /* Line and paragraph separator, embeddings and overrides (U+202A..202E), isolates (U+2066..2069). */
    return point <= 0x202E || (point >= 0x2066 && point <= 0x2069);
}

static uint64_t ascii_suspects(uint64_t word)
{
    return (word & SWAR_HIGHS) | swar_below(word, 0x20) | swar_equal(word, 0x7F);
}

bool utf8_has_control(struct slice text, bool lines)
{
    if (text.size == 0)
        return false;
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end) {
        if (end - at >= SWAR_SIZE && !ascii_suspects(swar_load(at)))
            at += SWAR_SIZE;
        else if (is_control(next_point(&at), lines))
            return true;
    }
    return false;
}
