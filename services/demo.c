/* demo.c -- organisations from a table in the tree; students from a generator that always says the same. */
#include "services/demo.h"

#include "common/csv.h"
#include "common/embed.h"
#include "common/wire.h"
#include "services/demo_offices.h"

#include <assert.h>
#include <stdlib.h>

enum {
    STUDENTS = 20000,
    LOT = 2000, /* of students, in one import */
    FIRST_GRADE = 2022,
    GRADES = 4,
    CLASS_SIZE = 30,
    MEMBER_EVERY = 25, /* one student in so many joins an organisation; odd, so that all grades do */
    LATIN_EVERY = 25,
    MOST_NAMES = 128,
    MOST_ORGANISATIONS = 128,
    MOST_CELLS = 16,
};

struct name {
    struct slice text, latin;
};

struct names {
    struct name all[MOST_NAMES];
    size_t count;
};

struct demo {
    struct demo_caller caller;
    struct arena *arena; /* of the whole command */
    uint64_t random;
    struct names surnames, givens, latin_surnames, latin_givens;
    struct slice colleges[MOST_ORGANISATIONS]; /* their paths */
    struct slice college_titles[MOST_ORGANISATIONS];
    size_t college_count;
    struct slice paths[MOST_ORGANISATIONS], kinds[MOST_ORGANISATIONS]; /* of all */
    size_t organisation_count;
    struct slice joinable[MOST_ORGANISATIONS]; /* departments, societies, associations: whom students join */
    size_t joinable_count;
    int grades[STUDENTS];
    bool graduated[STUDENTS];
    const char *ids[STUDENTS]; /* as the import tells them */
    size_t id_count;
};

/* SplitMix64 (Steele, Lea, Flood 2014): the same students on every machine. */
static uint64_t draw(struct demo *demo, uint64_t below)
{
    uint64_t z = demo->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

/* ---- organisations ---- */

static void note_organisation(struct demo *demo, const struct slice *cells)
{
    struct slice path = cells[0], kind = cells[1], title = cells[2];
    demo->paths[demo->organisation_count] = path;
    demo->kinds[demo->organisation_count++] = kind;
    assert(demo->organisation_count < MOST_ORGANISATIONS);
    if (slice_is(kind, "college")) {
        demo->college_titles[demo->college_count] = title;
        demo->colleges[demo->college_count++] = path;
    } else if (slice_is(kind, "department") || slice_is(kind, "society") || slice_is(kind, "association")) {
        demo->joinable[demo->joinable_count++] = path;
    }
}

/* A row is a request: the header names its fields, an empty cell leaves one out. */
static bool load_organisations(struct demo *demo)
{
    struct csv_reader reader = csv_read(embed_get("services/demo/organisations.csv"));
    struct slice header[MOST_CELLS], cells[MOST_CELLS];
    struct csv_row names, row;
    struct slice reply;
    size_t count = 0;
    if (!csv_next(&reader, demo->arena, header, MOST_CELLS, &names))
        return demo_fail("organisations.csv", "it is empty");
    for (; csv_next(&reader, demo->arena, cells, MOST_CELLS, &row); count++) {
        struct demo_given given[MOST_CELLS];
        size_t given_count = 0;
        assert(row.count == names.count && row.count <= MOST_CELLS);
        for (size_t i = 0; i < row.count; i++)
            if (cells[i].size)
                given[given_count++] = (struct demo_given){ header[i], cells[i] };
        if (!demo_call_with(&demo->caller, "CreateOrganisation", given, given_count, "organisation_path_taken", &reply))
            return false;
        note_organisation(demo, cells);
    }
    assert(!reader.broken && demo->college_count && demo->joinable_count);
    printf("%zu organisations\n", count);
    return true;
}

/* ---- students ---- */

static void load_names(struct demo *demo)
{
    struct csv_reader reader = csv_read(embed_get("services/demo/names.csv"));
    const struct {
        const char *part;
        struct names *names;
    } parts[] = {
        { "surname", &demo->surnames },
        { "given", &demo->givens },
        { "latin_surname", &demo->latin_surnames },
        { "latin_given", &demo->latin_givens },
    };
    struct slice cells[3];
    struct csv_row row;
    while (csv_next(&reader, demo->arena, cells, 3, &row))
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (slice_is(cells[0], parts[i].part)) {
                assert(parts[i].names->count < MOST_NAMES);
                parts[i].names->all[parts[i].names->count++] = (struct name){ cells[1], cells[2] };
            }
    assert(!reader.broken && demo->surnames.count && demo->givens.count);
}

static const struct name *draw_name(struct demo *demo, const struct names *names)
{
    return &names->all[draw(demo, names->count)];
}

static void put(struct buffer *out, struct slice text)
{
    buffer_add(out, text.data, text.size);
}

/* "name,latin_name": 欧阳雨轩,Ouyang Yuxuan. */
static void put_chinese(struct demo *demo, struct buffer *csv)
{
    const struct name *surname = draw_name(demo, &demo->surnames);
    const struct name *first = draw_name(demo, &demo->givens), *second = draw_name(demo, &demo->givens);
    bool two = draw(demo, 10) < 7;
    put(csv, surname->text);
    put(csv, first->text);
    if (two)
        put(csv, second->text);
    buffer_byte(csv, ',');
    put(csv, surname->latin);
    buffer_byte(csv, ' ');
    size_t capital = csv->size;
    put(csv, first->latin);
    csv->data[capital] = (uint8_t)(csv->data[capital] - 'a' + 'A');
    if (two)
        put(csv, second->latin);
}

static void put_latin(struct demo *demo, struct buffer *csv)
{
    put(csv, draw_name(demo, &demo->latin_givens)->text);
    buffer_byte(csv, ' ');
    put(csv, draw_name(demo, &demo->latin_surnames)->text);
    buffer_byte(csv, ',');
}

static const char *draw_status(struct demo *demo, size_t index)
{
    uint64_t lot = draw(demo, 100);
    if (lot < 2)
        return "休学";
    demo->graduated[index] = demo->grades[index] == FIRST_GRADE && lot < 60;
    return demo->graduated[index] ? "毕业" : "在读";
}

/* A student's number holds year, college and place: 2024030117. */
static void put_student(struct demo *demo, struct buffer *csv, size_t index)
{
    size_t place = index / (GRADES * demo->college_count), college = index / GRADES % demo->college_count;
    int grade = FIRST_GRADE + (int)(index % GRADES);
    demo->grades[index] = grade;
    buffer_printf(csv, "%d%02zu%04zu,", grade, college + 1, place + 1);
    if (draw(demo, LATIN_EVERY) == 0)
        put_latin(demo, csv);
    else
        put_chinese(demo, csv);
    buffer_byte(csv, ',');
    put(csv, demo->college_titles[college]);
    buffer_printf(csv, ",%d级,%02d%02zu班,%s,%d%02zu%04zu@student.campus.example\n", grade, grade % 100,
                  place / CLASS_SIZE + 1, draw_status(demo, index), grade, college + 1, place + 1);
}

static struct slice make_roster(struct demo *demo, size_t first)
{
    struct buffer csv = buffer_in(demo->caller.scratch);
    buffer_text(&csv, "学号,姓名,拼音,学院,年级,班级,学籍状态,email\n");
    for (size_t i = first; i < first + LOT; i++)
        put_student(demo, &csv, i);
    return buffer_slice(&csv);
}

/* The rows of the import's reply are in the order of the file. */
static bool note_ids(struct demo *demo, const struct rpc *rpc, size_t first, struct slice reply)
{
    const struct field *rows = message_find(rpc->reply, slice_text("rows"));
    struct wire_reader reader = wire_read(reply);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number != rows->number || demo->id_count == first + LOT)
            continue;
        const char *id = demo_text(demo->arena, rows->message, "id", field.bytes);
        if (!id)
            return demo_fail("a student was refused", demo_text(demo->arena, rows->message, "code", field.bytes));
        demo->ids[demo->id_count++] = id;
    }
    return demo->id_count == first + LOT || demo_fail("ImportPeople", "students are missing");
}

