/* http_response.c -- status line, the few headers that every answer has, the caller's, and the body. */
#include "services/gateway/http_response.h"

#include "common/status.h"

enum {
    FIXED_PART = 320, /* the status line and the headers of ours, but for the media type */
    WORTH_REFERRING = 16 << 10, /* bytes from which a reference is cheaper than a copy */
};

/* What the vocabulary of statuses has no word for. */
static const struct {
    int status;
    const char *phrase;
} others[] = {
    { 201, "Created" },         { 202, "Accepted" },           { 204, "No Content" },
    { 206, "Partial Content" }, { 301, "Moved Permanently" },  { 303, "See Other" },
    { 304, "Not Modified" },    { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
    { 406, "Not Acceptable" },  { 501, "Not Implemented" },
};

static const char *phrase_of(int status)
{
    for (enum status s = STATUS_OK; s < STATUS_COUNT; s++)
        if (status_http(s) == status)
            return status_phrase(s);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].status == status)
            return others[i].phrase;
    return "";
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t size)
{
    if (size)
        memcpy(out, bytes, size);
    return out + size;
}

static uint8_t *put_text(uint8_t *out, const char *text)
{
    return put(out, text, strlen(text));
}

static uint8_t *put_slice(uint8_t *out, struct slice bytes)
{
    return put(out, bytes.data, bytes.size);
}

static uint8_t *put_number(uint8_t *out, size_t number)
{
    uint8_t digits[20], *first = digits + sizeof digits;
    do
        *--first = (uint8_t)('0' + number % 10);
    while (number /= 10);
    return put(out, first, (size_t)(digits + sizeof digits - first));
}

/* 204 and 304 have neither a body nor its length (RFC 9110 §8.6). */
static bool bodiless(int status)
{
    return status == 204 || status == 304;
}

static uint8_t *put_content(uint8_t *out, const struct http_response *response)
{
    if (bodiless(response->status))
        return out;
    if (response->type.size) {
        out = put_text(out, "Content-Type: ");
        out = put_slice(out, response->type);
        out = put_text(out, "\r\n");
    }
    out = put_text(out, "Content-Length: ");
    out = put_number(out, response->type.size ? response->body.size : 0);
    return put_text(out, "\r\n");
}

static bool has_body(const struct http_response *response, const struct http_manner *manner)
{
    return !manner->head && !bodiless(response->status) && response->type.size;
}

static bool refers(const struct http_response *response)
{
    return response->lasting && response->body.size >= WORTH_REFERRING;
}

size_t http_response_referred(const struct http_response *response, const struct http_manner *manner)
{
    return refers(response) && has_body(response, manner) ? response->body.size : 0;
}

size_t http_response_bound(const struct http_response *response)
{
    return FIXED_PART + response->type.size + response->headers.size + (refers(response) ? 0 : response->body.size);
}

size_t http_response_write(uint8_t *out, const struct http_response *response, const struct http_manner *manner)
{
    uint8_t *start = out;
    out = put_text(out, "HTTP/1.1 ");
    out = put_number(out, (size_t)response->status);
    out = put_text(out, " ");
    out = put_text(out, phrase_of(response->status));
    out = put_text(out, "\r\nDate: ");
    out = put_text(out, manner->date);
    out = put_text(out, "\r\n");
    out = put_content(out, response);
    if (manner->close)
        out = put_text(out, "Connection: close\r\n");
    else if (manner->old)
        out = put_text(out, "Connection: keep-alive\r\n");
    out = put_slice(out, response->headers);
    out = put_text(out, "\r\n");
    if (has_body(response, manner) && !refers(response))
        out = put_slice(out, response->body);
    return (size_t)(out - start);
}
