/* health_command.h -- `campus health`: whether this host's process is ready, for health checks of containers. */
#ifndef CAMPUS_HEALTH_COMMAND_H
#define CAMPUS_HEALTH_COMMAND_H

#include "common/settings.h"

/* Asks /readyz where the setting metrics_listen says. 0 without a word, or 1 after one line, within two seconds. */
int health_command(const struct settings *settings);

#endif
