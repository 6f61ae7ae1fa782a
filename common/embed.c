/* embed.c -- a service's statements, gathered from the files beside its code. */
#include "common/embed.h"

#include "common/buffer.h"

/* "services/membership/people.sql" is one of membership's; what lies deeper, as its migrations do, is not. */
static bool is_of(const char *file, const char *folder)
{
    size_t size = strlen(folder), length = strlen(file);
    return strncmp(file, folder, size) == 0 && !strchr(file + size, '/') && length > 4 &&
           strcmp(file + length - 4, ".sql") == 0;
}

struct slice embed_statements(struct arena *arena, const char *service)
{
    const char *folder = arena_printf(arena, "services/%s/", service);
    struct buffer all = buffer_in(arena);
    for (const struct embedded *file = embedded_files; file->name; file++)
        if (is_of(file->name, folder))
            buffer_add(&all, file->content.data, file->content.size);
    return buffer_slice(&all);
}
