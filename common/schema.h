/* schema.h -- the contract in proto/, as the program sees it: its messages (message.h) and its methods with their routes.
 *
 * Read once at start from the descriptor set that the build embeds; immutable from then on, so threads share it. */
#ifndef CAMPUS_SCHEMA_H
#define CAMPUS_SCHEMA_H

#include "common/arena.h"
#include "common/message.h"
#include "common/status.h"

enum rpc_kind { RPC_READ, RPC_WRITE };
enum rpc_access { ACCESS_GRANTED, ACCESS_OWNER, ACCESS_PUBLIC, ACCESS_AUTHENTICATED, ACCESS_INTERNAL };
enum http_verb { HTTP_NONE, HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE };

struct refusal {
    const char *code;
    enum status status;
    const char *en, *zh;
    const char *field; /* or NULL */
    const char *next_step; /* or NULL */
};

/* The methods of a service below a heading, "---- people ----"; without one, all of the service. */
struct section {
    const char *name; /* "people" */
    const char *comment; /* "" where there is none */
};

/* A method as the contract declares it. (What implements it is `struct method`, in a service's table.) */
struct rpc {
    const char *name; /* "GetPerson"; unique over all services */
    const char *service; /* "membership" */
    const struct section *section;
    const struct message *request, *reply;
    enum rpc_kind kind;
    enum rpc_access access;
    enum http_verb verb;
    const char *path; /* "/v1/people/{id}", or NULL without a route */
    const char *permission; /* or NULL */
    const char *location; /* or NULL */
    bool created, if_match;
    bool grants; /* the service is told all that the caller holds */
    uint32_t max_body_bytes, timeout_ms; /* timeout 0: the gateway's default */
    const char *const *body_types; /* NULL-terminated; empty where the body is JSON */
    const struct refusal *refusals;
    size_t refusal_count;
    const struct field *rows; /* of the reply: what a list's rows fill, or NULL */
    const struct field *etag; /* of the reply: its version, or NULL */
    const struct field *body; /* of the request: the raw body, or NULL */
    const char *comment;
};

struct schema {
    const struct message *messages;
    size_t message_count;
    const struct rpc *rpcs; /* of one service behind another, in the order of proto/ */
    size_t rpc_count;
};

/* Reads a FileDescriptorSet. On NULL, *error (in the arena) names what is wrong with the contract. */
const struct schema *schema_load(struct arena *arena, struct slice descriptor_set, const char **error)
    __attribute__((warn_unused_result));

const struct rpc *schema_rpc(const struct schema *schema, const char *name);
/* By full name. */
const struct message *schema_message(const struct schema *schema, const char *full_name);

/* Where a comment's first sentence ends: at its full stop and a space, or at the paragraph's end. */
const char *schema_first_sentence(const char *comment);

/* The reason with this code among those that the method declares, or NULL. */
const struct refusal *rpc_refusal(const struct rpc *rpc, const char *code);

#endif
