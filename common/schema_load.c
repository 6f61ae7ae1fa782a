/* schema_load.c -- from the embedded descriptor set to tables: messages first, then what their fields refer to. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "common/schema_loader.h"

#include "common/wire.h"

#include "options.pb-c.h"

#include <ctype.h>
#include <pcre2.h>

typedef Google__Protobuf__DescriptorProto MessageProto;
typedef Google__Protobuf__EnumDescriptorProto EnumProto;
typedef Google__Protobuf__FieldDescriptorProto FieldProto;
typedef Google__Protobuf__SourceCodeInfo__Location Location;

enum { FIELD_OPTION = 50802, MOST_FIELDS = 63, LARGEST_NUMBER = 1000 };

_Static_assert((int)STATUS_REQUEST_TIMEOUT == (int)CAMPUS__STATUS__REQUEST_TIMEOUT, "status.h follows options.proto");
_Static_assert((int)FORMAT_ANY == (int)CAMPUS__FIELD__FORMAT__ANY, "schema.h follows options.proto");

_Noreturn void schema_refuse(struct schema_loader *loader, const char *error)
{
    loader->error = error;
    longjmp(loader->failed, 1);
}

struct schema_place schema_place_in(struct schema_place place, int32_t kind, size_t index)
{
    place.path[place.depth++] = kind;
    place.path[place.depth++] = (int32_t)index;
    return place;
}

static bool location_is(const Location *location, const struct schema_place *place)
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

static const Location *location_of(const struct schema_place *place)
{
    const Google__Protobuf__SourceCodeInfo *info = place->file->source_code_info;
    for (size_t i = 0; info && i < info->n_location; i++)
        if (location_is(info->location[i], place))
            return info->location[i];
    return NULL;
}

const char *schema_comment(struct schema_loader *loader, const struct schema_place *place)
{
    const Location *location = location_of(place);
    if (location && location->leading_comments)
        return trimmed(loader->arena, location->leading_comments);
    if (location && location->trailing_comments)
        return trimmed(loader->arena, location->trailing_comments);
    return "";
}

const char *schema_heading(struct schema_loader *loader, const struct schema_place *place)
{
    const Location *location = location_of(place);
    for (size_t i = location ? location->n_leading_detached_comments : 0; i > 0; i--) {
        const char *text = trimmed(loader->arena, location->leading_detached_comments[i - 1]);
        if (strncmp(text, SCHEMA_RULE, strlen(SCHEMA_RULE)) == 0)
            return text;
    }
    return NULL;
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
void *schema_option(struct schema_loader *loader, const ProtobufCMessage *options, uint32_t number,
                    const ProtobufCMessageDescriptor *type)
{
    static const uint8_t nothing[1];
    struct slice bytes = extension(options, number);
    void *message = protobuf_c_message_unpack(type, NULL, bytes.size, bytes.data ? bytes.data : nothing);
    if (!message)
        schema_refuse(loader, arena_printf(loader->arena, "an option of type %s is broken", type->name));
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

static void compile_pattern(struct schema_loader *loader, const char *name, struct field_rules *rules)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)rules->pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &at, NULL);
    if (!code)
        schema_refuse(loader, arena_printf(loader->arena, "pattern of %s does not compile at %zu", name, at));
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    arena_defer(loader->arena, free_pattern, code);
    rules->compiled = code;
}

static struct field_rules rules_of(struct schema_loader *loader, const char *name, const Campus__Field *option)
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

const struct message *schema_loaded_message(const struct schema_loader *loader, const char *full_name)
{
    for (size_t i = 0; i < loader->message_count; i++)
        if (strcmp(loader->messages[i].full_name, full_name) == 0)
            return &loader->messages[i];
    return NULL;
}

static const struct enumeration *enum_by_full_name(const struct schema_loader *loader, const char *full_name)
{
    for (size_t i = 0; i < loader->enum_filled; i++)
        if (strcmp(loader->enum_names[i], full_name) == 0)
            return &loader->enums[i];
    return NULL;
}

static void link_type(struct schema_loader *loader, const FieldProto *proto, struct field *field)
{
    const char *name = proto->type_name ? proto->type_name + 1 : ""; /* without the leading dot */
    if (field->type == FIELD_MESSAGE)
        field->message = schema_loaded_message(loader, name);
    if (field->type == FIELD_ENUM)
        field->enumeration = enum_by_full_name(loader, name);
    if ((field->type == FIELD_MESSAGE && !field->message) || (field->type == FIELD_ENUM && !field->enumeration))
        schema_refuse(loader, arena_printf(loader->arena, "field %s has the unknown type %s", proto->name, name));
}

