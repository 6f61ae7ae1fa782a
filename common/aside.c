/* aside.c -- two queues under one lock: to the thread, which waits on a condition, and back to the loop, which is woken. */
#include "common/aside.h"

#include "common/log.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NICE = 10 }; /* where processors are short, the loop goes first */

struct queue {
    struct aside_job *first, **end;
};

struct aside {
    const char *role;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* there is a job, or it closes */
    struct queue waiting, done;
    bool closing;
    int wake_fd; /* readable when something is done */
    struct event *woken;
};

static void queue_init(struct queue *queue)
{
    *queue = (struct queue){ .end = &queue->first };
}

static void queue_add(struct queue *queue, struct aside_job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

static struct aside_job *queue_take(struct queue *queue)
{
    struct aside_job *job = queue->first;
    if (job)
        queue->first = job->next;
    if (!queue->first)
        queue->end = &queue->first;
    return job;
}

/* ---- on the thread ---- */

/* The next job, once there is one; NULL: it closes. */
static struct aside_job *await_job(struct aside *aside)
{
    pthread_mutex_lock(&aside->lock);
    while (!aside->closing && !aside->waiting.first)
        pthread_cond_wait(&aside->changed, &aside->lock);
    struct aside_job *job = aside->closing ? NULL : queue_take(&aside->waiting);
    pthread_mutex_unlock(&aside->lock);
    return job;
}

static void give_back(struct aside *aside, struct aside_job *job)
{
    static const uint64_t one = 1;
    pthread_mutex_lock(&aside->lock);
    queue_add(&aside->done, job);
    pthread_mutex_unlock(&aside->lock);
    if (write(aside->wake_fd, &one, sizeof one) != sizeof one)
        abort();
}

static void *run(void *context)
{
    struct aside *aside = context;
    struct aside_job *job;
    log_set_role(aside->role);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread alone */
    while ((job = await_job(aside))) {
        job->work(job->context);
        job->worked = true;
        give_back(aside, job);
    }
    return NULL;
}

/* ---- in the loop ---- */

static struct aside_job *take(struct aside *aside, struct queue *queue)
{
    pthread_mutex_lock(&aside->lock);
    struct aside_job *job = queue_take(queue);
    pthread_mutex_unlock(&aside->lock);
    return job;
}

static void end_all(struct aside *aside, struct queue *queue)
{
    for (struct aside_job *job; (job = take(aside, queue));)
        job->on_done(job->worked, job->context);
}

static void on_woken(evutil_socket_t fd, short what, void *context)
{
    struct aside *aside = context;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) == sizeof count)
        end_all(aside, &aside->done);
}

void aside_submit(struct aside *aside, struct aside_job *job)
{
    job->worked = false;
    pthread_mutex_lock(&aside->lock);
    queue_add(&aside->waiting, job);
    pthread_cond_signal(&aside->changed);
    pthread_mutex_unlock(&aside->lock);
}

struct aside *aside_open(struct event_base *base, const char *role)
{
    struct aside *aside = calloc(1, sizeof *aside);
    if (!aside)
        abort();
    aside->role = role;
    queue_init(&aside->waiting);
    queue_init(&aside->done);
    pthread_mutex_init(&aside->lock, NULL);
    pthread_cond_init(&aside->changed, NULL);
    aside->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    aside->woken = event_new(base, aside->wake_fd, EV_READ | EV_PERSIST, on_woken, aside);
    if (aside->wake_fd < 0 || !aside->woken || event_add(aside->woken, NULL) != 0 ||
        pthread_create(&aside->thread, NULL, run, aside) != 0)
        abort();
    return aside;
}

void aside_close(struct aside *aside)
{
    if (!aside)
        return;
    pthread_mutex_lock(&aside->lock);
    aside->closing = true;
    pthread_cond_signal(&aside->changed);
    pthread_mutex_unlock(&aside->lock);
    pthread_join(aside->thread, NULL);
    end_all(aside, &aside->done);
    end_all(aside, &aside->waiting);
    event_free(aside->woken);
    close(aside->wake_fd);
    pthread_mutex_destroy(&aside->lock);
    pthread_cond_destroy(&aside->changed);
    free(aside);
}
