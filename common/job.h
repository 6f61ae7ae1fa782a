/* job.h -- work that is not a call's: rows of a table that fall due, each done once in effect, on a thread beside the loop.
 *
 * A service declares the two statements. `lease` takes at most one due row (FOR UPDATE SKIP LOCKED, so that workers take
 * different ones), counts the attempt, and keeps others off until the lease ends; it has no parameters and gives the columns
 * `id` and `attempts`, and what the work needs. `note` writes down how it ended, with the parameters
 *
 *   :id        the row's
 *   :attempt   its `attempts` when it was leased: the row must still be at it, or another worker has it by now
 *   :outcome   'done', 'retry' or 'failed'
 *   :failure   why it is not done, or NULL
 *   :delay_ms  of a retry: how long the row is to wait
 *
 * What the work has done and the note of it are not one transaction: a worker that is killed between the two leaves a row
 * that comes back when its lease has ended. So the work is such that its repeat is recognised, by the row's id. */
#ifndef CAMPUS_JOB_H
#define CAMPUS_JOB_H

#include "common/plan.h"

struct event_base;

enum job_outcome { JOB_DONE, JOB_RETRY, JOB_FAILED };

/* One row under work. */
struct job_task;

struct job {
    const char *name; /* in logs and metrics */
    const char *lease, *note;
    const char *waiting; /* for operators: one row, `waiting` and `oldest_ms` of what has not ended; no parameters */
    const char *left; /* why the rows wait where this host is not to do the work: told with it */
    uint32_t every_ms; /* between two looks while nothing is due */
    uint32_t most_attempts; /* then it has failed */
    /* Makes what the work needs, at start, as *state. False with *error: the service does not start. Leaves *state NULL
     * where this host is not to do the work; the rows wait. */
    bool (*open)(struct arena *arena, const struct service_host *host, void **state, const char **error);
    /* On the thread: touches only the task and its state. */
    enum job_outcome (*work)(struct job_task *task, void *state);
    void (*close)(void *state);
};

/* For work: the task's memory; a column of its row, as text, NULL for NULL. */
struct arena *job_arena(struct job_task *task);
const char *job_value(const struct job_task *task, const char *column);
/* Why it is not done: a few words without anything personal, kept in the row and logged. */
void job_failure(struct job_task *task, const char *failure);
/* Whether the service stops: long work then gives up, as JOB_RETRY. Any thread. */
bool job_stopping(const struct job_task *task);

/* How long a row waits after its attempt of that number, from 1: twice as long each time, from 2 s to an hour, and by `chance`
 * (any 32 bits) up to half of it less, so that what failed together does not come back together. Pure. */
uint32_t job_delay_ms(uint32_t attempt, uint32_t chance);

/* ---- for service.c ---- */

/* Whether the statements are there and fit; false with plans->error. The first after gathering, the second after describing. */
bool jobs_gather(struct plans *plans, const struct statements *queries) __attribute__((warn_unused_result));
bool jobs_bind(struct plans *plans) __attribute__((warn_unused_result));
/* The prepared statement of what waits, where a service has jobs: a row for each, in their order; and its columns. */
#define JOBS_WAITING "campus_waiting"
enum { JOBS_COLUMN_N, JOBS_COLUMN_WAITING, JOBS_COLUMN_OLDEST_MS };

struct job_runner;

/* Where it runs; all of it outlives the runner but for the database, which is closed before. */
struct job_place {
    struct event_base *base;
    struct aside *aside;
    struct database *database;
    const struct plans *plans;
};

/* NULL with *error NULL where the job does nothing on this host, NULL with *error where it cannot start. */
struct job_runner *job_start(struct arena *arena, const struct job *job, const struct service_host *host,
                             const struct job_place *place, const char **error);
/* Leases nothing any more. What is under way goes on. */
void job_drain(struct job_runner *runner);
bool job_busy(const struct job_runner *runner);
/* Tells what is under way to give up: before the aside is closed, which waits for it. */
void job_stop(struct job_runner *runner);
/* NULL is fine. */
void job_free(struct job_runner *runner);
/* How many ended how, as samples of campus_jobs_total. */
void job_metrics(const struct job_runner *runner, FILE *out);

#endif
