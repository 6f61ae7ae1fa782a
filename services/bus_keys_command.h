/* bus_keys_command.h -- `campus keys new NAME`: keys for a bus over tcp. */
#ifndef CAMPUS_BUS_KEYS_COMMAND_H
#define CAMPUS_BUS_KEYS_COMMAND_H

#include "common/arena.h"

/* The exit code; says on standard error what went wrong. `words` are `new NAME [--serves=ROLE[,ROLE]] [--folder=DIR]`. */
int bus_keys_command(struct arena *arena, const char *const *words);

#endif
