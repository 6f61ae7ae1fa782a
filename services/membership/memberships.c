/* memberships.c -- who belongs where, from which day, until which. All of it is SQL. */
#include "services/membership/tables.h"

const struct method membership_methods[] = {
    { "CreateMembership", .query = "lock_place, target_membership_new, create_membership" },
    { "GetMembership", .query = "get_membership" },
    { "ListMemberships", .query = "list_memberships", .count = "count_memberships", .lane = LANE_HEAVY },
    { "EndMembership", .query = "lock_membership, target_membership, end_membership" },
    { "LeaveMembership", .query = "lock_membership_own, target_membership_own, leave_membership" },
    { "ExpelMember", .query = "lock_membership, target_membership_expelled, expel_member" },
    { "RenewMembership", .query = "lock_membership_own, target_membership_renewed, renew_membership" },
    { "RenewMemberships", .query = "lock_terms, target_renewals, renew_memberships", .lane = LANE_IMPORT },
    { "ExpireMemberships",
      .query = "lock_terms, target_expiry, lock_expiring_places, lock_expiring_people, expire_memberships",
      .lane = LANE_IMPORT },
    { "GetMembershipTerm", .query = "get_membership_term" },
    { "SetMembershipTerm", .query = "lock_terms, lock_term_places, target_term, set_term, apply_term",
      .lane = LANE_IMPORT },
    { 0 },
};
