/* contract_fixture.h -- a contract from the text of .proto files, as the build makes the real one: with protoc. */
#ifndef CAMPUS_TESTS_CONTRACT_FIXTURE_H
#define CAMPUS_TESTS_CONTRACT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "common/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONTRACT_FILES = 4 };

/* A file; those that import options.proto find it. */
struct contract_file {
    const char *name, *text;
};

static inline struct slice contract_read(struct arena *arena, const char *path)
{
    struct buffer content = buffer_in(arena);
    char part[4096];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (size_t size; (size = fread(part, 1, sizeof part, file)) > 0;)
        buffer_add(&content, part, size);
    assert_int_equal(fclose(file), 0);
    return buffer_slice(&content);
}

static inline const char *contract_text(struct arena *arena, const char *path)
{
    return arena_text(arena, contract_read(arena, path));
}

static inline void contract_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The FileDescriptorSet of `files`, which end with one without a name. Tests run in the root of the tree. */
static inline struct slice contract_descriptors(struct arena *arena, const struct contract_file *files)
{
    char folder[] = "/tmp/campus-contract-XXXXXX";
    struct buffer command = buffer_in(arena);
    assert_non_null(mkdtemp(folder));
    char *set = arena_printf(arena, "%s/set", folder), *paths[CONTRACT_FILES];
    size_t count = 0;
    buffer_printf(&command,
                  "protoc -I%s -Iproto -I/usr/include --include_imports --include_source_info "
                  "--descriptor_set_out=%s",
                  folder, set);
    for (; files[count].name; count++) {
        assert_true(count < CONTRACT_FILES);
        paths[count] = arena_printf(arena, "%s/%s", folder, files[count].name);
        contract_write(paths[count], files[count].text);
        buffer_printf(&command, " %s", paths[count]);
    }
    int status = system(buffer_cstring(&command));
    struct slice descriptors = status == 0 ? contract_read(arena, set) : slice_of(NULL, 0);
    (void)unlink(set);
    for (size_t i = 0; i < count; i++)
        (void)unlink(paths[i]);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(status, 0);
    return descriptors;
}

/* A contract that is right. */
static inline const struct schema *contract_schema(struct arena *arena, const struct contract_file *files)
{
    const char *error = NULL;
    const struct schema *schema = schema_load(arena, contract_descriptors(arena, files), &error);
    if (!schema)
        fail_msg("%s", error);
    return schema;
}

#endif
