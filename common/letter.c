/* letter.c -- headers in ASCII, encoded words where that does not do (RFC 2047), the body in base64. */
#include "common/letter.h"

#include <assert.h>
#include <ctype.h>
#include <sodium.h>

enum {
    LONGEST_ADDRESS = 254, /* RFC 5321 4.5.3.1.3, without the brackets */
    LONGEST_LOCAL = 64,
    LONGEST_LABEL = 63,
    WORD_BYTES = 39, /* in one encoded word: "Subject: " before it stays within 76 characters */
    LINE_BYTES = 57, /* 76 characters of base64 */
    LINE_TEXT = 80,
    PLAIN_LENGTH = 60, /* a header of ASCII up to here is written as it is */
};

/* ---- addresses ---- */

/* atext of RFC 5322. */
static bool is_atom(unsigned char c)
{
    return isalnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Parts joined by single dots, each of characters that `fits` and at most `longest`. */
static bool is_dotted(struct slice text, bool (*fits)(unsigned char c), size_t longest)
{
    size_t part = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '.' ? part == 0 : !fits(text.data[i]) || ++part > longest)
            return false;
        if (text.data[i] == '.')
            part = 0;
    }
    return part > 0;
}

static bool is_domain(unsigned char c)
{
    return isalnum(c) || c == '-';
}

bool letter_is_address(const char *text)
{
    const char *at = strchr(text, '@');
    size_t size = strlen(text);
    if (!at || size > LONGEST_ADDRESS)
        return false;
    struct slice local = slice_of(text, (size_t)(at - text)), domain = slice_text(at + 1);
    return local.size <= LONGEST_LOCAL && is_dotted(local, is_atom, LONGEST_LOCAL) &&
           is_dotted(domain, is_domain, LONGEST_LABEL);
}

bool letter_split_address(struct arena *arena, const char *text, const char **name, const char **address)
{
    const char *open = strrchr(text, '<');
    size_t size = strlen(text);
    *name = NULL;
    *address = text;
    if (open) {
        struct slice before = slice_trimmed(slice_of(text, (size_t)(open - text)));
        if (text[size - 1] != '>')
            return false;
        *name = before.size ? arena_text(arena, before) : NULL;
        *address = arena_text(arena, slice_of(open + 1, size - (size_t)(open - text) - 2));
    }
    return letter_is_address(*address);
}

const char *letter_domain(const char *address)
{
    const char *at = strchr(address, '@');
    assert(at);
    return at + 1;
}

/* ---- headers ---- */

static void add_base64(struct buffer *out, const uint8_t *bytes, size_t size)
{
    char text[LINE_TEXT];
    sodium_bin2base64(text, sizeof text, bytes, size, sodium_base64_VARIANT_ORIGINAL);
    buffer_text(out, text);
}

/* How many of these bytes an encoded word takes: no character is cut in two. */
static size_t word_size(struct slice rest)
{
    size_t size = rest.size < WORD_BYTES ? rest.size : WORD_BYTES;
    while (size > 0 && size < rest.size && (rest.data[size] & 0xC0) == 0x80)
        size--;
    return size ? size : rest.size < WORD_BYTES ? rest.size : WORD_BYTES; /* what is no UTF-8 is cut anywhere */
}

static void add_words(struct buffer *out, const char *text)
{
    struct slice rest = slice_text(text);
    for (bool first = true; rest.size || first; first = false) {
        size_t size = word_size(rest);
        buffer_text(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        add_base64(out, rest.data, size);
        buffer_text(out, "?=");
        rest = slice_of(rest.data + size, rest.size - size);
    }
}

/* Short ASCII of `safe` characters as it stands, all else encoded. */
static void add_text(struct buffer *out, const char *text, bool (*safe)(unsigned char c))
{
    size_t size = 0;
    while (text[size] && safe((unsigned char)text[size]))
        size++;
    bool plain = !text[size] && size > 0 && size <= PLAIN_LENGTH && text[0] != ' ' && text[size - 1] != ' ';
    if (plain)
        buffer_text(out, text);
    else
        add_words(out, text);
}

static bool is_subject(unsigned char c)
{
    return c >= ' ' && c < 0x7F && c != '='; /* =? would begin an encoded word */
}

static bool is_phrase(unsigned char c)
{
    return isalnum(c) || c == ' ';
}

static void add_from(struct buffer *out, const struct letter *letter)
{
    buffer_text(out, "From: ");
    if (letter->from_name) {
        add_text(out, letter->from_name, is_phrase);
        buffer_printf(out, "\r\n <%s>\r\n", letter->from);
    } else {
        buffer_printf(out, "%s\r\n", letter->from);
    }
}

/* ---- the whole ---- */

/* Text in base64 has CRLF for its line breaks (RFC 2045 6.8). */
static void add_body(struct buffer *out, const char *text)
{
    struct buffer body = buffer_in(out->arena);
    for (const char *at = text; *at; at++) {
        if (*at == '\n')
            buffer_byte(&body, '\r');
        buffer_byte(&body, (uint8_t)*at);
    }
    for (size_t at = 0; at < body.size; at += LINE_BYTES) {
        add_base64(out, body.data + at, body.size - at < LINE_BYTES ? body.size - at : LINE_BYTES);
        buffer_text(out, "\r\n");
    }
}

void letter_write(struct buffer *out, const struct letter *letter)
{
    assert(letter_is_address(letter->from) && letter_is_address(letter->to));
    buffer_printf(out, "Date: %s\r\n", letter->date);
    add_from(out, letter);
    buffer_printf(out, "To: %s\r\nMessage-ID: <%s@%s>\r\nSubject: ", letter->to, letter->id,
                  letter_domain(letter->from));
    add_text(out, letter->subject, is_subject);
    buffer_printf(out,
                  "\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Language: %s\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                  letter->language);
    add_body(out, letter->text);
}
