/* proof.h -- what sign-in, passwords and second factors share: attempts that are counted, and secrets that are shown once. */
#ifndef CAMPUS_MEMBERSHIP_PROOF_H
#define CAMPUS_MEMBERSHIP_PROOF_H

#include "common/call.h"

enum { PROOF_SECRET = 32 };

/* Adds :login_hash, under which failures of one login are counted, whether or not anybody has it. What person_of_login() takes for
 * the same login counts as one; a person's number and address count each for itself, as to be told that they are one person's
 * would be to be told of the person. `kind` keeps logins apart from what else is counted. */
void proof_count_as(struct call *call, const char *kind, const char *login);
/* .prepare of what people do for themselves: refuses systems; failures are counted for the person. */
void proof_prepare_own(struct call *call);
/* False, refused, where too many attempts have failed: for a .check whose .first finds wait_ms. */
bool proof_may_try(struct call *call);
/* Verifies a password against what .first has found: adds :verdict (NULL: right, or `wrong`) and :account_version. */
bool proof_try_password(struct call *call, const char *password, const char *wrong);
/* Whether somebody may have a password; refused where not. .first finds the person's own words. */
bool proof_admits_password(struct call *call, const char *password);
/* Adds :name as the password's hash. False, refused, where there is no memory. */
bool proof_add_password(struct call *call, const char *name, const char *password);

/* The bearer token of this request's session: `campus_s_...`; derived, so that a retry tells it again and nothing stores it. */
const char *proof_session_token(struct call *call);
/* .check and .finish of what opens or renews a session: adds :token_hash; tells the field `secret`. */
void proof_add_session(struct call *call);
void proof_show_session(struct call *call);

/* SHA-256 of a text, as a parameter. */
const char *proof_hash(struct call *call, const char *text);
/* Encrypts a factor's secret for the person it is of, as a parameter; and back from the hexadecimal digits that .first finds. */
const char *proof_seal(struct call *call, const char *person, const uint8_t *secret, size_t size);
bool proof_open(const struct call *call, const char *person, const char *hex, uint8_t *secret, size_t size)
    __attribute__((warn_unused_result));
/* A recovery code's hash as it is stored, as a parameter; neither case nor the dash matter. */
const char *proof_recovery_hash(struct call *call, const char *person, const char *code);

#endif
