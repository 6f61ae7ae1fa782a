/* mail_text.h -- what each kind of mail says, in each language. Pure. */
#ifndef CAMPUS_MEMBERSHIP_MAIL_TEXT_H
#define CAMPUS_MEMBERSHIP_MAIL_TEXT_H

#include <stdbool.h>

struct mail_text {
    const char *kind, *locale, *subject;
    const char *before; /* the text, or what stands before the secret */
    const char *behind; /* what stands behind it; NULL: it has none */
};

/* NULL for a kind or a language that has no text. */
const struct mail_text *mail_text_find(const char *kind, const char *locale);

#endif
