/* wheel.h -- many deadlines, cheaply: setting, moving and clearing one costs the same however many there are.
 *
 * A hashed timing wheel: an entry lies in the slot of its time, and is looked at when the hand passes that slot. Fires
 * up to two ticks late, never early. */
#ifndef CAMPUS_WHEEL_H
#define CAMPUS_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { WHEEL_TICK_MS = 10, WHEEL_SLOTS = 512 };

/* Part of what has the deadline. Zeroed: not set. */
struct wheel_entry {
    LIST_ENTRY(wheel_entry) at;
    int64_t due_us;
    bool set;
};

LIST_HEAD(wheel_list, wheel_entry);

struct wheel {
    struct wheel_list slots[WHEEL_SLOTS], due;
    int64_t hand; /* the tick up to which all is swept */
    size_t count; /* entries set */
};

void wheel_init(struct wheel *wheel, int64_t now_us);
/* Sets an entry, or moves it. */
void wheel_set(struct wheel *wheel, struct wheel_entry *entry, int64_t due_us);
/* Fine for one that is not set. */
void wheel_clear(struct wheel *wheel, struct wheel_entry *entry);
/* Takes an entry whose time has come, or NULL. Between two calls, entries may be set and cleared at will. */
struct wheel_entry *wheel_take(struct wheel *wheel, int64_t now_us);

#endif
