/* fuzz_envelope.c -- a frame of any bytes from the bus: what is taken for an envelope comes back as it was. */
#include "tests/fuzz/fuzz.h"

#include "common/envelope.h"

enum {
    LONGEST = 4096, /* short enough that what came in a longer form may take as much memory in its shortest */
    MOST_LEFT_MS = (1 << 28) - 1,
};

/* protobuf-c reads a field's number 0 where it has more than one byte, and keeps the field as an unknown one, but writes
 * it in one byte, which it does not read. Nothing of ours looks at unknown fields or sends them on. */
static bool has_number_zero(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    bool found = false;
    for (unsigned i = 0; i < message->n_unknown_fields; i++)
        found = found || message->unknown_fields[i].tag == 0;
    for (unsigned i = 0; i < type->n_fields && !found; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        const char *place = (const char *)message + field->offset;
        const ProtobufCMessage *one = NULL, *const *list = &one;
        size_t count = 1;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        memcpy(field->label == PROTOBUF_C_LABEL_REPEATED ? (void *)&list : (void *)&one, place, sizeof(void *));
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            memcpy(&count, (const char *)message + field->quantifier_offset, sizeof count);
        for (size_t j = 0; j < count; j++)
            found = found || (list[j] && has_number_zero(list[j]));
    }
    return found;
}

static bool same_request(struct arena *arena, const Campus__Bus__Request *a, const Campus__Bus__Request *b)
{
    uint8_t *first = arena_alloc(arena, campus__bus__request__get_packed_size(a));
    uint8_t *second = arena_alloc(arena, campus__bus__request__get_packed_size(b));
    return slice_equal(slice_of(first, campus__bus__request__pack(a, first)),
                       slice_of(second, campus__bus__request__pack(b, second)));
}

/* The same request in the encoding whose tail can be rewritten, and rewritten. */
static void send_twice(struct arena *arena, const BusEnvelope *envelope)
{
    Campus__Bus__Request request = *envelope->request;
    size_t bound = envelope_request_size(&request);
    uint8_t *bytes = arena_alloc(arena, bound);
    size_t size = envelope_pack_request(envelope->boot, envelope->id, &request, bytes);
    need(size <= bound);
    request.has_again = true; /* the tail always says */
    for (uint32_t left_ms = request.left_ms;; left_ms /= 2) {
        request.again = left_ms % 2;
        envelope_set_tail(bytes, size, request.again, left_ms);
        const BusEnvelope *again = envelope_read(arena, slice_of(bytes, size));
        need(again && again->boot == envelope->boot && again->id == envelope->id);
        request.left_ms = left_ms < MOST_LEFT_MS ? left_ms : MOST_LEFT_MS;
        need(same_request(arena, again->request, &request));
        if (left_ms == 0)
            return;
    }
}

/* `size` bytes have become the envelope. Its packing is shorter where a field came twice, and so is granted less memory: only then
 * may what is unknown in it be too much. */
static void check(struct arena *arena, const BusEnvelope *envelope, size_t size)
{
    struct slice packed = envelope_pack(arena, envelope);
    const BusEnvelope *again = envelope_read(arena, packed);
    if (!again && packed.size < size)
        return;
    need(again && again->kind == envelope->kind);
    need(slice_equal(envelope_pack(arena, again), packed));
    if (envelope->kind == CAMPUS__BUS__ENVELOPE__KIND__REQUEST && envelope->boot && envelope->id)
        send_twice(arena, envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > LONGEST)
        return 0;
    struct arena *arena = arena_new();
    const BusEnvelope *envelope = envelope_read(arena, slice_of(data, size));
    if (envelope && !has_number_zero(&envelope->base))
        check(arena, envelope, size);
    arena_free(arena);
    return 0;
}
