/* test_http.c -- a real server in a loop of its own, and clients that speak bytes: order, phases, limits, the end. */
#include "services/gateway/http.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PATIENCE_MS = 5000, /* after which a condition that has not come true is a failure */
    PHASE_MS = 150, /* of the servers whose phases are tested */
    LONG_MS = 60000,
    BODY_LIMIT = 1 << 20,
    BIG = 8 << 20, /* more than the kernel's buffers take */
};

/* The server and what its handler has seen. */
struct world {
    struct event_base *base;
    struct http_server *server;
    struct event *orders; /* runs `order` in the loop */
    void (*order)(struct world *world);
    pthread_t thread;
    uint16_t port;
    struct http_handler handler;
    struct http_exchange *held; /* of "/hold" */
    char *big;
    atomic_int requests, aborted, done;
    atomic_size_t connections;
};

/* The handler: its paths say how it answers. */

static void answer(struct http_exchange *exchange, const struct http_request *request)
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER" };
    struct slice path = request->path, query = request->query, body = request->body;
    char *text = arena_printf(http_arena(exchange), "%s %.*s?%.*s %.*s", methods[request->method], (int)path.size,
                              path.data, (int)query.size, query.data ? (const char *)query.data : "",
                              (int)(body.size < 64 ? body.size : 64), body.data ? (const char *)body.data : "");
    http_respond(exchange,
                 &(struct http_response){ .status = 200, .type = slice_text("text/plain"), .body = slice_text(text) });
}

struct later {
    struct http_exchange *exchange;
    const struct http_request *request;
};

static void answer_later(evutil_socket_t fd, short what, void *context)
{
    const struct later *later = context;
    (void)fd, (void)what;
    answer(later->exchange, later->request);
}

static void on_request(struct http_exchange *exchange, const struct http_request *request, void *context)
{
    struct world *world = context;
    atomic_fetch_add(&world->requests, 1);
    if (slice_is(request->path, "/later")) {
        struct later *later = arena_alloc(http_arena(exchange), sizeof *later);
        *later = (struct later){ exchange, request };
        event_base_once(world->base, -1, EV_TIMEOUT, answer_later, later, &(struct timeval){ 0 });
    } else if (slice_is(request->path, "/hold")) {
        http_set_context(exchange, world);
        world->held = exchange;
    } else if (slice_is(request->path, "/big")) {
        http_respond(exchange, &(struct http_response){
                                   .status = 200, .type = slice_text("a/b"), .body = slice_of(world->big, BIG) });
    } else {
        answer(exchange, request);
    }
}

static size_t body_limit(const struct http_request *head, void *context)
{
    (void)context;
    return slice_is(head->path, "/none") ? 0 : BODY_LIMIT;
}

static void on_refusal(const char *code, struct arena *arena, struct slice *type, struct slice *body, void *context)
{
    (void)context;
    *type = slice_text("text/code");
    *body = slice_text(arena_printf(arena, "<%s>", code));
}

static void on_abort(struct http_exchange *exchange, void *context)
{
    struct world *world = context;
    assert_ptr_equal(http_context(exchange), world);
    world->held = NULL;
    atomic_fetch_add(&world->aborted, 1);
}

/* The loop's thread. */

