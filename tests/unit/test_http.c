/* test_http.c -- requests and answers: in order, whole, and what is broken refused. */
#include "tests/unit/http_fixture.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Exchanges: bytes in, the status lines that come back in order, and whether the server then closes. */

#define SMUGGLED "GET /smuggled HTTP/1.1\r\n" H "\r\n"

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
    CLOSED("GET http://a@b/ HTTP/1.1\r\n" H "\r\n", "400", "<bad_target>"), /* RFC 9110 4.2.4 */
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
    int fd = client_dial(world);
    client_say_bytes(fd, talk->bytes, talk->size);
    if (!talk->closes)
        client_say(fd, last);
    client_hear_all(fd, heard);
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
    int fd = client_dial(world);
    client_say(fd, "HEAD /a HTTP/1.1\r\n" H "\r\nHEAD /a?b HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    client_hear_all(fd, &heard);
    assert_int_equal(client_count(heard.text, "Content-Length: 9\r\n"), 1);
    assert_int_equal(client_count(heard.text, "Content-Length: 10\r\n"), 1);
    assert_null(strstr(heard.text, "HEAD"));
    close(fd);
    world_free(world);
}

static void continues_before_the_body(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = client_dial(world);
    client_say(fd, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_true(client_hear(fd, &heard, "\r\n\r\n", 1));
    assert_string_equal(heard.text, "HTTP/1.1 100 Continue\r\n\r\n");
    client_say(fd, "hi");
    assert_true(client_hear(fd, &heard, "POST /a? hi", 1));
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
    int fd = client_dial(world), answers = 0;
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
            assert_true(client_hear_more(fd, &heard));
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
    int fd = client_dial(world);
    snprintf(head, sizeof head, POST "Content-Length: %d\r\n\r\n", BODY_LIMIT);
    memset(world->big, 'x', BODY_LIMIT);
    client_say(fd, head);
    client_say_bytes(fd, world->big, BODY_LIMIT);
    assert_true(client_hear(fd, &heard, "POST /a? xxx", 1));
    close(fd);
    world_free(world);
}

/* The limit is told, although the client does not stop sending. */
static void refuses_large_bodies_audibly(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = client_dial(world);
    client_say(fd, POST "Content-Length: 9999999\r\n\r\n");
    client_say_bytes(fd, world->big, BODY_LIMIT);
    client_hear_all(fd, &heard);
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
        int fd = client_dial(world);
        client_say(fd, cases[i].before);
        client_say_bytes(fd, text, sizeof text);
        client_hear_all(fd, &heard);
        assert_non_null(strstr(heard.text, cases[i].code));
        assert_true(heard.ended);
        close(fd);
    }
    world_free(world);
}

static void counts(void **state)
{
    (void)state;
    struct world *world = world_new(patient());
    struct heard heard;
    int fd = client_dial(world);
    client_say(fd, GET GET "GET //\r\n\r\n");
    client_hear_all(fd, &heard);
    close(fd);
    WAIT_FOR((world_order(world, world_look), atomic_load(&world->connections) == 0));
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
        cmocka_unit_test(counts),
        cmocka_unit_test(says_why_it_cannot_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
