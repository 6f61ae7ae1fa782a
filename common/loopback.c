/* loopback.c -- by the words of the URL alone: what a name resolves to may change. */
#include "common/loopback.h"

#include "common/slice.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { LONGEST = 15 };

/* The host of a URL, without user and port; size 0 where it is none that we take. */
static struct slice host_of(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return slice_of(NULL, 0);
    host += 3;
    size_t size = strcspn(host, "/?#\\");
    if (memchr(host, '@', size))
        return slice_of(NULL, 0);
    const char *bracket = size && *host == '[' ? memchr(host, ']', size) : NULL;
    size_t name = bracket ? (size_t)(bracket + 1 - host) : strcspn(host, ":/?#\\");
    return name == size || host[name] == ':' ? slice_of(host, name) : slice_of(NULL, 0);
}

bool url_is_loopback(const char *url)
{
    struct slice host = host_of(url);
    char text[LONGEST + 1] = "";
    struct in_addr four;
    if (slice_is(host, "localhost") || slice_is(host, "[::1]"))
        return true;
    if (host.size == 0 || host.size > LONGEST)
        return false;
    memcpy(text, host.data, host.size);
    return inet_pton(AF_INET, text, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}
