/* http_parse.h -- from bytes to a whole, bounded request, or to the reason why it is none. Touches no socket.
 *
 * llhttp knows the grammar. Around it stand the checks that it leaves to others: lines end in CRLF and in nothing else,
 * the target and Host are plain, the framing (RFC 9112 §6) is said once and in one way, and all has a limit. */
#ifndef CAMPUS_GATEWAY_HTTP_PARSE_H
#define CAMPUS_GATEWAY_HTTP_PARSE_H

#include "common/buffer.h"
#include "services/gateway/http.h"

#include "llhttp.h"

enum {
    HTTP_LINE_LIMIT = 8 << 10, /* the request line, in bytes */
    HTTP_HEADERS_LIMIT = 16 << 10, /* the header section, in bytes; the trailer section too */
    HTTP_FIELDS_LIMIT = 64,
    HTTP_EXTENSIONS_LIMIT = 4 << 10, /* of all chunks of a request, in bytes */
};

/* Why a request is not handed over. */
enum http_refusal {
    REFUSAL_NONE,
    REFUSAL_BAD_REQUEST,
    REFUSAL_BAD_TARGET,
    REFUSAL_BODY_NOT_ALLOWED,
    REFUSAL_TOO_LARGE,
    REFUSAL_URI_TOO_LONG,
    REFUSAL_HEADERS_TOO_LARGE,
    REFUSAL_REQUEST_TIMEOUT,
    REFUSAL_UNAVAILABLE,
    REFUSAL_COUNT,
};

/* Its code in common/status.h. Not for REFUSAL_NONE. */
const char *http_refusal_code(enum http_refusal refusal);

enum http_section { SECTION_HEAD, SECTION_BODY, SECTION_CHUNKS, SECTION_TRAILERS, SECTION_END };

/* Where the reader of lines stands. */
enum http_line { LINE_START, LINE_MIDDLE, LINE_CR, LINE_BLANK_CR, LINE_LAST, LINE_BROKEN };

struct http_parse {
    /* What has been found. The request is complete at PARSE_WHOLE; its head, once the section is past SECTION_HEAD. */
    struct http_request request;
    enum http_refusal refusal;
    bool old; /* HTTP/1.0 */
    bool keep_alive; /* the client wants to go on */
    bool expects_continue; /* it waits for 100 Continue before it sends the body */

    /* How it is found. */
    enum http_section section;
    enum http_line line;
    size_t lines; /* of this section, blank ones left out */
    struct arena *arena;
    const struct http_handler *handler;
    struct buffer head, body;
    struct slice target; /* of the request line */
    bool line_checked, last_chunk, ended;
    uint8_t last[2]; /* bytes of the body that llhttp took */
    size_t body_limit, extensions;
    uint64_t body_left; /* where Content-Length tells */
    struct http_header *headers;
    llhttp_t llhttp;
};

enum http_parsed { PARSE_MORE, PARSE_WHOLE, PARSE_REFUSED };

/* Readies for the next request. What it will hold lives in the arena. Of the handler, body_limit is called. */
void http_parse_start(struct http_parse *parse, struct arena *arena, const struct http_handler *handler,
                      const struct address *address);
/* Takes bytes; *used says how many. PARSE_MORE: all, and the request wants more. PARSE_WHOLE: up to the end of the
 * request, the rest belongs to the next. PARSE_REFUSED: what follows cannot be framed any more. */
enum http_parsed http_parse_feed(struct http_parse *parse, struct slice bytes, size_t *used)
    __attribute__((warn_unused_result));

/* How large the body can become, once its section has begun. */
static inline size_t http_parse_body_bound(const struct http_parse *parse)
{
    return parse->section == SECTION_BODY ? parse->body.size + (size_t)parse->body_left : parse->body_limit;
}

/* Whether anything but an empty line has come. */
static inline bool http_parse_begun(const struct http_parse *parse)
{
    return parse->lines > 0 || parse->line == LINE_MIDDLE || parse->line == LINE_CR;
}

#endif
