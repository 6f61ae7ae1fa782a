/* network.c -- networks from text. */
#include "services/gateway/network.h"

#include <ctype.h>
#include <stdlib.h>

/* How many bits of an address of its kind the prefix has: "8"; the whole address where none is given. */
static bool parse_bits(const char *slash, unsigned most, unsigned *bits)
{
    char *end;
    *bits = most;
    if (!slash)
        return true;
    if (!isdigit((unsigned char)slash[1]))
        return false;
    unsigned long number = strtoul(slash + 1, &end, 10);
    *bits = (unsigned)number;
    return *end == '\0' && number <= most;
}

static bool empty_behind(const struct network *network)
{
    struct address address = network->address;
    for (unsigned bit = network->bits; bit < ADDRESS_BITS; bit++)
        if (address.bytes[bit / 8] & (0x80 >> bit % 8))
            return false;
    return true;
}

bool network_parse(const char *text, struct network *network)
{
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    if (!address_parse(slice_of(text, size), &network->address))
        return false;
    unsigned before = memchr(text, ':', size) ? 0 : ADDRESS_FOUR_BITS;
    if (!parse_bits(slash, ADDRESS_BITS - before, &network->bits))
        return false;
    network->bits += before;
    return empty_behind(network);
}

/* ::/0 is all of IPv6, and not IPv4 in IPv6's clothes. */
bool network_holds(const struct network *network, const struct address *address)
{
    return address_same_bits(&network->address, address, network->bits) &&
           address_is_four(&network->address) == address_is_four(address);
}
