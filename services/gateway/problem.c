/* problem.c -- codes to words, and words to JSON. */
#include "services/gateway/problem.h"

#include "common/json.h"
#include "common/utf8.h"
#include "services/gateway/accept.h"
#include "services/gateway/route.h"

#include <assert.h>
#include <ctype.h>
#include <strings.h>

/* ---- the language ---- */

/* How much one language is wanted, in thousandths; -1: not named. */
struct wish {
    int quality;
    size_t place;
};

/* "zh" and "zh-Hans-CN" name Chinese. */
static bool names_language(struct slice range, const char *language)
{
    return range.size >= 2 && strncasecmp((const char *)range.data, language, 2) == 0 &&
           (range.size == 2 || range.data[2] == '-');
}

static void note_wish(struct wish *wish, int quality, size_t place)
{
    if (quality > wish->quality)
        *wish = (struct wish){ .quality = quality, .place = place };
}

const char *problem_locale(struct slice accept_language)
{
    struct wish zh = { -1, 0 }, en = { -1, 0 }, any = { -1, 0 };
    struct accept_choice choice;
    for (size_t place = 0; accept_next(&accept_language, &choice); place++) {
        if (names_language(choice.value, "zh"))
            note_wish(&zh, choice.quality, place);
        else if (names_language(choice.value, "en"))
            note_wish(&en, choice.quality, place);
        else if (slice_is(choice.value, "*"))
            note_wish(&any, choice.quality, place);
    }
    /* "*" speaks for what is not named; where both are wanted alike, the first named wins. */
    zh = zh.quality < 0 ? any : zh;
    en = en.quality < 0 ? any : en;
    bool chinese = zh.quality > 0 && (zh.quality > en.quality || (zh.quality == en.quality && zh.place < en.place));
    return chinese ? "zh" : "en";
}

/* ---- the words ---- */

struct words {
    const char *en, *zh, *next_step;
};

/* The framework's code that says no more than the status does. */
static const char *const plain_codes[STATUS_COUNT] = {
    [STATUS_BAD_REQUEST] = "bad_request",
    [STATUS_UNAUTHENTICATED] = "unauthenticated",
    [STATUS_FORBIDDEN] = "permission_denied",
    [STATUS_NOT_FOUND] = "not_found",
    [STATUS_METHOD_NOT_ALLOWED] = "method_not_allowed",
    [STATUS_CONFLICT] = "conflict",
    [STATUS_GONE] = "gone",
    [STATUS_STALE] = "stale_version",
    [STATUS_TOO_LARGE] = "too_large",
    [STATUS_URI_TOO_LONG] = "uri_too_long",
    [STATUS_UNSUPPORTED_MEDIA_TYPE] = "unsupported_media_type",
    [STATUS_INVALID] = "invalid",
    [STATUS_PRECONDITION_REQUIRED] = "precondition_required",
    [STATUS_TOO_MANY_REQUESTS] = "too_many_requests",
    [STATUS_HEADERS_TOO_LARGE] = "headers_too_large",
    [STATUS_INTERNAL] = "internal",
    [STATUS_UNAVAILABLE] = "unavailable",
    [STATUS_DEADLINE_EXCEEDED] = "deadline_exceeded",
    [STATUS_REQUEST_TIMEOUT] = "request_timeout",
};

static bool find_words(const struct rpc *rpc, const char *code, struct words *words)
{
    const struct refusal *refusal = rpc ? rpc_refusal(rpc, code) : NULL;
    const struct code_text *text = code_find(code);
    if (refusal)
        *words = (struct words){ refusal->en, refusal->zh, refusal->next_step };
    else if (text)
        *words = (struct words){ text->en, text->zh, text->next_step };
    return refusal || text;
}

static struct words words_of(const struct rpc *rpc, const char *code, enum status status)
{
    struct words words;
    if (find_words(rpc, code, &words) || find_words(NULL, plain_codes[status], &words))
        return words;
    return (struct words){ status_phrase(status), status_phrase(status), NULL };
}

/* By hand: a text from data is never a printf format. */
struct slice problem_text(struct arena *arena, const char *text, const char *argument)
{
    const char *mark = strstr(text, "%s");
    if (!mark)
        return slice_text(text);
    struct buffer buffer = buffer_in(arena);
    buffer_add(&buffer, text, (size_t)(mark - text));
    buffer_text(&buffer, argument ? argument : "…");
    buffer_text(&buffer, mark + 2);
    return buffer_slice(&buffer);
}

/* ---- the document ---- */

struct document {
    struct buffer *out;
    const struct problem *problem;
    const struct rpc *rpc;
    const char *code;
    bool chinese;
};

