/* applications.c -- from a draft to a member. All of it is SQL. */
#include "services/membership/tables.h"

const struct method application_methods[] = {
    { "CreateApplication",
      .query = "lock_campaign_applied_to, lock_caller_person, check_application_new, create_application" },
    { "PatchApplication", .query = "target_application_draft, patch_application" },
    { "SubmitApplication", .query = "lock_campaign_of_own, lock_caller_person, target_application_draft, "
                                    "check_application_window, check_application_complete, submit_application" },
    { "WithdrawApplication", .query = "target_application_own, withdraw_application" },
    { "GetApplication", .query = "get_application" },
    { "ListApplications", .query = "list_applications", .count = "count_applications", .lane = LANE_HEAVY },
    { "AssignReviewers", .query = "target_application_open, check_reviewers, assign_reviewers" },
    { "SetInterview", .query = "lock_applicant, target_application_open, set_interview" },
    { "DeclareConflict", .query = "target_application_recusal, recuse" },
    { "CreateApplicationComment", .query = "lock_applicant, target_application_seen, create_application_comment" },
    { "ListApplicationComments", .query = "target_application_comments, list_application_comments",
      .lane = LANE_HEAVY },
    { "AcceptApplication", .query = "lock_campaign_decided, lock_track_decided, lock_applicant, "
                                    "target_application_accepted, accept_application" },
    { "RefuseApplication", .query = "lock_applicant, target_application_open, refuse_application" },
    { 0 },
};
