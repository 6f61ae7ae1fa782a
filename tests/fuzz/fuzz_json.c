/* fuzz_json.c -- our reader against jansson: what it refuses, we refuse; what we take comes back unchanged. */
#include <jansson.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/rules.h"

#include "tests/unit/sample_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
    if (!holds)
        abort();
}

/* Integers as reals: jansson refuses those beyond 64 bits, which as doubles are fine. */
static bool jansson_takes(struct slice json)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)json.data, json.size,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    json_decref(root);
    return root != NULL;
}

static bool read_json(struct arena *arena, struct slice json, struct json_options options, struct buffer *wire)
{
    struct problem problem = { 0 };
    struct json_set set = { 0 };
    bool taken = json_to_wire(arena, &sample_message, json, options, wire, &set, &problem);
    need(taken == (problem.status == STATUS_OK) && taken == (problem.count == 0));
    return taken;
}

/* Whether the text is JSON to us, be its fields and types as they may; what is only nested too deep is. */
static bool is_json(struct arena *arena, struct slice json)
{
    struct problem problem = { 0 };
    struct buffer wire = buffer_in(arena);
    if (json_to_wire(arena, &sample_message, json, (struct json_options){ 0 }, &wire, NULL, &problem))
        return true;
    return problem.status == STATUS_INVALID || strcmp(problem.code, "too_deep") == 0;
}

static void check_rules(struct arena *arena, struct slice wire)
{
    struct problem problem = { 0 };
    struct rules_context context = { .arena = arena, .problem = &problem };
    rules_check(&context, &sample_message, wire, NULL);
}

static void round_trip(struct arena *arena, struct slice wire)
{
    struct buffer json = buffer_in(arena), again = buffer_in(arena);
    need(json_from_wire(&sample_message, wire, &json));
    need(jansson_takes(buffer_slice(&json)));
    need(read_json(arena, buffer_slice(&json), (struct json_options){ .trusted = true }, &again));
    need(slice_equal(wire, buffer_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct slice json = slice_of(data, size);
    struct buffer wire = buffer_in(arena), patched = buffer_in(arena), written = buffer_in(arena);
    bool theirs = jansson_takes(json);
    bool ours = read_json(arena, json, (struct json_options){ .trusted = true }, &wire);
    need(!ours || theirs);
    /* jansson reads over a NUL behind a token. */
    need(!theirs || is_json(arena, json) || memchr(data, '\0', size));
    if (ours)
        round_trip(arena, buffer_slice(&wire));
    /* A patch writes the same and notes paths besides. */
    need(read_json(arena, json, (struct json_options){ .patch = true, .trusted = true }, &patched) == ours);
    need(!ours || slice_equal(buffer_slice(&wire), buffer_slice(&patched)));
    /* The same bytes as a message: the writer and the rules read what they have not written. */
    if (json_from_wire(&sample_message, json, &written))
        need(written.size >= 2);
    check_rules(arena, json);
    arena_free(arena);
    return 0;
}
