/* signature.c -- the fields of a method's two messages as sorted lines of text. */
#include "common/signature.h"

#include <assert.h>
#include <stdlib.h>

enum { MOST_DEPTH = 16 }; /* the contract has no recursive messages */

static const char *const type_names[] = {
    [FIELD_BOOL] = "bool",     [FIELD_INT32] = "int32",     [FIELD_INT64] = "int64",   [FIELD_UINT32] = "uint32",
    [FIELD_UINT64] = "uint64", [FIELD_DOUBLE] = "double",   [FIELD_STRING] = "string", [FIELD_BYTES] = "bytes",
    [FIELD_ENUM] = "enum",     [FIELD_MESSAGE] = "message",
};

/* How many lines a message takes, nested ones included. */
static size_t count_fields(const struct message *message, int depth)
{
    size_t count = message->count;
    assert(depth < MOST_DEPTH);
    for (size_t i = 0; i < message->count; i++)
        if (message->fields[i].type == FIELD_MESSAGE)
            count += count_fields(message->fields[i].message, depth + 1);
    return count;
}

/* `path` is what stands before the field's name: "<", or "<venue." */
static void add_fields(struct arena *arena, struct signature *signature, const struct message *message,
                       const char *path)
{
    for (size_t i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        signature->fields[signature->count++] = arena_printf(arena, "%s%s:%u:%s%s", path, field->name, field->number,
                                                             type_names[field->type], field->repeated ? "[]" : "");
        if (field->type == FIELD_MESSAGE)
            add_fields(arena, signature, field->message, arena_printf(arena, "%s%s.", path, field->name));
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct signature signature_of(struct arena *arena, const struct rpc *rpc)
{
    size_t count = count_fields(rpc->request, 0) + count_fields(rpc->reply, 0);
    struct signature signature = { .method = rpc->name };
    signature.fields = arena_alloc(arena, count * sizeof *signature.fields);
    add_fields(arena, &signature, rpc->request, "<");
    add_fields(arena, &signature, rpc->reply, ">");
    assert(signature.count == count);
    qsort(signature.fields, count, sizeof *signature.fields, compare_lines);
    return signature;
}

bool signature_fits(const struct signature *ours, const char *const *theirs, size_t count, const char **missing)
{
    size_t at = 0;
    for (size_t i = 0; i < ours->count; i++) {
        while (at < count && strcmp(theirs[at], ours->fields[i]) < 0)
            at++;
        if (at == count || strcmp(theirs[at], ours->fields[i]) != 0) {
            *missing = ours->fields[i];
            return false;
        }
    }
    return true;
}
