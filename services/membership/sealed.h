/* sealed.h -- a sensitive value as the database holds it: encrypted and bound to its person and field. Private to this folder. */
#ifndef CAMPUS_MEMBERSHIP_SEALED_H
#define CAMPUS_MEMBERSHIP_SEALED_H

#include "common/slice.h"

struct call;

/* A bytea in SQL's text. */
const char *sealed_make(struct call *call, const char *person, const char *field, const char *value);
/* NULL where it was sealed under another secret, or for another person or field, or is damaged. */
const char *sealed_open(struct call *call, const char *person, const char *field, struct slice sealed);

#endif
