/* outbox.h -- messages that a socket did not take, in order, until it does. Whoever keeps them bounds their number. */
#ifndef CAMPUS_OUTBOX_H
#define CAMPUS_OUTBOX_H

#include "common/slice.h"

#include <sys/queue.h>

STAILQ_HEAD(outbox, outbox_message);

static inline void outbox_init(struct outbox *outbox)
{
    STAILQ_INIT(outbox);
}

static inline bool outbox_empty(const struct outbox *outbox)
{
    return STAILQ_EMPTY(outbox);
}

/* Copies both frames. */
void outbox_keep(struct outbox *outbox, struct slice envelope, struct slice body);
/* Sends from the front until send() says no. Whether all is sent. */
bool outbox_flush(struct outbox *outbox, bool (*send)(void *context, struct slice envelope, struct slice body),
                  void *context);
void outbox_clear(struct outbox *outbox);

#endif