static void *loop(void *context)
{
    struct world *world = context;
    event_base_loop(world->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static void on_order(evutil_socket_t fd, short what, void *context)
{
    struct world *world = context;
    (void)fd, (void)what;
    world->order(world);
    atomic_store(&world->connections, world->server ? http_connections(world->server) : 0);
    atomic_fetch_add(&world->done, 1);
}

/* Runs a function in the loop and waits for its end. */
static void order(struct world *world, void (*what)(struct world *world))
{
    int before = atomic_load(&world->done);
    world->order = what;
    event_active(world->orders, EV_TIMEOUT, 0);
    while (atomic_load(&world->done) == before)
        poll(NULL, 0, 1);
}

static void look(struct world *world)
{
    (void)world;
}

static void drain(struct world *world)
{
    http_drain(world->server);
}

static void release(struct world *world)
{
    http_respond(world->held, &(struct http_response){ .status = 204 });
    world->held = NULL;
}

static void stop(struct world *world)
{
    http_close(world->server);
    world->server = NULL;
    event_base_loopbreak(world->base);
}

/* Waits until a number that the loop writes is what it should be. */
#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        int64_t end = clock_monotonic_us() + PATIENCE_MS * 1000;                                                       \
        while (!(condition) && clock_monotonic_us() < end)                                                             \
            poll(NULL, 0, 1);                                                                                          \
        assert_true(condition);                                                                                        \
    } while (0)

static struct http_options patient(void)
{
    return (struct http_options){ .listen = "127.0.0.1:0",
                                  .max_connections = 100,
                                  .max_connections_address = 100,
                                  .header_ms = LONG_MS,
                                  .body_ms = LONG_MS,
                                  .idle_ms = LONG_MS,
                                  .write_ms = LONG_MS };
}

static struct world *world_new(struct http_options options)
{
    const char *error = NULL;
    struct world *world = calloc(1, sizeof *world);
    evthread_use_pthreads();
    world->base = event_base_new();
    world->handler = (struct http_handler){ body_limit, on_request, on_refusal, on_abort, world };
    world->big = calloc(1, BIG);
    options.handler = &world->handler;
    world->server = http_open(world->base, &options, &error);
    assert_non_null(world->server);
    world->port = http_port(world->server);
    world->orders = event_new(world->base, -1, EV_PERSIST, on_order, world);
    pthread_create(&world->thread, NULL, loop, world);
    return world;
}

static void world_free(struct world *world)
{
    order(world, stop);
    pthread_join(world->thread, NULL);
    event_free(world->orders);
    event_base_free(world->base);
    free(world->big);
    free(world);
}

/* The client. */

static int dial(const struct world *world)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(world->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval wait = { .tv_sec = PATIENCE_MS / 1000 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void say_bytes(int fd, const char *text, size_t size)
{
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), size);
}

static void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* What has been heard of one connection. */
struct heard {
    char text[1 << 16];
    size_t size;
    bool ended; /* by FIN, not by RST */
    bool reset;
};

static bool hear_more(int fd, struct heard *heard)
{
    ssize_t size = recv(fd, heard->text + heard->size, sizeof heard->text - 1 - heard->size, 0);
    heard->ended = size == 0;
    heard->reset = size < 0 && errno == ECONNRESET;
    heard->size += size > 0 ? (size_t)size : 0;
    heard->text[heard->size] = '\0';
    return size > 0;
}

/* Listens until the text has come so often, or nothing more will. */
static bool hear(int fd, struct heard *heard, const char *text, int times)
{
    *heard = (struct heard){ 0 };
    do {
        const char *at = heard->text;
        int found = 0;
        while (*at && (at = strstr(at, text)) && ++found)
            at += strlen(text);
        if (found >= times)
            return true;
    } while (hear_more(fd, heard));
    return false;
}

static void hear_all(int fd, struct heard *heard)
{
    *heard = (struct heard){ 0 };
    while (hear_more(fd, heard))
        ;
}

static int count(const char *text, const char *what)
{
    int found = 0;
    while ((text = strstr(text, what)) && ++found)
        text += strlen(what);
    return found;
}

/* Exchanges: bytes in, the status lines that come back in order, and whether the server then closes. */

#define H "Host: a\r\n"
#define GET "GET /a HTTP/1.1\r\n" H "\r\n"
#define LATER "GET /later HTTP/1.1\r\n" H "\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\n" H "\r\n"
#define POST "POST /a HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct talk {
    const char *bytes;
    size_t size;
    const char *statuses; /* "200 400" */
    const char *contains; /* or NULL */
    bool closes;
};

#define KEPT(text, expected, ...)                                                                                      \
    {                                                                                                                  \
        (text), sizeof(text) - 1, (expected), "" __VA_ARGS__, false                                                    \
    }
#define CLOSED(text, expected, ...)                                                                                    \
    {                                                                                                                  \
        (text), sizeof(text) - 1, (expected), "" __VA_ARGS__, true                                                     \
    }

