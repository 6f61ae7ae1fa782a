/* http_parse.c -- reads lines, lets llhttp parse them, and checks what the fields say about the message. */
#include "services/gateway/http_parse.h"

#include "services/gateway/http_framing.h"
#include "services/gateway/http_target.h"

#include <ctype.h>

static const char *const codes[REFUSAL_COUNT] = {
    [REFUSAL_BAD_REQUEST] = "bad_request",           [REFUSAL_BAD_TARGET] = "bad_target",
    [REFUSAL_BODY_NOT_ALLOWED] = "body_not_allowed", [REFUSAL_TOO_LARGE] = "too_large",
    [REFUSAL_URI_TOO_LONG] = "uri_too_long",         [REFUSAL_HEADERS_TOO_LARGE] = "headers_too_large",
    [REFUSAL_REQUEST_TIMEOUT] = "request_timeout",   [REFUSAL_UNAVAILABLE] = "unavailable",
};

const char *http_refusal_code(enum http_refusal refusal)
{
    return codes[refusal];
}

static enum http_parsed refuse(struct http_parse *p, enum http_refusal refusal)
{
    if (!p->refusal)
        p->refusal = refusal;
    return PARSE_REFUSED;
}

/* Lines. llhttp 8.1.0 takes a lone CR for the end of a field (CVE-2023-30589) and folded lines, so lines are read here
 * first, and llhttp must then find the end of the section at the same byte. */

enum byte_class { BYTE_BAD, BYTE_PLAIN, BYTE_SPACE, BYTE_CR, BYTE_LF, BYTE_CLASSES };

static const uint8_t classes[256] = {
    ['\t'] = BYTE_SPACE, ['\n'] = BYTE_LF,           ['\r'] = BYTE_CR,
    [' '] = BYTE_SPACE,  ['!' ... '~'] = BYTE_PLAIN, [0x80 ... 0xff] = BYTE_PLAIN,
};

/* A line that begins with a space would continue the one before (RFC 9112 §5.2): refused. */
static const uint8_t next_line[LINE_LAST][BYTE_CLASSES] = {
    [LINE_START] = { LINE_BROKEN, LINE_MIDDLE, LINE_BROKEN, LINE_BLANK_CR, LINE_BROKEN },
    [LINE_MIDDLE] = { LINE_BROKEN, LINE_MIDDLE, LINE_MIDDLE, LINE_CR, LINE_BROKEN },
    [LINE_CR] = { LINE_BROKEN, LINE_BROKEN, LINE_BROKEN, LINE_BROKEN, LINE_START },
    [LINE_BLANK_CR] = { LINE_BROKEN, LINE_BROKEN, LINE_BROKEN, LINE_BROKEN, LINE_LAST },
};

/* Reads up to the end of the section or of the bytes, and says how many bytes that was. */
static size_t read_lines(struct http_parse *p, struct slice bytes)
{
    size_t i = 0;
    while (i < bytes.size && p->line < LINE_LAST) {
        uint8_t class = classes[bytes.data[i++]];
        p->lines += p->line == LINE_CR && class == BYTE_LF;
        p->line = (enum http_line)next_line[p->line][class];
        if (p->line == LINE_LAST && p->lines == 0)
            p->line = LINE_START; /* an empty line before the request (RFC 9112 §2.2) */
        while (p->line == LINE_MIDDLE && i < bytes.size && classes[bytes.data[i]] == BYTE_PLAIN)
            i++;
    }
    return i;
}

/* The request line. */

static const struct {
    const char *name;
    enum http_method method;
    bool body; /* whether one is admitted at all */
} methods[] = {
    { "GET", METHOD_GET, false },        { "POST", METHOD_POST, true },      { "PATCH", METHOD_PATCH, true },
    { "PUT", METHOD_PUT, true },         { "DELETE", METHOD_DELETE, false }, { "HEAD", METHOD_HEAD, false },
    { "OPTIONS", METHOD_OPTIONS, true },
};

static enum http_method method_find(struct slice name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (slice_is(name, methods[i].name))
            return methods[i].method;
    return METHOD_OTHER;
}

static bool method_takes_body(enum http_method method)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].method == method)
            return methods[i].body;
    return true;
}

