/* demo_call.c -- requests from texts, and what of their replies the demo goes on with. */
#include "services/demo_call.h"

#include "common/json.h"
#include "common/wire.h"

#include <stdio.h>

bool demo_fail(const char *what, const char *why)
{
    fprintf(stderr, "campus: demo: %s: %s\n", what, why);
    return false;
}

bool demo_call(struct demo_caller *caller, const char *method, struct slice request, const char *fine,
               struct slice *reply)
{
    const char *code = NULL;
    *reply = slice_of(NULL, 0);
    if (caller->ask(caller->context, caller->scratch, method, request, reply, &code))
        return true;
    *reply = slice_of(NULL, 0);
    return (fine && strstr(fine, code)) || demo_fail(method, code);
}

bool demo_call_with(struct demo_caller *caller, const char *method, const struct demo_given *given, size_t count,
                    const char *fine, struct slice *reply)
{
    const struct rpc *rpc = schema_rpc(caller->schema, method);
    arena_reset(caller->scratch);
    struct buffer request = buffer_in(caller->scratch);
    for (size_t i = 0; i < count; i++) {
        const struct field *field = message_find(rpc->request, given[i].field);
        const char *wanted = field ? json_scalar_from_text(field, given[i].value, &request) : "a field";
        if (wanted)
            return demo_fail(method, wanted);
    }
    return demo_call(caller, method, buffer_slice(&request), fine, reply);
}

const char *demo_text(struct arena *arena, const struct message *message, const char *name, struct slice wire)
{
    struct wire_field value;
    return wire_find(wire, message_find(message, slice_text(name))->number, &value) ? arena_text(arena, value.bytes)
                                                                                    : NULL;
}

bool demo_each_office(struct demo_caller *caller, struct slice path, struct slice kind, demo_visit_office *visit,
                      void *context)
{
    const struct rpc *rpc = schema_rpc(caller->schema, "ListOffices");
    struct demo_given given[3] = { { slice_text("page_size"), slice_text("200") } };
    struct slice reply;
    struct wire_field field;
    size_t count = 1;
    if (path.size)
        given[count++] = (struct demo_given){ slice_text("organisation"), path };
    if (kind.size)
        given[count++] = (struct demo_given){ slice_text("kind"), kind };
    if (!demo_call_with(caller, "ListOffices", given, count, NULL, &reply))
        return false;
    struct wire_reader reader = wire_read(reply);
    while (wire_next(&reader, &field))
        if (field.number == rpc->rows->number && !visit(field.bytes, rpc->rows->message, context))
            break;
    return true;
}
