/* server/http/events.c - GET /v1/jobs/{job}/events: replay from a number on, then live until the job's end. */
#include <string.h>

#include "server/http/fanout.h"
#include "server/http/look.h"
#include "server/http/reply.h"

/* Number of the last event the client has: Last-Event-ID (which a reconnecting client sends) before ?after=. */
static ff_err place(struct ff_request *r, long *after, ff_ctx *ctx)
{
    const char *id = ff_request_header(r, "Last-Event-ID");
    if (!id || !*id) return ff_query_number(&r->query, "after", 0, LONG_MAX - 1, 0, after, ctx);
    if (ff_parse_number(id, 0, LONG_MAX - 1, after)) return FF_OK;
    return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "Last-Event-ID is not the number of an event");
}

/* Opens the stream; the channel, held by the caller, becomes the stream's or is let go. */
static ff_err stream(struct ff_request *r, int64_t row, long after, ff_ctx *ctx)
{
    struct ff_job_row job;
    struct ff_stream *s = NULL;
    ff_err err = ff_look_job(r, &job, ctx); /* again, now that the channel hears of commits */
    if (!err) err = ff_stream_open(&s, r, &job, after, ctx);
    if (!s) ff_fanout_unwatch(r->http->fanout, row);
    if (err) return err;
    return ff_reply_stream(r, "text/event-stream", ff_stream_read, s, ff_stream_close, ctx);
}

ff_err ff_get_events(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_job_row job;
    long after;
    ff_err err = place(r, &after, ctx);
    if (!err) err = ff_look_job(r, &job, ctx);
    if (err) return err;
    if (job.ended && after >= job.last_seq) return ff_reply_empty(r, MHD_HTTP_NO_CONTENT, ctx);
    err = ff_fanout_watch(r->http->fanout, job.row, ctx);
    return err ? err : stream(r, job.row, after, ctx);
}