/* Up to the CRLF, without it; the whole head where there is none yet. Empty lines before it are passed over. */
static struct slice request_line(const struct http_parse *p)
{
    size_t start = 0;
    while (start < p->head.size && (p->head.data[start] == '\r' || p->head.data[start] == '\n'))
        start++;
    const uint8_t *line = p->head.data + start, *end = memchr(line, '\r', p->head.size - start);
    return slice_of(line, end ? (size_t)(end - line) : p->head.size - start);
}

static bool target_valid(struct http_parse *p)
{
    struct http_request *request = &p->request;
    if (request->method == METHOD_OPTIONS && slice_is(p->target, "*")) {
        request->path = p->target; /* asterisk-form, RFC 9112 §3.2.4 */
        return true;
    }
    return http_target_split(p->target, &request->path, &request->query);
}

/* Splits the line at its first and its last space; what the target may not hold shows in between. */
static enum http_parsed check_request_line(struct http_parse *p)
{
    struct slice line = request_line(p);
    const uint8_t *first = memchr(line.data, ' ', line.size), *last = memrchr(line.data, ' ', line.size);
    if (!first || first == last)
        return refuse(p, REFUSAL_BAD_REQUEST);
    struct slice method = slice_of(line.data, (size_t)(first - line.data));
    struct slice version = slice_of(last + 1, line.size - (size_t)(last + 1 - line.data));
    p->target = slice_of(first + 1, (size_t)(last - first - 1));
    p->request.method = method_find(method);
    p->old = slice_is(version, "HTTP/1.0");
    if (!http_token_valid(method) || slice_is(method, "CONNECT") || (!p->old && !slice_is(version, "HTTP/1.1")))
        return refuse(p, REFUSAL_BAD_REQUEST);
    p->line_checked = true;
    return target_valid(p) ? PARSE_MORE : refuse(p, REFUSAL_BAD_TARGET);
}

/* The head as a whole. */

static int on_field(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parse *p = llhttp->data;
    if (p->section == SECTION_HEAD)
        p->headers[p->request.header_count++] = (struct http_header){ .name = slice_of(at, size) };
    return 0;
}

/* A value may come in several pieces that lie side by side. */
static int on_value(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parse *p = llhttp->data;
    if (p->section != SECTION_HEAD)
        return 0;
    struct slice *value = &p->headers[p->request.header_count - 1].value;
    const uint8_t *start = value->data ? value->data : (const uint8_t *)at;
    *value = slice_of(start, (size_t)((const uint8_t *)at + size - start));
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    llhttp->upgrade = 0; /* no other protocol is spoken here, whatever is asked (RFC 9110 §7.8) */
    return HPE_PAUSED;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parse *p = llhttp->data;
    buffer_add(&p->body, at, size);
    return 0;
}

static int on_extension(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parse *p = llhttp->data;
    (void)at;
    p->extensions += size;
    return p->extensions > HTTP_EXTENSIONS_LIMIT ? -1 : 0;
}

static int on_chunk_header(llhttp_t *llhttp)
{
    struct http_parse *p = llhttp->data;
    p->last_chunk = llhttp->content_length == 0;
    if (llhttp->content_length > p->body_limit - p->body.size)
        p->refusal = REFUSAL_TOO_LARGE;
    return HPE_PAUSED;
}

static int on_chunk_complete(llhttp_t *llhttp)
{
    const struct http_parse *p = llhttp->data;
    return p->last_chunk ? 0 : HPE_PAUSED;
}

static int on_message_complete(llhttp_t *llhttp)
{
    struct http_parse *p = llhttp->data;
    p->ended = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_chunk_header = on_chunk_header,
    .on_chunk_complete = on_chunk_complete,
    .on_message_complete = on_message_complete,
};

/* Whether llhttp agrees that the head ends where the lines ended. It refuses methods that it does not know and treats
 * some as of other protocols, so one that has no name here is shown to it as a common one. */
static bool head_parses(struct http_parse *p)
{
    const char *head = (const char *)p->head.data, *end = head + p->head.size;
    if (p->request.method == METHOD_OTHER) {
        head = (const char *)p->target.data - 1;
        if (llhttp_execute(&p->llhttp, "POST", 4) != HPE_OK)
            return false;
    }
    enum llhttp_errno error = llhttp_execute(&p->llhttp, head, (size_t)(end - head));
    return error == HPE_PAUSED && llhttp_get_error_pos(&p->llhttp) == end;
}

