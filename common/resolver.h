/* resolver.h -- the addresses behind a name, looked up again and again: a gateway that comes or goes is seen within seconds.
 *
 * Asks /etc/hosts and the name servers of /etc/resolv.conf, both read anew each time, without ever blocking the loop. */
#ifndef CAMPUS_RESOLVER_H
#define CAMPUS_RESOLVER_H

#include "common/slice.h"

struct resolver;
struct event_base;

enum { RESOLVER_MOST = 64, RESOLVER_ENDPOINT = 80 };

/* All addresses that the name has now, as endpoints of ZeroMQ ("tcp://10.0.0.2:5555", "tcp://[fd00::2]:5555"), each once.
 * Not called where the look-up failed: what was known goes on. */
typedef void (*resolver_on_addresses)(const char (*endpoints)[RESOLVER_ENDPOINT], size_t count, void *context);

/* Whether an endpoint names its host, so that it needs resolving: tcp, and no numeric address. */
bool resolver_needed(const char *endpoint);

/* Begins at once. `endpoint` is "tcp://NAME:PORT". */
struct resolver *resolver_new(struct event_base *base, const char *endpoint, uint32_t every_ms,
                              resolver_on_addresses on_addresses, void *context);
/* No look-up any more. One that is under way ends in a later turn of the loop, so this comes before the loop's end. */
void resolver_stop(struct resolver *resolver);
/* NULL is fine. */
void resolver_free(struct resolver *resolver);

#endif
