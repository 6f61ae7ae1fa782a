/* tables.h -- the methods of membership, a table a noun. Private to this folder. */
#ifndef CAMPUS_MEMBERSHIP_TABLES_H
#define CAMPUS_MEMBERSHIP_TABLES_H

#include "common/job.h"
#include "common/method.h"

extern const struct method organisation_methods[];
extern const struct method people_methods[];
extern const struct method membership_methods[];
extern const struct method office_methods[];
extern const struct method role_methods[];
extern const struct method access_methods[];
extern const struct method campaign_methods[];
extern const struct method application_methods[];
extern const struct method ban_methods[];
extern const struct method graduation_methods[];
extern const struct method key_methods[];
extern const struct method handover_methods[];
extern const struct method registration_methods[];
extern const struct method review_methods[];
extern const struct method transcript_methods[];
extern const struct method privacy_methods[];
extern const struct method account_methods[];
extern const struct method account_policy_methods[];
extern const struct method factor_methods[];
extern const struct method session_methods[];
extern const struct method single_sign_on_methods[];

extern const struct job mail_jobs[];

/* ImportPeople: reads the file into one array a column. */
void import_people_check(struct call *call);

#endif
