/* server/http/fanout.c - channels, the pump and the tick (fanout.h). */
#define _GNU_SOURCE /* POLLRDHUP */
#include "server/http/fanout.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/http/sse.h"
#include "server/http/stream.h"
#include "server/queue/events.h"

enum { PAGE = 256, RETRY_MS = 500 };

static struct ff_channel **bucket(struct ff_fanout *f, int64_t job)
{
    return &f->buckets[(uint64_t)job % FF_BUCKETS];
}

struct ff_channel *ff_fanout_channel(struct ff_fanout *f, int64_t job)
{
    struct ff_channel *c = *bucket(f, job);
    while (c && c->job != job) c = c->next;
    return c;
}

void ff_fanout_release(struct ff_fanout *f, struct ff_channel *c)
{
    if (!c || --c->users > 0) return;
    struct ff_channel **at = bucket(f, c->job);
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    ff_channel_free(c);
}

static void mark(struct ff_fanout *f, struct ff_channel *c)
{
    c->dirty = true;
    f->dirty = true;
    pthread_cond_signal(&f->work);
}

void ff_fanout_changed(void *self, const struct ff_changes *changes)
{
    struct ff_fanout *f = self;
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < changes->njobs && f->nstreams > 0; i++) {
        struct ff_channel *c = ff_fanout_channel(f, changes->jobs[i]);
        if (c) mark(f, c);
    }
    pthread_mutex_unlock(&f->lock);
}

ff_err ff_fanout_watch(struct ff_fanout *f, int64_t job, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    pthread_mutex_lock(&f->lock);
    struct ff_channel *c = ff_fanout_channel(f, job);
    if (!c) {
        c = calloc(1, sizeof *c);
        if (c) {
            c->job = job;
            c->next = *bucket(f, job);
            *bucket(f, job) = c;
        }
    }
    if (c) {
        c->users++;
    } else {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a stream");
    }
    pthread_mutex_unlock(&f->lock);
    return err;
}

void ff_fanout_unwatch(struct ff_fanout *f, int64_t job)
{
    pthread_mutex_lock(&f->lock);
    ff_fanout_release(f, ff_fanout_channel(f, job));
    pthread_mutex_unlock(&f->lock);
}

/* ---- the pump ---- */
struct page {
    int64_t job;
    long after;
    int n;
    struct {
        long seq;
        struct ff_frame_text frame;
    } of[PAGE];
};

static ff_err take_event(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    struct page *page = self;
    struct ff_frame_text frame = {.end = strcmp(event->type, "end") == 0};
    if (page->n == PAGE) return FF_OK;
    frame.text = ff_sse_frame(event->seq, event->type, event->text, &frame.size);
    if (!frame.text) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an event");
    page->of[page->n].seq = event->seq;
    page->of[page->n++].frame = frame;
    return FF_OK;
}

static ff_err read_page(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct page *page = arg;
    return ff_events_read(tx, page->job, page->after, PAGE, take_event, page, ctx);
}

/* Reads what is new of one channel, which the caller holds; the lock is given up meanwhile. */
static void follow(struct ff_fanout *f, struct ff_channel *c, struct page *page)
{
    ff_ctx ctx = {0};
    *page = (struct page){.job = c->job, .after = c->last};
    c->dirty = false;
    pthread_mutex_unlock(&f->lock);
    ff_err err = ff_queue_read(f->http->config.queue, read_page, page, &ctx);
    if (err) {
        ff_http_log(f->http, "error", "events of a job could not be read: %s", ctx.message);
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    }
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < page->n; i++) ff_channel_add(c, page->of[i].seq, page->of[i].frame);
    if (err || page->n == PAGE) c->dirty = true;
    if (page->n == 0) return;
    for (struct ff_stream *s = f->streams; s; s = s->next_stream) {
        if (s->channel == c) ff_stream_wake(s);
    }
}

/* A channel with news, held for the caller; NULL: none. */
static struct ff_channel *next_dirty(struct ff_fanout *f)
{
    for (int i = 0; i < FF_BUCKETS; i++) {
        for (struct ff_channel *c = f->buckets[i]; c; c = c->next) {
            if (!c->dirty || !c->known) continue;
            c->users++;
            return c;
        }
    }
    return NULL;
}

static void *pump(void *arg)
{
    struct ff_fanout *f = arg;
    struct page *page = malloc(sizeof *page);
    pthread_mutex_lock(&f->lock);
    while (page && !f->stopping) {
        struct ff_channel *c = f->dirty ? next_dirty(f) : NULL;
        if (c) {
            follow(f, c, page);
            ff_fanout_release(f, c);
        } else {
            f->dirty = false;
            pthread_cond_wait(&f->work, &f->lock);
        }
    }
    pthread_mutex_unlock(&f->lock);
    free(page);
    return NULL;
}

/* ---- the tick ---- */
/* Whose client has gone: a suspended connection is not looked at by the daemon. */
static void find_gone(struct ff_fanout *f)
{
    struct pollfd *fds = f->nstreams ? calloc((size_t)f->nstreams, sizeof *fds) : NULL;
    int n = 0;
    if (!fds) return;
    for (struct ff_stream *s = f->streams; s; s = s->next_stream)
        fds[n++] = (struct pollfd){.fd = s->suspended ? s->fd : -1, .events = POLLRDHUP};
    if (poll(fds, (nfds_t)n, 0) > 0) {
        n = 0;
        for (struct ff_stream *s = f->streams; s; s = s->next_stream) {
            if (!(fds[n++].revents & (POLLRDHUP | POLLHUP | POLLERR))) continue;
            s->gone = true;
            ff_stream_wake(s);
        }
    }
    free(fds);
}

void ff_fanout_tick(struct ff_fanout *f, int64_t now_ms)
{
    pthread_mutex_lock(&f->lock);
    find_gone(f);
    for (struct ff_stream *s = f->streams; s; s = s->next_stream) {
        if (!s->suspended || now_ms - s->sent_ms < FF_HEARTBEAT_S * 1000) continue;
        s->beat = true;
        ff_stream_wake(s);
    }
    pthread_mutex_unlock(&f->lock);
}

/* ---- start and stop ---- */
ff_err ff_fanout_start(struct ff_fanout **out, struct ff_http *h, ff_ctx *ctx)
{
    struct ff_fanout *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for streams");
    f->http = h;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->work, NULL);
    f->pumping = pthread_create(&f->pump, NULL, pump, f) == 0;
    if (!f->pumping) {
        ff_fanout_stop(f);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "a thread could not be started");
    }
    *out = f;
    return FF_OK;
}

void ff_fanout_end_streams(struct ff_fanout *f)
{
    pthread_mutex_lock(&f->lock);
    f->ending = true;
    for (struct ff_stream *s = f->streams; s; s = s->next_stream) ff_stream_wake(s);
    pthread_mutex_unlock(&f->lock);
}

void ff_fanout_stop(struct ff_fanout *f)
{
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_cond_signal(&f->work);
    pthread_mutex_unlock(&f->lock);
    if (f->pumping) pthread_join(f->pump, NULL);
    for (int i = 0; i < FF_BUCKETS; i++) {
        while (f->buckets[i]) {
            struct ff_channel *c = f->buckets[i];
            f->buckets[i] = c->next;
            ff_channel_free(c);
        }
    }
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->work);
    free(f);
}

int ff_fanout_streams(struct ff_fanout *f)
{
    pthread_mutex_lock(&f->lock);
    const int n = f->nstreams;
    pthread_mutex_unlock(&f->lock);
    return n;
}
