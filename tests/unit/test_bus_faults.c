/* test_bus_faults.c -- workers that die, freeze or come back, and gateways that start again. */
#include "tests/unit/bus_fixture.h"

#include <signal.h>
#include <spawn.h>
#include <status.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

extern char **environ;

/* What this program is when it is started with an endpoint, a name and credits: a worker in a process of its own. */
static int worker_process(char **arguments)
{
    struct fixture_worker worker = { .zmq = zmq_ctx_new(), .endpoint = arguments[1], .name = arguments[2] };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    worker.credits = (uint32_t)atoi(arguments[3]);
    worker.command = eventfd(0, 0);
    fixture_worker_run(&worker);
    return 0;
}

static pid_t spawn_worker(const char *endpoint, const char *name, const char *credits)
{
    char program[] = "/proc/self/exe", where[64], who[16], how_many[16];
    char *arguments[] = { program, where, who, how_many, NULL };
    pid_t pid;
    snprintf(where, sizeof where, "%s", endpoint);
    snprintf(who, sizeof who, "%s", name);
    snprintf(how_many, sizeof how_many, "%s", credits);
    assert_int_equal(posix_spawn(&pid, program, NULL, NULL, arguments, environ), 0);
    return pid;
}

static void end_worker(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

enum { CREW = 3, KILLS = 3, ROUND = 1000, LOAD = KILLS * ROUND };

/* A steady load of 60 requests at once, in which each answer brings the next request. */
struct load {
    struct fixture_gateway *gateway;
    struct fixture_request requests[LOAD];
    int limit, sent, ended;
};

static bool load_runs(struct load *load)
{
    int open = 0;
    for (int i = load->ended; i < load->sent; i++)
        open += load->requests[i].answers == 0;
    while (load->ended < load->sent && load->requests[load->ended].answers)
        load->ended++;
    for (; open < 60 && load->sent < load->limit; open++)
        fixture_send(load->gateway, &load->requests[load->sent++], "x");
    return load->ended < load->limit;
}

/* Each round ends before the next begins: a request that had two of the killed workers would have no third. */
static void test_killed_under_load(void **state)
{
    struct bus_place *place = *state;
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct load *load = calloc(1, sizeof *load);
    pid_t crew[CREW];
    load->gateway = &gateway;
    for (int i = 0; i < CREW; i++)
        crew[i] = spawn_worker(place->ipc, "w", "16");
    fixture_await_workers(&gateway, CREW);
    for (int kills = 0; kills < KILLS; kills++) {
        load->limit += ROUND;
        RUN_UNTIL(&gateway, load_runs(load) && load->sent >= load->limit - ROUND / 2);
        end_worker(crew[kills]);
        crew[kills] = spawn_worker(place->ipc, "w", "16");
        RUN_UNTIL(&gateway, !load_runs(load));
    }
    for (int i = 0; i < LOAD; i++) {
        assert_int_equal(load->requests[i].answers, 1);
        assert_int_equal(load->requests[i].status, STATUS_OK);
    }
    assert_int_equal(fixture_metric(&gateway, DEATHS), KILLS);
    for (int i = 0; i < CREW; i++)
        end_worker(crew[i]);
    free(load);
    fixture_gateway_close(&gateway);
}

/* How many pings whoever holds requests has left unanswered. */
static uint32_t missed_by_holder(struct fixture_gateway *gateway)
{
    Campus__Bus__GatewayStatus status = CAMPUS__BUS__GATEWAY_STATUS__INIT;
    struct arena *arena = arena_new();
    uint32_t missed = 0;
    dispatch_status(gateway->dispatcher, arena, &status);
    for (size_t i = 0; i < status.services[0]->n_workers; i++)
        if (status.services[0]->workers[i]->held > 0)
            missed = status.services[0]->workers[i]->missed_pings;
    arena_free(arena);
    return missed;
}

/* An idle one that holds requests is probed, so its death is noticed long before three pings. */
static void test_killed_while_holding(void **state)
{
    struct bus_place *place = *state;
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request request;
    uint32_t missed;
    pid_t first = spawn_worker(place->ipc, "first", "1");
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &request, "first keeps it");
    assert_int_equal(fixture_metric(&gateway, IN_FLIGHT), 1);
    pid_t second = spawn_worker(place->ipc, "second", "1");
    fixture_await_workers(&gateway, 2);
    end_worker(first);
    RUN_UNTIL(&gateway, (missed = missed_by_holder(&gateway)) > 1 || fixture_metric(&gateway, DEATHS) == 1);
    assert_in_range(missed, 0, 1); /* sooner than by its silence */
    RUN_UNTIL(&gateway, request.answers);
    assert_int_equal(request.status, STATUS_OK);
    assert_string_equal(request.code, "second");
    end_worker(second);
    fixture_gateway_close(&gateway);
}

