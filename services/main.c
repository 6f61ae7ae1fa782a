/* main.c -- the one program: a table of commands. */
#include "common/embed.h"
#include "common/log.h"
#include "common/migrate.h"
#include "common/version.h"
#include "services/bus_keys_command.h"
#include "services/call_command.h"
#include "services/demo.h"
#include "services/demo_mark.h"
#include "services/demo_sign_in.h"
#include "services/health_command.h"
#include "services/keys_command.h"
#include "services/local.h"
#include "services/roles.h"
#include "services/status_command.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* What a command gets. */
struct command_line {
    struct arena *arena;
    struct settings settings;
    const char **words; /* behind the command's own name, NULL-terminated */
    struct demo_mark *mark; /* of demo, until it ends */
};

static int fail(const char *error)
{
    fprintf(stderr, "campus: %s\n", error);
    return 1;
}

static const struct schema *load_schema(struct arena *arena)
{
    const char *error = NULL;
    const struct schema *schema = schema_load(arena, embed_get("schema.binpb"), &error);
    if (!schema)
        fail(error);
    return schema;
}

/* The server's secret: exactly 32 bytes. There is no default. */
static bool load_secret(const struct settings *settings, uint8_t secret[PAGE_SECRET])
{
    uint8_t extra;
    int fd = *settings->secret_file ? open(settings->secret_file, O_RDONLY | O_CLOEXEC) : -1;
    bool whole = fd >= 0 && read(fd, secret, PAGE_SECRET) == PAGE_SECRET && read(fd, &extra, 1) == 0;
    if (fd >= 0)
        close(fd);
    if (!whole)
        fprintf(stderr, "campus: setting secret_file: '%s' is no readable file of %d random bytes\n",
                settings->secret_file, PAGE_SECRET);
    return whole;
}

static int serve(struct command_line *line)
{
    uint8_t secret[PAGE_SECRET] = { 0 };
    const struct schema *schema = load_schema(line->arena);
    if (!schema || (roles_have_service(line->words) && !load_secret(&line->settings, secret)))
        return 1;
    return roles_serve(line->words, &line->settings, schema, secret);
}

static int run_migrations(struct command_line *line)
{
    const char *error = NULL;
    if (!migrate(line->arena, line->settings.database, role_services(line->arena), stdout, &error))
        return fail(error);
    return 0;
}

/* Runs what needs the membership service beside it. `before`, where there is one, has its say before the service starts. */
static int with_membership(struct command_line *line, bool (*before)(struct command_line *line),
                           int (*run)(struct local *local, const struct schema *schema, const char *const *words))
{
    uint8_t secret[PAGE_SECRET];
    const struct schema *schema = load_schema(line->arena);
    if (!schema || !load_secret(&line->settings, secret) || (before && !before(line)))
        return 1;
    log_set_level(LOG_WARNING); /* a command speaks by its output */
    struct local *local = local_open(role_find("membership"), &line->settings, schema, secret);
    int exit_code = run(local, schema, line->words);
    local_close(local);
    return exit_code;
}

static int key(struct command_line *line)
{
    return with_membership(line, NULL, keys_command);
}

static int bus_keys(struct command_line *line)
{
    return bus_keys_command(line->arena, line->words);
}

/* What is about to be emptied is locked meanwhile: a service could not start. */
static bool mark_demo(struct command_line *line)
{
    const char *error = NULL;
    line->mark = demo_mark_open(line->arena, line->settings.database, &error);
    bool reset = *line->words && strcmp(*line->words, "reset") == 0;
    bool marked = line->mark && (reset ? demo_mark_reset : demo_mark_set)(line->mark, &error);
    if (!marked)
        fail(error);
    return marked;
}

static int demo(struct command_line *line)
{
    const char *const *words = line->words;
    bool sign_in = *words && strcmp(*words, "sign-in") == 0, reset = *words && strcmp(*words, "reset") == 0;
    bool fits = sign_in ? !words[1] || !words[2] : reset ? !words[1] : !*words;
    if (!fits) {
        fail("demo takes reset, or sign-in and the name of an office, or nothing");
        return EXIT_USAGE;
    }
    if (sign_in) {
        const struct schema *schema = load_schema(line->arena);
        return schema ? demo_sign_in(line->arena, &line->settings, schema, words[1]) : 1;
    }
    int exit_code = with_membership(line, mark_demo, demo_command);
    demo_mark_close(line->mark);
    return exit_code;
}

