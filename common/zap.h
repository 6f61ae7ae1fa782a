/* zap.h -- who may connect over tcp: answers ZeroMQ's questions about public keys (ZAP, RFC 27) from the list of allowed keys.
 *
 * In a thread of its own, one a context, started before any socket is bound. Where it does not run, nobody gets in. */
#ifndef CAMPUS_ZAP_H
#define CAMPUS_ZAP_H

#include "common/allowed.h"

#define ZAP_DOMAIN "campus.bus"

struct zap;

/* Takes the list over. NULL with errno where the context has such a thread already. */
struct zap *zap_start(void *zmq, struct allowed *allowed);
/* When all other sockets of the context are closed: shuts the context down and waits for the thread. NULL is fine. */
void zap_stop(struct zap *zap);

#endif
