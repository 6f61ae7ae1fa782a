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

static const char *text_of(const struct outbox *outbox, struct job_task *task, const struct mail_text *text)
{
    char token[ACCOUNT_TOKEN_TEXT];
    if (!text->behind)
        return text->before;
    account_token_text(outbox->secret, job_value(task, "subject_id"), token);
    return arena_printf(job_arena(task), "%s%s%s%s", text->before, outbox->account_url, token, text->behind);
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
    const struct mail_text *text = mail_text_find(job_value(task, "kind"), job_value(task, "locale"));
    if (!text) {
        job_failure(task, "this program has no text for its kind"); /* a newer one has */
        return JOB_RETRY;
    }
    struct letter letter = {
        .id = job_value(task, "id"),
        .to = job_value(task, "recipient"),
        .date = job_value(task, "date"),
        .language = text->locale,
        .subject = text->subject,
        .text = text_of(outbox, task, text),
    };
    struct mailer_delivery delivery = mailer_send(outbox->mailer, job_arena(task), letter, give_up, task);
    if (delivery.failure)
        job_failure(task, delivery.failure);
    return outcomes[delivery.end];
}

const struct job mail_jobs[] = {
    { .name = "mail",
      .lease = "lease_mail",
      .note = "note_mail",
      .every_ms = LOOK_MS,
      .most_attempts = MOST_ATTEMPTS,
      .open = open_outbox,
      .work = send_mail,
      .close = close_outbox },
    { 0 },
};
