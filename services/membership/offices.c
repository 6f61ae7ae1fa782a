/* offices.c -- the positions of organisations, and who holds them from when until when. All of it is SQL. */
#include "services/membership/tables.h"

const struct method office_methods[] = {
    { "CreateOffice", .query = "lock_place, target_office_new, create_office" },
    { "GetOffice", .query = "get_office" },
    { "ListOffices", .query = "list_offices", .lane = LANE_HEAVY },
    { "PatchOffice", .query = "lock_office, target_office, patch_office" },
    { "AbolishOffice", .query = "lock_office, target_office_standing, abolish_office" },
    { "TransferOffice", .query = "lock_office, target_transfer, transfer_office" },
    { "CreateAppointment", .query = "lock_office_of_appointment, target_appointment_new, create_appointment" },
    { "GetAppointment", .query = "get_appointment" },
    { "ListAppointments", .query = "list_appointments", .count = "count_appointments", .lane = LANE_HEAVY },
    { "EndAppointment", .query = "lock_appointment, target_appointment, end_appointment" },
    { "ListIncompatibilities", .query = "list_incompatibilities", .lane = LANE_HEAVY },
    { "CreateIncompatibility", .query = "target_policy, create_incompatibility" },
    { "DeleteIncompatibility", .query = "target_incompatibility, delete_incompatibility" },
    { 0 },
};
