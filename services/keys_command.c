/* keys_command.c -- the calls of the API, from the command line: the options are the fields of the request. */
#include "services/keys_command.h"

#include "common/json.h"
#include "common/rules.h"
#include "common/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct command {
    struct local *local;
    struct arena *arena;
    const struct rpc *rpc;
    struct buffer request;
    const char *file; /* where the secret goes, or NULL */
};

static int fail(const char *format, const char *detail)
{
    fprintf(stderr, "campus: ");
    fprintf(stderr, format, detail);
    fputc('\n', stderr);
    return 1;
}

/* "--permissions=a,b": each part is one value of a repeated field. */
static bool add_option(struct command *command, const char *option)
{
    const char *equals = strchr(option, '=');
    struct slice name = slice_of(option + 2, equals ? (size_t)(equals - option - 2) : 0);
    if (equals && slice_is(name, "file")) {
        command->file = equals + 1;
        return true;
    }
    const struct field *field = equals ? message_find(command->rpc->request, name) : NULL;
    if (!field || field->type == FIELD_MESSAGE)
        return fail("there is no option %s", option), false;
    for (const char *at = equals + 1; at;) {
        size_t size = field->repeated ? strcspn(at, ",") : strlen(at);
        if (json_scalar_from_text(field, slice_of(at, size), &command->request))
            return fail("the value of %s is not understood", option), false;
        at = at[size] ? at + size + 1 : NULL;
    }
    return true;
}

static bool check_request(struct command *command)
{
    struct problem problem = { 0 };
    struct rules_context rules = { .arena = command->arena, .problem = &problem, .bare_names = true };
    rules_check(&rules, command->rpc->request, buffer_slice(&command->request), NULL);
    if (problem.first)
        fail(arena_printf(command->arena, "option %s: %%s", problem.first->pointer), problem.first->code);
    return problem.status == STATUS_OK;
}

static bool write_secret(const struct command *command, struct slice reply)
{
    struct wire_field secret;
    const struct field *field = message_find(command->rpc->reply, slice_text("secret"));
    if (!field || !wire_find(reply, field->number, &secret))
        return fail("%s", "the reply has no secret"), false;
    int fd = open(command->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && fchmod(fd, 0600) == 0 &&
                   write(fd, secret.bytes.data, secret.bytes.size) == (ssize_t)secret.bytes.size &&
                   write(fd, "\n", 1) == 1;
    if (fd >= 0)
        close(fd);
    if (!written)
        fail("cannot write %s", command->file);
    return written;
}

static int call(struct command *command)
{
    struct slice reply;
    const char *code;
    struct buffer json = buffer_in(command->arena);
    if (!check_request(command))
        return 1;
    if (!local_call(command->local, command->arena, command->rpc->name, buffer_slice(&command->request), &reply, &code))
        return fail("refused: %s", code);
    if (command->file)
        return write_secret(command, reply) ? 0 : 1;
    if (!json_from_wire(command->rpc->reply, reply, &json))
        return fail("%s", "the reply is broken");
    puts(buffer_cstring(&json));
    return 0;
}

static const struct {
    const char *verb, *method;
    bool id; /* a bare word is the key's id */
} verbs[] = {
    { "create", "CreateKey", false },
    { "list", "ListKeys", false },
    { "revoke", "RevokeKey", true },
};

static int run_verb(struct command *command, bool id, const char *const *words)
{
    for (; *words; words++) {
        const char *option = *words;
        if (id && strncmp(option, "--", 2) != 0)
            option = arena_printf(command->arena, "--id=%s", option);
        if (!add_option(command, option))
            return 1;
    }
    return call(command);
}

int keys_command(struct local *local, const struct schema *schema, const char *const *words)
{
    struct arena *arena = arena_new();
    int exit_code = -1;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs && *words; i++) {
        if (strcmp(verbs[i].verb, *words) != 0)
            continue;
        struct command command = {
            .local = local, .arena = arena, .rpc = schema_rpc(schema, verbs[i].method), .request = buffer_in(arena)
        };
        exit_code = run_verb(&command, verbs[i].id, words + 1);
    }
    if (exit_code < 0)
        exit_code = fail("%s", "key create|list|revoke (campus --help tells more)");
    arena_free(arena);
    return exit_code;
}
