/* http_fixture.h -- a real server in a loop of its own, and clients that speak bytes. */
#ifndef CAMPUS_TESTS_HTTP_FIXTURE_H
#define CAMPUS_TESTS_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "services/gateway/http.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    PATIENCE_MS = 5000, /* after which a condition that has not come true is a failure */
    PHASE_MS = 150, /* of the servers whose phases are tested */
    BODY_LIMIT = 1 << 20,
    BIG = 8 << 20, /* more than the kernel's buffers take */
};

/* The server, and what its handler has seen. The handler's paths say how it answers: "/later" from another turn of the
 * loop, "/hold" when it is released, "/big" with BIG bytes; all others at once, with the request's method, path, query and
 * the begin of its body, and "/hasty" as to one that asks too often. "/none" admits no body. */
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

/* Options under which nothing ends by itself. */
struct http_options patient(void);
/* Serves at a port of its own, until it is freed. */
struct world *world_new(struct http_options options);
void world_free(struct world *world);

/* Runs a function in the loop and waits for its end; `connections` is up to date afterwards. */
void world_order(struct world *world, void (*what)(struct world *world));
/* What can be ordered: nothing, http_drain(), and an answer to what is held. */
void world_look(struct world *world);
void world_drain(struct world *world);
void world_release(struct world *world);

/* Waits until a number that the loop writes is what it should be. */
#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        int64_t end = clock_monotonic_us() + PATIENCE_MS * 1000;                                                       \
        while (!(condition) && clock_monotonic_us() < end)                                                             \
            poll(NULL, 0, 1);                                                                                          \
        assert_true(condition);                                                                                        \
    } while (0)

/* A client is its socket; -1 where nobody listens. Nothing takes it longer than PATIENCE_MS. */
int client_dial(const struct world *world);
void client_say(int fd, const char *text);
void client_say_bytes(int fd, const char *text, size_t size);

/* What has been heard of one connection. */
struct heard {
    char text[1 << 16];
    size_t size;
    bool ended; /* by FIN, not by RST */
    bool reset;
};

/* Listens until the text has come so often, or nothing more will: then false. */
bool client_hear(int fd, struct heard *heard, const char *text, int times);
void client_hear_all(int fd, struct heard *heard);
/* Once more, behind what has been heard; false at the end. */
bool client_hear_more(int fd, struct heard *heard);
/* How often a text stands in what was heard. */
int client_count(const char *text, const char *what);

/* What clients say; POST is without its end. */
#define H "Host: a\r\n"
#define GET "GET /a HTTP/1.1\r\n" H "\r\n"
#define LATER "GET /later HTTP/1.1\r\n" H "\r\n"
#define POST "POST /a HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

#endif
