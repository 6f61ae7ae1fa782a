/* csv.h -- rows of a CSV file (RFC 4180), one after another. Pure.
 *
 * The file is UTF-8 without a byte order mark: charset.h makes it so. Lines end with CRLF or LF, the last one needs no end.
 * Commas separate, or tabs or semicolons: which one, a first line "sep=;" says, as Excel has it, else the first line that
 * holds one of them outside quotes, by the one that it holds most. A cell in quotes may hold separators, line ends and doubled
 * quotes. ="0012", the formula that keeps a spreadsheet from reading digits as a number, is its text. A quote elsewhere is
 * an error, as it would make cells of one row slip into another. */
#ifndef CAMPUS_CSV_H
#define CAMPUS_CSV_H

#include "common/arena.h"

struct csv_reader {
    const uint8_t *at, *end;
    uint32_t line; /* of what is read next, from 1 */
    uint8_t separator; /* ',', '\t' or ';' */
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
