/* csv.c -- one pass; a row is read cell by cell, a cell in one of its two forms. */
#include "common/csv.h"

static bool ends_cell(const struct csv_reader *reader, const uint8_t *at)
{
    return at == reader->end || *at == ',' || *at == '\n' || (*at == '\r' && at + 1 < reader->end && at[1] == '\n');
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

struct csv_reader csv_read(struct slice file)
{
    static const uint8_t mark[] = { 0xEF, 0xBB, 0xBF };
    struct csv_reader reader = { .at = file.data, .end = file.data ? file.data + file.size : NULL, .line = 1 };
    if (file.data && file.size >= sizeof mark && memcmp(file.data, mark, sizeof mark) == 0)
        reader.at += sizeof mark;
    return reader;
}

bool csv_next(struct csv_reader *reader, struct arena *arena, struct slice *cells, size_t capacity, struct csv_row *row)
{
    if (reader->broken || reader->at == reader->end)
        return false;
    *row = (struct csv_row){ .line = reader->line };
    for (bool more = true; more && !reader->broken;) {
        bool quoted = reader->at < reader->end && *reader->at == '"';
        struct slice cell = quoted ? take_quoted(reader, arena) : take_plain(reader);
        if (row->count < capacity)
            cells[row->count] = cell;
        row->count++;
        more = reader->at < reader->end && *reader->at == ',';
        reader->at += more;
    }
    if (!reader->broken)
        end_line(reader);
    return !reader->broken;
}
