/* json_scan.h -- the tokens of a JSON text (RFC 8259), strictly, one behind another. For json.h's own files.
 *
 * The first error stops the scan: every function then returns false and `error` says why, at `at`. */
#ifndef CAMPUS_JSON_SCAN_H
#define CAMPUS_JSON_SCAN_H

#include "common/arena.h"

enum { JSON_DEPTH = 32 };

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_TEXT, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

/* A scalar, or the opening of an object or an array. */
struct json_token {
    enum json_kind kind;
    bool integral; /* a number without fraction and exponent */
    struct slice text; /* a string's text, escapes resolved, valid UTF-8 without NUL; a number's digits as they stand */
};

struct json_scan {
    struct arena *arena; /* for strings that hold escapes; all others are borrowed from the text */
    const uint8_t *start, *at, *end;
    const char *error; /* NULL: none so far */
    unsigned depth;
    bool too_deep; /* the error is that JSON_DEPTH is exceeded */
};

struct json_scan json_scan_of(struct arena *arena, struct slice json);

/* The next scalar, or the opening of an object or an array. */
bool json_next(struct json_scan *scan, struct json_token *token) __attribute__((warn_unused_result));
/* Behind an opening (first) or an element: whether another follows. False behind the closing bracket, too. */
bool json_more(struct json_scan *scan, bool first, uint8_t closing) __attribute__((warn_unused_result));
/* A member's key and its colon. */
bool json_key(struct json_scan *scan, struct slice *key) __attribute__((warn_unused_result));
/* Reads over the rest of the value that this token began. */
void json_skip(struct json_scan *scan, const struct json_token *token);
/* Whether nothing but white space is left. */
bool json_end(struct json_scan *scan) __attribute__((warn_unused_result));
/* A number that fills the whole text. */
bool json_is_number(struct slice text, struct json_token *token) __attribute__((warn_unused_result));

#endif
