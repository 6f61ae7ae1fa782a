/* demo_call.h -- calls with which `campus demo` fills a campus and asks it: fields by name, as text. */
#ifndef CAMPUS_DEMO_CALL_H
#define CAMPUS_DEMO_CALL_H

#include "common/schema.h"

/* Calls a method as the operator. True with the reply, in the arena; else with the refusal's code. */
typedef bool demo_ask(void *context, struct arena *arena, const char *method, struct slice request, struct slice *reply,
                      const char **code);

struct demo_caller {
    demo_ask *ask;
    void *context; /* of ask */
    const struct schema *schema;
    struct arena *scratch; /* of one call: the reply lies there until the next */
};

/* A value of a request's field; a repeated field is given once for each. */
struct demo_given {
    struct slice field, value;
};

/* Says on standard error what went wrong. Always false. */
bool demo_fail(const char *what, const char *why);
/* A refusal with a code that stands in `fine` (or NULL) is no failure: what is asked for is there already. *reply is then
 * empty. */
bool demo_call(struct demo_caller *caller, const char *method, struct slice request, const char *fine,
               struct slice *reply) __attribute__((warn_unused_result));
bool demo_call_with(struct demo_caller *caller, const char *method, const struct demo_given *given, size_t count,
                    const char *fine, struct slice *reply) __attribute__((warn_unused_result));
/* A text field of a reply, in the arena; NULL where it is absent. */
const char *demo_text(struct arena *arena, const struct message *message, const char *name, struct slice wire);

/* Goes on while it returns true. */
typedef bool demo_visit_office(struct slice office, const struct message *message, void *context);
/* Goes through the offices, of one organisation and of one kind where these are given. */
bool demo_each_office(struct demo_caller *caller, struct slice path, struct slice kind, demo_visit_office *visit,
                      void *context) __attribute__((warn_unused_result));

#endif
