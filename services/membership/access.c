/* access.c -- who the caller is, what somebody may do, and who is behind a token. All of it is SQL. */
#include "services/membership/tables.h"

const struct method access_methods[] = {
    { "GetMe", .query = "get_me" },
    { "ExplainAccess", .query = "target_access, explain_access" },
    { "ResolveKey", .query = "resolve_key", .lane = LANE_BRIEF }, /* it notes when a key was last used */
    { 0 },
};
