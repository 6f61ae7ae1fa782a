/* test_aside.c -- jobs run beside the loop, in their order, and each comes back to it once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/aside.h"

#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>

enum { MANY = 1000 };

struct task {
    struct aside_job job;
    struct event_base *base; /* whose loop ends with it, or NULL */
    struct aside *aside; /* where `next` goes once it is done */
    struct task *next;
    sem_t *awaited; /* by its work, or NULL */
    pthread_t worked_on, ended_on;
    unsigned worked, ended;
    bool told; /* what on_done was told of the work */
    unsigned *clock, place; /* when it ended, among all */
};

static void work(void *context)
{
    struct task *task = context;
    if (task->awaited)
        sem_wait(task->awaited);
    task->worked_on = pthread_self();
    task->worked++;
}

static void on_done(bool worked, void *context)
{
    struct task *task = context;
    task->ended_on = pthread_self();
    task->ended++;
    task->told = worked;
    if (task->clock)
        task->place = ++*task->clock;
    if (task->next)
        assert_true(aside_submit(task->aside, ASIDE_LONG, &task->next->job));
    if (task->base)
        event_base_loopbreak(task->base);
}

static struct task task_of(void)
{
    return (struct task){ .job = { .work = work, .on_done = on_done } };
}

static bool offer(struct aside *aside, enum aside_lane lane, struct task *task)
{
    task->job.context = task;
    return aside_submit(aside, lane, &task->job);
}

static void submit(struct aside *aside, struct task *task)
{
    assert_true(offer(aside, ASIDE_LONG, task));
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    sem_post(context);
}

/* The work ends only when the loop has gone on beside it. */
static void test_the_loop_goes_on(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct aside *aside = aside_open(base, "test");
    sem_t turned;
    sem_init(&turned, 0, 0);
    struct task task = task_of();
    task.base = base;
    task.awaited = &turned;
    submit(aside, &task);
    assert_int_equal(task.ended, 0);
    event_base_once(base, -1, EV_TIMEOUT, on_timer, &turned, &(struct timeval){ 0 });
    event_base_dispatch(base);
    assert_true(task.told);
    assert_int_equal(task.worked, 1);
    assert_int_equal(task.ended, 1);
    assert_true(pthread_equal(task.ended_on, pthread_self()));
    assert_false(pthread_equal(task.worked_on, pthread_self()));
    aside_close(aside);
    event_base_free(base);
    sem_destroy(&turned);
}

/* The last is submitted when the first is done. */
static void test_one_after_another(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct aside *aside = aside_open(base, "test");
    unsigned clock = 0;
    struct task tasks[4];
    for (size_t i = 0; i < 4; i++) {
        tasks[i] = task_of();
        tasks[i].clock = &clock;
    }
    tasks[0].aside = aside;
    tasks[0].next = &tasks[3];
    tasks[3].job.context = &tasks[3];
    tasks[3].base = base;
    for (size_t i = 0; i < 3; i++)
        submit(aside, &tasks[i]);
    event_base_dispatch(base);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(tasks[i].place, i + 1);
    aside_close(aside);
    event_base_free(base);
}

/* Those that were never worked on are told so. */
static void test_close_ends_all(void **state)
{
    (void)state;
    static struct task tasks[MANY];
    struct event_base *base = event_base_new();
    struct aside *aside = aside_open(base, "test");
    for (size_t i = 0; i < MANY; i++) {
        tasks[i] = task_of();
        submit(aside, &tasks[i]);
    }
    aside_close(aside);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(tasks[i].ended, 1);
        assert_int_equal(tasks[i].told, tasks[i].worked);
    }
    aside_close(NULL);
    event_base_free(base);
}

/* A job that waits for ever, but for the test, in one lane: those of another go on. */
static void test_lanes_wait_for_none_of_each_other(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct aside *aside = aside_open(base, "test");
    sem_t never;
    sem_init(&never, 0, 0);
    struct task stuck = task_of(), hash = task_of(), network = task_of();
    stuck.awaited = &never;
    hash.base = network.base = base;
    submit(aside, &stuck);
    assert_true(offer(aside, ASIDE_HASH, &hash));
    event_base_dispatch(base);
    assert_true(offer(aside, ASIDE_NETWORK, &network));
    event_base_dispatch(base);
    assert_int_equal(hash.ended + network.ended, 2);
    assert_int_equal(stuck.ended, 0);
    sem_post(&never);
    aside_close(aside);
    assert_int_equal(stuck.ended, 1);
    event_base_free(base);
    sem_destroy(&never);
}

/* Two hash at once; then a lane takes no more than may wait in it. */
static void test_few_may_wait(void **state)
{
    (void)state;
    enum { AT_WORK = 2, WAITING = 64 };
    static struct task tasks[AT_WORK + WAITING + 2];
    struct event_base *base = event_base_new();
    struct aside *aside = aside_open(base, "test");
    sem_t never;
    size_t taken = 0;
    sem_init(&never, 0, 0);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        tasks[i] = task_of();
        tasks[i].awaited = &never;
    }
    while (taken < sizeof tasks / sizeof *tasks && offer(aside, ASIDE_HASH, &tasks[taken]))
        taken++;
    assert_in_range(taken, WAITING, AT_WORK + WAITING); /* as many as the threads have begun by then */
    for (size_t i = 0; i < taken; i++)
        sem_post(&never);
    aside_close(aside);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        assert_int_equal(tasks[i].ended, i < taken);
    event_base_free(base);
    sem_destroy(&never);
}

/* However many one client sends, half of the lane is left to others. */
static void test_one_client_leaves_half(void **state)
{
    (void)state;
    enum { MOST = 66, HALF = 32, AT_WORK = 2, FLOODER = 7, OTHER = 8 };
    static struct task flood[MOST], others[2];
    struct event_base *base = event_base_new();
    struct aside *aside = aside_open(base, "test");
    sem_t never;
    size_t taken = 0;
    sem_init(&never, 0, 0);
    for (size_t i = 0; i < MOST; i++) {
        flood[i] = task_of();
        flood[i].awaited = &never;
        flood[i].job.client = FLOODER;
        taken += offer(aside, ASIDE_HASH, &flood[i]);
    }
    assert_in_range(taken, HALF, HALF + AT_WORK);
    others[0] = others[1] = task_of();
    others[0].awaited = others[1].awaited = &never;
    others[0].job.client = OTHER;
    assert_true(offer(aside, ASIDE_HASH, &others[0]));
    assert_true(offer(aside, ASIDE_HASH, &others[1])); /* nobody's has a place as long as there is one */
    for (size_t i = 0; i < taken + 2; i++)
        sem_post(&never);
    aside_close(aside);
    event_base_free(base);
    sem_destroy(&never);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loop_goes_on), cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_close_ends_all),   cmocka_unit_test(test_lanes_wait_for_none_of_each_other),
        cmocka_unit_test(test_few_may_wait),     cmocka_unit_test(test_one_client_leaves_half),
    };
    return cmocka_run_group_tests_name("aside", tests, NULL, NULL);
}
