/* allowed.h -- the list of public keys that may speak on a bus over tcp, and which roles each may serve.
 *
 * A file of lines `KEY ROLE[,ROLE...] NAME`; the role `*` is any. A line that begins with "# " is a comment (a key may begin with #).
 * NAME is what logs say. The file is read again when it changes: a key that is taken from it is no longer served. One list belongs to
 * one thread. */
#ifndef CAMPUS_ALLOWED_H
#define CAMPUS_ALLOWED_H

#include "common/arena.h"

struct allowed;

/* NULL with *error, in the arena, which names the setting and what is wrong with its file. */
struct allowed *allowed_load(struct arena *arena, const char *path, const char **error);
/* NULL is fine. */
void allowed_free(struct allowed *allowed);

/* Looks whether the file has changed, and has stood still for a tenth of a second since. What cannot be read or understood leaves the list as it was, after a log line. */
void allowed_refresh(struct allowed *allowed);

/* The name of a key in Z85, or NULL where it stands not in the list. Valid until the next refresh. */
const char *allowed_name(const struct allowed *allowed, const char *key);
bool allowed_may(const struct allowed *allowed, const char *key, const char *role);

#endif
