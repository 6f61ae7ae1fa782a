/* membership.c -- the service: its tables. */
#include "services/membership/membership.h"

#include "common/charset.h"
#include "services/membership/tables.h"

static const struct method *const tables[] = {
    organisation_methods, people_methods, membership_methods,  office_methods, role_methods,
    access_methods,       key_methods,    campaign_methods,    application_methods, NULL,
};

static const char *const sweeps[] = { "sweep_mail_recipients", "sweep_mail", NULL };

const struct service membership_service = {
    .name = "membership", .tables = tables, .jobs = mail_jobs, .sweeps = sweeps, .missing = charset_missing
};
