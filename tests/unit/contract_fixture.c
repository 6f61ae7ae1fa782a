/* contract_fixture.c -- protoc on files in a folder of their own. */
#include "tests/unit/contract_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct slice contract_read(struct arena *arena, const char *path)
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

const char *contract_text(struct arena *arena, const char *path)
{
    return arena_text(arena, contract_read(arena, path));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

struct slice contract_descriptors(struct arena *arena, const struct contract_file *files)
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
        write_file(paths[count], files[count].text);
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

const struct schema *contract_schema(struct arena *arena, const struct contract_file *files)
{
    const char *error = NULL;
    const struct schema *schema = schema_load(arena, contract_descriptors(arena, files), &error);
    if (!schema)
        fail_msg("%s", error);
    return schema;
}

const struct schema *contract_sample(struct arena *arena, const char *name)
{
    const char *text = contract_text(arena, arena_printf(arena, "tests/unit/sample/%s", name));
    return contract_schema(arena, (const struct contract_file[]){ { name, text }, { NULL, NULL } });
}
