/* docs.h -- the page at /docs, on which the API can be read and tried: files inside the program, nothing from elsewhere. */
#ifndef CAMPUS_GATEWAY_DOCS_H
#define CAMPUS_GATEWAY_DOCS_H

#include "common/arena.h"
#include "common/slice.h"

struct docs;
struct exchange;

/* Finds the files and names their content for ETag. On NULL, *error names the file that is not in the program. */
const struct docs *docs_new(struct arena *arena, const char **error) __attribute__((warn_unused_result));

/* Whether the page has something at this path, for docs_answer(). */
bool docs_has(struct slice path);

/* Answers a GET or HEAD of such a path, compressed where the client takes that. */
void docs_answer(struct exchange *exchange);

#endif
