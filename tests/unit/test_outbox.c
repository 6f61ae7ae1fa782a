/* test_outbox.c -- in order, none twice, none lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/outbox.h"

#include <stdio.h>

struct receiver {
    int admits, received;
};

static bool receive(void *context, struct slice envelope, struct slice body)
{
    struct receiver *receiver = context;
    char expected[8];
    if (receiver->admits-- <= 0)
        return false;
    snprintf(expected, sizeof expected, "%d", receiver->received++);
    assert_true(slice_is(envelope, expected));
    assert_true(receiver->received % 2 ? slice_is(body, expected) : body.size == 0);
    return true;
}

static void test_order(void **state)
{
    struct outbox outbox;
    struct receiver receiver = { 0 };
    (void)state;
    outbox_init(&outbox);
    assert_true(outbox_flush(&outbox, receive, &receiver));
    for (int i = 0; i < 5; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        outbox_keep(&outbox, slice_text(text), i % 2 ? slice_of(NULL, 0) : slice_text(text));
    }
    receiver.admits = 2;
    assert_false(outbox_flush(&outbox, receive, &receiver));
    assert_int_equal(receiver.received, 2);
    receiver.admits = 2;
    assert_false(outbox_flush(&outbox, receive, &receiver));
    assert_false(outbox_empty(&outbox));
    receiver.admits = 2;
    assert_true(outbox_flush(&outbox, receive, &receiver));
    assert_int_equal(receiver.received, 5);
    outbox_keep(&outbox, slice_text("x"), slice_text("y"));
    outbox_clear(&outbox);
    assert_true(outbox_empty(&outbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_order) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
