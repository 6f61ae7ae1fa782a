/* rules.c -- one walk over the wire: counts and values as they come, and at the end what did not come. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "common/rules.h"

#include "common/calendar.h"
#include "common/json.h"
#include "common/swar.h"
#include "common/utf8.h"
#include "common/wire.h"

#include <pcre2.h>

enum {
    MATCH_LIMIT = 100000, /* steps of a pattern: a few milliseconds at worst */
    UUID_SIZE = 36,
    DATE_SIZE = 10,
    LONGEST_LABEL = 40,
    MOST_LABELS = 16,
    MOST_FIELDS = 64,
};

/* Where a value stands; a chain on the C stack, made into text only for a complaint. */
struct place {
    const struct place *above; /* NULL: the root */
    const struct field *field;
    uint32_t index; /* among the items of a repeated field */
};

/* A message being checked. */
struct walk {
    const struct rules_context *context;
    const struct message *message;
    const struct place *place; /* NULL: the root */
    const struct json_set *set; /* NULL: whole, not patched */
    uint32_t counts[MOST_FIELDS]; /* how often each field has come */
};

/* ---- formats ---- */

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_uuid(struct slice text)
{
    if (text.size != UUID_SIZE)
        return false;
    for (size_t i = 0; i < UUID_SIZE; i++) {
        uint8_t byte = text.data[i];
        if (i == 8 || i == 13 || i == 18 || i == 23 ? byte != '-' : !is_digit(byte) && (byte < 'a' || byte > 'f'))
            return false;
    }
    return true;
}

static int number_at(struct slice text, size_t at, size_t digits)
{
    int value = 0;
    for (size_t i = at; i < at + digits; i++)
        value = value * 10 + (text.data[i] - '0');
    return value;
}

static bool is_date(struct slice text)
{
    if (text.size != DATE_SIZE)
        return false;
    for (size_t i = 0; i < DATE_SIZE; i++)
        if (i == 4 || i == 7 ? text.data[i] != '-' : !is_digit(text.data[i]))
            return false;
    return calendar_exists((struct calendar_day){
        .year = number_at(text, 0, 4), .month = number_at(text, 5, 2), .day = number_at(text, 8, 2) });
}

static bool is_path(struct slice text)
{
    size_t labels = 1, length = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool dot = byte == '.';
        if (dot ? length == 0 : !is_digit(byte) && byte != '_' && (byte < 'a' || byte > 'z'))
            return false;
        labels += dot;
        length = dot ? 0 : length + 1;
        if (length > LONGEST_LABEL || labels > MOST_LABELS)
            return false;
    }
    return length > 0;
}

static const struct {
    bool (*holds)(struct slice text);
    const char *name;
} formats[] = {
    [FORMAT_UUID] = { is_uuid, "a UUID" },
    [FORMAT_DATE] = { is_date, "a date YYYY-MM-DD" },
    [FORMAT_PATH] = { is_path, "a path of labels a-z, 0-9, _" },
    [FORMAT_ANY] = { NULL, NULL },
};

/* ---- text ---- */

/* Most of what passes: bytes 20..7E alone, which need no Unicode at all. */
static bool is_plain(struct slice text)
{
    size_t i = 0;
    uint64_t marks = 0;
    for (; i + SWAR_SIZE <= text.size; i += SWAR_SIZE) {
        uint64_t word = swar_load(text.data + i);
        marks |= (word & SWAR_HIGHS) | swar_below(word, 0x20) | swar_equal(word, 0x7F);
    }
    for (; i < text.size; i++)
        marks |= text.data[i] < 0x20 || text.data[i] >= 0x7F;
    return !marks;
}

/* What the text fails to be, or NULL. */
static const char *text_fault(enum field_format format, struct slice text)
{
    if (!utf8_valid(text))
        return "UTF-8";
    if (format == FORMAT_ANY)
        return text.size && memchr(text.data, '\0', text.size) ? "free of NUL" : NULL;
    if (utf8_has_control(text, format == FORMAT_LINES))
        return "free of control characters";
    return utf8_is_nfc(text) ? NULL : "in Unicode normalization form C";
}

static const char *length_fault(struct arena *arena, const struct field_rules *rules, size_t length,
                                const char **argument)
{
    bool brief = length < rules->min_length;
    if (!brief && length <= rules->max_length)
        return NULL;
    *argument = arena_printf(arena, "%u", brief ? rules->min_length : rules->max_length);
    return brief ? "too_short" : "too_long";
}

static void *take_memory(size_t size, void *arena)
{
    return arena_alloc(arena, size);
}

static void leave_memory(void *memory, void *arena)
{
    (void)memory, (void)arena; /* goes with the arena */
}

