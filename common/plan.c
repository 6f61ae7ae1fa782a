/* plan.c -- what gathering, binding and running share. */
#include "common/plan.h"

#include <stdio.h>

bool plans_complain(struct plans *plans, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    plans->error = arena_strdup(plans->arena, text);
    return false;
}

const struct plan *plans_find(const struct plans *plans, const char *rpc_name)
{
    for (size_t i = 0; i < plans->count; i++)
        if (strcmp(plans->all[i].rpc->name, rpc_name) == 0)
            return &plans->all[i];
    return NULL;
}
