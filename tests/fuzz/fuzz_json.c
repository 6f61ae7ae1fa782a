/* fuzz_json.c -- our reader against jansson: the same texts are JSON to both; what we take comes back unchanged. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "common/json.h"
#include "common/rules.h"

#include "tests/unit/sample_message.h"

/* Integers as reals: jansson refuses those beyond 64 bits, which as doubles are fine. */
static bool jansson_takes(struct slice json, size_t flags, json_error_t *error)
{
    json_t *root =
        json_loadb((const char *)json.data, json.size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | flags, error);
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

/* What the text is to us, be its fields and types as they may. */
enum text { TEXT_JSON, TEXT_TOO_DEEP, TEXT_BROKEN };

static enum text text_of(struct arena *arena, struct slice json)
{
    struct problem problem = { 0 };
    struct buffer wire = buffer_in(arena);
    if (json_to_wire(arena, &sample_message, json, (struct json_options){ 0 }, &wire, NULL, &problem))
        return TEXT_JSON;
    if (strcmp(problem.code, "bad_json") == 0)
        return TEXT_BROKEN;
    return strcmp(problem.code, "too_deep") == 0 ? TEXT_TOO_DEEP : TEXT_JSON;
}

/* Where the two differ, this is why: jansson reads over a NUL behind a token, and has no number beyond a double's range,
 * which to us is JSON that no field takes. What is too deep for us, we have not read. */
static void compare_texts(struct arena *arena, struct slice json)
{
    json_error_t error;
    bool theirs = jansson_takes(json, 0, &error);
    enum text ours = text_of(arena, json);
    if (ours == TEXT_JSON)
        need(theirs || json_error_code(&error) == json_error_numeric_overflow);
    if (ours == TEXT_BROKEN)
        need(!theirs || memchr(json.data, '\0', json.size));
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
    json_error_t error;
    need(json_from_wire(&sample_message, wire, &json));
    need(jansson_takes(buffer_slice(&json), JSON_REJECT_DUPLICATES, &error));
    need(read_json(arena, buffer_slice(&json), (struct json_options){ .trusted = true }, &again));
    need(slice_equal(wire, buffer_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct slice json = slice_of(data, size);
    struct buffer wire = buffer_in(arena), patched = buffer_in(arena), written = buffer_in(arena);
    json_error_t error;
    bool ours = read_json(arena, json, (struct json_options){ .trusted = true }, &wire);
    need(!ours || jansson_takes(json, JSON_REJECT_DUPLICATES, &error));
    compare_texts(arena, json);
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
