/* cuts.h -- where one stage hands over to the next, the linker's --wrap puts a cut: what is handed over is kept, and goes no
 * further. So that each stage runs as the product has it, and alone. */
#ifndef CAMPUS_TESTS_STAGES_CUTS_H
#define CAMPUS_TESTS_STAGES_CUTS_H

#include "common/database.h"
#include "services/gateway/dispatch.h"
#include "services/gateway/http.h"

#include <bus.pb-c.h>

struct exchange;

struct cuts {
    /* Closed, an exchange belongs to no connection: its memory is the arena, and its answer ends here. */
    bool http_closed;
    struct arena *arena;
    struct exchange *exchange;
    struct http_response response;
    /* Closed, no request is dispatched, but for the gateway's own question who is behind a key. */
    bool dispatch_closed;
    const struct rpc *rpc;
    BusRequest header; /* what it points to is the arena's */
    struct slice body;
    /* Closed, no batch goes to PostgreSQL. */
    bool database_closed;
    struct batch *batch;
};

extern struct cuts cuts;

#endif
