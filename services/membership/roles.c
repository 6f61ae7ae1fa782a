/* roles.c -- bundles of permissions, and who holds one without an office. All of it is SQL. */
#include "services/membership/tables.h"

const struct method role_methods[] = {
    { "ListRoles", .query = "list_roles", .lane = LANE_HEAVY },
    { "GetRole", .query = "get_role" },
    { "CreateRole", .query = "target_role_new, create_role" },
    { "PatchRole", .query = "target_role, patch_role" },
    { "DeleteRole", .query = "target_role_unused, delete_role" },
    { "CreateGrant", .query = "lock_place, target_grant_new, create_grant" },
    { "GetGrant", .query = "get_grant" },
    { "ListGrants", .query = "list_grants", .count = "count_grants", .lane = LANE_HEAVY },
    { "RevokeGrant", .query = "target_grant, revoke_grant" },
    { 0 },
};
