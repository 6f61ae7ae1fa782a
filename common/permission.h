/* permission.h -- permissions are service.resource.verb; what a caller holds are patterns of them, in subtrees. Pure. */
#ifndef CAMPUS_PERMISSION_H
#define CAMPUS_PERMISSION_H

#include <stdbool.h>
#include <string.h>

/* "*" covers all, "membership.*" what begins with "membership.", anything else itself. */
static inline bool permission_covers(const char *pattern, const char *permission)
{
    size_t size = strlen(pattern);
    if (size && pattern[size - 1] == '*')
        return strncmp(pattern, permission, size - 1) == 0;
    return strcmp(pattern, permission) == 0;
}

/* Whether an organisation's path is `subtree` or lies under it; "" is all. */
static inline bool path_within(const char *path, const char *subtree)
{
    size_t size = strlen(subtree);
    return size == 0 || (strncmp(path, subtree, size) == 0 && (path[size] == '\0' || path[size] == '.'));
}

#endif
