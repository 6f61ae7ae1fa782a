/* utf8.h -- text at the edge: valid UTF-8 (RFC 3629), normalised (Unicode NFC), without control characters. Pure. */
#ifndef CAMPUS_UTF8_H
#define CAMPUS_UTF8_H

#include "common/slice.h"

/* Valid UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool utf8_valid(struct slice text);
/* The size of the valid sequence at `at`, which is before `end`; 0: there is none. */
size_t utf8_sequence(const uint8_t *at, const uint8_t *end);
/* Code points; the text is valid. */
size_t utf8_length(struct slice text);
/* In NFC; the text is valid. */
bool utf8_is_nfc(struct slice text);
/* Holds a control character (C0, DEL, C1), U+2028 or U+2029, or a bidirectional override; `lines` admits \n, \r and \t. */
bool utf8_has_control(struct slice text, bool lines);

#endif
