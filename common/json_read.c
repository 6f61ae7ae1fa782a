/* json_read.c -- a JSON document into wire format in one pass, with a pointer for every complaint. */
#include "common/json.h"

#include "common/json_scan.h"
#include "common/json_value.h"
#include "common/wire.h"

/* Where a value stands; a chain on the C stack, made into text only for a complaint. */
struct place {
    const struct place *above; /* NULL: the root */
    struct slice name; /* of a member; data NULL: an element */
    size_t index;
};

struct reader {
    struct json_scan scan;
    struct arena *arena;
    struct json_options options;
    struct buffer *wire;
    struct json_set *set;
    struct problem *problem;
    bool complained;
};

/* An object being read. */
struct object {
    const struct message *message;
    const struct place *place;
    size_t next; /* where the next key is looked for first: senders mostly keep the fields' order */
    uint64_t seen, given; /* bitmaps of fields: named, and not null */
    bool noted; /* its members belong into the set: not inside an array */
};

/* ---- complaints ---- */

static void put_pointer(struct buffer *out, const struct place *place)
{
    if (!place)
        return;
    put_pointer(out, place->above);
    buffer_byte(out, '/');
    if (!place->name.data)
        buffer_printf(out, "%zu", place->index);
    for (size_t i = 0; i < place->name.size; i++) {
        uint8_t byte = place->name.data[i];
        if (byte == '~' || byte == '/')
            buffer_text(out, byte == '~' ? "~0" : "~1"); /* RFC 6901 §3 */
        else
            buffer_byte(out, byte);
    }
}

static void complain(struct reader *reader, const struct place *place, const char *code, const char *argument)
{
    reader->complained = true;
    if (reader->problem->count == MOST_VIOLATIONS)
        return;
    struct buffer pointer = buffer_in(reader->arena);
    put_pointer(&pointer, place);
    problem_add(reader->arena, reader->problem, buffer_cstring(&pointer), code, argument);
}

static void complain_value(struct reader *reader, const struct place *place, const struct field *field,
                           const char *code)
{
    complain(reader, place, code, json_value_argument(reader->arena, field, code));
}

/* What is no JSON outweighs all that was said about its values. */
static void complain_syntax(struct reader *reader, struct problem before)
{
    const struct json_scan *scan = &reader->scan;
    *reader->problem = before;
    if (before.last)
        before.last->next = NULL;
    const char *argument =
        scan->too_deep ? arena_printf(reader->arena, "%d", JSON_DEPTH)
                       : arena_printf(reader->arena, "%s at byte %zu", scan->error, (size_t)(scan->at - scan->start));
    problem_add(reader->arena, reader->problem, "", scan->too_deep ? "too_deep" : "bad_json", argument);
    reader->complained = true;
}

/* ---- the set of a merge patch ---- */

static void put_path(struct buffer *out, const struct place *place)
{
    if (place->above) {
        put_path(out, place->above);
        buffer_byte(out, '.');
    }
    buffer_add(out, place->name.data, place->name.size);
}

static void set_add(struct reader *reader, const char *path)
{
    struct json_set *set = reader->set;
    size_t count = set->count;
    if ((count & (count - 1)) == 0) /* full at each power of two */
        set->paths = arena_grow(reader->arena, set->paths, count * sizeof *set->paths,
                                (count ? 2 * count : 1) * sizeof *set->paths);
    set->paths[set->count++] = path;
}

static void note(struct reader *reader, const struct place *place, const struct field *field)
{
    struct buffer path = buffer_in(reader->arena);
    if (!place->above) {
        set_add(reader, field->name);
        return;
    }
    put_path(&path, place);
    set_add(reader, buffer_cstring(&path));
}

/* A null clears the field; where that is a message, all that is in it. */
static void note_null(struct reader *reader, const struct place *place, const struct field *field)
{
    note(reader, place, field);
    if (field->repeated || !field->message)
        return;
    for (size_t i = 0; i < field->message->count; i++) {
        const struct field *member = &field->message->fields[i];
        struct place inner = { .above = place, .name = slice_text(member->name) };
        note_null(reader, &inner, member);
    }
}

/* ---- values ---- */

static void read_object(struct reader *reader, struct object *object);

static void read_scalar(struct reader *reader, const struct field *field, const struct place *place,
                        const struct json_token *token)
{
    const char *code = json_value_put(field, token, reader->wire);
    if (!code)
        return;
    complain_value(reader, place, field, code);
    json_skip(&reader->scan, token);
}

static void read_message(struct reader *reader, const struct field *field, const struct place *place,
                         const struct json_token *token, bool noted)
{
    if (token->kind != JSON_OBJECT) {
        complain_value(reader, place, field, "wrong_type");
        json_skip(&reader->scan, token);
        return;
    }
    struct object object = { .message = field->message, .place = place, .noted = noted };
    size_t mark = wire_open(reader->wire, field->number);
    read_object(reader, &object);
    wire_close(reader->wire, mark);
}

static void read_element(struct reader *reader, const struct field *field, const struct place *place)
{
    struct json_token token;
    const char *code;
    if (!json_next(&reader->scan, &token))
        return;
    if (field->type == FIELD_MESSAGE) {
        read_message(reader, field, place, &token, false);
    } else if (!json_is_packed(field)) {
        read_scalar(reader, field, place, &token);
    } else if ((code = json_value_pack(field, &token, reader->wire))) {
        complain_value(reader, place, field, code);
        json_skip(&reader->scan, &token);
    }
}

