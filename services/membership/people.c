/* people.c -- people: one by one, in lists, and by the roster. */
#include "services/membership/tables.h"

#define IMPORTED                                                                                                       \
    "encoding, separator, lines, codes, fields, student_numbers, names, latin_names, home_names, grades, "             \
    "class_names, statuses, emails, "                                                                                  \
    "phones"

const struct method people_methods[] = {
    { "CreatePerson", .query = "target_home, create_person" },
    { "GetPerson", .query = "get_person" },
    { "ListPeople", .query = "list_people_by_{sort}", .search = "search_people", .count = "count_people",
      .lane = LANE_HEAVY },
    { "GetPeopleFigures", .query = "get_people_figures", .lane = LANE_HEAVY },
    { "PatchPerson", .query = "check_person_home, lock_places_left, lock_offices_left, target_person, patch_person" },
    { "ImportPeople", .check = import_people_check, .aside = ASIDE_LONG, .adds = IMPORTED,
      .query = "lock_import, lock_roster_places, lock_roster_offices, import_people", .lane = LANE_IMPORT },
    { 0 },
};
