/* demo_mark.h -- which database is a demo campus: what may be filled, and what may be emptied. As campus_owner. */
#ifndef CAMPUS_DEMO_MARK_H
#define CAMPUS_DEMO_MARK_H

#include "common/arena.h"

struct demo_mark;

/* Connects, and keeps every other `campus demo` off until the end. NULL with *error. */
struct demo_mark *demo_mark_open(struct arena *arena, const char *conninfo, const char **error)
    __attribute__((warn_unused_result));
/* Marks a database without organisations and people as a demo campus, unless it is one. False with *error, where it holds
 * a campus of its own. */
bool demo_mark_set(struct demo_mark *mark, const char **error) __attribute__((warn_unused_result));
/* Empties a demo campus; see demo/reset.sql. False with *error, where it is none or where it is busy: then nothing has
 * changed. */
bool demo_mark_reset(struct demo_mark *mark, const char **error) __attribute__((warn_unused_result));
/* NULL is fine. */
void demo_mark_close(struct demo_mark *mark);

#endif