static void test_stopped_process(void **state)
{
    struct bus_place *place = *state;
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request request;
    pid_t first = spawn_worker(place->ipc, "first", "1");
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &request, "warm");
    RUN_UNTIL(&gateway, request.answers);
    kill(first, SIGSTOP);
    fixture_send(&gateway, &request, "x");
    pid_t second = spawn_worker(place->ipc, "second", "1");
    RUN_UNTIL(&gateway, request.answers);
    assert_int_equal(request.status, STATUS_OK);
    assert_string_equal(request.code, "second");
    assert_int_equal(fixture_metric(&gateway, DEATHS), 1);
    kill(first, SIGCONT);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, DROPPED) == 1); /* its late reply */
    RUN_UNTIL(&gateway, fixture_metric(&gateway, WORKERS) == 2); /* and it says READY anew */
    assert_int_equal(request.answers, 1);
    end_worker(first);
    end_worker(second);
    fixture_gateway_close(&gateway);
}

/* Over inproc nothing tells of a thread that hangs: only its silence. */
static void test_frozen_thread(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker frozen = { .zmq = place->zmq, .name = "frozen", .endpoint = "inproc://bus", .credits = 8 };
    struct fixture_worker awake = { .zmq = place->zmq, .name = "awake", .endpoint = "inproc://bus", .credits = 8 };
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus" });
    struct fixture_request requests[5];
    fixture_worker_start(&frozen);
    fixture_await_workers(&gateway, 1);
    for (int i = 0; i < 5; i++)
        fixture_send(&gateway, &requests[i], "hold");
    RUN_UNTIL(&gateway, atomic_load(&frozen.most_pending) == 5);
    fixture_worker_command(&frozen, COMMAND_FREEZE);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, DEATHS) == 1);
    assert_int_equal(fixture_metric(&gateway, QUEUE_LENGTH), 5);
    fixture_worker_start(&awake);
    RUN_UNTIL(&gateway, atomic_load(&awake.most_pending) == 5);
    fixture_worker_command(&frozen, COMMAND_THAW);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, WORKERS) == 2);
    for (int i = 0; i < 5; i++)
        dispatch_cancel(requests[i].ticket);
    RUN_UNTIL(&gateway, atomic_load(&awake.cancelled) == 5 && fixture_metric(&gateway, IN_FLIGHT) == 0);
    assert_int_equal(frozen.cancelled, 0);
    fixture_worker_stop(&frozen);
    fixture_worker_stop(&awake);
    fixture_gateway_close(&gateway);
}

/* A worker that is alone and was slow once gets its requests back, and answers each of them once. */
static void test_frozen_alone(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker worker = { .zmq = place->zmq, .name = "alone", .endpoint = "inproc://bus", .credits = 8 };
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = "inproc://bus" });
    struct fixture_request request, next;
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &request, "hold");
    RUN_UNTIL(&gateway, atomic_load(&worker.most_pending) == 1);
    fixture_worker_command(&worker, COMMAND_FREEZE);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, DEATHS) == 1);
    fixture_worker_command(&worker, COMMAND_THAW);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, IN_FLIGHT) == 1);
    fixture_send(&gateway, &next, "next");
    RUN_UNTIL(&gateway, next.answers);
    assert_int_equal(worker.most_pending, 2); /* what came twice is one request there */
    dispatch_cancel(request.ticket);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, IN_FLIGHT) == 0);
    assert_int_equal(worker.cancelled, 1);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

