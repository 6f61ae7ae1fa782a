/* membership.c -- the service: its tables. */
#include "services/membership/membership.h"

#include "common/charset.h"
#include "services/membership/password.h"
#include "services/membership/provider.h"
#include "services/membership/state.h"
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
    account_policy_methods,
    factor_methods,
    session_methods,
    single_sign_on_methods,
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

static const char *const sweeps[] = {
    "sweep_account_tokens",
    "sweep_account_clients",
    "sweep_sign_in_failures",
    "sweep_sessions",
    "sweep_mail_recipients",
    "sweep_mail",
    "sweep_flows",
    NULL,
};

static void metrics(FILE *out)
{
    fprintf(out, "campus_password_hashes_total %lu\n", password_hashes());
}

static bool open_membership(struct arena *arena, const struct service_host *host, void **state, const char **error)
{
    struct membership *membership = arena_zalloc(arena, sizeof *membership);
    *state = membership;
    return provider_open(arena, host->settings, &membership->provider, error);
}

static void close_membership(void *state)
{
    const struct membership *membership = state;
    provider_close(membership->provider);
}

const struct service membership_service = {
    .name = "membership",
    .tables = tables,
    .consumers = consumers,
    .jobs = mail_jobs,
    .sweeps = sweeps,
    .open = open_membership,
    .close = close_membership,
    .missing = charset_missing,
    .metrics = metrics,
};
