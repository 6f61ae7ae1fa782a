/* cell.c -- tables of what is left out, and one loop for each. */
#include "common/cell.h"

#include <ctype.h>

static const char *const unseen[] = {
    " ",      "\t",     "\r",     "\n",     "\u00A0", /* no-break space */
    "\u3000", /* ideographic space */
    "\uFEFF", /* byte order mark */
    "\u200B", /* zero width space */
    "\u200E", "\u200F", "\u202A", "\u202C", "\u202D", /* directions, from numbers that were copied */
};

/* What a header says in brackets of how to fill the column in, not of what it holds. */
static const char *const hints[] = {
    "(必填)",   "(必填项)", "(必须)",     "(选填)",     "(可选)",     "(非必填)",
    "(可不填)", "(文本)",   "(文本格式)", "(required)", "(optional)", "(text)",
};

static const char *const errors[] = { "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!" };

/* The size of the unseen character at the beginning, or at the end; 0: there is none. */
static size_t unseen_size(struct slice cell, bool at_end)
{
    uint8_t edge = cell.size ? cell.data[at_end ? cell.size - 1 : 0] : 'x';
    if (edge > ' ' && edge < 0x80) /* as most are */
        return 0;
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++) {
        size_t size = strlen(unseen[i]);
        if (cell.size >= size && memcmp(cell.data + (at_end ? cell.size - size : 0), unseen[i], size) == 0)
            return size;
    }
    return 0;
}

struct slice cell_trim(struct slice cell)
{
    size_t size;
    while ((size = unseen_size(cell, false)) > 0)
        cell = slice_of(cell.data + size, cell.size - size);
    while ((size = unseen_size(cell, true)) > 0)
        cell.size -= size;
    return cell;
}

/* The ASCII character of a full-width one (U+FF01 to U+FF5E) or of an ideographic space; 0: it has none. */
static char narrow_form(struct slice at)
{
    if (at.size < 3 || (at.data[0] != 0xEF && at.data[0] != 0xE3))
        return 0;
    unsigned point = (at.data[0] & 0x0Fu) << 12 | (at.data[1] & 0x3Fu) << 6 | (at.data[2] & 0x3Fu);
    if (point == 0x3000)
        return ' ';
    return point >= 0xFF01 && point <= 0xFF5E ? (char)(point - 0xFF01 + '!') : 0;
}

static struct slice without_wide(struct arena *arena, struct slice cell)
{
    char *narrow = arena_alloc(arena, cell.size), *out = narrow;
    for (size_t i = 0; i < cell.size;) {
        char form = narrow_form(slice_of(cell.data + i, cell.size - i));
        *out++ = form ? form : (char)cell.data[i];
        i += form ? 3 : 1;
    }
    return slice_of(narrow, (size_t)(out - narrow));
}

static bool is_decoration(uint8_t byte)
{
    return byte == '_' || byte == '-' || byte == '*' || byte == ':';
}

static bool is_ascii(struct slice cell)
{
    for (size_t i = 0; i < cell.size; i++)
        if (cell.data[i] >= 0x80)
            return false;
    return true;
}

struct slice cell_narrow(struct arena *arena, struct slice cell)
{
    if (!is_ascii(cell))
        cell = without_wide(arena, cell);
    if (cell.size && cell.data[0] == '\'')
        cell = slice_of(cell.data + 1, cell.size - 1);
    return cell_trim(cell);
}

/* ---- headers ---- */

/* One kind of brackets, so that a header is one text however it was typed. */
static char plain_bracket(struct slice *at)
{
    static const struct {
        const char *typed;
        char plain;
    } brackets[] = { { "【", '(' }, { "】", ')' }, { "[", '(' }, { "]", ')' }, { "〔", '(' }, { "〕", ')' } };
    for (size_t i = 0; i < sizeof brackets / sizeof *brackets; i++) {
        size_t size = strlen(brackets[i].typed);
        if (at->size < size || memcmp(at->data, brackets[i].typed, size) != 0)
            continue;
        *at = slice_of(at->data + size, at->size - size);
        return brackets[i].plain;
    }
    return 0;
}

static void leave_out_hints(char *header)
{
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        char *hint = strstr(header, hints[i]);
        if (hint)
            memmove(hint, hint + strlen(hints[i]), strlen(hint + strlen(hints[i])) + 1);
    }
}

const char *cell_header(struct arena *arena, struct slice header)
{
    struct slice rest = without_wide(arena, header);
    char *text = arena_alloc(arena, rest.size + 1), *out = text;
    while (rest.size) {
        size_t skipped = unseen_size(rest, false);
        char bracket = plain_bracket(&rest);
        if (bracket) {
            *out++ = bracket;
            continue;
        }
        if (!skipped && !is_decoration(rest.data[0]))
            *out++ = (char)tolower(rest.data[0]);
        skipped = skipped ? skipped : 1;
        rest = slice_of(rest.data + skipped, rest.size - skipped);
    }
    *out = '\0';
    leave_out_hints(text);
    return text;
}

/* ---- what a spreadsheet makes of a value ---- */

static size_t digits_at(struct slice cell, size_t at)
{
    size_t count = 0;
    while (at + count < cell.size && isdigit(cell.data[at + count]))
        count++;
    return count;
}

bool cell_is_scientific(struct slice cell)
{
    size_t at = digits_at(cell, 0);
    if (at == 0)
        return false;
    if (at < cell.size && cell.data[at] == '.')
        at += 1 + digits_at(cell, at + 1);
    if (at + 2 >= cell.size || (cell.data[at] != 'E' && cell.data[at] != 'e') || cell.data[at + 1] != '+')
        return false;
    return at + 2 + digits_at(cell, at + 2) == cell.size;
}

bool cell_is_error(struct slice cell)
{
    size_t hashes = 0;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (slice_is(cell, errors[i]))
            return true;
    while (hashes < cell.size && cell.data[hashes] == '#')
        hashes++;
    return hashes > 1 && hashes == cell.size;
}
