/* demo_sign_in.c -- from an office's name to its holder, and to a session of theirs. */
#include "services/demo_sign_in.h"

#include "common/uuid.h"
#include "common/wire.h"
#include "services/control_client.h"
#include "services/demo_call.h"

#include "bus.pb-c.h"

enum { ANSWER_MS = 10000 };

/* "su.rights.head" is the head of su.rights. */
struct sign_in {
    struct demo_caller *caller;
    struct arena *arena;
    const char *person, *title, *name; /* of the first holder; NULL: none yet */
};

static bool take_holder(struct slice office, const struct message *message, void *context)
{
    struct sign_in *sign_in = context;
    const struct field *holders = message_find(message, slice_text("holders"));
    struct wire_field holder;
    if (!wire_find(office, holders->number, &holder))
        return true;
    sign_in->title = demo_text(sign_in->arena, message, "title", office);
    sign_in->person = demo_text(sign_in->arena, holders->message, "person_id", holder.bytes);
    sign_in->name = demo_text(sign_in->arena, holders->message, "name", holder.bytes);
    return false;
}

static bool issue(struct sign_in *sign_in)
{
    const struct rpc *rpc = schema_rpc(sign_in->caller->schema, "IssueSession");
    const struct demo_given given[] = { { slice_text("person_id"), slice_text(sign_in->person) } };
    struct slice reply;
    if (!demo_call_with(sign_in->caller, rpc->name, given, 1, NULL, &reply))
        return false;
    fprintf(stderr, "%s, %s. A session of theirs, for Authorization: Bearer ...\n", sign_in->name, sign_in->title);
    printf("%s\n", demo_text(sign_in->arena, rpc->reply, "secret", reply));
    return true;
}

static bool sign_in_as(struct sign_in *sign_in, const char *name)
{
    const char *dot = strrchr(name, '.');
    if (!dot)
        return demo_fail(name, "is no office; say su.chair or su.rights.head");
    struct slice path = slice_of(name, (size_t)(dot - name)), kind = slice_text(dot + 1);
    if (!demo_each_office(sign_in->caller, path, kind, take_holder, sign_in))
        return false;
    return sign_in->person ? issue(sign_in) : demo_fail(name, "nobody holds this office");
}

static bool print_name(struct slice office, const struct message *message, void *context)
{
    struct sign_in *sign_in = context;
    const struct field *kind = message_find(message, slice_text("kind"));
    struct wire_field value;
    bool held = wire_find(office, message_find(message, slice_text("holders"))->number, &value);
    if (held && wire_find(office, kind->number, &value))
        printf("  %s.%s\t%s\n", demo_text(sign_in->arena, message, "organisation", office),
               enum_by_number(kind->enumeration, (int32_t)value.value)->name,
               demo_text(sign_in->arena, message, "title", office));
    return true;
}

/* Over the gateway's control socket; context is the settings. */
static bool ask_gateway(void *context, struct arena *arena, const char *method, struct slice body, struct slice *reply,
                        const char **code)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    Campus__Bus__Request request = CAMPUS__BUS__REQUEST__INIT;
    char key[UUID_TEXT];
    uuid_new(key);
    envelope.kind = CAMPUS__BUS__ENVELOPE__KIND__REQUEST;
    envelope.request = &request;
    request.method = arena_strdup(arena, method);
    request.left_ms = ANSWER_MS;
    request.idempotency_key = request.request_id = key;
    request.has_key_minted = request.key_minted = true;
    const struct control_question question = { .envelope = &envelope, .body = body, .answer_ms = ANSWER_MS };
    const BusEnvelope *answer = control_ask(arena, context, &question, reply, code);
    if (!answer)
        return false;
    *code = answer->reply->code ? answer->reply->code : "no reply";
    return answer->reply->status == CAMPUS__STATUS__OK;
}

int demo_sign_in(struct arena *arena, const struct settings *settings, const struct schema *schema, const char *name)
{
    struct settings asked = *settings;
    struct demo_caller caller = { .ask = ask_gateway, .context = &asked, .schema = schema, .scratch = arena_new() };
    struct sign_in sign_in = { .caller = &caller, .arena = arena };
    bool done = name ? sign_in_as(&sign_in, name)
                     : demo_each_office(&caller, slice_of(NULL, 0), slice_of(NULL, 0), print_name, &sign_in);
    arena_free(caller.scratch);
    return done ? 0 : 1;
}
