/* resolver.c -- libevent's DNS client, made anew for each look-up: so a changed hosts file or name server is seen. */
#include "common/resolver.h"

#include "common/log.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 253, LONGEST_PORT = 5 };

static const char scheme[] = "tcp://";

struct resolver {
    struct event_base *base;
    struct event *timer;
    struct timeval every;
    char name[LONGEST_NAME + 1], port[LONGEST_PORT + 1];
    resolver_on_addresses on_addresses;
    void *context;
    struct evdns_base *dns; /* of the look-up under way, or of the last one */
    bool asking;
    int failure; /* the last one's, so that each is logged once */
};

/* "tcp://name:port" in its parts; false where it is another thing. */
static bool split(const char *endpoint, char name[LONGEST_NAME + 1], char port[LONGEST_PORT + 1])
{
    if (strncmp(endpoint, scheme, strlen(scheme)) != 0)
        return false;
    const char *host = endpoint + strlen(scheme), *colon = strrchr(host, ':');
    size_t size = colon ? (size_t)(colon - host) : 0;
    if (size == 0 || size > LONGEST_NAME || strlen(colon + 1) > LONGEST_PORT)
        return false;
    memcpy(name, host, size);
    name[size] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

bool resolver_needed(const char *endpoint)
{
    char name[LONGEST_NAME + 1], port[LONGEST_PORT + 1];
    struct in_addr four;
    return split(endpoint, name, port) && name[0] != '[' && name[0] != '*' && inet_pton(AF_INET, name, &four) != 1;
}

static bool write_endpoint(const struct sockaddr *address, const char *port, char endpoint[RESOLVER_ENDPOINT])
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
        snprintf(endpoint, RESOLVER_ENDPOINT, "%s%s:%s", scheme, text, port);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&six, address, sizeof six);
        inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
        snprintf(endpoint, RESOLVER_ENDPOINT, "%s[%s]:%s", scheme, text, port);
    }
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

static bool contains(const char (*endpoints)[RESOLVER_ENDPOINT], size_t count, const char *endpoint)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(endpoints[i], endpoint) == 0)
            return true;
    return false;
}

static void tell(struct resolver *resolver, const struct evutil_addrinfo *found)
{
    char endpoints[RESOLVER_MOST][RESOLVER_ENDPOINT];
    size_t count = 0;
    for (; found && count < RESOLVER_MOST; found = found->ai_next)
        if (write_endpoint(found->ai_addr, resolver->port, endpoints[count]) &&
            !contains((const char(*)[RESOLVER_ENDPOINT])endpoints, count, endpoints[count]))
            count++;
    resolver->on_addresses((const char(*)[RESOLVER_ENDPOINT])endpoints, count, resolver->context);
}

static void on_found(int failure, struct evutil_addrinfo *found, void *context)
{
    struct resolver *resolver = context;
    resolver->asking = false;
    if (failure == EVUTIL_EAI_CANCEL || !resolver->timer)
        return;
    if (failure && failure != resolver->failure)
        log_warning("gateways not resolved", "name=%s reason=\"%s\"", resolver->name, evutil_gai_strerror(failure));
    resolver->failure = failure;
    if (!failure)
        tell(resolver, found);
    if (found)
        evutil_freeaddrinfo(found);
}

/* Names are sent as they are written, since not every name server gives letters back in the case in which they came. */
static struct evdns_base *open_dns(struct event_base *base)
{
    struct evdns_base *dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!dns)
        abort();
    evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE, "/etc/resolv.conf");
    evdns_base_load_hosts(dns, "/etc/hosts");
    evdns_base_set_option(dns, "randomize-case:", "0");
    /* A name server that is silent must not hold up the next look-up, which may find another one. */
    evdns_base_set_option(dns, "timeout:", "1");
    evdns_base_set_option(dns, "attempts:", "2");
    return dns;
}

static void on_time(evutil_socket_t fd, short what, void *context)
{
    struct resolver *resolver = context;
    const struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    (void)fd, (void)what;
    evtimer_add(resolver->timer, &resolver->every);
    if (resolver->asking)
        return;
    if (resolver->dns)
        evdns_base_free(resolver->dns, 0);
    resolver->dns = open_dns(resolver->base);
    resolver->asking = true;
    evdns_getaddrinfo(resolver->dns, resolver->name, resolver->port, &hints, on_found, resolver);
}

struct resolver *resolver_new(struct event_base *base, const char *endpoint, uint32_t every_ms,
                              resolver_on_addresses on_addresses, void *context)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver || !(resolver->timer = evtimer_new(base, on_time, resolver)))
        abort();
    resolver->base = base;
    resolver->every = (struct timeval){ .tv_sec = every_ms / 1000, .tv_usec = every_ms % 1000 * 1000 };
    resolver->on_addresses = on_addresses;
    resolver->context = context;
    if (split(endpoint, resolver->name, resolver->port))
        evtimer_add(resolver->timer, &(struct timeval){ 0 });
    return resolver;
}

void resolver_stop(struct resolver *resolver)
{
    if (!resolver->timer)
        return;
    event_free(resolver->timer);
    resolver->timer = NULL;
    if (resolver->dns)
        evdns_base_free(resolver->dns, 1); /* what is under way is told that it is over */
    resolver->dns = NULL;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    resolver_stop(resolver);
    free(resolver);
}
