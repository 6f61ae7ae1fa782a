/* stages.h -- what a request costs, piece by piece: each function runs one stage of an operation once. */
#ifndef CAMPUS_TESTS_STAGES_STAGES_H
#define CAMPUS_TESTS_STAGES_STAGES_H

#include "tests/bench/stages/operation.h"

typedef void stage_run(struct operation *operation);

/* gateway_stages.c */
stage_run stage_all, stage_connection, stage_kernel, stage_parse, stage_exchange_in, stage_route, stage_limits,
    stage_key, stage_request, stage_json_in, stage_rules, stage_exchange_out, stage_json_out, stage_head;
/* A key that is asked for now is known for a second. */
stage_run settle_key;
/* Nobody has asked yet. */
stage_run settle_limits;

/* bus_stages.c */
stage_run stage_bus_inproc, stage_bus_ipc, stage_pack_request, stage_sockets, stage_read_request, stage_pack_reply,
    stage_read_reply;
/* The workers are there, however long the loop has stood still. */
stage_run settle_bus;

/* worker_stages.c */
stage_run stage_call, stage_bind, stage_database, stage_rows;

#endif
