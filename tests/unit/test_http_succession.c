/* test_http_succession.c -- servers on one port that come and go under a storm of clients that connect for each request. */
#include "tests/unit/http_fixture.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STORMERS = 4, SUCCESSIONS = 6, FLOW = 300 };

struct storm {
    struct world at; /* its port alone */
    pthread_t threads[STORMERS];
    atomic_bool over;
    atomic_int answered, lost;
};

static bool ask(const struct world *world)
{
    static const char request[] = "GET /a HTTP/1.1\r\n" H "Connection: close\r\n\r\n";
    char text[1024];
    size_t size = 0;
    ssize_t more = 0;
    int fd = client_dial(world);
    if (fd < 0)
        return false;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1)
        while ((more = recv(fd, text + size, sizeof text - 1 - size, 0)) > 0)
            size += (size_t)more;
    text[size] = '\0';
    /* Leaves no port in TIME_WAIT: there are not so many. */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    close(fd);
    return strstr(text, "GET /a? ") != NULL;
}

static void *storm_on(void *context)
{
    struct storm *storm = context;
    while (!atomic_load(&storm->over))
        atomic_fetch_add(ask(&storm->at) ? &storm->answered : &storm->lost, 1);
    return NULL;
}

static void storm_begin(struct storm *storm, uint16_t port)
{
    *storm = (struct storm){ .at = { .port = port } };
    for (int i = 0; i < STORMERS; i++)
        pthread_create(&storm->threads[i], NULL, storm_on, storm);
}

static void storm_flow(struct storm *storm)
{
    int goal = atomic_load(&storm->answered) + FLOW;
    WAIT_FOR(atomic_load(&storm->answered) >= goal);
}

static void storm_end(struct storm *storm)
{
    atomic_store(&storm->over, true);
    for (int i = 0; i < STORMERS; i++)
        pthread_join(storm->threads[i], NULL);
    assert_int_equal(atomic_load(&storm->lost), 0);
}

static struct http_options shared(char listen[64], uint16_t port)
{
    struct http_options options = patient();
    snprintf(listen, 64, "127.0.0.1:%u", port);
    options.listen = listen;
    options.reuse_port = true;
    return options;
}

static struct world *world_beside(const struct world *other)
{
    char listen[64];
    return world_new(shared(listen, other ? other->port : 0));
}

static atomic_bool drained;

static void look(struct world *world)
{
    atomic_store(&drained, http_drained(world->server));
}

static void leave(struct world *world)
{
    world_order(world, world_drain);
    WAIT_FOR((world_order(world, look), atomic_load(&drained)));
    world_free(world);
}

/* The successor stays, or goes again itself. */
static void nobody_is_lost(void **state)
{
    (void)state;
    struct storm storm;
    struct world *one = world_beside(NULL);
    storm_begin(&storm, one->port);
    for (int i = 0; i < SUCCESSIONS; i++) {
        struct world *other = world_beside(one), *stays = i % 3 == 2 ? one : other;
        storm_flow(&storm);
        leave(stays == other ? one : other);
        one = stays;
        storm_flow(&storm);
    }
    storm_end(&storm);
    leave(one);
}

static void each_has_its_share(void **state)
{
    (void)state;
    struct storm storm;
    struct world *three[3] = { world_beside(NULL) };
    three[1] = world_beside(three[0]);
    three[2] = world_beside(three[0]);
    storm_begin(&storm, three[0]->port);
    for (int i = 0; i < 3; i++)
        WAIT_FOR(atomic_load(&three[i]->requests) > 0);
    leave(three[1]); /* its number is now that of the last */
    storm_flow(&storm);
    three[1] = world_beside(three[0]);
    int before[3];
    for (int i = 0; i < 3; i++)
        before[i] = atomic_load(&three[i]->requests);
    for (int i = 0; i < 3; i++)
        WAIT_FOR(atomic_load(&three[i]->requests) > before[i]);
    for (int i = 0; i < 2; i++)
        leave(three[i]);
    storm_flow(&storm);
    storm_end(&storm);
    leave(three[2]);
}

/* A port that its holder does not share is refused at once; one that is shared is used when told. */
static void listens_when_told(void **state)
{
    (void)state;
    char listen[64];
    const char *error = NULL;
    struct world *alone = world_new(patient());
    struct event_base *base = event_base_new();
    struct http_options options = shared(listen, alone->port);
    assert_null(http_open(base, &options, &error));
    assert_non_null(error);
    world_free(alone);
    options = shared(listen, 0);
    struct http_server *server = http_open(base, &options, &error);
    assert_non_null(server);
    struct world at = { .port = http_port(server) };
    assert_int_equal(client_dial(&at), -1);
    assert_true(http_listen(server, &error));
    int fd = client_dial(&at);
    assert_true(fd >= 0);
    close(fd);
    http_close(server);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_lost),
        cmocka_unit_test(each_has_its_share),
        cmocka_unit_test(listens_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
