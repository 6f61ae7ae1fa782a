/* schema.c -- looking things up in the contract. */
#include "common/schema.h"

const struct rpc *schema_rpc(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->rpc_count; i++)
        if (strcmp(schema->rpcs[i].name, name) == 0)
            return &schema->rpcs[i];
    return NULL;
}

const struct message *schema_message(const struct schema *schema, const char *full_name)
{
    for (size_t i = 0; i < schema->message_count; i++)
        if (strcmp(schema->messages[i].full_name, full_name) == 0)
            return &schema->messages[i];
    return NULL;
}

const struct refusal *rpc_refusal(const struct rpc *rpc, const char *code)
{
    for (size_t i = 0; i < rpc->refusal_count; i++)
        if (strcmp(rpc->refusals[i].code, code) == 0)
            return &rpc->refusals[i];
    return NULL;
}
