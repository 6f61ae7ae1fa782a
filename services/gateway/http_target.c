/* http_target.c -- what bytes a target, a host and a token may hold. */
#include "services/gateway/http_target.h"

#include <string.h>
#include <strings.h>

enum byte_use {
    IN_PATH = 1, /* printable ASCII but "#", "?", "\" and the percent sign, which is looked at by itself */
    IN_QUERY = 2, /* the same and "?" and "\" */
    IN_HOST = 4, /* reg-name of RFC 3986 but for percent-encodings, which no host of ours needs */
    IN_TOKEN = 8,
    DIGIT = 16,
    HEX = 32,
};

#define LETTER (IN_PATH | IN_QUERY | IN_HOST | IN_TOKEN)
#define NUMBER (LETTER | DIGIT | HEX)
#define TARGET (IN_PATH | IN_QUERY)

static const uint8_t uses[256] = {
    ['!'] = LETTER,
    ['"'] = TARGET,
    ['$'] = LETTER,
    ['&'] = LETTER,
    ['\''] = LETTER,
    ['('] = TARGET | IN_HOST,
    [')'] = TARGET | IN_HOST,
    ['*'] = LETTER,
    ['+'] = LETTER,
    [','] = TARGET | IN_HOST,
    ['-'] = LETTER,
    ['.'] = LETTER,
    ['/'] = TARGET,
    ['0' ... '9'] = NUMBER,
    [':'] = TARGET,
    [';'] = TARGET | IN_HOST,
    ['<'] = TARGET,
    ['='] = TARGET | IN_HOST,
    ['>'] = TARGET,
    ['?'] = IN_QUERY,
    ['@'] = TARGET,
    ['A' ... 'F'] = LETTER | HEX,
    ['G' ... 'Z'] = LETTER,
    ['['] = TARGET,
    ['\\'] = IN_QUERY,
    [']'] = TARGET,
    ['^'] = TARGET | IN_TOKEN,
    ['_'] = LETTER,
    ['`'] = TARGET | IN_TOKEN,
    ['a' ... 'f'] = LETTER | HEX,
    ['g' ... 'z'] = LETTER,
    ['{'] = TARGET,
    ['|'] = TARGET | IN_TOKEN,
    ['}'] = TARGET,
    ['~'] = LETTER,
    /* '#' and '%' are tchar, but not of a target as they stand. */
    ['#'] = IN_TOKEN,
    ['%'] = IN_TOKEN,
};

static bool all(struct slice bytes, uint8_t use)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (!(uses[bytes.data[i]] & use))
            return false;
    return true;
}

static unsigned hex_value(uint8_t digit)
{
    return digit <= '9' ? digit - (unsigned)'0' : (digit | 0x20U) - 'a' + 10;
}

/* The byte that a percent-encoding at `at` stands for; -1 where it is none. */
static int encoded_byte(struct slice bytes, size_t at)
{
    if (bytes.size - at < 3 || !(uses[bytes.data[at + 1]] & HEX) || !(uses[bytes.data[at + 2]] & HEX))
        return -1;
    return (int)(hex_value(bytes.data[at + 1]) << 4 | hex_value(bytes.data[at + 2]));
}

/* Where a segment of the path stands: how many bytes it has, and whether all of them are dots. */
struct segment {
    size_t size;
    bool dots;
};

static bool segment_ends(struct segment *segment, bool last)
{
    bool valid = segment->size ? !segment->dots || segment->size > 2 : last;
    *segment = (struct segment){ .dots = true };
    return valid;
}

static bool path_valid(struct slice path)
{
    struct segment segment = { .dots = true };
    for (size_t i = 1; i < path.size; i++) {
        int byte = path.data[i];
        if (byte == '/') {
            if (!segment_ends(&segment, false))
                return false;
            continue;
        }
        if (byte == '%') {
            byte = encoded_byte(path, i);
            if (byte <= 0 || byte == '/' || byte == '\\')
                return false;
            i += 2;
        } else if (!(uses[byte] & IN_PATH)) {
            return false;
        }
        segment.size++;
        segment.dots = segment.dots && byte == '.';
    }
    return segment_ends(&segment, true);
}

static bool query_valid(struct slice query)
{
    for (size_t i = 0; i < query.size; i++) {
        if (query.data[i] == '%') {
            if (encoded_byte(query, i) <= 0)
                return false;
            i += 2;
        } else if (!(uses[query.data[i]] & IN_QUERY)) {
            return false;
        }
    }
    return true;
}

/* "[" IPv6 "]": its characters, not its grammar; nothing here resolves it. */
static size_t literal_size(struct slice host)
{
    const uint8_t *end = memchr(host.data, ']', host.size);
    size_t size = end ? (size_t)(end - host.data) + 1 : 0;
    for (size_t i = 1; i + 1 < size; i++)
        if (!(uses[host.data[i]] & HEX) && host.data[i] != ':' && host.data[i] != '.')
            return 0;
    return size > 2 ? size : 0;
}

bool http_host_valid(struct slice host)
{
    if (host.size == 0)
        return false;
    size_t size = 0;
    if (host.data[0] == '[')
        size = literal_size(host);
    else
        while (size < host.size && uses[host.data[size]] & IN_HOST)
            size++;
    if (size == 0 || size == host.size)
        return size > 0;
    return host.data[size] == ':' && all(slice_of(host.data + size + 1, host.size - size - 1), DIGIT);
}

/* ---- targets ---- */

static bool origin_split(struct slice target, struct slice *path, struct slice *query)
{
    if (target.size == 0 || target.data[0] != '/')
        return false;
    const uint8_t *mark = memchr(target.data, '?', target.size);
    size_t size = mark ? (size_t)(mark - target.data) : target.size;
    *path = slice_of(target.data, size);
    *query = mark ? slice_of(mark + 1, target.size - size - 1) : slice_of(NULL, 0);
    return path_valid(*path) && query_valid(*query);
}

/* What of the absolute form stands before its authority: 0 where it is of another form. */
static size_t scheme_size(struct slice target)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i]);
        if (target.size > size && strncasecmp((const char *)target.data, schemes[i], size) == 0)
            return size;
    }
    return 0;
}

/* The authority takes the place of the Host field (RFC 9112 §3.2.2), and names this server as little as that does. */
bool http_target_split(struct slice target, struct slice *path, struct slice *query)
{
    size_t start = scheme_size(target), end = start;
    if (start == 0)
        return origin_split(target, path, query);
    while (end < target.size && target.data[end] != '/' && target.data[end] != '?')
        end++;
    if (!http_host_valid(slice_of(target.data + start, end - start)))
        return false;
    struct slice rest = slice_of(target.data + end, target.size - end);
    if (rest.size && rest.data[0] == '/')
        return origin_split(rest, path, query);
    *path = slice_text("/"); /* an empty path is that one (RFC 9110 §4.2.3) */
    *query = rest.size ? slice_of(rest.data + 1, rest.size - 1) : rest;
    return query_valid(*query);
}

bool http_token_valid(struct slice token)
{
    return token.size > 0 && all(token, IN_TOKEN);
}
