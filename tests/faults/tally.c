/* tally.c -- a service without methods that counts membership's facts: the smallest consumer, to be killed by tests. */
#include "common/embed.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/service.h"

#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

static const struct method *const tables[] = { NULL };

static const struct consumer consumers[] = {
    { .source = "membership", .statement = "apply" },
    { 0 },
};

static const struct service tally_service = { .name = "tally", .tables = tables, .consumers = consumers };

static volatile sig_atomic_t stop_fd;

static void on_signal(int number)
{
    const uint64_t one = 1;
    (void)number;
    if (write(stop_fd, &one, sizeof one) != sizeof one)
        abort();
}

static int fail(const char *error)
{
    fprintf(stderr, "tally: %s\n", error);
    return 1;
}

int main(int argc, char **argv)
{
    struct arena *arena = arena_new();
    struct settings settings;
    struct role_options options = { .settings = &settings };
    const char **words, *error = NULL;
    (void)argc;
    if (sodium_init() < 0 || !settings_read(arena, &settings, argv, &words, &error))
        return fail(error ? error : "libsodium does not start");
    options.schema = schema_load(arena, embed_get("schema.binpb"), &error);
    if (!options.schema)
        return fail(error);
    options.zmq = zmq_ctx_new();
    options.metrics = metrics_new();
    options.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    stop_fd = options.stop_fd;
    signal(SIGTERM, on_signal);
    int exit_code = service_run(&tally_service, &options);
    zmq_ctx_term(options.zmq);
    metrics_free(options.metrics);
    arena_free(arena);
    return exit_code;
}
