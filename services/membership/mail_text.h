/* mail_text.h -- what each kind of mail says, in each language: the files of the folder mail, named <kind>.<locale>.txt. Pure. */
#ifndef CAMPUS_MEMBERSHIP_MAIL_TEXT_H
#define CAMPUS_MEMBERSHIP_MAIL_TEXT_H

#include "common/arena.h"

/* Subject and text of that kind in the arena, with the link where it says "{link}"; false for a kind or a language that has no file. */
bool mail_text_make(struct arena *arena, const char *kind, const char *locale, const char *link, const char **subject,
                    const char **text);

#endif