static const struct talk talks[] = {
    KEPT(GET, "200", "GET /a? "),
    KEPT(LATER, "200", "GET /later? "),
    KEPT("GET /a?b=c HTTP/1.1\r\n" H "\r\n", "200", "GET /a?b=c "),
    KEPT("BREW /a HTTP/1.1\r\n" H "\r\n", "200", "OTHER /a? "),
    KEPT("OPTIONS * HTTP/1.1\r\n" H "\r\n", "200", "Content-Length: 0\r\n"),
    KEPT(POST "Content-Length: 5\r\n\r\nhello", "200", "POST /a? hello"),
    KEPT(CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "200", "POST /a? hello"),
    /* RFC 9112 7.1.1, 7.1.2: extensions and trailers are passed over. */
    KEPT(CHUNKED "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n" GET, "200 200", "POST /a? hello"),
    KEPT(GET GET LATER LATER GET, "200 200 200 200 200"),
    KEPT(POST "Content-Length: 5\r\n\r\nhello\r\n" GET, "200 200"), /* RFC 9112 2.2: a stray CRLF */
    /* RFC 9112 9.3: who goes on and who does not. */
    CLOSED("GET /a HTTP/1.1\r\n" H "Connection: close\r\n\r\n" GET, "200", "Connection: close\r\n"),
    CLOSED("GET /a HTTP/1.0\r\n\r\n", "200", "GET /a? "),
    CLOSED("GET /later HTTP/1.0\r\n\r\n", "200", "GET /later? "),
    KEPT("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET, "200 200", "Connection: keep-alive\r\n"),
    /* RFC 9110 10.1.1. */
    KEPT(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "200", "POST /a? hi"),
    CLOSED(POST "Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n", "413", "<too_large>"),
    CLOSED(POST "Expect: a\r\nContent-Length: 2\r\n\r\nhi", "400"),
    /* What is broken is refused, the connection closed, and nothing behind it taken for a request (RFC 9112 6.3, 11.2). */
    CLOSED(POST "Content-Length: 0\r\nContent-Length: 46\r\n\r\n" SMUGGLED, "400", "<bad_request>"),
    CLOSED(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, "400"),
    CLOSED("HEAD /a HTTP/1.1\r\n" H "Content-Length: 40\r\n\r\n" SMUGGLED, "400"), /* RFC 9110 9.3.2 */
    CLOSED("GET /a HTTP/1.1\r\n" H "Content-Length: 40\r\n\r\n" SMUGGLED, "400", "<body_not_allowed>"), /* 9.3.1 */
    CLOSED("DELETE /a HTTP/1.1\r\n" H "Content-Length: 40\r\n\r\n" SMUGGLED, "400", "<body_not_allowed>"), /* 9.3.5 */
    CLOSED("POST /none HTTP/1.1\r\n" H "Content-Length: 40\r\n\r\n" SMUGGLED, "400", "<body_not_allowed>"),
    CLOSED(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED, "400"), /* RFC 9112 5.1 */
    CLOSED(POST "Transfer-Encoding: gzip\r\n\r\n" SMUGGLED, "400"), /* RFC 9112 6.1 */
    CLOSED(POST "Transfer-Encoding: identity\r\n\r\n" SMUGGLED, "400"),
    CLOSED(POST "Transfer-Encoding: xchunked\r\n\r\n" SMUGGLED, "400"),
    CLOSED(POST "Transfer-Encoding: \vchunked\r\n\r\n" SMUGGLED, "400"),
    CLOSED(POST "Transfer-Encoding: chunked\0x\r\n\r\n" SMUGGLED, "400"), /* RFC 9110 5.5 */
    CLOSED("POST /a HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"), /* RFC 9112 6.1 */
    CLOSED(POST "Content-Length: +1\r\n\r\na" SMUGGLED, "400"), /* RFC 9110 8.6 */
    CLOSED(POST "Content-Length: 1, 1\r\n\r\na" SMUGGLED, "400"),
    CLOSED(POST "Content-Length: 0x1\r\n\r\na" SMUGGLED, "400"),
    CLOSED(POST "Content-Length: -1\r\n\r\n" SMUGGLED, "400"),
    CLOSED(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n" SMUGGLED, "400"), /* RFC 9112 7.1 */
    CLOSED(CHUNKED " 5\r\nhello\r\n0\r\n\r\n" SMUGGLED, "400"),
    CLOSED(CHUNKED "+5\r\nhello\r\n0\r\n\r\n" SMUGGLED, "400"),
    CLOSED(CHUNKED "5\nhello\n0\n\n" SMUGGLED, "400"),
    CLOSED(CHUNKED "fffff0\r\n", "413", "<too_large>"), /* RFC 9110 15.5.14 */
    CLOSED("GET /a HTTP/1.1\n" H "\n" SMUGGLED, "400"), /* RFC 9112 2.2 */
    CLOSED("GET /a HTTP/1.1\r\n" H "X: a\rb\r\n\r\n" SMUGGLED, "400"),
    CLOSED("GET /a HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n" SMUGGLED, "400"), /* RFC 9112 5.2 */
    CLOSED("GET /a HTTP/1.1\r\n" H ": a\r\n\r\n" SMUGGLED, "400"), /* RFC 9112 5 */
    CLOSED("GET /a HTTP/1.1\r\n" H "a b: c\r\n\r\n" SMUGGLED, "400"),
    CLOSED("GET /a HTTP/1.1\r\n\r\n" SMUGGLED, "400"), /* RFC 9112 3.2 */
    CLOSED("GET /a HTTP/1.1\r\n" H H "\r\n" SMUGGLED, "400"),
    CLOSED("GET /a HTTP/1.9\r\n" H "\r\n" SMUGGLED, "400"), /* RFC 9112 2.3 */
    CLOSED("GET /a HTTP/2.0\r\n" H "\r\n" SMUGGLED, "400"),
    CLOSED("GET //a//b HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"), /* RFC 9112 3.2.1 */
    CLOSED("GET /a%00 HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"),
    CLOSED("GET /a b HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"),
    CLOSED("GET /a#b HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"),
    CLOSED("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"),
    CLOSED("GET /\x01 HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"),
    CLOSED("GET http://a/ HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"), /* RFC 9112 3.2.2, not admitted */
    CLOSED("CONNECT a:80 HTTP/1.1\r\n" H "\r\n" SMUGGLED, "400"), /* RFC 9110 9.3.6 */
    CLOSED("GET /a HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" SMUGGLED, "400"),
    CLOSED(GET LATER "\x16\x03\x01" SMUGGLED, "200 200 400"),
};

static void check_statuses(const struct talk *talk, const char *heard)
{
    char statuses[256] = "";
    for (const char *at = heard; (at = strstr(at, "HTTP/1.1 ")); at += 9)
        snprintf(statuses + strlen(statuses), sizeof statuses - strlen(statuses), "%s%.3s", *statuses ? " " : "",
                 at + 9);
    if (strcmp(statuses, talk->statuses) != 0 || !strstr(heard, talk->contains))
        fail_msg("%s\n-- expected %s %s, heard\n%s", talk->bytes, talk->statuses, talk->contains, heard);
    assert_null(strstr(heard, "smuggled"));
}

/* A talk that is kept open is followed by one more request that asks for the end. */
static void hold_talk(const struct world *world, const struct talk *talk, struct heard *heard)
{
    static const char last[] = "GET /last HTTP/1.1\r\n" H "Connection: close\r\n\r\n";
    int fd = dial(world);
    say_bytes(fd, talk->bytes, talk->size);
    if (!talk->closes)
        say(fd, last);
    hear_all(fd, heard);
    if (!heard->ended)
        fail_msg("%s\n-- no proper end (reset: %d) of\n%s", talk->bytes, heard->reset, heard->text);
    char *answer = talk->closes ? NULL : strstr(heard->text, "GET /last? ");
    if (!talk->closes) {
        assert_non_null(answer);
        while (strncmp(answer, "HTTP/1.1", 8) != 0)
            answer--;
        *answer = '\0';
    }
    close(fd);
}

static void every_talk(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        hold_talk(world, &talks[i], &heard);
        check_statuses(&talks[i], heard.text);
    }
    world_free(world);
}

static void head_has_a_length_and_no_body(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = dial(world);
    say(fd, "HEAD /a HTTP/1.1\r\n" H "\r\nHEAD /a?b HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    hear_all(fd, &heard);
    assert_int_equal(count(heard.text, "Content-Length: 9\r\n"), 1);
    assert_int_equal(count(heard.text, "Content-Length: 10\r\n"), 1);
    assert_null(strstr(heard.text, "HEAD"));
    close(fd);
    world_free(world);
}

static void continues_before_the_body(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = dial(world);
    say(fd, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_true(hear(fd, &heard, "\r\n\r\n", 1));
    assert_string_equal(heard.text, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "hi");
    assert_true(hear(fd, &heard, "POST /a? hi", 1));
    close(fd);
    world_free(world);
}

/* Many that are answered at once, in order and without recursion; and a body that comes in pieces. */
static void pipelines(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct world *world = world_new(patient());
    static char text[MANY * 48];
    static struct heard heard;
    size_t size = 0, at = 0;
    for (int i = 0; i < MANY; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "GET /%d HTTP/1.1\r\n" H "\r\n", i % 10);
    int fd = dial(world), answers = 0;
    while (answers < MANY) {
        ssize_t sent = at < size ? send(fd, text + at, size - at, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        at += sent > 0 ? (size_t)sent : 0;
        char expected[16];
        snprintf(expected, sizeof expected, "GET /%d? ", answers % 10);
        char *found = strstr(heard.text, expected);
        if (found) {
            answers++;
            heard.size -= (size_t)(found + 1 - heard.text);
            memmove(heard.text, found + 1, heard.size + 1);
        } else {
            assert_true(hear_more(fd, &heard));
        }
    }
    assert_int_equal(atomic_load(&world->requests), MANY);
    close(fd);
    world_free(world);
}

static void takes_large_bodies(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    char head[128];
    int fd = dial(world);
    snprintf(head, sizeof head, POST "Content-Length: %d\r\n\r\n", BODY_LIMIT);
    memset(world->big, 'x', BODY_LIMIT);
    say(fd, head);
    say_bytes(fd, world->big, BODY_LIMIT);
    assert_true(hear(fd, &heard, "POST /a? xxx", 1));
    close(fd);
    world_free(world);
}

/* The limit is told, although the client does not stop sending. */
static void refuses_large_bodies_audibly(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = dial(world);
    say(fd, POST "Content-Length: 9999999\r\n\r\n");
    say_bytes(fd, world->big, BODY_LIMIT);
    hear_all(fd, &heard);
    assert_non_null(strstr(heard.text, "<too_large>"));
    assert_true(heard.ended);
    close(fd);
    world_free(world);
}

static void refuses_large_heads_audibly(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    static char text[100000];
    static const struct {
        const char *before, *code;
    } cases[] = {
        { "GET /", "<uri_too_long>" },
        { "GET / HTTP/1.1\r\n" H "X: ", "<headers_too_large>" },
    };
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct heard heard;
        int fd = dial(world);
        say(fd, cases[i].before);
        say_bytes(fd, text, sizeof text);
        hear_all(fd, &heard);
        assert_non_null(strstr(heard.text, cases[i].code));
        assert_true(heard.ended);
        close(fd);
    }
    world_free(world);
}

/* Phases. Each takes as long as it may as a whole, although bytes keep coming. */

static const struct phase {
    const char *begins; /* what comes at once */
    const char *drop; /* what then comes again and again; NULL: nothing */
    const char *heard; /* what is heard before the end; "": nothing */
    size_t limit; /* which one is short */
} phases[] = {
    { "", NULL, "", offsetof(struct http_options, idle_ms) },
    { "\r\n", NULL, "", offsetof(struct http_options, idle_ms) },
    { GET, NULL, "GET /a? ", offsetof(struct http_options, idle_ms) },
    { "GET /a HTTP/1.1\r\nX: ", "a", "<request_timeout>", offsetof(struct http_options, header_ms) },
    { GET "G", NULL, "<request_timeout>", offsetof(struct http_options, header_ms) },
    { POST "Content-Length: 999999\r\n\r\n", "a", "<request_timeout>", offsetof(struct http_options, body_ms) },
    { CHUNKED, "1\r\na\r\n", "<request_timeout>", offsetof(struct http_options, body_ms) },
};

static void phase_ends(const struct phase *phase)
{
    struct http_options options = patient();
    memcpy((char *)&options + phase->limit, &(uint32_t){ PHASE_MS }, sizeof(uint32_t));
    struct world *world = world_new(options);
    struct heard heard = { 0 };
    int fd = dial(world);
    int64_t start = clock_monotonic_us();
    say(fd, phase->begins);
    while (phase->drop && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PHASE_MS / 10) == 0)
        say(fd, phase->drop);
    hear_all(fd, &heard);
    int64_t took_ms = (clock_monotonic_us() - start) / 1000;
    assert_true(heard.ended);
    assert_true(took_ms >= PHASE_MS - 20 && took_ms < PATIENCE_MS);
    assert_non_null(strstr(heard.text, phase->heard));
    assert_true(*phase->heard || heard.size == 0);
    assert_int_equal(count(heard.text, " 408 "), strcmp(phase->heard, "<request_timeout>") == 0);
    close(fd);
    world_free(world);
}

static void every_phase_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        phase_ends(&phases[i]);
}

/* The clients' times do not run while the handler thinks. */
static void the_handler_has_its_time(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.idle_ms = options.header_ms = options.body_ms = options.write_ms = 20;
    struct world *world = world_new(options);
    struct heard heard;
    int fd = dial(world);
    say(fd, "GET /hold HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 1);
    assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PHASE_MS), 0);
    order(world, release);
    assert_true(hear(fd, &heard, "HTTP/1.1 204 ", 1));
    close(fd);
    world_free(world);
}

