/* address.h -- an IP address, and which addresses are one client. Pure. */
#ifndef CAMPUS_GATEWAY_ADDRESS_H
#define CAMPUS_GATEWAY_ADDRESS_H

#include "common/slice.h"

struct sockaddr;

/* IPv6; IPv4 stands in it as ::ffff:0:0/96 (RFC 4291 §2.5.5.2), so that each address has one form. */
struct address {
    uint8_t bytes[16];
};

enum { ADDRESS_BITS = 128, ADDRESS_FOUR_BITS = 96 }; /* as long as all of it; as the prefix before an IPv4 address */

/* Of AF_INET or AF_INET6. */
struct address address_of_socket(const struct sockaddr *socket);
/* "192.0.2.1", "2001:db8::1". False where it is neither, or has a zone. */
bool address_parse(struct slice text, struct address *address);
bool address_is_four(const struct address *address);
/* Whether the first bits of both are the same. */
bool address_same_bits(const struct address *a, const struct address *b, unsigned bits);
/* The number that stands for a client wherever clients are counted. One of IPv6 owns at least a /64: that counts as one
 * address. IPv4's lie under 0:ffff::/32, which is not routed. */
uint64_t address_client(const struct address *address);

#endif
