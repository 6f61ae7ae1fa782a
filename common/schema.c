/* schema.c -- looking things up in the contract. */
#include "common/schema.h"

#include <ctype.h>

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

const char *schema_first_sentence(const char *comment)
{
    const char *at = comment;
    while (*at && !(at[0] == '.' && (at[1] == '\0' || isspace((unsigned char)at[1]))) &&
           !(at[0] == '\n' && at[1] == '\n'))
        at++;
    return at;
}
