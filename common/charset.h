/* charset.h -- a text file that does not say how it is encoded, as UTF-8.
 *
 * What is told apart, in this order:
 *
 *   a byte order mark   UTF-8, UTF-16 ("Unicode Text" of Excel) or GB 18030; nothing else is tried then
 *   valid UTF-8         from the first byte to the last. GBK text passes for it only where each of its characters does, and of
 *                       those of GB 2312 one in eight does: 学 does, 号, 姓 and 名 do not.
 *   damaged UTF-8       refused: at least as many sequences of three bytes and more as bytes that fit into none. GBK text has
 *                       one such sequence to a hundred bytes that fit into none, and of single names one in sixty as many;
 *                       UTF-8 that was cut or mended is the other way round. As GB 18030 it would often be valid, and nonsense.
 *   GB 18030            the superset of GBK and GB 2312, by iconv, strictly. Refused where the result is no text that somebody
 *                       wrote: with control characters, characters for private use or none at all (Big5 gives them), or where
 *                       not one character in ten is of GB 2312 (Latin-1 and Shift JIS; of traditional Chinese one in five is).
 *
 * A NUL refuses every encoding: a workbook is no text. Pure, but for iconv's tables, which it loads. */
#ifndef CAMPUS_CHARSET_H
#define CAMPUS_CHARSET_H

#include "common/arena.h"

enum charset {
    CHARSET_UTF_8,
    CHARSET_UTF_16LE,
    CHARSET_UTF_16BE,
    CHARSET_GB18030,
    CHARSET_UNKNOWN, /* none of these */
    CHARSET_UNAVAILABLE, /* iconv does not convert it here and now */
};

struct charset_text {
    enum charset charset;
    struct slice text; /* UTF-8 without a byte order mark; the file itself or in the arena, at most twice its size */
    uint32_t line; /* of CHARSET_UNKNOWN: the first that is none, from 1 */
};

struct charset_text charset_read(struct arena *arena, struct slice file);

/* "utf_8", "gb18030". Static. */
const char *charset_name(enum charset charset);

/* What this host lacks for all of this, in words, or NULL. To be asked at start. */
const char *charset_missing(void);

#endif
