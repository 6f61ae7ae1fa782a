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
        aside_submit(task->aside, &task->next->job);
    if (task->base)
        event_base_loopbreak(task->base);
}

static struct task task_of(void)
{
    return (struct task){ .job = { .work = work, .on_done = on_done } };
}

static void submit(struct aside *aside, struct task *task)
{
    task->job.context = task;
    aside_submit(aside, &task->job);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loop_goes_on),
        cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_close_ends_all),
    };
    return cmocka_run_group_tests_name("aside", tests, NULL, NULL);
}
