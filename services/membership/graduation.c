/* graduation.c -- a cohort leaves. All of it is SQL. */
#include "services/membership/tables.h"

const struct method graduation_methods[] = {
    { "GraduatePeople",
      .query = "lock_import, target_cohort, lock_cohort_places, lock_cohort_offices, lock_cohort, graduate_people",
      .lane = LANE_IMPORT },
    { 0 },
};
