/* campaigns.c -- who recruits, when, whom and for what. All of it is SQL. */
#include "services/membership/tables.h"

const struct method campaign_methods[] = {
    { "CreateCampaign", .query = "lock_place, target_campaign_new, create_campaign" },
    { "GetCampaign", .query = "get_campaign" },
    { "ListCampaigns", .query = "list_campaigns", .count = "count_campaigns", .lane = LANE_HEAVY },
    { "PatchCampaign", .query = "target_campaign_patch, check_campaign_tracks, patch_campaign" },
    { "CancelCampaign", .query = "target_campaign, cancel_campaign" },
    { "GetCampaignFigures", .query = "get_campaign_figures", .lane = LANE_HEAVY },
    { 0 },
};
