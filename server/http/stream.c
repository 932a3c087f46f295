/* server/http/stream.c - one event stream: from the ring, or from the queue when it is behind (fanout.h). */
#include "server/http/stream.h"

#include <stdlib.h>
#include <string.h>

#include "server/http/sse.h"
#include "server/queue/events.h"

enum { PAGE = 32, DEFAULT_STREAMS_PER_USER = 1024 };

void ff_stream_wake(struct ff_stream *s)
{
    if (!s->suspended) return;
    s->suspended = false;
    MHD_resume_connection(s->connection);
}

/* Adds bytes to what is pending. */
static bool append(struct ff_stream *s, const char *bytes, size_t size)
{
    char *more = realloc(s->pending, s->npending + size);
    if (!more) return false;
    memcpy(more + s->npending, bytes, size);
    s->pending = more;
    s->npending += size;
    return true;
}

/* How many streams a user has; with the lock held. */
static int streams_of(const struct ff_fanout *f, int64_t user)
{
    int n = 0;
    for (const struct ff_stream *s = f->streams; s; s = s->next_stream) n += s->user == user;
    return n;
}

/* Joins the job's channel, which the caller holds by ff_fanout_watch: from here on the stream does. */
static ff_err join(struct ff_fanout *f, struct ff_stream *s, const struct ff_job_row *job, ff_ctx *ctx)
{
    const int most = f->http->config.streams_per_user ? f->http->config.streams_per_user : DEFAULT_STREAMS_PER_USER;
    if (f->ending) return ff_fail(ctx, FF_EBUSY, FF_HERE, "the server is stopping");
    if (streams_of(f, s->user) >= most)
        return ff_fail(ctx, FF_EQUOTA, FF_HERE, "too many event streams; allowed: %d of one user", most);
    s->channel = ff_fanout_channel(f, job->row);
    if (!s->channel->known) {
        s->channel->known = true;
        s->channel->last = job->last_seq;
        s->channel->ended = job->ended;
    }
    s->channel->dirty = f->dirty = true; /* what was committed since `job` was read */
    pthread_cond_signal(&f->work);
    s->next_stream = f->streams;
    if (f->streams) f->streams->prev = s;
    f->streams = s;
    f->nstreams++;
    return FF_OK;
}

ff_err ff_stream_open(struct ff_stream **out, struct ff_request *r, const struct ff_job_row *job, long after,
                      ff_ctx *ctx)
{
    struct ff_fanout *f = r->http->fanout;
    struct ff_stream *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s || !append(s, FF_SSE_HELLO, strlen(FF_SSE_HELLO))) {
        free(s);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a stream");
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    s->fanout = f;
    s->request = r;
    s->connection = r->connection;
    s->fd = info ? info->connect_fd : -1;
    s->user = r->who.user;
    s->next = after + 1;
    s->sent_ms = ff_monotonic_ms();
    pthread_mutex_lock(&f->lock);
    ff_err err = join(f, s, job, ctx);
    pthread_mutex_unlock(&f->lock);
    if (err) {
        free(s->pending);
        free(s);
    } else {
        *out = s;
    }
    return err;
}

void ff_stream_close(void *self)
{
    struct ff_stream *s = self;
    struct ff_fanout *f = s->fanout;
    pthread_mutex_lock(&f->lock);
    if (s->prev) s->prev->next_stream = s->next_stream;
    if (s->next_stream) s->next_stream->prev = s->prev;
    if (f->streams == s) f->streams = s->next_stream;
    f->nstreams--;
    ff_fanout_release(f, s->channel);
    pthread_mutex_unlock(&f->lock);
    free(s->pending);
    free(s);
}

/* ---- reading ---- */
static ff_err take_event(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    struct ff_stream *s = self;
    size_t size;
    char *frame = event->seq == s->next ? ff_sse_frame(event->seq, event->type, event->text, &size) : NULL;
    if (!frame)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an event, or a gap before event %ld", event->seq);
    const bool kept = append(s, frame, size);
    free(frame);
    if (!kept) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an event");
    s->next++;
    s->done = s->done || strcmp(event->type, "end") == 0;
    return FF_OK;
}

static ff_err read_page(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct ff_stream *s = arg;
    return ff_events_read(tx, s->channel->job, s->next - 1, PAGE, take_event, s, ctx);
}

/* A page of what the ring no longer has. */
static bool catch_up(struct ff_stream *s)
{
    ff_ctx ctx = {0};
    const long before = s->next;
    ff_err err = ff_queue_read(s->fanout->http->config.queue, read_page, s, &ctx);
    if (err) ff_http_log(s->fanout->http, "error", "%s: events could not be read: %s", s->request->id, ctx.message);
    return !err && s->next > before;
}

static size_t send_pending(struct ff_stream *s, char *out, size_t size)
{
    size_t n = s->npending - s->at;
    if (n > size) n = size;
    memcpy(out, s->pending + s->at, n);
    s->at += n;
    if (s->at == s->npending) {
        free(s->pending);
        s->pending = NULL;
        s->npending = s->at = 0;
    }
    return n;
}

/* Frames of the ring into out; the rest of one that does not fit becomes pending. With the lock held. */
static size_t send_frames(struct ff_stream *s, char *out, size_t size)
{
    size_t n = 0;
    const struct ff_frame_text *frame;
    while (n < size && !s->done && (frame = ff_channel_find(s->channel, s->next)) != NULL) {
        const size_t m = frame->size < size - n ? frame->size : size - n;
        if (m < frame->size && !append(s, frame->text + m, frame->size - m)) break;
        memcpy(out + n, frame->text, m);
        n += m;
        s->next++;
        s->done = frame->end;
    }
    return n;
}

enum turn { SENT, BEHIND, WAIT, OVER };

/* What there is to do for a stream with nothing pending. */
static enum turn turn(struct ff_stream *s, char *out, size_t size, size_t *n)
{
    struct ff_fanout *f = s->fanout;
    enum turn what = SENT;
    pthread_mutex_lock(&f->lock);
    *n = f->ending || s->gone ? 0 : send_frames(s, out, size);
    const bool over = s->done || (s->channel->ended && s->next > s->channel->last);
    if (f->ending || s->gone || (*n == 0 && over)) {
        what = OVER;
    } else if (*n == 0 && s->next <= s->channel->last) {
        what = BEHIND;
    } else if (*n == 0 && s->beat && size >= sizeof FF_SSE_HEARTBEAT) {
        *n = sizeof FF_SSE_HEARTBEAT - 1;
        memcpy(out, FF_SSE_HEARTBEAT, *n);
    } else if (*n == 0) {
        what = WAIT;
        s->suspended = true;
        MHD_suspend_connection(s->connection);
    }
    if (what == SENT) {
        s->beat = false;
        s->sent_ms = ff_monotonic_ms();
    }
    pthread_mutex_unlock(&f->lock);
    return what;
}

ssize_t ff_stream_read(void *self, uint64_t pos, char *out, size_t size)
{
    struct ff_stream *s = self;
    size_t n = 0;
    (void)pos;
    while (n == 0) {
        if (s->npending > s->at) {
            n = send_pending(s, out, size);
            break;
        }
        const enum turn what = turn(s, out, size, &n);
        if (what == OVER) return MHD_CONTENT_READER_END_OF_STREAM;
        if (what == WAIT) return 0;
        if (what == BEHIND && !catch_up(s)) return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    s->request->bytes += (long long)n;
    return (ssize_t)n;
}
