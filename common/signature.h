/* signature.h -- what a method looks like on the wire, so that a gateway and a worker of different builds can tell
 * whether they understand each other. Pure. */
#ifndef CAMPUS_SIGNATURE_H
#define CAMPUS_SIGNATURE_H

#include "common/schema.h"

/* "<path:number:type" for each field of the request and ">..." of the reply, nested ones with dotted paths, sorted. */
struct signature {
    const char *method;
    const char **fields;
    size_t count;
};

struct signature signature_of(struct arena *arena, const struct rpc *rpc);
/* Whether a worker with these fields (sorted) serves what the gateway knows: each of ours is among theirs. On false,
 * *missing names the first that is not. */
bool signature_fits(const struct signature *ours, const char *const *theirs, size_t count, const char **missing);

#endif
