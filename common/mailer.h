/* mailer.h -- where letters go: a mail server (SMTP, RFC 5321), or a folder. It blocks: for a thread beside the loop. */
#ifndef CAMPUS_MAILER_H
#define CAMPUS_MAILER_H

#include "common/letter.h"

struct mailer;
struct settings;

enum mailer_end {
    MAILER_SENT,
    MAILER_LATER, /* it may go well another time */
    MAILER_REFUSED, /* the server wants neither this recipient nor this letter, now or ever */
};

struct mailer_delivery {
    enum mailer_end end;
    const char *failure; /* why it was not sent, without anything personal; in the arena */
};

/* By the settings mail_url, mail_from, mail_user, mail_password_file and authorities_file. *mailer is NULL where mail_url is
 * empty. False with *error where they cannot work. */
bool mailer_open(struct arena *arena, const struct settings *settings, struct mailer **mailer, const char **error)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void mailer_close(struct mailer *mailer);

/* Sends a letter from mail_from; `letter` says all but that. Takes less than a minute, and gives up within a second when
 * give_up(context) says so. */
struct mailer_delivery mailer_send(struct mailer *mailer, struct arena *arena, struct letter letter,
                                   bool (*give_up)(void *context), void *context);

#endif
