/* demo.h -- `campus demo`: fills an empty campus, through the calls of the API, with the organisations of a real university and
 * 20,000 students who do not exist. Safe to run twice, also after it was cut short. */
#ifndef CAMPUS_DEMO_H
#define CAMPUS_DEMO_H

#include "services/local.h"

/* Fills the database, or goes on with what was cut short; it has been marked before (demo_mark.h). The exit code; says on
 * standard output what it has done, on standard error what went wrong. `words` is not used. */
int demo_command(struct local *local, const struct schema *schema, const char *const *words);

#endif
