/* network.h -- a block of IP addresses: "192.0.2.0/24", "fd00::/8", or one address. Pure. */
#ifndef CAMPUS_GATEWAY_NETWORK_H
#define CAMPUS_GATEWAY_NETWORK_H

#include "services/gateway/address.h"

struct network {
    struct address address;
    unsigned bits; /* of IPv6, in which IPv4 stands */
};

/* False where it is neither an address nor a network, or where bits behind the prefix are set: 10.1.2.3/8 is either too
 * long an address or too short a prefix. */
bool network_parse(const char *text, struct network *network);
bool network_holds(const struct network *network, const struct address *address);

#endif
