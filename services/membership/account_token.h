/* account_token.h -- the secrets that mails carry: derived, so that no table holds one. */
#ifndef CAMPUS_MEMBERSHIP_ACCOUNT_TOKEN_H
#define CAMPUS_MEMBERSHIP_ACCOUNT_TOKEN_H

#include <stdint.h>

enum { ACCOUNT_TOKEN_TEXT = 44 }; /* 43 characters of base64url and a NUL */

/* The secret of the token with this id (a UUID as text), from the server's secret of 32 bytes. */
void account_token_text(const uint8_t secret[32], const char *subject_id, char out[ACCOUNT_TOKEN_TEXT]);

#endif
