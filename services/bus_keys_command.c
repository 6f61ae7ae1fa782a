/* bus_keys_command.c -- a pair of keys, and the line of the list that lets it in. */
#include "services/bus_keys_command.h"

#include "common/curve.h"
#include "services/roles.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST_NAME = 64 };

struct request {
    const char *name, *serves, *folder;
};

static int fail(const char *error)
{
    fprintf(stderr, "campus: %s\n", error);
    return 1;
}

static const struct {
    const char *option;
    size_t place;
} options[] = {
    { "--serves=", offsetof(struct request, serves) },
    { "--folder=", offsetof(struct request, folder) },
};

static bool take_option(struct request *request, const char *word)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t size = strlen(options[i].option);
        if (strncmp(word, options[i].option, size) != 0)
            continue;
        const char *value = word + size;
        memcpy((char *)request + options[i].place, &value, sizeof value);
        return true;
    }
    return false;
}

/* A file's name, and a word of the list. */
static bool is_name(const char *name)
{
    size_t size = strlen(name);
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("_-", *at))
            return false;
    return size >= 1 && size <= LONGEST_NAME;
}

static bool is_service(struct arena *arena, const char *word, size_t size)
{
    const struct role *role = role_find(arena_text(arena, slice_of(word, size)));
    return role && role->service;
}

/* NULL, or the complaint. */
static const char *check(struct arena *arena, const struct request *request)
{
    if (!request->name || !is_name(request->name))
        return "keys new NAME: a name of letters, digits, _ and -";
    if (request->serves && !*request->serves)
        return "--serves= names no service";
    for (const char *at = request->serves; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (!is_service(arena, at, strcspn(at, ",")))
            return arena_printf(arena, "--serves=%s: there is no such service", request->serves);
    return NULL;
}

/* Whether the last line has been left without its end. */
static bool ends_open(int fd)
{
    struct stat status;
    char last;
    return fstat(fd, &status) == 0 && status.st_size > 0 && pread(fd, &last, 1, status.st_size - 1) == 1 &&
           last != '\n';
}

/* One write at the end of the list: a gateway that reads it meanwhile sees the line or not. */
static bool append(struct arena *arena, const struct request *request, const char *public_key)
{
    const char *path = arena_printf(arena, "%s/allowed", request->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *line = arena_printf(arena, "%s%s %s %s\n", fd >= 0 && ends_open(fd) ? "\n" : "", public_key,
                                    request->serves, request->name);
    bool written = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line) && fsync(fd) == 0;
    if (!written)
        fail(arena_printf(arena, "%s: %s", path, strerrordesc_np(errno)));
    if (fd >= 0)
        close(fd);
    return written;
}

static int new_keys(struct arena *arena, const struct request *request)
{
    char public_key[CURVE_TEXT];
    const char *error = check(arena, request);
    if (error || !curve_make(arena, request->folder, request->name, public_key, &error))
        return fail(error);
    return request->serves && !append(arena, request, public_key) ? 1 : 0;
}

int bus_keys_command(struct arena *arena, const char *const *words)
{
    struct request request = { .folder = "." };
    if (!*words || strcmp(*words, "new") != 0)
        return fail("keys new NAME (campus --help tells more)");
    for (words++; *words; words++) {
        bool option = strncmp(*words, "--", 2) == 0;
        if (option ? !take_option(&request, *words) : request.name != NULL)
            return fail(arena_printf(arena, "keys new: what is %s?", *words));
        if (!option)
            request.name = *words;
    }
    return new_keys(arena, &request);
}
