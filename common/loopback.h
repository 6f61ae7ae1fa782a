/* loopback.h -- which URLs never leave this host: there alone may a password or a code go without TLS. Pure. */
#ifndef CAMPUS_LOOPBACK_H
#define CAMPUS_LOOPBACK_H

#include <stdbool.h>

/* Whether a URL names its host as localhost, 127.x.x.x or [::1]. */
bool url_is_loopback(const char *url);

#endif
