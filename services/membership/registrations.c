/* registrations.c -- what organisations hand in each year, and who reviews it. All of it is SQL. */
#include "services/membership/tables.h"

const struct method registration_methods[] = {
    { "CreateRegistration", .query = "lock_place, target_registration_new, create_registration" },
    { "GetRegistration", .query = "get_registration" },
    { "ListRegistrations", .query = "list_registrations", .lane = LANE_HEAVY },
    { "ListOverdueRegistrations", .query = "list_overdue_registrations", .lane = LANE_HEAVY },
    { "PatchRegistration", .query = "lock_registration, target_registration_draft, patch_registration" },
    { "SubmitRegistration", .query = "lock_registration, target_submission, submit_registration" },
    { "DecideRegistration", .query = "lock_registration, target_decision, decide_registration" },
    { "ListRegistrationPolicies", .query = "list_registration_policies", .lane = LANE_HEAVY },
    { "CreateRegistrationPolicy", .query = "target_policy, create_registration_policy" },
    { "ListSupervisions", .query = "list_supervisions", .lane = LANE_HEAVY },
    { "PutSupervision", .query = "target_policy, target_supervision_new, put_supervision" },
    { "DeleteSupervision", .query = "target_supervision, delete_supervision" },
    { 0 },
};
