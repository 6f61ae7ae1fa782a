/* test_http_parse.c -- requests as bytes: what is understood, what is refused and why, however the bytes are cut. */
#include "services/gateway/http_parse.h"

#include "common/buffer.h"
#include "services/gateway/http_response.h"
#include "services/gateway/http_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BODY_LIMIT = 16 };

static size_t limit(const struct http_request *head, void *context)
{
    (void)context;
    return slice_is(head->path, "/none") ? 0 : BODY_LIMIT;
}

static const struct http_handler handler = { .body_limit = limit };
static const struct address localhost = { .bytes = { [15] = 1 } };

#define H "Host: a\r\n"
#define POST "POST /a HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct row {
    const char *bytes;
    size_t size;
    enum http_refusal refusal; /* REFUSAL_NONE: whole */
    const char *body;
};

#define ROW(text, ...)                                                                                                 \
    {                                                                                                                  \
        .bytes = (text), .size = sizeof(text) - 1, __VA_ARGS__                                                         \
    }
#define REFUSED(text, why) ROW(text, .refusal = REFUSAL_##why)
#define WHOLE(text, ...) ROW(text, .body = "" __VA_ARGS__)

static const struct row rows[] = {
    /* What must be understood. */
    WHOLE("GET / HTTP/1.1\r\n" H "\r\n"),
    WHOLE("GET /a/b?c=d&e=%2F%5C//../ HTTP/1.1\r\n" H "\r\n"),
    WHOLE("GET /a/ HTTP/1.1\r\n" H "\r\n"),
    WHOLE("GET /v1/a.b:publish HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    WHOLE("\r\nGET / HTTP/1.1\r\n" H "\r\n"), /* RFC 9112 2.2: an empty line before */
    WHOLE("GET / HTTP/1.1\r\nhost:a:80\r\nX: \xe4\xbd\xa0\r\nY:\r\nZ: a b\t\r\n\r\n"),
    WHOLE("GET / HTTP/1.0\r\n\r\n"), /* RFC 9112 3.2: Host is of 1.1 */
    WHOLE("GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"),
    WHOLE("OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    WHOLE("GET http://b:8080/a?c HTTP/1.1\r\n" H "\r\n"), /* RFC 9112 3.2.2 */
    WHOLE("BREW https://b/a HTTP/1.1\r\n" H "\r\n"),
    WHOLE("BREW /a HTTP/1.1\r\n" H "\r\n"), /* RFC 9110 9.1: methods are open; the handler knows what it has */
    WHOLE("TRACE /a HTTP/1.1\r\n" H "\r\n"),
    WHOLE("SOURCE /a HTTP/1.1\r\n" H "\r\n"),
    WHOLE("PRI /a HTTP/1.1\r\n" H "\r\n"),
    WHOLE("GET / HTTP/1.1\r\n" H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"),
    WHOLE(POST "Content-Length: 5\r\n\r\nhello", "hello"),
    WHOLE(POST "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    WHOLE("BREW /a HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi", "hi"),
    WHOLE(POST "Content-Length: 16\r\n\r\n0123456789abcdef", "0123456789abcdef"),
    WHOLE(CHUNKED "5\r\nhello\r\n0\r\n\r\n", "hello"),
    WHOLE(CHUNKED "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello"),
    WHOLE(CHUNKED "10\r\n0123456789abcdef\r\n000\r\n\r\n", "0123456789abcdef"),
    WHOLE(CHUNKED "0\r\n\r\n"),
    WHOLE(CHUNKED "5;a;b=c\r\nhello\r\n0;x=y\r\n\r\n", "hello"), /* RFC 9112 7.1.1: extensions */
    WHOLE(CHUNKED "5;d=\"e;f\"\r\nhello\r\n0\r\n\r\n", "hello"),
    WHOLE(CHUNKED "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", "hello"), /* RFC 9112 7.1.2: trailers */
    WHOLE(CHUNKED "0\r\nContent-Length: 5\r\nHost: b\r\n\r\n"), /* RFC 9110 6.5.1: they frame nothing */
    WHOLE(POST "Transfer-Encoding: CHUNKED\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "hi"),
    WHOLE(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "hi"),

    /* RFC 9112 6.3: the length is said once and in one way, or it is a smuggler's. */
    REFUSED(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Content-Length: 0\r\nContent-Length: 38\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", BAD_REQUEST),
    REFUSED(POST "Content-Length: 5, 5\r\n\r\nhello", BAD_REQUEST),
    REFUSED(POST "Content-Length: 0x1\r\n\r\nh", BAD_REQUEST), /* RFC 9110 8.6: 1*DIGIT */
    REFUSED(POST "Content-Length: -1\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Content-Length: +1\r\n\r\nh", BAD_REQUEST),
    REFUSED(POST "Content-Length: 1 1\r\n\r\nh", BAD_REQUEST),
    REFUSED(POST "Content-Length:\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Content-Length: 18446744073709551617\r\n\r\nh", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST), /* RFC 9112 5.1: no space there */
    REFUSED(POST "Transfer-Encoding: gzip\r\n\r\n", BAD_REQUEST), /* RFC 9112 6.1 */
    REFUSED(POST "Transfer-Encoding: identity\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding: xchunked\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding: \vchunked\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding: chunked\0x\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Transfer-Encoding:\r\n\r\n", BAD_REQUEST),
    REFUSED("POST /a HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
    /* RFC 9112 7.1: a chunk's size is hexadecimal digits, its lines end in CRLF. */
    REFUSED(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED " 5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "+5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "\r\n5\r\nhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "5\nhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "5\rXhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "5\r\nhello\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "5\r\nhelloXX0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "5\r\nhello\rX0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "0\r\nA: b\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "0\r\nA: b\rC: d\r\n\r\n", BAD_REQUEST),
    REFUSED(CHUNKED "0\r\n\rX", BAD_REQUEST),
    REFUSED(CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n", BAD_REQUEST),
    /* RFC 9112 2.2: CRLF alone ends a line. CVE-2023-30589 and CVE-2025-23167 of the parser among them. */
    REFUSED("GET / HTTP/1.1\n" H "\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\nHost: a\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X: a\rTransfer-Encoding: chunked\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "\r\rX", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "\rX", BAD_REQUEST),
    REFUSED("\nGET / HTTP/1.1\r\n" H "\r\n", BAD_REQUEST),
    /* RFC 9112 5.2: folded lines; 2.2: a space before the first field. CVE-2024-27982 of the parser. */
    REFUSED("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", BAD_REQUEST),
    REFUSED("POST / HTTP/1.1\r\n Content-Length: 5\r\n" H "\r\nhello", BAD_REQUEST),
    /* RFC 9110 5.1, 5.5: names are tokens, values have no control bytes. */
    REFUSED("GET / HTTP/1.1\r\n" H ": a\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X Y: a\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X\xc3\xa4: a\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X: \x01\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", BAD_REQUEST),
    /* RFC 9112 3.2: exactly one valid Host. */
    REFUSED("GET / HTTP/1.1\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\n" H H "\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.0\r\n" H H "\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\nHost:\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", BAD_REQUEST),
    /* RFC 9112 2.3, 3: the request line. */
    REFUSED("GET / HTTP/2.0\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.9\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/0.9\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("GET /\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("GET\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("GET / http/1.1\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("GET / HTTP/1.1 \r\n" H "\r\n", BAD_REQUEST),
    REFUSED("G\"T / HTTP/1.1\r\n" H "\r\n", BAD_REQUEST),
    REFUSED(" GET / HTTP/1.1\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_REQUEST),
    REFUSED("CONNECT a:80 HTTP/1.1\r\n" H "\r\n", BAD_REQUEST),
    REFUSED("\x16\x03\x01\x02\x00", BAD_REQUEST), /* TLS */
    REFUSED("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", BAD_REQUEST),
    REFUSED(POST "Expect: 200-ok\r\nContent-Length: 2\r\n\r\nhi", BAD_REQUEST), /* RFC 9110 10.1.1 */
    /* RFC 9112 3.2.1, RFC 3986 3.3: the target, and what could be read in two ways. */
    REFUSED("GET a HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET * HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET  / HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET //a//b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a//b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a// HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a/../b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /. HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a/%2e%2E/b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a/.%2e HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a%00 HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a?b=%00 HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a%2fb HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a%5Cb HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a\\b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a%2 HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a%zz HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a?% HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a#b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a\x01 HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a\tb HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    REFUSED("GET /a\0b HTTP/1.1\r\n" H "\r\n", BAD_TARGET),
    /* Of several faults the first is told, however the bytes are cut. Found by fuzz_http. */
    REFUSED("GET a HTTP/1.1\r\nX: \x01\r\n\r\n", BAD_TARGET),
    REFUSED("GET /a/../b HTTP/1.1\r\nX: a\rb\r\n\r\n", BAD_TARGET),
    /* RFC 9110 9.3.1, 9.3.2, 9.3.5: a body there has no meaning, and is a smuggler's way in. */
    REFUSED("HEAD /a HTTP/1.1\r\n" H "Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n", BODY_NOT_ALLOWED),
    REFUSED("GET /a HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na", BODY_NOT_ALLOWED),
    REFUSED("GET /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BODY_NOT_ALLOWED),
    REFUSED("DELETE /a HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na", BODY_NOT_ALLOWED),
    REFUSED("POST /none HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na", BODY_NOT_ALLOWED),
    /* RFC 9110 15.5.14. */
    REFUSED(POST "Content-Length: 17\r\n\r\n", TOO_LARGE),
    REFUSED(POST "Expect: 100-continue\r\nContent-Length: 17\r\n\r\n", TOO_LARGE),
    REFUSED(CHUNKED "11\r\n", TOO_LARGE),
    REFUSED(CHUNKED "10\r\n0123456789abcdef\r\n1\r\n", TOO_LARGE),
    REFUSED(CHUNKED "ffffffffffffffff\r\n", TOO_LARGE),
};

/* Feeds it in pieces of two sizes, and checks what comes out. */
static void feed_row(const struct row *row, size_t first, size_t rest)
{
    struct arena *arena = arena_new();
    struct http_parse parse;
    enum http_parsed parsed = PARSE_MORE;
    http_parse_start(&parse, arena, &handler, &localhost);
    size_t at = 0, used;
    for (size_t piece = first; at < row->size && parsed == PARSE_MORE; piece = rest) {
        size_t size = row->size - at < piece ? row->size - at : piece;
        /* A copy of its own, so that to read too far is seen. */
        uint8_t *copy = malloc(size ? size : 1);
        assert_non_null(memcpy(copy, row->bytes + at, size));
        parsed = http_parse_feed(&parse, slice_of(copy, size), &used);
        free(copy);
        assert_true(used <= size && (parsed != PARSE_MORE || used == size));
        at += used;
    }
    if (parse.refusal != row->refusal || parsed != (row->refusal ? PARSE_REFUSED : PARSE_WHOLE))
        fail_msg("%.60s (%zu, %zu): %d, refusal %d instead of %d", row->bytes, first, rest, parsed, parse.refusal,
                 row->refusal);
    if (!row->refusal) {
        assert_int_equal(at, row->size);
        assert_true(slice_is(parse.request.body, row->body));
    }
    arena_free(arena);
}

static void every_row_however_it_is_cut(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        feed_row(row, row->size, 1);
        feed_row(row, 1, 1);
        for (size_t cut = 1; cut < row->size; cut++)
            feed_row(row, cut, row->size);
    }
}

/* A field of trailers that is none, before one too many: the first fault is told, however they are cut. Found by fuzz_http. */
static void first_fault_of_trailers(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct buffer text = buffer_in(arena);
    buffer_text(&text, CHUNKED "0\r\nA\xc6: b\r\n");
    for (size_t i = 0; i < HTTP_FIELDS_LIMIT; i++)
        buffer_text(&text, "A: b\r\n");
    buffer_text(&text, "\r\n");
    struct row row = { .bytes = buffer_cstring(&text), .size = text.size, .refusal = REFUSAL_BAD_REQUEST };
    feed_row(&row, 1, 1);
    feed_row(&row, row.size, 1);
    arena_free(arena);
}

/* A whole request, and any bytes behind it are the next one's. */
static void leaves_what_follows(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        if (row->refusal)
            continue;
        struct arena *arena = arena_new();
        struct http_parse parse;
        size_t used;
        struct buffer text = buffer_in(arena);
        buffer_add(&text, row->bytes, row->size);
        buffer_text(&text, "GET");
        http_parse_start(&parse, arena, &handler, &localhost);
        assert_int_equal(http_parse_feed(&parse, buffer_slice(&text), &used), PARSE_WHOLE);
        assert_int_equal(used, row->size);
        arena_free(arena);
    }
}

static enum http_parsed feed_text(struct http_parse *parse, struct arena *arena, const char *text)
{
    size_t used;
    http_parse_start(parse, arena, &handler, &localhost);
    return http_parse_feed(parse, slice_text(text), &used);
}

static void request_is_as_sent(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct http_parse p;
    bool twice;
    assert_int_equal(
        feed_text(&p, arena, "PATCH /a%20b?c=%3f&d HTTP/1.1\r\nHOST: a\r\nX-Y:  b c \t\r\nz:\r\nZ: 1\r\n\r\n"),
        PARSE_WHOLE);
    assert_int_equal(p.request.method, METHOD_PATCH);
    assert_true(slice_is(p.request.path, "/a%20b"));
    assert_true(slice_is(p.request.query, "c=%3f&d"));
    assert_int_equal(p.request.header_count, 4);
    assert_true(slice_is(*http_header_find(&p.request, "x-y", &twice), "b c"));
    assert_false(twice);
    assert_int_equal(http_header_find(&p.request, "z", &twice)->size, 0);
    assert_true(twice);
    assert_null(http_header_find(&p.request, "y", &twice));
    assert_memory_equal(&p.request.address, &localhost, sizeof localhost);
    arena_free(arena);
}

/* RFC 9112 3.2.2: path and query of the absolute form; NULL: refused. */
static void absolute_form(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        { "http://b/a?c", "/a", "c" },    { "HTTPS://b:8080/a/?", "/a/", "" },
        { "http://[::1]:80/", "/", "" },  { "http://b", "/", "" }, /* RFC 9110 4.2.3 */
        { "http://b?c=/d", "/", "c=/d" }, { "http://", NULL, NULL },
        { "http:///a", NULL, NULL }, /* RFC 9110 4.2.1 */
        { "http://:80/a", NULL, NULL },   { "http://b:x/a", NULL, NULL },
        { "http://a@b/a", NULL, NULL }, /* RFC 9110 4.2.4 */
        { "http://b#c", NULL, NULL },     { "http://b\\a", NULL, NULL },
        { "http://b//a", NULL, NULL },    { "http://b/../a", NULL, NULL },
        { "http://b?%00", NULL, NULL },   { "http:/b/a", NULL, NULL },
        { "http:a", NULL, NULL },         { "ftp://b/a", NULL, NULL },
        { "b:80", NULL, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice path, query;
        bool split = http_target_split(slice_text(cases[i].target), &path, &query);
        assert_int_equal(split, cases[i].path != NULL);
        if (!split)
            continue;
        assert_true(slice_is(path, cases[i].path));
        assert_true(slice_is(query, cases[i].query));
    }
}

static void keeps_alive_as_the_version_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep;
    } cases[] = {
        { "GET / HTTP/1.1\r\n" H "\r\n", true },
        { "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\n" H "Connection: foo, Close\r\n\r\n", false },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
        { "BREW / HTTP/1.1\r\n" H "\r\n", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new();
        struct http_parse p;
        assert_int_equal(feed_text(&p, arena, cases[i].text), PARSE_WHOLE);
        assert_int_equal(p.keep_alive, cases[i].keep);
        arena_free(arena);
    }
}

/* Text of a given size around a filling. */
static enum http_refusal refusal_of(const char *before, size_t filling, const char *after, size_t times)
{
    struct arena *arena = arena_new();
    struct buffer text = buffer_in(arena);
    struct http_parse p;
    buffer_text(&text, before);
    for (size_t i = 0; i < filling; i++)
        buffer_byte(&text, 'a');
    for (size_t i = 0; i < times; i++)
        buffer_text(&text, after);
    buffer_text(&text, "\r\n");
    feed_text(&p, arena, buffer_cstring(&text));
    enum http_refusal refusal = p.refusal;
    arena_free(arena);
    return refusal;
}

static void limits_hold_to_the_byte(void **state)
{
    (void)state;
    size_t line = HTTP_LINE_LIMIT - strlen("GET / HTTP/1.1");
    assert_int_equal(refusal_of("GET /", line, " HTTP/1.1\r\n" H, 1), REFUSAL_NONE);
    assert_int_equal(refusal_of("GET /", line + 1, " HTTP/1.1\r\n" H, 1), REFUSAL_URI_TOO_LONG);
    assert_int_equal(refusal_of("GET /", HTTP_LINE_LIMIT, "", 1), REFUSAL_URI_TOO_LONG); /* without its end */
    assert_int_equal(refusal_of("GET / HTTP/1.1\r\n", 0, H, HTTP_FIELDS_LIMIT + 1), REFUSAL_HEADERS_TOO_LARGE);
    assert_int_equal(refusal_of("GET / HTTP/1.1\r\n" H, 0, "A: b\r\n", HTTP_FIELDS_LIMIT - 1), REFUSAL_NONE);
    size_t most = HTTP_HEADERS_LIMIT - strlen("\r\nHost: a\r\nX: \r\n\r\n");
    assert_int_equal(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nX: ", most, "\r\n", 1), REFUSAL_NONE);
    assert_int_equal(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nX: ", most + 1, "\r\n", 1), REFUSAL_HEADERS_TOO_LARGE);
    assert_int_equal(refusal_of(CHUNKED "1;", HTTP_EXTENSIONS_LIMIT + 1, "", 1), REFUSAL_BAD_REQUEST);
    assert_int_equal(refusal_of(CHUNKED "0\r\nX: ", HTTP_HEADERS_LIMIT, "", 1), REFUSAL_HEADERS_TOO_LARGE);
    assert_int_equal(refusal_of(CHUNKED "0\r\n", 0, "A: b\r\n", HTTP_FIELDS_LIMIT + 1), REFUSAL_HEADERS_TOO_LARGE);
}

static void response_is_bytes(void **state)
{
    (void)state;
    static const struct {
        struct http_manner manner;
        int status;
        const char *type, *expected;
    } cases[] = {
        { { 0 },
          200,
          "text/plain",
          "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nA: b\r\n\r\nhi" },
        { { .close = true },
          201,
          "",
          "HTTP/1.1 201 Created\r\nDate: D\r\nContent-Length: 0\r\nConnection: close\r\nA: b\r\n\r\n" },
        { { .old = true }, 204, "", "HTTP/1.1 204 No Content\r\nDate: D\r\nConnection: keep-alive\r\nA: b\r\n\r\n" },
        { { .head = true },
          404,
          "t",
          "HTTP/1.1 404 Not Found\r\nDate: D\r\nContent-Type: t\r\nContent-Length: 2\r\nA: b\r\n\r\n" },
        { { .old = true, .close = true },
          304,
          "t",
          "HTTP/1.1 304 Not Modified\r\nDate: D\r\nConnection: close\r\nA: b\r\n\r\n" },
        { { 0 }, 599, "", "HTTP/1.1 599 \r\nDate: D\r\nContent-Length: 0\r\nA: b\r\n\r\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[1024];
        struct http_response response = { .status = cases[i].status,
                                          .type = slice_text(cases[i].type),
                                          .headers = slice_text("A: b\r\n"),
                                          .body = slice_text("hi") };
        struct http_manner manner = cases[i].manner;
        manner.date = "D";
        size_t size = http_response_write(out, &response, &manner);
        assert_true(size <= http_response_bound(&response));
        assert_true(slice_is(slice_of(out, size), cases[i].expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_however_it_is_cut),
        cmocka_unit_test(first_fault_of_trailers),
        cmocka_unit_test(leaves_what_follows),
        cmocka_unit_test(request_is_as_sent),
        cmocka_unit_test(absolute_form),
        cmocka_unit_test(keeps_alive_as_the_version_says),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(response_is_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
