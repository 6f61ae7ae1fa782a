/* reviews.c -- how an organisation stands to the rules, as it is and as it would be. All of it is SQL. */
#include "services/membership/tables.h"

const struct method review_methods[] = {
    { "CheckOrganisation", .query = "target_checked, check_organisation", .lane = LANE_HEAVY },
    { "TryAppointments", .query = "target_tried, try_appointments", .lane = LANE_HEAVY },
    { "JustifyException", .query = "target_justification, justify_exception" },
    { "CreateAttestation", .query = "lock_attested, target_attestation_new, create_attestation" },
    { "ListAttestations", .query = "list_attestations", .lane = LANE_HEAVY },
    { "ListRulePacks", .query = "list_rule_packs", .lane = LANE_HEAVY },
    { "GetRulePack", .query = "get_rule_pack" },
    { "CreateRulePack", .query = "target_rule_pack_new, create_rule_pack" },
    { 0 },
};
