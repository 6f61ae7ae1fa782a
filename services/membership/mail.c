/* mail.c -- the outbox as a job: a row becomes a letter, the letter goes. */
#include "services/membership/tables.h"

#include "common/log.h"
#include "common/mailer.h"
#include "common/settings.h"
#include "services/membership/account_token.h"
#include "services/membership/mail_text.h"

enum {
    LOOK_MS = 500,
    MOST_ATTEMPTS = 60, /* some two days */
};

struct outbox {
    struct mailer *mailer;
    const char *account_url;
    const uint8_t *secret;
};

static bool open_outbox(struct arena *arena, const struct service_host *host, void **state, const char **error)
{
    struct outbox outbox = { .account_url = host->settings->account_url, .secret = host->secret };
    if (!mailer_open(arena, host->settings, &outbox.mailer, error))
        return false;
    if (!outbox.mailer) {
        log_warning("mail waits", "reason=\"the setting mail_url is empty\"");
        return true;
    }
    *state = arena_alloc(arena, sizeof outbox);
    memcpy(*state, &outbox, sizeof outbox);
    return true;
}

static void close_outbox(void *state)
{
    const struct outbox *outbox = state;
    mailer_close(outbox->mailer);
}

static const char *link_of(const struct outbox *outbox, struct job_task *task)
{
    char token[ACCOUNT_TOKEN_TEXT];
    account_token_text(outbox->secret, job_value(task, "subject_id"), token);
    return arena_printf(job_arena(task), "%s%s", outbox->account_url, token);
}

static bool give_up(void *context)
{
    return job_stopping(context);
}

static enum job_outcome send_mail(struct job_task *task, void *state)
{
    static const enum job_outcome outcomes[] = {
        [MAILER_SENT] = JOB_DONE, [MAILER_LATER] = JOB_RETRY, [MAILER_REFUSED] = JOB_FAILED
    };
    const struct outbox *outbox = state;
    struct letter letter = {
        .id = job_value(task, "id"),
        .to = job_value(task, "recipient"),
        .date = job_value(task, "date"),
        .language = job_value(task, "locale"),
    };
    if (!mail_text_make(job_arena(task), job_value(task, "kind"), letter.language, link_of(outbox, task),
                        &letter.subject, &letter.text)) {
        job_failure(task, "this program has no text for its kind"); /* a newer one has */
        return JOB_RETRY;
    }
    struct mailer_delivery delivery = mailer_send(outbox->mailer, job_arena(task), letter, give_up, task);
    if (delivery.failure)
        job_failure(task, delivery.failure);
    return outcomes[delivery.end];
}

const struct job mail_jobs[] = {
    { .name = "mail",
      .lease = "lease_mail",
      .note = "note_mail",
      .waiting = "waiting_mail",
      .left = "NO MAIL SERVER is set: see mail_url",
      .every_ms = LOOK_MS,
      .most_attempts = MOST_ATTEMPTS,
      .open = open_outbox,
      .work = send_mail,
      .close = close_outbox },
    { 0 },
};
