/* server/http/channel.c - see channel.h. */
#include "server/http/channel.h"

#include <stdlib.h>

static void drop_oldest(struct ff_channel *c)
{
    struct ff_frame_text *frame = &c->ring[c->first];
    c->bytes -= frame->size;
    free(frame->text);
    *frame = (struct ff_frame_text){0};
    c->first = (c->first + 1) % FF_RING_FRAMES;
    c->n--;
}

void ff_channel_free(struct ff_channel *c)
{
    if (!c) return;
    while (c->n) drop_oldest(c);
    free(c);
}

void ff_channel_add(struct ff_channel *c, long seq, struct ff_frame_text frame)
{
    while (c->n && (seq != c->last + 1 || c->n == FF_RING_FRAMES || c->bytes + frame.size > FF_RING_BYTES))
        drop_oldest(c);
    c->ring[(c->first + c->n) % FF_RING_FRAMES] = frame;
    c->n++;
    c->bytes += frame.size;
    c->last = seq;
    c->ended = frame.end;
}

const struct ff_frame_text *ff_channel_find(const struct ff_channel *c, long seq)
{
    if (seq > c->last || seq <= c->last - c->n) return NULL;
    return &c->ring[(c->first + (int)(seq - (c->last - c->n) - 1)) % FF_RING_FRAMES];
}