/* The text is valid UTF-8. A pattern that would take too long does not match. */
static bool pattern_holds(struct arena *arena, const pcre2_code *pattern, struct slice text)
{
    pcre2_general_context *memory = pcre2_general_context_create(take_memory, leave_memory, arena);
    pcre2_match_context *limits = pcre2_match_context_create(memory);
    pcre2_match_data *data = pcre2_match_data_create(1, memory);
    pcre2_set_match_limit(limits, MATCH_LIMIT);
    PCRE2_SPTR subject = text.size ? text.data : (PCRE2_SPTR) "";
    return pcre2_match(pattern, subject, text.size, 0, PCRE2_NO_UTF_CHECK, data, limits) >= 0;
}

const char *rules_text(struct arena *arena, const struct field *field, struct slice text, const char **argument)
{
    const struct field_rules *rules = &field->rules;
    bool plain = is_plain(text);
    const char *fault = plain ? NULL : text_fault(rules->format, text);
    if (fault) {
        *argument = fault;
        return "bad_text";
    }
    const char *code = length_fault(arena, rules, plain ? text.size : utf8_length(text), argument);
    if (code)
        return code;
    if (formats[rules->format].holds && !formats[rules->format].holds(text)) {
        *argument = formats[rules->format].name;
        return "bad_format";
    }
    if (rules->compiled && !pattern_holds(arena, rules->compiled, text)) {
        *argument = arena_printf(arena, "a match of %s", rules->pattern);
        return "bad_format";
    }
    return NULL;
}

/* ---- numbers ---- */

static const char *range_argument(struct arena *arena, const struct field_rules *rules)
{
    long long min = rules->min, max = rules->max;
    if (rules->has_min && rules->has_max)
        return arena_printf(arena, "%lld to %lld", min, max);
    return rules->has_min ? arena_printf(arena, "at least %lld", min) : arena_printf(arena, "at most %lld", max);
}

const char *rules_integer(struct arena *arena, const struct field *field, int64_t value, const char **argument)
{
    const struct field_rules *rules = &field->rules;
    if ((!rules->has_min || value >= rules->min) && (!rules->has_max || value <= rules->max))
        return NULL;
    *argument = range_argument(arena, rules);
    return "out_of_range";
}

static const char *check_double(struct arena *arena, const struct field *field, uint64_t bits, const char **argument)
{
    const struct field_rules *rules = &field->rules;
    double value;
    memcpy(&value, &bits, sizeof value);
    if ((!rules->has_min || value >= (double)rules->min) && (!rules->has_max || value <= (double)rules->max))
        return NULL;
    *argument = range_argument(arena, rules);
    return "out_of_range";
}

/* A raw body is bounded by its method's max_body_bytes, not here. */
static const char *check_bytes(struct arena *arena, const struct field *field, struct slice bytes,
                               const char **argument)
{
    return field->body ? NULL : length_fault(arena, &field->rules, bytes.size, argument);
}

static const char *check_value(struct arena *arena, const struct field *field, const struct wire_field *value,
                               const char **argument)
{
    switch (field->type) {
    case FIELD_STRING:
        return rules_text(arena, field, value->bytes, argument);
    case FIELD_BYTES:
        return check_bytes(arena, field, value->bytes, argument);
    case FIELD_INT32:
        return rules_integer(arena, field, (int32_t)(uint32_t)value->value, argument);
    case FIELD_INT64:
    case FIELD_UINT32:
    case FIELD_UINT64: /* within 2^53 from JSON, so it fits */
        return rules_integer(arena, field, (int64_t)value->value, argument);
    case FIELD_DOUBLE:
        return check_double(arena, field, value->value, argument);
    case FIELD_BOOL:
    case FIELD_ENUM:
    case FIELD_MESSAGE:
        break;
    }
    return NULL;
}

/* ---- complaints ---- */

/* "/people/3/name" for a body; "name" or "venue.name" for parameters, which repeat without an index. Field names are
 * identifiers, so nothing needs an escape. */
static void put_pointer(struct buffer *out, const struct place *place, bool bare, bool item)
{
    if (place->above)
        put_pointer(out, place->above, bare, true);
    if (!bare || place->above)
        buffer_byte(out, bare ? '.' : '/');
    buffer_text(out, place->field->name);
    if (item && !bare && place->field->repeated)
        buffer_printf(out, "/%u", place->index);
}

static void complain(const struct rules_context *context, const struct place *place, bool item, const char *code,
                     const char *argument)
{
    struct buffer pointer = buffer_in(context->arena);
    if (context->problem->count == MOST_VIOLATIONS)
        return;
    put_pointer(&pointer, place, context->bare_names, item);
    problem_add(context->arena, context->problem, buffer_cstring(&pointer), code, argument);
}

