/* fact_sources.h -- which services' facts a consumer can read here and now. Asked once, at start. */
#ifndef CAMPUS_FACT_SOURCES_H
#define CAMPUS_FACT_SOURCES_H

#include "common/method.h"

/* The consumers of the service without those that are optional and whose source publishes no view `facts` to this role; each that is
 * left out is logged. NULL with *error where the database does not tell; *unreachable says that it is not there yet. */
const struct consumer *fact_sources_present(struct arena *arena, const char *conninfo, const char *role,
                                            const struct consumer *consumers, const char **error, bool *unreachable)
    __attribute__((warn_unused_result));

#endif
