/* status_command.h -- `campus status`: what a running gateway knows of itself and of all who work for it. */
#ifndef CAMPUS_STATUS_COMMAND_H
#define CAMPUS_STATUS_COMMAND_H

#include "common/schema.h"
#include "common/settings.h"

/* Prints it as text, or with the word --json as one JSON object. The exit code: 0 where all is ready, 1 where it is not or
 * nobody answers, 2 where the words are not understood. */
int status_command(struct arena *arena, const struct settings *settings, const struct schema *schema,
                   const char *const *words);

#endif
