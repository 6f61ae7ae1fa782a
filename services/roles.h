/* roles.h -- what the program can be: the gateway, and the services. One row each. */
#ifndef CAMPUS_ROLES_H
#define CAMPUS_ROLES_H

#include "common/service.h"

struct role {
    const char *name;
    const struct service *service; /* NULL: the gateway */
};

/* Ends with a row without a name. The gateway is first. */
extern const struct role roles[];

const struct role *role_find(const char *name);
/* The services' names, NULL-terminated, in the arena. */
const char *const *role_services(struct arena *arena);

/* Whether a service is among the named roles (none: all): a gateway alone does without the services' secret. */
bool roles_have_service(const char *const *names);

/* Starts the named roles (NULL-terminated; none: all) as threads and waits until SIGINT or SIGTERM; then stops the gateway
 * first, so that what it has taken is still answered. The program's exit code. */
int roles_serve(const char *const *names, const struct settings *settings, const struct schema *schema,
                const uint8_t secret[PAGE_SECRET]) __attribute__((warn_unused_result));

#endif
