/* local.h -- calls from the program's own commands: a service beside, in this process, asked over the bus as a gateway
 * would. So a command obeys the same rules and leaves the same traces as a request. */
#ifndef CAMPUS_LOCAL_H
#define CAMPUS_LOCAL_H

#include "services/roles.h"

struct local;

/* Starts the service in a thread. NULL after one log line. */
struct local *local_open(const struct role *role, const struct settings *settings, const struct schema *schema,
                         const uint8_t secret[PAGE_SECRET]);
/* NULL is fine. */
void local_close(struct local *local);

/* Calls a method as the operator, who may do all. True when it succeeded: *reply then lies in `arena`. Otherwise *code is
 * the refusal's code. */
bool local_call(struct local *local, struct arena *arena, const char *method, struct slice request, struct slice *reply,
                const char **code) __attribute__((warn_unused_result));

#endif