static void fill_field(struct schema_loader *loader, const MessageProto *message, size_t index,
                       struct schema_place place, struct field *field)
{
    const FieldProto *proto = message->field[index];
    if (!type_known(proto) || proto->number > LARGEST_NUMBER)
        schema_refuse(loader,
                      arena_printf(loader->arena, "field %s.%s has a type or number that the mapping does not know",
                                   message->name, proto->name));
    const Campus__Field *option =
        schema_option(loader, proto->options ? &proto->options->base : NULL, FIELD_OPTION, &campus__field__descriptor);
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
        .example = option->example,
        .oneof = proto->has_oneof_index ? message->oneof_decl[proto->oneof_index]->name : NULL,
        .rules = rules_of(loader, proto->name, option),
        .comment = schema_comment(loader, &place),
    };
    link_type(loader, proto, field);
}

/* ---- messages and enums ---- */

static void number_fields(struct schema_loader *loader, struct message *message)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->fields[i].number > message->largest)
            message->largest = message->fields[i].number;
    const struct field **table = arena_zalloc(loader->arena, (message->largest + 1) * sizeof *table);
    for (size_t i = 0; i < message->count; i++)
        table[message->fields[i].number] = &message->fields[i];
    message->by_number = table;
}

static void fill_message(struct schema_loader *loader, const MessageProto *proto, struct schema_place place,
                         struct message *message)
{
    if (proto->n_field > MOST_FIELDS)
        schema_refuse(loader,
                      arena_printf(loader->arena, "message %s has more than %d fields", proto->name, MOST_FIELDS));
    struct field *fields = arena_zalloc(loader->arena, (proto->n_field + 1) * sizeof *fields);
    message->count = proto->n_field;
    message->fields = fields;
    message->comment = schema_comment(loader, &place);
    for (size_t i = 0; i < proto->n_field; i++)
        fill_field(loader, proto, i, schema_place_in(place, 2, i), &fields[i]);
    number_fields(loader, message);
}

static void fill_enum(struct schema_loader *loader, const EnumProto *proto, const char *scope,
                      struct schema_place place)
{
    struct enum_value *values = arena_zalloc(loader->arena, (proto->n_value + 1) * sizeof *values);
    for (size_t i = 0; i < proto->n_value; i++) {
        struct schema_place at = schema_place_in(place, 2, i);
        values[i] = (struct enum_value){
            .name = lower(loader->arena, proto->value[i]->name),
            .number = proto->value[i]->number,
            .comment = schema_comment(loader, &at),
        };
    }
    loader->enum_names[loader->enum_filled] = arena_printf(loader->arena, "%s.%s", scope, proto->name);
    loader->enums[loader->enum_filled++] =
        (struct enumeration){ .name = proto->name, .count = proto->n_value, .values = values };
}

/* What the passes over a message and those nested in it do: one visit a message. */
typedef void visit(struct schema_loader *loader, const MessageProto *proto, const char *full_name,
                   struct schema_place place);

static void count_message(struct schema_loader *loader, const MessageProto *proto, const char *full_name,
                          struct schema_place place)
{
    (void)full_name, (void)place;
    loader->message_count++;
    loader->enum_count += proto->n_enum_type;
}