static void test_poison_takes_two_workers(void **state)
{
    struct bus_place *place = *state;
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request poison, next;
    pid_t crew[CREW];
    int dead = 0;
    for (int i = 0; i < CREW; i++)
        crew[i] = spawn_worker(place->ipc, "w", "4");
    fixture_await_workers(&gateway, CREW);
    fixture_send(&gateway, &poison, "die");
    RUN_UNTIL(&gateway, poison.answers);
    assert_int_equal(poison.status, STATUS_UNAVAILABLE);
    assert_string_equal(poison.code, "unavailable");
    fixture_send(&gateway, &next, "next");
    RUN_UNTIL(&gateway, next.answers);
    assert_int_equal(next.status, STATUS_OK);
    for (int i = 0; i < CREW; i++)
        if (waitpid(crew[i], NULL, WNOHANG) == crew[i])
            dead++;
        else
            end_worker(crew[i]);
    assert_int_equal(dead, 2);
    fixture_gateway_close(&gateway);
}

static void test_bye_with_requests(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker leaving = { .zmq = place->zmq, .name = "leaving", .endpoint = place->ipc, .credits = 8 };
    struct fixture_worker staying = { .zmq = place->zmq, .name = "staying", .endpoint = place->ipc, .credits = 8 };
    struct fixture_gateway gateway =
        fixture_gateway_open(place->zmq, (struct fixture_gateway_options){ .endpoint = place->ipc });
    struct fixture_request requests[4];
    fixture_worker_start(&leaving);
    fixture_await_workers(&gateway, 1);
    for (int i = 0; i < 4; i++)
        fixture_send(&gateway, &requests[i], "hold");
    RUN_UNTIL(&gateway, atomic_load(&leaving.most_pending) == 4);
    fixture_worker_stop(&leaving);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, QUEUE_LENGTH) == 4);
    fixture_worker_start(&staying);
    RUN_UNTIL(&gateway, atomic_load(&staying.most_pending) == 4);
    for (int i = 0; i < 4; i++)
        dispatch_cancel(requests[i].ticket);
    RUN_UNTIL(&gateway, fixture_metric(&gateway, IN_FLIGHT) == 0);
    assert_int_equal(fixture_metric(&gateway, DEATHS), 0);
    fixture_worker_stop(&staying);
    fixture_gateway_close(&gateway);
}

/* A gateway starts again with its counter at the beginning: what its predecessor asked must not answer its own. */
static void test_gateway_restart(void **state)
{
    struct bus_place *place = *state;
    void *earlier_zmq = zmq_ctx_new();
    struct fixture_worker worker = { .zmq = place->zmq, .name = "one", .endpoint = place->ipc, .credits = 8 };
    struct fixture_gateway_options options = { .endpoint = place->ipc };
    struct fixture_gateway gateway = fixture_gateway_open(earlier_zmq, options);
    struct fixture_request earlier, later;
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    fixture_send(&gateway, &earlier, "late");
    RUN_UNTIL(&gateway, atomic_load(&worker.most_pending) == 1);
    fixture_gateway_close(&gateway);
    zmq_ctx_term(earlier_zmq); /* all its sockets are closed after this */
    gateway = fixture_gateway_open(place->zmq, options);
    fixture_send(&gateway, &later, "mine");
    RUN_UNTIL(&gateway, later.answers);
    assert_string_equal(later.body, "mine");
    RUN_UNTIL(&gateway, atomic_load(&worker.served) == 2);
    assert_int_equal(earlier.answers, 0);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

/* inproc does not reconnect by itself. */
static void test_gateway_restart_inproc(void **state)
{
    struct bus_place *place = *state;
    struct fixture_worker worker = { .zmq = place->zmq, .name = "one", .endpoint = "inproc://bus", .credits = 8 };
    struct fixture_gateway_options options = { .endpoint = "inproc://bus" };
    struct fixture_gateway gateway = fixture_gateway_open(place->zmq, options);
    fixture_worker_start(&worker);
    fixture_await_workers(&gateway, 1);
    fixture_gateway_close(&gateway);
    gateway = fixture_gateway_open(place->zmq, options);
    fixture_await_workers(&gateway, 1);
    fixture_worker_stop(&worker);
    fixture_gateway_close(&gateway);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(test_killed_under_load), BUS_TEST(test_killed_while_holding), BUS_TEST(test_stopped_process),
        BUS_TEST(test_frozen_thread),     BUS_TEST(test_frozen_alone),         BUS_TEST(test_poison_takes_two_workers),
        BUS_TEST(test_bye_with_requests), BUS_TEST(test_gateway_restart),      BUS_TEST(test_gateway_restart_inproc),
    };
    if (count == 4)
        return worker_process(arguments);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
