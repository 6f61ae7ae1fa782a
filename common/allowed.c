/* allowed.c -- the list, as it was when the file was last whole. */
#include "common/allowed.h"

#include "common/clock.h"
#include "common/curve.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

enum {
    LONGEST_LINE = 512,
    MOST_KEYS = 1024,
    SETTLE_US = 100000, /* who writes the file in place empties it first: what has just changed may be half of it */
};

struct entry {
    char key[CURVE_TEXT];
    const char *roles, *name;
};

/* What the file held at one time. */
struct content {
    struct arena *arena;
    struct entry *entries;
    size_t count;
};

struct allowed {
    char *path;
    struct content content;
    struct stat seen; /* the file that was read last, whole or not */
};

/* Whether the line is an entry; false leaves it unread. An empty line and a comment are handled by the caller. */
static bool read_entry(struct arena *arena, const char *line, struct entry *entry)
{
    char key[64], roles[LONGEST_LINE], name[LONGEST_LINE], excess;
    uint8_t bytes[32];
    if (sscanf(line, "%63s %511s %511s %c", key, roles, name, &excess) != 3 || strlen(key) != CURVE_TEXT - 1 ||
        !zmq_z85_decode(bytes, key))
        return false;
    memcpy(entry->key, key, CURVE_TEXT);
    entry->roles = arena_strdup(arena, roles);
    entry->name = arena_strdup(arena, name);
    return true;
}

/* Takes its end off the line. False where it is too long, or holds a NUL or a CR, behind which more could hide. */
static bool tidy_line(char *line, size_t size)
{
    if (size >= LONGEST_LINE || strlen(line) != size)
        return false;
    if (size && line[size - 1] == '\n')
        line[--size] = '\0';
    if (size && line[size - 1] == '\r')
        line[--size] = '\0';
    return !strchr(line, '\r');
}

static bool says_nothing(const char *line)
{
    return strncmp(line, "# ", 2) == 0 || !line[strspn(line, " \t#")];
}

/* The file's content, with *line 0; else *line is the one at fault. */
static struct content read_content(FILE *file, size_t *line)
{
    struct content content = { .arena = arena_new() };
    char *text = NULL;
    size_t capacity = 0, number = 0;
    ssize_t size;
    *line = 0;
    content.entries = arena_alloc(content.arena, MOST_KEYS * sizeof *content.entries);
    while (!*line && (size = getline(&text, &capacity, file)) >= 0) {
        number++;
        bool tidy = tidy_line(text, (size_t)size);
        if (tidy && says_nothing(text))
            continue;
        if (tidy && content.count < MOST_KEYS && read_entry(content.arena, text, &content.entries[content.count]))
            content.count++;
        else
            *line = number;
    }
    free(text);
    return content;
}

/* Takes over what the file holds; false with *line or, where that is 0, errno, and the list as it was. */
static bool read_file(struct allowed *allowed, size_t *line)
{
    FILE *file = fopen(allowed->path, "re");
    *line = 0;
    if (!file || fstat(fileno(file), &allowed->seen) != 0) {
        if (file)
            fclose(file);
        return false;
    }
    struct content content = read_content(file, line);
    int error = ferror(file) ? errno : 0; /* a folder can be opened, too */
    fclose(file);
    if (*line || error) {
        arena_free(content.arena);
        errno = error;
        return false;
    }
    arena_free(allowed->content.arena);
    allowed->content = content;
    return true;
}

struct allowed *allowed_load(struct arena *arena, const char *path, const char **error)
{
    struct allowed *allowed = calloc(1, sizeof *allowed);
    size_t line = 0;
    if (!allowed || !(allowed->path = strdup(path)))
        abort();
    if (*path && read_file(allowed, &line))
        return allowed;
    const char *reason = *path ? strerrordesc_np(errno) : "a bus over tcp needs it";
    if (line)
        reason = arena_printf(arena, "line %zu is not KEY ROLE[,ROLE] NAME", line);
    *error = arena_printf(arena, "setting allowed_keys_file: '%s': %s", path, reason);
    allowed_free(allowed);
    return NULL;
}

void allowed_free(struct allowed *allowed)
{
    if (!allowed)
        return;
    arena_free(allowed->content.arena);
    free(allowed->path);
    free(allowed);
}

/* By the time of its last change of any kind: whoever may read it is one, and nobody can set that time. */
static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Where the clock has been set back since, the file counts as settled. */
static bool is_settled(const struct stat *file)
{
    int64_t age_us = clock_wall_us() - ((int64_t)file->st_ctim.tv_sec * 1000000 + file->st_ctim.tv_nsec / 1000);
    return age_us < 0 || age_us >= SETTLE_US;
}

void allowed_refresh(struct allowed *allowed)
{
    struct stat now;
    size_t line;
    if (stat(allowed->path, &now) != 0 || same_file(&now, &allowed->seen) || !is_settled(&now))
        return;
    allowed->seen = now; /* one look at each state of it, and one log line */
    if (read_file(allowed, &line))
        log_info("allowed keys read", "keys=%zu", allowed->content.count);
    else if (line)
        log_error("allowed keys not understood", "line=%zu", line);
    else
        log_error("allowed keys not readable", "errno=%d", errno);
}

static const struct entry *find(const struct allowed *allowed, const char *key)
{
    for (size_t i = 0; i < allowed->content.count; i++)
        if (strcmp(allowed->content.entries[i].key, key) == 0)
            return &allowed->content.entries[i];
    return NULL;
}

const char *allowed_name(const struct allowed *allowed, const char *key)
{
    const struct entry *entry = find(allowed, key);
    return entry ? entry->name : NULL;
}

static bool lists(const char *roles, const char *role)
{
    size_t size = strlen(role);
    for (const char *at = roles; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == size && memcmp(at, role, size) == 0)
            return true;
    return false;
}

bool allowed_may(const struct allowed *allowed, const char *key, const char *role)
{
    const struct entry *entry = find(allowed, key);
    return entry && (lists(entry->roles, role) || lists(entry->roles, "*"));
}
