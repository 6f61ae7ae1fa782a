/* operator.c -- the one place where a caller without a key is made. */
#include "common/operator.h"

#include "bus.pb-c.h"

static const char nil_uuid[] = "00000000-0000-0000-0000-000000000000";

static char **list_of_one(struct arena *arena, const char *text)
{
    char **list = arena_alloc(arena, sizeof *list);
    *list = arena_strdup(arena, text);
    return list;
}

static Campus__Bus__Grant *grant_of_all(struct arena *arena)
{
    Campus__Bus__Grant *grant = arena_alloc(arena, sizeof *grant);
    campus__bus__grant__init(grant);
    grant->organisation = arena_strdup(arena, "");
    grant->permissions = list_of_one(arena, "*");
    grant->n_permissions = 1;
    return grant;
}

void operator_calls(struct arena *arena, BusRequest *request)
{
    Campus__Bus__Principal *caller = arena_alloc(arena, sizeof *caller);
    campus__bus__principal__init(caller);
    caller->id = arena_strdup(arena, nil_uuid);
    caller->grants = arena_alloc(arena, sizeof *caller->grants);
    *caller->grants = grant_of_all(arena);
    caller->n_grants = 1;
    request->caller = caller;
    request->scopes = list_of_one(arena, "");
    request->n_scopes = 1;
}