static void a_reader_that_stalls_is_left(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.write_ms = PHASE_MS;
    struct world *world = world_new(options);
    int fd = dial(world);
    say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 1);
    WAIT_FOR((order(world, look), atomic_load(&world->connections) == 0));
    close(fd);
    world_free(world);
}

/* Slowly, but it reads: all of it comes, in more time than one stall may take. */
static void a_slow_reader_is_served(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.write_ms = PHASE_MS;
    struct world *world = world_new(options);
    static char text[BIG / 20];
    int fd = dial(world);
    size_t size = 0;
    int64_t start = clock_monotonic_us();
    say(fd, "GET /big HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    for (ssize_t more; (more = recv(fd, text, sizeof text, MSG_WAITALL)) > 0; size += (size_t)more)
        poll(NULL, 0, PHASE_MS / 5);
    assert_true(size > BIG);
    assert_true(clock_monotonic_us() - start > PHASE_MS * 1000);
    close(fd);
    world_free(world);
}

/* Requests are not taken from one who reads no answers. */
static void a_deaf_client_is_not_listened_to(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    int fd = dial(world);
    for (int i = 0; i < 20; i++)
        say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 1);
    order(world, look);
    assert_int_equal(atomic_load(&world->requests), 1);
    close(fd);
    world_free(world);
}

