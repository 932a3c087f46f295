/* worker/gang/outbox.h - events of the attempt in hand, from the moment they happen until the server has them on disk.
** Numbered from 1 in the order they were added; an event keeps its number once it was sent, so that sending it again
** does no harm. At most `capacity` wait; nothing is ever dropped, but a progress event that has not been sent is
** replaced by the next one of its task. No lock: the session's owner holds one.
** Call order: ff_outbox_init -> (ff_outbox_add, ff_outbox_batch, ff_outbox_taken, ff_outbox_rewind)* -> ff_outbox_done;
** ff_outbox_clear starts the next attempt. */
#ifndef FF_WORKER_GANG_OUTBOX_H
#define FF_WORKER_GANG_OUTBOX_H

#include <jansson.h>
#include <stdbool.h>

#include "common/err.h"

enum { FF_OUTBOX_BATCH = 256 }; /* events in one message */

struct ff_outbox {
    json_t **ring; /* (capacity) owned events */
    long capacity; /* grows only by ff_outbox_add with `beyond` */
    long head;     /* place of the oldest */
    long count;    /* events kept: sent and not taken, then not sent */
    long sent;     /* of them, since the last rewind */
    long told;     /* of them, ever: these keep their numbers */
    long number;   /* of the oldest */
};

FF_MUST_USE ff_err ff_outbox_init(struct ff_outbox *o, long capacity, ff_ctx *ctx);
void ff_outbox_done(struct ff_outbox *o);
void ff_outbox_clear(struct ff_outbox *o);

static inline bool ff_outbox_full(const struct ff_outbox *o)
{
    return o->count >= o->capacity;
}

static inline long ff_outbox_unsent(const struct ff_outbox *o)
{
    return o->count - o->sent;
}

/* Takes the event. When full: with `beyond` the box grows, else (or without memory) false, and the event stays the
** caller's. */
bool ff_outbox_add(struct ff_outbox *o, json_t *event, bool beyond);

/* The next events that have not been sent, at most `most` (and FF_OUTBOX_BATCH), as an array; *from: number of the
** first. NULL: none, or no memory. They count as sent when ff_outbox_mark is called. */
json_t *ff_outbox_batch(const struct ff_outbox *o, long most, long *from);
void ff_outbox_mark(struct ff_outbox *o, long n);

/* Events up to number `upto` are durable: forgotten. Numbers that were never sent, or were taken before, change
** nothing. */
void ff_outbox_taken(struct ff_outbox *o, long upto);
/* Is the newest event, if any, a progress event? */
bool ff_outbox_is_progress(const struct ff_outbox *o);
/* Everything that is not taken will be sent again. */
void ff_outbox_rewind(struct ff_outbox *o);

#endif
