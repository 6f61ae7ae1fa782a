/* handovers.c -- what waits in an office, and the lists of it that are signed. All of it is SQL. */
#include "services/membership/tables.h"

const struct method handover_methods[] = {
    { "ListOfficeItems", .query = "target_items_office, list_office_items", .lane = LANE_HEAVY },
    { "ListVacancies", .query = "list_vacancies", .lane = LANE_HEAVY },
    { "CreateHandover",
      .query = "lock_office_to_hand_over, lock_handovers_under_way, target_handover_new, create_handover" },
    { "GetHandover", .query = "get_handover" },
    { "ListHandoverItems", .query = "target_handover_seen, list_handover_items", .lane = LANE_HEAVY },
    { "ListHandovers", .query = "list_handovers", .lane = LANE_HEAVY },
    { "NameIncoming", .query = "lock_handover, target_incoming, name_incoming" },
    { "RenewHandoverList", .query = "lock_handover, target_handover_unsigned, renew_handover_list" },
    { "SignHandover", .query = "lock_handover, target_signature, sign_handover" },
    { "CloseHandover", .query = "lock_handover, target_handover_closing, close_handover" },
    { 0 },
};
