/* bus_dial.c -- which gateways there are: those of the setting, and those behind its names as they come and go. */
#include "common/bus_state.h"
#include "common/curve.h"
#include "common/log.h"

#include <errno.h>
#include <zmq.h>

static struct gateway *find_open(struct bus *bus, const struct dial *dial, const char *endpoint)
{
    for (size_t i = 0; i < MOST_GATEWAYS; i++) {
        struct gateway *gateway = &bus->gateways[i];
        if (gateway->open && gateway->dial == dial && strcmp(gateway->endpoint, endpoint) == 0)
            return gateway;
    }
    return NULL;
}

static struct gateway *find_place(struct bus *bus)
{
    for (size_t i = 0; i < MOST_GATEWAYS; i++)
        if (!bus->gateways[i].open && bus->gateways[i].pending == 0)
            return &bus->gateways[i];
    return NULL;
}

/* False with errno. */
static bool add(struct dial *dial, const char *endpoint)
{
    struct gateway *place = find_place(dial->bus);
    if (!place || strlen(endpoint) >= LONGEST_ENDPOINT) {
        errno = place ? ENAMETOOLONG : ENOSPC;
        return false;
    }
    return gateway_open(place, dial, endpoint);
}

/* One that has left the name but still speaks is kept until it falls silent: a name server may err. */
static void drop_unlisted(struct dial *dial)
{
    for (size_t i = 0; i < MOST_GATEWAYS; i++) {
        struct gateway *gateway = &dial->bus->gateways[i];
        if (gateway->open && gateway->dial == dial && !gateway->listed && !gateway->heard)
            gateway_close(gateway);
    }
}

static void on_addresses(const char (*endpoints)[RESOLVER_ENDPOINT], size_t count, void *context)
{
    struct dial *dial = context;
    struct bus *bus = dial->bus;
    for (size_t i = 0; i < MOST_GATEWAYS; i++)
        if (bus->gateways[i].dial == dial)
            bus->gateways[i].listed = false;
    for (size_t i = 0; i < count; i++) {
        struct gateway *known = find_open(bus, dial, endpoints[i]);
        if (known)
            known->listed = true;
        else if (add(dial, endpoints[i]))
            log_info("gateway found", "endpoint=%s", endpoints[i]);
        else
            log_error("cannot dial a gateway", "endpoint=%s errno=%d", endpoints[i], errno);
    }
    drop_unlisted(dial);
}

/* Where gateways of this process are dialled by others. */
static bool is_wildcard(const char *endpoint)
{
    static const char *const anywhere[] = { "tcp://*:", "tcp://0.0.0.0:", "tcp://[::]:" };
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++)
        if (strncmp(endpoint, anywhere[i], strlen(anywhere[i])) == 0)
            return true;
    return false;
}

static const char *start(struct bus *bus, struct dial *dial)
{
    if (resolver_needed(dial->endpoint)) {
        if (!bus->options.keys || !*bus->options.keys->gateway)
            return "no keys, or not the gateways'";
        dial->resolver = resolver_new(bus->base, dial->endpoint, bus->options.resolve_ms, on_addresses, dial);
        return NULL;
    }
    return add(dial, dial->endpoint) ? NULL : zmq_strerror(errno);
}

bool bus_dial_start(struct bus *bus, struct arena *arena, const char **error)
{
    size_t count = 0;
    while (bus->options.endpoints[count])
        count++;
    bus->dials = arena_alloc(bus->forever, (count + 1) * sizeof *bus->dials);
    for (size_t i = 0; i < count; i++) {
        const char *endpoint = bus->options.endpoints[i];
        if (is_wildcard(endpoint))
            continue;
        struct dial *dial = &bus->dials[bus->dial_count++];
        *dial = (struct dial){ .bus = bus, .endpoint = arena_strdup(bus->forever, endpoint) };
        const char *reason = start(bus, dial);
        if (reason) {
            *error = arena_printf(arena, "bus %s: %s", endpoint, reason);
            return false;
        }
    }
    if (bus->dial_count == 0)
        *error = "bus: it names no gateway that could be dialled";
    return bus->dial_count > 0;
}

void bus_dial_stop(struct bus *bus)
{
    for (size_t i = 0; i < bus->dial_count; i++)
        if (bus->dials[i].resolver)
            resolver_stop(bus->dials[i].resolver);
}

void bus_dial_free(struct bus *bus)
{
    for (size_t i = 0; i < bus->dial_count; i++)
        resolver_free(bus->dials[i].resolver);
}