/* False where its name is none: llhttp lets an empty one through, and in its loose mode spaces. */
static bool tidy_header(struct http_parse *p, struct http_header *header)
{
    uint8_t *name = p->head.data + (header->name.data - p->head.data);
    for (size_t i = 0; i < header->name.size; i++)
        name[i] = (uint8_t)tolower(name[i]);
    struct slice *value = &header->value;
    while (value->size && classes[value->data[value->size - 1]] == BYTE_SPACE)
        value->size--;
    return http_token_valid(header->name);
}

/* The head is whole: what of a body is admitted, and how will it come? */
static enum http_parsed plan_body(struct http_parse *p, const struct http_framing *framing)
{
    uint64_t length = framing->length ? p->llhttp.content_length : 0;
    if (!framing->coding && length == 0) {
        p->section = SECTION_END;
        return PARSE_WHOLE;
    }
    bool admitted = method_takes_body(p->request.method);
    p->body_limit = admitted ? p->handler->body_limit(&p->request, p->handler->context) : 0;
    if (p->body_limit == 0)
        return refuse(p, REFUSAL_BODY_NOT_ALLOWED);
    if (length > p->body_limit)
        return refuse(p, REFUSAL_TOO_LARGE);
    p->expects_continue = framing->expect && !p->old; /* RFC 9110 §10.1.1 */
    p->body_left = length;
    p->section = framing->coding ? SECTION_CHUNKS : SECTION_BODY;
    return PARSE_MORE;
}

static enum http_parsed head_complete(struct http_parse *p)
{
    struct http_framing framing;
    p->headers = arena_alloc(p->arena, p->lines * sizeof *p->headers);
    p->request.headers = p->headers;
    if (!head_parses(p))
        return refuse(p, REFUSAL_BAD_REQUEST);
    for (size_t i = 0; i < p->request.header_count; i++)
        if (!tidy_header(p, &p->headers[i]))
            return refuse(p, REFUSAL_BAD_REQUEST);
    if (!http_framing_read(&framing, &p->request, p->old))
        return refuse(p, REFUSAL_BAD_REQUEST);
    p->keep_alive = llhttp_should_keep_alive(&p->llhttp);
    llhttp_resume(&p->llhttp);
    return plan_body(p, &framing);
}

static enum http_parsed check_line_size(struct http_parse *p)
{
    return request_line(p).size > HTTP_LINE_LIMIT ? refuse(p, REFUSAL_URI_TOO_LONG) : PARSE_MORE;
}

static enum http_parsed check_head_size(struct http_parse *p)
{
    bool many = p->lines > 1 + HTTP_FIELDS_LIMIT;
    if (many || p->head.size > HTTP_HEADERS_LIMIT + request_line(p).size)
        return refuse(p, REFUSAL_HEADERS_TOO_LARGE);
    return PARSE_MORE;
}

/* A bad byte behind the first space and before another is the target's fault, anywhere else the message's. */
static enum http_refusal line_fault(const struct http_parse *p)
{
    struct slice line = request_line(p);
    const uint8_t *space = line.size ? memchr(line.data, ' ', line.size) : NULL;
    bool target = p->lines == 0 && space > line.data && space == memrchr(line.data, ' ', line.size);
    return target ? REFUSAL_BAD_TARGET : REFUSAL_BAD_REQUEST;
}

/* What is wrong first is told, however the bytes are cut: the line before the fields. */
static enum http_parsed feed_head(struct http_parse *p, struct slice bytes, size_t *used)
{
    *used = read_lines(p, bytes);
    buffer_add(&p->head, bytes.data, *used);
    if (check_line_size(p) == PARSE_REFUSED)
        return PARSE_REFUSED;
    bool whole = p->line == LINE_LAST;
    /* As soon as it is there, and again at the end: the head may have moved since. */
    if (p->lines > 0 && (whole || !p->line_checked) && check_request_line(p) == PARSE_REFUSED)
        return PARSE_REFUSED;
    if (check_head_size(p) == PARSE_REFUSED)
        return PARSE_REFUSED;
    if (p->line == LINE_BROKEN)
        return refuse(p, line_fault(p));
    return whole ? head_complete(p) : PARSE_MORE;
}

/* Bodies. */

static enum http_parsed feed_body(struct http_parse *p, struct slice bytes, size_t *used)
{
    buffer_reserve(&p->body, (size_t)p->body_left); /* at once, since growing leaves copies behind */
    *used = bytes.size < p->body_left ? bytes.size : (size_t)p->body_left;
    buffer_add(&p->body, bytes.data, *used);
    p->body_left -= *used;
    return p->body_left ? PARSE_MORE : PARSE_WHOLE;
}

