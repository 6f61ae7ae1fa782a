/* schema.c -- from the embedded descriptor set to tables: messages first, then what their fields refer to, then methods. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "common/schema.h"

#include "common/wire.h"

#include "google/protobuf/descriptor.pb-c.h"
#include "options.pb-c.h"

#include <ctype.h>
#include <pcre2.h>
#include <setjmp.h>

typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__DescriptorProto MessageProto;
typedef Google__Protobuf__EnumDescriptorProto EnumProto;
typedef Google__Protobuf__FieldDescriptorProto FieldProto;
typedef Google__Protobuf__MethodDescriptorProto RpcProto;
typedef Google__Protobuf__SourceCodeInfo__Location Location;

enum { METHOD_OPTION = 50801, FIELD_OPTION = 50802, MOST_FIELDS = 63, LARGEST_NUMBER = 1000, MOST_PATH = 8 };

_Static_assert((int)STATUS_REQUEST_TIMEOUT == (int)CAMPUS__STATUS__REQUEST_TIMEOUT, "status.h follows options.proto");
_Static_assert((int)FORMAT_ANY == (int)CAMPUS__FIELD__FORMAT__ANY, "schema.h follows options.proto");
_Static_assert((int)ACCESS_INTERNAL == (int)CAMPUS__METHOD__ACCESS__INTERNAL, "schema.h follows options.proto");

/* Where an element stands in its file, as SourceCodeInfo counts: [4, message, 2, field]. */
struct place {
    const File *file;
    int32_t path[MOST_PATH];
    size_t depth;
};

struct loader {
    struct arena *arena;
    struct message *messages;
    size_t message_count, message_filled;
    struct enumeration *enums;
    size_t enum_count, enum_filled;
    const char **enum_names; /* full names, beside enums */
    const char *error;
    jmp_buf failed; /* a broken contract stops the load where it is found */
};

static _Noreturn void refuse(struct loader *loader, const char *error)
{
    loader->error = error;
    longjmp(loader->failed, 1);
}

static struct place place_in(struct place place, int32_t kind, size_t index)
{
    place.path[place.depth++] = kind;
    place.path[place.depth++] = (int32_t)index;
    return place;
}

static bool location_is(const Location *location, const struct place *place)
{
    return location->n_path == place->depth &&
           memcmp(location->path, place->path, place->depth * sizeof *place->path) == 0;
}

/* The comment with each line's margin taken off. */
static const char *trimmed(struct arena *arena, const char *comment)
{
    char *text = arena_alloc(arena, strlen(comment) + 1), *out = text;
    for (const char *at = comment; *at;) {
        if (*at == ' ')
            at++;
        while (*at && *at != '\n')
            *out++ = *at++;
        if (*at == '\n')
            *out++ = *at++;
    }
    while (out > text && isspace((unsigned char)out[-1]))
        out--;
    *out = '\0';
    return text;
}

static const char *comment_of(struct loader *loader, const struct place *place)
{
    const Google__Protobuf__SourceCodeInfo *info = place->file->source_code_info;
    for (size_t i = 0; info && i < info->n_location; i++) {
        const Location *location = info->location[i];
        if (!location_is(location, place))
            continue;
        if (location->leading_comments)
            return trimmed(loader->arena, location->leading_comments);
        if (location->trailing_comments)
            return trimmed(loader->arena, location->trailing_comments);
    }
    return "";
}

static const char *lower(struct arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);
    for (char *at = copy; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

/* An extension arrives as an unknown field: its length as a varint, then its bytes. */
static struct slice extension(const ProtobufCMessage *options, uint32_t number)
{
    for (unsigned i = 0; options && i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *unknown = &options->unknown_fields[i];
        struct wire_reader reader = wire_read(slice_of(unknown->data, unknown->len));
        uint64_t size;
        if (unknown->tag == number && wire_varint(&reader, &size))
            return slice_of(reader.at, (size_t)(reader.end - reader.at));
    }
    return slice_of(NULL, 0);
}

static void free_options(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

/* Unpacks an option; without one, the defaults. Its strings live as long as the arena. */
static void *option_of(struct loader *loader, const ProtobufCMessage *options, uint32_t number,
                       const ProtobufCMessageDescriptor *type)
{
    static const uint8_t nothing[1];
    struct slice bytes = extension(options, number);
    void *message = protobuf_c_message_unpack(type, NULL, bytes.size, bytes.data ? bytes.data : nothing);
    if (!message)
        refuse(loader, arena_printf(loader->arena, "an option of type %s is broken", type->name));
    arena_defer(loader->arena, free_options, message);
    return message;
}

/* ---- fields ---- */

static const enum field_type field_types[] = {
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE] = FIELD_DOUBLE,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64] = FIELD_INT64,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT64] = FIELD_UINT64,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32] = FIELD_INT32,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT32] = FIELD_UINT32,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL] = FIELD_BOOL,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING] = FIELD_STRING,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES] = FIELD_BYTES,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM] = FIELD_ENUM,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE] = FIELD_MESSAGE,
};

