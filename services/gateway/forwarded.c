/* forwarded.c -- who is trusted, and X-Forwarded-For from its right end. */
#include "services/gateway/forwarded.h"

#include "common/settings.h"
#include "services/gateway/network.h"

#include <ctype.h>

struct forwarded_trust {
    size_t count;
    struct network networks[];
};

const struct forwarded_trust *forwarded_trust_new(struct arena *arena, const char *text, const char **error)
{
    const char *const *entries = settings_list(arena, text);
    size_t count = 0;
    while (entries[count])
        count++;
    struct forwarded_trust *trust = arena_zalloc(arena, sizeof *trust + count * sizeof *trust->networks);
    trust->count = count;
    for (size_t i = 0; i < count; i++) {
        if (network_parse(entries[i], &trust->networks[i]))
            continue;
        *error = arena_printf(arena, "setting trusted_proxies: '%s' is neither an address nor a network", entries[i]);
        return NULL;
    }
    return trust;
}

bool forwarded_trusts(const struct forwarded_trust *trust, const struct address *address)
{
    for (size_t i = 0; trust && i < trust->count; i++)
        if (network_holds(&trust->networks[i], address))
            return true;
    return false;
}

/* The field. */

/* Takes the last element of a list off it. */
static struct slice take_last(struct slice *list)
{
    const uint8_t *comma = list->size ? memrchr(list->data, ',', list->size) : NULL;
    size_t start = comma ? (size_t)(comma + 1 - list->data) : 0;
    struct slice last = slice_of(list->data + start, list->size - start);
    list->size = comma ? start - 1 : 0;
    return slice_trimmed(last);
}

static bool is_port(struct slice text)
{
    if (text.size == 0 || text.size > 5)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!isdigit(text.data[i]))
            return false;
    return true;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool parse_element(struct slice text, struct address *address)
{
    if (text.size == 0)
        return false;
    const uint8_t *bracket = text.data[0] == '[' ? memchr(text.data, ']', text.size) : NULL;
    const uint8_t *colon = memrchr(text.data, ':', text.size), *end = text.data + text.size;
    bool four_and_port = colon && memchr(text.data, ':', text.size) == colon;
    if (bracket) {
        struct slice inside = slice_of(text.data + 1, (size_t)(bracket - text.data - 1));
        struct slice port = slice_of(bracket + 1, (size_t)(end - bracket - 1));
        bool whole = port.size == 0 || (port.data[0] == ':' && is_port(slice_of(port.data + 1, port.size - 1)));
        return whole && memchr(inside.data, ':', inside.size) && address_parse(inside, address);
    }
    if (four_and_port)
        return is_port(slice_of(colon + 1, (size_t)(end - colon - 1))) &&
               address_parse(slice_of(text.data, (size_t)(colon - text.data)), address);
    return address_parse(text, address);
}

struct address forwarded_client(const struct forwarded_trust *trust, const struct http_request *request)
{
    struct address client = request->address, next;
    bool believed = forwarded_trusts(trust, &client);
    for (size_t i = request->header_count; believed && i-- > 0;) {
        struct slice list = request->headers[i].value;
        if (!slice_is(request->headers[i].name, "x-forwarded-for"))
            continue;
        do {
            if (!parse_element(take_last(&list), &next))
                return client;
            client = next;
            believed = forwarded_trusts(trust, &client);
        } while (believed && list.size);
    }
    return client;
}
