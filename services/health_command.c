/* health_command.c -- one HTTP request over a blocking socket with a time limit. */
#include "services/health_command.h"

#include "services/gateway/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 1 /* to connect, and then for each read */, LONGEST_ANSWER = 4096 };

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "campus: %s: %s\n", what, why);
    return 1;
}

/* A process that listens everywhere is asked on the loopback. */
static void make_definite(struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)address;
    if (address->ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY))
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
        v6->sin6_addr = in6addr_loopback;
}

/* The whole answer, NUL-terminated; false with errno. */
static bool ask(const struct sockaddr_storage *address, int size, char answer[LONGEST_ANSWER])
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    size_t got = 0;
    ssize_t more = -1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        connect(fd, (const struct sockaddr *)address, (socklen_t)size) == 0 &&
        write(fd, request, sizeof request - 1) == (ssize_t)sizeof request - 1)
        while ((more = read(fd, answer + got, LONGEST_ANSWER - 1 - got)) > 0)
            got += (size_t)more;
    int error = errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno;
    if (fd >= 0)
        close(fd);
    answer[got] = '\0';
    errno = error;
    return more == 0;
}

int health_command(const struct settings *settings)
{
    static const char good[] = "HTTP/1.1 200 ", bad[] = "HTTP/1.1 503 ";
    const char *listen = settings->metrics_listen;
    struct sockaddr_storage address;
    char answer[LONGEST_ANSWER];
    int size = sizeof address;
    if (!*listen)
        return fail("setting metrics_listen", "it is empty, but health is asked for there");
    if (!http_parse_listen(listen, &address, &size))
        return fail("setting metrics_listen", "not a numeric address and a port");
    make_definite(&address);
    if (!ask(&address, size, answer))
        return fail(listen, strerror(errno));
    if (strncmp(answer, good, sizeof good - 1) == 0)
        return 0;
    char *body = strstr(answer, "\r\n\r\n");
    if (strncmp(answer, bad, sizeof bad - 1) != 0 || !body)
        return fail(listen, "what listens there is no campus");
    body += 4;
    body[strcspn(body, "\n")] = '\0';
    return fail("not ready", body);
}
