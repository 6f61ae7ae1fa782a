/* organisations.c -- the tree of organisations. All of it is SQL. */
#include "services/membership/tables.h"

const struct method organisation_methods[] = {
    { "CreateOrganisation", .query = "target_organisation_new, create_organisation" },
    { "GetOrganisation", .query = "get_organisation" },
    { "ListOrganisations", .query = "list_organisations_by_{sort}", .count = "count_organisations",
      .lane = LANE_HEAVY },
    { "PatchOrganisation", .query = "target_organisation, patch_organisation" },
    { "DissolveOrganisation", .query = "lock_campaigns_cancelled, target_organisation_living, dissolve_organisation" },
    { 0 },
};
