/* http_succession.c -- the kernel's choice between the sockets of one port, by a classic BPF program of one instruction. */
#include "services/gateway/http_succession.h"

#include "services/gateway/address.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel numbers the sockets of a port from 0, and lets the last take the place of one that goes. The program belongs
 * to all of them; a number that none has means that the kernel chooses, as it does without a program. */
static bool choose(int listener, unsigned number)
{
    struct sock_filter give = BPF_STMT(BPF_RET | BPF_K, number);
    struct sock_fprog program = { .len = 1, .filter = &give };
    return setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}

void succession_join(int listener)
{
    const int unused = 0;
    (void)setsockopt(listener, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof unused); /* there may be none */
}

/* The kernel tells nobody its number. So all is sent to number 0, and we knock there: if the knock comes in here, then 0 is
 * us, and 1 is another. */
int succession_leave(int listener)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0 || !choose(listener, 0))
        return -1;
    int knock = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (knock >= 0)
        (void)connect(knock, (struct sockaddr *)&address, size); /* under way, or refused: then none comes in */
    return knock;
}

/* Both families have it at the same place. */
static in_port_t port_of(const void *socket)
{
    struct sockaddr_in four;
    memcpy(&four, socket, sizeof four);
    return four.sin_port;
}

/* A stranger on another host may have the knock's port. */
static bool same_end(const struct sockaddr *a, const struct sockaddr *b)
{
    struct address of_a = address_of_socket(a), of_b = address_of_socket(b);
    return port_of(a) == port_of(b) && address_same_bits(&of_a, &of_b, ADDRESS_BITS);
}

bool succession_met(int listener, int knock, const struct sockaddr *peer)
{
    struct sockaddr_storage own = { 0 };
    socklen_t size = sizeof own;
    if (getsockname(knock, (struct sockaddr *)&own, &size) != 0 || !same_end((struct sockaddr *)&own, peer))
        return false;
    (void)choose(listener, 1);
    return true;
}