/* The client goes. */

static void reset(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    close(fd);
}

/* Whatever it has sent behind the request: nothing, another request, its end, or more than is taken in. */
static void a_client_that_goes_is_noticed(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    for (int way = 0; way < 4; way++) {
        int fd = dial(world);
        say(fd, "GET /hold HTTP/1.1\r\n" H "\r\n");
        WAIT_FOR(atomic_load(&world->requests) == way + 1);
        if (way == 1)
            say(fd, GET);
        if (way == 2)
            shutdown(fd, SHUT_WR);
        if (way == 3)
            while (send(fd, world->big, BIG, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
                order(world, look);
        order(world, look);
        assert_int_equal(atomic_load(&world->aborted), way);
        reset(fd);

        WAIT_FOR(atomic_load(&world->aborted) == way + 1);
    }
    order(world, look);
    assert_int_equal(atomic_load(&world->connections), 0);
    world_free(world);
}

/* libevent's watermark would call back without end while more waits than is taken in. */
static void a_full_input_does_not_spin(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct timespec before, after;
    clockid_t clock;
    pthread_getcpuclockid(world->thread, &clock);
    int fd = dial(world);
    say(fd, "GET /hold HTTP/1.1\r\n" H "\r\n");
    while (send(fd, world->big, BIG, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        order(world, look);
    clock_gettime(clock, &before);
    poll(NULL, 0, PHASE_MS);
    clock_gettime(clock, &after);
    int64_t used_ns = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
    assert_true(used_ns < PHASE_MS * 1000000 / 3);
    close(fd);
    world_free(world);
}

/* One that has said all it has to say still listens. */
static void half_closed_is_answered(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = dial(world);
    say(fd, LATER GET "GET /hold HTTP/1.1\r\n" H "\r\n" LATER GET);
    shutdown(fd, SHUT_WR);
    WAIT_FOR(atomic_load(&world->requests) == 3);
    order(world, release);
    hear_all(fd, &heard);
    assert_int_equal(count(heard.text, "HTTP/1.1 200 "), 4);
    assert_int_equal(count(heard.text, "HTTP/1.1 204 "), 1);
    assert_true(heard.ended);
    close(fd);
    world_free(world);
}

static void half_a_request_is_dropped(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = dial(world);
    say(fd, POST "Content-Length: 5\r\n\r\nhel");
    shutdown(fd, SHUT_WR);
    hear_all(fd, &heard);
    assert_true(heard.ended);
    assert_int_equal(atomic_load(&world->requests), 0);
    close(fd);
    world_free(world);
}

/* Limits of connections. */

static void too_many(struct http_options options)
{
    struct world *world = world_new(options);
    struct heard heard;
    int first = dial(world), second = dial(world);
    say(first, GET);
    assert_true(hear(first, &heard, "GET /a? ", 1));
    say(second, GET);
    hear_all(second, &heard);
    assert_non_null(strstr(heard.text, "HTTP/1.1 503 "));
    assert_non_null(strstr(heard.text, "<unavailable>"));
    assert_non_null(strstr(heard.text, "Retry-After: "));
    assert_true(heard.ended);
    close(first);
    close(second);
    WAIT_FOR((order(world, look), atomic_load(&world->connections) == 0));
    int third = dial(world);
    say(third, GET);
    assert_true(hear(third, &heard, "GET /a? ", 1));
    close(third);
    world_free(world);
}

static void connections_are_limited(void **state)
{
    (void)state;
    struct http_options options = patient();
    options.max_connections = 1;
    too_many(options);
    options = patient();
    options.max_connections_address = 1;
    too_many(options);
}

/* The end of the server. */

static void drains(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int idle = dial(world), busy = dial(world), fresh = dial(world);
    say(idle, GET);
    assert_true(hear(idle, &heard, "GET /a? ", 1));
    say(busy, "GET /hold HTTP/1.1\r\n" H "\r\n");
    WAIT_FOR(atomic_load(&world->requests) == 2);
    order(world, drain);
    hear_all(idle, &heard);
    assert_true(heard.ended && heard.size == 0);
    assert_int_equal(dial(world), -1);
    order(world, release);
    hear_all(busy, &heard);
    assert_true(heard.ended);
    assert_non_null(strstr(heard.text, "HTTP/1.1 204 "));
    assert_non_null(strstr(heard.text, "Connection: close\r\n"));
    say(fresh, GET); /* it connected before, and is served */
    hear_all(fresh, &heard);
    assert_non_null(strstr(heard.text, "GET /a? "));
    close(idle);
    close(busy);
    close(fresh);
    WAIT_FOR((order(world, look), atomic_load(&world->connections) == 0));
    world_free(world);
}

static void counts(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = dial(world);
    say(fd, GET GET "GET //\r\n\r\n");
    hear_all(fd, &heard);
    close(fd);
    WAIT_FOR((order(world, look), atomic_load(&world->connections) == 0));
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    http_metrics(world->server, out);
    fclose(out);
    static const char *const lines[] = { "campus_http_connections 0\n", "campus_http_accepted_total 1\n",
                                         "campus_http_requests_total{class=\"2xx\"} 2\n",
                                         "campus_http_requests_total{class=\"4xx\"} 1\n",
                                         "campus_http_refused_total{code=\"bad_request\"} 1\n" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_non_null(strstr(text, lines[i]));
    free(text);
    world_free(world);
}

static void says_why_it_cannot_listen(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct http_options options = patient();
    const char *error = NULL;
    options.listen = "nowhere";
    assert_null(http_open(base, &options, &error));
    assert_string_equal(error, "listen: not a numeric address and a port");
    options.listen = "192.0.2.1:0";
    assert_null(http_open(base, &options, &error));
    assert_string_equal(error, "Cannot assign requested address");
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_talk),
        cmocka_unit_test(head_has_a_length_and_no_body),
        cmocka_unit_test(continues_before_the_body),
        cmocka_unit_test(pipelines),
        cmocka_unit_test(takes_large_bodies),
        cmocka_unit_test(refuses_large_bodies_audibly),
        cmocka_unit_test(refuses_large_heads_audibly),
        cmocka_unit_test(every_phase_ends),
        cmocka_unit_test(the_handler_has_its_time),
        cmocka_unit_test(a_reader_that_stalls_is_left),
        cmocka_unit_test(a_slow_reader_is_served),
        cmocka_unit_test(a_deaf_client_is_not_listened_to),
        cmocka_unit_test(a_client_that_goes_is_noticed),
        cmocka_unit_test(a_full_input_does_not_spin),
        cmocka_unit_test(half_closed_is_answered),
        cmocka_unit_test(half_a_request_is_dropped),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(drains),
        cmocka_unit_test(counts),
        cmocka_unit_test(says_why_it_cannot_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
