/* call_command.c -- words to a request, the request to a gateway, its reply to JSON. */
#include "services/call_command.h"

#include "common/answer.h"
#include "common/json.h"
#include "common/rules.h"
#include "common/uuid.h"
#include "common/wire.h"
#include "services/control_client.h"
#include "services/gateway/control.h"
#include "services/gateway/route.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, ANSWER_SPARE_MS = 2000, METHOD_COLUMN = 24 };

struct call_line {
    struct arena *arena;
    const struct settings *settings;
    const struct rpc *rpc;
    const char *json, *key, *if_match, *timeout, *file; /* NULL: not given */
    BusRequest request;
    struct buffer wire;
    struct json_set set;
};

static int complain(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int complain(int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("campus: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return exit_code;
}

static int complain_refused(const char *code)
{
    return complain(EXIT_REFUSED, "refused: %s", code);
}

static void print_violation(const char *pointer, const char *code, const char *argument)
{
    fprintf(stderr, "  %s: %s%s%s%s\n", *pointer ? pointer : "the request", code, argument ? " (" : "",
            argument ? argument : "", argument ? ")" : "");
}

/* ---- the list of methods ---- */

static void list_methods(struct arena *arena, const struct schema *schema)
{
    for (size_t i = 0; i < schema->rpc_count; i++) {
        const struct rpc *rpc = &schema->rpcs[i];
        char *words =
            arena_text(arena, slice_of(rpc->comment, (size_t)(schema_first_sentence(rpc->comment) - rpc->comment)));
        for (char *at = words; *at; at++)
            *at = *at == '\n' ? ' ' : *at;
        printf("%-*s %s\n", METHOD_COLUMN, rpc->name, words);
    }
}

/* ---- words ---- */

static const char *read_options(struct call_line *line, const char *const *words)
{
    const struct {
        const char *name;
        const char **place;
    } options[] = {
        { "--key=", &line->key },
        { "--if-match=", &line->if_match },
        { "--timeout=", &line->timeout },
        { "--file=", &line->file },
    };
    for (; *words; words++) {
        size_t i = 0;
        while (i < sizeof options / sizeof *options && strncmp(*words, options[i].name, strlen(options[i].name)) != 0)
            i++;
        if (i < sizeof options / sizeof *options)
            *options[i].place = *words + strlen(options[i].name);
        else if (strncmp(*words, "--", 2) == 0 || line->json)
            return *words;
        else
            line->json = *words;
    }
    return NULL;
}

/* A number of digits alone, within 1 and `most`; 0 otherwise. */
static int64_t number_of(const char *text, int64_t most)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return isdigit((unsigned char)*text) && !*end && !errno && number <= most ? number : 0;
}

/* "*" is whatever version there is. With or without an ETag's quotes. */
static int read_if_match(struct call_line *line)
{
    const char *name = line->rpc->name, *given = line->if_match;
    if (!given)
        return line->rpc->if_match ? complain(EXIT_USAGE, "%s needs --if-match=VERSION, or --if-match=*", name) : 0;
    if (!line->rpc->if_match)
        return complain(EXIT_USAGE, "%s takes no --if-match", name);
    if (strcmp(given, "*") == 0)
        return 0;
    size_t size = strlen(given);
    bool quoted = size > 2 && given[0] == '"' && given[size - 1] == '"';
    line->request.if_version =
        number_of(quoted ? arena_text(line->arena, slice_of(given + 1, size - 2)) : given, INT64_MAX);
    line->request.has_if_version = true;
    return line->request.if_version ? 0 : complain(EXIT_USAGE, "--if-match=%s is no version", given);
}

static int read_key(struct call_line *line)
{
    char *minted = arena_alloc(line->arena, UUID_TEXT);
    uuid_new(minted);
    line->request.request_id = minted;
    if (line->key && line->rpc->kind != RPC_WRITE)
        return complain(EXIT_USAGE, "%s changes nothing, so it takes no --key", line->rpc->name);
    if (line->key && !answer_is_key(slice_text(line->key)))
        return complain(EXIT_USAGE, "--key takes 1 to %d visible characters", ANSWER_LONGEST_KEY);
    if (line->rpc->kind != RPC_WRITE)
        return 0;
    line->request.idempotency_key = line->key ? arena_strdup(line->arena, line->key) : minted;
    line->request.has_key_minted = line->request.key_minted = !line->key;
    return 0;
}

static int read_timeout(struct call_line *line)
{
    uint32_t usual_ms = line->rpc->timeout_ms ? line->rpc->timeout_ms : line->settings->request_ms;
    line->request.left_ms = line->timeout ? (uint32_t)number_of(line->timeout, CONTROL_LONGEST_CALL_MS) : usual_ms;
    return line->request.left_ms ? 0
                                 : complain(EXIT_USAGE, "--timeout=%s is not a number of milliseconds up to %d",
                                            line->timeout, CONTROL_LONGEST_CALL_MS);
}

/* ---- the request ---- */

/* At most `most` bytes; "-" is standard input. False with errno. */
static bool read_file(struct arena *arena, const char *path, size_t most, struct slice *content)
{
    struct buffer bytes = buffer_in(arena);
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && bytes.size <= most) {
        buffer_reserve(&bytes, BUFSIZ);
        got = read(fd, bytes.data + bytes.size, BUFSIZ);
        bytes.size += got > 0 ? (size_t)got : 0;
    }
    int error = bytes.size > most ? EFBIG : errno;
    if (fd > STDIN_FILENO)
        close(fd);
    *content = buffer_slice(&bytes);
    errno = error;
    return got >= 0 && bytes.size <= most;
}

