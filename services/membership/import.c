/* import.c -- a roster's rows, checked by the rules of CreatePerson, as one array a column for the statement. */
#include "services/membership/tables.h"

#include "common/call.h"
#include "common/cell.h"
#include "common/charset.h"
#include "common/csv.h"
#include "common/rules.h"

#include <assert.h>

enum { MOST_ROWS = 50000, MOST_CELLS = 64, MOST_HEADER = 200, MOST_TITLES = 4 };

enum column {
    STUDENT_NUMBER,
    NAME,
    LATIN_NAME,
    HOME,
    GRADE,
    CLASS_NAME,
    STATUS,
    EMAIL,
    PHONE,
    COLUMN_COUNT,
};

/* A column of the roster: the field that it fills, the statement's parameter, whether its values are written in ASCII, and the
 * headers by which it is known besides the field's own name, as cell_header() writes them. */
static const struct {
    const char *field, *parameter;
    bool ascii;
    const char *headers[8];
} columns[COLUMN_COUNT] = {
    [STUDENT_NUMBER] = { "student_number", "student_numbers", true, { "学号", "学生学号", "studentid", "studentno" } },
    [NAME] = { "name", "names", false, { "姓名", "学生姓名", "fullname" } },
    [LATIN_NAME] = { "latin_name", "latin_names", false, { "拼音", "姓名拼音", "姓名(拼音)", "pinyin" } },
    [HOME] = { "home", "home_names", false, { "学院", "院系", "所在学院", "所属学院", "college" } },
    [GRADE] = { "grade", "grades", true, { "年级", "入学年份", "entryyear" } },
    [CLASS_NAME] = { "class_name", "class_names", false, { "班级", "行政班级", "class" } },
    [STATUS] = { "status", "statuses", false, { "状态", "学籍状态" } },
    [EMAIL] = { "email", "emails", true, { "邮箱", "电子邮箱", "电子邮件" } },
    [PHONE] = { "phone", "phones", true, { "电话", "手机", "手机号", "手机号码", "联系电话", "mobile" } },
};

static const struct {
    uint8_t separator;
    const char *name;
} separator_names[] = { { ',', "comma" }, { '\t', "tab" }, { ';', "semicolon" } };

static const struct {
    const char *cell, *status;
} status_words[] = {
    { "在读", "active" }, { "在校", "active" }, { "休学", "on_leave" }, { "毕业", "graduated" }, { "退学", "left" },
};

/* The roster while it is read. The arrays have one element a row. */
struct roster {
    struct call *call;
    struct arena *arena;
    enum charset charset; /* of the file */
    bool refused; /* the file as a whole */
    const struct field *fields[COLUMN_COUNT]; /* of CreatePersonRequest: their rules */
    int column_of[MOST_CELLS]; /* -1: left aside */
    const char **values[COLUMN_COUNT]; /* NULL: the cell says nothing */
    const char **lines, **codes, **faults;
    size_t count;
    uint32_t *seen; /* open addressing over student numbers: a row's index + 1 */
    size_t seen_size; /* a power of two */
};

/* ---- the header ---- */

static bool column_is(struct arena *arena, enum column column, const char *header)
{
    if (strcmp(cell_header(arena, slice_text(columns[column].field)), header) == 0)
        return true;
    for (const char *const *known = columns[column].headers; *known; known++)
        if (strcmp(*known, header) == 0)
            return true;
    return false;
}

static int column_known(struct arena *arena, const char *header)
{
    for (int column = 0; column < COLUMN_COUNT; column++)
        if (column_is(arena, (enum column)column, header))
            return column;
    return -1;
}

static int column_by_field(const char *field)
{
    for (int column = 0; column < COLUMN_COUNT; column++)
        if (strcmp(columns[column].field, field) == 0)
            return column;
    return -1;
}

static void refuse_file(struct roster *roster, const char *code)
{
    call_refuse(roster->call, code);
    roster->refused = true;
}

/* What `mapping` says of a header: its column, or -1. The last "=" divides, since a header may hold one. */
static int column_mapped(struct roster *roster, const char *header)
{
    const char *const *mappings;
    size_t count = call_texts(roster->call, "mapping", &mappings);
    for (size_t i = 0; i < count; i++) {
        const char *divide = strrchr(mappings[i], '=');
        struct slice name = slice_of(mappings[i], divide ? (size_t)(divide - mappings[i]) : 0);
        if (divide && strcmp(cell_header(roster->arena, name), header) == 0)
            return column_by_field(divide + 1);
    }
    return -1;
}

static void check_mapping(struct roster *roster)
{
    const char *const *mappings;
    size_t count = call_texts(roster->call, "mapping", &mappings);
    for (size_t i = 0; i < count; i++) {
        const char *divide = strrchr(mappings[i], '=');
        if (!divide || divide == mappings[i] || column_by_field(divide + 1) < 0)
            refuse_file(roster, "bad_mapping");
    }
}