static bool load_lot(struct demo *demo, const struct rpc *rpc, size_t first)
{
    struct slice reply;
    arena_reset(demo->caller.scratch);
    struct buffer request = buffer_in(demo->caller.scratch);
    wire_put_bytes(&request, rpc->body->number, make_roster(demo, first));
    return demo_call(&demo->caller, rpc->name, buffer_slice(&request), NULL, &reply) &&
           note_ids(demo, rpc, first, reply);
}

static bool load_students(struct demo *demo)
{
    const struct rpc *rpc = schema_rpc(demo->caller.schema, "ImportPeople");
    load_names(demo);
    for (size_t first = 0; first < STUDENTS; first += LOT)
        if (!load_lot(demo, rpc, first))
            return false;
    printf("%zu students\n", demo->id_count);
    return true;
}

/* ---- memberships ---- */

static bool load_memberships(struct demo *demo)
{
    struct slice reply;
    size_t count = 0;
    for (size_t i = 0; i < STUDENTS; i += MEMBER_EVERY) {
        if (demo->graduated[i])
            continue;
        struct slice organisation = demo->joinable[draw(demo, demo->joinable_count)];
        const char *since = arena_printf(demo->arena, "%d-10-15", demo->grades[i]);
        const struct demo_given given[] = {
            { slice_text("person_id"), slice_text(demo->ids[i]) },
            { slice_text("organisation"), organisation },
            { slice_text("since"), slice_text(since) },
        };
        if (!demo_call_with(&demo->caller, "CreateMembership", given, sizeof given / sizeof *given,
                            "membership_overlaps", &reply))
            return false;
        count++;
    }
    printf("%zu memberships\n", count);
    return true;
}

/* ---- offices ---- */

/* Those who study and have studied for a year or more, from the first college to the last and over again. */
static bool load_offices(struct demo *demo)
{
    const char **people = arena_alloc(demo->arena, STUDENTS * sizeof *people);
    const struct demo_staff staff = { demo->paths, demo->kinds, demo->organisation_count, people, STUDENTS / GRADES };
    size_t count = 0;
    for (size_t i = 1; i < STUDENTS; i += GRADES) /* the second year of entry: none of them has graduated */
        people[count++] = demo->ids[i];
    return demo_offices_load(&demo->caller, demo->arena, &staff);
}

static bool ask_beside(void *context, struct arena *arena, const char *method, struct slice request,
                       struct slice *reply, const char **code)
{
    return local_call(context, arena, method, request, reply, code);
}

int demo_command(struct local *local, const struct schema *schema, const char *const *words)
{
    (void)words;
    struct demo *demo = calloc(1, sizeof *demo);
    if (!demo)
        abort();
    demo->caller.ask = ask_beside;
    demo->caller.context = local;
    demo->caller.schema = schema;
    demo->arena = arena_new();
    demo->caller.scratch = arena_new();
    bool loaded = load_organisations(demo) && load_students(demo) && load_memberships(demo) && load_offices(demo);
    arena_free(demo->caller.scratch);
    arena_free(demo->arena);
    free(demo);
    return loaded ? 0 : 1;
}
