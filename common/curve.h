/* curve.h -- keys for a bus over tcp: CURVE (ZeroMQ RFC 26), a pair a process, each key a line of Z85 (RFC 32) in a file of
 * its own. */
#ifndef CAMPUS_CURVE_H
#define CAMPUS_CURVE_H

#include "common/arena.h"

enum { CURVE_TEXT = 41 }; /* 40 characters of Z85 and the end */

/* What a process brings to tcp. */
struct curve_keys {
    char secret[CURVE_TEXT], own[CURVE_TEXT]; /* its pair */
    char gateway[CURVE_TEXT]; /* the gateways' public key, for who dials them; empty for who does not */
};

/* Whether an endpoint needs keys. */
bool curve_needed(const char *endpoint);

/* Reads the pair from the secret key's file and, where `gateway_file` is not NULL, the gateways' public key. False with
 * *error naming the setting at fault. A secret key that others than its owner can read is refused. */
bool curve_load(struct arena *arena, struct curve_keys *keys, const char *secret_file, const char *gateway_file,
                const char **error) __attribute__((warn_unused_result));

/* Makes a pair: FOLDER/NAME.secret (mode 0600) and FOLDER/NAME.public, whose text is copied to public_key. What is there
 * already is never overwritten: false with *error. */
bool curve_make(struct arena *arena, const char *folder, const char *name, char public_key[CURVE_TEXT],
                const char **error) __attribute__((warn_unused_result));

#endif