static int read_body(struct call_line *line)
{
    struct slice content;
    if (!line->file)
        return 0;
    if (!line->rpc->body)
        return complain(EXIT_USAGE, "%s takes no --file", line->rpc->name);
    if (!read_file(line->arena, line->file, line->rpc->max_body_bytes, &content))
        return complain(EXIT_REFUSED, "%s: %s", line->file, strerror(errno));
    wire_put_bytes(&line->wire, line->rpc->body->number, content);
    return 0;
}

/* What stands in the path of the HTTP request is not part of the patch, and is always asked for. */
static void keep_patched(struct call_line *line, struct problem *problem)
{
    size_t kept = 0;
    for (size_t i = 0; i < line->set.count; i++) {
        const struct field *field = message_find(line->rpc->request, slice_text(line->set.paths[i]));
        if (!field || route_place(line->rpc, field) == PLACE_JSON)
            line->set.paths[kept++] = line->set.paths[i];
    }
    line->set.count = kept;
    for (size_t i = 0; i < line->rpc->request->count; i++) {
        const struct field *field = &line->rpc->request->fields[i];
        struct wire_field value;
        if (route_place(line->rpc, field) == PLACE_PATH && !wire_find(buffer_slice(&line->wire), field->number, &value))
            problem_add(line->arena, problem, arena_printf(line->arena, "/%s", field->name), "required", NULL);
    }
}

static int refuse(const struct problem *problem)
{
    complain_refused(problem->code);
    for (const struct violation *v = problem->first; v; v = v->next)
        print_violation(v->pointer, v->code, v->argument);
    return EXIT_REFUSED;
}

static int read_json(struct call_line *line)
{
    const struct rpc *rpc = line->rpc;
    const char *words = line->json ? line->json : "{}";
    struct slice json = slice_text(words);
    struct problem problem = { 0 };
    bool patch = rpc->verb == HTTP_PATCH;
    uint64_t taken = line->file ? UINT64_C(1) << rpc->body->index : 0;
    struct json_options options = { .patch = patch, .taken = &taken };
    if (strcmp(words, "-") == 0 && !read_file(line->arena, words, line->settings->max_message, &json))
        return complain(EXIT_REFUSED, "standard input: %s", strerror(errno));
    if (json_to_wire(line->arena, rpc->request, json, options, &line->wire, patch ? &line->set : NULL, &problem)) {
        struct rules_context rules = { .arena = line->arena, .problem = &problem };
        if (patch)
            keep_patched(line, &problem);
        rules_check(&rules, rpc->request, buffer_slice(&line->wire), patch ? &line->set : NULL);
    }
    if (problem.status != STATUS_OK)
        return refuse(&problem);
    line->request.n_set = line->set.count;
    memcpy(&line->request.set, &line->set.paths, sizeof line->request.set);
    return 0;
}

/* ---- the call ---- */

static int tell_reply(const struct call_line *line, const BusReply *reply, struct slice body)
{
    struct buffer json = buffer_in(line->arena);
    if (reply->status != CAMPUS__STATUS__OK) {
        complain_refused(reply->code ? reply->code : "internal");
        for (size_t i = 0; i < reply->n_violations; i++)
            print_violation(reply->violations[i]->pointer, reply->violations[i]->code, reply->violations[i]->argument);
        return EXIT_REFUSED;
    }
    if (!json_from_wire(line->rpc->reply, body, &json))
        return complain(EXIT_REFUSED, "the reply is no %s of this program's contract", line->rpc->reply->name);
    return puts(buffer_cstring(&json)) < 0 || fflush(stdout) != 0 ? EXIT_REFUSED : 0;
}

static int ask(struct call_line *line)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    const char *error = NULL;
    struct slice body;
    line->request.method = arena_strdup(line->arena, line->rpc->name);
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__REQUEST;
    envelope.request = &line->request;
    const struct control_question question = { .envelope = &envelope,
                                               .body = buffer_slice(&line->wire),
                                               .answer_ms = line->request.left_ms + ANSWER_SPARE_MS };
    const BusEnvelope *answer = control_ask(line->arena, line->settings, &question, &body, &error);
    if (!answer)
        return complain(EXIT_REFUSED, "%s", error);
    return answer->reply ? tell_reply(line, answer->reply, body) : complain(EXIT_REFUSED, "the answer is no reply");
}

int call_command(struct arena *arena, const struct settings *settings, const struct schema *schema,
                 const char *const *words)
{
    static int (*const stages[])(struct call_line * line) = { read_if_match, read_key,  read_timeout,
                                                              read_body,     read_json, ask };
    struct call_line line = { .arena = arena, .settings = settings, .wire = buffer_in(arena) };
    campus__bus__request__init(&line.request);
    if (!*words) {
        list_methods(arena, schema);
        return 0;
    }
    line.rpc = schema_rpc(schema, *words);
    if (!line.rpc)
        return complain(EXIT_USAGE, "there is no method %s (campus call lists them)", *words);
    const char *stranger = read_options(&line, words + 1);
    if (stranger)
        return complain(EXIT_USAGE, "what is %s? (campus --help)", stranger);
    int exit_code = 0;
    for (size_t i = 0; i < sizeof stages / sizeof *stages && !exit_code; i++)
        exit_code = stages[i](&line);
    return exit_code;
}