static bool type_known(const FieldProto *proto)
{
    return (size_t)proto->type < sizeof field_types / sizeof *field_types &&
           (field_types[proto->type] != FIELD_BOOL ||
            proto->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL);
}

static void free_pattern(void *code)
{
    pcre2_code_free(code);
}

static void compile_pattern(struct loader *loader, const char *name, struct field_rules *rules)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)rules->pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &at, NULL);
    if (!code)
        refuse(loader, arena_printf(loader->arena, "pattern of %s does not compile at %zu", name, at));
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    arena_defer(loader->arena, free_pattern, code);
    rules->compiled = code;
}

static struct field_rules rules_of(struct loader *loader, const char *name, const Campus__Field *option)
{
    struct field_rules rules = {
        .required = option->required,
        .has_min = option->has_min,
        .has_max = option->has_max,
        .format = (enum field_format)option->format,
        .min_length = option->min_length,
        .max_length = option->max_length,
        .min = option->min,
        .max = option->max,
        .pattern = option->pattern,
        .min_items = option->min_items,
        .max_items = option->max_items,
    };
    if (rules.pattern)
        compile_pattern(loader, name, &rules);
    return rules;
}

static const struct message *message_by_name(const struct loader *loader, const char *full_name)
{
    for (size_t i = 0; i < loader->message_count; i++)
        if (strcmp(loader->messages[i].full_name, full_name) == 0)
            return &loader->messages[i];
    return NULL;
}

static const struct enumeration *enum_by_full_name(const struct loader *loader, const char *full_name)
{
    for (size_t i = 0; i < loader->enum_filled; i++)
        if (strcmp(loader->enum_names[i], full_name) == 0)
            return &loader->enums[i];
    return NULL;
}

static void link_type(struct loader *loader, const FieldProto *proto, struct field *field)
{
    const char *name = proto->type_name ? proto->type_name + 1 : ""; /* without the leading dot */
    if (field->type == FIELD_MESSAGE)
        field->message = message_by_name(loader, name);
    if (field->type == FIELD_ENUM)
        field->enumeration = enum_by_full_name(loader, name);
    if ((field->type == FIELD_MESSAGE && !field->message) || (field->type == FIELD_ENUM && !field->enumeration))
        refuse(loader, arena_printf(loader->arena, "field %s has the unknown type %s", proto->name, name));
}

static void fill_field(struct loader *loader, const MessageProto *message, size_t index, struct place place,
                       struct field *field)
{
    const FieldProto *proto = message->field[index];
    if (!type_known(proto) || proto->number > LARGEST_NUMBER)
        refuse(loader, arena_printf(loader->arena, "field %s.%s has a type or number that the mapping does not know",
                                    message->name, proto->name));
    const Campus__Field *option =
        option_of(loader, proto->options ? &proto->options->base : NULL, FIELD_OPTION, &campus__field__descriptor);
    *field = (struct field){
        .name = proto->name,
        .number = (uint32_t)proto->number,
        .index = (uint16_t)index,
        .type = field_types[proto->type],
        .repeated = proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED,
        .rows = option->rows,
        .etag = option->etag,
        .body = option->body,
        .secret = option->secret,
        .output = option->output,
        .personal = option->personal,
        .oneof = proto->has_oneof_index ? message->oneof_decl[proto->oneof_index]->name : NULL,
        .rules = rules_of(loader, proto->name, option),
        .comment = comment_of(loader, &place),
    };
    link_type(loader, proto, field);
}

/* ---- messages and enums ---- */

static void number_fields(struct loader *loader, struct message *message)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->fields[i].number > message->largest)
            message->largest = message->fields[i].number;
    const struct field **table = arena_zalloc(loader->arena, (message->largest + 1) * sizeof *table);
    for (size_t i = 0; i < message->count; i++)
        table[message->fields[i].number] = &message->fields[i];
    message->by_number = table;
}

static void fill_message(struct loader *loader, const MessageProto *proto, struct place place, struct message *message)
{
    if (proto->n_field > MOST_FIELDS)
        refuse(loader, arena_printf(loader->arena, "message %s has more than %d fields", proto->name, MOST_FIELDS));
    struct field *fields = arena_zalloc(loader->arena, (proto->n_field + 1) * sizeof *fields);
    message->count = proto->n_field;
    message->fields = fields;
    message->comment = comment_of(loader, &place);
    for (size_t i = 0; i < proto->n_field; i++)
        fill_field(loader, proto, i, place_in(place, 2, i), &fields[i]);
    number_fields(loader, message);
}

