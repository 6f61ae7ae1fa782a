/* csv.c -- one pass; a row is read cell by cell, a cell in one of its forms. */
#include "common/csv.h"

#include <strings.h>

static bool ends_line(const struct csv_reader *reader, const uint8_t *at)
{
    return at == reader->end || *at == '\n' || (*at == '\r' && at + 1 < reader->end && at[1] == '\n');
}

static bool ends_cell(const struct csv_reader *reader, const uint8_t *at)
{
    return ends_line(reader, at) || *at == reader->separator;
}

static struct slice take_plain(struct csv_reader *reader)
{
    const uint8_t *start = reader->at;
    while (!ends_cell(reader, reader->at))
        reader->broken |= *reader->at++ == '"';
    return slice_of(start, (size_t)(reader->at - start));
}

static struct slice without_doubles(struct arena *arena, struct slice quoted)
{
    uint8_t *copy = arena_alloc(arena, quoted.size), *out = copy;
    for (size_t i = 0; i < quoted.size; i++) {
        *out++ = quoted.data[i];
        i += quoted.data[i] == '"'; /* its twin */
    }
    return slice_of(copy, (size_t)(out - copy));
}

static struct slice take_quoted(struct csv_reader *reader, struct arena *arena)
{
    const uint8_t *start = ++reader->at;
    bool doubled = false;
    for (; reader->at < reader->end; reader->at++) {
        if (*reader->at == '\n')
            reader->line++;
        if (*reader->at != '"')
            continue;
        if (reader->at + 1 == reader->end || reader->at[1] != '"')
            break;
        doubled = true;
        reader->at++;
    }
    struct slice text = slice_of(start, (size_t)(reader->at - start));
    reader->broken |= reader->at == reader->end || !ends_cell(reader, ++reader->at);
    return doubled && !reader->broken ? without_doubles(arena, text) : text;
}

static void end_line(struct csv_reader *reader)
{
    reader->at += reader->at < reader->end && *reader->at == '\r';
    reader->at += reader->at < reader->end;
    reader->line++;
}

/* ="0012", be it as it stands or in quotes once more: "=""0012""". */
static bool is_formula_text(const uint8_t *at, const uint8_t *end)
{
    return end - at >= 3 && at[0] == '=' && at[1] == '"';
}

static struct slice without_formula(struct slice cell)
{
    if (!is_formula_text(cell.data, cell.data + cell.size) || cell.data[cell.size - 1] != '"' ||
        memchr(cell.data + 2, '"', cell.size - 3))
        return cell;
    return slice_of(cell.data + 2, cell.size - 3);
}

static struct slice take_cell(struct csv_reader *reader, struct arena *arena)
{
    if (reader->at == reader->end)
        return slice_of(reader->at, 0);
    if (is_formula_text(reader->at, reader->end)) {
        reader->at++;
        return take_quoted(reader, arena);
    }
    return *reader->at == '"' ? without_formula(take_quoted(reader, arena)) : take_plain(reader);
}

/* ---- the separator ---- */

static const uint8_t separators[] = { ',', '\t', ';' };

/* Takes a first line "sep=;". */
static bool take_declared(struct csv_reader *reader)
{
    static const char word[] = "sep=";
    size_t size = sizeof word - 1;
    if ((size_t)(reader->end - reader->at) <= size || strncasecmp((const char *)reader->at, word, size) != 0 ||
        !memchr(separators, reader->at[size], sizeof separators) || !ends_line(reader, reader->at + size + 1))
        return false;
    reader->separator = reader->at[size];
    reader->at += size + 1;
    end_line(reader);
    return true;
}

/* Of the first line that holds any outside quotes the one that it holds most; of as many, the first of the table. */
static uint8_t likely_separator(const struct csv_reader *reader)
{
    size_t counts[sizeof separators] = { 0 }, best = 0, found = 0;
    bool quoted = false;
    for (const uint8_t *at = reader->at; at < reader->end && (quoted || !found || *at != '\n'); at++) {
        const uint8_t *separator = quoted ? NULL : memchr(separators, *at, sizeof separators);
        quoted ^= *at == '"';
        if (separator)
            counts[separator - separators]++, found++;
    }
    for (size_t i = 1; i < sizeof separators; i++)
        if (counts[i] > counts[best])
            best = i;
    return separators[best];
}

/* ---- the file ---- */

struct csv_reader csv_read(struct slice file)
{
    struct csv_reader reader = { .at = file.data, .end = file.data ? file.data + file.size : NULL, .line = 1 };
    if (!take_declared(&reader))
        reader.separator = likely_separator(&reader);
    return reader;
}

bool csv_next(struct csv_reader *reader, struct arena *arena, struct slice *cells, size_t capacity, struct csv_row *row)
{
    if (reader->broken || reader->at == reader->end)
        return false;
    *row = (struct csv_row){ .line = reader->line };
    for (bool more = true; more && !reader->broken;) {
        struct slice cell = take_cell(reader, arena);
        if (row->count < capacity)
            cells[row->count] = cell;
        row->count++;
        more = reader->at < reader->end && *reader->at == reader->separator;
        reader->at += more;
    }
    if (!reader->broken)
        end_line(reader);
    return !reader->broken;
}
