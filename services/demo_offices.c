/* demo_offices.c -- a table in the tree says which offices an organisation has: rows of its own path, or else those of its kind. */
#include "services/demo_offices.h"

#include "common/csv.h"
#include "common/embed.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

enum { COLUMNS = 8, MOST_ROWS = 64, MOST_GIVEN = 16 };

enum column { OF, KIND, TITLE, TITLE_EN, SEATS, CARRIES_OVER, ROLES, STATE };

struct template
{
    struct slice cells[COLUMNS];
};

struct staffing {
    struct demo_caller *caller;
    struct arena *arena;
    const struct demo_staff *staff;
    struct template templates[MOST_ROWS];
    size_t template_count;
    size_t next; /* of the people */
    size_t offices, appointments;
};

static void load_templates(struct staffing *staffing)
{
    struct csv_reader reader = csv_read(embed_get("services/demo/offices.csv"));
    struct csv_row row;
    struct slice header[COLUMNS];
    bool read = csv_next(&reader, staffing->arena, header, COLUMNS, &row);
    assert(read && row.count == COLUMNS);
    while (csv_next(&reader, staffing->arena, staffing->templates[staffing->template_count].cells, COLUMNS, &row)) {
        assert(row.count == COLUMNS);
        staffing->template_count++;
        assert(staffing->template_count < MOST_ROWS);
    }
    assert(!reader.broken);
}

/* ---- offices ---- */

static size_t give_roles(struct demo_given *given, struct slice list)
{
    size_t count = 0;
    while (list.size) {
        const uint8_t *end = memchr(list.data, ';', list.size);
        size_t size = end ? (size_t)(end - list.data) : list.size;
        given[count++] = (struct demo_given){ slice_text("roles"), slice_of(list.data, size) };
        list = end ? slice_of(end + 1, list.size - size - 1) : slice_of(NULL, 0);
    }
    return count;
}

/* ---- what is there ---- */

/* Looks for an office by its title. */
struct search {
    struct arena *arena;
    struct slice title;
    const char *id;
};

static bool is_titled(struct slice office, const struct message *message, void *context)
{
    struct search *search = context;
    const char *title = demo_text(search->arena, message, "title", office);
    if (title && slice_is(search->title, title))
        search->id = demo_text(search->arena, message, "id", office);
    return !search->id;
}

/* *id is the office's, new or there already from a run that was cut short. */
static bool establish(struct staffing *staffing, struct slice path, const struct template *template, const char **id)
{
    struct demo_given given[MOST_GIVEN] = {
        { slice_text("organisation"), path },
        { slice_text("kind"), template->cells[KIND] },
        { slice_text("title"), template->cells[TITLE] },
        { slice_text("title_en"), template->cells[TITLE_EN] },
        { slice_text("seats"), template->cells[SEATS] },
        { slice_text("carries_over"), template->cells[CARRIES_OVER] },
        { slice_text("established_on"), slice_text("2020-09-01") },
    };
    struct slice reply;
    size_t count = 7 + give_roles(given + 7, template->cells[ROLES]);
    if (!demo_call_with(staffing->caller, "CreateOffice", given, count, "office_title_taken", &reply))
        return false;
    const struct rpc *rpc = schema_rpc(staffing->caller->schema, "CreateOffice");
    struct search search = { .arena = staffing->arena, .title = template->cells[TITLE] };
    staffing->offices++;
    if (reply.size)
        search.id = demo_text(staffing->arena, rpc->reply, "id", reply);
    else if (!demo_each_office(staffing->caller, path, template->cells[KIND], is_titled, &search))
        return false;
    *id = search.id;
    return search.id || demo_fail("CreateOffice", "the office is there under another kind");
}

/* ---- appointments ---- */

/* How an office came to its state: how many years ago the academic year began in which its holder began, for a year; and
 * whether they only act. */
static const struct {
    const char *state;
    int ago;
    const char *acting;
} histories[] = {
    { "held", 0, "false" },
    { "acting", 0, "true" },
    { "carried_over", 1, "false" },
};

/* The first day of an academic year: the first of September. */
static struct slice first_day(struct arena *arena, int ago)
{
    time_t now = time(NULL);
    struct tm today;
    gmtime_r(&now, &today);
    int year = today.tm_year + 1900 - (today.tm_mon < 8) - ago;
    return slice_text(arena_printf(arena, "%d-09-01", year));
}

static bool appoint(struct staffing *staffing, const char *office, struct slice state)
{
    struct slice reply;
    for (size_t i = 0; i < sizeof histories / sizeof *histories; i++) {
        if (!slice_is(state, histories[i].state))
            continue;
        assert(staffing->next < staffing->staff->people_count);
        const struct demo_given given[] = {
            { slice_text("office_id"), slice_text(office) },
            { slice_text("person_id"), slice_text(staffing->staff->people[staffing->next++]) },
            { slice_text("since"), first_day(staffing->arena, histories[i].ago) },
            { slice_text("term_until"), first_day(staffing->arena, histories[i].ago - 1) },
            { slice_text("acting"), slice_text(histories[i].acting) },
            { slice_text("chosen"), slice_text("election") },
            { slice_text("resolution"), slice_text("学代会决议 2026-1 号") },
        };
        staffing->appointments++;
        return demo_call_with(staffing->caller, "CreateAppointment", given, sizeof given / sizeof *given,
                              "seat_taken appointed_already", &reply);
    }
    return true; /* vacant */
}

static bool staff_office(struct staffing *staffing, struct slice path, const struct template *template)
{
    const char *id;
    if (!establish(staffing, path, template, &id))
        return false;
    for (uint8_t seat = '1'; seat <= *template->cells[SEATS].data; seat++)
        if (!appoint(staffing, id, template->cells[STATE]))
            return false;
    return true;
}

static bool names(const struct template *template, struct slice of)
{
    return template->cells[OF].size == of.size && memcmp(template->cells[OF].data, of.data, of.size) == 0;
}

static bool staff_organisation(struct staffing *staffing, struct slice path, struct slice kind)
{
    bool own = false;
    for (size_t i = 0; i < staffing->template_count; i++)
        own |= names(&staffing->templates[i], path);
    for (size_t i = 0; i < staffing->template_count; i++)
        if (names(&staffing->templates[i], own ? path : kind) && !staff_office(staffing, path, &staffing->templates[i]))
            return false;
    return true;
}

bool demo_offices_load(struct demo_caller *caller, struct arena *arena, const struct demo_staff *staff)
{
    struct staffing *staffing = arena_zalloc(arena, sizeof *staffing);
    *staffing = (struct staffing){ .caller = caller, .arena = arena, .staff = staff };
    load_templates(staffing);
    for (size_t i = 0; i < staff->organisation_count; i++)
        if (!staff_organisation(staffing, staff->paths[i], staff->kinds[i]))
            return false;
    printf("%zu offices, %zu appointments\n", staffing->offices, staffing->appointments);
    return true;
}
