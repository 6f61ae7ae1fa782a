/* fetch.h -- one request to another server over HTTPS, bounded in time and size. It blocks: for a thread beside the loop. */
#ifndef CAMPUS_FETCH_H
#define CAMPUS_FETCH_H

#include "common/arena.h"

enum { FETCH_LARGEST = 262144 };

struct fetch_request {
    const char *url; /* https://, or http:// to this very host */
    const char *form; /* a body of application/x-www-form-urlencoded, which makes it a POST; or NULL */
    const char *user, *password; /* of HTTP Basic, or NULL */
    const char *bearer; /* a token, or NULL */
    const char *authorities_file; /* "": the system's */
    int64_t deadline_us; /* clock_monotonic_us() */
};

struct fetch_answer {
    long status; /* 0: there was none, and `failure` says why */
    const char *failure;
    struct slice body; /* at most FETCH_LARGEST */
    int64_t max_age_s; /* of Cache-Control; -1: it says nothing */
};

/* Redirects are answers like any other: none is followed. All is in the arena. */
struct fetch_answer fetch(struct arena *arena, const struct fetch_request *request);

/* Adds "name=value", encoded, to a form or a query that may hold some already. */
struct buffer;
void fetch_form_add(struct buffer *form, const char *name, const char *value);

/* max-age of a Cache-Control header's value, 0 for what must not be kept, -1 where it does not say. Pure. */
int64_t fetch_max_age(struct slice header);

#endif