static void complain_count(const struct rules_context *context, const struct place *place, const char *code,
                           uint32_t limit)
{
    complain(context, place, false, code, arena_printf(context->arena, "%u", limit));
}

/* ---- what has come ---- */

static void walk_message(struct walk *walk, struct slice wire);

static void check_one(const struct walk *walk, const struct place *place, const struct wire_field *value)
{
    const struct field *field = place->field;
    const char *argument = NULL;
    if (field->type == FIELD_MESSAGE) {
        struct walk inner = { .context = walk->context,
                              .message = field->message,
                              .place = place,
                              .set = field->repeated ? NULL : walk->set }; /* the elements of an array are whole */
        walk_message(&inner, value->bytes);
        return;
    }
    const char *code = check_value(walk->context->arena, field, value, &argument);
    if (code)
        complain(walk->context, place, true, code, argument);
}

/* Items beyond the most are counted, not looked at. */
static void check_item(struct walk *walk, const struct field *field, const struct wire_field *value)
{
    struct place place = { .above = walk->place, .field = field, .index = walk->counts[field->index]++ };
    if (!field->repeated || place.index < field->rules.max_items)
        check_one(walk, &place, value);
}

/* False where the run is broken. */
static bool check_packed(struct walk *walk, const struct field *field, struct slice run)
{
    struct wire_reader reader = wire_read(run);
    struct wire_field value = { .number = field->number };
    while (reader.at < reader.end) {
        if (field->type != FIELD_DOUBLE) {
            if (!wire_varint(&reader, &value.value))
                return false;
        } else if (reader.end - reader.at < (ptrdiff_t)sizeof value.value) {
            return false;
        } else {
            value.value = swar_load(reader.at);
            reader.at += sizeof value.value;
        }
        check_item(walk, field, &value);
    }
    return true;
}

static bool check_field(struct walk *walk, const struct field *field, const struct wire_field *value)
{
    bool holds_bytes = field->type == FIELD_STRING || field->type == FIELD_BYTES || field->type == FIELD_MESSAGE;
    enum wire_type own = holds_bytes ? WIRE_BYTES : field->type == FIELD_DOUBLE ? WIRE_FIXED64 : WIRE_VARINT;
    if (value->type == own) {
        check_item(walk, field, value);
        return true;
    }
    return field->repeated && value->type == WIRE_BYTES && check_packed(walk, field, value->bytes);
}

/* ---- what has not come ---- */

/* Whether a path of the set ends in this place: compared from its end, so no text is made. */
static bool path_is(const char *path, size_t size, const struct place *place)
{
    size_t own = strlen(place->field->name);
    if (size < own || memcmp(path + size - own, place->field->name, own) != 0)
        return false;
    if (!place->above)
        return size == own;
    return size > own && path[size - own - 1] == '.' && path_is(path, size - own - 1, place->above);
}

static bool set_names(const struct json_set *set, const struct place *place)
{
    for (size_t i = 0; i < set->count; i++)
        if (path_is(set->paths[i], strlen(set->paths[i]), place))
            return true;
    return false;
}

static void check_count(const struct walk *walk, const struct field *field)
{
    const struct field_rules *rules = &field->rules;
    struct place place = { .above = walk->place, .field = field };
    uint32_t count = walk->counts[field->index];
    bool too_few = field->repeated && count < rules->min_items, too_many = field->repeated && count > rules->max_items;
    if (count == 0 && (field->output || (walk->set && !set_names(walk->set, &place))))
        return;
    if (count == 0 && rules->required)
        complain(walk->context, &place, false, "required", NULL);
    else if (too_few)
        complain_count(walk->context, &place, "too_few", rules->min_items);
    else if (too_many)
        complain_count(walk->context, &place, "too_many", rules->max_items);
}

/* Messages do not contain themselves, so the depth is the contract's. */
static void walk_message(struct walk *walk, struct slice wire)
{
    struct wire_reader reader = wire_read(wire);
    struct wire_field value;
    bool sound = true;
    while (sound && wire_next(&reader, &value)) {
        const struct field *field = message_field(walk->message, value.number);
        sound = !field || check_field(walk, field, &value);
    }
    if (!sound || reader.broken)
        problem_add(walk->context->arena, walk->context->problem, "", "bad_request", NULL);
    for (size_t i = 0; i < walk->message->count; i++)
        check_count(walk, &walk->message->fields[i]);
}

void rules_check(const struct rules_context *context, const struct message *message, struct slice wire,
                 const struct json_set *set)
{
    struct walk walk = { .context = context, .message = message, .set = set };
    walk_message(&walk, wire);
}
