/* secret_file.h -- a password that an operator gives as a file: its first line. */
#ifndef CAMPUS_SECRET_FILE_H
#define CAMPUS_SECRET_FILE_H

#include "common/arena.h"

/* False with *error, which names the setting, where the file cannot be read, is empty or too long. */
bool secret_file_read(struct arena *arena, const char *setting, const char *path, const char **secret,
                      const char **error) __attribute__((warn_unused_result));

#endif
