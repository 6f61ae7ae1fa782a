/* settings.c -- the table at run time. */
#include "common/settings.h"

#include "common/statement.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum kind { KIND_TEXT, KIND_NUMBER };

static const struct entry {
    const char *name, *initial, *help;
    enum kind kind;
    size_t offset;
    uint32_t least, most;
} entries[] = {
#define ENTRY_TEXT(name, initial, help) { #name, initial, help, KIND_TEXT, offsetof(struct settings, name), 0, 0 },
#define ENTRY_NUMBER(name, initial, least, most, help)                                                                 \
    { #name, #initial, help, KIND_NUMBER, offsetof(struct settings, name), least, most },
    SETTINGS(ENTRY_TEXT, ENTRY_NUMBER)
};

enum { ENTRY_COUNT = sizeof entries / sizeof *entries };

static bool set_number(struct arena *arena, const struct entry *entry, uint32_t *place, const char *value,
                       const char **error)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || errno || number < entry->least || number > entry->most) {
        *error = arena_printf(arena, "setting %s: '%s' is not a number from %u to %u", entry->name, value, entry->least,
                              entry->most);
        return false;
    }
    *place = (uint32_t)number;
    return true;
}

static bool set(struct arena *arena, struct settings *settings, const struct entry *entry, const char *value,
                const char **error)
{
    char *place = (char *)settings + entry->offset;
    if (entry->kind == KIND_NUMBER)
        return set_number(arena, entry, (uint32_t *)(void *)place, value, error);
    const char *text = arena_strdup(arena, value);
    memcpy(place, &text, sizeof text);
    return true;
}

static const char *from_environment(struct arena *arena, const struct entry *entry)
{
    char *name = arena_printf(arena, "CAMPUS_%s", entry->name);
    for (char *at = name; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return getenv(name);
}

static const struct entry *find_entry(struct slice name)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        if (slice_is(name, entries[i].name))
            return &entries[i];
    return NULL;
}

static const struct entry *entry_of_option(const char *word)
{
    const char *equals = strchr(word, '=');
    return strncmp(word, "--", 2) == 0 && equals ? find_entry(slice_of(word + 2, (size_t)(equals - word - 2))) : NULL;
}

bool settings_read(struct arena *arena, struct settings *settings, char **argv, const char ***rest, const char **error)
{
    size_t count = 0;
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        const char *value = from_environment(arena, &entries[i]);
        if (!set(arena, settings, &entries[i], value ? value : entries[i].initial, error))
            return false;
    }
    while (argv[count])
        count++;
    *rest = arena_zalloc(arena, (count + 1) * sizeof **rest);
    for (size_t i = 1, kept = 0; i < count; i++) {
        const struct entry *entry = entry_of_option(argv[i]);
        if (!entry)
            (*rest)[kept++] = argv[i];
        else if (!set(arena, settings, entry, strchr(argv[i], '=') + 1, error))
            return false;
    }
    return true;
}

void settings_help(FILE *out)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        fprintf(out, "  --%s=%s\n        %s\n", entries[i].name, entries[i].initial, entries[i].help);
}

const char *const *settings_list(struct arena *arena, const char *text)
{
    struct slice *parts;
    size_t count = names_split(arena, text, &parts);
    const char **list = arena_zalloc(arena, (count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = arena_text(arena, parts[i]);
    return list;
}
