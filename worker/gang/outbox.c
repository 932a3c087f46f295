/* worker/gang/outbox.c - see outbox.h: a ring of JSON objects. */
#include "worker/gang/outbox.h"

#include <stdlib.h>
#include <string.h>

ff_err ff_outbox_init(struct ff_outbox *o, long capacity, ff_ctx *ctx)
{
    *o = (struct ff_outbox){.capacity = capacity, .number = 1};
    o->ring = calloc((size_t)capacity, sizeof(json_t *));
    if (!o->ring) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a queue of %ld events", capacity);
    return FF_OK;
}

static json_t **place(const struct ff_outbox *o, long i)
{
    return &o->ring[(o->head + i) % o->capacity];
}

void ff_outbox_clear(struct ff_outbox *o)
{
    for (long i = 0; i < o->count; i++) json_decref(*place(o, i));
    o->head = o->count = o->sent = o->told = 0;
    o->number = 1;
}

void ff_outbox_done(struct ff_outbox *o)
{
    if (o->ring) ff_outbox_clear(o);
    free(o->ring);
    o->ring = NULL;
}

/* Twice the room, the oldest first. */
static bool grow(struct ff_outbox *o)
{
    json_t **ring = calloc((size_t)o->capacity * 2, sizeof(json_t *));
    if (!ring) return false;
    for (long i = 0; i < o->count; i++) ring[i] = *place(o, i);
    free(o->ring);
    o->ring = ring;
    o->head = 0;
    o->capacity *= 2;
    return true;
}

static bool is_progress(const json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    return type && !strcmp(type, "progress");
}

bool ff_outbox_add(struct ff_outbox *o, json_t *event, bool beyond)
{
    if (o->count > o->told && is_progress(event)) {
        json_t **last = place(o, o->count - 1);
        if (is_progress(*last)) {
            json_decref(*last);
            *last = event;
            return true;
        }
    }
    if (ff_outbox_full(o) && !(beyond && grow(o))) return false;
    *place(o, o->count) = event;
    o->count++;
    return true;
}

json_t *ff_outbox_batch(const struct ff_outbox *o, long most, long *from)
{
    long n = ff_outbox_unsent(o);
    if (n > most) n = most;
    if (n > FF_OUTBOX_BATCH) n = FF_OUTBOX_BATCH;
    json_t *batch = n > 0 ? json_array() : NULL;
    for (long i = 0; batch && i < n; i++) {
        if (json_array_append(batch, *place(o, o->sent + i))) {
            json_decref(batch);
            return NULL;
        }
    }
    *from = o->number + o->sent;
    return batch;
}

void ff_outbox_mark(struct ff_outbox *o, long n)
{
    if (n > 0 && n <= ff_outbox_unsent(o)) o->sent += n;
    if (o->told < o->sent) o->told = o->sent;
}

void ff_outbox_taken(struct ff_outbox *o, long upto)
{
    long n = upto - o->number + 1;
    if (n <= 0) return;
    if (n > o->told) n = o->told;
    for (long i = 0; i < n; i++) json_decref(*place(o, i));
    o->head = (o->head + n) % o->capacity;
    o->count -= n;
    o->told -= n;
    o->sent = o->sent > n ? o->sent - n : 0;
    o->number += n;
}

bool ff_outbox_is_progress(const struct ff_outbox *o)
{
    return o->count > 0 && is_progress(*place(o, o->count - 1));
}

void ff_outbox_rewind(struct ff_outbox *o)
{
    o->sent = 0;
}
