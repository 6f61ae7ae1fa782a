/* cell.h -- what spreadsheets, and people who use them, put around a value; and what they make of one. Pure.
 *
 * Cells are valid UTF-8. What is returned is a part of the cell or lies in the arena. */
#ifndef CAMPUS_CELL_H
#define CAMPUS_CELL_H

#include "common/arena.h"

/* Without what cannot be seen around it: spaces of any width, tabs, line ends, byte order and direction marks. */
struct slice cell_trim(struct slice cell);

/* A value that is written in ASCII, such as a number: full-width forms as the plain ones, and without the apostrophe by which
 * people keep a spreadsheet from reading digits as a number. */
struct slice cell_narrow(struct arena *arena, struct slice cell);

/* A header as it is compared: narrow, in lower case, without spaces, underscores, hyphens, asterisks and colons, and without
 * brackets that only say how to fill the column in. "Student Number *" is "studentnumber", "学 号（必填）" is "学号", and
 * "姓名【拼音】" is "姓名(拼音)". */
const char *cell_header(struct arena *arena, struct slice header);

/* "2.02699E+09": a spreadsheet took digits for a number and rounded it. */
bool cell_is_scientific(struct slice cell);

/* "#N/A" and its like, or "####" of a column that was too narrow. */
bool cell_is_error(struct slice cell);

#endif