static void read_array(struct reader *reader, const struct field *field, const struct place *place,
                       const struct json_token *token)
{
    if (token->kind != JSON_ARRAY) {
        complain(reader, place, "wrong_type", "an array");
        json_skip(&reader->scan, token);
        return;
    }
    struct place element = { .above = place };
    size_t before = reader->wire->size, mark = json_is_packed(field) ? wire_open(reader->wire, field->number) : 0;
    for (; json_more(&reader->scan, element.index == 0, ']'); element.index++)
        read_element(reader, field, &element);
    if (mark && reader->wire->size > mark)
        wire_close(reader->wire, mark);
    else if (mark)
        reader->wire->size = before; /* an empty array is an absent field */
}

static void read_field(struct reader *reader, const struct field *field, const struct place *place,
                       const struct json_token *token, bool noted)
{
    if (token->kind == JSON_NULL) {
        if (noted)
            note_null(reader, place, field);
        return;
    }
    if (field->type == FIELD_MESSAGE && !field->repeated) {
        read_message(reader, field, place, token, noted);
        return;
    }
    if (noted)
        note(reader, place, field);
    if (field->repeated)
        read_array(reader, field, place, token);
    else
        read_scalar(reader, field, place, token);
}

/* ---- objects ---- */

static const struct field *find_field(struct object *object, struct slice key)
{
    const struct message *message = object->message;
    for (size_t tried = 0; tried < message->count; tried++) {
        size_t at = object->next < message->count ? object->next : 0;
        const struct field *field = &message->fields[at];
        object->next = at + 1;
        if (strncmp(field->name, (const char *)key.data, key.size) == 0 && field->name[key.size] == '\0')
            return field;
    }
    return NULL;
}

static uint64_t field_bit(const struct field *field)
{
    return UINT64_C(1) << field->index;
}

/* Why this member may not stand here; NULL where it may. */
static const char *refusal_of(const struct reader *reader, const struct object *object, const struct field *field)
{
    const uint64_t *taken = object->place ? NULL : reader->options.taken;
    if (!field || field->body || (taken && *taken & field_bit(field)))
        return "unknown_field";
    if (object->seen & field_bit(field))
        return "duplicate_key";
    return field->output && !reader->options.trusted ? "output_only" : NULL;
}

static const char *oneof_names(struct arena *arena, const struct message *message, const char *oneof)
{
    struct buffer names = buffer_in(arena);
    for (size_t i = 0; i < message->count; i++) {
        if (!message->fields[i].oneof || strcmp(message->fields[i].oneof, oneof) != 0)
            continue;
        buffer_text(&names, names.size ? ", " : "");
        buffer_text(&names, message->fields[i].name);
    }
    return buffer_cstring(&names);
}

/* Complains where another member of the field's oneof has come before it. */
static void check_oneof(struct reader *reader, const struct object *object, const struct field *field,
                        const struct place *place)
{
    const struct message *message = object->message;
    for (size_t i = 0; i < message->count; i++) {
        const struct field *other = &message->fields[i];
        if (other == field || !(object->given & field_bit(other)) || !other->oneof)
            continue;
        if (strcmp(other->oneof, field->oneof) == 0) {
            complain(reader, place, "one_of", oneof_names(reader->arena, message, field->oneof));
            return;
        }
    }
}

static void read_member(struct reader *reader, struct object *object, struct slice key)
{
    const struct field *field = find_field(object, key);
    struct place place = { .above = object->place, .name = key };
    const char *refused = refusal_of(reader, object, field);
    struct json_token token;
    if (!json_next(&reader->scan, &token))
        return;
    if (refused) {
        complain(reader, &place, refused, NULL);
        json_skip(&reader->scan, &token);
        return;
    }
    object->seen |= field_bit(field);
    if (token.kind != JSON_NULL)
        object->given |= field_bit(field);
    if (field->oneof && token.kind != JSON_NULL)
        check_oneof(reader, object, field, &place);
    read_field(reader, field, &place, &token, object->noted);
}

/* Behind the opening brace. */
static void read_object(struct reader *reader, struct object *object)
{
    struct slice key;
    for (bool first = true; json_more(&reader->scan, first, '}'); first = false) {
        if (!json_key(&reader->scan, &key))
            return;
        read_member(reader, object, key);
    }
}

/* ---- documents ---- */

static bool read_end(struct reader *reader, struct problem before)
{
    if (!json_end(&reader->scan))
        complain_syntax(reader, before);
    return !reader->complained;
}

bool json_to_wire(struct arena *arena, const struct message *message, struct slice json, struct json_options options,
                  struct buffer *wire, struct json_set *set, struct problem *problem)
{
    struct reader reader = { .scan = json_scan_of(arena, json),
                             .arena = arena,
                             .options = options,
                             .wire = wire,
                             .set = set,
                             .problem = problem };
    struct object root = { .message = message, .noted = options.patch && set };
    struct problem before = *problem;
    struct json_token token;
    if (!json_next(&reader.scan, &token))
        return read_end(&reader, before);
    if (token.kind == JSON_OBJECT) {
        read_object(&reader, &root);
    } else {
        complain(&reader, NULL, "wrong_type", "an object");
        json_skip(&reader.scan, &token);
    }
    return read_end(&reader, before);
}

bool json_field_to_wire(struct arena *arena, const struct field *field, struct slice json, struct buffer *wire,
                        struct problem *problem)
{
    struct reader reader = { .scan = json_scan_of(arena, json),
                             .arena = arena,
                             .options = { .trusted = true },
                             .wire = wire,
                             .problem = problem };
    struct place place = { .name = slice_text(field->name) };
    struct problem before = *problem;
    struct json_token token;
    if (json_next(&reader.scan, &token))
        read_field(&reader, field, &place, &token, false);
    return read_end(&reader, before);
}
