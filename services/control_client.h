/* control_client.h -- a command's one question to a gateway, at the endpoint of the setting control, and its answer. */
#ifndef CAMPUS_CONTROL_CLIENT_H
#define CAMPUS_CONTROL_CLIENT_H

#include "common/envelope.h"
#include "common/settings.h"

enum { CONTROL_REACH_MS = 2000 }; /* how long a gateway may take to be there */

struct control_question {
    BusEnvelope *envelope; /* gets its boot and id here */
    struct slice body;
    uint32_t answer_ms; /* how long its answer may take */
};

/* The answer, with its body, in the arena; NULL with *error, a line for the operator, where none has come. */
const BusEnvelope *control_ask(struct arena *arena, const struct settings *settings,
                               const struct control_question *question, struct slice *body, const char **error)
    __attribute__((warn_unused_result));

#endif
