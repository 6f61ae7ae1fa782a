/* schema_rpcs.c -- the methods of the contract: their routes, permissions, refusals, and whether these fit together. */
#include "common/schema_loader.h"

#include "options.pb-c.h"

#include <ctype.h>

typedef Google__Protobuf__MethodDescriptorProto RpcProto;

enum { METHOD_OPTION = 50801 };

_Static_assert((int)ACCESS_INTERNAL == (int)CAMPUS__METHOD__ACCESS__INTERNAL, "schema.h follows options.proto");

static const struct refusal *refusals_of(struct schema_loader *loader, const Campus__Method *option)
{
    struct refusal *refusals = arena_zalloc(loader->arena, (option->n_refusal + 1) * sizeof *refusals);
    for (size_t i = 0; i < option->n_refusal; i++) {
        const Campus__Refusal *r = option->refusal[i];
        if (r->status == CAMPUS__STATUS__OK)
            schema_refuse(loader, arena_printf(loader->arena, "refusal %s has the status OK", r->code));
        refusals[i] = (struct refusal){ .code = r->code,
                                        .status = (enum status)r->status,
                                        .en = r->en,
                                        .zh = r->zh,
                                        .field = r->field,
                                        .next_step = r->next_step };
    }
    return refusals;
}

static const struct field *marked_field(const struct message *message, size_t mark)
{
    for (size_t i = 0; i < message->count; i++)
        if (*(const bool *)((const char *)&message->fields[i] + mark))
            return &message->fields[i];
    return NULL;
}

static void route_of(const Campus__Method *option, struct rpc *rpc)
{
    static const enum http_verb verbs[] = {
        [CAMPUS__METHOD__ROUTE_GET] = HTTP_GET,       [CAMPUS__METHOD__ROUTE_POST] = HTTP_POST,
        [CAMPUS__METHOD__ROUTE_PUT] = HTTP_PUT,       [CAMPUS__METHOD__ROUTE_PATCH] = HTTP_PATCH,
        [CAMPUS__METHOD__ROUTE_DELETE] = HTTP_DELETE,
    };
    if (option->route_case == CAMPUS__METHOD__ROUTE__NOT_SET)
        return;
    rpc->verb = verbs[option->route_case];
    rpc->path = option->get; /* the members of the oneof share their place */
}

static const char *const *body_types_of(struct schema_loader *loader, const Campus__Method *option)
{
    const char **types = arena_zalloc(loader->arena, (option->n_body_type + 1) * sizeof *types);
    for (size_t i = 0; i < option->n_body_type; i++)
        types[i] = option->body_type[i];
    return types;
}

static void check_rpc(struct schema_loader *loader, const struct rpc *rpc)
{
    const char *complaint = NULL;
    if (rpc->access <= ACCESS_OWNER && !rpc->permission)
        complaint = "needs a permission";
    else if ((rpc->access == ACCESS_INTERNAL) == (rpc->path != NULL))
        complaint = "needs a route, or access INTERNAL without one";
    else if (rpc->kind == RPC_READ && rpc->verb != HTTP_GET && rpc->verb != HTTP_NONE && rpc->verb != HTTP_POST)
        complaint = "is a READ but its route changes things";
    else if (rpc->kind == RPC_WRITE && rpc->verb == HTTP_GET)
        complaint = "is a WRITE but its route is a GET";
    else if ((*rpc->body_types != NULL) != (rpc->body != NULL))
        complaint = "needs both body_type and a field marked body, or neither";
    else if (rpc->verb == HTTP_PATCH && !rpc->if_match)
        complaint = "is a PATCH and needs if_match";
    else if (rpc->rows && (!rpc->rows->message || !rpc->rows->repeated))
        complaint = "marks as rows what is no repeated message";
    else if (rpc->etag && (rpc->etag->type != FIELD_INT64 || rpc->etag->repeated))
        complaint = "marks as etag what is no int64";
    else if (rpc->body && (rpc->body->type != FIELD_BYTES || rpc->body->repeated))
        complaint = "marks as body what is no bytes";
    if (complaint)
        schema_refuse(loader, arena_printf(loader->arena, "method %s %s", rpc->name, complaint));
}

