/* test_envelope.c -- the first frame: what is read, what is refused, and the request that is sent twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/envelope.h"

#include <stdlib.h>

static void test_request_twice(void **state)
{
    static const uint32_t left_ms[] = { 0, 1, 127, 128, 30000, (1 << 28) - 1 };
    struct arena *arena = arena_new();
    char method[] = "GetPerson", key[] = "k";
    Campus__Bus__Request request = CAMPUS__BUS__REQUEST__INIT;
    (void)state;
    request.method = method;
    request.idempotency_key = key;
    request.left_ms = 5;
    uint8_t *bytes = malloc(envelope_request_size(&request));
    size_t size = envelope_pack_request(0xfedcba9876543210, 1ull << 63, &request, bytes);
    assert_in_range(size, 1, envelope_request_size(&request));
    assert_int_equal(envelope_read(arena, slice_of(bytes, size))->request->left_ms, 5);
    for (size_t i = 0; i < sizeof left_ms / sizeof *left_ms; i++) {
        envelope_set_tail(bytes, size, i % 2, left_ms[i]);
        const BusEnvelope *envelope = envelope_read(arena, slice_of(bytes, size));
        assert_non_null(envelope);
        assert_int_equal(envelope->request->left_ms, left_ms[i]);
        assert_int_equal(envelope->request->again, i % 2);
        assert_int_equal(envelope->boot, 0xfedcba9876543210);
        assert_int_equal(envelope->id, 1ull << 63);
        assert_string_equal(envelope->request->method, "GetPerson");
        assert_string_equal(envelope->request->idempotency_key, "k");
    }
    envelope_set_tail(bytes, size, false, UINT32_MAX);
    assert_int_equal(envelope_read(arena, slice_of(bytes, size))->request->left_ms, (1 << 28) - 1);
    free(bytes);
    arena_free(arena);
}

static void test_parts_are_required(void **state)
{
    static const uint8_t junk[] = { 0xff, 0xff, 0xff };
    struct arena *arena = arena_new();
    (void)state;
    for (int kind = CAMPUS__BUS__ENVELOPE__KIND__READY; kind <= CAMPUS__BUS__ENVELOPE__KIND__CANCEL; kind++)
        assert_null(envelope_read(arena, envelope_pack_plain(arena, (Campus__Bus__Envelope__Kind)kind, 0, 0)));
    assert_null(envelope_read(arena, envelope_pack_plain(arena, CAMPUS__BUS__ENVELOPE__KIND__PING, 0, 0)));
    assert_non_null(envelope_read(arena, envelope_pack_plain(arena, CAMPUS__BUS__ENVELOPE__KIND__PING, 1, 0)));
    assert_non_null(envelope_read(arena, envelope_pack_plain(arena, CAMPUS__BUS__ENVELOPE__KIND__CANCEL, 1, 1)));
    assert_null(envelope_read(arena, slice_of(junk, sizeof junk)));
    assert_null(envelope_read(arena, slice_of(NULL, 0)));
    arena_free(arena);
}

/* A signature without fields takes four bytes on the wire, and twenty times that in memory. */
static void test_memory_is_bounded(void **state)
{
    enum { COUNT = 1 << 19, LENGTH_SIZE = 4 };
    static const uint8_t head[] = { 1 << 3, CAMPUS__BUS__ENVELOPE__KIND__READY, 4 << 3 | 2 };
    static const uint8_t ready[] = { 0x0a, 1, 's', 0x12, 1, 'i', 0x18, 1 }, method[] = { 0x22, 2, 0x0a, 0 };
    struct arena *arena = arena_new();
    size_t size = sizeof head + LENGTH_SIZE, length = sizeof ready + COUNT * sizeof method;
    uint8_t *bytes = malloc(size + length);
    (void)state;
    memcpy(bytes, head, sizeof head);
    for (int i = 0; i < LENGTH_SIZE; i++)
        bytes[sizeof head + (size_t)i] = (uint8_t)((length >> (7 * i) & 0x7f) | (i < LENGTH_SIZE - 1 ? 0x80 : 0));
    memcpy(bytes + size, ready, sizeof ready);
    size += sizeof ready;
    for (int i = 0; i < COUNT; i++, size += sizeof method)
        memcpy(bytes + size, method, sizeof method);
    assert_null(envelope_read(arena, slice_of(bytes, size)));
    assert_in_range(arena_size(arena), 0, 32 * size);
    free(bytes);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_twice),
        cmocka_unit_test(test_parts_are_required),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