static int call(struct command_line *line)
{
    const struct schema *schema = load_schema(line->arena);
    return schema ? call_command(line->arena, &line->settings, schema, line->words) : 1;
}

static int status(struct command_line *line)
{
    const struct schema *schema = load_schema(line->arena);
    return schema ? status_command(line->arena, &line->settings, schema, line->words) : 1;
}

static int health(struct command_line *line)
{
    return health_command(&line->settings);
}

static int version(struct command_line *line)
{
    (void)line;
    puts("campus " CAMPUS_VERSION);
    return 0;
}

/* What may stand behind a command's name, beside settings. */
enum words { NO_WORDS, WORDS, WORDS_AND_OPTIONS };

static const struct {
    const char *name, *arguments, *help;
    int (*run)(struct command_line *line);
    enum words words;
} commands[] = {
    { "serve", "[ROLE...]", "run the named roles, or all: gateway, membership", serve, WORDS },
    { "migrate", "", "bring the database's schema up to this program", run_migrations, NO_WORDS },
    { "key", "create --name=N --permissions=P[,P] [--organisation=O] [--file=F] | list | revoke ID", "API keys", key,
      WORDS_AND_OPTIONS },
    { "keys", "new NAME [--serves=ROLE[,ROLE]] [--folder=DIR]",
      "NAME.secret and NAME.public for a bus over tcp; --serves adds it to the list DIR/allowed", bus_keys,
      WORDS_AND_OPTIONS },
    { "call", "[METHOD [JSON|-] [--file=BODY] [--key=K] [--if-match=VERSION] [--timeout=MS]]",
      "ask a running gateway (setting control) as the operator; without a METHOD, list them", call, WORDS_AND_OPTIONS },
    { "status", "[--json]", "tell of a running gateway (setting control) and its workers; 1 where it is not ready",
      status, WORDS_AND_OPTIONS },
    { "health", "", "ask this host's process (setting metrics_listen) whether it is ready; 1 where it is not", health,
      NO_WORDS },
    { "demo", "[reset | sign-in [OFFICE]]",
      "fill an empty database with the demo campus; empty a demo campus and fill it anew; or a session of who holds an "
      "office there (su.chair, su.rights.head)",
      demo, WORDS },
    { "version", "", "say which program this is", version, NO_WORDS },
};

/* The word that the command does not take, or NULL. */
static const char *find_stranger(enum words takes, const char *const *words)
{
    if (takes == NO_WORDS)
        return *words;
    for (; takes == WORDS && *words; words++)
        if (strncmp(*words, "--", 2) == 0)
            return *words;
    return NULL;
}

static int help(FILE *out, int exit_code)
{
    fputs("usage: campus COMMAND [--SETTING=VALUE...]\n\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %s %s\n        %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    fputs("\nsettings, also as CAMPUS_<NAME> in the environment:\n", out);
    settings_help(out);
    return exit_code;
}

static bool set_log_level(const char *name)
{
    static const char *const levels[] = { "debug", "info", "warning", "error" };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i], name) == 0) {
            log_set_level((enum log_level)i);
            return true;
        }
    return false;
}

static int run(struct arena *arena, char **argv)
{
    struct command_line line = { .arena = arena };
    const char *error = NULL;
    if (!settings_read(arena, &line.settings, argv, &line.words, &error))
        return fail(error);
    if (!set_log_level(line.settings.log_level))
        return fail("setting log_level: not debug, info, warning or error");
    const char *name = *line.words ? *line.words++ : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        const char *stranger = find_stranger(commands[i].words, line.words);
        if (stranger) {
            fail(arena_printf(arena,
                              strncmp(stranger, "--", 2) == 0 ? "there is no setting %s (campus --help lists them)"
                                                              : "what is %s? (campus --help)",
                              stranger));
            return EXIT_USAGE;
        }
        return commands[i].run(&line);
    }
    return help(stderr, EXIT_USAGE);
}

int main(int argc, char **argv)
{
    (void)argc;
    if (argv[1] && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0))
        return help(stdout, 0);
    if (sodium_init() < 0)
        return fail("libsodium does not start");
    signal(SIGPIPE, SIG_IGN);
    struct arena *arena = arena_new();
    int exit_code = run(arena, argv);
    arena_free(arena);
    return exit_code;
}
