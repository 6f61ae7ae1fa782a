/* password.h -- what a password may be, and how it is kept: Argon2id with 9 MiB, four passes and one lane, which OWASP's cheat sheet
 * names as equal to 19 MiB and two: a third less of a processor, and less of the caches that others work in. Pure, but for the salts;
 * any thread. */
#ifndef CAMPUS_MEMBERSHIP_PASSWORD_H
#define CAMPUS_MEMBERSHIP_PASSWORD_H

#include "common/arena.h"

enum { PASSWORD_HASH = 128 }; /* with its NUL */

/* What it must not be made of: the person's own words. NULL ends them. */
enum { PASSWORD_WORDS = 8 };

/* Length and guessability are asked, never a composition of kinds of characters: NIST SP 800-63B §5.1.1.2. The code of what is
 * wrong, or NULL. `shortest` is in code points; `text` is valid UTF-8. */
const char *password_fault(struct arena *arena, const char *text, size_t shortest, const char *const *own);

/* Some 12 ms of a processor each. False: no memory. A password is the same however its accents were typed (NFC). */
bool password_hash(const char *text, char hash[PASSWORD_HASH]) __attribute__((warn_unused_result));
/* NULL is the hash of somebody who has none: the same work, and never right. */
bool password_verify(const char *hash, const char *text) __attribute__((warn_unused_result));
/* Whether it was made with other parameters than are used now. */
bool password_is_stale(const char *hash);

/* How many hashes this process has computed, of either kind. */
unsigned long password_hashes(void);

#endif
