/* http_fixture.c -- the server's loop in its thread, a handler whose answer the path chooses, and the clients' sockets. */
#include "tests/unit/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONG_MS = 60000 };

/* The handler: its paths say how it answers. */

static void answer(struct http_exchange *exchange, const struct http_request *request)
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER" };
    struct slice path = request->path, query = request->query, body = request->body;
    char *text = arena_printf(http_arena(exchange), "%s %.*s?%.*s %.*s", methods[request->method], (int)path.size,
                              path.data, (int)query.size, query.data ? (const char *)query.data : "",
                              (int)(body.size < 64 ? body.size : 64), body.data ? (const char *)body.data : "");
    http_respond(exchange, &(struct http_response){ .status = 200,
                                                    .type = slice_text("text/plain"),
                                                    .body = slice_text(text),
                                                    .hasty = slice_is(path, "/hasty") });
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

static void on_refusal(const char *code, struct arena *arena, struct http_response *response, void *context)
{
    (void)context;
    response->type = slice_text("text/code");
    response->body = slice_text(arena_printf(arena, "<%s>", code));
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

void world_order(struct world *world, void (*what)(struct world *world))
{
    int before = atomic_load(&world->done);
    world->order = what;
    event_active(world->orders, EV_TIMEOUT, 0);
    while (atomic_load(&world->done) == before)
        poll(NULL, 0, 1);
}

void world_look(struct world *world)
{
    (void)world;
}

void world_drain(struct world *world)
{
    http_drain(world->server);
}

void world_release(struct world *world)
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

struct http_options patient(void)
{
    return (struct http_options){ .listen = "127.0.0.1:0",
                                  .max_connections = 100,
                                  .max_connections_address = 100,
                                  .header_ms = LONG_MS,
                                  .body_ms = LONG_MS,
                                  .idle_ms = LONG_MS,
                                  .write_ms = LONG_MS };
}

struct world *world_new(struct http_options options)
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
    assert_true(!options.reuse_port || http_listen(world->server, &error));
    world->port = http_port(world->server);
    world->orders = event_new(world->base, -1, EV_PERSIST, on_order, world);
    pthread_create(&world->thread, NULL, loop, world);
    return world;
}

void world_free(struct world *world)
{
    world_order(world, stop);
    pthread_join(world->thread, NULL);
    event_free(world->orders);
    event_base_free(world->base);
    free(world->big);
    free(world);
}

/* The client. */

int client_dial(const struct world *world)
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

void client_say_bytes(int fd, const char *text, size_t size)
{
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), size);
}

void client_say(int fd, const char *text)
{
    client_say_bytes(fd, text, strlen(text));
}

bool client_hear_more(int fd, struct heard *heard)
{
    ssize_t size = recv(fd, heard->text + heard->size, sizeof heard->text - 1 - heard->size, 0);
    heard->ended = size == 0;
    heard->reset = size < 0 && errno == ECONNRESET;
    heard->size += size > 0 ? (size_t)size : 0;
    heard->text[heard->size] = '\0';
    return size > 0;
}

int client_count(const char *text, const char *what)
{
    int found = 0;
    while ((text = strstr(text, what)) && ++found)
        text += strlen(what);
    return found;
}

bool client_hear(int fd, struct heard *heard, const char *text, int times)
{
    *heard = (struct heard){ 0 };
    while (client_count(heard->text, text) < times)
        if (!client_hear_more(fd, heard))
            return false;
    return true;
}

void client_hear_all(int fd, struct heard *heard)
{
    *heard = (struct heard){ 0 };
    while (client_hear_more(fd, heard))
        ;
}