static void fill_enum(struct loader *loader, const EnumProto *proto, const char *scope, struct place place)
{
    struct enum_value *values = arena_zalloc(loader->arena, (proto->n_value + 1) * sizeof *values);
    for (size_t i = 0; i < proto->n_value; i++) {
        struct place at = place_in(place, 2, i);
        values[i] = (struct enum_value){
            .name = lower(loader->arena, proto->value[i]->name),
            .number = proto->value[i]->number,
            .comment = comment_of(loader, &at),
        };
    }
    loader->enum_names[loader->enum_filled] = arena_printf(loader->arena, "%s.%s", scope, proto->name);
    loader->enums[loader->enum_filled++] =
        (struct enumeration){ .name = proto->name, .count = proto->n_value, .values = values };
}

/* What the passes over a message and those nested in it do: one visit a message. */
typedef void visit(struct loader *loader, const MessageProto *proto, const char *full_name, struct place place);

static void count_message(struct loader *loader, const MessageProto *proto, const char *full_name, struct place place)
{
    (void)full_name, (void)place;
    loader->message_count++;
    loader->enum_count += proto->n_enum_type;
}

static void name_message(struct loader *loader, const MessageProto *proto, const char *full_name, struct place place)
{
    loader->messages[loader->message_filled++] = (struct message){ .name = proto->name, .full_name = full_name };
    for (size_t i = 0; i < proto->n_enum_type; i++)
        fill_enum(loader, proto->enum_type[i], full_name, place_in(place, 4, i));
}

static void complete_message(struct loader *loader, const MessageProto *proto, const char *full_name,
                             struct place place)
{
    (void)full_name;
    fill_message(loader, proto, place, &loader->messages[loader->message_filled++]);
}

static void visit_message(struct loader *loader, const MessageProto *proto, const char *scope, struct place place,
                          visit *each)
{
    const char *full_name = arena_printf(loader->arena, "%s.%s", scope, proto->name);
    if (place.depth + 4 > MOST_PATH)
        refuse(loader, arena_printf(loader->arena, "message %s is nested too deep", full_name));
    each(loader, proto, full_name, place);
    for (size_t i = 0; i < proto->n_nested_type; i++)
        visit_message(loader, proto->nested_type[i], full_name, place_in(place, 3, i), each);
}

/* Whether a file is part of the API's contract: not the options, nor the bus's own envelope. */
static bool file_counts(const File *file)
{
    return strncmp(file->name, "google/", 7) != 0 && strcmp(file->name, "options.proto") != 0 &&
           strcmp(file->name, "bus.proto") != 0;
}

static void visit_all(struct loader *loader, const Google__Protobuf__FileDescriptorSet *set, visit *each)
{
    loader->message_filled = 0;
    for (size_t f = 0; f < set->n_file; f++) {
        const File *file = set->file[f];
        for (size_t i = 0; file_counts(file) && i < file->n_message_type; i++)
            visit_message(loader, file->message_type[i], file->package, place_in((struct place){ .file = file }, 4, i),
                          each);
    }
}

static void refuse_recursion(struct loader *loader, const struct message *message, unsigned depth)
{
    if (depth > 16)
        refuse(loader, arena_printf(loader->arena, "message %s contains itself", message->full_name));
    for (size_t i = 0; i < message->count; i++)
        if (message->fields[i].message)
            refuse_recursion(loader, message->fields[i].message, depth + 1);
}

/* ---- methods ---- */

static const struct refusal *refusals_of(struct loader *loader, const Campus__Method *option)
{
    struct refusal *refusals = arena_zalloc(loader->arena, (option->n_refusal + 1) * sizeof *refusals);
    for (size_t i = 0; i < option->n_refusal; i++) {
        const Campus__Refusal *r = option->refusal[i];
        refusals[i] = (struct refusal){ .code = r->code,
                                        .status = (enum status)r->status,
                                        .en = r->en,
                                        .zh = r->zh,
                                        .field = r->field,
                                        .next_step = r->next_step };
    }
    return refusals;
}

static const struct field *marked(const struct message *message, size_t mark)
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

static const char *const *body_types_of(struct loader *loader, const Campus__Method *option)
{
    const char **types = arena_zalloc(loader->arena, (option->n_body_type + 1) * sizeof *types);
    for (size_t i = 0; i < option->n_body_type; i++)
        types[i] = option->body_type[i];
    return types;
}

static void check_rpc(struct loader *loader, const struct rpc *rpc)
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
    if (complaint)
        refuse(loader, arena_printf(loader->arena, "method %s %s", rpc->name, complaint));
}

