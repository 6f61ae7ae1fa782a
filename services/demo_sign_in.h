/* demo_sign_in.h -- `campus demo sign-in`: a session of who holds an office on the demo campus, so that every role can be tried.
 * Asks a running gateway (setting control). A campus that is no demo refuses. */
#ifndef CAMPUS_DEMO_SIGN_IN_H
#define CAMPUS_DEMO_SIGN_IN_H

#include "common/schema.h"
#include "common/settings.h"

/* The session's secret, of who holds the office `name` ("su.chair", "su.rights.head"), goes to standard output; without a name
 * the names there are. The exit code. */
int demo_sign_in(struct arena *arena, const struct settings *settings, const struct schema *schema, const char *name);

#endif
