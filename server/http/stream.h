/* server/http/stream.h - inside of fanout.c and stream.c: the fanout's members and those of a stream. */
#ifndef FF_SERVER_HTTP_STREAM_H
#define FF_SERVER_HTTP_STREAM_H

#include "server/http/channel.h"
#include "server/http/fanout.h"

enum { FF_BUCKETS = 1024 };

struct ff_fanout {
    struct ff_http *http;
    pthread_mutex_t
        lock; /* guards everything below and the shared part of streams; never held while the queue is read */
    pthread_cond_t work;
    bool stopping, ending;
    bool dirty; /* a channel is */
    struct ff_channel *buckets[FF_BUCKETS];
    struct ff_stream *streams;
    int nstreams;
    pthread_t pump;
    bool pumping;
};

struct ff_stream {
    struct ff_fanout *fanout;
    struct ff_request *request; /* outlives the reading */
    struct MHD_Connection *connection;
    int fd;
    int64_t user;
    long next; /* seq wanted */
    bool done; /* "end" was taken */
    /* Bytes taken but not sent: what did not fit, or a page from the queue. The reader's own. */
    char *pending;
    size_t npending, at;
    /* shared, under the fanout's lock */
    struct ff_channel *channel;
    bool suspended, beat, gone;
    int64_t sent_ms;
    struct ff_stream *prev, *next_stream;
};

/* With the lock held. */
void ff_stream_wake(struct ff_stream *s);
struct ff_channel *ff_fanout_channel(struct ff_fanout *f, int64_t job);
void ff_fanout_release(struct ff_fanout *f, struct ff_channel *c);

#endif