static void fill_rpc(struct loader *loader, const File *file, const RpcProto *proto, struct place place,
                     struct rpc *rpc)
{
    const Campus__Method *option =
        option_of(loader, proto->options ? &proto->options->base : NULL, METHOD_OPTION, &campus__method__descriptor);
    const char *package = strrchr(file->package, '.');
    *rpc = (struct rpc){
        .name = proto->name,
        .service = package ? package + 1 : file->package,
        .request = message_by_name(loader, proto->input_type + 1),
        .reply = message_by_name(loader, proto->output_type + 1),
        .kind = option->kind == CAMPUS__METHOD__KIND__WRITE ? RPC_WRITE : RPC_READ,
        .access = (enum rpc_access)option->access,
        .permission = option->permission,
        .location = option->location,
        .created = option->created,
        .if_match = option->if_match,
        .max_body_bytes = option->max_body_bytes,
        .timeout_ms = option->timeout_ms,
        .body_types = body_types_of(loader, option),
        .refusals = refusals_of(loader, option),
        .refusal_count = option->n_refusal,
        .comment = comment_of(loader, &place),
    };
    if (!rpc->request || !rpc->reply)
        refuse(loader, arena_printf(loader->arena, "method %s has a message of another contract", rpc->name));
    rpc->rows = marked(rpc->reply, offsetof(struct field, rows));
    rpc->etag = marked(rpc->reply, offsetof(struct field, etag));
    rpc->body = marked(rpc->request, offsetof(struct field, body));
    route_of(option, rpc);
    check_rpc(loader, rpc);
}

static size_t count_rpcs(const File *file)
{
    size_t count = 0;
    for (size_t s = 0; file_counts(file) && s < file->n_service; s++)
        count += file->service[s]->n_method;
    return count;
}

static void fill_file(struct loader *loader, const File *file, struct rpc *rpcs, size_t *filled)
{
    for (size_t s = 0; file_counts(file) && s < file->n_service; s++)
        for (size_t m = 0; m < file->service[s]->n_method; m++) {
            struct place place = place_in(place_in((struct place){ .file = file }, 6, s), 2, m);
            fill_rpc(loader, file, file->service[s]->method[m], place, &rpcs[(*filled)++]);
        }
}

static void fill_rpcs(struct loader *loader, const Google__Protobuf__FileDescriptorSet *set, struct schema *schema)
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
                refuse(loader, arena_printf(loader->arena, "there are two methods %s", rpcs[i].name));
    schema->rpcs = rpcs;
}

static void free_set(void *set)
{
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}

static struct schema *load(struct loader *loader, struct slice descriptor_set)
{
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(NULL, descriptor_set.size, descriptor_set.data);
    if (!set)
        refuse(loader, "the descriptor set is broken");
    arena_defer(loader->arena, free_set, set);
    visit_all(loader, set, count_message);
    loader->messages = arena_zalloc(loader->arena, (loader->message_count + 1) * sizeof *loader->messages);
    loader->enums = arena_zalloc(loader->arena, (loader->enum_count + 1) * sizeof *loader->enums);
    loader->enum_names = arena_zalloc(loader->arena, (loader->enum_count + 1) * sizeof *loader->enum_names);
    visit_all(loader, set, name_message);
    visit_all(loader, set, complete_message);
    for (size_t i = 0; i < loader->message_count; i++)
        refuse_recursion(loader, &loader->messages[i], 0);
    struct schema *schema = arena_zalloc(loader->arena, sizeof *schema);
    schema->messages = loader->messages;
    schema->message_count = loader->message_count;
    fill_rpcs(loader, set, schema);
    return schema;
}

const struct schema *schema_load(struct arena *arena, struct slice descriptor_set, const char **error)
{
    struct loader *loader = arena_zalloc(arena, sizeof *loader); /* not a local: longjmp would lose it */
    loader->arena = arena;
    if (setjmp(loader->failed)) {
        *error = loader->error;
        return NULL;
    }
    return load(loader, descriptor_set);
}

/* ---- look-ups ---- */

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

const struct field *message_find(const struct message *message, struct slice name)
{
    for (size_t i = 0; i < message->count; i++)
        if (slice_is(name, message->fields[i].name))
            return &message->fields[i];
    return NULL;
}

const struct enum_value *enum_by_number(const struct enumeration *enumeration, int32_t number)
{
    for (size_t i = 0; i < enumeration->count; i++)
        if (enumeration->values[i].number == number)
            return &enumeration->values[i];
    return NULL;
}

const struct enum_value *enum_by_name(const struct enumeration *enumeration, struct slice name)
{
    for (size_t i = 0; i < enumeration->count; i++)
        if (slice_is(name, enumeration->values[i].name))
            return &enumeration->values[i];
    return NULL;
}

const struct refusal *rpc_refusal(const struct rpc *rpc, const char *code)
{
    for (size_t i = 0; i < rpc->refusal_count; i++)
        if (strcmp(rpc->refusals[i].code, code) == 0)
            return &rpc->refusals[i];
    return NULL;
}
