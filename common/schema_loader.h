/* schema_loader.h -- what the parts of reading the contract share: schema_load.c its messages, schema_rpcs.c its methods. */
#ifndef CAMPUS_SCHEMA_LOADER_H
#define CAMPUS_SCHEMA_LOADER_H

#include "common/schema.h"

#include "google/protobuf/descriptor.pb-c.h"

#include <setjmp.h>

typedef Google__Protobuf__FileDescriptorProto SchemaFile;
typedef Google__Protobuf__FileDescriptorSet SchemaSet;

#define SCHEMA_RULE "---- "

enum { SCHEMA_PATH = 8 };

/* Where an element stands in its file, as SourceCodeInfo counts: [4, message, 2, field]. */
struct schema_place {
    const SchemaFile *file;
    int32_t path[SCHEMA_PATH];
    size_t depth;
};

struct schema_loader {
    struct arena *arena;
    struct message *messages;
    size_t message_count, message_filled;
    struct enumeration *enums;
    size_t enum_count, enum_filled;
    const char **enum_names; /* full names, beside enums */
    const char *error;
    jmp_buf failed; /* a broken contract stops the load where it is found */
};

/* Stops the load with what is wrong. */
_Noreturn void schema_refuse(struct schema_loader *loader, const char *error);
/* The place of an element within another: of a kind (its field number in descriptor.proto), by its index. */
struct schema_place schema_place_in(struct schema_place place, int32_t kind, size_t index);
/* The comment there, or "". */
const char *schema_comment(struct schema_loader *loader, const struct schema_place *place);
/* The heading above, which begins with SCHEMA_RULE and stands apart from the comment; NULL where there is none. */
const char *schema_heading(struct schema_loader *loader, const struct schema_place *place);
/* Unpacks an option; without one, the defaults. Its strings live as long as the arena. `options` may be NULL. */
void *schema_option(struct schema_loader *loader, const ProtobufCMessage *options, uint32_t number,
                    const ProtobufCMessageDescriptor *type);
/* Whether a file is part of the API's contract: not the options, nor the bus's own envelope. */
bool schema_file_counts(const SchemaFile *file);
/* Among those loaded; NULL where there is none. */
const struct message *schema_loaded_message(const struct schema_loader *loader, const char *full_name);
/* The methods of all files, once their messages are there. */
void schema_load_rpcs(struct schema_loader *loader, const SchemaSet *set, struct schema *schema);

#endif
