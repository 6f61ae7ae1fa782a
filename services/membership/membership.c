/* membership.c -- the service: its tables. */
#include "services/membership/membership.h"

#include "common/charset.h"
#include "services/membership/password.h"
#include "services/membership/tables.h"

static const struct method *const tables[] = {
    organisation_methods,
    people_methods,
    membership_methods,
    campaign_methods,
    application_methods,
    ban_methods,
    graduation_methods,
    office_methods,
    role_methods,
    access_methods,
    key_methods,
    account_methods,
    factor_methods,
    session_methods,
    handover_methods,
    registration_methods,
    review_methods,
    transcript_methods,
    privacy_methods,
    NULL,
};

/* What people earn there; each service comes when it comes. */
static const struct consumer consumers[] = {
    { .source = "events", .statement = "apply_events_credits", .optional = true },
    { .source = "volunteers", .statement = "apply_volunteers_credits", .optional = true },
    { .source = "secretariat", .statement = "apply_secretariat_credits", .optional = true },
    { 0 },
};

static const char *const sweeps[] = { "sweep_mail_recipients", "sweep_mail", NULL };

static void metrics(FILE *out)
{
    fprintf(out, "campus_password_hashes_total %lu\n", password_hashes());
}

const struct service membership_service = {
    .name = "membership",
    .tables = tables,
    .consumers = consumers,
    .jobs = mail_jobs,
    .sweeps = sweeps,
    .missing = charset_missing,
    .metrics = metrics,
};
