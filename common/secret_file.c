/* secret_file.c */
#include "common/secret_file.h"

#include <fcntl.h>
#include <unistd.h>

enum { LONGEST = 4096 };

bool secret_file_read(struct arena *arena, const char *setting, const char *path, const char **secret,
                      const char **error)
{
    char *text = arena_zalloc(arena, LONGEST + 2);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, LONGEST + 1) : -1;
    if (fd >= 0)
        close(fd);
    if (size >= 0)
        text[strcspn(text, "\r\n")] = '\0';
    *secret = text;
    if (size > 0 && size <= LONGEST && *text)
        return true;
    *error = arena_printf(arena, "setting %s: '%s' is no readable file with a secret", setting, path);
    return false;
}
