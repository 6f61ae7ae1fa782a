/* membership.h -- organisations, people, who belongs where, and the keys of systems. */
#ifndef CAMPUS_MEMBERSHIP_H
#define CAMPUS_MEMBERSHIP_H

#include "common/method.h"

extern const struct service membership_service;

#endif
