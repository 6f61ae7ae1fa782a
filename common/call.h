/* call.h -- one request in a service, as its .check and .finish see it. All memory is the call's arena. */
#ifndef CAMPUS_CALL_H
#define CAMPUS_CALL_H

#include "common/schema.h"

struct call;

struct arena *call_arena(struct call *call);
/* What the service's methods share (struct service .open); what it holds is guarded by itself, since .check may run beside the
 * loop. */
void *call_service(const struct call *call);
/* Until when somebody waits for the answer, of clock_monotonic_us(); and the id that the log knows the request by. */
int64_t call_deadline_us(const struct call *call);
const char *call_request_id(const struct call *call);
/* The whole contract, for the rules of another method's messages. */
const struct schema *call_schema(const struct call *call);

/* The request's fields, by name; naming one that does not exist is our own mistake and asserted. */
bool call_has(const struct call *call, const char *field);
struct slice call_bytes(const struct call *call, const char *field); /* size 0 when absent */
const char *call_text(struct call *call, const char *field); /* NULL when absent */
int64_t call_integer(const struct call *call, const char *field, int64_t absent);
/* All values of a repeated string field. */
size_t call_texts(struct call *call, const char *field, const char *const **values);

/* The person who calls, and the session by which; NULL where there is none. */
const char *call_person(const struct call *call);
const char *call_session(const struct call *call);
/* Whether the caller holds all that the pattern `permission` stands for ("membership.people.read", "membership.*") at an
 * organisation, "" for the whole campus. Only where the method has the option grants. */
bool call_holds(const struct call *call, const char *permission, const char *place);
/* A secret that only this caller's very request with this idempotency key can name: 32 bytes. The same on a retry. */
void call_derive_secret(const struct call *call, uint8_t secret[32]);
/* The server's secret, 32 bytes, from which keys are derived, each for a purpose of its own. */
const uint8_t *call_secret(const struct call *call);

/* A hash of bytes under the server's secret: equal for equal ones, and nobody else can tell from it which. `purpose` keeps
 * hashes of one kind apart from those of another. Of no bytes it is a key of the server's for that purpose. */
enum { CALL_HASH = 32 };
void call_hash(const struct call *call, const char *purpose, struct slice bytes, uint8_t hash[CALL_HASH]);

/* In .check: a column of the row that .first has found, as SQL's text (a bool: "true", "false"). NULL: no row, or NULL. */
const char *call_found(const struct call *call, const char *column);

/* Adds a parameter that the method's .adds names. Values are SQL's text format; NULL is NULL. */
void call_add(struct call *call, const char *name, const char *value);
void call_add_array(struct call *call, const char *name, const char *const *values, size_t count);

/* Ends the call with a code of the method's refusals or of common/status.c. */
void call_refuse(struct call *call, const char *code);
/* Where the call is refused: when it may be worth trying again. */
void call_retry_after(struct call *call, uint32_t ms);
/* Complains about one field of the request: the call ends as 422 after .check. The pointer is "/name". */
void call_complain(struct call *call, const char *pointer, const char *code, const char *argument);

/* In .finish: sets one more text field of the reply, or an enum's by its name; empties the reply; reads a column that the method
 * hides, of the first row, in PostgreSQL's binary format (data is NULL where it is NULL, or where there is no row). */
void call_reply_text(struct call *call, const char *field, const char *value);
void call_reply_clear(struct call *call);
struct slice call_column(const struct call *call, const char *column);

#endif
