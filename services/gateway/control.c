/* control.c -- an operator's request becomes a ticket; its answer finds the way back by routing id, boot and id. */
#include "services/gateway/control.h"

#include "common/answer.h"
#include "common/bus_socket.h"
#include "common/envelope.h"
#include "common/json.h"
#include "common/operator.h"
#include "common/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum {
    LONGEST_PATH = 99 /* a socket's may have 107: room for a process's number */,
    RETRY_AFTER_MS = 1000,
    LAST_ANSWERS_MS = 1000 /* to reach their askers, at the end */
};

static const char scheme[] = "ipc://";

/* Who asked, and as what. */
struct asker {
    struct peer peer;
    uint64_t boot, id; /* of the asker's making */
};

/* A request under way. */
struct control_call {
    TAILQ_ENTRY(control_call) at; /* in control->calls */
    struct control *control;
    struct dispatch_ticket *ticket;
    struct asker asker;
};

struct control {
    struct control_options options;
    struct bus_socket *socket;
    struct arena *incoming, *outgoing;
    TAILQ_HEAD(, control_call) calls;
    size_t call_count;
    bool draining;
    ino_t inode; /* of the socket in its place; 0: there is none yet */
};

/* ---- answers ---- */

/* An asker that has gone away gets nothing, and nobody minds. */
static void answer(struct control *control, const struct asker *asker, BusEnvelope *envelope, struct slice body)
{
    envelope->has_boot = envelope->has_id = true;
    envelope->boot = asker->boot;
    envelope->id = asker->id;
    struct slice bytes = envelope_pack(control->outgoing, envelope);
    (void)!bus_socket_send(control->socket, &asker->peer, bytes, body);
}

static void answer_reply(struct control *control, const struct asker *asker, const BusReply *reply, struct slice body)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__REPLY;
    envelope.reply = (BusReply *)(uintptr_t)reply; /* protobuf-c knows no const; packing only reads */
    arena_reset(control->outgoing);
    answer(control, asker, &envelope, body);
}

static void refuse(struct control *control, const struct asker *asker, const struct problem *problem)
{
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    reply.status = (Campus__Status)problem->status;
    reply.code = arena_strdup(control->incoming, problem->code);
    reply.has_retry_after_ms = problem->retry_after_ms > 0;
    reply.retry_after_ms = problem->retry_after_ms;
    reply.n_violations = envelope_violations(control->incoming, problem, &reply.violations);
    answer_reply(control, asker, &reply, slice_of(NULL, 0));
}

/* ---- calls ---- */

static void call_free(struct control_call *call)
{
    TAILQ_REMOVE(&call->control->calls, call, at);
    call->control->call_count--;
    free(call);
}

static void on_reply(const BusReply *reply, struct slice body, void *context)
{
    struct control_call *call = context;
    answer_reply(call->control, &call->asker, reply, body);
    call_free(call);
}

/* Nothing comes to a worker that the contract does not admit, whichever program has sent it here. */
static void check(struct control *control, const struct rpc *rpc, const BusRequest *request, struct slice body,
                  struct problem *problem)
{
    struct json_set set = { .paths = arena_alloc(control->incoming, (request->n_set + 1) * sizeof *set.paths),
                            .count = request->n_set };
    struct rules_context rules = { .arena = control->incoming, .problem = problem };
    for (size_t i = 0; i < request->n_set; i++)
        set.paths[i] = request->set[i];
    rules_check(&rules, rpc->request, body, rpc->verb == HTTP_PATCH ? &set : NULL);
    const char *key = request->idempotency_key;
    if (rpc->kind == RPC_WRITE && (!key || !answer_is_key(slice_text(key))))
        problem_add(control->incoming, problem, "Idempotency-Key", "bad_header", NULL);
}

static uint32_t clamp_left(uint32_t left_ms)
{
    return left_ms < CONTROL_LONGEST_CALL_MS ? left_ms : CONTROL_LONGEST_CALL_MS;
}

static void dispatch(struct control *control, const struct asker *asker, const struct rpc *rpc, BusRequest *request,
                     struct slice body)
{
    struct control_call *call = calloc(1, sizeof *call);
    if (!call)
        abort();
    call->control = control;
    call->asker = *asker;
    TAILQ_INSERT_TAIL(&control->calls, call, at);
    control->call_count++;
    request->left_ms = clamp_left(request->left_ms);
    operator_calls(control->incoming, request);
    call->ticket = dispatch_send(control->options.dispatcher, rpc, request, body, on_reply, call);
}

static void on_request(struct control *control, const struct asker *asker, const BusEnvelope *envelope,
                       struct slice body)
{
    struct problem problem = { 0 };
    const struct rpc *rpc = schema_rpc(control->options.schema, envelope->request->method);
    if (!rpc) {
        problem_set(&problem, "not_found");
    } else if (control->draining || control->call_count == CONTROL_MOST_CALLS) {
        problem_set(&problem, "unavailable");
        problem.retry_after_ms = RETRY_AFTER_MS;
    } else {
        check(control, rpc, envelope->request, body, &problem);
    }
    if (problem.status == STATUS_OK)
        dispatch(control, asker, rpc, envelope->request, body);
    else
        refuse(control, asker, &problem);
}

