/* Which endpoints have a name, and the addresses behind one. */
#include "tests/unit/bus_place.h"

#include "common/resolver.h"

#include <stdlib.h>
#include <string.h>

static void test_needed(void **state)
{
    static const struct {
        const char *endpoint;
        bool needed;
    } cases[] = {
        { "tcp://gateway:5555", true },
        { "tcp://a.b.example:1", true },
        { "tcp://10.0.0.1:5555", false },
        { "tcp://[fd00::1]:5555", false },
        { "tcp://*:5555", false },
        { "ipc:///run/campus/bus", false },
        { "inproc://campus", false },
        { "tcp://gateway", false },
        { "tcp://:5555", false },
        { "tcp://gateway:123456", false },
        { "tcp://10.0.0.1.example:1", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(resolver_needed(cases[i].endpoint), cases[i].needed);
}

struct world {
    struct bus_loop loop;
    char first[RESOLVER_ENDPOINT];
    size_t count;
    int calls;
};

static void on_addresses(const char (*endpoints)[RESOLVER_ENDPOINT], size_t count, void *context)
{
    struct world *world = context;
    world->count = count;
    world->calls++;
    if (count)
        memcpy(world->first, endpoints[0], RESOLVER_ENDPOINT);
}

static void test_name_of_the_hosts_file_again_and_again(void **state)
{
    struct world world = { .loop = bus_loop_open() };
    (void)state;
    struct resolver *resolver = resolver_new(world.loop.base, "tcp://localhost:5555", 5, on_addresses, &world);
    RUN_UNTIL(&world, world.calls == 3);
    assert_true(world.count >= 1);
    assert_true(strcmp(world.first, "tcp://127.0.0.1:5555") == 0 || strcmp(world.first, "tcp://[::1]:5555") == 0);
    resolver_stop(resolver);
    event_base_loop(world.loop.base, EVLOOP_ONCE);
    assert_int_equal(world.calls, 3);
    resolver_free(resolver);
    bus_loop_close(&world.loop);
}

/* A look-up that is under way when it is stopped tells nothing, and leaves nothing. */
static void test_stopped_meanwhile(void **state)
{
    struct world world = { .loop = bus_loop_open() };
    (void)state;
    struct resolver *resolver = resolver_new(world.loop.base, "tcp://nowhere.invalid:1", 1000, on_addresses, &world);
    event_base_loop(world.loop.base, EVLOOP_ONCE);
    resolver_stop(resolver);
    for (int i = 0; i < 5; i++)
        event_base_loop(world.loop.base, EVLOOP_ONCE);
    assert_int_equal(world.calls, 0);
    resolver_free(resolver);
    bus_loop_close(&world.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_name_of_the_hosts_file_again_and_again),
        cmocka_unit_test(test_stopped_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
