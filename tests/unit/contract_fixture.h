/* contract_fixture.h -- a contract from .proto files, as the build makes the real one: with protoc.
 *
 * Tests run in the root of the tree, which paths start from. What fails, fails the test. */
#ifndef CAMPUS_TESTS_CONTRACT_FIXTURE_H
#define CAMPUS_TESTS_CONTRACT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "common/schema.h"

enum { CONTRACT_FILES = 4 };

/* A file; those that import options.proto find it. */
struct contract_file {
    const char *name, *text;
};

/* The content of a file of the tree, as bytes and as text. */
struct slice contract_read(struct arena *arena, const char *path);
const char *contract_text(struct arena *arena, const char *path);

/* The FileDescriptorSet of `files`, at most CONTRACT_FILES, which end with one without a name. */
struct slice contract_descriptors(struct arena *arena, const struct contract_file *files);
/* A contract that is right, of such files, and of one of tests/unit/sample by its name. */
const struct schema *contract_schema(struct arena *arena, const struct contract_file *files);
const struct schema *contract_sample(struct arena *arena, const char *name);

#endif
