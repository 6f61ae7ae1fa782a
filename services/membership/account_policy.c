/* account_policy.c -- what is asked of accounts, campus-wide. All of it is SQL. */
#include "services/membership/tables.h"

const struct method account_policy_methods[] = {
    { "GetAccountPolicy", .query = "get_account_policy" },
    { "PatchAccountPolicy", .query = "target_account_policy, patch_account_policy" },
    { 0 },
};
