/* envelope.h -- the first frame of every message on the bus, to and from bytes. Pure. */
#ifndef CAMPUS_ENVELOPE_H
#define CAMPUS_ENVELOPE_H

#include "common/arena.h"
#include "common/schema.h"

#include <bus.pb-c.h>

typedef Campus__Bus__Envelope BusEnvelope;

/* The envelope in these bytes, in the arena; NULL where they are none, lack what their kind needs, or would take far
 * more memory than they are long. */
const BusEnvelope *envelope_read(struct arena *arena, struct slice bytes);

struct slice envelope_pack(struct arena *arena, const BusEnvelope *envelope);

/* One that holds nothing but its kind, the gateway's boot nonce and a request's id. A 0 is left out. */
struct slice envelope_pack_plain(struct arena *arena, Campus__Bus__Envelope__Kind kind, uint64_t boot, uint64_t id);

/* A READY with the signatures of all methods of the service. */
struct slice envelope_pack_ready(struct arena *arena, const struct schema *schema, const char *service,
                                 const char *instance, uint32_t credits);

/* A REQUEST in an envelope whose last bytes are its `again` and left_ms, in a fixed width: envelope_set_tail() rewrites them
 * in place, so that a request which is sent again is not encoded again. */
size_t envelope_request_size(const Campus__Bus__Request *request);
/* Writes at most envelope_request_size() bytes to `out` and returns how many. */
size_t envelope_pack_request(uint64_t boot, uint64_t id, const Campus__Bus__Request *request, uint8_t *out);
void envelope_set_tail(uint8_t *bytes, size_t size, bool again, uint32_t left_ms);

/* A problem's complaints as a reply carries them; returns how many. */
size_t envelope_violations(struct arena *arena, const struct problem *problem, Campus__Bus__Violation ***list);

#endif
