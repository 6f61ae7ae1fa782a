/* status.c -- the tables of statuses and of the framework's own codes. */
#include "common/status.h"

#include <assert.h>

static const struct {
    int http;
    const char *phrase;
} statuses[STATUS_COUNT] = {
    [STATUS_OK] = { 200, "OK" },
    [STATUS_BAD_REQUEST] = { 400, "Bad Request" },
    [STATUS_UNAUTHENTICATED] = { 401, "Unauthorized" },
    [STATUS_FORBIDDEN] = { 403, "Forbidden" },
    [STATUS_NOT_FOUND] = { 404, "Not Found" },
    [STATUS_METHOD_NOT_ALLOWED] = { 405, "Method Not Allowed" },
    [STATUS_CONFLICT] = { 409, "Conflict" },
    [STATUS_GONE] = { 410, "Gone" },
    [STATUS_STALE] = { 412, "Precondition Failed" },
    [STATUS_TOO_LARGE] = { 413, "Content Too Large" },
    [STATUS_URI_TOO_LONG] = { 414, "URI Too Long" },
    [STATUS_UNSUPPORTED_MEDIA_TYPE] = { 415, "Unsupported Media Type" },
    [STATUS_INVALID] = { 422, "Unprocessable Content" },
    [STATUS_PRECONDITION_REQUIRED] = { 428, "Precondition Required" },
    [STATUS_TOO_MANY_REQUESTS] = { 429, "Too Many Requests" },
    [STATUS_HEADERS_TOO_LARGE] = { 431, "Request Header Fields Too Large" },
    [STATUS_INTERNAL] = { 500, "Internal Server Error" },
    [STATUS_UNAVAILABLE] = { 503, "Service Unavailable" },
    [STATUS_DEADLINE_EXCEEDED] = { 504, "Gateway Timeout" },
    [STATUS_REQUEST_TIMEOUT] = { 408, "Request Timeout" },
};

