/* fuzz_http.c -- what a connection sends, however it is cut: the same requests, each within what http.h promises. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#include "services/gateway/http_parse.h"
#include "services/gateway/http_target.h"

enum { BODY_LIMIT = 256 };

static size_t limit(const struct http_request *head, void *context)
{
    (void)context;
    return slice_is(head->path, "/none") ? 0 : BODY_LIMIT;
}

static const struct http_handler handler = { .body_limit = limit };
static const struct address localhost = { .bytes = { [15] = 1 } };

/* ---- what holds for each request that is handed over ---- */

static size_t times(const struct http_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += slice_is(request->headers[i].name, name);
    return count;
}

static void check_header(const struct http_header *header)
{
    struct slice name = header->name, value = header->value;
    need(http_token_valid(name));
    for (size_t i = 0; i < name.size; i++)
        need(name.data[i] == tolower(name.data[i]));
    for (size_t i = 0; i < value.size; i++)
        need(value.data[i] == '\t' || (value.data[i] >= ' ' && value.data[i] != 0x7f));
    need(value.size == 0 || (!strchr(" \t", value.data[0]) && !strchr(" \t", value.data[value.size - 1])));
}

static void check_target(const struct http_request *request)
{
    struct slice path = request->path, query = request->query;
    if (request->method == METHOD_OPTIONS && slice_is(path, "*"))
        return;
    need(path.size > 0 && path.data[0] == '/' && path.size + query.size < HTTP_LINE_LIMIT);
    need(!memmem(path.data, path.size, "//", 2) && !memmem(path.data, path.size, "/../", 4));
    for (size_t i = 0; i < path.size; i++)
        need(path.data[i] > ' ' && path.data[i] < 0x7f && path.data[i] != '?' && path.data[i] != '#');
    for (size_t i = 0; i < query.size; i++)
        need(query.data[i] > ' ' && query.data[i] < 0x7f && query.data[i] != '#');
}

/* A body comes to who may have one, framed in one way (RFC 9112 §6.3). */
static void check_body(const struct http_request *request)
{
    size_t lengths = times(request, "content-length"), codings = times(request, "transfer-encoding");
    bool without = request->method == METHOD_GET || request->method == METHOD_HEAD || request->method == METHOD_DELETE;
    need(lengths + codings <= 1);
    need(request->body.size <= BODY_LIMIT);
    need(request->body.size == 0 || (lengths + codings == 1 && !without && !slice_is(request->path, "/none")));
}

static void check_request(const struct http_parse *parse)
{
    const struct http_request *request = &parse->request;
    size_t hosts = times(request, "host");
    need(hosts == 1 || (hosts == 0 && parse->old));
    need(request->header_count <= HTTP_FIELDS_LIMIT);
    for (size_t i = 0; i < request->header_count; i++)
        check_header(&request->headers[i]);
    check_target(request);
    check_body(request);
    need(memcmp(&request->address, &localhost, sizeof localhost) == 0);
}

/* ---- connections ---- */

/* What came of a connection: each request as text, and what ended it. */
struct outcome {
    struct buffer requests;
    enum http_parsed last;
    enum http_refusal refusal;
};

static void put(struct buffer *out, struct slice bytes)
{
    buffer_printf(out, "%zu:", bytes.size);
    buffer_add(out, bytes.data, bytes.size);
}

static void put_request(struct buffer *out, const struct http_parse *parse, size_t end)
{
    const struct http_request *request = &parse->request;
    buffer_printf(out, "%zu %d %d%d%d ", end, request->method, parse->old, parse->keep_alive, parse->expects_continue);
    put(out, request->path);
    put(out, request->query);
    for (size_t i = 0; i < request->header_count; i++) {
        put(out, request->headers[i].name);
        put(out, request->headers[i].value);
    }
    put(out, request->body);
}

/* The size of the next piece: from 1 to `most`, or without any limit, by numbers that the bytes themselves begin. */
static size_t next_piece(uint32_t *random, size_t most)
{
    *random = *random * 1664525u + 1013904223u;
    return most == SIZE_MAX ? most : 1 + (*random >> 16) % most;
}

static uint32_t begin_random(struct slice bytes)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < bytes.size; i++)
        sum = (sum ^ bytes.data[i]) * 16777619u;
    return sum;
}

/* Feeds one piece from memory of its own, so that to read too far, or later, is seen. */
static enum http_parsed feed(struct http_parse *parse, struct slice piece, size_t *used)
{
    uint8_t *copy = malloc(piece.size);
    need(copy);
    memcpy(copy, piece.data, piece.size);
    enum http_parsed parsed = http_parse_feed(parse, slice_of(copy, piece.size), used);
    free(copy);
    need(*used <= piece.size && (parsed != PARSE_MORE || *used == piece.size));
    need((parsed == PARSE_REFUSED) == (parse->refusal != REFUSAL_NONE));
    return parsed;
}

/* One request after another, in pieces of at most `most` bytes. */
static struct outcome connection(struct arena *arena, struct slice bytes, size_t most)
{
    struct outcome outcome = { .requests = buffer_in(arena) };
    struct http_parse parse;
    uint32_t random = begin_random(bytes);
    http_parse_start(&parse, arena, &handler, &localhost);
    for (size_t at = 0, used; at < bytes.size && outcome.last != PARSE_REFUSED; at += used) {
        size_t size = next_piece(&random, most), left = bytes.size - at;
        outcome.last = feed(&parse, slice_of(bytes.data + at, size < left ? size : left), &used);
        if (outcome.last != PARSE_WHOLE)
            continue;
        check_request(&parse);
        put_request(&outcome.requests, &parse, at + used);
        http_parse_start(&parse, arena, &handler, &localhost);
    }
    outcome.refusal = parse.refusal;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t most[] = { 1, 3, 40 };
    struct arena *arena = arena_new();
    struct slice bytes = slice_of(data, size);
    struct outcome whole = connection(arena, bytes, SIZE_MAX);
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        struct outcome cut = connection(arena, bytes, most[i]);
        need(cut.last == whole.last && cut.refusal == whole.refusal);
        need(slice_equal(buffer_slice(&cut.requests), buffer_slice(&whole.requests)));
    }
    arena_free(arena);
    return 0;
}
