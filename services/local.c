/* local.c -- a dispatcher in the command's own thread and the service in another, over a bus of their own. */
#include "services/local.h"

#include "common/log.h"
#include "common/metrics.h"
#include "common/operator.h"
#include "common/uuid.h"
#include "services/gateway/dispatch.h"

#include "bus.pb-c.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { CALL_MS = 120000 };

static const char endpoint[] = "inproc://local";

struct local {
    const struct role *role;
    struct settings settings; /* with a bus of our own */
    struct role_options options;
    struct event_base *base;
    struct dispatcher *dispatcher;
    pthread_t thread;
    bool failed; /* the service has ended by itself */
    /* of the call under way */
    struct arena *arena;
    bool done, succeeded;
    struct slice reply;
    const char *code;
};

static void *run_service(void *context)
{
    struct local *local = context;
    if (service_run(local->role->service, &local->options) != 0)
        __atomic_store_n(&local->failed, true, __ATOMIC_RELEASE);
    return NULL;
}

struct local *local_open(const struct role *role, const struct settings *settings, const struct schema *schema,
                         const uint8_t secret[PAGE_SECRET])
{
    struct local *local = calloc(1, sizeof *local);
    const char *error = NULL;
    if (!local)
        abort();
    local->role = role;
    local->settings = *settings;
    local->settings.bus = endpoint;
    local->options = (struct role_options){ .settings = &local->settings, .schema = schema, .without_jobs = true };
    memcpy(local->options.secret, secret, PAGE_SECRET);
    local->options.zmq = zmq_ctx_new();
    local->options.metrics = metrics_new();
    local->options.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    local->base = event_base_new();
    struct dispatch_options dispatch = {
        .endpoints = (const char *const[]){ endpoint, NULL },
        .schema = schema,
        .queue_limit = settings->queue_limit,
        .queue_ms = settings->startup_ms + settings->queue_ms,
        .ping_ms = settings->ping_ms,
        .max_message = settings->max_message,
    };
    struct arena *arena = arena_new(); /* for the reason of a failure */
    local->dispatcher = dispatch_open(arena, local->base, local->options.zmq, &dispatch, &error);
    arena_free(arena);
    if (!local->dispatcher || pthread_create(&local->thread, NULL, run_service, local) != 0)
        abort(); /* inproc cannot fail but for memory */
    return local;
}

void local_close(struct local *local)
{
    const uint64_t one = 1;
    if (!local)
        return;
    dispatch_close(local->dispatcher);
    if (write(local->options.stop_fd, &one, sizeof one) != sizeof one)
        abort();
    pthread_join(local->thread, NULL);
    event_base_free(local->base);
    zmq_ctx_term(local->options.zmq);
    metrics_free(local->options.metrics);
    close(local->options.stop_fd);
    free(local);
}

static void on_reply(const BusReply *reply, struct slice body, void *context)
{
    struct local *local = context;
    local->done = true;
    local->succeeded = reply->status == CAMPUS__STATUS__OK;
    local->reply = arena_copy(local->arena, body);
    local->code = arena_strdup(local->arena, reply->code ? reply->code : "internal");
}

bool local_call(struct local *local, struct arena *arena, const char *method, struct slice request, struct slice *reply,
                const char **code)
{
    const struct rpc *rpc = schema_rpc(local->options.schema, method);
    BusRequest header = CAMPUS__BUS__REQUEST__INIT;
    char key[UUID_TEXT];
    uuid_new(key);
    header.method = arena_strdup(arena, method);
    header.left_ms = CALL_MS;
    header.idempotency_key = key;
    header.has_key_minted = true;
    header.key_minted = true;
    header.request_id = key;
    operator_calls(arena, &header);
    local->arena = arena;
    local->done = false;
    dispatch_send(local->dispatcher, rpc, &header, request, on_reply, local);
    while (!local->done && !__atomic_load_n(&local->failed, __ATOMIC_ACQUIRE))
        event_base_loop(local->base, EVLOOP_ONCE);
    *reply = local->reply;
    *code = local->done ? local->code : "unavailable";
    return local->done && local->succeeded;
}
