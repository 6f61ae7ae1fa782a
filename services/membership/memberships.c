/* memberships.c -- who belongs where, from which day, until which. All of it is SQL. */
#include "services/membership/tables.h"

const struct method membership_methods[] = {
    { "CreateMembership", .query = "lock_place, target_membership_new, create_membership" },
    { "GetMembership", .query = "get_membership" },
    { "ListMemberships", .query = "list_memberships", .count = "count_memberships", .lane = LANE_HEAVY },
    { "EndMembership", .query = "lock_membership, target_membership, end_membership" },
    { 0 },
};
