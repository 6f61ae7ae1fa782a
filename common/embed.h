/* embed.h -- the files that travel inside the program: the contract, the statements, the migrations. See deploy/embed. */
#ifndef CAMPUS_EMBED_H
#define CAMPUS_EMBED_H

#include "common/arena.h"

#include <assert.h>

/* Ends with a NULL name. A NUL byte follows each file's content and does not count. */
struct embedded {
    const char *name; /* its path in the tree: "services/membership/people.sql"; "schema.binpb" is the contract */
    struct slice content;
};

extern const struct embedded embedded_files[];

/* NULL where there is no such file. */
static inline const struct embedded *embed_find(const char *name)
{
    for (const struct embedded *file = embedded_files; file->name; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

/* The content of a file that every build has. */
static inline struct slice embed_get(const char *name)
{
    const struct embedded *file = embed_find(name);
    assert(file);
    return file->content;
}

/* All statements of a service: services/<service>/<noun>.sql as one text in the arena; size 0 where it has none. */
struct slice embed_statements(struct arena *arena, const char *service);

#endif
