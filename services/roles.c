/* roles.c -- roles as threads of one process, from start to graceful stop. */
#include "services/roles.h"

#include "common/log.h"
#include "common/metrics.h"
#include "services/bus_access.h"
#include "services/gateway/gateway.h"
#include "services/membership/membership.h"
#include "services/metrics_server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { MOST_ROLES = 16 };

const struct role roles[] = {
    { "gateway", NULL },
    { "membership", &membership_service },
    { NULL, NULL },
};

struct role_thread {
    const struct role *role;
    struct role_options options;
    pthread_t thread;
    int exit_code;
};

struct fleet {
    struct role_thread threads[MOST_ROLES];
    size_t count;
    struct bus_access access;
    struct metrics_server *metrics_server;
};

const struct role *role_find(const char *name)
{
    for (const struct role *role = roles; role->name; role++)
        if (strcmp(role->name, name) == 0)
            return role;
    return NULL;
}

const char *const *role_services(struct arena *arena)
{
    const char **names = arena_zalloc(arena, MOST_ROLES * sizeof *names);
    size_t count = 0;
    for (const struct role *role = roles; role->name; role++)
        if (role->service)
            names[count++] = role->name;
    return names;
}

static void *run_role(void *context)
{
    struct role_thread *thread = context;
    thread->exit_code =
        thread->role->service ? service_run(thread->role->service, &thread->options) : gateway_run(&thread->options);
    if (thread->exit_code)
        kill(getpid(), SIGTERM); /* the others do not go on alone */
    return NULL;
}

static void stop_thread(struct role_thread *thread)
{
    const uint64_t one = 1;
    if (write(thread->options.stop_fd, &one, sizeof one) != sizeof one)
        log_error("cannot tell a role to stop", "role=%s errno=%d", thread->role->name, errno);
    pthread_join(thread->thread, NULL);
    close(thread->options.stop_fd);
}

static void start_thread(struct fleet *fleet, const struct role *role, struct role_options options)
{
    struct role_thread *thread = &fleet->threads[fleet->count++];
    *thread = (struct role_thread){ .role = role, .options = options };
    thread->options.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->options.stop_fd < 0 || pthread_create(&thread->thread, NULL, run_role, thread) != 0)
        abort();
}

/* In the order of the table, whatever the order of the names: the gateway is stopped first. */
static bool is_named(const char *const *names, const char *name)
{
    if (!*names)
        return true;
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static size_t count_named(const char *const *names)
{
    size_t count = 0;
    for (const struct role *role = roles; role->name; role++)
        count += is_named(names, role->name);
    return count;
}

static bool names_known(const char *const *names)
{
    for (; *names; names++)
        if (!role_find(*names)) {
            log_error("cannot start", "reason=\"there is no role %s\"", *names);
            return false;
        }
    return true;
}

bool roles_have_service(const char *const *names)
{
    for (const struct role *role = roles; role->name; role++)
        if (role->service && is_named(names, role->name))
            return true;
    return false;
}

/* The keys of the bus and the metrics' server: what all roles of the process need before they start. */
static bool open_common(struct fleet *fleet, const char *const *names, struct role_options *options)
{
    const struct settings *settings = options->settings;
    struct arena *arena = arena_new();
    const char *error = NULL;
    bool opened = bus_access_open(arena, &fleet->access, options->zmq, settings, is_named(names, "gateway"),
                                  roles_have_service(names), &error);
    if (!opened)
        log_error("cannot start", "reason=\"%s\"", error);
    arena_free(arena);
    options->keys = fleet->access.needed ? &fleet->access.keys : NULL;
    return opened &&
           metrics_server_start(&fleet->metrics_server, options->metrics, count_named(names), settings->metrics_listen);
}

static void wait_for_signal(const sigset_t *ends)
{
    int signal_number;
    sigwait(ends, &signal_number);
}

int roles_serve(const char *const *names, const struct settings *settings, const struct schema *schema,
                const uint8_t secret[PAGE_SECRET])
{
    struct fleet fleet = { .count = 0 };
    struct role_options options = { .settings = settings, .schema = schema };
    sigset_t ends;
    if (!names_known(names))
        return 1;
    memcpy(options.secret, secret, PAGE_SECRET);
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* inherited by the threads: only we take them */
    options.zmq = zmq_ctx_new();
    options.metrics = metrics_new();
    int exit_code = open_common(&fleet, names, &options) ? 0 : 1;
    for (const struct role *role = roles; role->name && exit_code == 0; role++)
        if (is_named(names, role->name))
            start_thread(&fleet, role, options);
    if (exit_code == 0)
        wait_for_signal(&ends);
    for (size_t i = 0; i < fleet.count; i++) {
        stop_thread(&fleet.threads[i]);
        exit_code |= fleet.threads[i].exit_code;
    }
    metrics_server_stop(fleet.metrics_server);
    bus_access_close(&fleet.access);
    zmq_ctx_term(options.zmq);
    metrics_free(options.metrics);
    return exit_code;
}