static void fill_rpc(struct schema_loader *loader, const SchemaFile *file, const RpcProto *proto,
                     struct schema_place place, struct rpc *rpc)
{
    const Campus__Method *option = schema_option(loader, proto->options ? &proto->options->base : NULL, METHOD_OPTION,
                                                 &campus__method__descriptor);
    const char *package = strrchr(file->package, '.');
    *rpc = (struct rpc){
        .name = proto->name,
        .service = package ? package + 1 : file->package,
        .request = schema_loaded_message(loader, proto->input_type + 1),
        .reply = schema_loaded_message(loader, proto->output_type + 1),
        .kind = option->kind == CAMPUS__METHOD__KIND__WRITE ? RPC_WRITE : RPC_READ,
        .access = (enum rpc_access)option->access,
        .permission = option->permission,
        .location = option->location,
        .created = option->created,
        .if_match = option->if_match,
        .grants = option->grants,
        .max_body_bytes = option->max_body_bytes,
        .timeout_ms = option->timeout_ms,
        .body_types = body_types_of(loader, option),
        .refusals = refusals_of(loader, option),
        .refusal_count = option->n_refusal,
        .comment = schema_comment(loader, &place),
    };
    if (!rpc->request || !rpc->reply)
        schema_refuse(loader, arena_printf(loader->arena, "method %s has a message of another contract", rpc->name));
    rpc->rows = marked_field(rpc->reply, offsetof(struct field, rows));
    rpc->etag = marked_field(rpc->reply, offsetof(struct field, etag));
    rpc->body = marked_field(rpc->request, offsetof(struct field, body));
    route_of(option, rpc);
    check_rpc(loader, rpc);
}

/* Takes "---- people ----" apart, and what the comment says below. */
static const struct section *section_of(struct schema_loader *loader, const char *heading)
{
    const char *name = heading + strlen(SCHEMA_RULE), *end = strchrnul(name, '\n'), *rule = strstr(name, " ----");
    struct section *section = arena_alloc(loader->arena, sizeof *section);
    if (!rule || rule > end)
        rule = end;
    while (isspace((unsigned char)*end))
        end++;
    *section =
        (struct section){ .name = arena_text(loader->arena, slice_of(name, (size_t)(rule - name))), .comment = end };
    return section;
}

static const struct section *plain_section(struct schema_loader *loader, const char *service)
{
    struct section *section = arena_alloc(loader->arena, sizeof *section);
    *section = (struct section){ .name = service, .comment = "" };
    return section;
}

static size_t count_rpcs(const SchemaFile *file)
{
    size_t count = 0;
    for (size_t s = 0; schema_file_counts(file) && s < file->n_service; s++)
        count += file->service[s]->n_method;
    return count;
}

static void fill_file(struct schema_loader *loader, const SchemaFile *file, struct rpc *rpcs, size_t *filled)
{
    for (size_t s = 0; schema_file_counts(file) && s < file->n_service; s++) {
        const struct section *section = NULL;
        for (size_t m = 0; m < file->service[s]->n_method; m++) {
            struct schema_place place =
                schema_place_in(schema_place_in((struct schema_place){ .file = file }, 6, s), 2, m);
            struct rpc *rpc = &rpcs[(*filled)++];
            const char *heading = schema_heading(loader, &place);
            fill_rpc(loader, file, file->service[s]->method[m], place, rpc);
            if (heading)
                section = section_of(loader, heading);
            else if (!section)
                section = plain_section(loader, rpc->service);
            rpc->section = section;
        }
    }
}

void schema_load_rpcs(struct schema_loader *loader, const SchemaSet *set, struct schema *schema)
{
    for (size_t f = 0; f < set->n_file; f++)
        schema->rpc_count += count_rpcs(set->file[f]);
    struct rpc *rpcs = arena_zalloc(loader->arena, (schema->rpc_count + 1) * sizeof *rpcs);
    size_t filled = 0;
    for (size_t f = 0; f < set->n_file; f++)
        fill_file(loader, set->file[f], rpcs, &filled);
    for (size_t i = 0; i < filled; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(rpcs[i].name, rpcs[j].name) == 0)
                schema_refuse(loader, arena_printf(loader->arena, "there are two methods %s", rpcs[i].name));
    schema->rpcs = rpcs;
}
