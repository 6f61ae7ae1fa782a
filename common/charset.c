/* charset.c -- marks first, then UTF-8, then GB 18030 with its result judged. */
#include "common/charset.h"

#include "common/utf8.h"

#include <assert.h>
#include <iconv.h>
#include <utf8proc.h>

static const struct {
    const char *name, *iconv;
    uint8_t mark[4], mark_size;
} forms[] = {
    [CHARSET_UTF_8] = { "utf_8", "UTF-8", { 0xEF, 0xBB, 0xBF }, 3 },
    [CHARSET_UTF_16LE] = { "utf_16le", "UTF-16LE", { 0xFF, 0xFE }, 2 },
    [CHARSET_UTF_16BE] = { "utf_16be", "UTF-16BE", { 0xFE, 0xFF }, 2 },
    [CHARSET_GB18030] = { "gb18030", "GB18030", { 0x84, 0x31, 0x95, 0x33 }, 4 },
};

static struct charset_text unknown_at(struct slice text, const uint8_t *at)
{
    struct charset_text unknown = { .charset = CHARSET_UNKNOWN, .line = 1 };
    for (const uint8_t *before = text.data; before < at; before++)
        unknown.line += *before == '\n';
    return unknown;
}

static bool has_mark(struct slice file, enum charset charset)
{
    size_t size = forms[charset].mark_size;
    return file.size >= size && memcmp(file.data, forms[charset].mark, size) == 0;
}

static enum charset marked(struct slice file)
{
    for (enum charset charset = 0; charset < CHARSET_UNKNOWN; charset++)
        if (has_mark(file, charset))
            return charset;
    return CHARSET_UNKNOWN;
}

/* ---- UTF-8 ---- */

static const uint8_t *first_broken(struct slice text)
{
    const uint8_t *at = text.data, *end = text.data + text.size;
    for (size_t size; at < end && (size = utf8_sequence(at, end)) > 0;)
        at += size;
    return at;
}

static bool is_damaged_utf8(struct slice file)
{
    size_t long_sequences = 0, broken_bytes = 0;
    const uint8_t *end = file.data + file.size;
    for (const uint8_t *at = file.data; at < end;) {
        size_t size = utf8_sequence(at, end);
        long_sequences += size >= 3;
        broken_bytes += size == 0;
        at += size ? size : 1;
    }
    return long_sequences > 0 && long_sequences >= broken_bytes;
}

static struct charset_text read_utf8(struct slice file)
{
    if (!utf8_valid(file))
        return unknown_at(file, first_broken(file));
    size_t mark = has_mark(file, CHARSET_UTF_8) ? forms[CHARSET_UTF_8].mark_size : 0;
    return (struct charset_text){ CHARSET_UTF_8, slice_of(file.data + mark, file.size - mark), 0 };
}

/* ---- what iconv converts ---- */

/* Twice the size is enough: of GB 18030 the bytes FE51 are U+20087, four bytes; of UTF-16 two bytes become three. */
static struct charset_text convert(struct arena *arena, enum charset charset, struct slice file)
{
    static const char mark[] = "\uFEFF";
    iconv_t converter = iconv_open("UTF-8", forms[charset].iconv);
    if (converter == (iconv_t)-1) /* NOLINT(performance-no-int-to-ptr): iconv's word for it */
        return (struct charset_text){ .charset = CHARSET_UNAVAILABLE };
    size_t room = 2 * file.size, left = room, unread = file.size;
    char *text = arena_alloc(arena, room), *to = text, *from = (char *)(uintptr_t)file.data; /* which it only reads */
    size_t result = iconv(converter, &from, &unread, &to, &left);
    iconv_close(converter);
    struct slice done = slice_of(text, room - left);
    if (result == (size_t)-1)
        return unknown_at(done, done.data + done.size);
    size_t skipped = done.size >= 3 && memcmp(done.data, mark, 3) == 0 ? 3 : 0;
    return (struct charset_text){ charset, slice_of(done.data + skipped, done.size - skipped), 0 };
}

/* How much of valid GB 18030 beyond ASCII is of GB 2312. */
static bool is_chinese(struct slice file)
{
    size_t common = 0, rare = 0;
    for (size_t i = 0; i + 1 < file.size; i++) {
        if (file.data[i] < 0x80)
            continue;
        bool four_bytes = file.data[i + 1] < 0x40;
        bool of_gb2312 = file.data[i] > 0xA0 && file.data[i + 1] > 0xA0;
        *(of_gb2312 ? &common : &rare) += 1;
        i += four_bytes ? 3 : 1;
    }
    return 9 * common >= rare;
}

static bool is_written(utf8proc_int32_t point)
{
    if (point < 0x80)
        return point >= 0x20 ? point != 0x7F : point == '\t' || point == '\n' || point == '\r';
    if (point >= 0x4E00 && point < 0x9FFD)
        return true;
    utf8proc_category_t category = utf8proc_category(point);
    return category != UTF8PROC_CATEGORY_CN && category != UTF8PROC_CATEGORY_CO && category != UTF8PROC_CATEGORY_CC;
}

/* The end, where all of it is. */
static const uint8_t *first_unwritten(struct slice text)
{
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end) {
        utf8proc_int32_t point;
        utf8proc_ssize_t size = utf8proc_iterate(at, end - at, &point);
        if (size <= 0 || !is_written(point))
            break;
        at += size;
    }
    return at;
}

static struct charset_text read_gb18030(struct arena *arena, struct slice file)
{
    struct charset_text read = convert(arena, CHARSET_GB18030, file);
    if (read.charset != CHARSET_GB18030)
        return read;
    const uint8_t *end = read.text.data + read.text.size, *unwritten = first_unwritten(read.text);
    if (unwritten < end)
        return unknown_at(read.text, unwritten);
    return is_chinese(file) ? read : unknown_at(file, file.data);
}

/* ---- all of them ---- */

static struct charset_text read_as(struct arena *arena, enum charset charset, struct slice file)
{
    if (charset == CHARSET_UTF_8)
        return read_utf8(file);
    return charset == CHARSET_GB18030 ? read_gb18030(arena, file) : convert(arena, charset, file);
}

struct charset_text charset_read(struct arena *arena, struct slice file)
{
    enum charset charset = marked(file);
    if (file.size == 0)
        return (struct charset_text){ CHARSET_UTF_8, file, 0 };
    if (charset == CHARSET_UNKNOWN)
        charset = utf8_valid(file) || is_damaged_utf8(file) ? CHARSET_UTF_8 : CHARSET_GB18030;
    struct charset_text read = read_as(arena, charset, file);
    const uint8_t *nul = read.text.size ? memchr(read.text.data, '\0', read.text.size) : NULL;
    return nul ? unknown_at(read.text, nul) : read;
}

const char *charset_name(enum charset charset)
{
    assert(charset < CHARSET_UNKNOWN);
    return forms[charset].name;
}

const char *charset_missing(void)
{
    for (enum charset charset = 0; charset < CHARSET_UNKNOWN; charset++) {
        iconv_t converter = iconv_open("UTF-8", forms[charset].iconv);
        if (converter == (iconv_t)-1) /* NOLINT(performance-no-int-to-ptr) */
            return "the C library's conversions from UTF-16 and GB18030 (its gconv modules)";
        iconv_close(converter);
    }
    return NULL;
}
