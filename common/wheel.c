/* wheel.c -- a hashed timing wheel: lists by time modulo the number of slots. */
#include "common/wheel.h"

static int64_t tick_of(int64_t us)
{
    return us / (WHEEL_TICK_MS * 1000);
}

void wheel_init(struct wheel *wheel, int64_t now_us)
{
    *wheel = (struct wheel){ .hand = tick_of(now_us) };
}

void wheel_clear(struct wheel *wheel, struct wheel_entry *entry)
{
    if (!entry->set)
        return;
    LIST_REMOVE(entry, at);
    entry->set = false;
    wheel->count--;
}

void wheel_set(struct wheel *wheel, struct wheel_entry *entry, int64_t due_us)
{
    wheel_clear(wheel, entry);
    /* What is due within a tick that the hand has passed waits for the next one, not for a whole turn. */
    int64_t tick = tick_of(due_us) > wheel->hand ? tick_of(due_us) : wheel->hand + 1;
    LIST_INSERT_HEAD(&wheel->slots[tick % WHEEL_SLOTS], entry, at);
    entry->due_us = due_us;
    entry->set = true;
    wheel->count++;
}

static void sweep(struct wheel *wheel, struct wheel_list *slot, int64_t now_us)
{
    struct wheel_entry *next;
    for (struct wheel_entry *entry = LIST_FIRST(slot); entry; entry = next) {
        next = LIST_NEXT(entry, at);
        if (entry->due_us > now_us)
            continue; /* of a later turn */
        LIST_REMOVE(entry, at);
        LIST_INSERT_HEAD(&wheel->due, entry, at);
    }
}

struct wheel_entry *wheel_take(struct wheel *wheel, int64_t now_us)
{
    /* Only ticks that are over whole, so that nothing due later within one is left behind the hand. */
    int64_t last = tick_of(now_us) - 1;
    if (last - wheel->hand > WHEEL_SLOTS)
        wheel->hand = last - WHEEL_SLOTS;
    while (wheel->hand < last)
        sweep(wheel, &wheel->slots[++wheel->hand % WHEEL_SLOTS], now_us);
    struct wheel_entry *entry = LIST_FIRST(&wheel->due);
    if (entry)
        wheel_clear(wheel, entry);
    return entry;
}