static void name_message(struct schema_loader *loader, const MessageProto *proto, const char *full_name,
                         struct schema_place place)
{
    loader->messages[loader->message_filled++] = (struct message){ .name = proto->name, .full_name = full_name };
    for (size_t i = 0; i < proto->n_enum_type; i++)
        fill_enum(loader, proto->enum_type[i], full_name, schema_place_in(place, 4, i));
}

static void complete_message(struct schema_loader *loader, const MessageProto *proto, const char *full_name,
                             struct schema_place place)
{
    (void)full_name;
    fill_message(loader, proto, place, &loader->messages[loader->message_filled++]);
}

static void visit_message(struct schema_loader *loader, const MessageProto *proto, const char *scope,
                          struct schema_place place, visit *each)
{
    const char *full_name = arena_printf(loader->arena, "%s.%s", scope, proto->name);
    if (place.depth + 4 > SCHEMA_PATH)
        schema_refuse(loader, arena_printf(loader->arena, "message %s is nested too deep", full_name));
    each(loader, proto, full_name, place);
    for (size_t i = 0; i < proto->n_nested_type; i++)
        visit_message(loader, proto->nested_type[i], full_name, schema_place_in(place, 3, i), each);
}

/* Whether a file is part of the API's contract: not the options, nor the bus's own envelope. */
bool schema_file_counts(const SchemaFile *file)
{
    return strncmp(file->name, "google/", 7) != 0 && strcmp(file->name, "options.proto") != 0 &&
           strcmp(file->name, "bus.proto") != 0;
}

static void visit_all(struct schema_loader *loader, const SchemaSet *set, visit *each)
{
    loader->message_filled = 0;
    for (size_t f = 0; f < set->n_file; f++) {
        const SchemaFile *file = set->file[f];
        for (size_t i = 0; schema_file_counts(file) && i < file->n_message_type; i++)
            visit_message(loader, file->message_type[i], file->package,
                          schema_place_in((struct schema_place){ .file = file }, 4, i), each);
    }
}

static void refuse_recursion(struct schema_loader *loader, const struct message *message, unsigned depth)
{
    if (depth > 16)
        schema_refuse(loader, arena_printf(loader->arena, "message %s contains itself", message->full_name));
    for (size_t i = 0; i < message->count; i++)
        if (message->fields[i].message)
            refuse_recursion(loader, message->fields[i].message, depth + 1);
}

/* Without proto2 absent and empty were the same; without a package a method had no service. */
static void refuse_file(struct schema_loader *loader, const SchemaFile *file)
{
    if (file->syntax && *file->syntax && strcmp(file->syntax, "proto2") != 0)
        schema_refuse(loader, arena_printf(loader->arena, "file %s is not proto2", file->name));
    if (!file->package || !*file->package)
        schema_refuse(loader, arena_printf(loader->arena, "file %s has no package", file->name));
}

static void free_set(void *set)
{
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}

static struct schema *load(struct schema_loader *loader, struct slice descriptor_set)
{
    SchemaSet *set = google__protobuf__file_descriptor_set__unpack(NULL, descriptor_set.size, descriptor_set.data);
    if (!set)
        schema_refuse(loader, "the descriptor set is broken");
    arena_defer(loader->arena, free_set, set);
    for (size_t f = 0; f < set->n_file; f++)
        if (schema_file_counts(set->file[f]))
            refuse_file(loader, set->file[f]);
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
    schema_load_rpcs(loader, set, schema);
    return schema;
}

const struct schema *schema_load(struct arena *arena, struct slice descriptor_set, const char **error)
{
    struct schema_loader *loader = arena_zalloc(arena, sizeof *loader); /* not a local: longjmp would lose it */
    loader->arena = arena;
    if (setjmp(loader->failed)) {
        *error = loader->error;
        return NULL;
    }
    return load(loader, descriptor_set);
}
