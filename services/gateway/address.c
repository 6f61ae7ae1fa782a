/* address.c -- addresses from sockets and from text. */
#include "services/gateway/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const struct address four = { .bytes = { [10] = 0xff, [11] = 0xff } };

enum { FOUR_AT = ADDRESS_FOUR_BITS / 8 };

struct address address_of_socket(const struct sockaddr *socket)
{
    struct address address = four;
    struct sockaddr_in6 six;
    struct sockaddr_in of_four;
    if (socket->sa_family == AF_INET) {
        memcpy(&of_four, socket, sizeof of_four);
        memcpy(address.bytes + FOUR_AT, &of_four.sin_addr, sizeof of_four.sin_addr);
    } else {
        memcpy(&six, socket, sizeof six);
        memcpy(address.bytes, &six.sin6_addr, sizeof address.bytes);
    }
    return address;
}

bool address_parse(struct slice text, struct address *address)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.size == 0 || text.size >= sizeof copy || memchr(text.data, '\0', text.size))
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *address = four;
    return inet_pton(AF_INET, copy, address->bytes + FOUR_AT) == 1 || inet_pton(AF_INET6, copy, address->bytes) == 1;
}

bool address_is_four(const struct address *address)
{
    return address_same_bits(address, &four, ADDRESS_FOUR_BITS);
}

bool address_same_bits(const struct address *a, const struct address *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

uint64_t address_client(const struct address *address)
{
    uint64_t client;
    memcpy(&client, address->bytes + (address_is_four(address) ? sizeof client : 0), sizeof client);
    return client;
}
