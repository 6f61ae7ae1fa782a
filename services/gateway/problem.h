/* problem.h -- a refusal in words: application/problem+json (RFC 9457), in Chinese or English. Pure. */
#ifndef CAMPUS_GATEWAY_PROBLEM_H
#define CAMPUS_GATEWAY_PROBLEM_H

#include "common/buffer.h"
#include "common/schema.h"

#define PROBLEM_TYPE "application/problem+json"

/* "zh" or "en", whichever the header Accept-Language (RFC 9110 §12.5.4) wants more; "en" where it wants neither or is
 * empty. Static. */
const char *problem_locale(struct slice accept_language);

/* Writes the whole document: type, title, status, code, detail, errors, request_id, next_step, retry_after
 * (seconds), the last two and errors only where there are any.
 *
 * The words of a code are those of the method's refusal, else the framework's, else those of the status: a newer
 * worker may know codes that this program does not. A generic problem ("invalid", "bad_request") with exactly one
 * violation speaks in that violation's words.
 *
 * problem->status is not OK; problem->code may be NULL. rpc may be NULL: the request reached no method. request_id
 * may be NULL: broken HTTP, which got none. locale is problem_locale()'s. */
void problem_write(struct buffer *out, const struct problem *problem, const struct rpc *rpc, const char *request_id,
                   const char *locale);

/* A text of a code with its argument in the place of the first %s; NULL: an ellipsis. In the arena, or `text`
 * itself. */
struct slice problem_text(struct arena *arena, const char *text, const char *argument);

#endif