static void on_status(struct control *control, const struct asker *asker, const BusEnvelope *asked, struct slice body)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    (void)asked, (void)body;
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__STATUS;
    arena_reset(control->outgoing);
    struct slice status = control->options.status(control->outgoing, control->options.context);
    answer(control, asker, &envelope, status);
}

static void on_message(const struct peer *from, struct slice bytes, struct slice body, void *context)
{
    static void (*const kinds[])(struct control * control, const struct asker *asker, const BusEnvelope *envelope,
                                 struct slice body) = {
        [CAMPUS__BUS__ENVELOPE__KIND__REQUEST] = on_request,
        [CAMPUS__BUS__ENVELOPE__KIND__STATUS] = on_status,
    };
    struct control *control = context;
    arena_reset(control->incoming);
    const BusEnvelope *envelope = envelope_read(control->incoming, bytes);
    size_t kind = envelope ? (size_t)envelope->kind : 0;
    if (kind >= sizeof kinds / sizeof *kinds || !kinds[kind])
        return;
    struct asker asker = { .peer = *from, .boot = envelope->boot, .id = envelope->id };
    kinds[kind](control, &asker, envelope, body);
}

/* ---- the endpoint ---- */

const char *control_endpoint_path(const char *endpoint)
{
    return endpoint + sizeof scheme - 1;
}

const char *control_endpoint_fault(const char *endpoint)
{
    if (strncmp(endpoint, scheme, sizeof scheme - 1) != 0 || *control_endpoint_path(endpoint) != '/')
        return "it is not ipc:// with an absolute path";
    if (strlen(control_endpoint_path(endpoint)) > LONGEST_PATH)
        return "its path is longer than 99 bytes";
    return NULL;
}

/* Only a socket gives way: of a gateway that was killed, or of a predecessor, which keeps the connections that it has. */
static const char *place_fault(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && !S_ISSOCK(found.st_mode) ? "there is a file that is no socket" : NULL;
}

/* It takes its place in one step. Its mode is right already, but where the folder has an access list of its own. */
static bool put_in_place(struct control *control, const char *made)
{
    struct stat found;
    const char *path = control_endpoint_path(control->options.endpoint);
    if (chmod(made, S_IRUSR | S_IWUSR) != 0 || lstat(made, &found) != 0 || rename(made, path) != 0)
        return false;
    control->inode = found.st_ino;
    return true;
}

static const char *bind_endpoint(struct control *control, struct arena *arena, struct event_base *base, void *zmq)
{
    struct bus_socket_options options = {
        .kind = BUS_ROUTER,
        .max_message = control->options.max_message,
        .on_message = on_message,
        .context = control,
    };
    const char *endpoint = control->options.endpoint, *fault = control_endpoint_fault(endpoint);
    if (!fault)
        fault = place_fault(control_endpoint_path(endpoint));
    if (fault)
        return fault;
    options.endpoint = arena_printf(arena, "%s.%d", endpoint, (int)getpid());
    mode_t usual = umask(S_IXUSR | S_IRWXG | S_IRWXO);
    control->socket = bus_socket_open(base, zmq, &options);
    umask(usual);
    if (!control->socket)
        return zmq_strerror(errno);
    return put_in_place(control, control_endpoint_path(options.endpoint)) ? NULL : strerror(errno);
}

/* A successor's socket stays. */
static void leave_place(const struct control *control)
{
    struct stat found;
    const char *path = control_endpoint_path(control->options.endpoint);
    if (control->inode && lstat(path, &found) == 0 && found.st_ino == control->inode)
        unlink(path);
}

struct control *control_open(struct arena *arena, struct event_base *base, void *zmq,
                             const struct control_options *options, const char **error)
{
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        abort();
    control->options = *options;
    control->incoming = arena_new();
    control->outgoing = arena_new();
    TAILQ_INIT(&control->calls);
    const char *fault = bind_endpoint(control, arena, base, zmq);
    if (!fault)
        return control;
    *error = arena_printf(arena, "setting control: '%s': %s", options->endpoint, fault);
    control_close(control);
    return NULL;
}

void control_drain(struct control *control)
{
    if (control)
        control->draining = true;
}

void control_close(struct control *control)
{
    struct control_call *call;
    if (!control)
        return;
    while ((call = TAILQ_FIRST(&control->calls))) {
        dispatch_cancel(call->ticket);
        call_free(call);
    }
    leave_place(control);
    bus_socket_close(control->socket, LAST_ANSWERS_MS);
    arena_free(control->outgoing);
    arena_free(control->incoming);
    free(control);
}
