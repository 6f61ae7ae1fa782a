/* outbox.c -- a list of copies. */
#include "common/outbox.h"

#include <stdlib.h>

struct outbox_message {
    STAILQ_ENTRY(outbox_message) at;
    size_t envelope_size, body_size;
    uint8_t bytes[];
};

void outbox_keep(struct outbox *outbox, struct slice envelope, struct slice body)
{
    struct outbox_message *message = malloc(sizeof *message + envelope.size + body.size);
    if (!message)
        abort();
    message->envelope_size = envelope.size;
    message->body_size = body.size;
    memcpy(message->bytes, envelope.data, envelope.size);
    if (body.size > 0)
        memcpy(message->bytes + envelope.size, body.data, body.size);
    STAILQ_INSERT_TAIL(outbox, message, at);
}

static void remove_first(struct outbox *outbox)
{
    struct outbox_message *message = STAILQ_FIRST(outbox);
    STAILQ_REMOVE_HEAD(outbox, at);
    free(message);
}

bool outbox_flush(struct outbox *outbox, bool (*send)(void *context, struct slice envelope, struct slice body),
                  void *context)
{
    struct outbox_message *message;
    while ((message = STAILQ_FIRST(outbox))) {
        struct slice envelope = slice_of(message->bytes, message->envelope_size);
        struct slice body = slice_of(message->bytes + message->envelope_size, message->body_size);
        if (!send(context, envelope, body))
            return false;
        remove_first(outbox);
    }
    return true;
}

void outbox_clear(struct outbox *outbox)
{
    while (!STAILQ_EMPTY(outbox))
        remove_first(outbox);
}