/* Whether the row names the student number. If it does not it is a title above the header, and says nothing. */
static bool read_header(struct roster *roster, const struct slice *cells, size_t count)
{
    bool taken[COLUMN_COUNT] = { false }, twice = false;
    for (size_t i = 0; i < MOST_CELLS; i++)
        roster->column_of[i] = -1;
    for (size_t i = 0; i < count; i++) {
        const char *header = cells[i].size <= MOST_HEADER ? cell_header(roster->arena, cells[i]) : "";
        int column = column_mapped(roster, header);
        roster->column_of[i] = column = column >= 0 ? column : column_known(roster->arena, header);
        if (column < 0)
            continue;
        twice |= taken[column];
        taken[column] = true;
    }
    if (twice && taken[STUDENT_NUMBER])
        refuse_file(roster, "column_twice");
    return taken[STUDENT_NUMBER];
}

/* ---- a row ---- */

/* The first fault of a row is the one that is told. */
static void refuse_row(struct roster *roster, size_t row, enum column column, const char *code)
{
    if (roster->codes[row])
        return;
    roster->codes[row] = code;
    roster->faults[row] = columns[column].field;
}

static struct slice without_end(struct slice cell, const char *end)
{
    size_t size = strlen(end);
    bool ends = cell.size > size && memcmp(cell.data + cell.size - size, end, size) == 0;
    return ends ? cell_trim(slice_of(cell.data, cell.size - size)) : cell;
}

/* "2024", "2024级", or "2024.0" as programs write a column of numbers in which some are missing. */
static const char *read_grade(struct roster *roster, size_t row, struct slice cell)
{
    const char *argument;
    int64_t year = 0;
    cell = without_end(without_end(cell, "级"), ".0");
    for (size_t i = 0; i < cell.size; i++) {
        if (cell.data[i] < '0' || cell.data[i] > '9' || i == 4) {
            refuse_row(roster, row, GRADE, "wrong_type");
            return NULL;
        }
        year = year * 10 + (cell.data[i] - '0');
    }
    const char *code = rules_integer(roster->arena, roster->fields[GRADE], year, &argument);
    if (code)
        refuse_row(roster, row, GRADE, code);
    return arena_printf(roster->arena, "%d", (int)year);
}

static const char *read_status(struct roster *roster, size_t row, struct slice cell)
{
    for (size_t i = 0; i < sizeof status_words / sizeof *status_words; i++)
        if (slice_is(cell, status_words[i].cell))
            return status_words[i].status;
    const struct enum_value *known = enum_by_name(roster->fields[STATUS]->enumeration, cell);
    if (!known)
        refuse_row(roster, row, STATUS, "wrong_type");
    return known ? known->name : NULL;
}

static const char *read_text(struct roster *roster, size_t row, enum column column, struct slice cell)
{
    /* A home may be a path or a college's title: the statement looks it up. Here it only has to be a text. */
    const struct field *field = roster->fields[column == HOME ? NAME : column];
    const char *argument, *code = rules_text(roster->arena, field, cell, &argument);
    if (code)
        refuse_row(roster, row, column, code);
    return code ? NULL : arena_text(roster->arena, cell);
}

/* What a spreadsheet has made of the value, as a code; NULL: nothing. GBK lacks rare characters of names, and a file in it
 * has question marks instead. */
static const char *spreadsheet_fault(const struct roster *roster, enum column column, struct slice cell)
{
    if (cell_is_error(cell))
        return "spreadsheet_error";
    if ((column == STUDENT_NUMBER || column == PHONE) && cell_is_scientific(cell))
        return "number_in_scientific_notation";
    if (column == NAME && roster->charset == CHARSET_GB18030 && memchr(cell.data, '?', cell.size))
        return "character_lost";
    return NULL;
}

static void read_cell(struct roster *roster, size_t row, enum column column, struct slice cell)
{
    if (columns[column].ascii)
        cell = cell_narrow(roster->arena, cell);
    if (cell.size == 0)
        return;
    const char *fault = spreadsheet_fault(roster, column, cell);
    if (fault)
        refuse_row(roster, row, column, fault);
    else if (column == GRADE)
        roster->values[column][row] = read_grade(roster, row, cell);
    else if (column == STATUS)
        roster->values[column][row] = read_status(roster, row, cell);
    else
        roster->values[column][row] = read_text(roster, row, column, cell);
}

