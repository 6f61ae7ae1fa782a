/* fuzz_allowed.c -- a list of allowed keys of any bytes: who is let in stands in it, as what is written there. */
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/allowed.h"
#include "common/curve.h"

enum { MOST_ENTRIES = 1024 };

/* The list as a file has it, in memory. */
static struct allowed *load(struct arena *arena, struct slice content, const char **error)
{
    int file = memfd_create("allowed", MFD_CLOEXEC);
    need(file >= 0 && write(file, content.data, content.size) == (ssize_t)content.size);
    struct allowed *allowed = allowed_load(arena, arena_printf(arena, "/proc/self/fd/%d", file), error);
    close(file);
    return allowed;
}

static struct slice take_word(struct slice *line)
{
    static const char spaces[] = " \t\v\f\r";
    while (line->size && strchr(spaces, line->data[0]))
        fuzz_byte(line);
    size_t size = 0;
    while (size < line->size && !strchr(spaces, line->data[size]))
        size++;
    struct slice word = slice_of(line->data, size);
    if (size)
        *line = slice_of(line->data + size, line->size - size);
    return word;
}

/* Whether the line means anything; false for an empty one and a comment. */
static bool is_entry(struct slice line)
{
    bool comment = line.size >= 2 && memcmp(line.data, "# ", 2) == 0;
    for (size_t i = 0; i < line.size && !comment; i++)
        if (!strchr(" \t#", line.data[i]))
            return true;
    return false;
}

/* Each role that is listed, and none that is not. */
static void check_roles(struct arena *arena, const struct allowed *allowed, const char *key, struct slice roles)
{
    bool any = false;
    while (roles.size) {
        struct slice role = fuzz_take(&roles, ',');
        any = any || slice_is(role, "*");
        need(role.size == 0 || allowed_may(allowed, key, arena_text(arena, role)));
    }
    need(any || !allowed_may(allowed, key, "a role with spaces"));
}

static void check_entry(struct arena *arena, const struct allowed *allowed, struct slice line)
{
    struct slice key = take_word(&line), roles = take_word(&line), name = take_word(&line);
    need(key.size == CURVE_TEXT - 1 && roles.size && name.size && take_word(&line).size == 0);
    const char *text = arena_text(arena, key), *known = allowed_name(allowed, text);
    need(known && slice_is(name, known));
    check_roles(arena, allowed, text, roles);
}

static bool holds(const struct slice *keys, size_t count, struct slice key)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(keys[i], key))
            return true;
    return false;
}

/* A file that is taken means in each of its lines what it says; of two lines with one key the first counts. */
static void check_list(struct arena *arena, const struct allowed *allowed, struct slice content)
{
    need(content.size == 0 || !memchr(content.data, '\0', content.size));
    struct slice seen[MOST_ENTRIES];
    size_t count = 0;
    while (content.size) {
        struct slice line = fuzz_take(&content, '\n'), rest;
        line.size -= line.size && line.data[line.size - 1] == '\r';
        need(line.size == 0 || !memchr(line.data, '\r', line.size));
        rest = line;
        if (!is_entry(line))
            continue;
        need(count < MOST_ENTRIES);
        seen[count] = take_word(&rest);
        if (!holds(seen, count, seen[count]))
            check_entry(arena, allowed, line);
        count++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct slice content = slice_of(data, size);
    const char *error = NULL;
    struct allowed *allowed = load(arena, content, &error);
    need((allowed == NULL) == (error != NULL));
    if (allowed) {
        check_list(arena, allowed, content);
        need(!allowed_name(allowed, "") && !allowed_may(allowed, "", "*"));
    }
    allowed_free(allowed);
    arena_free(arena);
    return 0;
}
