/* call_command.h -- `campus call`: a method of the API, asked of a running gateway as the operator. */
#ifndef CAMPUS_CALL_COMMAND_H
#define CAMPUS_CALL_COMMAND_H

#include "common/schema.h"
#include "common/settings.h"

/* The words behind `call`: METHOD, its request as JSON, options. Without words, lists the methods. The exit code: 0, 1 where
 * it was refused or nobody answered, 2 where the words are not understood. */
int call_command(struct arena *arena, const struct settings *settings, const struct schema *schema,
                 const char *const *words);

#endif
