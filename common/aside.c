/* aside.c -- under one lock: a queue to each lane's threads, which wait on its condition, and one back to the loop, which is woken. */
#include "common/aside.h"

#include "common/log.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_THREADS = 4 };

/* Where processors are short, the loop goes first. It is SCHED_BATCH itself, which preempts nothing but SCHED_IDLE when it wakes:
 * so what computes for tens of milliseconds at a time is that, or a read beside it waits for the end of its slice. */
static const struct lane_kind {
    unsigned threads;
    int nice; /* 0 where it is idle, which is below all of them */
    bool idle;
    unsigned waiting; /* at most; 0: as many as come, which the gateway bounds by the memory of their bodies */
} kinds[ASIDE_LANES] = {
    [ASIDE_LONG] = { .threads = 1, .nice = 10 },
    [ASIDE_HASH] = { .threads = 2, .idle = true, .waiting = 64 },
    [ASIDE_NETWORK] = { .threads = 4, .nice = 5, .waiting = 64 },
    [ASIDE_JOBS] = { .threads = 1, .nice = 10 },
};

struct queue {
    struct aside_job *first, **end;
};

struct lane {
    struct aside *aside;
    const struct lane_kind *kind;
    pthread_t threads[MOST_THREADS];
    pthread_cond_t changed; /* there is a job, or it closes */
    struct queue waiting;
    unsigned count; /* that wait */
};

struct aside {
    const char *role;
    pthread_mutex_t lock;
    struct lane lanes[ASIDE_LANES];
    struct queue done;
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
static struct aside_job *await_job(struct lane *lane)
{
    struct aside *aside = lane->aside;
    pthread_mutex_lock(&aside->lock);
    while (!aside->closing && !lane->waiting.first)
        pthread_cond_wait(&lane->changed, &aside->lock);
    struct aside_job *job = aside->closing ? NULL : queue_take(&lane->waiting);
    if (job)
        lane->count--;
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

/* Of this thread alone. Where it is not permitted it goes as the loop does. */
static void stand_back(const struct lane_kind *kind)
{
    if (kind->idle)
        (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
    else
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), kind->nice);
}

static void *run(void *context)
{
    struct lane *lane = context;
    struct aside_job *job;
    log_set_role(lane->aside->role);
    stand_back(lane->kind);
    while ((job = await_job(lane))) {
        job->work(job->context);
        job->worked = true;
        give_back(lane->aside, job);
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

/* Of the places that are left a client takes at most as many as it leaves: so one that floods the lane leaves half of it to
 * others, and where nobody else comes it has that half at once. */
static bool has_place(const struct lane *lane, uint64_t client)
{
    unsigned own = 0;
    if (lane->kind->waiting == 0)
        return true;
    for (const struct aside_job *job = lane->waiting.first; job && client; job = job->next)
        own += job->client == client;
    return lane->count < lane->kind->waiting && (!client || own < lane->kind->waiting - lane->count);
}

bool aside_submit(struct aside *aside, enum aside_lane number, struct aside_job *job)
{
    struct lane *lane = &aside->lanes[number];
    assert(number > ASIDE_NONE && number < ASIDE_LANES);
    job->worked = false;
    pthread_mutex_lock(&aside->lock);
    bool taken = has_place(lane, job->client);
    if (taken) {
        queue_add(&lane->waiting, job);
        lane->count++;
        pthread_cond_signal(&lane->changed);
    }
    pthread_mutex_unlock(&aside->lock);
    return taken;
}

static void open_lane(struct lane *lane, struct aside *aside, const struct lane_kind *kind)
{
    *lane = (struct lane){ .aside = aside, .kind = kind };
    queue_init(&lane->waiting);
    pthread_cond_init(&lane->changed, NULL);
    for (unsigned i = 0; i < kind->threads; i++)
        if (pthread_create(&lane->threads[i], NULL, run, lane) != 0)
            abort();
}

struct aside *aside_open(struct event_base *base, const char *role)
{
    struct aside *aside = calloc(1, sizeof *aside);
    if (!aside)
        abort();
    aside->role = role;
    queue_init(&aside->done);
    pthread_mutex_init(&aside->lock, NULL);
    aside->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    aside->woken = event_new(base, aside->wake_fd, EV_READ | EV_PERSIST, on_woken, aside);
    if (aside->wake_fd < 0 || !aside->woken || event_add(aside->woken, NULL) != 0)
        abort();
    for (size_t i = 0; i < ASIDE_LANES; i++)
        open_lane(&aside->lanes[i], aside, &kinds[i]);
    return aside;
}

static void stop_threads(struct aside *aside)
{
    pthread_mutex_lock(&aside->lock);
    aside->closing = true;
    for (size_t i = 0; i < ASIDE_LANES; i++)
        pthread_cond_broadcast(&aside->lanes[i].changed);
    pthread_mutex_unlock(&aside->lock);
    for (size_t i = 0; i < ASIDE_LANES; i++)
        for (unsigned j = 0; j < aside->lanes[i].kind->threads; j++)
            pthread_join(aside->lanes[i].threads[j], NULL);
}

void aside_close(struct aside *aside)
{
    if (!aside)
        return;
    stop_threads(aside);
    end_all(aside, &aside->done);
    for (size_t i = 0; i < ASIDE_LANES; i++) {
        end_all(aside, &aside->lanes[i].waiting);
        pthread_cond_destroy(&aside->lanes[i].changed);
    }
    event_free(aside->woken);
    close(aside->wake_fd);
    pthread_mutex_destroy(&aside->lock);
    free(aside);
}
