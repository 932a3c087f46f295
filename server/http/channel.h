/* server/http/channel.h - one watched job: the ring of its latest events as ready frames. No locks here: the fanout's. */
#ifndef FF_SERVER_HTTP_CHANNEL_H
#define FF_SERVER_HTTP_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FF_RING_FRAMES = 512, FF_RING_BYTES = 2 << 20 };

struct ff_frame_text {
    char *text; /* owned by the ring */
    size_t size;
    bool end; /* the job's last */
};

struct ff_channel {
    struct ff_channel *next; /* of the same bucket */
    int64_t job;
    int users;  /* streams and callers that hold it */
    bool dirty; /* there may be events after `last` */
    bool known; /* `last` was set */
    bool ended; /* nothing comes after `last` */
    long last;  /* seq of the newest event that was read */
    size_t bytes;
    int first, n; /* the ring: the n frames of seq last-n+1 .. last start at place `first` */
    struct ff_frame_text ring[FF_RING_FRAMES];
};

void ff_channel_free(struct ff_channel *c);
/* Adds the event after `last`; takes the text. Old frames go when there are too many or too large ones. */
void ff_channel_add(struct ff_channel *c, long seq, struct ff_frame_text frame);
/* The frame of an event; NULL: not in the ring. */
const struct ff_frame_text *ff_channel_find(const struct ff_channel *c, long seq);

#endif
