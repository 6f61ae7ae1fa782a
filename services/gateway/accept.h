/* accept.h -- the choices of Accept-Language and Accept-Encoding, and how much each is wanted (RFC 9110 §12.4.2). Pure. */
#ifndef CAMPUS_GATEWAY_ACCEPT_H
#define CAMPUS_GATEWAY_ACCEPT_H

#include "common/slice.h"

struct accept_choice {
    struct slice value; /* "zh-Hans", "gzip", "*", as sent */
    int quality; /* in thousandths; 0: not wanted */
};

/* Takes the next choice off the front of *header; false at its end. */
bool accept_next(struct slice *header, struct accept_choice *choice);

#endif
