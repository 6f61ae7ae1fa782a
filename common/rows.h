/* rows.h -- what the framework reads from a step's rows: control columns, and rows as a message. Pure. */
#ifndef CAMPUS_ROWS_H
#define CAMPUS_ROWS_H

#include "common/plan.h"

struct call;

/* Refuses a read where a step's rows say so: see method.h on `refusal` and on targets. A write's guards refuse in SQL. */
void rows_control(struct call *call, const struct bound_step *bound, const struct step *step);
/* Of a WRITE's reply: whether its row refuses although it is written. */
void rows_refused(struct call *call, const struct bound_step *bound, const struct step *step);
/* The first row's values beside plan->found, as text in the arena; NULL: there is none. */
const char **rows_found(struct call *call, const struct step *step);
/* Fills call->reply from the last statement's rows (at most `most` of them); false where a value does not fit its field. */
bool rows_reply(struct call *call, const struct ending *ending, const struct step *step, int most)
    __attribute__((warn_unused_result));
/* The token of the page behind the step's row `last`. */
const char *rows_page_token(struct call *call, const struct ending *ending, const struct step *step, int last);

#endif
