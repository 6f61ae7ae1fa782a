/* envelope.c -- protobuf-c under a bounded allocator, and the one request encoding that can be sent twice. */
#include "common/envelope.h"

#include "common/signature.h"

#include <stdalign.h>

enum {
    FREE_MEMORY = 64 * 1024, /* what any envelope may take to unpack */
    MEMORY_A_BYTE = 16, /* and what each of its bytes may add: empty messages take 50 times their size */
    TAG_REQUEST = 5 << 3 | 2,
    TAG_LEFT_MS = 2 << 3,
    LEFT_SIZE = 4, /* 28 bits of milliseconds: three days */
    TAG_AGAIN = 13 << 3,
    TAIL_SIZE = 2 + 1 + LEFT_SIZE,
    MOST_LEFT_MS = (1 << 28) - 1,
    LONGEST_VARINT = 10,
    LONGEST_PLAIN = 2 + 9 + 1 + LONGEST_VARINT, /* kind, boot, id */
};

struct bounded {
    struct arena *arena;
    size_t left;
};

static void *bounded_alloc(void *context, size_t size)
{
    struct bounded *bounded = context;
    size_t taken = size + alignof(max_align_t); /* what it takes, about: many are a byte long */
    if (taken > bounded->left)
        return NULL;
    bounded->left -= taken;
    return arena_alloc(bounded->arena, size);
}

static void bounded_free(void *context, void *memory)
{
    (void)context, (void)memory; /* goes with the arena */
}

/* protobuf-c checks the required fields, but not that a kind comes with its part. */
static bool is_whole(const BusEnvelope *envelope)
{
    switch (envelope->kind) {
    case CAMPUS__BUS__ENVELOPE__KIND__READY:
        return envelope->ready;
    case CAMPUS__BUS__ENVELOPE__KIND__REQUEST:
        return envelope->request && envelope->has_boot && envelope->has_id;
    case CAMPUS__BUS__ENVELOPE__KIND__REPLY:
        return envelope->reply && envelope->has_boot && envelope->has_id;
    case CAMPUS__BUS__ENVELOPE__KIND__CANCEL:
        return envelope->has_boot && envelope->has_id;
    case CAMPUS__BUS__ENVELOPE__KIND__PING:
        return envelope->has_boot;
    default:
        return true;
    }
}

const BusEnvelope *envelope_read(struct arena *arena, struct slice bytes)
{
    struct bounded bounded = { .arena = arena, .left = FREE_MEMORY + bytes.size * MEMORY_A_BYTE };
    ProtobufCAllocator allocator = { .alloc = bounded_alloc, .free = bounded_free, .allocator_data = &bounded };
    const BusEnvelope *envelope = campus__bus__envelope__unpack(&allocator, bytes.size, bytes.data);
    return envelope && is_whole(envelope) ? envelope : NULL;
}

struct slice envelope_pack(struct arena *arena, const BusEnvelope *envelope)
{
    uint8_t *bytes = arena_alloc(arena, campus__bus__envelope__get_packed_size(envelope));
    return slice_of(bytes, campus__bus__envelope__pack(envelope, bytes));
}

static BusEnvelope plain(Campus__Bus__Envelope__Kind kind, uint64_t boot, uint64_t id)
{
    BusEnvelope envelope = CAMPUS__BUS__ENVELOPE__INIT;
    envelope.kind = kind;
    envelope.has_boot = boot != 0;
    envelope.boot = boot;
    envelope.has_id = id != 0;
    envelope.id = id;
    return envelope;
}

struct slice envelope_pack_plain(struct arena *arena, Campus__Bus__Envelope__Kind kind, uint64_t boot, uint64_t id)
{
    BusEnvelope envelope = plain(kind, boot, id);
    return envelope_pack(arena, &envelope);
}

/* protobuf-c knows no const: packing only reads. */
static Campus__Bus__Signature *signature_message(struct arena *arena, const struct rpc *rpc)
{
    struct signature signature = signature_of(arena, rpc);
    Campus__Bus__Signature *message = arena_alloc(arena, sizeof *message);
    campus__bus__signature__init(message);
    message->method = arena_strdup(arena, signature.method);
    message->fields = (char **)(uintptr_t)signature.fields;
    message->n_fields = signature.count;
    return message;
}

struct slice envelope_pack_ready(struct arena *arena, const struct schema *schema, const char *service,
                                 const char *instance, uint32_t credits)
{
    Campus__Bus__Ready ready = CAMPUS__BUS__READY__INIT;
    BusEnvelope envelope = plain(CAMPUS__BUS__ENVELOPE__KIND__READY, 0, 0);
    ready.service = arena_strdup(arena, service);
    ready.instance = arena_strdup(arena, instance);
    ready.credits = credits;
    ready.methods = arena_alloc(arena, schema->rpc_count * sizeof *ready.methods);
    for (size_t i = 0; i < schema->rpc_count; i++)
        if (strcmp(schema->rpcs[i].service, service) == 0)
            ready.methods[ready.n_methods++] = signature_message(arena, &schema->rpcs[i]);
    envelope.ready = &ready;
    return envelope_pack(arena, &envelope);
}

size_t envelope_request_size(const Campus__Bus__Request *request)
{
    return LONGEST_PLAIN + 1 + LONGEST_VARINT + campus__bus__request__get_packed_size(request) + TAIL_SIZE;
}

static size_t put_varint(uint8_t *out, size_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

size_t envelope_pack_request(uint64_t boot, uint64_t id, const Campus__Bus__Request *request, uint8_t *out)
{
    BusEnvelope head = plain(CAMPUS__BUS__ENVELOPE__KIND__REQUEST, boot, id);
    size_t size = campus__bus__envelope__pack(&head, out);
    out[size++] = TAG_REQUEST;
    size += put_varint(out + size, campus__bus__request__get_packed_size(request) + TAIL_SIZE);
    size += campus__bus__request__pack(request, out + size);
    /* left_ms stands in there already: of a field that comes twice, the last one counts. */
    size += TAIL_SIZE;
    envelope_set_tail(out, size, request->again, request->left_ms);
    return size;
}

void envelope_set_tail(uint8_t *bytes, size_t size, bool again, uint32_t left_ms)
{
    uint8_t *tail = bytes + size - TAIL_SIZE, *left = tail + 3;
    tail[0] = TAG_AGAIN;
    tail[1] = again;
    tail[2] = TAG_LEFT_MS;
    uint32_t value = left_ms < MOST_LEFT_MS ? left_ms : MOST_LEFT_MS;
    for (int i = 0; i < LEFT_SIZE; i++, value >>= 7)
        left[i] = (uint8_t)((value & 0x7f) | (i < LEFT_SIZE - 1 ? 0x80 : 0));
}

size_t envelope_violations(struct arena *arena, const struct problem *problem, Campus__Bus__Violation ***list)
{
    size_t count = 0;
    *list = arena_alloc(arena, (problem->count + 1) * sizeof **list);
    for (const struct violation *v = problem->first; v; v = v->next) {
        Campus__Bus__Violation *violation = arena_alloc(arena, sizeof *violation);
        campus__bus__violation__init(violation);
        violation->pointer = arena_strdup(arena, v->pointer);
        violation->code = arena_strdup(arena, v->code);
        violation->argument = v->argument ? arena_strdup(arena, v->argument) : NULL;
        (*list)[count++] = violation;
    }
    return count;
}
