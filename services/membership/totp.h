/* totp.h -- one-time passwords by time: RFC 6238 over RFC 4226, with SHA-1, six digits and steps of thirty seconds, which is what
 * every authenticator knows. Pure. */
#ifndef CAMPUS_MEMBERSHIP_TOTP_H
#define CAMPUS_MEMBERSHIP_TOTP_H

#include "common/arena.h"

enum { TOTP_SECRET = 20, TOTP_DIGITS = 6, TOTP_SECONDS = 30, TOTP_BASE32 = 33 };

/* The code of a step, of so many digits, and a NUL. */
void totp_code(struct slice secret, uint64_t step, unsigned digits, char *code);
/* The step whose code this is: the present one, or one beside it, as clocks differ; none up to `last`, so that a code serves once.
 * -1: none. */
int64_t totp_step(const uint8_t secret[TOTP_SECRET], const char *code, int64_t now_seconds, int64_t last);
/* RFC 4648 §6, without padding. */
void totp_base32(const uint8_t secret[TOTP_SECRET], char text[TOTP_BASE32]);

#endif
