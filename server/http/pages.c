/* server/http/pages.c - see pages.h. */
#include "server/http/pages.h"

#include <stdlib.h>
#include <string.h>

#include "server/http/reply.h"

enum { PAGE = 128 };

struct ff_pages {
    struct ff_request *request; /* outlives the reading */
    struct ff_page_source source;
    char *text; /* lines of the current page */
    size_t size, at;
};

struct read {
    struct ff_page_source *source;
    long most, n;
    ff_event_fn fn;
    void *self;
};

static ff_err pass(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    struct read *read = self;
    ff_err err = read->fn(read->self, event, ctx);
    if (err) return err;
    read->n++;
    read->source->left--;
    read->source->place = read->source->samples ? read->source->place + 1 : event->seq;
    return FF_OK;
}

static ff_err read_page(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct read *read = arg;
    const struct ff_page_source *s = read->source;
    if (s->samples) return ff_samples_read(tx, s->job, s->place, read->most, pass, read, ctx);
    return ff_logs_read(tx, s->job, s->place, s->since_ms, *s->task ? s->task : NULL, s->attempt, read->most, pass,
                        read, ctx);
}

ff_err ff_page_read(struct ff_http *h, struct ff_page_source *source, long most, ff_event_fn fn, void *self, long *n,
                    ff_ctx *ctx)
{
    struct read read = {.source = source, .most = most, .fn = fn, .self = self};
    *n = 0;
    if (read.most > source->left) read.most = source->left;
    if (read.most <= 0) return FF_OK;
    ff_err err = ff_queue_read(h->config.queue, read_page, &read, ctx);
    *n = read.n;
    return err;
}

static ff_err take_line(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    struct ff_pages *p = self;
    const size_t n = strlen(event->text);
    char *more = realloc(p->text, p->size + n + 1);
    if (!more) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a page of events");
    memcpy(more + p->size, event->text, n);
    more[p->size + n] = '\n';
    p->text = more;
    p->size += n + 1;
    return FF_OK;
}

static ssize_t read_on(void *self, uint64_t pos, char *out, size_t size)
{
    struct ff_pages *p = self;
    (void)pos;
    if (p->at == p->size) {
        ff_ctx ctx = {0};
        long n;
        p->at = p->size = 0;
        ff_err err = ff_page_read(p->request->http, &p->source, PAGE, take_line, p, &n, &ctx);
        if (err) {
            ff_http_log(p->request->http, "error", "%s: events could not be read: %s", p->request->id, ctx.message);
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        if (n == 0) return MHD_CONTENT_READER_END_OF_STREAM;
    }
    const size_t n = p->size - p->at < size ? p->size - p->at : size;
    memcpy(out, p->text + p->at, n);
    p->at += n;
    p->request->bytes += (long long)n;
    return (ssize_t)n;
}

static void done(void *self)
{
    struct ff_pages *p = self;
    free(p->text);
    free(p);
}

ff_err ff_reply_pages(struct ff_request *r, const struct ff_page_source *source, ff_ctx *ctx)
{
    struct ff_pages *p = calloc(1, sizeof *p);
    if (!p) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an answer");
    p->request = r;
    p->source = *source;
    return ff_reply_stream(r, "application/x-ndjson", read_on, p, done, ctx);
}