/* In the order of the statuses. A violation's %s is its argument. */
static const struct code_text codes[] = {
    { "bad_request", STATUS_BAD_REQUEST, "The request is not valid HTTP.", "请求不是有效的 HTTP。", NULL },
    { "bad_target", STATUS_BAD_REQUEST, "The request target is not a valid path.", "请求路径无效。", NULL },
    { "bad_json", STATUS_BAD_REQUEST, "The body is not valid JSON: %s.", "请求体不是有效的 JSON：%s。", NULL },
    { "too_deep", STATUS_BAD_REQUEST, "The body is nested deeper than %s levels.", "请求体嵌套超过 %s 层。", NULL },
    { "duplicate_key", STATUS_BAD_REQUEST, "The key stands twice.", "键重复出现。", NULL },
    { "body_not_allowed", STATUS_BAD_REQUEST, "This method takes no body.", "此方法不接受请求体。", NULL },
    { "body_required", STATUS_BAD_REQUEST, "This method needs a body.", "此方法需要请求体。", NULL },
    { "unknown_parameter", STATUS_BAD_REQUEST, "There is no such parameter.", "没有这个参数。", NULL },
    { "duplicate_parameter", STATUS_BAD_REQUEST, "The parameter stands twice.", "参数重复出现。", NULL },
    { "bad_parameter", STATUS_BAD_REQUEST, "The value is not %s.", "参数值不是 %s。", NULL },
    { "bad_page_token", STATUS_BAD_REQUEST, "The page token is not of this query.", "分页标记不属于此查询。",
      "Leave page_token out to start from the first page." },
    { "bad_header", STATUS_BAD_REQUEST, "The header's value is not valid.", "请求头的值无效。", NULL },
    { "unauthenticated", STATUS_UNAUTHENTICATED, "A valid key is needed.", "需要有效的密钥。",
      "Send the header Authorization: Bearer KEY." },
    { "permission_denied", STATUS_FORBIDDEN, "This takes the permission %s, which is not held here.",
      "此操作需要权限 %s，调用方在此处没有该权限。", NULL },
    { "address_not_allowed", STATUS_FORBIDDEN, "The key may not be used from this address.", "此密钥不得从该地址使用。",
      NULL },
    { "not_found", STATUS_NOT_FOUND, "There is nothing here, or nothing that this key may see.",
      "此处没有内容，或此密钥无权查看。", NULL },
    { "method_not_allowed", STATUS_METHOD_NOT_ALLOWED, "The path exists, but not with this method.",
      "此路径不支持该方法。", "The header Allow names the methods." },
    { "conflict", STATUS_CONFLICT, "The present state does not admit this.", "当前状态不允许此操作。", NULL },
    { "request_in_progress", STATUS_CONFLICT, "A request with this key is still being worked on.",
      "使用同一幂等键的请求仍在处理中。", "Send the same request again in a moment." },
    { "stale_version", STATUS_STALE, "It has changed since the version in If-Match.",
      "对象在 If-Match 的版本之后已被修改。", "Read it again and repeat the change on its present version." },
    { "too_large", STATUS_TOO_LARGE, "The body is larger than this method admits.", "请求体超过此方法允许的大小。",
      NULL },
    { "uri_too_long", STATUS_URI_TOO_LONG, "The request target is too long.", "请求路径过长。", NULL },
    { "unsupported_media_type", STATUS_UNSUPPORTED_MEDIA_TYPE, "The body's media type is not %s.",
      "请求体的媒体类型不是 %s。", NULL },
    { "invalid", STATUS_INVALID, "The request is understood, but what it says is refused.", "请求内容不符合要求。",
      NULL },
    { "required", STATUS_INVALID, "The field is required.", "此字段必填。", NULL },
    { "unknown_field", STATUS_INVALID, "There is no such field.", "没有这个字段。", NULL },
    { "output_only", STATUS_INVALID, "The field is set by the service.", "此字段由系统设置。", NULL },
    { "wrong_type", STATUS_INVALID, "The value is not %s.", "值不是 %s。", NULL },
    { "out_of_range", STATUS_INVALID, "The value is not within %s.", "值不在 %s 范围内。", NULL },
    { "too_short", STATUS_INVALID, "The text has fewer than %s characters.", "文本少于 %s 个字符。", NULL },
    { "too_long", STATUS_INVALID, "The text has more than %s characters.", "文本超过 %s 个字符。", NULL },
    { "too_few", STATUS_INVALID, "There are fewer than %s items.", "条目少于 %s 个。", NULL },
    { "too_many", STATUS_INVALID, "There are more than %s items.", "条目超过 %s 个。", NULL },
    { "bad_format", STATUS_INVALID, "The value is not %s.", "值不是 %s。", NULL },
    { "bad_text", STATUS_INVALID, "The text is not %s.", "文本不是 %s。", NULL },
    { "one_of", STATUS_INVALID, "Only one of %s can be given.", "%s 只能提供其一。", NULL },
    { "idempotency_key_reused", STATUS_INVALID, "This Idempotency-Key came before with another request.",
      "此幂等键已用于另一个请求。", "Use a new key for a new request." },
    { "precondition_required", STATUS_PRECONDITION_REQUIRED, "This change needs If-Match with the version's ETag.",
      "此修改需要带 ETag 的 If-Match。", "Read it first and send its ETag as If-Match." },
    { "too_many_requests", STATUS_TOO_MANY_REQUESTS, "More requests than the limit.", "请求过于频繁。",
      "Wait as long as Retry-After says." },
    { "headers_too_large", STATUS_HEADERS_TOO_LARGE, "The headers are larger than admitted.", "请求头过大。", NULL },
    { "internal", STATUS_INTERNAL, "Something went wrong here; it is logged under this request_id.",
      "服务器内部错误，已按 request_id 记录。", NULL },
    { "unavailable", STATUS_UNAVAILABLE, "The service cannot answer now.", "服务暂时不可用。",
      "Send the same request again after Retry-After." },
    { "deadline_exceeded", STATUS_DEADLINE_EXCEEDED, "The answer did not come in time.", "处理超时。",
      "Send the same request again; with the same Idempotency-Key it takes effect once." },
    { "request_timeout", STATUS_REQUEST_TIMEOUT, "The request did not arrive within its time.", "请求未在时限内到达。",
      NULL },
};

int status_http(enum status status)
{
    assert(status < STATUS_COUNT);
    return statuses[status].http;
}

const char *status_phrase(enum status status)
{
    assert(status < STATUS_COUNT);
    return statuses[status].phrase;
}

const struct code_text *code_find(const char *code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].code, code) == 0)
            return &codes[i];
    return NULL;
}

void problem_set(struct problem *problem, const char *code)
{
    const struct code_text *text = code_find(code);
    assert(text);
    problem->status = text->status;
    problem->code = text->code;
}

void problem_add(struct arena *arena, struct problem *problem, const char *pointer, const char *code,
                 const char *argument)
{
    if (problem->status == STATUS_OK) {
        const struct code_text *text = code_find(code);
        /* What is wrong with one field of a body that was understood is "invalid" as a whole; so is a method's own code. */
        problem_set(problem, !text || text->status == STATUS_INVALID ? "invalid" : code);
    }
    if (problem->count == MOST_VIOLATIONS)
        return;
    struct violation *violation = arena_alloc(arena, sizeof *violation);
    *violation = (struct violation){ .pointer = pointer, .code = code, .argument = argument };
    *(problem->last ? &problem->last->next : &problem->first) = violation;
    problem->last = violation;
    problem->count++;
}
