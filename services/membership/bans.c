/* bans.c -- who may not join, where, until when. All of it is SQL. */
#include "services/membership/tables.h"

const struct method ban_methods[] = {
    { "CreateBan", .query = "lock_place, target_ban_new, create_ban" },
    { "GetBan", .query = "get_ban" },
    { "ListBans", .query = "list_bans", .count = "count_bans", .lane = LANE_HEAVY },
    { "LiftBan", .query = "lock_banned, target_ban, lift_ban" },
    { 0 },
};