/* Whether a row before has the same student number; notes this one. */
static bool seen_before(struct roster *roster, size_t row)
{
    const char **numbers = roster->values[STUDENT_NUMBER];
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (const char *at = numbers[row]; *at; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    for (size_t i = (hash ^ hash >> 32) & (roster->seen_size - 1);; i = (i + 1) & (roster->seen_size - 1)) {
        if (!roster->seen[i]) {
            roster->seen[i] = (uint32_t)row + 1;
            return false;
        }
        if (strcmp(numbers[roster->seen[i] - 1], numbers[row]) == 0)
            return true;
    }
}

static size_t kept(const struct csv_row *csv)
{
    return csv->count < MOST_CELLS ? csv->count : MOST_CELLS;
}

/* A line with nothing in it, or with nothing but separators: spreadsheets write them below a table. */
static bool is_empty(const struct slice *cells, const struct csv_row *csv)
{
    for (size_t i = 0; i < kept(csv); i++)
        if (cells[i].size)
            return false;
    return true;
}

static void read_row(struct roster *roster, const struct slice *cells, const struct csv_row *csv)
{
    size_t row = roster->count++;
    roster->lines[row] = arena_printf(roster->arena, "%u", csv->line);
    for (size_t i = 0; i < kept(csv); i++)
        if (roster->column_of[i] >= 0)
            read_cell(roster, row, (enum column)roster->column_of[i], cells[i]);
    if (!roster->values[STUDENT_NUMBER][row])
        refuse_row(roster, row, STUDENT_NUMBER, "required");
    else if (seen_before(roster, row))
        refuse_row(roster, row, STUDENT_NUMBER, "twice_in_file");
}

/* ---- the file ---- */

static size_t count_lines(struct slice file)
{
    size_t lines = 1;
    for (size_t i = 0; i < file.size; i++)
        lines += file.data[i] == '\n';
    return lines;
}

static struct roster roster_new(struct call *call, const struct charset_text *file)
{
    struct arena *arena = call_arena(call);
    size_t lines = count_lines(file->text), most = lines < MOST_ROWS ? lines : MOST_ROWS;
    struct roster roster = { .call = call, .arena = arena, .charset = file->charset, .seen_size = 16 };
    const struct message *person = schema_message(call_schema(call), "campus.membership.CreatePersonRequest");
    assert(person);
    for (int column = 0; column < COLUMN_COUNT; column++) {
        roster.fields[column] = message_find(person, slice_text(columns[column].field));
        assert(roster.fields[column]);
        roster.values[column] = arena_zalloc(arena, most * sizeof **roster.values);
    }
    while (roster.seen_size < 2 * most)
        roster.seen_size *= 2;
    roster.seen = arena_zalloc(arena, roster.seen_size * sizeof *roster.seen);
    roster.lines = arena_zalloc(arena, most * sizeof *roster.lines);
    roster.codes = arena_zalloc(arena, most * sizeof *roster.codes);
    roster.faults = arena_zalloc(arena, most * sizeof *roster.faults);
    return roster;
}

static void refuse_at(struct call *call, const char *code, uint32_t line)
{
    call_refuse(call, code);
    call_complain(call, "file", code, arena_printf(call_arena(call), "%u", line));
}

static void tell_form(struct roster *roster, uint8_t separator)
{
    call_add(roster->call, "encoding", charset_name(roster->charset));
    for (size_t i = 0; i < sizeof separator_names / sizeof *separator_names; i++)
        if (separator_names[i].separator == separator)
            call_add(roster->call, "separator", separator_names[i].name);
}

static void read_file(struct roster *roster, struct slice file)
{
    struct csv_reader reader = csv_read(file);
    struct slice cells[MOST_CELLS];
    struct csv_row row = { .line = 1 };
    bool headed = false;
    size_t titles = 0;
    tell_form(roster, reader.separator);
    while (!roster->refused && titles <= MOST_TITLES && csv_next(&reader, roster->arena, cells, MOST_CELLS, &row)) {
        for (size_t i = 0; i < kept(&row); i++)
            cells[i] = cell_trim(cells[i]);
        if (is_empty(cells, &row))
            continue;
        if (roster->count == MOST_ROWS)
            refuse_file(roster, "too_many_rows");
        else if (headed)
            read_row(roster, cells, &row);
        else if (!(headed = read_header(roster, cells, kept(&row))))
            titles++;
    }
    if (roster->refused)
        return;
    if (reader.broken)
        refuse_at(roster->call, "bad_csv", row.line);
    else if (!headed)
        refuse_file(roster, "no_student_number_column");
}

static void add_arrays(struct roster *roster)
{
    call_add_array(roster->call, "lines", roster->lines, roster->count);
    call_add_array(roster->call, "codes", roster->codes, roster->count);
    call_add_array(roster->call, "fields", roster->faults, roster->count);
    for (int column = 0; column < COLUMN_COUNT; column++)
        call_add_array(roster->call, columns[column].parameter, roster->values[column], roster->count);
}

void import_people_check(struct call *call)
{
    struct charset_text file = charset_read(call_arena(call), call_bytes(call, "file"));
    if (file.charset == CHARSET_UNAVAILABLE) {
        call_refuse(call, "unavailable");
    } else if (file.charset == CHARSET_UNKNOWN) {
        refuse_at(call, "unknown_charset", file.line);
    } else {
        struct roster roster = roster_new(call, &file);
        check_mapping(&roster);
        read_file(&roster, file.text);
        add_arrays(&roster);
    }
}
