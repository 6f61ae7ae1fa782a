/* csv.h -- rows of a CSV file (RFC 4180), one after another. Pure.
 *
 * Lines end with CRLF or LF, the last one needs no end; a byte order mark is skipped; commas separate. A cell in quotes
 * may hold commas, line ends and doubled quotes. A quote elsewhere is an error, as it would make cells of one row
 * slip into another. */
#ifndef CAMPUS_CSV_H
#define CAMPUS_CSV_H

#include "common/arena.h"

struct csv_reader {
    const uint8_t *at, *end;
    uint32_t line; /* of what is read next, from 1 */
    bool broken; /* the file is no CSV from here on */
};

struct csv_row {
    uint32_t line; /* on which it begins */
    size_t count; /* cells; those beyond the capacity are counted, not kept */
};

/* The file is borrowed for as long as the cells are used. */
struct csv_reader csv_read(struct slice file);
/* The next row; false at the end or where reader->broken. Cells are slices of the file, but for those with doubled quotes, which
 * are copied into the arena. An empty line is a row of one empty cell. */
bool csv_next(struct csv_reader *reader, struct arena *arena, struct slice *cells, size_t capacity, struct csv_row *row)
    __attribute__((warn_unused_result));

#endif
