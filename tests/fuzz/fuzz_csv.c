/* fuzz_csv.c -- a file of any bytes as an import reads it: its encoding, its rows, its cells. */
#include "tests/fuzz/fuzz.h"

#include "common/cell.h"
#include "common/charset.h"
#include "common/csv.h"
#include "common/utf8.h"

enum { CAPACITY = 8 };

/* What is read is valid UTF-8 within its bounds; what is not has a line of the file; valid UTF-8 is never taken for
 * something else. */
static struct charset_text read_text(struct arena *arena, struct slice file)
{
    struct charset_text read = charset_read(arena, file);
    need(read.charset != CHARSET_UNAVAILABLE);
    if (read.charset == CHARSET_UNKNOWN) {
        need(read.line >= 1 && read.line <= file.size + 1 && read.text.size == 0);
        return read;
    }
    need(read.text.size <= 2 * file.size && utf8_valid(read.text));
    need(read.text.size == 0 || !memchr(read.text.data, '\0', read.text.size));
    need(read.charset != CHARSET_GB18030 || !utf8_valid(file));
    return read;
}

static void read_cell(struct arena *arena, struct slice cell)
{
    struct slice trimmed = cell_trim(cell), narrow = cell_narrow(arena, trimmed);
    need(utf8_valid(trimmed) && utf8_valid(narrow));
    need(slice_equal(cell_trim(trimmed), trimmed) && slice_equal(cell_trim(narrow), narrow));
    need(utf8_valid(slice_text(cell_header(arena, cell))));
    need(!cell_is_error(trimmed) || !cell_is_scientific(trimmed));
}

static void read_rows(struct arena *arena, struct slice text)
{
    struct csv_reader reader = csv_read(text);
    struct slice cells[CAPACITY];
    struct csv_row row;
    for (uint32_t line = 0; csv_next(&reader, arena, cells, CAPACITY, &row); line = row.line) {
        need(row.line > line && row.count > 0);
        for (size_t i = 0; i < row.count && i < CAPACITY; i++)
            read_cell(arena, cells[i]);
    }
    need(reader.broken || reader.at == reader.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct charset_text read = read_text(arena, slice_of(data, size));
    if (read.charset != CHARSET_UNKNOWN)
        read_rows(arena, read.text);
    arena_free(arena);
    return 0;
}
