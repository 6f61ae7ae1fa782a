/* sample_service.h -- a small service, for tests of what binds and runs services: its table of methods, and how to get its
 * contract, statements and schema, which stand in tests/unit/sample/. */
#ifndef CAMPUS_TESTS_SAMPLE_SERVICE_H
#define CAMPUS_TESTS_SAMPLE_SERVICE_H

#include "tests/unit/cluster.h"
#include "tests/unit/contract_fixture.h"

#include "common/database.h"
#include "common/method.h"
#include "common/statement.h"

enum { SAMPLE_METHODS = 6 };

extern const struct method sample_methods[SAMPLE_METHODS + 1]; /* ends with one without a name */

const struct schema *sample_schema(struct arena *arena);

/* A statement; one of the service's that a test puts another text in place of, or none (NULL). */
struct sample_statement {
    const char *name, *text;
};

/* The file of the statements, with `other` (or NULL) in place of the one of its name, or behind them all. */
struct slice sample_queries(struct arena *arena, const struct sample_statement *other);

/* The project's own migrations: the common ones, and those of services. */
void sample_migrate(const struct cluster *cluster, const char *const *services);
/* A PostgreSQL with the common schema and the service's, to be stopped; and how the service uses it. */
struct cluster *sample_cluster(void);
struct database_options sample_database_options(const struct cluster *cluster);

#endif
