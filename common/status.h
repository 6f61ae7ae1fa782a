/* status.h -- the one vocabulary of outcomes, and what it is called in HTTP and in words. */
#ifndef CAMPUS_STATUS_H
#define CAMPUS_STATUS_H

#include "common/arena.h"

/* The numbers of campus.Status in options.proto. */
enum status {
    STATUS_OK,
    STATUS_BAD_REQUEST,
    STATUS_UNAUTHENTICATED,
    STATUS_FORBIDDEN,
    STATUS_NOT_FOUND,
    STATUS_METHOD_NOT_ALLOWED,
    STATUS_CONFLICT,
    STATUS_GONE,
    STATUS_STALE,
    STATUS_TOO_LARGE,
    STATUS_URI_TOO_LONG,
    STATUS_UNSUPPORTED_MEDIA_TYPE,
    STATUS_INVALID,
    STATUS_PRECONDITION_REQUIRED,
    STATUS_TOO_MANY_REQUESTS,
    STATUS_HEADERS_TOO_LARGE,
    STATUS_INTERNAL,
    STATUS_UNAVAILABLE,
    STATUS_DEADLINE_EXCEEDED,
    STATUS_REQUEST_TIMEOUT,
    STATUS_COUNT,
};

/* The HTTP status code (RFC 9110 §15), and its reason phrase. */
int status_http(enum status status);
const char *status_phrase(enum status status);

/* A code that the framework itself answers with (a method's own are its refusals in the proto).
 * `en` and `zh` may hold one %s for a violation's argument, of a permission that is denied for its name. */
struct code_text {
    const char *code;
    enum status status;
    const char *en, *zh;
    const char *next_step; /* or NULL */
};

/* NULL for a code that is not the framework's. */
const struct code_text *code_find(const char *code);

/* One complaint about one field. Lives as long as the arena it was made in. */
struct violation {
    struct violation *next;
    const char *pointer; /* JSON pointer (RFC 6901) into the body, or a parameter's name */
    const char *code; /* one of code_find()'s, or a refusal's */
    const char *argument; /* or NULL */
};

enum { MOST_VIOLATIONS = 50 };

/* Why a request was refused, and every complaint found, at most MOST_VIOLATIONS. */
struct problem {
    enum status status; /* STATUS_OK: no problem so far */
    const char *code;
    struct violation *first, *last;
    size_t count;
    uint32_t retry_after_ms; /* 0: none */
};

/* Adds a complaint; the first one gives the problem its status, and its code where `code` is of that status.
 * pointer, code and argument are borrowed: they live in the request's arena or for ever. */
void problem_add(struct arena *arena, struct problem *problem, const char *pointer, const char *code,
                 const char *argument);
/* Sets status and code from a framework code, and keeps the violations. */
void problem_set(struct problem *problem, const char *code);

#endif