/* The bus does not check that its strings are UTF-8, and JSON has to be. */
static void put_string(struct buffer *out, struct slice text)
{
    json_put_string(out, utf8_valid(text) ? text : slice_text("?"));
}

static void put_member(struct buffer *out, const char *name, struct slice text)
{
    buffer_byte(out, ',');
    json_put_string(out, slice_text(name));
    buffer_byte(out, ':');
    put_string(out, text);
}

static void put_number(struct buffer *out, const char *name, unsigned number)
{
    buffer_printf(out, ",\"%s\":%u", name, number);
}

static struct slice spoken(const struct document *document, const struct words *words, const char *argument)
{
    return problem_text(document->out->arena, document->chinese ? words->zh : words->en, argument);
}

/* What is denied is the method's permission. */
static const char *argument_of(const struct document *document, const struct violation *voice)
{
    if (voice)
        return voice->argument;
    bool denied = strcmp(document->code, plain_codes[STATUS_FORBIDDEN]) == 0;
    return denied && document->rpc ? document->rpc->permission : NULL;
}

static bool is_generic(const char *code)
{
    return strcmp(code, "invalid") == 0 || strcmp(code, "bad_request") == 0;
}

/* The violation in whose words the whole problem speaks: the only one of a generic problem, else the one that gave
 * the problem its code. NULL: none. */
static const struct violation *speaker(const struct document *document)
{
    const struct violation *first = document->problem->first;
    if (!first || (is_generic(document->code) && !first->next))
        return first;
    return strcmp(first->code, document->code) == 0 ? first : NULL;
}

static void put_error(const struct document *document, const struct violation *violation)
{
    struct words words = words_of(document->rpc, violation->code, document->problem->status);
    buffer_text(document->out, "{\"pointer\":");
    put_string(document->out, slice_text(violation->pointer));
    put_member(document->out, "code", slice_text(violation->code));
    put_member(document->out, "detail", spoken(document, &words, violation->argument));
    buffer_byte(document->out, '}');
}

static void put_violations(const struct document *document)
{
    buffer_text(document->out, ",\"errors\":[");
    for (const struct violation *v = document->problem->first; v; v = v->next) {
        if (v != document->problem->first)
            buffer_byte(document->out, ',');
        put_error(document, v);
    }
    buffer_byte(document->out, ']');
}

/* A refusal that names a field is a complaint about it: by its pointer in a JSON body, elsewhere by its name. */
static void put_refused_field(const struct document *document)
{
    const struct refusal *refusal = document->rpc ? rpc_refusal(document->rpc, document->code) : NULL;
    if (!refusal || !refusal->field)
        return;
    const struct field *field = message_find(document->rpc->request, slice_text(refusal->field));
    bool elsewhere = field && document->rpc->path && route_place(document->rpc, field) != PLACE_JSON;
    const char *pointer = arena_printf(document->out->arena, "%s%s", elsewhere ? "" : "/", refusal->field);
    buffer_text(document->out, ",\"errors\":[");
    put_error(document, &(struct violation){ .pointer = pointer, .code = document->code });
    buffer_byte(document->out, ']');
}

static void put_members(const struct document *document, const char *request_id)
{
    const struct violation *voice = speaker(document);
    struct words words = words_of(document->rpc, voice ? voice->code : document->code, document->problem->status);
    put_member(document->out, "code", slice_text(document->code));
    put_member(document->out, "detail", spoken(document, &words, argument_of(document, voice)));
    if (document->problem->first)
        put_violations(document);
    else
        put_refused_field(document);
    if (request_id)
        put_member(document->out, "request_id", slice_text(request_id));
    if (words.next_step)
        put_member(document->out, "next_step", slice_text(words.next_step));
}

void problem_write(struct buffer *out, const struct problem *problem, const struct rpc *rpc, const char *request_id,
                   const char *locale)
{
    assert(problem->status != STATUS_OK && problem->status < STATUS_COUNT);
    const struct document document = {
        .out = out,
        .problem = problem,
        .rpc = rpc,
        .code = problem->code ? problem->code : plain_codes[problem->status],
        .chinese = strcmp(locale, "zh") == 0,
    };
    buffer_text(out, "{\"type\":\"about:blank\"");
    put_member(out, "title", slice_text(status_phrase(problem->status)));
    put_number(out, "status", (unsigned)status_http(problem->status));
    put_members(&document, request_id);
    if (problem->retry_after_ms)
        put_number(out, "retry_after", problem->retry_after_ms / 1000 + (problem->retry_after_ms % 1000 != 0));
    buffer_byte(out, '}');
}