/* Lets llhttp take bytes up to where it pauses; false when it finds them broken. */
static bool chunks_parse(struct http_parse *p, struct slice bytes, size_t *used)
{
    enum llhttp_errno error = llhttp_execute(&p->llhttp, (const char *)bytes.data, bytes.size);
    if (error != HPE_OK && error != HPE_PAUSED)
        return false;
    *used = bytes.size;
    if (error == HPE_PAUSED)
        *used = (size_t)((const uint8_t *)llhttp_get_error_pos(&p->llhttp) - bytes.data);
    for (size_t i = *used > 2 ? *used - 2 : 0; i < *used; i++) {
        p->last[0] = p->last[1];
        p->last[1] = bytes.data[i];
    }
    /* It pauses at the end of a chunk's first line and of its data: both are CRLF, or another may read it otherwise. */
    bool line_ended = p->last[0] == '\r' && p->last[1] == '\n';
    return error == HPE_OK || line_ended;
}

static enum http_parsed feed_chunks(struct http_parse *p, struct slice bytes, size_t *used)
{
    if (!chunks_parse(p, bytes, used))
        return refuse(p, REFUSAL_BAD_REQUEST);
    llhttp_resume(&p->llhttp);
    if (p->refusal)
        return PARSE_REFUSED;
    if (p->last_chunk) {
        p->section = SECTION_TRAILERS;
        p->line = LINE_START;
        p->lines = 1; /* the last chunk's, so that an empty line ends the section */
        p->extensions = 0;
    }
    return PARSE_MORE;
}

/* Up to the end of the line, or of what is left to the section: llhttp is to find its fault first where it comes first. */
static struct slice trailer_line(const struct http_parse *p, struct slice bytes)
{
    const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
    size_t size = end ? (size_t)(end + 1 - bytes.data) : bytes.size, left = HTTP_HEADERS_LIMIT - p->extensions;
    return slice_of(bytes.data, size < left ? size : left);
}

/* Read like headers, and forgotten (RFC 9110 §6.5.1). */
static enum http_parsed feed_trailers(struct http_parse *p, struct slice bytes, size_t *used)
{
    if (p->lines > 1 + HTTP_FIELDS_LIMIT || p->extensions == HTTP_HEADERS_LIMIT)
        return refuse(p, REFUSAL_HEADERS_TOO_LARGE);
    *used = read_lines(p, trailer_line(p, bytes));
    p->extensions += *used;
    enum llhttp_errno error = llhttp_execute(&p->llhttp, (const char *)bytes.data, *used);
    bool whole = p->line == LINE_LAST, agreed = error == (whole ? HPE_PAUSED : HPE_OK) && p->ended == whole;
    if (p->line == LINE_BROKEN || !agreed)
        return refuse(p, REFUSAL_BAD_REQUEST);
    return whole ? PARSE_WHOLE : PARSE_MORE;
}

typedef enum http_parsed (*feed)(struct http_parse *p, struct slice bytes, size_t *used);

static const feed feeds[SECTION_END] = {
    [SECTION_HEAD] = feed_head,
    [SECTION_BODY] = feed_body,
    [SECTION_CHUNKS] = feed_chunks,
    [SECTION_TRAILERS] = feed_trailers,
};

enum http_parsed http_parse_feed(struct http_parse *p, struct slice bytes, size_t *used)
{
    enum http_parsed parsed = PARSE_MORE;
    *used = 0;
    while (parsed == PARSE_MORE && *used < bytes.size) {
        size_t taken = 0;
        parsed = feeds[p->section](p, slice_of(bytes.data + *used, bytes.size - *used), &taken);
        *used += taken;
    }
    if (parsed == PARSE_WHOLE) {
        p->section = SECTION_END;
        p->request.body = buffer_slice(&p->body);
    }
    return parsed;
}

void http_parse_start(struct http_parse *p, struct arena *arena, const struct http_handler *handler,
                      const struct address *address)
{
    *p = (struct http_parse){ .request.address = *address,
                              .arena = arena,
                              .handler = handler,
                              .head = buffer_in(arena),
                              .body = buffer_in(arena) };
    llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
    p->llhttp.data = p;
}
