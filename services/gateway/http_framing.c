/* http_framing.c -- finding fields; and those that frame a message, checked against each other. */
#include "services/gateway/http_framing.h"

#include "services/gateway/http_target.h"

#include <ctype.h>
#include <strings.h>

const struct slice *http_header_find(const struct http_request *request, const char *name, bool *twice)
{
    const struct slice *found = NULL;
    *twice = false;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!slice_is(request->headers[i].name, name))
            continue;
        *twice = found != NULL;
        found = found ? found : &request->headers[i].value;
    }
    return found;
}

const struct slice *http_header_once(const struct http_request *request, const char *name)
{
    bool twice;
    const struct slice *found = http_header_find(request, name, &twice);
    return twice ? NULL : found;
}

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    { "host", offsetof(struct http_framing, host) },
    { "content-length", offsetof(struct http_framing, length) },
    { "transfer-encoding", offsetof(struct http_framing, coding) },
    { "expect", offsetof(struct http_framing, expect) },
    { "upgrade", offsetof(struct http_framing, upgrade) },
};

/* False where the field stood before. */
static bool note(struct http_framing *framing, const struct http_header *header)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!slice_is(header->name, fields[i].name))
            continue;
        const struct slice **place = (const struct slice **)((char *)framing + fields[i].offset);
        if (*place)
            return false;
        *place = &header->value;
    }
    return true;
}

static bool is_word(const struct slice *value, const char *word)
{
    return value->size == strlen(word) && strncasecmp((const char *)value->data, word, value->size) == 0;
}

static bool is_number(const struct slice *value)
{
    for (size_t i = 0; i < value->size; i++)
        if (!isdigit(value->data[i]))
            return false;
    return value->size > 0;
}

static bool valid(const struct http_framing *f, bool old)
{
    if (f->length && f->coding)
        return false; /* RFC 9112 §6.1: a smuggler's, not a client's */
    if (f->host ? !http_host_valid(*f->host) : !old)
        return false; /* RFC 9112 §3.2 */
    if (f->coding && (old || !is_word(f->coding, "chunked")))
        return false; /* RFC 9112 §6.1 */
    if (f->length && !is_number(f->length))
        return false; /* RFC 9110 §8.6 */
    if (f->expect && !is_word(f->expect, "100-continue"))
        return false; /* RFC 9110 §10.1.1 */
    /* Java's client offers h2c with every plain request, which may be passed over (RFC 9110 §7.8). Who asks for another
     * protocol cannot be served. */
    return !f->upgrade || is_word(f->upgrade, "h2c");
}

bool http_framing_read(struct http_framing *framing, const struct http_request *request, bool old)
{
    *framing = (struct http_framing){ 0 };
    for (size_t i = 0; i < request->header_count; i++)
        if (!note(framing, &request->headers[i]))
            return false;
    return valid(framing, old);
}
