/* json_scan.c -- RFC 8259 without any leniency: no BOM, no raw control characters, no lone surrogates, no NUL. */
#include "common/json_scan.h"

#include "common/swar.h"
#include "common/utf8.h"

struct json_scan json_scan_of(struct arena *arena, struct slice json)
{
    static const uint8_t nothing[1];
    const uint8_t *start = json.size ? json.data : nothing;
    return (struct json_scan){ .arena = arena, .start = start, .at = start, .end = start + json.size };
}

static bool fail(struct json_scan *scan, const char *error)
{
    if (!scan->error)
        scan->error = error;
    return false;
}

static void skip_space(struct json_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

/* ---- strings ---- */

/* To the next byte that ends a run of plain text: a quote, a backslash or a control character. */
static const uint8_t *run_end(const uint8_t *at, const uint8_t *end, uint64_t *high)
{
    for (; end - at >= SWAR_SIZE; at += SWAR_SIZE) {
        uint64_t word = swar_load(at);
        uint64_t marks = swar_below(word, 0x20) | swar_equal(word, '"') | swar_equal(word, '\\');
        *high |= word & SWAR_HIGHS; /* may see bytes behind the end: then the check is made for nothing */
        if (marks)
            return at + swar_first(marks);
    }
    for (; at < end && *at >= 0x20 && *at != '"' && *at != '\\'; at++)
        *high |= *at & 0x80u;
    return at;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The four digits behind \u; -1 where they are none. */
static int32_t take_hex(struct json_scan *scan)
{
    int32_t value = 0;
    if (scan->end - scan->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(scan->at[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    scan->at += 4;
    return value;
}

static uint8_t *put_point(uint8_t *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (uint8_t)point;
        return out;
    }
    if (point < 0x800) {
        *out++ = (uint8_t)(0xC0 | point >> 6);
    } else if (point < 0x10000) {
        *out++ = (uint8_t)(0xE0 | point >> 12);
        *out++ = (uint8_t)(0x80 | (point >> 6 & 0x3F));
    } else {
        *out++ = (uint8_t)(0xF0 | point >> 18);
        *out++ = (uint8_t)(0x80 | (point >> 12 & 0x3F));
        *out++ = (uint8_t)(0x80 | (point >> 6 & 0x3F));
    }
    *out++ = (uint8_t)(0x80 | (point & 0x3F));
    return out;
}

/* The code point behind \u, which may be a pair of surrogates; 0 with an error. */
static uint32_t take_unicode(struct json_scan *scan)
{
    int32_t high = take_hex(scan), low;
    if (high < 0)
        return fail(scan, "a bad \\u escape");
    if (high == 0)
        return fail(scan, "\\u0000 in a string");
    if (high < 0xD800 || high > 0xDFFF)
        return (uint32_t)high;
    if (high > 0xDBFF || scan->end - scan->at < 2 || scan->at[0] != '\\' || scan->at[1] != 'u')
        return fail(scan, "a lone surrogate");
    scan->at += 2;
    low = take_hex(scan);
    if (low < 0xDC00 || low > 0xDFFF)
        return fail(scan, "a lone surrogate");
    return 0x10000u + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
}

/* Behind the backslash. NULL with an error. */
static uint8_t *take_escape(struct json_scan *scan, uint8_t *out)
{
    static const uint8_t plain[256] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
    };
    uint8_t letter = scan->at < scan->end ? *scan->at : 0;
    if (plain[letter]) {
        scan->at++;
        *out = plain[letter];
        return out + 1;
    }
    if (letter != 'u') {
        fail(scan, "a bad escape");
        return NULL;
    }
    scan->at++;
    uint32_t point = take_unicode(scan);
    return point ? put_point(out, point) : NULL;
}

/* The closing quote of a string from inside it, or the end of the text. */
static const uint8_t *closing_quote(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at;
}

/* A string with escapes, from `begin` on; the scan stands at its first backslash. No escape is shorter than its text. */
static bool take_escaped(struct json_scan *scan, const uint8_t *begin, uint64_t *high, struct slice *text)
{
    uint8_t *copy = arena_alloc(scan->arena, (size_t)(closing_quote(scan->at, scan->end) - begin)), *out = copy;
    const uint8_t *from = begin;
    while (scan->at < scan->end && *scan->at == '\\') {
        memcpy(out, from, (size_t)(scan->at - from));
        out += scan->at - from;
        scan->at++;
        out = take_escape(scan, out);
        if (!out)
            return false;
        from = scan->at;
        scan->at = run_end(from, scan->end, high);
    }
    memcpy(out, from, (size_t)(scan->at - from));
    *text = slice_of(copy, (size_t)(out - copy) + (size_t)(scan->at - from));
    return true;
}

/* Behind the opening quote. */
static bool take_string(struct json_scan *scan, struct slice *text)
{
    const uint8_t *begin = scan->at;
    uint64_t high = 0;
    scan->at = run_end(begin, scan->end, &high);
    *text = slice_of(begin, (size_t)(scan->at - begin));
    if (scan->at < scan->end && *scan->at == '\\' && !take_escaped(scan, begin, &high, text))
        return false;
    if (scan->at == scan->end)
        return fail(scan, "a string without an end");
    if (*scan->at != '"')
        return fail(scan, "a control character in a string");
    if (high && !utf8_valid(*text))
        return fail(scan, "a string that is not UTF-8");
    scan->at++;
    return true;
}

/* ---- numbers and words ---- */

static bool take_digits(struct json_scan *scan)
{
    const uint8_t *begin = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > begin || fail(scan, "a number without digits");
}

static bool take_one(struct json_scan *scan, uint8_t a, uint8_t b)
{
    if (scan->at == scan->end || (*scan->at != a && *scan->at != b))
        return false;
    scan->at++;
    return true;
}

static bool take_number(struct json_scan *scan, struct json_token *token)
{
    const uint8_t *begin = scan->at;
    take_one(scan, '-', '-');
    const uint8_t *digits = scan->at;
    if (!take_digits(scan))
        return false;
    if (*digits == '0' && scan->at - digits > 1)
        return fail(scan, "a number with a leading zero");
    token->integral = true;
    if (take_one(scan, '.', '.')) {
        token->integral = false;
        if (!take_digits(scan))
            return false;
    }
    if (take_one(scan, 'e', 'E')) {
        token->integral = false;
        take_one(scan, '+', '-');
        if (!take_digits(scan))
            return false;
    }
    token->text = slice_of(begin, (size_t)(scan->at - begin));
    return true;
}

static bool take_word(struct json_scan *scan, enum json_kind kind)
{
    static const char *const words[] = { [JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = "null" };
    size_t size = strlen(words[kind]);
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, words[kind], size) != 0)
        return fail(scan, "a word that is not true, false or null");
    scan->at += size;
    return true;
}

/* ---- tokens ---- */

static bool enter(struct json_scan *scan)
{
    scan->at++;
    if (++scan->depth <= JSON_DEPTH)
        return true;
    scan->too_deep = true;
    return fail(scan, "too many levels");
}

bool json_next(struct json_scan *scan, struct json_token *token)
{
    /* By the first byte: a kind, one above, so that 0 is none. */
    static const uint8_t kinds[256] = {
        ['{'] = JSON_OBJECT + 1, ['['] = JSON_ARRAY + 1,  ['"'] = JSON_TEXT + 1,   ['t'] = JSON_TRUE + 1,
        ['f'] = JSON_FALSE + 1,  ['n'] = JSON_NULL + 1,   ['-'] = JSON_NUMBER + 1, ['0'] = JSON_NUMBER + 1,
        ['1'] = JSON_NUMBER + 1, ['2'] = JSON_NUMBER + 1, ['3'] = JSON_NUMBER + 1, ['4'] = JSON_NUMBER + 1,
        ['5'] = JSON_NUMBER + 1, ['6'] = JSON_NUMBER + 1, ['7'] = JSON_NUMBER + 1, ['8'] = JSON_NUMBER + 1,
        ['9'] = JSON_NUMBER + 1,
    };
    *token = (struct json_token){ .kind = JSON_NULL };
    if (scan->error)
        return false;
    skip_space(scan);
    if (scan->at == scan->end)
        return fail(scan, "an end too early");
    uint8_t kind = kinds[*scan->at];
    if (kind == 0)
        return fail(scan, "a value is missing");
    token->kind = (enum json_kind)(kind - 1);
    switch (token->kind) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return enter(scan);
    case JSON_TEXT:
        scan->at++;
        return take_string(scan, &token->text);
    case JSON_NUMBER:
        return take_number(scan, token);
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        return take_word(scan, token->kind);
    }
    return false;
}

bool json_more(struct json_scan *scan, bool first, uint8_t closing)
{
    if (scan->error)
        return false;
    skip_space(scan);
    if (scan->at == scan->end)
        return fail(scan, "an end too early");
    if (*scan->at == closing) {
        scan->at++;
        scan->depth--;
        return false;
    }
    if (first)
        return true;
    if (*scan->at != ',')
        return fail(scan, "a comma or a closing bracket is missing");
    scan->at++;
    return true;
}

bool json_key(struct json_scan *scan, struct slice *key)
{
    skip_space(scan);
    if (!take_one(scan, '"', '"'))
        return fail(scan, "a key is missing");
    if (!take_string(scan, key))
        return false;
    skip_space(scan);
    return take_one(scan, ':', ':') || fail(scan, "a colon is missing");
}

/* Recursion ends at JSON_DEPTH, where the scan fails. */
void json_skip(struct json_scan *scan, const struct json_token *token)
{
    struct json_token inner;
    struct slice key;
    if (token->kind != JSON_OBJECT && token->kind != JSON_ARRAY)
        return;
    uint8_t closing = token->kind == JSON_OBJECT ? '}' : ']';
    for (bool first = true; json_more(scan, first, closing); first = false) {
        if (token->kind == JSON_OBJECT && !json_key(scan, &key))
            return;
        if (!json_next(scan, &inner))
            return;
        json_skip(scan, &inner);
    }
}

bool json_end(struct json_scan *scan)
{
    if (scan->error)
        return false;
    skip_space(scan);
    return scan->at == scan->end || fail(scan, "something behind the end");
}

bool json_is_number(struct slice text, struct json_token *token)
{
    struct json_scan scan = json_scan_of(NULL, text);
    token->kind = JSON_NUMBER;
    return take_number(&scan, token) && scan.at == scan.end;
}
