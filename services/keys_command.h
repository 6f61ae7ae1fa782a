/* keys_command.h -- `campus key create|list|revoke`. */
#ifndef CAMPUS_KEYS_COMMAND_H
#define CAMPUS_KEYS_COMMAND_H

#include "services/local.h"

/* The exit code; says on standard error what went wrong. */
int keys_command(struct local *local, const struct schema *schema, const char *const *words);

#endif
